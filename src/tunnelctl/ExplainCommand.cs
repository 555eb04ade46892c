using System.Globalization;
using System.Net;
using System.Text;
using TunnelBox.Control;
using TunnelBox.Control.Diagnosis;

namespace TunnelBox.Tunnelctl;

/// <summary>The verb explain: what would become of a packet to or from an address.</summary>
internal static class ExplainCommand
{
    /// <summary>Runs the verb.</summary>
    /// <param name="arguments">What follows it.</param>
    /// <returns>How it ended: <see cref="ExitCode.Failed"/> where the packet would fail.</returns>
    public static ExitCode Run(string[] arguments)
    {
        bool json = arguments.Contains("--json", StringComparer.Ordinal);
        bool from = arguments.Contains("--from", StringComparer.Ordinal);
        string[] words = [.. arguments.Where(word => word is not ("--json" or "--from"))];
        if (Array.Find(words, word => word.StartsWith('-')) is { } option)
        {
            throw UsageException.UnknownOption("explain", option);
        }

        if (words.Length is not (1 or 2))
        {
            throw UsageException.Of("explain");
        }

        // The framework takes "10.1" and "1" for addresses, too; people who write those mean something else.
        if (!IPAddress.TryParse(words[0], out IPAddress? address) || (!words[0].Contains(':') && !string.Equals(address.ToString(), words[0], StringComparison.Ordinal)))
        {
            throw new UsageException($"\"{CommandLine.Clean(words[0])}\" is no address: an IPv4 or IPv6 address inside the tunnel is needed, such as 10.0.0.2.");
        }

        using Progress progress = new("explain: waiting for the daemon's answer");
        ExplainReport report = Explanation.Of(StatusReader.Read(DaemonControl.Of(words.Length == 2 ? words[1] : StatCommand.OnlyInterface())), address, from);
        if (json)
        {
            CommandLine.PrintJson(report, DiagnosisJson.Default.ExplainReport);
        }
        else
        {
            CommandLine.Print(Text(report));
        }

        return report.Faults.Count > 0 ? ExitCode.Failed : ExitCode.Done;
    }

    private static string Text(ExplainReport report)
    {
        StringBuilder text = new();
        text.Append(CultureInfo.InvariantCulture, $"A packet {report.Direction} {report.Address} through {report.Interface}:\n");
        Line(text, "route", report.Route is { } route ? Way(route) : "none");
        Line(text, "peer", report.Peer is null ? "none" : report.PeerName is null ? report.Peer : $"{report.PeerName} ({report.Peer})");
        Line(text, "prefix", report.Prefix ?? "none");
        Line(text, "health", report.Health?.ToString().ToLowerInvariant() ?? "unknown");
        Line(text, "session", report.Session is { } session
            ? string.Create(CultureInfo.InvariantCulture, $"{session.LocalIndex:x8}, {session.Age:0.0} s old, {session.SentPackets} packets sent, begun {(session.Initiator ? "here" : "there")}{(session.CanSend ? string.Empty : ", too old to send")}")
            : "none; the first packet begins a handshake");
        Line(text, "endpoint", report.Endpoint ?? "unknown");
        Line(text, "device", report.EndpointRoute is { } outer ? Way(outer) : "none");
        Line(text, "queue", report.Queue?.ToString(CultureInfo.InvariantCulture) ?? "one of several; the flow decides");
        Line(text, "MTU", report.Mtu is { } mtu ? $"{mtu} bytes leave whole" : "unknown");
        if (report.Faults.Count == 0)
        {
            text.Append("It would pass.\n");
        }

        foreach (ExplainFault fault in report.Faults)
        {
            text.Append(CultureInfo.InvariantCulture, $"It would fail ({fault.Reason}): {fault.Message}\n    {fault.Remedy}\n");
        }

        return text.ToString();
    }

    private static string Way(RouteReport route) =>
        $"{route.Device}{(route.Gateway is null ? string.Empty : $" by {route.Gateway}")}{(route.Source is null ? string.Empty : $" from {route.Source}")}, MTU {route.Mtu}";

    private static void Line(StringBuilder text, string label, string value) => text.Append(CultureInfo.InvariantCulture, $"  {label,-10}{value}\n");
}
