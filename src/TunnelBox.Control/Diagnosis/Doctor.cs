using System.Diagnostics;
using TunnelBox.Configuration;
using TunnelBox.Linux.Netlink;

namespace TunnelBox.Control.Diagnosis;

/// <summary>One check.</summary>
/// <param name="Name">Its name, as <c>--check</c> takes it.</param>
/// <param name="Meaning">What it looks at.</param>
/// <param name="Run">Looks; each may take until the token is cancelled.</param>
public sealed record DoctorCheck(string Name, string Meaning, Func<DoctorContext, CancellationToken, IEnumerable<Finding>> Run);

/// <summary>Runs checks at the same time, within one budget.</summary>
public static class Doctor
{
    /// <summary>How long all checks together may take.</summary>
    public static readonly TimeSpan Budget = TimeSpan.FromSeconds(5);

    /// <summary>Gets every check, in the order in which equal findings are shown.</summary>
    public static IReadOnlyList<DoctorCheck> All { get; } =
    [
        .. HostChecks.All,
        .. DeviceChecks.All,
        .. RouteChecks.All,
        .. FirewallChecks.All,
        .. XdpChecks.All,
        .. SteeringChecks.All,
        .. EndpointChecks.All,
        .. HandshakeChecks.All,
        .. PathChecks.All,
    ];

    /// <summary>Finds a check.</summary>
    /// <param name="name">Its name.</param>
    /// <returns>The check.</returns>
    /// <exception cref="ControlException">There is none.</exception>
    public static DoctorCheck Find(string name)
    {
        string[] names = [.. All.Select(check => check.Name)];
        return All.FirstOrDefault(check => check.Name == name) ?? throw new ControlException(
            $"\"{ConfigurationFault.Printable(System.Text.Encoding.UTF8.GetBytes(name))}\" is no check.{Nearest.Question(name, names)} There are: {string.Join(", ", names)}.", ControlFailure.Wrong);
    }

    /// <summary>Runs checks.</summary>
    /// <param name="context">What they look at.</param>
    /// <param name="checks">Which.</param>
    /// <returns>What they found.</returns>
    public static DoctorReport Run(DoctorContext context, IReadOnlyList<DoctorCheck> checks)
    {
        ArgumentNullException.ThrowIfNull(context);
        ArgumentNullException.ThrowIfNull(checks);
        long began = Stopwatch.GetTimestamp();
        using CancellationTokenSource limit = new(Budget - TimeSpan.FromMilliseconds(500));
        // Threads of their own: most checks wait in system calls, and the pool grows slowly.
        Task<List<Finding>>[] tasks = [.. checks.Select(check => Task.Factory.StartNew(
            () => RunOne(check, context, limit.Token), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default))];
        TimeSpan left = Budget - Stopwatch.GetElapsedTime(began);
        _ = Task.WaitAny(Task.WhenAll(tasks), Task.Delay(left > TimeSpan.Zero ? left : TimeSpan.Zero));
        List<Finding> findings = [];
        for (int i = 0; i < tasks.Length; i++)
        {
            findings.AddRange(tasks[i].IsCompletedSuccessfully
                ? tasks[i].Result
                : [Finding.Skip($"It was not done within {Budget.TotalSeconds} s.", $"Run it alone: --check {checks[i].Name}.") with { Check = checks[i].Name }]);
        }

        return new DoctorReport
        {
            Interface = context.Interface,
            Seconds = Math.Round(Stopwatch.GetElapsedTime(began).TotalSeconds, 3),
            Findings = [.. findings.OrderBy(finding => finding.Status).ThenBy(finding => finding.Cause is null)],
        };
    }

    /// <summary>Lists what may be the cause, the likeliest first.</summary>
    /// <param name="report">What was found.</param>
    /// <returns>Names of causes, each once: those with evidence, then guesses.</returns>
    public static IReadOnlyList<string> Suspects(DoctorReport report)
    {
        ArgumentNullException.ThrowIfNull(report);
        return [.. report.Findings.SelectMany(finding => finding.Cause is { } cause ? [cause] : (finding.Guesses ?? []).Select(guess => guess.Cause)).Distinct(StringComparer.Ordinal)];
    }

    /// <summary>Does the same for several things at once, each on a thread of its own: such work waits for answers.</summary>
    /// <param name="items">The things, few.</param>
    /// <param name="work">What to do with each.</param>
    /// <param name="limit">Ends the waiting.</param>
    /// <returns>The results, in the order of the things.</returns>
    internal static TResult[] AtOnce<T, TResult>(IEnumerable<T> items, Func<T, TResult> work, CancellationToken limit)
    {
        Task<TResult>[] tasks = [.. items.Select(item => Task.Factory.StartNew(() => work(item), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default))];
        return Task.WhenAll(tasks).WaitAsync(limit).GetAwaiter().GetResult();
    }

    private static List<Finding> RunOne(DoctorCheck check, DoctorContext context, CancellationToken limit)
    {
        try
        {
            return [.. check.Run(context, limit).Select(finding => finding with { Check = check.Name })];
        }
        catch (OperationCanceledException)
        {
            return [Finding.Skip("It was not done in time.", $"Run it alone: --check {check.Name}.") with { Check = check.Name }];
        }
        catch (Exception e) when (e is NetlinkException or IOException or UnauthorizedAccessException or ControlException or System.Net.Sockets.SocketException)
        {
            return [Finding.Skip($"It could not be checked: {e.Message.TrimEnd('.')}.", "Run as root, in the interface's network namespace.") with { Check = check.Name }];
        }
    }
}
