using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using TunnelBox.Protocol.Tests;

namespace TunnelBox.EndToEnd.Tests.Harness;

/// <summary>A peer that this process plays itself, so that every secret of its handshakes is known here. It begins them, by the slow reading of the paper.</summary>
internal sealed partial class PlayedPeer : IDisposable
{
    private const int CloneNewNetwork = 0x40000000;
    private readonly byte[] _private = RandomNumberGenerator.GetBytes(32);
    private readonly byte[] _daemon;
    private readonly EndPoint _endpoint;
    private readonly Socket _socket;
    private uint _index;

    /// <summary>Makes a peer with a socket in a namespace.</summary>
    /// <param name="space">Where.</param>
    /// <param name="daemon">The daemon's public key, base64.</param>
    /// <param name="port">Its port on the loopback device.</param>
    public PlayedPeer(NetworkNamespace space, string daemon, int port)
    {
        _daemon = Convert.FromBase64String(daemon);
        _endpoint = new IPEndPoint(IPAddress.Loopback, port);
        _socket = Open(space.Name);
        _socket.ReceiveTimeout = 5000;
    }

    /// <summary>Gets the public key, base64.</summary>
    public string Public => Convert.ToBase64String(SlowNoise.PublicOf(_private));

    /// <summary>Gets the preshared key.</summary>
    public byte[] Preshared { get; } = RandomNumberGenerator.GetBytes(32);

    /// <summary>Shakes hands and sends the keepalive that confirms the session.</summary>
    /// <returns>Every secret that both ends had: session keys, and what led to them.</returns>
    public PlayedSession Shake()
    {
        var secrets = new Dictionary<string, byte[]>(StringComparer.Ordinal);
        byte[] ephemeral = RandomNumberGenerator.GetBytes(32);
        uint index = ++_index;
        byte[] chain = SlowNoise.Hash("Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s"u8.ToArray());
        byte[] hash = SlowNoise.Hash(SlowNoise.Hash(chain, "WireGuard v1 zx2c4 Jason@zx2c4.com"u8.ToArray()), _daemon);
        byte[] e = SlowNoise.PublicOf(ephemeral);
        chain = SlowNoise.Kdf(chain, e)[0];
        hash = SlowNoise.Hash(hash, e);
        byte[][] t = Mix("es", chain, SlowNoise.X25519(ephemeral, _daemon));
        byte[] sealedStatic = SlowNoise.Seal(t[1], SlowNoise.PublicOf(_private), hash);
        hash = SlowNoise.Hash(hash, sealedStatic);
        t = SlowNoise.Kdf(t[0], SlowNoise.X25519(_private, _daemon));
        secrets["chaining key after ss"] = chain = t[0];
        secrets["key of the time stamp"] = t[1];
        byte[] sealedStamp = SlowNoise.Seal(t[1], Stamp(), hash);
        hash = SlowNoise.Hash(hash, sealedStamp);
        byte[] initiation = [1, 0, 0, 0, .. SlowNoise.Little(index), .. e, .. sealedStatic, .. sealedStamp, .. new byte[32]];
        SlowNoise.Mac1(initiation, _daemon).CopyTo(initiation, 116);
        _socket.SendTo(initiation, _endpoint);

        byte[] response = Receive(2, 92);
        Assert.Equal(index, BinaryPrimitives.ReadUInt32LittleEndian(response.AsSpan(8)));
        e = response[12..44];
        chain = SlowNoise.Kdf(chain, e)[0];
        secrets["chaining key after the responder's ephemeral"] = chain;
        hash = SlowNoise.Hash(hash, e);
        chain = Mix("ee", chain, SlowNoise.X25519(ephemeral, e))[0];
        chain = Mix("se", chain, SlowNoise.X25519(_private, e))[0];
        t = SlowNoise.Kdf(chain, Preshared);
        hash = SlowNoise.Hash(hash, t[1]);
        secrets["chaining key after psk"] = t[0];
        secrets["key of the response"] = t[2];
        Assert.Equal(SlowNoise.Seal(t[2], [], hash), response[44..60]);
        t = SlowNoise.Kdf(t[0], []);
        var session = new PlayedSession(t[0], t[1], secrets);
        byte[] keepalive = [4, 0, 0, 0, .. response[4..8], .. new byte[8], .. SlowNoise.Seal(t[0], [], [])];
        _socket.SendTo(keepalive, _endpoint);
        return session;

        byte[][] Mix(string token, byte[] before, byte[] shared)
        {
            byte[][] after = SlowNoise.Kdf(before, shared);
            secrets[$"shared secret {token}"] = shared;
            secrets[$"chaining key after {token}"] = after[0];
            return after;
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _socket.Dispose();

    private static byte[] Stamp()
    {
        byte[] stamp = new byte[12];
        DateTimeOffset now = DateTimeOffset.UtcNow;
        BinaryPrimitives.WriteUInt64BigEndian(stamp, 0x400000000000000A + (ulong)now.ToUnixTimeSeconds());
        BinaryPrimitives.WriteUInt32BigEndian(stamp.AsSpan(8), (uint)(now.Ticks % TimeSpan.TicksPerSecond * 100));
        return stamp;
    }

    // Handshakes of the daemon's own may come in between, and are left without an answer.
    private byte[] Receive(byte type, int length)
    {
        byte[] buffer = new byte[2048];
        while (true)
        {
            int got = _socket.Receive(buffer);
            if (got == length && buffer[0] == type)
            {
                return buffer[..got];
            }
        }
    }

    // A socket belongs to the namespace of the thread that opens it; the thread ends there.
    private static Socket Open(string name)
    {
        Socket? socket = null;
        int failed = 0;
        var thread = new Thread(() =>
        {
            using var space = File.OpenHandle($"/run/netns/{name}");
            failed = EnterNamespace((int)space.DangerousGetHandle(), CloneNewNetwork);
            if (failed == 0)
            {
                socket = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
                socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
            }
        });
        thread.Start();
        thread.Join();
        Assert.True(failed == 0 && socket is not null, $"the namespace {name} cannot be entered");
        return socket;
    }

    [LibraryImport("libc", EntryPoint = "setns")]
    private static partial int EnterNamespace(int descriptor, int kind);
}

/// <summary>One session with a played peer.</summary>
/// <param name="PeerSends">The key of what the peer sends.</param>
/// <param name="DaemonSends">The key of what the daemon sends.</param>
/// <param name="Passing">What the handshake had by the way: shared secrets, chaining keys and keys for one message, by name.</param>
internal sealed record PlayedSession(byte[] PeerSends, byte[] DaemonSends, IReadOnlyDictionary<string, byte[]> Passing);
