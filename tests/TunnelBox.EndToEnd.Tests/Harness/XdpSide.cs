using System.Globalization;
using System.Text.Json;

namespace TunnelBox.EndToEnd.Tests.Harness;

/// <summary>What a daemon tells of its outer side past the kernel.</summary>
internal static class XdpSide
{
    /// <summary>The setting that asks for a port.</summary>
    public static Dictionary<string, string?> Setting(string port) => new() { ["TUNNELBOX__OUTERPORT"] = port };

    /// <summary>Waits until a port is in force: <c>udp</c>, or <c>xdp:DEVICE</c> in a mode.</summary>
    public static async Task ExpectAsync(TunnelEnd end, string port, int seconds = 5, string mode = "copy")
    {
        await Eventually.TrueWithinAsync(
            TimeSpan.FromSeconds(seconds),
            async () =>
            {
                JsonElement device = await DeviceAsync(end);
                return device.GetProperty("outerPort").GetString() == port
                    && (port == "udp" || device.GetProperty("outerOffloads")[0].GetString() == mode);
            },
            $"the outer port is not {port} in {mode} mode");
    }

    /// <summary>Waits until every frame of every queue is accounted for, and fails unless there are as many queues as that.</summary>
    public static async Task ExpectFramesHomeAsync(TunnelEnd end, int queues = 1, bool inner = false)
    {
        JsonElement[] seen = [];
        await Eventually.TrueWithinAsync(
            TimeSpan.FromSeconds(3),
            async () =>
            {
                seen = await QueuesAsync(end, inner);
                return seen.All(static queue => queue.GetProperty("away").GetInt32() == 0);
            },
            "frames are missing");
        Assert.Equal(queues, seen.Length);
        Assert.All(seen, static queue => Assert.Equal(
            queue.GetProperty("frames").GetInt32(),
            new[] { "free", "held", "fill", "received", "transmit", "completed" }.Sum(place => queue.GetProperty(place).GetInt32())));
    }

    /// <summary>The queues of the device, none while it is not in use.</summary>
    public static async Task<JsonElement[]> QueuesAsync(TunnelEnd end, bool inner = false) =>
        (await DeviceAsync(end)).TryGetProperty(inner ? "innerQueues" : "outerQueues", out JsonElement queues) ? [.. queues.EnumerateArray()] : [];

    /// <summary>What people read.</summary>
    public static async Task<string> TextAsync(TunnelEnd end) =>
        (await end.Space.RunAsync(TunnelProgram.Tunnelctl, "status", end.Interface)).Output;

    /// <summary>Every count of <c>tunnelctl stat</c>.</summary>
    public static async Task<Dictionary<string, long>> StatAsync(TunnelEnd end) =>
        (await end.Space.RunAsync(TunnelProgram.Tunnelctl, "stat", end.Interface)).Output
            .Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Select(line => line.Split(['\t', ' '], StringSplitOptions.RemoveEmptyEntries))
            .Where(words => words.Length >= 2 && long.TryParse(words[1], NumberStyles.None, CultureInfo.InvariantCulture, out _))
            .ToDictionary(words => words[0], words => long.Parse(words[1], CultureInfo.InvariantCulture));

    /// <summary>Packets that were dropped for reasons of one kind.</summary>
    public static async Task<long> DropsAsync(TunnelEnd end, string prefix) =>
        (await StatAsync(end)).Where(c => c.Key.StartsWith(prefix, StringComparison.Ordinal) && c.Key is not ("OutPackets" or "OutBytes" or "InPackets" or "InBytes")).Sum(c => c.Value);

    private static async Task<JsonElement> DeviceAsync(TunnelEnd end)
    {
        using var json = JsonDocument.Parse((await end.Space.RunAsync(TunnelProgram.Tunnelctl, "status", end.Interface, "--json")).Output);
        return json.RootElement.GetProperty("interfaces")[0].GetProperty("device").Clone();
    }
}
