using System.Text;

namespace TunnelBox.Configuration.Tests;

public sealed class LineReaderTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(7)]
    [InlineData(4096)]
    [InlineData(65536)]
    [InlineData(int.MaxValue)]
    public void Lines_come_whole_however_the_stream_is_cut(int part)
    {
        Random random = new(part);
        List<string> lines = [];
        StringBuilder text = new();
        for (int i = 0; i < 20_000; i++)
        {
            // Mostly as long as UAPI lines are, and now and then at the limit or beyond it.
            int length = random.Next(50) switch { 0 => 99, 1 => 100, 2 => 101, 3 => random.Next(500_000 / (1 + i)), _ => random.Next(90) };
            lines.Add(new string((char)('a' + (i % 26)), length));
            text.Append(lines[^1]).Append(i % 3 == 0 ? "\r\n" : "\n");
        }

        using LineReader reader = new(new Parts(Encoding.ASCII.GetBytes(text + "unfinished"), part), 100);
        foreach (string line in lines)
        {
            LineKind kind = reader.Next(out ReadOnlySpan<byte> got);
            Assert.Equal(line.Length <= 100 ? LineKind.Line : LineKind.TooLong, kind);
            Assert.Equal(line.Length <= 100 ? line : "", Encoding.ASCII.GetString(got));
        }

        Assert.Equal(LineKind.End, reader.Next(out _));
    }

    private sealed class Parts(byte[] bytes, int part) : MemoryStream(bytes)
    {
        public override int Read(byte[] buffer, int offset, int count) => base.Read(buffer, offset, Math.Min(count, part));
    }
}
