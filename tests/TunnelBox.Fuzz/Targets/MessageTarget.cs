using System.Buffers.Binary;
using TunnelBox.Crypto;
using TunnelBox.DataPath.Tests;
using TunnelBox.Protocol;
using TunnelBox.Visibility;

namespace TunnelBox.Fuzz.Targets;

/// <summary>
/// A whole tunnel end in memory that gets right and changed handshake messages from a peer that is played here, step by step, with keys of its own.
/// </summary>
internal abstract class MessageTarget : FuzzTarget
{
    private const int InputsOfAnEnd = 200;
    private static readonly byte[][] s_points =
    [
        new byte[32], [1, .. new byte[31]], [.. Enumerable.Repeat((byte)0xFF, 32)], [0xEC, .. Enumerable.Repeat((byte)0xFF, 30), 0x7F],
        Convert.FromHexString("E0EB7A7C3B41B8AE1656E3FAF19FC46ADA098DEB9C32B1FD866205165F49B800"),
        Convert.FromHexString("5F9C95BCA3508C24B1D0B1559C83EF5B04445CC4581C8E86D8224EDDD09F1157"),
    ];

    private int _inputs;

    /// <summary>Gets the clock of the end.</summary>
    protected FakeClock Clock { get; } = new();

    /// <summary>Gets the end under test.</summary>
    protected MemoryNode Node { get; private set; } = null!;

    /// <summary>Gets the key pair of the peer that is played.</summary>
    protected Identity Other { get; private set; } = null!;

    /// <summary>Gets where the played peer's secrets lie.</summary>
    protected KeyArena Arena { get; } = new();

    /// <summary>Gets the random numbers of both.</summary>
    protected RandomSource Numbers { get; private set; } = null!;

    /// <summary>Gets the end's peer.</summary>
    protected Peer Peer { get; private set; } = null!;

    /// <summary>Gets what the end has sent since <see cref="Step"/> began.</summary>
    protected List<byte[]> Sent { get; } = [];

    /// <summary>Gets the address that the played peer sends from.</summary>
    protected EndpointAddress From { get; } = new(0x0A000009, 4242, false, 0);

    /// <inheritdoc/>
    public override int Run(byte[] input)
    {
        if (_inputs++ % InputsOfAnEnd == 0)
        {
            Begin();
        }

        Sent.Clear();
        return Play(new Draw(input));
    }

    /// <inheritdoc/>
    public override void Dispose()
    {
        Node?.Dispose();
        Arena.Dispose();
        base.Dispose();
    }

    /// <summary>Plays one input.</summary>
    /// <param name="draw">The choices.</param>
    /// <returns>The outcome.</returns>
    protected abstract int Play(Draw draw);

    /// <summary>Called when there is a new end.</summary>
    protected virtual void Begun()
    {
    }

    /// <summary>Hands the end a datagram and lets all happen that follows.</summary>
    /// <param name="datagram">The datagram.</param>
    protected void Step(byte[] datagram)
    {
        Node.Outer.Incoming.Enqueue((datagram, From, 0));
        Settle();
    }

    /// <summary>Lets all happen that waits.</summary>
    protected void Settle() => MemoryNode.Settle(Node);

    /// <summary>Counts every drop of the end.</summary>
    /// <returns>Packets.</returns>
    protected int Drops() => Enum.GetValues<DropReason>().Sum(Node.Drops);

    /// <summary>Writes both macs of a message to the end, as anybody can who knows its public key.</summary>
    /// <param name="message">An initiation or a response.</param>
    protected void AddMacs(byte[] message) => new CookieJar(Node.PublicKey).AddMacs(message, Clock.Nanoseconds);

    /// <summary>Tells whether mac1 of a datagram is right, by its definition.</summary>
    /// <param name="datagram">The datagram, of at least 32 bytes.</param>
    /// <returns>Whether it is.</returns>
    protected bool IsMac1Right(ReadOnlySpan<byte> datagram)
    {
        Span<byte> bytes = stackalloc byte[32];
        Span<byte> key = stackalloc byte[32];
        Span<byte> mac = stackalloc byte[16];
        Node.PublicKey.CopyTo(bytes);
        Blake2s.Hash("mac1----"u8, bytes, key);
        Blake2s.Mac(key, datagram[..^32], mac);
        return mac.SequenceEqual(datagram[^32..^16]);
    }

