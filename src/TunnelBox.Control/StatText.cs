using System.Globalization;
using System.Text;

namespace TunnelBox.Control;

/// <summary>Counts as text, in the format of <c>/proc/net/xfrm_stat</c>: a name, padded, a tab, a value.</summary>
public static class StatText
{
    /// <summary>Writes every count.</summary>
    /// <param name="answer">The counts.</param>
    /// <returns>One line a count.</returns>
    public static string Write(StatAnswer answer)
    {
        var text = new StringBuilder();
        foreach ((string name, long value) in Lines(answer))
        {
            Line(text, name, value).Append('\n');
        }

        return text.ToString();
    }

    /// <summary>Writes what every reason that happened means, and what to do about it.</summary>
    /// <param name="answer">The counts.</param>
    /// <returns>Three lines a reason: the count, the meaning, the remedy.</returns>
    public static string Explain(StatAnswer answer)
    {
        ArgumentNullException.ThrowIfNull(answer);
        var text = new StringBuilder();
        foreach (StatReason reason in answer.Reasons.Where(reason => reason.Packets > 0))
        {
            Line(text, reason.Name, reason.Packets).Append($"\n    {reason.Meaning}\n    {reason.Remedy}\n");
        }

        return text.Length > 0 ? text.ToString() : "Nothing was dropped.\n";
    }

    /// <summary>Writes the counts that grew, with how fast.</summary>
    /// <param name="before">An earlier answer of the same daemon.</param>
    /// <param name="now">The later one.</param>
    /// <returns>One line a count that grew: name, value, growth a second; a time in front.</returns>
    public static string Rates(StatAnswer before, StatAnswer now)
    {
        ArgumentNullException.ThrowIfNull(before);
        ArgumentNullException.ThrowIfNull(now);
        double seconds = Math.Max((now.Time - before.Time).TotalSeconds, 1e-3);
        var text = new StringBuilder(now.Time.ToLocalTime().ToString("HH:mm:ss", CultureInfo.InvariantCulture)).Append('\n');
        Dictionary<string, long> earlier = Lines(before).ToDictionary(line => line.Name, line => line.Value, StringComparer.Ordinal);
        foreach ((string name, long value) in Lines(now))
        {
            long growth = value - earlier.GetValueOrDefault(name);
            if (growth != 0)
            {
                Line(text, name, value).Append(CultureInfo.InvariantCulture, $"\t{growth / seconds:0.0}/s\n");
            }
        }

        return text.ToString();
    }

    private static IEnumerable<(string Name, long Value)> Lines(StatAnswer answer)
    {
        ArgumentNullException.ThrowIfNull(answer);
        foreach (StatReason reason in answer.Reasons)
        {
            yield return (reason.Name, reason.Packets);
        }

        yield return ("InPackets", answer.InPackets);
        yield return ("InBytes", answer.InBytes);
        yield return ("OutPackets", answer.OutPackets);
        yield return ("OutBytes", answer.OutBytes);
        yield return ("DroppedPackets", answer.Reasons.Sum(reason => reason.Packets));
        yield return ("DroppedBytes", answer.Reasons.Sum(reason => reason.Bytes));
        foreach (StatWorker worker in answer.Workers)
        {
            foreach (StatFlow flow in worker.Ports)
            {
                yield return ($"{worker.Name}.{flow.Name}Packets", flow.Packets);
                yield return ($"{worker.Name}.{flow.Name}Bytes", flow.Bytes);
            }

            foreach (StatStage stage in worker.Stages ?? [])
            {
                yield return ($"{worker.Name}.{stage.Name}Bursts", stage.Bursts);
                yield return ($"{worker.Name}.{stage.Name}MedianNs", stage.Median);
                yield return ($"{worker.Name}.{stage.Name}P99Ns", stage.P99);
                yield return ($"{worker.Name}.{stage.Name}LongestNs", stage.Longest);
            }
        }
    }

    // Linux, net/xfrm/xfrm_proc.c: "%-24s\t%lu\n".
    private static StringBuilder Line(StringBuilder text, string name, long value) =>
        text.Append(CultureInfo.InvariantCulture, $"{name,-24}\t{value}");
}
