using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using TunnelBox.Crypto;
using TunnelBox.Protocol;

namespace TunnelBox.Benchmarks;

/// <summary>A peer that shakes hands, tries again after 5 s and up to 333 ms, and does nothing else.</summary>
internal sealed class HandshakeClient : IDisposable
{
    private readonly KeyArena _arena;
    private readonly Identity _identity;
    private readonly PublicKey _responder;
    private readonly Queue<(Handshake Handshake, byte[] Message)> _prepared = new();
    private readonly CookieJar _jar;
    private readonly SodiumRandom _random = new();
    private readonly Tai64nClock _clock = new(TimeProvider.System);
    private readonly Socket? _socket;
    private readonly byte[] _answer = new byte[256];
    private readonly byte[] _confirmation = new byte[32];
    private Handshake _handshake;
    private byte[] _message = new byte[InitiationMessage.Size];
    private long _began;
    private long _next;

    public HandshakeClient(KeyArena arena, int number, PublicKey responder, IPEndPoint? to, int addresses = int.MaxValue)
    {
        _arena = arena;
        _responder = responder;
        _identity = new Identity(arena, KeyOf(number));
        _handshake = new Handshake(arena, responder);
        _jar = new CookieJar(responder);
        if (to is not null)
        {
            _socket = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp) { Blocking = false };
            int place = (number % addresses) + 1;
            _socket.Bind(new IPEndPoint(IPAddress.Parse($"10.77.{place / 250}.{(place % 250) + 1}"), 0));
            _socket.Connect(to);
        }
    }

    public double Took { get; private set; } = -1;

    public bool HadCookie { get; private set; }

    /// <summary>Gets how many initiations left.</summary>
    public int Initiations { get; private set; }

    /// <summary>Gets how many cookie replies came.</summary>
    public int Cookies { get; private set; }

    /// <summary>Gets whether its next initiation should leave now.</summary>
    public bool IsDue => Took < 0 && Stopwatch.GetTimestamp() >= _next;

    /// <summary>Gets the descriptor of its socket.</summary>
    public int Descriptor => (int)_socket!.Handle;

    public void Write(byte[] message)
    {
        Create(_handshake, message);
        _jar.AddMacs(message, Now());
    }

    /// <summary>
    /// Makes the first messages before their time, each with an ephemeral key and a later time stamp of its own. The macs, of which the second
    /// needs a cookie that is not there yet, are added when one is sent.
    /// </summary>
    /// <param name="messages">How many.</param>
    public void Prepare(int messages)
    {
        for (int i = 0; i < messages; i++)
        {
            Handshake handshake = new(_arena, _responder);
            byte[] message = new byte[InitiationMessage.Size];
            Create(handshake, message);
            _prepared.Enqueue((handshake, message));
        }
    }

    public void Begin(double delay)
    {
        Took = -1;
        HadCookie = false;
        _began = Stopwatch.GetTimestamp() + (long)(delay * Stopwatch.Frequency);
        _next = _began;
    }

    public void Step()
    {
        if (Took >= 0)
        {
            return;
        }

        // What came is looked at first: a new message would make an answer to the last one worthless.
        while (Receive() is var length && length > 0)
        {
            if (_answer[0] == 3)
            {
                Cookies++;
                _jar.ConsumeReply(_answer.AsSpan(0, length), Now());
            }
            else if (_answer[0] == 2 && length == ResponseMessage.Size && _handshake.ConsumeResponse(_identity, _answer.AsSpan(0, length)))
            {
                Took = Stopwatch.GetElapsedTime(_began).TotalSeconds;
                if (_handshake.TryDeriveSession(out SessionKeys session))
                {
                    Confirm(session);
                    _arena.Return(session.SendKey);
                    _arena.Return(session.ReceiveKey);
                }
            }
        }

        long now = Stopwatch.GetTimestamp();
        if (Took < 0 && now >= _next)
        {
            Renew();
            HadCookie = _next == _began ? _message.AsSpan(InitiationMessage.Size - 16).ContainsAnyExcept((byte)0) : HadCookie;
            Send();
            Initiations++;
            _next = now + (long)((5 + (Random.Shared.NextDouble() / 3)) * Stopwatch.Frequency);
        }
    }

    public static byte[] KeyOf(int i)
    {
        byte[] key = new byte[32];
        new Random(i).NextBytes(key);
        return key;
    }

    public void Dispose()
    {
        _socket?.Dispose();
        _handshake.Dispose();
        while (_prepared.TryDequeue(out (Handshake Handshake, byte[] Message) unused))
        {
            unused.Handshake.Dispose();
        }

        _identity.Dispose();
    }

    private void Create(Handshake handshake, byte[] message)
    {
        if (!handshake.CreateInitiation(_identity, _clock.Next(), (uint)Random.Shared.Next(), _random, message))
        {
            throw new InvalidOperationException("an initiation cannot be made");
        }
    }

    private void Renew()
    {
        if (_prepared.TryDequeue(out (Handshake Handshake, byte[] Message) next))
        {
            _handshake.Dispose();
            (_handshake, _message) = next;
            _jar.AddMacs(_message, Now());
            return;
        }

        Write(_message);
    }

    // The responder may use a session once something came in it: a keepalive, data without content.
    private void Confirm(in SessionKeys session)
    {
        _confirmation[0] = 4;
        BitConverter.TryWriteBytes(_confirmation.AsSpan(4), session.RemoteIndex);
        ChaChaPoly.Seal(KeyArena.DangerousGetSpan(session.SendKey), 0, default, default, _confirmation.AsSpan(16));
        _socket!.Send(_confirmation, SocketFlags.None, out _);
    }

    private static long Now() => Stopwatch.GetTimestamp();

    // What fails is lost: it is tried again like any other. Without exceptions, which cost more than a handshake.
    private void Send() => _socket!.Send(_message, SocketFlags.None, out _);

    private int Receive()
    {
        int length = _socket!.Receive(_answer, SocketFlags.None, out SocketError error);
        return error == SocketError.Success ? length : 0;
    }
}
