using TunnelBox.Linux.Ethtool;
using TunnelBox.Linux.Libc;

namespace TunnelBox.DataPath.Steering;

/// <summary>
/// A card's n-tuple table as a backend: flow to queue; marks and workers are not held. Only places that were filled here are looked at
/// and emptied: the table is shared with the administrator. One thread at a time.
/// </summary>
/// <param name="table">The table, owned from now on.</param>
/// <param name="room">Places.</param>
/// <param name="chooses">Whether the driver chooses the place.</param>
public sealed class FlowTableBackend(FlowTable table, int room, bool chooses) : ISteeringBackend, IDisposable
{
    private readonly Dictionary<uint, uint> _places = [];
    private readonly Queue<SteeringAnswer> _answers = new();

    /// <inheritdoc/>
    public string Name => "n-tuple";

    /// <inheritdoc/>
    public int Credits => 64;

    /// <inheritdoc/>
    public void Submit(ReadOnlySpan<SteeringOrder> orders)
    {
        foreach (SteeringOrder order in orders)
        {
            _answers.Enqueue(new SteeringAnswer(order.Number, order.IsRemoval ? Remove(order.Rule.Match) : Insert(order.Rule)));
        }
    }

    /// <inheritdoc/>
    public int Collect(Span<SteeringAnswer> answers) => _answers.TakeInto(answers);

    /// <inheritdoc/>
    public int Dump(ICollection<HeldRule> held)
    {
        ArgumentNullException.ThrowIfNull(held);
        foreach ((uint match, uint place) in _places)
        {
            int error = table.Read(place, out FlowTableEntry entry);
            if (error >= 0)
            {
                held.Add(new HeldRule(new SteeringRule(match, 0, (ushort)entry.Queue, SteeringRule.Any, entry.Flow), 0));
            }
            else if (error is not (-Definitions.ENOENT or -Definitions.EINVAL))
            {
                return error;
            }
        }

        return 0;
    }

    /// <summary>Takes every rule out that was put in.</summary>
    public void Dispose()
    {
        foreach (uint match in _places.Keys.ToArray())
        {
            _ = Remove(match);
        }

        table.Dispose();
    }

    /// <summary>Tries whether the card takes a rule of that kind.</summary>
    /// <param name="flow">A flow that nobody has.</param>
    /// <returns>0, or −errno.</returns>
    internal int Try(in UdpFlow flow)
    {
        int error = Insert(new SteeringRule(uint.MaxValue, 0, 0, SteeringRule.Any, flow));
        return error < 0 ? error : Remove(uint.MaxValue);
    }

    private int Insert(in SteeringRule rule)
    {
        if (_places.Remove(rule.Match, out uint old))
        {
            // A rule that is replaced in place does not do so with every driver.
            _ = table.Remove(old);
        }

        uint place = chooses ? Definitions.RX_CLS_LOC_ANY : Free();
        if (!chooses && place >= room)
        {
            return -Definitions.ENOSPC;
        }

        int error = table.Insert(rule.Flow, rule.Queue, 0, place, out uint placed);
        if (error == 0)
        {
            _places[rule.Match] = placed;
        }

        return error;
    }

    private int Remove(uint match)
    {
        if (!_places.TryGetValue(match, out uint place))
        {
            return 0;
        }

        int error = table.Remove(place);
        if (error is 0 or -Definitions.ENOENT or -Definitions.EINVAL)
        {
            _places.Remove(match);
            return 0;
        }

        return error;
    }

    // From the end: administrators count from the beginning.
    private uint Free()
    {
        int count = table.Count(out int _, out bool _);
        HashSet<uint> taken = table.List(Math.Max(count, 1), out uint[] places) < 0 ? [] : [.. places];
        for (int place = room - 1; place >= 0; place--)
        {
            if (!taken.Contains((uint)place))
            {
                return (uint)place;
            }
        }

        return uint.MaxValue - 1;
    }
}
