using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using TunnelBox.Crypto;
using TunnelBox.Protocol;

namespace TunnelBox.Benchmarks;

/// <summary>
/// How long handshakes take with a real responder: many peers, each of its own address, first without a cookie, then with the one they
/// were given. Like the protocol's own initiators they try again after 5 s and up to 333 ms.
/// </summary>
public static class HandshakeProbe
{
    private const int GiveUp = 20;

    /// <summary>Makes the keys of peers; they are the same each time.</summary>
    /// <param name="count">How many.</param>
    /// <param name="output">Where the public keys go, a line each.</param>
    public static void WriteKeys(int count, TextWriter output)
    {
        ArgumentNullException.ThrowIfNull(output);
        using KeyArena arena = new();
        for (int i = 0; i < count; i++)
        {
            using Identity identity = new(arena, KeyOf(i));
            output.WriteLine(identity.PublicKey);
        }
    }

    /// <summary>Makes an initiation of a stranger, with the mac1 that the responder asks for.</summary>
    /// <param name="responder">The responder's public key.</param>
    /// <param name="output">Where it goes, in hexadecimal.</param>
    public static void WriteInitiation(string responder, TextWriter output)
    {
        ArgumentNullException.ThrowIfNull(output);
        using KeyArena arena = new();
        byte[] message = new byte[InitiationMessage.Size];
        using Client client = new(arena, 1_000_000, Parse(responder), null);
        client.Write(message);
        output.WriteLine(Convert.ToHexString(message));
    }

    /// <summary>Measures, and writes a line for each handshake: <c>cold</c> or <c>cookie</c>, the seconds it took (20 for one that never ended), and whether its first message proved a cookie.</summary>
    /// <param name="address">The responder's address.</param>
    /// <param name="port">Its port.</param>
    /// <param name="responder">Its public key.</param>
    /// <param name="count">How many peers; they have the addresses 10.77.0.1 and on.</param>
    /// <param name="output">Where the lines go.</param>
    public static void Run(string address, int port, string responder, int count, TextWriter output)
    {
        ArgumentNullException.ThrowIfNull(output);
        using KeyArena arena = new();
        PublicKey key = Parse(responder);
        Client[] clients = [.. Enumerable.Range(0, count).Select(i => new Client(arena, i, key, new IPEndPoint(IPAddress.Parse(address), port)))];
        foreach (string kind in (string[])["cold", "cookie"])
        {
            // Spread over a second, as nobody's peers come all at once.
            long began = Stopwatch.GetTimestamp();
            foreach (Client client in clients)
            {
                client.Begin((double)Array.IndexOf(clients, client) / count);
            }

            while (clients.Any(client => client.Took < 0) && Stopwatch.GetElapsedTime(began).TotalSeconds < GiveUp)
            {
                foreach (Client client in clients)
                {
                    client.Step();
                }

                Thread.Sleep(1);
            }

            foreach (Client client in clients)
            {
                output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{kind} {(client.Took < 0 ? GiveUp : client.Took):F4} {(client.HadCookie ? 1 : 0)}"));
            }
        }

        Array.ForEach(clients, client => client.Dispose());
    }

    private static PublicKey Parse(string text) => PublicKey.TryParse(text, out PublicKey key) ? key : throw new ArgumentException($"{text} is no public key", nameof(text));

    private static byte[] KeyOf(int i)
    {
        byte[] key = new byte[32];
        new Random(i).NextBytes(key);
        return key;
    }

    private sealed class Client : IDisposable
    {
        private readonly KeyArena _arena;
        private readonly Identity _identity;
        private readonly Handshake _handshake;
        private readonly CookieJar _jar;
        private readonly SodiumRandom _random = new();
        private readonly Tai64nClock _clock = new(TimeProvider.System);
        private readonly Socket? _socket;
        private readonly byte[] _message = new byte[InitiationMessage.Size];
        private readonly byte[] _answer = new byte[256];
        private long _began;
        private long _next;

        public Client(KeyArena arena, int number, PublicKey responder, IPEndPoint? to)
        {
            _arena = arena;
            _identity = new Identity(arena, KeyOf(number));
            _handshake = new Handshake(arena, responder);
            _jar = new CookieJar(responder);
            if (to is not null)
            {
                _socket = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp) { Blocking = false };
                _socket.Bind(new IPEndPoint(IPAddress.Parse($"10.77.{(number + 1) / 250}.{((number + 1) % 250) + 1}"), 0));
                _socket.Connect(to);
            }
        }

        public double Took { get; private set; } = -1;

        public bool HadCookie { get; private set; }

        public void Write(byte[] message)
        {
            if (!_handshake.CreateInitiation(_identity, _clock.Next(), (uint)Random.Shared.Next(), _random, message))
            {
                throw new InvalidOperationException("an initiation cannot be made");
            }

            _jar.AddMacs(message, Now());
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

            long now = Stopwatch.GetTimestamp();
            if (now >= _next)
            {
                Write(_message);
                HadCookie = _next == _began ? _message.AsSpan(InitiationMessage.Size - 16).ContainsAnyExcept((byte)0) : HadCookie;
                Send();
                _next = now + (long)((5 + (Random.Shared.NextDouble() / 3)) * Stopwatch.Frequency);
            }

            while (Receive() is var length && length > 0)
            {
                if (_answer[0] == 3)
                {
                    _jar.ConsumeReply(_answer.AsSpan(0, length), Now());
                }
                else if (_answer[0] == 2 && length == ResponseMessage.Size && _handshake.ConsumeResponse(_identity, _answer.AsSpan(0, length)))
                {
                    Took = Stopwatch.GetElapsedTime(_began).TotalSeconds;
                    if (_handshake.TryDeriveSession(out SessionKeys session))
                    {
                        _arena.Return(session.SendKey);
                        _arena.Return(session.ReceiveKey);
                    }
                }
            }
        }

        public void Dispose()
        {
            _socket?.Dispose();
            _handshake.Dispose();
            _identity.Dispose();
        }

        private static long Now() => Stopwatch.GetTimestamp();

        private void Send()
        {
            try
            {
                _socket!.Send(_message);
            }
            catch (SocketException)
            {
                // Lost: it is tried again like any other.
            }
        }

        private int Receive()
        {
            try
            {
                return _socket!.Receive(_answer);
            }
            catch (SocketException)
            {
                return 0;
            }
        }
    }
}
