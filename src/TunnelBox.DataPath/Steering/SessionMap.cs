using System.Runtime.InteropServices;
using TunnelBox.Linux.Libbpf;
using TunnelBox.Linux.Libc;

namespace TunnelBox.DataPath.Steering;

/// <summary>
/// The map <c>sessions</c> of native/xdp/outer.bpf.c or steer.bpf.c as a backend: receiver index to mark, queue and worker. It answers at once,
/// many orders a system call. Orders from one thread at a time.
/// </summary>
/// <param name="map">The map's descriptor, owned by the caller.</param>
/// <param name="name">What it is called.</param>
/// <param name="tunnel">Which tunnel's indices it is about, of those that share the map.</param>
/// <param name="filter">What tells the program quickly which indices the map cannot hold; null where it has no such thing.</param>
public sealed class SessionMap(int map, string name = "map", int tunnel = 0, IndexFilter? filter = null) : ISteeringBackend
{
    private const int Batch = 4096;

    // The kernel fills its store of entries up a moment after it has run empty (bpf_mem_alloc): who fails for that asks again.
    private const int Patience = 100;

    private readonly Queue<SteeringAnswer> _answers = new();
    private readonly Key[] _keys = new Key[Batch];
    private readonly Session[] _values = new Session[Batch];

    /// <inheritdoc/>
    public string Name => name;

    /// <inheritdoc/>
    public int Credits => Batch;

    /// <inheritdoc/>
    public void Submit(ReadOnlySpan<SteeringOrder> orders)
    {
        for (int start = 0; start < orders.Length;)
        {
            int end = start + 1;
            while (end < orders.Length && end - start < Batch && orders[end].IsRemoval == orders[start].IsRemoval)
            {
                end++;
            }

            if (filter is null)
            {
                Carry(orders[start..end]);
            }
            else
            {
                Filtered(filter, orders[start..end]);
            }

            start = end;
        }
    }

    /// <inheritdoc/>
    public int Collect(Span<SteeringAnswer> answers) => _answers.TakeInto(answers);

    /// <inheritdoc/>
    public int Dump(ICollection<HeldRule> held)
    {
        ArgumentNullException.ThrowIfNull(held);
        return BpfMap.Each<Key, Session>(map, Batch, (key, session) =>
        {
            if (key.Tunnel == tunnel)
            {
                held.Add(new HeldRule(
                    new SteeringRule(key.Index, session.Mark, session.Queue, session.Worker), (long)session.Packets, (long)session.Elsewhere, (ushort)session.Seen));
            }
        });
    }

    /// <summary>Removes every index of the tunnel.</summary>
    internal void Clear()
    {
        List<HeldRule> held = [];
        _ = Dump(held);
        held.ForEach(each => BpfMap.Remove(map, new Key { Index = each.Rule.Match, Tunnel = (uint)tunnel }));
    }

    // The filter knows an index before the map does: until then the program would drop its packets. Others that share both wait, for their indices
    // must not be forgotten between the one and the other.
    private void Filtered(IndexFilter filter, ReadOnlySpan<SteeringOrder> orders)
    {
        lock (filter.Gate)
        {
            if (orders[0].IsRemoval)
            {
                Carry(orders);
                filter.Removed(orders.Length, Indices);
                return;
            }

            foreach (SteeringOrder order in orders)
            {
                filter.Add(order.Rule.Match);
            }

            Carry(orders);
        }
    }

    // Of every tunnel.
    private bool Indices(Action<uint> each) => BpfMap.Each<Key, Session>(map, Batch, (key, _) => each(key.Index)) >= 0;

    // A run of orders of one kind. A batch ends at the first entry that fails; the rest is another batch.
    private void Carry(ReadOnlySpan<SteeringOrder> orders)
    {
        for (int i = 0; i < orders.Length; i++)
        {
            _keys[i] = new Key { Index = orders[i].Rule.Match, Tunnel = (uint)tunnel };
            _values[i] = new Session { Mark = orders[i].Rule.Mark, Queue = orders[i].Rule.Queue, Worker = orders[i].Rule.Worker, Seen = SteeringRule.Any };
        }

        int failures = 0;
        for (int start = 0; start < orders.Length;)
        {
            ReadOnlySpan<Key> keys = _keys.AsSpan(start, orders.Length - start);
            int error = orders[0].IsRemoval
                ? BpfMap.RemoveMany(map, keys, out int done)
                : BpfMap.SetMany<Key, Session>(map, keys, _values.AsSpan(start, keys.Length), out done);
            done = error == 0 ? keys.Length : Math.Clamp(done, 0, keys.Length - 1);
            for (int i = 0; i < done; i++)
            {
                _answers.Enqueue(new SteeringAnswer(orders[start + i].Number, 0));
            }

            start += done;
            failures = done > 0 ? 0 : failures;
            if (error is -Definitions.ENOMEM or -Definitions.EBUSY && ++failures <= Patience)
            {
                Thread.SpinWait(100);
            }
            else if (error != 0)
            {
                failures = 0;
                bool isGone = orders[0].IsRemoval && error == -Definitions.ENOENT;
                _answers.Enqueue(new SteeringAnswer(orders[start].Number, isGone ? 0 : error));
                start++;
            }
        }
    }

    /// <summary>struct session_key of native/xdp/outer.bpf.c.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct Key
    {
        public uint Index;
        public uint Tunnel;
    }

    /// <summary>struct session of native/xdp/outer.bpf.c.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct Session
    {
        public uint Mark;
        public ushort Queue;
        public ushort Worker;
        public ulong Packets;
        public ulong Elsewhere;
        public uint Seen;
        public uint Reserved;
    }
}
