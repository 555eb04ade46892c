namespace TunnelBox.Benchmarks.Scaling;

/// <summary>
/// What measured times of one worker mean for more processors than there are here, each whole and alone. Nanoseconds a packet, between ports in memory:
/// where a kernel is behind the ports, its share of the serial part is in the budget's figures.
/// </summary>
/// <param name="Seal">A worker that seals, port to port.</param>
/// <param name="Open">A worker that opens, port to port.</param>
/// <param name="Serial">The part of opening that the owner alone does: receive, classify, replay window, source, delivery.</param>
/// <param name="HandOver">A block's way to another processor and back, a packet's share.</param>
/// <param name="Add">An addition to a number that others add to, a packet's share.</param>
internal sealed record ScalingModel(double Seal, double Open, double Serial, double HandOver, double Add)
{
    /// <summary>How many times as much as one worker does one fat tunnel seal on so many processors.</summary>
    /// <param name="processors">How many.</param>
    /// <returns>The factor: at most what the session's counter allows.</returns>
    public double SealFat(int processors) => Math.Min(processors / (Seal + Add), 1 / Add) * Seal;

    /// <summary>How many times as much as one worker does one fat tunnel open.</summary>
    /// <param name="processors">How many.</param>
    /// <returns>The factor: at most what its owner receives and delivers.</returns>
    public double OpenFat(int processors) => OpenMany(processors, 1);

    /// <summary>How many times as much as one worker do several tunnels open.</summary>
    /// <param name="processors">How many processors.</param>
    /// <param name="tunnels">How many tunnels, equally busy.</param>
    /// <returns>The factor.</returns>
    public double OpenMany(int processors, int tunnels)
    {
        // Where there are more owners than processors' work is, nobody helps.
        int owners = Math.Min(processors, tunnels);
        double alone = tunnels / Math.Ceiling((double)tunnels / processors) / Open;
        double helped = Math.Min(processors / (Open + HandOver), owners / (Serial + HandOver));
        return (processors > owners ? helped : alone) * Open;
    }

    /// <summary>How many times as much as one worker do several tunnels seal.</summary>
    /// <param name="processors">How many processors.</param>
    /// <param name="tunnels">How many tunnels, equally busy, each sealed by every worker.</param>
    /// <returns>The factor.</returns>
    public double SealMany(int processors, int tunnels) => Math.Min(processors / (Seal + Add), tunnels / Add) * Seal;
}
