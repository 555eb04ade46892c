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
}
