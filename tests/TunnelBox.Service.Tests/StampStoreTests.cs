using TunnelBox.Crypto;

namespace TunnelBox.Service.Tests;

public sealed class StampStoreTests : IDisposable
{
    private static readonly PublicKey s_device = new([.. Enumerable.Range(1, 32).Select(static i => (byte)i)]);

    private readonly string _directory = Path.Combine(Path.GetTempPath(), $"tb-stamps-{Guid.NewGuid():N}");
    private readonly ManualTime _time = new();
    private readonly LogTests.MemorySink _sink = new();
    private readonly Log _log;

    public StampStoreTests() => _log = new Log(LogLevel.Info, _sink, _time);

    private string FilePath => Path.Combine(_directory, StampStore.FileName(s_device));

    public void Dispose()
    {
        _log.Dispose();
        if (Directory.Exists(_directory))
        {
            Directory.Delete(_directory, recursive: true);
        }
    }

    [Fact]
    public void A_label_is_that_of_TAI64N()
    {
        // 1970-01-01 00:00:10 TAI is the Unix epoch: 2^62 + 10.
        Span<byte> label = stackalloc byte[TaiStamp.Size];
        TaiStamp.Of(DateTimeOffset.UnixEpoch).Write(label);
        Assert.Equal("400000000000000a00000000", Convert.ToHexStringLower(label));
        TaiStamp.Of(DateTimeOffset.UnixEpoch.AddSeconds(1.5)).Write(label);
        Assert.Equal("400000000000000b1d000000", Convert.ToHexStringLower(label));
        Assert.True(TaiStamp.TryRead(label, out TaiStamp read));
        Assert.Equal(11 * 1_000_000_000L + 0x1d000000, read.Nanoseconds);
        Assert.False(TaiStamp.TryRead(label[..11], out _));
        Assert.False(TaiStamp.TryRead(Convert.FromHexString("3fffffffffffffff00000000"), out _));
        Assert.False(TaiStamp.TryRead(Convert.FromHexString("400000000000000a3b9aca00"), out _));
        Assert.False(TaiStamp.TryRead(Convert.FromHexString("ffffffffffffffffffffffff"), out _));
    }

    [Fact]
    public void Stamps_follow_the_clock()
    {
        using DeviceStamps stamps = Open();
        for (int i = 0; i < 5; i++)
        {
            Assert.Equal(TaiStamp.Of(_time.GetUtcNow()), stamps.Take());
            _time.Advance(TimeSpan.FromSeconds(5));
        }
    }

    [Fact]
    public void Many_in_one_moment_differ_and_hardly_advance()
    {
        using DeviceStamps stamps = Open();
        TaiStamp first = stamps.Take();
        TaiStamp last = first;
        for (int i = 0; i < 100_000; i++)
        {
            TaiStamp next = stamps.Take();
            Assert.True(next > last);
            last = next;
        }

        Assert.InRange(last.Nanoseconds - first.Nanoseconds, 1, 1_000_000);
    }

    [Fact]
    public void A_clock_that_goes_back_does_not_take_the_stamps_along()
    {
        using DeviceStamps stamps = Open();
        TaiStamp before = stamps.Take();
        _time.SetClock(DateTimeOffset.UnixEpoch);
        Assert.True(stamps.Take() > before);
    }

    [Fact]
    public void A_clean_restart_goes_on_from_the_last_stamp_itself()
    {
        DeviceStamps stamps = Open();
        stamps.Take();
        _time.Advance(TimeSpan.FromSeconds(1));
        TaiStamp last = stamps.Take();
        stamps.Dispose();
        _time.SetClock(DateTimeOffset.UnixEpoch);
        using DeviceStamps again = Open();
        Assert.Equal(last.Nanoseconds + 1, again.Take().Nanoseconds);
        Assert.Contains(_sink.Lines, static line => line.Text.Contains("clock", StringComparison.Ordinal));
    }

