using System.Text.Json;

namespace TunnelBox.EndToEnd.Tests.Harness;

/// <summary>What an iperf3 client measured.</summary>
internal sealed record Iperf3Result(double Seconds, long SentBytes, long ReceivedBytes, long Packets, long LostPackets)
{
    /// <summary>Bits a second at the receiver.</summary>
    public double ReceivedRate => ReceivedBytes * 8 / Seconds;
}

/// <summary>iperf3, one bounded run at a time.</summary>
internal static class Iperf3
{
    /// <summary>Runs a server in one namespace and a client, with further options such as <c>-t 2 -P 4</c>, in the other.</summary>
    public static async Task<Iperf3Result> RunAsync(
        Lab lab, NetworkNamespace client, NetworkNamespace server, string address, string options)
    {
        await using RunningProcess serving = await server.StartAsync(["iperf3", "-s", "-1", "--forceflush", "-B", address]);
        await serving.WaitForOutputAsync("Server listening", lab.Deadline);
        CommandResult result = await client.TryAsync(
            ["iperf3", "-J", "-c", address, "--connect-timeout", "5000", .. options.Split(' ', StringSplitOptions.RemoveEmptyEntries)]);
        return Parse(result);
    }

    /// <summary>Reads the client's JSON.</summary>
    public static Iperf3Result Parse(CommandResult result)
    {
        using JsonDocument document = JsonDocument.Parse(result.Output.Length > 0 ? result.Output : "{}");
        JsonElement root = document.RootElement;
        if (result.ExitCode != 0 || !root.TryGetProperty("end", out JsonElement end))
        {
            string reason = root.TryGetProperty("error", out JsonElement error) ? error.GetString()! : result.Error;
            throw new InvalidOperationException($"`{result.CommandLine}` failed: {reason}");
        }

        if (end.TryGetProperty("sum_received", out JsonElement received))
        {
            JsonElement sent = end.GetProperty("sum_sent");
            return new Iperf3Result(
                received.GetProperty("seconds").GetDouble(),
                sent.GetProperty("bytes").GetInt64(),
                received.GetProperty("bytes").GetInt64(),
                Number(sent, "packets"),
                Number(received, "lost_packets"));
        }

        // iperf3 3.12 tells of UDP in one sum: bytes sent, packets sent, and the receiver's losses.
        JsonElement sum = end.GetProperty("sum");
        long packets = Number(sum, "packets");
        long lost = Number(sum, "lost_packets");
        long bytes = sum.GetProperty("bytes").GetInt64();
        return new Iperf3Result(
            sum.GetProperty("seconds").GetDouble(), bytes, packets == 0 ? 0 : bytes / packets * (packets - lost), packets, lost);
    }

    private static long Number(JsonElement parent, string name)
    {
        return parent.TryGetProperty(name, out JsonElement value) ? value.GetInt64() : 0;
    }
}
