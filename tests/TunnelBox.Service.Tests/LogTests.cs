using System.Net;
using TunnelBox.Crypto;

namespace TunnelBox.Service.Tests;

public sealed class LogTests
{
    private readonly ManualTime _time = new();
    private readonly MemorySink _sink = new();

    [Fact]
    public void A_flood_of_one_kind_is_cut_and_counted_when_its_window_ends()
    {
        using Log log = new(LogLevel.Info, _sink, _time);
        for (int i = 0; i < 1000; i++)
        {
            log.Warning($"event {i}");
        }

        Assert.Equal(Log.MessagesPerWindow, _sink.Lines.Count);
        _time.Advance(Log.Window);
        Assert.Equal(Log.MessagesPerWindow + 1, _sink.Lines.Count);
        Assert.Equal((LogLevel.Warning, "990 similar suppressed, the last: event 999"), _sink.Lines[^1]);
        _time.Advance(Log.Window * 5);
        Assert.Equal(Log.MessagesPerWindow + 1, _sink.Lines.Count);
    }

    [Fact]
    public void After_the_window_the_kind_passes_again()
    {
        using Log log = new(LogLevel.Info, _sink, _time);
        for (int window = 0; window < 3; window++)
        {
            for (int i = 0; i < Log.MessagesPerWindow; i++)
            {
                log.Info($"event {i}");
            }

            _time.Advance(Log.Window);
        }

        Assert.Equal(3 * Log.MessagesPerWindow, _sink.Lines.Count);
        Assert.DoesNotContain(_sink.Lines, static line => line.Text.Contains("suppressed", StringComparison.Ordinal));
    }

    [Fact]
    public void One_kind_does_not_silence_another()
    {
        using Log log = new(LogLevel.Info, _sink, _time);
        for (int i = 0; i < 100; i++)
        {
            log.Info($"flood {i}");
        }

        log.Info("something else");
        Assert.Equal("something else", _sink.Lines[^1].Text);
    }

    [Fact]
    public void The_end_tells_the_open_counts()
    {
        Log log = new(LogLevel.Info, _sink, _time);
        for (int i = 0; i < 12; i++)
        {
            log.Info($"event {i}");
        }

        log.Dispose();
        Assert.Equal("2 similar suppressed, the last: event 11", _sink.Lines[^1].Text);
    }

    [Fact]
    public void A_level_that_is_off_evaluates_nothing_and_allocates_nothing()
    {
        using Log log = new(LogLevel.Error, _sink, _time);
        int evaluated = 0;
        Quiet();
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 10_000; i++)
        {
            Quiet();
        }

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
        Assert.Equal(0, evaluated);
        Assert.Empty(_sink.Lines);

