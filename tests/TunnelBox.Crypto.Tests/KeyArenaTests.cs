namespace TunnelBox.Crypto.Tests;

public sealed class KeyArenaTests
{
    [Fact]
    public void A_rented_slot_holds_zeros_or_the_key_given()
    {
        using KeyArena arena = new();
        KeyHandle zero = arena.Rent();
        byte[] secret = [.. Enumerable.Range(1, 32).Select(i => (byte)i)];
        KeyHandle key = arena.Rent(secret);
        Assert.False(zero.IsNone);
        Assert.NotEqual(zero, key);
        Assert.Equal(new byte[32], KeyArena.DangerousGetSpan(zero).ToArray());
        Assert.Equal(secret, KeyArena.DangerousGetSpan(key).ToArray());
        arena.Store(zero, secret);
        Assert.Equal(secret, KeyArena.DangerousGetSpan(zero).ToArray());
        Assert.Equal(2, arena.Count);
    }

    [Fact]
    public void Returning_wipes_and_the_slot_is_used_again()
    {
        using KeyArena arena = new();
        byte[] secret = new byte[32];
        secret.AsSpan().Fill(0xAA);
        KeyHandle key = arena.Rent(secret);
        arena.Return(key);
        // The slot is still mapped: only a test may look.
        Assert.Equal(new byte[32], KeyArena.DangerousGetSpan(key).ToArray());
        Assert.Equal(key, arena.Rent());
    }

    [Fact]
    public void Returning_twice_or_elsewhere_is_refused()
    {
        using KeyArena arena = new();
        using KeyArena other = new();
        KeyHandle key = arena.Rent();
        Assert.Throws<ArgumentException>(() => other.Return(key));
        Assert.Throws<ArgumentException>(() => other.Store(key, new byte[32]));
        arena.Return(key);
        Assert.Throws<ArgumentException>(() => arena.Return(key));
        Assert.Throws<ArgumentException>(() => arena.Store(key, new byte[32]));
        Assert.Throws<ArgumentException>(() => arena.Rent(new byte[31]));
        Assert.Throws<ArgumentException>(() => KeyArena.DangerousGetSpan(default).ToArray());
        arena.Return(default);
        Assert.Equal(0, arena.Count);
    }

    [Fact]
    public void Serves_400_000_keys_that_do_not_disturb_each_other()
    {
        using KeyArena arena = new();
        KeyHandle[] handles = new KeyHandle[400_000];
        Span<byte> secret = stackalloc byte[32];
        for (int i = 0; i < handles.Length; i++)
        {
            secret.Fill((byte)i);
            BitConverter.TryWriteBytes(secret, i);
            handles[i] = arena.Rent(secret);
        }

        Assert.Equal(handles.Length, arena.Count);
        Assert.Equal(handles.Length, handles.Distinct().Count());
        for (int i = 0; i < handles.Length; i++)
        {
            Span<byte> kept = KeyArena.DangerousGetSpan(handles[i]);
            Assert.True(BitConverter.ToInt32(kept) == i && kept[31] == (byte)i);
            arena.Return(handles[i]);
        }

        Assert.Equal(0, arena.Count);
    }

    [Fact]
    public void Threads_may_rent_and_return_together()
    {
        using KeyArena arena = new();
        Parallel.For(0, 4, worker =>
        {
            byte[] secret = new byte[32];
            secret.AsSpan().Fill((byte)(worker + 1));
            Queue<KeyHandle> mine = new();
            for (int i = 0; i < 20_000; i++)
            {
                mine.Enqueue(arena.Rent(secret));
                if (mine.Count > 100)
                {
                    KeyHandle oldest = mine.Dequeue();
                    Assert.True(KeyArena.DangerousGetSpan(oldest).SequenceEqual(secret));
                    arena.Return(oldest);
                }
            }

            while (mine.TryDequeue(out KeyHandle handle))
            {
                arena.Return(handle);
            }
        });
        Assert.Equal(0, arena.Count);
    }

    [Fact]
    public void The_pages_are_locked_undumpable_and_guarded()
    {
        using KeyArena arena = new();
        KeyHandle key = arena.Rent();
        string[] maps = File.ReadAllLines("/proc/self/smaps");
        int at = Array.FindIndex(maps, line => Range(line) is (ulong start, ulong end) && start <= (ulong)key.Address && (ulong)key.Address < end);
        Assert.True(at >= 0);
        (ulong from, ulong to) = Range(maps[at])!.Value;
        string flags = maps.Skip(at).First(line => line.StartsWith("VmFlags:", StringComparison.Ordinal));
        Assert.Contains(" dd", flags, StringComparison.Ordinal);
        Assert.Contains(" wf", flags, StringComparison.Ordinal);
        Assert.Equal(arena.IsLocked, flags.Contains(" lo", StringComparison.Ordinal));
        Assert.Equal(arena.IsLocked, arena.LockWarning is null);
        Assert.Contains(maps, line => Range(line) is (_, ulong end) && end == from && line.Contains("---p", StringComparison.Ordinal));
        Assert.Contains(maps, line => Range(line) is (ulong start, _) && start == to && line.Contains("---p", StringComparison.Ordinal));
    }

    [Fact]
    public void A_disposed_arena_rents_nothing_and_takes_returns_quietly()
    {
        KeyArena arena = new();
        KeyHandle key = arena.Rent();
        arena.Dispose();
        arena.Dispose();
        arena.Return(key);
        Assert.Throws<ObjectDisposedException>(() => arena.Rent());
    }

    private static (ulong Start, ulong End)? Range(string line)
    {
        string[] ends = line.Split(' ')[0].Split('-');
        return ends.Length == 2
            && ulong.TryParse(ends[0], System.Globalization.NumberStyles.HexNumber, null, out ulong start)
            && ulong.TryParse(ends[1], System.Globalization.NumberStyles.HexNumber, null, out ulong end)
            ? (start, end)
            : null;
    }
}
