using System.Collections.Concurrent;
using TunnelBox.Crypto;
using TunnelBox.Protocol;

namespace TunnelBox.Service.Tests;

public sealed class StampStoreTests : IDisposable
{
    private static readonly PublicKey s_device = new([.. Enumerable.Range(1, 32).Select(static i => (byte)i)]);

    private readonly string _directory = Path.Combine(Path.GetTempPath(), $"tb-stamps-{Guid.NewGuid():N}");
    private readonly ManualTime _time = new();
    private readonly LogTests.MemorySink _sink = new();
    private readonly Log _log;

    public StampStoreTests() => _log = new Log(LogLevel.Info, _sink, _time);

    // In whole grains of 2^24 ns, as the clock's stamps are.
    private Tai64n Now => new Tai64nClock(_time).Next();

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
    public void Stamps_follow_the_clock()
    {
        using DeviceStamps stamps = Open();
        for (int i = 0; i < 5; i++)
        {
            Assert.Equal(Now, stamps.Next());
            _time.Advance(TimeSpan.FromSeconds(5));
        }
    }

    [Fact]
    public void Many_in_one_moment_differ_and_hardly_advance()
    {
        using DeviceStamps stamps = Open();
        Tai64n first = stamps.Next();
        Tai64n last = first;
        for (int i = 0; i < 100_000; i++)
        {
            Tai64n next = stamps.Next();
            Assert.True(next > last);
            last = next;
        }

        Assert.True(last <= first.Add(1_000_000));
    }

    [Fact]
    public void A_clock_that_goes_back_does_not_take_the_stamps_along()
    {
        using DeviceStamps stamps = Open();
        Tai64n before = stamps.Next();
        _time.SetClock(DateTimeOffset.UnixEpoch);
        Assert.True(stamps.Next() > before);
    }

    [Fact]
    public void A_clean_restart_goes_on_from_the_last_stamp_itself()
    {
        DeviceStamps stamps = Open();
        stamps.Next();
        _time.Advance(TimeSpan.FromSeconds(1));
        Tai64n last = stamps.Next();
        stamps.Dispose();
        _time.SetClock(DateTimeOffset.UnixEpoch);
        using DeviceStamps again = Open();
        Assert.Equal(last.Add(1), again.Next());
        Assert.Contains(_sink.Lines, static line => line.Text.Contains("clock", StringComparison.Ordinal));
    }

    [Fact]
    public void No_crash_at_any_moment_lowers_a_stamp_nor_runs_away_from_time()
    {
        Random random = new(11);
        Tai64n disk = default;
        Tai64n highest = default;
        DateTimeOffset latest = _time.GetUtcNow();
        Run run = new();
        DeviceStamps stamps = Start();
        for (int step = 0; step < 20_000; step++)
        {
            switch (random.Next(20))
            {
                case 0:
                    Crash();
                    break;
                case 1:
                    stamps.Dispose();
                    stamps = Start();
                    break;
                case 2:
                    _time.SetClock(latest - TimeSpan.FromSeconds(random.Next(100_000)));
                    break;
                case 3:
                    _time.SetClock(latest);
                    break;
                default:
                    _time.Advance(TimeSpan.FromSeconds(random.NextDouble() * 100));
                    break;
            }

            latest = _time.GetUtcNow() > latest ? _time.GetUtcNow() : latest;
            run.CrashInSave = random.Next(10) - 8;
            try
            {
                Tai64n taken = stamps.Next();
                Assert.True(taken > highest, $"step {step}: {taken} after {highest}");
                highest = taken;
                Tai64n bound = Tai64n.From(latest + DeviceStamps.Reservation).Add(20_000 * DeviceStamps.StepAhead);
                Assert.True(taken <= bound, $"step {step}: {taken} runs away from {bound}");
            }
            catch (IOException)
            {
                Crash();
            }

            run.CrashInSave = -1;
        }

        stamps.Dispose();

        void Crash()
        {
            // The dead write no more.
            lock (run)
            {
                run.Dead = true;
            }

            stamps = Start();
        }

        DeviceStamps Start()
        {
            Run mine = run = new();
            return new DeviceStamps(disk, limit => Save(mine, limit), _time);
        }

        void Save(Run mine, Tai64n limit)
        {
            lock (mine)
            {
                if (mine.Dead)
                {
                    return;
                }

                // -8 to -1: no crash; 0: before the disk has it; 1: after.
                if (mine.CrashInSave == 0 && Environment.CurrentManagedThreadId == mine.Thread)
                {
                    throw new IOException("power failed");
                }

                disk = limit;
                if (mine.CrashInSave == 1 && Environment.CurrentManagedThreadId == mine.Thread)
                {
                    throw new IOException("power failed");
                }
            }
        }
    }