        void Quiet()
        {
            log.Verbose($"costly {++evaluated} {new PublicKey(stackalloc byte[32])}");
            log.Info($"costly {++evaluated}");
            log.Warning("plain");
        }
    }

    [Theory]
    [InlineData(LogLevel.Silent, 0)]
    [InlineData(LogLevel.Error, 1)]
    [InlineData(LogLevel.Warning, 2)]
    [InlineData(LogLevel.Info, 3)]
    [InlineData(LogLevel.Verbose, 4)]
    public void Each_level_lets_itself_and_what_matters_more_through(LogLevel level, int lines)
    {
        using Log log = new(level, _sink, _time);
        log.Verbose($"v {1}");
        log.Info($"i {1}");
        log.Warning($"w {1}");
        log.Error($"e {1}");
        Assert.Equal(lines, _sink.Lines.Count);
        Assert.All(_sink.Lines, line => Assert.True(line.Level <= level));
    }

    [Theory]
    [InlineData("verbose", LogLevel.Verbose)]
    [InlineData("debug", LogLevel.Verbose)]
    [InlineData("error", LogLevel.Error)]
    [InlineData("silent", LogLevel.Silent)]
    [InlineData("info", LogLevel.Info)]
    [InlineData("warning", LogLevel.Warning)]
    [InlineData("", LogLevel.Info)]
    [InlineData(null, LogLevel.Info)]
    [InlineData("nonsense", LogLevel.Info)]
    public void LOG_LEVEL_is_read(string? text, LogLevel level) => Assert.Equal(level, LogLevels.Parse(text));

    [Fact]
    public void Safe_things_have_one_spelling()
    {
        using Log log = new(LogLevel.Info, _sink, _time);
        byte[] bytes = [.. Enumerable.Range(1, 32).Select(static i => (byte)i)];
        PublicKey peer = new(bytes);
        string text = Convert.ToBase64String(bytes);
        log.Info($"{peer} {IPEndPoint.Parse("[::1]:51820")} {IPNetwork.Parse("10.0.0.0/8")} {1.5} {TimeSpan.FromMilliseconds(250)} {LogLevel.Info} {(IPEndPoint?)null}");
        Assert.Equal(
            $"peer({text[..4]}…{text[39..43]}) [::1]:51820 10.0.0.0/8 1.5 0.25 s Info (no endpoint)",
            Assert.Single(_sink.Lines).Text);
    }

    [Fact]
    public void Keys_are_struck_out_in_every_spelling()
    {
        using Log log = new(LogLevel.Info, _sink, _time);
        byte[] key = [.. Enumerable.Range(7, 32).Select(static i => (byte)(i * 37))];
        string base64 = Convert.ToBase64String(key);
        foreach (string text in (string[])[base64, Convert.ToHexString(key), Convert.ToHexStringLower(key), $"x={base64}", $"/a/{Convert.ToHexStringLower(key)}"])
        {
            log.Info($"before {text} after");
            string line = _sink.Lines[^1].Text;
            Assert.StartsWith("before ", line, StringComparison.Ordinal);
            Assert.EndsWith("(key) after", line, StringComparison.Ordinal);
            Assert.DoesNotContain(base64[..10], line, StringComparison.Ordinal);
            Assert.DoesNotContain(Convert.ToHexString(key)[..10], line, StringComparison.OrdinalIgnoreCase);
        }

        log.Info($"{base64}{base64}");
        Assert.Equal("(key)(key)", _sink.Lines[^1].Text);
    }

    [Fact]
    public void Ordinary_text_stays_as_it_is()
    {
        const string Text = "/usr/lib/x86_64-linux-gnu/some/quite/long/path/with/many/parts/libsodium.so.23 [fd00:1234:5678:9abc:def0:1234:5678:9abc]:51820 9f86d081884c7d659a2feaa0c55ad015";
        Assert.Equal(Text, LogText.Clean(Text));
    }

    [Fact]
    public void One_event_is_one_line()
    {
        Assert.Equal("a  b [31m c", LogText.Clean("a\r\nb\u001b[31m\u0085c"));
        Assert.Equal(1001, LogText.Clean(new string('x', 5000)).Length);
    }

    [Fact]
    public void Any_text_at_all_is_cleaned_without_a_fault()
    {
        Random random = new(7);
        const string Alphabet = "ABCabc019+/= \n:-é";
        for (int i = 0; i < 100_000; i++)
        {
            char[] text = new char[random.Next(200)];
            for (int at = 0; at < text.Length; at++)
            {
                text[at] = Alphabet[random.Next(random.Next(2) == 0 ? 9 : Alphabet.Length)];
            }

            string line = LogText.Clean(new string(text));
            Assert.DoesNotContain('\n', line);
            Assert.DoesNotMatch("[A-Za-z0-9+/]{43}=|[0-9A-Fa-f]{64}", line);
        }
    }

    internal sealed class MemorySink : ILogSink
    {
        private readonly List<(LogLevel Level, string Text)> _lines = [];

        /// <summary>Gets what was written until now.</summary>
        public List<(LogLevel Level, string Text)> Lines
        {
            get
            {
                lock (_lines)
                {
                    return [.. _lines];
                }
            }
        }

        public void Write(LogLevel level, string line)
        {
            lock (_lines)
            {
                _lines.Add((level, line));
            }
        }
    }
}
