using System.Globalization;
using System.Text.RegularExpressions;

namespace TunnelBox.EndToEnd.Tests.Harness;

/// <summary>What ping(8) counted.</summary>
internal sealed record PingResult(int Sent, int Received, string Output);

/// <summary>ping(8), bounded.</summary>
internal static partial class Ping
{
    /// <summary>One echo request that must be answered.</summary>
    public static async Task ExpectAsync(NetworkNamespace from, string to, int waitSeconds = 3, string options = "")
    {
        PingResult result = await RunAsync(from, to, $"-c 1 -W {waitSeconds} {options}");
        Assert.True(result.Received == 1, $"ping {to} from {from.Name} was not answered:\n{result.Output}");
    }

    /// <summary>One echo request that must not be answered.</summary>
    public static async Task ExpectSilenceAsync(NetworkNamespace from, string to, string options = "")
    {
        PingResult result = await RunAsync(from, to, $"-c 1 -W 1 {options}");
        Assert.True(result.Received == 0, $"ping {to} from {from.Name} was answered, and must not be:\n{result.Output}");
    }

    /// <summary>Pings once a second until one is answered.</summary>
    public static async Task UntilAnsweredAsync(NetworkNamespace from, string to, TimeSpan within)
    {
        await Eventually.TrueWithinAsync(
            within,
            async () => (await RunAsync(from, to, "-c 1 -W 1")).Received == 1,
            $"ping {to} from {from.Name} was never answered");
    }

    /// <summary>ping with the given options.</summary>
    public static async Task<PingResult> RunAsync(NetworkNamespace from, string to, string options)
    {
        CommandResult result = await from.TryAsync(
            ["ping", "-n", "-q", .. options.Split(' ', StringSplitOptions.RemoveEmptyEntries), to]);
        Match counts = Counts().Match(result.Output);
        return counts.Success
            ? new PingResult(
                int.Parse(counts.Groups["sent"].ValueSpan, CultureInfo.InvariantCulture),
                int.Parse(counts.Groups["received"].ValueSpan, CultureInfo.InvariantCulture),
                result.Output + result.Error)
            : new PingResult(0, 0, result.Output + result.Error);
    }

    [GeneratedRegex(@"(?<sent>[0-9]+) packets transmitted, (?<received>[0-9]+) received", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Counts();
}
