using TunnelBox.Linux.Libc;

namespace TunnelBox.DataPath.Steering;

/// <summary>
/// Every rule that is wanted of one backend, and how far each has come. Orders go out in batches within the backend's credits; what
/// it says is checked against what it holds (<see cref="Audit"/>) and against where packets really arrive (<see cref="Observe"/>).
/// Safe from any thread; nothing here waits for a backend.
/// </summary>
/// <param name="backend">The backend.</param>
/// <param name="changed">Told of every rule that the backend took, lost or refused; called under the ledger's lock, so it only notes.</param>
public sealed partial class RuleLedger(ISteeringBackend backend, Action<SteeringRule, RuleState>? changed = null)
{
    private const int Batch = 1024;

    private readonly Lock _gate = new();
    private readonly Dictionary<uint, Entry> _rules = [];
    private readonly Dictionary<long, Entry> _underWay = [];
    private readonly Queue<Entry> _waiting = new();
    private readonly int[] _counts = new int[(int)RuleState.Removed];
    private readonly SteeringOrder[] _orders = new SteeringOrder[Batch];
    private readonly SteeringAnswer[] _answers = new SteeringAnswer[Batch];
    private int _leaving;
    private int _held;
    private int _adding;
    private int? _capacity;
    private HashSet<uint>? _gone;
    private long _time = 1;
    private long _number;
    private long _ineffective;
    private long _strangers;

    /// <summary>Gets a value indicating whether the backend has said yes to every wanted rule.</summary>
    public bool IsComplete
    {
        get
        {
            lock (_gate)
            {
                return _counts[(int)RuleState.Acknowledged] + _counts[(int)RuleState.Verified] == _rules.Count - _leaving;
            }
        }
    }

    /// <summary>Wants a rule, or wants it otherwise; <see cref="Pump"/> sends it.</summary>
    /// <param name="rule">The rule.</param>
    public void Want(SteeringRule rule)
    {
        lock (_gate)
        {
            if (!_rules.TryGetValue(rule.Match, out Entry? entry))
            {
                entry = new Entry { Rule = rule };
                _rules.Add(rule.Match, entry);
                _counts[(int)RuleState.Wanted]++;
                Enqueue(entry);
                return;
            }

            bool same = entry.Rule == rule;
            entry.Rule = rule;
            if (entry.IsLeaving)
            {
                entry.IsLeaving = false;
                _leaving--;
                _counts[(int)entry.State]++;
            }

            if (!same)
            {
                entry.Tries = 0;
                entry.IsIneffective = false;
                Move(entry, RuleState.Wanted);
                Enqueue(entry);
            }
        }
    }

    /// <summary>Wants a rule no more; <see cref="Pump"/> removes it.</summary>
    /// <param name="match">Which one.</param>
    public void Forget(uint match)
    {
        lock (_gate)
        {
            if (!_rules.TryGetValue(match, out Entry? entry) || entry.IsLeaving)
            {
                return;
            }

            entry.IsLeaving = true;
            _counts[(int)entry.State]--;
            _leaving++;
            Enqueue(entry);
        }
    }

    /// <summary>Collects answers and sends what waits, as far as credits reach.</summary>
    public void Pump()
    {
        lock (_gate)
        {
            Collect();
            while (Send())
            {
                Collect();
            }
        }
    }

    /// <summary>Says how busy a rule is: the busiest have the room where there is not enough.</summary>
    /// <param name="match">Which one.</param>
    /// <param name="weight">How busy, in any unit that is the same for all.</param>
    public void Weigh(uint match, long weight)
    {
        lock (_gate)
        {
            if (_rules.TryGetValue(match, out Entry? entry))
            {
                entry.Weight = weight;
            }
        }
    }

    /// <summary>Reads how it stands.</summary>
    /// <returns>The summary.</returns>
    public LedgerSummary Summarize()
    {
        lock (_gate)
        {
            return new LedgerSummary(backend.Name, [.. _counts], _leaving, _capacity, backend.Credits, _underWay.Count, _ineffective, _strangers);
        }
    }

    /// <summary>Lists the rules.</summary>
    /// <returns>Those that are wanted, in no order.</returns>
    public IReadOnlyList<LedgerLine> List()
    {
        lock (_gate)
        {
            return [.. _rules.Values.Where(entry => !entry.IsLeaving).Select(Line)];
        }
    }

    /// <summary>Finds one rule.</summary>
    /// <param name="match">Which.</param>
    /// <returns>It, or null where nobody wants it.</returns>
    public LedgerLine? Find(uint match)
    {
        lock (_gate)
        {
            return _rules.TryGetValue(match, out Entry? entry) && !entry.IsLeaving ? Line(entry) : null;
        }
    }

    /// <summary>Adds up what was counted, by the rules' marks.</summary>
    /// <returns>The sums; rules that lead to any queue have hits alone.</returns>
    public Dictionary<uint, MarkTraffic> ByMark()
    {
        Dictionary<uint, MarkTraffic> sums = [];
        lock (_gate)
        {
            foreach (Entry entry in _rules.Values)
            {
                MarkTraffic sum = sums.GetValueOrDefault(entry.Rule.Mark, new MarkTraffic(0, 0, SteeringRule.Any));
                LedgerLine line = Line(entry);
                sums[entry.Rule.Mark] = new MarkTraffic(sum.Hits + line.Hits, sum.Misses + line.Misses, line.Misses > 0 ? line.Seen : sum.Seen);
            }
        }

        return sums;
    }

    private static LedgerLine Line(Entry entry) => new(
        entry.Rule,
        entry.State,
        entry.HitsBefore + entry.Hits + entry.HitsObserved,
        entry.Error,
        entry.MissesBefore + entry.Misses + entry.MissesObserved,
        entry.Seen,
        entry.IsIneffective);

