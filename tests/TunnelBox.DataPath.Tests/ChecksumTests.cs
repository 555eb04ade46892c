using System.Runtime.Intrinsics;
using TunnelBox.DataPath.Tests.Support;

namespace TunnelBox.DataPath.Tests;

public sealed class ChecksumTests
{
    private const string Expectation = "TB_EXPECTED_WIDTH";

    /// <summary>RFC 1071 as its text says it: add big-endian words, fold, complement.</summary>
    internal static ushort Slow(ReadOnlySpan<byte> data, uint carry = 0)
    {
        uint sum = carry;
        for (int i = 0; i < data.Length; i++)
        {
            sum += (uint)(data[i] << ((i & 1) == 0 ? 8 : 0));
            sum = (sum & 0xFFFF) + (sum >> 16);
        }

        return (ushort)sum;
    }

    [Fact]
    public void The_example_of_the_rfc() =>
        Assert.Equal(0xDDF2, Slow([0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]));

    [Fact]
    public unsafe void Every_length_and_alignment_agrees_with_the_slow_way_and_copies_exactly()
    {
        var random = new Random(7);
        using var source = new NativeRegion(70000);
        using var target = new NativeRegion(70000);
        var all = new Span<byte>(source.Address, 70000);
        for (int round = 0; round < 200_000; round++)
        {
            int length = round < 20_000 ? round % 700 : random.Next(random.Next(16) == 0 ? 65536 : 1600);
            if (length > 2000 && round % 8 != 0)
            {
                continue;
            }

            int from = random.Next(70);
            int to = random.Next(70);
            Span<byte> bytes = all.Slice(from, length);
            switch (random.Next(3))
            {
                case 0:
                    bytes.Fill(0xFF);
                    break;
                case 1:
                    random.NextBytes(bytes);
                    break;
                default:
                    bytes.Fill((byte)random.Next(256));
                    break;
            }

            ushort carry = (ushort)random.Next(65536);
            ushort carryInMemory = BitConverter.IsLittleEndian ? System.Buffers.Binary.BinaryPrimitives.ReverseEndianness(carry) : carry;
            ushort expected = Slow(bytes, carry);
            ushort found = Checksum.Fold(Checksum.Sum(source.Address + from, length, carryInMemory));
            Assert.Equal(expected, BitConverter.IsLittleEndian ? System.Buffers.Binary.BinaryPrimitives.ReverseEndianness(found) : found);
            var copy = new Span<byte>(target.Address + to, length + 2);
            copy.Fill(0x5A);
            ushort copied = Checksum.Fold(Checksum.CopyAndSum(target.Address + to, source.Address + from, length, carryInMemory));
            Assert.Equal(found, copied);
            Assert.True(bytes.SequenceEqual(copy[..length]));
            Assert.Equal(0x5A, copy[length]);
        }
    }

    [Theory]
    [InlineData("DOTNET_EnableAVX512", "256")]
    [InlineData("DOTNET_EnableAVX2", "128")]
    [InlineData("DOTNET_EnableHWIntrinsic", "0")]
    public async Task Narrower_vectors_and_none_agree_as_well(string switchedOff, string width)
    {
        (bool passed, string output) = await FreshProcess.Run(
            [nameof(The_width_is_the_expected_one), nameof(Every_length_and_alignment_agrees_with_the_slow_way_and_copies_exactly)],
            (switchedOff, "0"),
            (Expectation, width));
        Assert.True(passed, output);
    }

    [Fact]
    public void The_width_is_the_expected_one()
    {
        string? expected = Environment.GetEnvironmentVariable(Expectation);
        if (expected != null)
        {
            int width = Vector512.IsHardwareAccelerated ? 512 : Vector256.IsHardwareAccelerated ? 256 : Vector128.IsHardwareAccelerated ? 128 : 0;
            Assert.Equal(expected, width.ToString(System.Globalization.CultureInfo.InvariantCulture));
        }
    }
}
