namespace TunnelBox.DataPath.Steering;

/// <content>What the backend said, compared with what is true.</content>
public sealed partial class RuleLedger
{
    /// <summary>Tries of a rule that the backend loses again and again.</summary>
    private const int Tries = 3;

    /// <summary>Packets in wrong queues until a rule counts as having no effect: the first few may have been under way.</summary>
    private const int WrongPackets = 16;

    /// <summary>A packet of a rule was seen: where it arrived must be where the rule says.</summary>
    /// <param name="match">Which rule.</param>
    /// <param name="queue">The receive queue that its hints report.</param>
    public void Observe(uint match, ushort queue)
    {
        lock (_gate)
        {
            if (!_rules.TryGetValue(match, out Entry? entry) || entry.IsLeaving || !entry.IsHeld || entry.Number != 0 || entry.Rule.Queue == SteeringRule.Any)
            {
                return;
            }

            if (entry.Rule.Queue == queue)
            {
                entry.Wrong = 0;
            }
            else if (++entry.Wrong >= WrongPackets)
            {
                Withdraw(entry, 0);
            }
        }
    }

    /// <summary>
    /// Compares what the backend holds with what is wanted: what is missing is sent again, at last given up; what nobody wants is
    /// removed; and where room is short, the busiest of those without a place take it from those that are much less busy.
    /// </summary>
    /// <returns>0, or −errno where the backend could not be read.</returns>
    public int Audit()
    {
        lock (_gate)
        {
            Collect();
            List<HeldRule> held = [];
            int error = backend.Dump(held);
            if (error < 0)
            {
                return error;
            }

            Dictionary<uint, HeldRule> found = new(held.Count);
            foreach (HeldRule each in held)
            {
                found[each.Rule.Match] = each;
                if (!_rules.ContainsKey(each.Rule.Match))
                {
                    _strangers++;
                    var stranger = new Entry { Rule = each.Rule, IsLeaving = true, IsHeld = true };
                    _held++;
                    _rules.Add(each.Rule.Match, stranger);
                    _leaving++;
                    Enqueue(stranger);
                }
            }

            foreach (Entry entry in _rules.Values)
            {
                Compare(entry, found);
            }

            Rebalance();
            while (Send())
            {
                Collect();
            }

            return 0;
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
                    Move(entry, RuleState.Wanted);
                    Enqueue(entry);
                }
            }
        }

        Pump();
    }

    private void Compare(Entry entry, Dictionary<uint, HeldRule> found)
    {
        if (entry.IsLeaving && entry.IsHeld && entry.Number == 0)
        {
            // Its removal was refused.
            Enqueue(entry);
        }

        if (entry.IsLeaving || entry.Number != 0 || entry.State is not (RuleState.Acknowledged or RuleState.Verified))
        {
            return;
        }

        if (found.TryGetValue(entry.Rule.Match, out HeldRule held) && held.Rule == entry.Rule)
        {
            entry.Hits = held.Hits;
            if (entry.State == RuleState.Acknowledged)
            {
                Move(entry, RuleState.Verified);
                changed?.Invoke(entry.Rule, RuleState.Verified);
            }

            return;
        }

        // A yes that was none.
        _ineffective++;
        Hold(entry, found.ContainsKey(entry.Rule.Match));
        Move(entry, RuleState.Failed);
        changed?.Invoke(entry.Rule, RuleState.Failed);
        if (++entry.Tries < Tries)
        {
            Move(entry, RuleState.Wanted);
        }

        Enqueue(entry);
    }

    private void Withdraw(Entry entry, int error)
    {
        _ineffective++;
        entry.Wrong = 0;
        entry.Error = error;
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