    /// <summary>Changes a message in none to a few places, each a structure of its own.</summary>
    /// <param name="draw">The choices.</param>
    /// <param name="message">The message.</param>
    /// <param name="fields">Where its fields begin and how long they are.</param>
    /// <param name="others">Messages to take pieces of.</param>
    /// <returns>The changed message.</returns>
    protected byte[] Change(Draw draw, byte[] message, (int Offset, int Size)[] fields, List<byte[]> others)
    {
        byte[] changed = [.. message];
        for (int count = draw.Next(4); count > 0; count--)
        {
            (int offset, int size) = fields[draw.Next(fields.Length)];
            switch (draw.Next(10))
            {
                case 0 when offset < changed.Length:
                    changed[Math.Min(changed.Length - 1, offset + draw.Next(size))] ^= (byte)(1 << draw.Next(8));
                    break;
                case 1 when offset + size <= changed.Length:
                    draw.NextBytes(changed.AsSpan(offset, size));
                    break;
                case 2 when offset + size <= changed.Length && size >= 32:
                    s_points[draw.Next(s_points.Length)].CopyTo(changed, offset);
                    break;
                case 3 when offset + size <= changed.Length && size == 4:
                    BinaryPrimitives.WriteUInt32LittleEndian(changed.AsSpan(offset), draw.Next(4) switch { 0 => 0, 1 => uint.MaxValue, 2 => 1, _ => (uint)draw.Next() });
                    break;
                case 4:
                    changed = changed[..draw.Next(changed.Length + 1)];
                    break;
                case 5:
                    byte[] more = new byte[draw.Next(1, 65)];
                    draw.NextBytes(more);
                    changed = [.. changed, .. more];
                    break;
                case 6 when others.Count > 0:
                    byte[] other = others[draw.Next(others.Count)];
                    if (offset + size <= Math.Min(other.Length, changed.Length))
                    {
                        other.AsSpan(offset, size).CopyTo(changed.AsSpan(offset));
                    }

                    break;
                case 7 when changed.Length > 0:
                    changed[0] = (byte)draw.Next(6);
                    break;
                case 8 when changed.Length > 3:
                    changed[draw.Next(1, 4)] = (byte)draw.Next(256);
                    break;
                default:
                    (int to, int room) = fields[draw.Next(fields.Length)];
                    int length = Math.Min(Math.Min(size, room), Math.Min(changed.Length - offset, changed.Length - to));
                    if (length > 0)
                    {
                        changed.AsSpan(offset, length).ToArray().CopyTo(changed, to);
                    }

                    break;
            }
        }

        if (WireMessages.HasMacs(changed) && draw.Next(4) != 0)
        {
            AddMacs(changed);
        }

        return changed;
    }

    /// <summary>Tells whether a stretch of two messages is the same.</summary>
    /// <param name="one">A message.</param>
    /// <param name="other">Another one, as long.</param>
    /// <param name="stretch">The stretch.</param>
    /// <returns>Whether it is.</returns>
    protected static bool Same(byte[] one, byte[] other, Range stretch) => one.AsSpan()[stretch].SequenceEqual(other.AsSpan()[stretch]);

    private void Begin()
    {
        Node?.Dispose();
        Numbers = new SeededRandom(_inputs);
        Node = new MemoryNode(Clock, 1001, random: Numbers);
        byte[] key = new byte[32];
        Curve25519.GeneratePrivateKey(Numbers, key);
        Other = new Identity(Arena, key);
        using (Tunnel.Edit edit = Node.Tunnel.BeginEdit())
        {
            Peer = edit.AddPeer(Other.PublicKey);
            Tunnel.Edit.SetEndpoint(Peer, From.ToIPEndPoint());
            edit.AddAllowedIp(Peer, System.Net.IPNetwork.Parse("10.0.0.0/8"));
            edit.AddAllowedIp(Peer, System.Net.IPNetwork.Parse("fd00::/16"));
        }

        Node.Transmit = (bytes, _, _) => Sent.Add(bytes);
        Begun();
    }
}