    [Fact]
    public void No_crash_at_any_moment_lowers_a_stamp_nor_runs_away_from_time()
    {
        Random random = new(11);
        TaiStamp highest = default;
        DateTimeOffset latest = _time.GetUtcNow();
        DeviceStamps stamps = Open();
        for (int step = 0; step < 3000; step++)
        {
            switch (random.Next(20))
            {
                case 0:
                    // A crash: nobody disposes.
                    stamps = Open();
                    break;
                case 1:
                    stamps.Dispose();
                    stamps = Open();
                    break;
                case 2:
                    _time.SetClock(latest - TimeSpan.FromSeconds(random.Next(100_000)));
                    break;
                case 3:
                    _time.SetClock(latest);
                    break;
                case 4:
                    // Power fails between the new file and its renaming, or while it is written.
                    File.WriteAllText(FilePath + ".new", "40000"[..random.Next(6)]);
                    stamps = Open();
                    break;
                default:
                    _time.Advance(TimeSpan.FromSeconds(random.NextDouble() * 100));
                    break;
            }

            latest = _time.GetUtcNow() > latest ? _time.GetUtcNow() : latest;
            TaiStamp taken = stamps.Take();
            Assert.True(taken > highest, $"step {step}: {taken.Nanoseconds} after {highest.Nanoseconds}");
            highest = taken;
            long ahead = highest.Nanoseconds - TaiStamp.Of(latest).Nanoseconds;
            Assert.True(ahead <= DeviceStamps.Reservation.Ticks * 100 + 3000 * TaiStamp.Grain, $"step {step}: {ahead} ns ahead");
        }

        stamps.Dispose();
    }

    [Fact]
    public void A_crash_loop_stays_near_real_time()
    {
        for (int i = 0; i < 200; i++)
        {
            Open().Take();
            _time.Advance(TimeSpan.FromMilliseconds(300));
        }

        using DeviceStamps stamps = Open();
        long ahead = stamps.Take().Nanoseconds - TaiStamp.Of(_time.GetUtcNow()).Nanoseconds;
        Assert.InRange(ahead, 0, (DeviceStamps.Reservation.Ticks * 100) + TaiStamp.Grain);
    }

    [Fact]
    public void A_busy_device_writes_once_in_a_reservation_and_an_idle_one_never()
    {
        int writes = 0;
        using DeviceStamps stamps = new(default, _ => writes++, _time);
        Assert.Equal(0, writes);
        for (int i = 0; i < 600; i++)
        {
            stamps.Take();
            _time.Advance(TimeSpan.FromSeconds(1));
        }

        Assert.InRange(writes, 2, 3);
    }

    [Theory]
    [InlineData("")]
    [InlineData("garbage")]
    [InlineData("400000006789abcd00000000\n")]
    [InlineData("400000006789abcd00000000\n400000006789abcd00000001\n")]
    [InlineData("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\n\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\n")]
    [InlineData("zz0000006789abcd00000000\nzz0000006789abcd00000000\n")]
    [InlineData("ffffffffffffffffffffffff\nffffffffffffffffffffffff\n")]
    public void A_damaged_file_is_a_warning_and_is_replaced(string content)
    {
        Directory.CreateDirectory(_directory);
        File.WriteAllText(FilePath, content);
        using DeviceStamps stamps = Open();
        Assert.Equal(LogLevel.Warning, Assert.Single(_sink.Lines).Level);
        Assert.Contains(FilePath, _sink.Lines[0].Text, StringComparison.Ordinal);
        Assert.Equal(TaiStamp.Of(_time.GetUtcNow()), stamps.Take());
        using DeviceStamps again = Open();
        Assert.Single(_sink.Lines);
    }

    [Fact]
    public void A_directory_that_cannot_be_is_a_warning()
    {
        File.WriteAllText(_directory, "a file in the way");
        try
        {
            using DeviceStamps stamps = Open();
            Assert.Equal(TaiStamp.Of(_time.GetUtcNow()), stamps.Take());
            _time.Advance(TimeSpan.FromSeconds(1));
            Assert.Equal(TaiStamp.Of(_time.GetUtcNow()), stamps.Take());
            Assert.Contains(_sink.Lines, line => line.Level == LogLevel.Warning && line.Text.Contains(_directory, StringComparison.Ordinal));
        }
        finally
        {
            File.Delete(_directory);
        }
    }

    [Fact]
    public void Only_the_owner_reads_the_file_and_each_device_has_its_own()
    {
        using DeviceStamps stamps = Open();
        stamps.Take();
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(FilePath));
        Assert.Single(Directory.GetFiles(_directory));
        byte[] other = new byte[32];
        other[31] = 1;
        using DeviceStamps second = new StampStore(_directory, _log, _time).Open(new PublicKey(other));
        second.Take();
        Assert.Equal(2, Directory.GetFiles(_directory).Length);
        Assert.DoesNotContain("010203", string.Concat(Directory.GetFiles(_directory)), StringComparison.Ordinal);
    }

    private DeviceStamps Open() => new StampStore(_directory, _log, _time).Open(s_device);
}