    private void Enqueue(Entry entry)
    {
        if (!entry.IsQueued)
        {
            entry.IsQueued = true;
            _waiting.Enqueue(entry);
        }
    }

    private void Move(Entry entry, RuleState state)
    {
        entry.Touched = _time;
        if (!entry.IsLeaving)
        {
            _counts[(int)entry.State]--;
            _counts[(int)state]++;
        }

        entry.State = state;
    }

    // Returns whether anything was sent.
    private bool Send()
    {
        int count = 0;
        int room = Math.Min(Batch, backend.Credits - _underWay.Count);
        while (count < room && _waiting.TryDequeue(out Entry? entry))
        {
            entry.IsQueued = false;
            if (entry.Number != 0)
            {
                // Its last order is still under way; the answer puts it here again.
                continue;
            }

            if (entry.IsLeaving)
            {
                if (entry.IsHeld)
                {
                    _orders[count++] = Order(entry, isRemoval: true);
                }
                else
                {
                    Drop(entry);
                }
            }
            else if (entry.State is RuleState.Failed or RuleState.Evicted && entry.IsHeld)
            {
                _orders[count++] = Order(entry, isRemoval: true);
            }
            else if (entry.State == RuleState.Wanted)
            {
                if (_capacity is { } capacity && !entry.IsHeld && _held + _adding >= capacity)
                {
                    Move(entry, RuleState.Evicted);
                    changed?.Invoke(entry.Rule, RuleState.Evicted);
                    continue;
                }

                Move(entry, RuleState.Sent);
                _orders[count++] = Order(entry, isRemoval: false);
            }
        }

        if (count == 0)
        {
            return false;
        }

        backend.Submit(_orders.AsSpan(0, count));
        return true;
    }

    private SteeringOrder Order(Entry entry, bool isRemoval)
    {
        entry.Touched = _time;
        entry.Number = ++_number;
        entry.IsRemoval = isRemoval;
        entry.IsAddition = !isRemoval && !entry.IsHeld;
        _adding += entry.IsAddition ? 1 : 0;
        entry.Sent = entry.Rule;
        _underWay.Add(entry.Number, entry);
        return new SteeringOrder(entry.Number, entry.Rule, isRemoval);
    }

    private void Collect()
    {
        for (int count; (count = backend.Collect(_answers)) > 0;)
        {
            for (int i = 0; i < count; i++)
            {
                if (_underWay.Remove(_answers[i].Number, out Entry? entry))
                {
                    entry.Number = 0;
                    _adding -= entry.IsAddition ? 1 : 0;
                    Answer(entry, _answers[i].Error);
                }
            }
        }
    }

    private void Answer(Entry entry, int error)
    {
        if (entry.IsRemoval)
        {
            // What is not there any more is as good as removed.
            Hold(entry, error is not (0 or -Definitions.ENOENT));
            if (entry.IsLeaving)
            {
                if (!entry.IsHeld)
                {
                    Drop(entry);
                }
            }
            else if (entry.State is not (RuleState.Failed or RuleState.Evicted))
            {
                // It was wanted again meanwhile.
                Move(entry, RuleState.Wanted);
                Enqueue(entry);
            }

            GiveRoom();
            return;
        }

        entry.Error = error;
        if (error == 0)
        {
            Hold(entry, isHeld: true);

            // The backend counts from the beginning again.
            entry.HitsBefore += entry.Hits;
            entry.MissesBefore += entry.Misses;
            entry.Hits = 0;
            entry.Misses = 0;
            _capacity = _capacity < _held ? _held : _capacity;
            if (entry.IsLeaving || entry.Sent != entry.Rule)
            {
                Enqueue(entry);
                return;
            }

            Move(entry, RuleState.Acknowledged);
            changed?.Invoke(entry.Rule, RuleState.Acknowledged);
        }
        else if (entry.IsLeaving)
        {
            Enqueue(entry);
        }
        else
        {
            bool isFull = error is -Definitions.ENOSPC or -Definitions.E2BIG;
            _capacity = isFull ? _held : _capacity;
            Move(entry, isFull ? RuleState.Evicted : RuleState.Failed);
            changed?.Invoke(entry.Rule, entry.State);
        }
    }

    private void Hold(Entry entry, bool isHeld)
    {
        entry.Touched = _time;
        _held += (isHeld ? 1 : 0) - (entry.IsHeld ? 1 : 0);
        entry.IsHeld = isHeld;
    }

    private void Drop(Entry entry)
    {
        _rules.Remove(entry.Rule.Match);
        _gone?.Add(entry.Rule.Match);
        _leaving--;
        changed?.Invoke(entry.Rule, RuleState.Removed);
    }

    // A place became free: the busiest without one gets it.
    private void GiveRoom()
    {
        if (_counts[(int)RuleState.Evicted] > 0
            && _rules.Values.Where(e => !e.IsLeaving && !e.IsHeld && e.State == RuleState.Evicted).MaxBy(e => e.Weight) is { } next)
        {
            Move(next, RuleState.Wanted);
            Enqueue(next);
        }
    }

    private sealed class Entry
    {
        public SteeringRule Rule;
        public SteeringRule Sent;
        public RuleState State;
        public long Number;
        public long Weight;
        public long Hits;
        public long Misses;
        public long HitsBefore;
        public long MissesBefore;
        public long HitsObserved;
        public long MissesObserved;
        public long Touched;
        public long Audited;
        public int Error;
        public int Tries;
        public int Wrong;
        public ushort Seen = SteeringRule.Any;
        public bool IsIneffective;
        public bool IsRemoval;
        public bool IsAddition;
        public bool IsQueued;
        public bool IsLeaving;
        public bool IsHeld;
    }
}
