using System.Buffers.Binary;
using System.Text;

namespace TunnelBox.Visibility.Tests;

/// <summary>The blocks of a capture file, read back by hand, and a file that stays valid when it cannot grow.</summary>
public sealed class PcapngWriterTests
{
    [Fact]
    public void Blocks_hold_what_was_added()
    {
        MemoryStream file = new();
        using (PcapngWriter writer = new(file, "test"))
        {
            Assert.Equal(0, writer.AddInterface("wg0 inner", "inside", 128));
            Assert.Equal(1, writer.AddInterface("wg0 outer", "outside", 128));
            writer.Add(1, 0x0102_0304_0506_0708, [1, 2, 3], [4, 5], 99, PacketDirection.Out, 2, "dropped: why");
            writer.AddStatistics(0, 5, 7, 3);
            Assert.Equal(1, writer.Packets);
            writer.Flush();
        }

        List<(uint Type, byte[] Body)> blocks = Blocks(file.ToArray());
        Assert.Equal([0x0A0D0D0Au, 1u, 1u, 6u, 5u], blocks.Select(block => block.Type));
        byte[] packet = blocks[3].Body;
        Assert.Equal(1u, BinaryPrimitives.ReadUInt32LittleEndian(packet));
        Assert.Equal(0x0102_0304u, BinaryPrimitives.ReadUInt32LittleEndian(packet.AsSpan(4)));
        Assert.Equal(0x0506_0708u, BinaryPrimitives.ReadUInt32LittleEndian(packet.AsSpan(8)));
        Assert.Equal(5u, BinaryPrimitives.ReadUInt32LittleEndian(packet.AsSpan(12)));
        Assert.Equal(99u, BinaryPrimitives.ReadUInt32LittleEndian(packet.AsSpan(16)));
        Assert.Equal([1, 2, 3, 4, 5, 0, 0, 0], packet[20..28]);
        Assert.Contains("dropped: why", Encoding.UTF8.GetString(packet), StringComparison.Ordinal);
        Assert.Contains("wg0 inner", Encoding.UTF8.GetString(blocks[1].Body), StringComparison.Ordinal);
    }

    [Fact]
    public void A_file_that_cannot_grow_ends_with_a_whole_block()
    {
        using FullStream file = new(room: 600_000);
        using PcapngWriter writer = new(file, "test");
        writer.AddInterface("wg0", "all", 65535);
        byte[] packet = new byte[1000];
        Assert.Throws<IOException>(() =>
        {
            for (int i = 0; i < 10_000; i++)
            {
                writer.Add(0, i, default, packet, packet.Length, PacketDirection.In, -1, null);
            }
        });
        List<(uint Type, byte[] Body)> blocks = Blocks(file.Contents);
        Assert.InRange(blocks.Count(block => block.Type == 6), 200, 600);
    }

    private static List<(uint Type, byte[] Body)> Blocks(byte[] file)
    {
        List<(uint, byte[])> blocks = [];
        for (int at = 0; at < file.Length;)
        {
            int length = BinaryPrimitives.ReadInt32LittleEndian(file.AsSpan(at + 4));
            Assert.Equal(0, length % 4);
            Assert.Equal(length, BinaryPrimitives.ReadInt32LittleEndian(file.AsSpan(at + length - 4)));
            blocks.Add((BinaryPrimitives.ReadUInt32LittleEndian(file.AsSpan(at)), file[(at + 8)..(at + length - 4)]));
            at += length;
        }

        return blocks;
    }

    /// <summary>A disk that is full after some bytes, and takes part of the write that meets its end.</summary>
    private sealed class FullStream(int room) : MemoryStream
    {
        public byte[] Contents { get; private set; } = [];

        public override void Write(byte[] buffer, int offset, int count)
        {
            int taken = Math.Min(count, room - (int)Position);
            base.Write(buffer, offset, taken);
            if (taken < count)
            {
                throw new IOException("No space left on device");
            }
        }

        protected override void Dispose(bool disposing)
        {
            Contents = ToArray();
            base.Dispose(disposing);
        }

        public override void SetLength(long value)
        {
            base.SetLength(value);
            Contents = ToArray();
        }
    }
}
