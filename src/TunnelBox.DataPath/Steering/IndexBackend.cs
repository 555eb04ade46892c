using TunnelBox.Linux.Libc;
using TunnelBox.Linux.Netlink;

namespace TunnelBox.DataPath.Steering;

/// <summary>
/// Rules of traffic control as a backend (<see cref="IndexRules"/>): receiver index to queue. Queue n is class n + 1; marks and workers
/// are not held. Each order takes microseconds, under the kernel's lock of all network settings: put a <see cref="BackgroundBackend"/> around it.
/// </summary>
/// <param name="rules">The rules, owned from now on.</param>
public sealed class IndexBackend(IndexRules rules) : ISteeringBackend, IDisposable
{
    private const int Batch = 4096;

    private readonly Queue<SteeringAnswer> _answers = new();
    private readonly IndexRuleChange[] _changes = new IndexRuleChange[Batch];
    private readonly int[] _errors = new int[Batch];

    /// <inheritdoc/>
    public string Name => "tc-u32";

    /// <inheritdoc/>
    public int Credits => Batch;

    /// <inheritdoc/>
    public void Submit(ReadOnlySpan<SteeringOrder> orders)
    {
        while (orders.Length > 0)
        {
            int count = Math.Min(orders.Length, Batch);
            for (int i = 0; i < count; i++)
            {
                SteeringRule rule = orders[i].Rule;
                _changes[i] = new IndexRuleChange(rule.Match, orders[i].IsRemoval ? (ushort)0 : Math.Max((ushort)(rule.Queue + 1), (ushort)1));
            }

            rules.Change(_changes.AsSpan(0, count), _errors);
            for (int i = 0; i < count; i++)
            {
                _answers.Enqueue(new SteeringAnswer(orders[i].Number, orders[i].IsRemoval && _errors[i] == -Definitions.ENOENT ? 0 : _errors[i]));
            }

            orders = orders[count..];
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
            foreach (IndexRule rule in rules.Dump())
            {
                held.Add(new HeldRule(new SteeringRule(rule.Index, 0, (ushort)(rule.Class - 1), SteeringRule.Any), (long)rule.Hits));
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
