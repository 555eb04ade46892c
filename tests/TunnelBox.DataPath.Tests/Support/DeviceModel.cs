using TunnelBox.DataPath.Steering;
using TunnelBox.Linux.Libc;

namespace TunnelBox.DataPath.Tests.Support;

/// <summary>A card that steers, with the faults that cards have: little room, slow and disordered answers, and a yes that means nothing.</summary>
internal sealed class DeviceModel(int capacity = int.MaxValue) : ISteeringBackend
{
    private readonly List<(int Due, SteeringAnswer Answer)> _answers = [];
    private readonly Dictionary<uint, SteeringRule> _table = [];
    private readonly Dictionary<uint, (long Hits, long Misses, ushort Seen)> _counts = [];
    private int _time;

    public string Name => "model";

    public int Credits { get; init; } = 8;

    /// <summary>Calls of <see cref="Collect"/> until an answer is there.</summary>
    public int Latency { get; set; }

    /// <summary>Answers come last first.</summary>
    public bool Reorders { get; init; }

    /// <summary>Rules that it says yes to and forgets.</summary>
    public HashSet<uint> Ignores { get; } = [];

    /// <summary>Rules that it refuses for no reason of room.</summary>
    public HashSet<uint> Refuses { get; } = [];

    /// <summary>Rules that stand in the table and have no effect: their packets go to the queue beside theirs.</summary>
    public HashSet<uint> Misleads { get; } = [];

    /// <summary>What happens while the table is read, after it was and before anybody knows.</summary>
    public Action? Reading { get; set; }

    /// <summary>The most orders that were ever under way.</summary>
    public int MostUnderWay { get; private set; }

    public IReadOnlyDictionary<uint, SteeringRule> Table => _table;

    /// <summary>Packets of a rule come in, some of them by another queue.</summary>
    public void Count(uint match, long packets, long elsewhere, ushort queue)
    {
        (long hits, long misses, _) = _counts.GetValueOrDefault(match);
        _counts[match] = (hits + packets, misses + elsewhere, queue);
    }

    public void Lose(uint match) => _table.Remove(match);

    public void Put(SteeringRule rule) => _table[rule.Match] = rule;

    public void Submit(ReadOnlySpan<SteeringOrder> orders)
    {
        foreach (SteeringOrder order in orders)
        {
            _answers.Add((_time + Latency, new SteeringAnswer(order.Number, Carry(order))));
        }

        MostUnderWay = Math.Max(MostUnderWay, _answers.Count);
    }

    public int Collect(Span<SteeringAnswer> answers)
    {
        int count = 0;
        for (int i = Reorders ? _answers.Count - 1 : 0; i >= 0 && i < _answers.Count && count < answers.Length;)
        {
            if (_answers[i].Due <= _time)
            {
                answers[count++] = _answers[i].Answer;
                _answers.RemoveAt(i);
                i -= Reorders ? 1 : 0;
            }
            else
            {
                i += Reorders ? -1 : 1;
            }
        }

        _time++;
        return count;
    }

    /// <summary>The queue that a packet comes in by.</summary>
    public ushort Deliver(uint match, ushort otherwise) =>
        !_table.TryGetValue(match, out SteeringRule rule) ? otherwise : Misleads.Contains(match) ? (ushort)(rule.Queue ^ 1) : rule.Queue;

    public int Dump(ICollection<HeldRule> held)
    {
        foreach (SteeringRule rule in _table.Values)
        {
            held.Add(_counts.TryGetValue(rule.Match, out (long Hits, long Misses, ushort Seen) count)
                ? new HeldRule(rule, count.Hits, count.Misses, count.Seen)
                : new HeldRule(rule, rule.Match * 10L));
        }

        Reading?.Invoke();
        return 0;
    }

    private int Carry(SteeringOrder order)
    {
        if (order.IsRemoval)
        {
            return _table.Remove(order.Rule.Match) ? 0 : -Definitions.ENOENT;
        }

        if (Refuses.Contains(order.Rule.Match))
        {
            return -Definitions.EOPNOTSUPP;
        }

        if (_table.Count >= capacity && !_table.ContainsKey(order.Rule.Match))
        {
            return -Definitions.ENOSPC;
        }

        if (!Ignores.Contains(order.Rule.Match))
        {
            // What counts begins anew with each setting.
            if (_counts.ContainsKey(order.Rule.Match))
            {
                _counts[order.Rule.Match] = default;
            }

            _table[order.Rule.Match] = order.Rule;
        }

        return 0;
    }
}
