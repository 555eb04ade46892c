using System.Globalization;
using TunnelBox.Linux.Processes;

namespace TunnelBox.Control.Diagnosis;

/// <summary>Checks of the machine itself: clock, rights, processors, buffers.</summary>
internal static class HostChecks
{
    private const double ClockTolerance = 120;

    public static IReadOnlyList<DoctorCheck> All { get; } =
    [
        new("clock", "whether the clock went back", static (context, _) => Clock(context)),
        new("capabilities", "the rights of the daemon and of this program", static (context, _) => Rights(context)),
        new("buffers", "datagrams lost because a socket buffer was full", static (context, _) => Buffers(context)),
        new("processors", "CPU frequency and who serves the network's interrupts", static (context, _) => Processors(context)),
    ];

    // A machine without a battery clock starts in the past. Files it wrote itself are later then.
    private static IEnumerable<Finding> Clock(DoctorContext context)
    {
        DateTimeOffset now = context.Clock.GetUtcNow();
        IEnumerable<string> files = new[] { Environment.ProcessPath, context.ConfigurationPath }.OfType<string>();
        if (Directory.Exists(context.Settings.StateDirectory))
        {
            files = files.Concat(Directory.EnumerateFiles(context.Settings.StateDirectory, "*.stamp"));
        }

        (string? path, DateTime written) = (null, DateTime.MinValue);
        foreach (string file in files)
        {
            DateTime at = File.GetLastWriteTimeUtc(file);
            (path, written) = at > written ? (file, at) : (path, written);
        }

        double behind = (written - now.UtcDateTime).TotalSeconds;
        yield return behind > ClockTolerance
            ? Finding.Fail(
                string.Create(CultureInfo.InvariantCulture, $"The clock says {now:yyyy-MM-dd HH:mm:ss} UTC, but {path} was written {behind:0} s later: it went back, and peers refuse handshakes older than the last."),
                "Set the clock right and keep it so (NTP).", Causes.Clock)
            : Finding.Pass(string.Create(CultureInfo.InvariantCulture, $"The clock says {now:yyyy-MM-dd HH:mm:ss} UTC, later than everything written here."));
    }

    private static IEnumerable<Finding> Rights(DoctorContext context)
    {
        string? status = context.ReadText($"/proc/{context.Status.Device.Process}/status");
        Capabilities? daemon = status is null ? null : Capabilities.Parse(status);
        if (daemon is null)
        {
            yield return Finding.Skip($"The daemon, process {context.Status.Device.Process}, is not visible from here.", "Run it in the daemon's PID namespace.");
        }
        else if (!daemon.Value.Has(Capability.NetAdmin))
        {
            yield return Finding.Fail("The daemon lacks CAP_NET_ADMIN: it can set no firewall mark and make no interface.", "Give it the capability: AmbientCapabilities=CAP_NET_ADMIN, or --cap-add NET_ADMIN.");
        }

        Capability[] missing = [.. new[] { Capability.NetAdmin, Capability.NetRaw }.Where(one => Capabilities.OfThisProcess() is { } own && !own.Has(one))];
        if (missing.Length > 0)
        {
            yield return Finding.Warn($"This program lacks {string.Join(" and ", missing.Select(one => one == Capability.NetRaw ? "CAP_NET_RAW" : "CAP_NET_ADMIN"))}, so some checks are skipped.", "Run it as root.");
        }

        if (daemon?.Has(Capability.NetAdmin) == true && missing.Length == 0)
        {
            yield return Finding.Pass("The daemon and this program have the rights they need.");
        }
    }

    // Linux, net/ipv4/udp.c, udp4_format_sock: the second column is address:port in hexadecimal, the last the drops.
    private static IEnumerable<Finding> Buffers(DoctorContext context)
    {
        long lost = 0;
        string port = ":" + context.Status.Device.ListenPort.ToString("X4", CultureInfo.InvariantCulture);
        foreach (string table in (string[])["/proc/net/udp", "/proc/net/udp6"])
        {
            foreach (string line in (context.ReadText(table) ?? string.Empty).Split('\n').Skip(1))
            {
                string[] cells = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
                if (cells.Length > 12 && cells[1].EndsWith(port, StringComparison.Ordinal) && long.TryParse(cells[^1], NumberStyles.None, CultureInfo.InvariantCulture, out long drops))
                {
                    lost += drops;
                }
            }
        }

        yield return lost > 0
            ? Finding.Warn($"{lost} datagrams were lost because the buffer of UDP port {context.Status.Device.ListenPort} was full.", "Raise net.core.rmem_max, give the daemon more processor time, or set Workers.")
            : Finding.Pass("No datagram was lost to a full socket buffer.");
    }

    private static IEnumerable<Finding> Processors(DoctorContext context)
    {
        int count = 0;
        while (context.ReadText($"/sys/devices/system/cpu/cpu{count}/topology/core_id") is not null)
        {
            count++;
        }

        bool found = false;
        if (context.ReadText("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor") is "powersave" &&
            context.ReadText("/sys/devices/system/cpu/cpu0/cpufreq/scaling_driver") is not ("intel_pstate" or "amd-pstate-epp"))
        {
            found = true;
            yield return Finding.Warn("The processors keep to their lowest frequency (governor powersave).", "Choose another: cpupower frequency-set -g schedutil.");
        }

        foreach (Linux.Netlink.Link link in context.Links.Where(link => link.IsUp))
        {
            string[] vectors = [.. Vectors(context, link.Name)];
            if (count > 1 && vectors.Length > 1 && vectors.Distinct(StringComparer.Ordinal).Count() == 1 && !vectors[0].Contains('-') && !vectors[0].Contains(','))
            {
                found = true;
                yield return Finding.Warn($"All {vectors.Length} interrupts of {link.Name} go to processor {vectors[0]}.", "Spread them (/proc/irq/N/smp_affinity_list), or run irqbalance.");
            }
        }

        if (!found)
        {
            yield return Finding.Pass("Neither frequency nor interrupts stand in the way, as far as this machine shows them.");
        }
    }

    private static IEnumerable<string> Vectors(DoctorContext context, string link)
    {
        foreach (string line in (context.ReadText("/proc/interrupts") ?? string.Empty).Split('\n'))
        {
            string[] cells = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
            if (cells.Length > 2 && cells[0].EndsWith(':') && (cells[^1] == link || cells[^1].StartsWith(link + "-", StringComparison.Ordinal))
                && context.ReadText($"/proc/irq/{cells[0].TrimEnd(':')}/smp_affinity_list") is { } list)
            {
                yield return list;
            }
        }
    }
}
