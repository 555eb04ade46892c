using System.Text;

namespace TunnelBox.Configuration;

/// <summary>What the setting QueueMap says: which worker serves each receive queue.</summary>
public static class QueueMapSetting
{
    /// <summary>The workers take turns.</summary>
    public const string InTurn = "auto";

    // As many as a device may have queues, and a tunnel workers.
    private const int Most = 64;

    /// <summary>Reads the setting.</summary>
    /// <param name="text">"auto", or the numbers of workers with commas between them.</param>
    /// <returns>The workers of the first queues, in their order; null where the text is none.</returns>
    public static IReadOnlyList<int>? Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        if (text == InTurn)
        {
            return [];
        }

        List<int> workers = [];
        foreach (string word in text.Split(',', StringSplitOptions.TrimEntries))
        {
            if (workers.Count == Most || !IpText.TryParseDecimal(Encoding.UTF8.GetBytes(word), Most - 1, out uint worker))
            {
                return null;
            }

            workers.Add((int)worker);
        }

        return workers;
    }

    /// <summary>Finds a queue that the setting gives to a worker that there is not.</summary>
    /// <param name="settings">Settings, each of which is allowed by itself.</param>
    /// <returns>What is wrong, a sentence; null where nothing is.</returns>
    public static string? Problem(TunnelBoxSettings settings)
    {
        ArgumentNullException.ThrowIfNull(settings);
        IReadOnlyList<int> map = Parse(settings.QueueMap) ?? [];
        int workers = Math.Max(settings.Workers, 1);
        for (int queue = 0; queue < map.Count; queue++)
        {
            if (map[queue] >= workers)
            {
                return $"queue {queue} is given to worker {map[queue]}, but Workers is {workers}: {(workers == 1 ? "0 alone is" : $"0 to {workers - 1} are")} there.";
            }
        }

        return null;
    }
}
