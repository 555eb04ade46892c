using System.Runtime.InteropServices;
using TunnelBox.DataPath.Steering;
using TunnelBox.DataPath.Tests.Support;
using TunnelBox.DataPath.Xdp;
using TunnelBox.Linux.Libc;
using TunnelBox.Visibility;

namespace TunnelBox.DataPath.Tests.Xdp;

/// <summary>Frames that arrive in several chunks, through rings in memory.</summary>
public sealed unsafe class FrameChainsTests : IDisposable
{
    private const int Entries = 64;
    private readonly Arena _arena = Arena.Map(2 * Entries);
    private readonly MemoryQueue _device;
    private readonly Burst _burst = new();

    public FrameChainsTests() => _device = new MemoryQueue(_arena, Entries);

    public void Dispose()
    {
        _device.Dispose();
        _arena.Dispose();
    }

    [Fact]
    public void Pieces_become_one_frame_with_its_hints_and_their_chunks_come_back()
    {
        var hints = new PacketHints { Magic = PacketHints.ExpectedMagic, Present = HintFields.Hash, Hash = 7 };
        byte[] block = MemoryMarshal.AsBytes(new ReadOnlySpan<PacketHints>(ref hints)).ToArray();
        for (int round = 0; round < 100; round++)
        {
            _device.Arrive([Bytes(60)]);
            _device.Arrive([Bytes(3792), Bytes(3792), Bytes(1430)], before: block);
            _device.Arrive([Bytes(3792), Bytes(1)]);
            _device.Arrive([Bytes(61)]);
            Receive();
            Assert.Equal([60, 9014, 3793, 61], _burst.Length.AsSpan(0, _burst.Count).ToArray());
            Assert.All(_burst.Verdict[.._burst.Count], verdict => Assert.Equal(Verdict.Continue, verdict));
            Assert.Equal([.. Bytes(3792), .. Bytes(3792), .. Bytes(1430)], Packet(1));
            Assert.Equal([.. Bytes(3792), .. Bytes(1)], Packet(2));
            PacketHints taken = default;
            Assert.True(PacketHints.TryTake((byte*)_burst.Data[1], Arena.Headroom, 9014, ref taken));
            Assert.Equal(7u, taken.Hash);
            Assert.False(PacketHints.TryTake((byte*)_burst.Data[2], Arena.Headroom, 3793, ref taken));
            AssertHome();
        }
    }

    [Fact]
    public void What_has_no_end_or_is_too_large_or_lies_nowhere_is_dropped_by_name_and_nothing_else_is()
    {
        _device.Arrive([Bytes(60), Bytes(60)], withoutEnd: true);
        Receive();
        Assert.Equal(1, _burst.Count);
        Assert.Equal(DropReason.InXdpBadChain, _burst.Reason[0]);
        AssertHome();

        _device.Arrive([Bytes(3792), Bytes(3792), Bytes(2145)]);
        _device.Arrive([Bytes(3792), Bytes(3792), Bytes(2144)]);
        _device.Arrive([.. Enumerable.Range(0, FrameChains.MostPieces + 1).Select(_ => Bytes(10))]);
        _device.Arrive([.. Enumerable.Range(0, FrameChains.MostPieces).Select(_ => Bytes(10))]);
        Receive();
        Assert.Equal(
            [DropReason.InXdpBadChain, DropReason.None, DropReason.InXdpBadChain, DropReason.None], _burst.Reason[.._burst.Count]);
        Assert.Equal(FrameChains.LargestFrame, _burst.Length[1]);
        Assert.Equal(10 * FrameChains.MostPieces, _burst.Length[3]);
        AssertHome();
    }

    [Fact]
    public void On_the_inner_side_it_has_a_name_of_its_own()
    {
        using Arena arena = Arena.Map(2 * Entries);
        using var inner = new MemoryQueue(arena, Entries, DropReason.OutXdpBadChain);
        inner.Arrive([Bytes(3792), Bytes(60)], withoutEnd: true);
        inner.Queue.Recycle();
        inner.Queue.ReceiveFrames(_burst);
        Assert.Equal(DropReason.OutXdpBadChain, _burst.Reason[0]);
        Assert.Equal(Verdict.Dropped, _burst.Verdict[0]);
    }

    [Fact]
    public void A_frame_that_leaves_no_room_behind_it_for_sealing_is_moved()
    {
        const int Most = Arena.ChunkSize - 256 - Arena.Headroom - Burst.Tailroom;
        _device.Arrive([Bytes(Most)]);
        _device.Arrive([Bytes(Most + 1)]);
        _device.Arrive([Bytes(Most + Burst.Tailroom)]);
        Receive();
        Assert.Equal([DropReason.None, DropReason.None, DropReason.None], _burst.Reason[.._burst.Count]);
        Assert.Equal([true, false, false], _burst.Frame[.._burst.Count].Select(frame => frame != 0));
        Assert.Equal(Bytes(Most + 1), Packet(1));
        Assert.Equal(Bytes(Most + Burst.Tailroom), Packet(2));
        AssertHome();
    }

    [Fact]
    public void A_piece_outside_of_the_memory_is_not_read()
    {
        var piece = new xdp_desc { addr = (2 * Entries * (ulong)Arena.ChunkSize) - 10, len = 11 };
        Assert.False(FrameChains.Takes(_arena, in piece, 1, 100));
        piece.len = 10;
        Assert.True(FrameChains.Takes(_arena, in piece, 1, 100));
        Assert.False(FrameChains.Takes(_arena, in piece, 1, FrameChains.LargestFrame - 9));
        piece.addr = ulong.MaxValue - 3;
        Assert.False(FrameChains.Takes(_arena, in piece, 1, 100));
        piece = new xdp_desc { addr = 0, len = uint.MaxValue };
        Assert.False(FrameChains.Takes(_arena, in piece, 1, 100));
    }

    [Fact]
    public void Frames_are_put_together_without_allocation()
    {
        byte[][] pieces = [Bytes(3792), Bytes(3792), Bytes(1430)];
        long allocated = 0;
        for (int round = 0; round < 2000; round++)
        {
            for (int i = 0; i < 10; i++)
            {
                _device.Arrive(pieces);
            }

            long before = GC.GetAllocatedBytesForCurrentThread();
            Receive();
            allocated += round < 100 ? 0 : GC.GetAllocatedBytesForCurrentThread() - before;
            Assert.Equal(10, _burst.Count);
        }

        Assert.Equal(0, allocated);
    }

    private static byte[] Bytes(int length)
    {
        byte[] bytes = new byte[length];
        new Random(length).NextBytes(bytes);
        return bytes;
    }

    private byte[] Packet(int index) => new ReadOnlySpan<byte>((byte*)_burst.Data[index], _burst.Length[index]).ToArray();

    private void Receive()
    {
        _burst.Clear();
        _device.Queue.Recycle();
        _device.Queue.ReceiveFrames(_burst);
    }

    private void AssertHome()
    {
        _burst.Clear();
        _device.Queue.Recycle();
        Assert.Equal(Entries, _device.Offered);
        Assert.Equal(0, _device.Queue.Read(0).Away);
    }
}
