using System.Globalization;
using TunnelBox.Linux.Tracing;

namespace TunnelBox.Protocol;

/// <content>Steering rules.</content>
public sealed partial class TunnelTrace
{
    /// <summary>A steering rule changed.</summary>
    /// <param name="backend">Who holds it.</param>
    /// <param name="match">What it matches: a receiver index, or a hash.</param>
    /// <param name="queue">Where it leads; 65,535 for any queue.</param>
    /// <param name="worker">Whom it leads to; 65,535 for any worker.</param>
    /// <param name="state">What became of it.</param>
    public void SteeringChanged(string backend, uint match, ushort queue, ushort worker, string state)
    {
        if (Probes.SteerRuleAttached)
        {
            Probes.SteerRule(_device, queue, worker, match, Probes.Text(backend), Probes.Text(state));
        }

        if (Watched)
        {
            string where = queue == ushort.MaxValue && worker == ushort.MaxValue
                ? string.Empty
                : string.Create(CultureInfo.InvariantCulture, $" to queue {queue} worker {worker}");
            Tell("steer_rule", null, $"{match:x8}{where} {state} by {backend}");
        }
    }
}
