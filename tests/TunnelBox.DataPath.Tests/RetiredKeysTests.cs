using System.Globalization;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using TunnelBox.Crypto;
using TunnelBox.DataPath.Tests.Support;
using TunnelBox.Protocol;

namespace TunnelBox.DataPath.Tests;

/// <summary>The memory of the key arena itself, before and after a session ends.</summary>
public sealed class RetiredKeysTests : TwoNodes
{
    [Fact]
    public void Keys_of_a_session_that_ended_are_nowhere_in_the_arena_once_every_worker_has_let_go()
    {
        Establish();
        Keypair session = A.PeerOf(B).Current!;
        byte[] send = KeyArena.DangerousGetSpan(session.SendKey).ToArray();
        byte[] receive = KeyArena.DangerousGetSpan(session.ReceiveKey).ToArray();
        nint inside = AddressOf(session.SendKey);
        Assert.Equal((1, 1), (Found(inside, send), Found(inside, receive)));

        // A second worker is in the middle of a pass, in which it may still seal with the key.
        using Quiescence.Reader other = A.Tunnel.Quiescence.Register();
        other.Enter();
        using (Tunnel.Edit edit = A.Tunnel.BeginEdit())
        {
            edit.RemovePeer(edit.Find(B.PublicKey)!);
        }

        Settle();
        Assert.True(session.IsRetired);
        Assert.Equal((1, 1), (Found(inside, send), Found(inside, receive)));
        other.Exit();
        A.Tunnel.Tick();
        Assert.Equal((0, 0), (Found(inside, send), Found(inside, receive)));
    }

    [Fact]
    public void A_disposed_tunnel_leaves_none_of_its_keys_in_the_arena()
    {
        Establish();
        Keypair session = A.PeerOf(B).Current!;
        byte[] send = KeyArena.DangerousGetSpan(session.SendKey).ToArray();
        nint inside = AddressOf(session.SendKey);
        Assert.Equal((1, 1), (Found(inside, send), Found(inside, A.PrivateKey)));
        A.Tunnel.Dispose();
        Assert.Equal((0, 0), (Found(inside, send), Found(inside, A.PrivateKey)));
    }

    [Fact]
    public void Keys_of_a_session_that_ended_are_nowhere_in_the_memory_of_the_process()
    {
        Establish();
        byte[] send = MemoryScan.Masked(KeyArena.DangerousGetSpan(A.PeerOf(B).Current!.SendKey));
        byte[] receive = MemoryScan.Masked(KeyArena.DangerousGetSpan(A.PeerOf(B).Current!.ReceiveKey));
        // One end's sending key is the other's receiving key; both live in this process, and nothing else may hold them.
        Assert.Equal([2, 2], MemoryScan.Count(send, receive));
        Forget(A, B);
        Forget(B, A);
        Settle();
        A.Tunnel.Tick();
        B.Tunnel.Tick();
        Assert.Equal([0, 0], MemoryScan.Count(send, receive));
    }

    [Fact]
    public void Ephemeral_private_keys_are_nowhere_in_the_memory_of_the_process_after_the_handshake()
    {
        var drawn = new Recorder();
        using var one = new MemoryNode(Clock, 1003, random: drawn);
        using var other = new MemoryNode(Clock, 1004, random: drawn);
        byte[] inUse = MemoryScan.Masked(one.PrivateKey.AsSpan(1, 30));
        drawn.Masked.Clear();
        MemoryNode.Join(one, other);
        Send(one, InnerPackets.IPv4("10.0.0.1", "10.0.0.2"));
        MemoryNode.Settle(one, other);
        Assert.Single(other.Delivered);

        // One of each end; what is in use is found, and so would they be.
        Assert.Equal(2, drawn.Masked.Count);
        int[] found = MemoryScan.Count([inUse, .. drawn.Masked]);
        Assert.True(found[0] > 0);
        Assert.Equal([0, 0], found[1..]);
    }

    private static void Forget(MemoryNode node, MemoryNode other)
    {
        using Tunnel.Edit edit = node.Tunnel.BeginEdit();
        edit.RemovePeer(edit.Find(other.PublicKey)!);
    }

    private static unsafe nint AddressOf(KeyHandle key) => (nint)Unsafe.AsPointer(ref MemoryMarshal.GetReference(KeyArena.DangerousGetSpan(key)));

    // Reads the whole mapping that an address lies in, as another reader of the process's memory would.
    private static unsafe int Found(nint inside, byte[] secret)
    {
        foreach (string line in File.ReadLines("/proc/self/maps"))
        {
            string[] ends = line.Split(' ')[0].Split('-');
            long first = long.Parse(ends[0], NumberStyles.HexNumber, CultureInfo.InvariantCulture);
            long last = long.Parse(ends[1], NumberStyles.HexNumber, CultureInfo.InvariantCulture);
            if (inside < first || inside >= last)
            {
                continue;
            }

            int count = 0;
            ReadOnlySpan<byte> rest = new((void*)(nint)first, checked((int)(last - first)));
            for (int at; (at = rest.IndexOf(secret)) >= 0; rest = rest[(at + 1)..])
            {
                count++;
            }

            return count;
        }

        throw new InvalidOperationException("The key lies in no mapping of this process.");
    }

    // Keys as they were drawn, without the two bytes that clamping changes.
    private sealed class Recorder : RandomSource
    {
        public List<byte[]> Masked { get; } = [];

        public override void Fill(Span<byte> destination)
        {
            MemoryNode.Random.Fill(destination);
            if (destination.Length == KeyArena.KeySize)
            {
                Masked.Add(MemoryScan.Masked(destination.Slice(1, 30)));
            }
        }
    }
}
