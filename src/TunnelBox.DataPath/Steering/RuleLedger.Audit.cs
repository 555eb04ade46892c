namespace TunnelBox.DataPath.Steering;

/// <content>What the backend said, compared with what is true.</content>
public sealed partial class RuleLedger
{
    /// <summary>Tries of a rule that the backend loses again and again.</summary>
    private const int Tries = 3;

    /// <summary>Packets in wrong queues until a rule counts as having no effect: the first few may have been under way.</summary>
    private const int WrongPackets = 16;

    /// <summary>Rules that are compared before others get their turn at the ledger.</summary>
    private const int Slice = 4096;

    private readonly Lock _auditGate = new();

    /// <summary>Packets of a rule were seen: where they arrived must be where the rule says.</summary>
    /// <param name="match">Which rule.</param>
    /// <param name="queue">The receive queue that their hints report.</param>
    /// <param name="packets">How many.</param>
    public void Observe(uint match, ushort queue, int packets = 1)
    {
        lock (_gate)
        {
            if (!_rules.TryGetValue(match, out Entry? entry) || entry.IsLeaving || !entry.IsHeld || entry.Number != 0 || entry.Rule.Queue == SteeringRule.Any)
            {
                return;
            }

            if (entry.Rule.Queue == queue)
            {
                entry.HitsObserved += packets;
                entry.Wrong = 0;
                return;
            }

            entry.MissesObserved += packets;
            entry.Seen = queue;
            entry.Wrong += packets;
            if (entry.Wrong >= WrongPackets && entry.State is RuleState.Acknowledged or RuleState.Verified)
            {
                Withdraw(entry, 0);
            }
        }
    }

    /// <summary>
    /// Compares what the backend holds with what is wanted: what is missing is sent again, at last given up; what nobody wants is
    /// removed; and where room is short, the busiest of those without a place take it from those that are much less busy. Rules that
    /// change while the backend is read are left to the next time. Nobody waits for the reading, nor for long for the comparing.
    /// </summary>
    /// <returns>0, or −errno where the backend could not be read.</returns>
    public int Audit()
    {
        lock (_auditGate)
        {
            long began;
            lock (_gate)
            {
                Collect();
                began = _time++;
                _gone = [];
            }

            List<HeldRule> held = [];
            int known = 0;
            int error = backend.Dump(held);
            for (int start = 0; error >= 0 && start < held.Count; start += Slice)
            {
                lock (_gate)
                {
                    for (int i = start; i < Math.Min(start + Slice, held.Count); i++)
                    {
                        known += Compare(held[i], began) ? 1 : 0;
                    }
                }
            }

            lock (_gate)
            {
                _gone = null;
                if (error >= 0)
                {
                    Conclude(began, known);
                }
            }

            return Math.Min(error, 0);
        }
    }

    /// <summary>Trusts nothing that was said so far: every rule is sent again.</summary>
    public void Resync()
    {
        lock (_gate)
        {
            _capacity = null;
            foreach (Entry entry in _rules.Values)
            {
                if (!entry.IsLeaving)
                {
                    entry.Tries = 0;
                    entry.Wrong = 0;
                    entry.IsIneffective = false;
                    Move(entry, RuleState.Wanted);
                    Enqueue(entry);
                }
            }
        }

        Pump();
    }

    // One that the backend holds; whether it is one that was wanted.
    private bool Compare(in HeldRule held, long began)
    {
        if (!_rules.TryGetValue(held.Rule.Match, out Entry? entry))
        {
            if (_gone?.Contains(held.Rule.Match) == true)
            {
                // Removed since it was read.
                return false;
            }

            _strangers++;
            var stranger = new Entry { Rule = held.Rule, IsLeaving = true, IsHeld = true, Touched = _time };
            _held++;
            _rules.Add(held.Rule.Match, stranger);
            _leaving++;
            Enqueue(stranger);
            return true;
        }

        entry.Audited = began;
        if (entry.IsLeaving || entry.Number != 0 || entry.Touched > began || entry.State is not (RuleState.Acknowledged or RuleState.Verified))
        {
            return true;
        }

        if (held.Rule != entry.Rule)
        {
            Lose(entry, isHeld: true);
            return true;
        }

        entry.Hits = held.Hits;
        entry.Misses = held.Misses;
        entry.Seen = held.Misses > 0 ? held.Seen : entry.Seen;
        if (entry.State == RuleState.Acknowledged)
        {
            Move(entry, RuleState.Verified);
            changed?.Invoke(entry.Rule, RuleState.Verified);
        }

        return true;
    }

    // What the backend did not show; and what follows from all that was found.
    private void Conclude(long began, int known)
    {
        // Where it showed as many as it should hold, none is looked for.
        IEnumerable<Entry> suspects = known == _held && _leaving == 0 ? [] : _rules.Values;
        foreach (Entry entry in suspects)
        {
            if (entry.IsLeaving && entry.IsHeld && entry.Number == 0)
            {
                // Its removal was refused.
                Enqueue(entry);
            }
            else if (!entry.IsLeaving && entry.Number == 0 && entry.Touched <= began && entry.Audited != began
                && entry.State is RuleState.Acknowledged or RuleState.Verified)
            {
                Lose(entry, isHeld: false);
            }
        }

        Rebalance();
        while (Send())
        {
            Collect();
        }
    }

    // A yes that was none.
    private void Lose(Entry entry, bool isHeld)
    {
        _ineffective++;
        Hold(entry, isHeld);
        Move(entry, RuleState.Failed);
        changed?.Invoke(entry.Rule, RuleState.Failed);
        if (++entry.Tries < Tries)
        {
            Move(entry, RuleState.Wanted);
        }

        entry.IsIneffective = entry.State == RuleState.Failed;
        Enqueue(entry);
    }

    private void Withdraw(Entry entry, int error)
    {
        _ineffective++;
        entry.Wrong = 0;
        entry.Error = error;
        entry.IsIneffective = true;
        Move(entry, RuleState.Failed);
        changed?.Invoke(entry.Rule, RuleState.Failed);
        Enqueue(entry);
    }

    // Half as busy again is the least that moves a rule: a place that changes hands serves neither for a while.
    private void Rebalance()
    {
        if (_counts[(int)RuleState.Evicted] == 0)
        {
            return;
        }

        Entry[] without = [.. _rules.Values.Where(e => !e.IsLeaving && e.State == RuleState.Evicted).OrderByDescending(e => e.Weight)];
        Entry[] within = [.. _rules.Values.Where(e => !e.IsLeaving && e.State == RuleState.Verified && e.Number == 0).OrderBy(e => e.Weight)];
        for (int i = 0; i < Math.Min(without.Length, within.Length) && without[i].Weight > within[i].Weight + (within[i].Weight / 2); i++)
        {
            Move(within[i], RuleState.Evicted);
            changed?.Invoke(within[i].Rule, RuleState.Evicted);
            Enqueue(within[i]);
        }
    }
}
