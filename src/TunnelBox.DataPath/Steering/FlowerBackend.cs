using TunnelBox.Linux.Ethtool;
using TunnelBox.Linux.Netlink;

namespace TunnelBox.DataPath.Steering;

/// <summary>
/// Rules of tc flower that a device carries out as a backend: flow to queue; marks and workers are not held. A rule that the kernel
/// has and the device does not is not shown as held. One thread at a time.
/// </summary>
/// <param name="rules">The rules, owned from now on.</param>
public sealed class FlowerBackend(FlowerRules rules) : ISteeringBackend, IDisposable
{
    private readonly Dictionary<uint, UdpFlow> _flows = [];
    private readonly Queue<SteeringAnswer> _answers = new();

    /// <inheritdoc/>
    public string Name => "tc-flower";

    /// <inheritdoc/>
    public int Credits => 64;

    /// <inheritdoc/>
    public void Submit(ReadOnlySpan<SteeringOrder> orders)
    {
        foreach (SteeringOrder order in orders)
        {
            SteeringRule rule = order.Rule;
            int error = _flows.Remove(rule.Match) || order.IsRemoval ? rules.Remove(rule.Match) : 0;
            error = error == -NetlinkException.NoEntry ? 0 : error;
            if (!order.IsRemoval)
            {
                error = rules.Set(rule.Match, rule.Flow, rule.Queue);
                if (error == 0)
                {
                    _flows[rule.Match] = rule.Flow;
                }
            }

            _answers.Enqueue(new SteeringAnswer(order.Number, error));
        }
    }

    /// <inheritdoc/>
    public int Collect(Span<SteeringAnswer> answers) => _answers.TakeInto(answers);

    /// <inheritdoc/>
    public int Dump(ICollection<HeldRule> held)
    {
        ArgumentNullException.ThrowIfNull(held);
        try
        {
            foreach (FlowerRule rule in rules.Dump().Where(rule => rule.InHardware))
            {
                held.Add(new HeldRule(new SteeringRule(rule.Number, 0, rule.Queue, SteeringRule.Any, _flows.GetValueOrDefault(rule.Number)), 0));
            }

            return 0;
        }
        catch (NetlinkException refused)
        {
            return -refused.Errno;
        }
    }

    /// <inheritdoc/>
    public void Dispose() => rules.Dispose();
}