    [Fact]
    public void After_a_crash_the_stamps_tell_the_time_no_more_exactly_than_before()
    {
        _time.Advance(TimeSpan.FromTicks(12_345_678));
        Open().Next();
        using DeviceStamps stamps = Open();
        Assert.InRange(stamps.Next().Nanoseconds % (1u << 24), 0u, 100u);
    }

    [Fact]
    public void A_crash_loop_stays_near_real_time()
    {
        for (int i = 0; i < 200; i++)
        {
            Open().Next();
            _time.Advance(TimeSpan.FromMilliseconds(300));
        }

        using DeviceStamps stamps = Open();
        Assert.True(stamps.Next() <= Tai64n.From(_time.GetUtcNow() + DeviceStamps.Reservation).Add(DeviceStamps.StepAhead));
    }

    [Fact]
    public void A_busy_device_writes_once_in_a_reservation_and_an_idle_one_never()
    {
        ConcurrentQueue<(Tai64n Limit, bool Waited)> writes = [];
        Thread self = Thread.CurrentThread;
        using DeviceStamps stamps = new(default, limit => writes.Enqueue((limit, Thread.CurrentThread == self)), _time);
        Assert.Empty(writes);
        for (int i = 0; i < 600; i++)
        {
            Assert.True(stamps.Next() <= writes.Last().Limit);
            _time.Advance(TimeSpan.FromSeconds(1));
            if (i % 150 == 5)
            {
                // The pool's turn; the limit reaches another 150 s.
                SpinWait.SpinUntil(() => writes.Count > i / 150, TimeSpan.FromSeconds(10));
            }
        }

        Assert.InRange(writes.Count, 3, 6);
        Assert.Single(writes, static write => write.Waited);
    }

    [Fact]
    public void Many_threads_get_different_stamps_all_within_the_stored_limit()
    {
        long stored = 0;
        using DeviceStamps stamps = new(default, limit => Interlocked.Exchange(ref stored, Flat(limit)), TimeProvider.System);
        ConcurrentDictionary<Tai64n, bool> seen = [];
        Parallel.For(0, 20_000, _ =>
        {
            Tai64n stamp = stamps.Next();
            Assert.True(Flat(stamp) <= Interlocked.Read(ref stored));
            Assert.True(seen.TryAdd(stamp, true));
        });

        static long Flat(Tai64n stamp) => ((long)(stamp.Seconds - (1UL << 62)) * 1_000_000_000) + stamp.Nanoseconds;
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
        Assert.Equal(Now, stamps.Next());
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
            Assert.Equal(Now, stamps.Next());
            _time.Advance(TimeSpan.FromSeconds(1));
            Assert.Equal(Now, stamps.Next());
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
        stamps.Next();
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(FilePath));
        Assert.Single(Directory.GetFiles(_directory));
        byte[] other = new byte[32];
        other[31] = 1;
        using DeviceStamps second = new StampStore(_directory, _log, _time).Open(new PublicKey(other));
        second.Next();
        Assert.Equal(2, Directory.GetFiles(_directory).Length);
        Assert.DoesNotContain("010203", string.Concat(Directory.GetFiles(_directory)), StringComparison.Ordinal);
    }

    private DeviceStamps Open() => new StampStore(_directory, _log, _time).Open(s_device);

    /// <summary>One life of a process, as far as its disk knows it.</summary>
    private sealed class Run
    {
        public int Thread { get; } = Environment.CurrentManagedThreadId;

        public bool Dead { get; set; }

        public int CrashInSave { get; set; } = -1;
    }
}
