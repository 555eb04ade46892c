using Xunit.Abstractions;

namespace TunnelBox.Protocol.Tests;

public sealed class IndexTableTests(ITestOutputHelper output)
{
    private sealed class Session(uint index)
    {
        public uint Index { get; } = index;

        public long RemovedAt;
    }

    [Fact]
    public void A_copy_is_told_of_all_that_stands_there_and_of_every_change()
    {
        var table = new IndexTable<Session>();
        Assert.True(table.TryAdd(7, new Session(7)));
        Assert.True(table.TryAdd(8, new Session(8)));
        table.Remove(8);
        var copy = new Copy();
        table.Observe(copy);
        Assert.Equal([7u], copy.Told.Keys);
        Assert.Equal(1, copy.Flushes);
        for (uint index = 100; index < 400; index++)
        {
            Assert.True(table.TryAdd(index, new Session(index)));
        }

        Assert.False(table.TryAdd(100, new Session(100)));
        Assert.NotNull(table.Remove(7));
        Assert.Null(table.Remove(7));
        Assert.Equal(Enumerable.Range(100, 300).Select(index => (uint)index), copy.Told.Keys.Order());
        Assert.All(copy.Told, each => Assert.Same(table.Find(each.Key), each.Value));
        table.Observe(null);
        table.Remove(100);
        Assert.Equal(300, copy.Told.Count);
    }

    private sealed class Copy : IIndexObserver<Session>
    {
        public Dictionary<uint, Session> Told { get; } = [];

        public int Flushes { get; private set; }

        public void Added(uint index, Session owner) => Told.Add(index, owner);

        public void Removed(uint index) => Assert.True(Told.Remove(index));

        public void Flush() => Flushes++;
    }

    [Fact]
    public void What_was_added_is_found_until_it_is_removed()
    {
        var table = new IndexTable<Session>();
        var session = new Session(7);
        Assert.Null(table.Find(7));
        Assert.True(table.TryAdd(7, session));
        Assert.Same(session, table.Find(7));
        Assert.Null(table.Find(8));
        Assert.Equal(1, table.Count);
        Assert.Same(session, table.Remove(7));
        Assert.Null(table.Find(7));
        Assert.Null(table.Remove(7));
        Assert.Equal(0, table.Count);
    }

    [Fact]
    public void Zero_and_indices_in_use_are_refused()
    {
        var table = new IndexTable<Session>();
        Assert.False(table.TryAdd(0, new Session(0)));
        Assert.True(table.TryAdd(5, new Session(5)));
        Assert.False(table.TryAdd(5, new Session(5)));
        Assert.Null(table.Find(0));
        Assert.Null(table.Remove(0));
        Assert.Equal(1, table.Count);
    }

    [Fact]
    public void Indices_that_collide_stay_apart_through_removals()
    {
        var table = new IndexTable<Session>();
        for (uint i = 1; i <= 10; i++)
        {
            Assert.True(table.TryAdd(i << 16, new Session(i << 16)));
        }

        for (uint i = 1; i <= 10; i += 2)
        {
            Assert.NotNull(table.Remove(i << 16));
        }

        for (uint i = 1; i <= 10; i++)
        {
            Assert.Equal(i % 2 == 0 ? i << 16 : null, table.Find(i << 16)?.Index);
        }

        // An index that returns takes the first free slot, and its old slot does not hide it.
        Assert.True(table.TryAdd(9 << 16, new Session(9 << 16)));
        Assert.True(table.TryAdd(1 << 16, new Session(1 << 16)));
        Assert.Equal(9u << 16, table.Find(9 << 16)?.Index);
        Assert.NotNull(table.Remove(9 << 16));
        Assert.Null(table.Find(9 << 16));
        Assert.Equal(1u << 16, table.Find(1 << 16)?.Index);
    }

    [Fact]
    public void A_million_random_changes_agree_with_a_dictionary()
    {
        int seed = Environment.TickCount;
        output.WriteLine($"seed {seed}");
        var random = new Random(seed);
        var model = new Dictionary<uint, Session>();
        var table = new IndexTable<Session>();
        for (int i = 0; i < 1_000_000; i++)
        {
            // Many indices share their low bits, so that long runs and removed slots meet; the phases grow and shrink.
            uint index = (uint)random.Next(6000) * 64 * (uint)random.Next(1, 3);
            if (random.Next(10) < ((i / 100_000) % 2 == 0 ? 6 : 3))
            {
                var session = new Session(index);
                bool expected = index != 0 && model.TryAdd(index, session);
                Assert.Equal(expected, table.TryAdd(index, session));
            }
            else
            {
                model.Remove(index, out Session? expected);
                Assert.Same(expected, table.Remove(index));
            }

            uint other = (uint)random.Next(6000) * 64;
            Assert.Same(model.GetValueOrDefault(other), table.Find(other));
            Assert.Equal(model.Count, table.Count);
        }
    }

    [Fact]
    public async Task Readers_never_see_a_wrong_session_while_the_writer_churns()
    {
        var table = new IndexTable<Session>();
        var stable = new Session[64];
        var random = new Random(1);
        for (int i = 0; i < stable.Length; i++)
        {
            stable[i] = new Session((uint)(i + 1) << 20);
            Assert.True(table.TryAdd(stable[i].Index, stable[i]));
        }

        using var stop = new CancellationTokenSource(TimeSpan.FromSeconds(3));
        long finds = 0;
        long hits = 0;
        Task[] readers = Enumerable.Range(0, 2).Select(reader => Task.Factory.StartNew(
            () =>
        {
            var mine = new Random(reader);
            long found = 0;
            long tried = 0;
            while (!stop.IsCancellationRequested)
            {
                for (int i = 0; i < 1000; i++)
                {
                    Session known = stable[mine.Next(stable.Length)];
                    Assert.Same(known, table.Find(known.Index));
                    uint index = (uint)mine.Next(1, 512) << 8;
                    long before = Environment.TickCount64;
                    if (table.Find(index) is { } session)
                    {
                        found++;
                        Assert.Equal(index, session.Index);
                        long removed = Volatile.Read(ref session.RemovedAt);
                        Assert.True(removed == 0 || removed >= before - 1, "a session was found after its removal had ended");
                    }

                    tried++;
                }
            }

            Interlocked.Add(ref finds, tried);
            Interlocked.Add(ref hits, found);
        },
            CancellationToken.None,
            TaskCreationOptions.LongRunning, // A thread of its own: the pool may be busy with other tests until the writer has ended.
            TaskScheduler.Default)).ToArray();

        var live = new Dictionary<uint, Session>();
        long changes = 0;
        for (; !stop.IsCancellationRequested; changes++)
        {
            uint index = (uint)random.Next(1, 512) << 8;
            if (live.Remove(index, out Session? leaving))
            {
                Assert.Same(leaving, table.Remove(index));
                Volatile.Write(ref leaving.RemovedAt, Environment.TickCount64);
            }
            else
            {
                var session = new Session(index);
                Assert.True(table.TryAdd(index, session));
                live.Add(index, session);
            }
        }

        await Task.WhenAll(readers);
        output.WriteLine($"{changes} changes, {finds} look-ups, {hits} hits");
        Assert.True(hits > 0 && changes > 0);
    }

    [Fact]
    public void Looking_up_allocates_nothing()
    {
        var table = new IndexTable<Session>(expected: 1000);
        for (uint i = 1; i <= 1000; i++)
        {
            table.TryAdd(i * 7919, new Session(i * 7919));
        }

        table.Find(1);
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (uint i = 0; i < 1_000_000; i++)
        {
            table.Find(i);
        }

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }
}
