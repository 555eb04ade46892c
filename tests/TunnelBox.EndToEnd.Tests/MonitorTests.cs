using System.Text.Json;
using TunnelBox.EndToEnd.Tests.Harness;
using Xunit.Abstractions;

namespace TunnelBox.EndToEnd.Tests;

/// <summary><c>tunnelctl monitor</c> on a running tunnel.</summary>
[Trait("Load", "light")]
public class MonitorTests(ITestOutputHelper output) : EndToEndTest(output)
{
    [Fact]
    public async Task A_handshake_is_told_as_it_happens()
    {
        TunnelPair pair = await TunnelPair.BuildAsync(Lab);
        RunningProcess text = await pair.First.Space.StartAsync([TunnelProgram.Tunnelctl, "monitor", pair.First.Interface, "--count", "4"]);
        RunningProcess json = await pair.First.Space.StartAsync([TunnelProgram.Tunnelctl, "monitor", pair.First.Interface, "--json", "--count", "4"]);
        await text.WaitForOutputAsync("watching", Lab.Deadline);
        await json.WaitForOutputAsync("watching", Lab.Deadline);
        await Ping.ExpectAsync(pair.First.Inner, TunnelPair.Second4);

        string[] lines = (await text.WaitAsync(Lab.Deadline)).Expect().Output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(5, lines.Length);
        Assert.Matches($@"^[0-9:.]+ {pair.First.Interface} handshake_send peer {System.Text.RegularExpressions.Regex.Escape(pair.Second.Keys.Public)} Initiation to {TunnelPair.SecondOuter4}:", lines[1]);
        Assert.Contains(lines, line => line.Contains("handshake_complete", StringComparison.Ordinal) && line.EndsWith(" ms", StringComparison.Ordinal));

        foreach (string line in (await json.WaitAsync(Lab.Deadline)).Expect().Output.Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            using var parsed = JsonDocument.Parse(line);
            Assert.Equal(1, parsed.RootElement.GetProperty("version").GetInt32());
            Assert.Equal(pair.First.Interface, parsed.RootElement.GetProperty("interface").GetString());
        }
    }

    [Fact]
    public async Task What_cannot_be_watched_is_said_in_one_sentence()
    {
        CommandResult nobody = await RunningProcess.RunAsync([TunnelProgram.Tunnelctl, "monitor", "no-such-if"], Lab.Deadline);
        Assert.Equal(3, nobody.ExitCode);
        Assert.Single(nobody.Error.TrimEnd().Split('\n'));
        Assert.Equal(2, (await RunningProcess.RunAsync([TunnelProgram.Tunnelctl, "monitor"], Lab.Deadline)).ExitCode);
    }
}
