using System.Globalization;
using System.Xml.Linq;
using TunnelBox.EndToEnd.Tests.Harness;
using Xunit.Abstractions;

namespace TunnelBox.EndToEnd.Tests;

/// <summary>The conformance suite of <c>interop/ttcn3</c> on our program, and on deliberate faults, which it must catch.</summary>
[Trait("Load", "light")]
public class ConformanceTests(ITestOutputHelper output) : EndToEndTest(output, 300)
{
    [Fact]
    public async Task Every_case_that_takes_less_than_20_s_passes()
    {
        CommandResult result = await RunAsync("run", null, "--groups", "quick,wait", "--report", "conformance-quick", "udp");
        Assert.Contains(" 0 failed", result.Output, StringComparison.Ordinal);

        // What a machine reads is well formed, and tells the same.
        XElement report = XDocument.Load(Path.Combine(TunnelProgram.Root, "out", "conformance-quick.xml")).Root!;
        XElement suite = report.Elements("testsuite").Single();
        Assert.Equal("testsuites", report.Name.LocalName);
        Assert.Equal(suite.Attribute("tests")!.Value, suite.Elements("testcase").Count().ToString(CultureInfo.InvariantCulture));
        Assert.Equal("0", suite.Attribute("failures")!.Value);
        Assert.InRange(suite.Elements("testcase").Count(), 110, 1000);
        Assert.All(suite.Elements("testcase"), static one => Assert.True(one.Attribute("name") is not null && one.Attribute("classname") is not null && double.TryParse(one.Attribute("time")?.Value, CultureInfo.InvariantCulture, out _)));
    }

    [Fact]
    public Task Five_deliberate_faults_are_caught() =>
        RunAsync("mutate", null, "mac1-unchecked", "stamp-unchecked", "replay-unchecked", "source-unchecked", "sends-unconfirmed");

    [Theory]
    [Trait("Tier", "all")]
    [InlineData("replay-unchecked", "TC_replay")]
    [InlineData("mac1-unchecked", "TC_initiation_mac1_wrong")]
    public Task The_product_has_no_switch_for_faults(string fault, string check) =>
        RunAsync("run", new Dictionary<string, string?> { ["TUNNELBOX_MUTANT"] = fault }, "--cases", check, "--report", "conformance-no-switch", "udp");

    private async Task<CommandResult> RunAsync(string script, Dictionary<string, string?>? environment, params string[] words)
    {
        CommandResult result = await RunningProcess.RunAsync(
            [Path.Combine(TunnelProgram.Root, "interop", "ttcn3", script), .. words],
            Lab.Deadline,
            environment: new Dictionary<string, string?>(environment ?? []) { ["TUNNELBOX_PROGRAM"] = TunnelProgram.Default.Expect().Path, ["TMPDIR"] = Lab.Folder });
        Lab.Report(() => result.Output + result.Error);
        return result.Expect();
    }
}
