namespace TunnelBox.Protocol;

/// <summary>
/// Limits handshake messages by source while the device is under load: <see cref="PerSecond"/> a second with a burst of
/// <see cref="Burst"/>, for each IPv4 address or IPv6 /64 (WireGuard paper, section 5.3). Ask only after mac2 has proved the source, or
/// a spoofer could use up a stranger's share. Any thread may ask.
/// </summary>
/// <remarks>
/// The table is bounded: once <see cref="Capacity"/> sources have asked within a second, further ones are refused. A source
/// that was silent for a second has a full bucket again, so forgetting it changes no answer.
/// </remarks>
public sealed class RateLimiter
{
    /// <summary>Messages a second that a source may send for good.</summary>
    public const int PerSecond = Limits.SourceRate;

    /// <summary>Messages that a source may send at once.</summary>
    public const int Burst = Limits.SourceBurst;

    private const long Cost = Limits.Second / PerSecond;
    private const long FullBucket = Cost * Burst;
    private const int InitialSlots = 64;

    private readonly Lock _lock = new();
    private readonly SipHash _hash = SipHash.Create();
    private int[] _heads = new int[InitialSlots];
    private Entry[] _entries = new Entry[InitialSlots];
    private int _count;
    private long _swept = long.MinValue;

    /// <summary>Makes a limiter that knows no source yet.</summary>
    /// <param name="capacity">How many sources it remembers at once at most.</param>
    public RateLimiter(int capacity = 65_536)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(capacity, 1);
        Capacity = capacity;
    }

    /// <summary>Gets how many sources are remembered at once at most.</summary>
    public int Capacity { get; }

    /// <summary>Gets how many sources are remembered now.</summary>
    public int Count
    {
        get
        {
            lock (_lock)
            {
                return _count;
            }
        }
    }

    /// <summary>Takes one message out of its source's share.</summary>
    /// <param name="from">Where the message came from; the port does not matter.</param>
    /// <param name="nowNanoseconds">The time on a clock that does not go back.</param>
    /// <returns>Whether the message is within the share.</returns>
    public bool Allow(in EndpointAddress from, long nowNanoseconds)
    {
        ulong source = from.IsIPv6 ? (ulong)(from.Address >> 64) : (uint)from.Address;
        ulong hash = _hash.Hash(source) ^ (from.IsIPv6 ? 1UL : 0);
        lock (_lock)
        {
            if (_swept == long.MinValue || nowNanoseconds - _swept >= Limits.Second)
            {
                Sweep(nowNanoseconds);
            }

            for (int next = _heads[(int)hash & (_heads.Length - 1)]; next != 0; next = _entries[next - 1].Next)
            {
                ref Entry entry = ref _entries[next - 1];
                if (entry.Source == source && entry.IsIPv6 == from.IsIPv6)
                {
                    return entry.Take(nowNanoseconds);
                }
            }

            if (_count >= Capacity)
            {
                return false;
            }

            Insert(new Entry { Source = source, IsIPv6 = from.IsIPv6, Last = nowNanoseconds, Tokens = FullBucket - Cost, Hash = (uint)hash });
            return true;
        }
    }

    private void Insert(in Entry entry)
    {
        if (_count == _entries.Length)
        {
            Resize(_entries.Length * 2);
        }

        ref int head = ref _heads[(int)entry.Hash & (_heads.Length - 1)];
        _entries[_count] = entry;
        _entries[_count].Next = head;
        head = ++_count;
    }

    private void Sweep(long now)
    {
        _swept = now;
        int kept = 0;
        for (int i = 0; i < _count; i++)
        {
            if (now - _entries[i].Last < Limits.Second)
            {
                _entries[kept++] = _entries[i];
            }
        }

        if (kept == _count)
        {
            return;
        }

        _count = kept;
        int slots = _entries.Length;
        while (slots > InitialSlots && kept < slots / 8)
        {
            slots /= 2;
        }

        Resize(slots);
    }

    private void Resize(int slots)
    {
        if (slots != _entries.Length)
        {
            Array.Resize(ref _entries, slots);
            _heads = new int[slots];
        }
        else
        {
            Array.Clear(_heads);
        }

        for (int i = 0; i < _count; i++)
        {
            ref int head = ref _heads[(int)_entries[i].Hash & (slots - 1)];
            _entries[i].Next = head;
            head = i + 1;
        }
    }

    private struct Entry
    {
        public ulong Source;
        public long Last;
        public long Tokens;
        public uint Hash;
        public int Next;
        public bool IsIPv6;

        public bool Take(long now)
        {
            // Tokens are nanoseconds; a clock that stands still or slips back gives none.
            long elapsed = Math.Clamp(now - Last, 0, FullBucket);
            Last = Math.Max(Last, now);
            Tokens = Math.Min(Tokens + elapsed, FullBucket);
            if (Tokens < Cost)
            {
                return false;
            }

            Tokens -= Cost;
            return true;
        }
    }
}
