using System.Diagnostics;
using System.Globalization;
using TunnelBox.Tunnelctl;
using Xunit.Abstractions;

namespace TunnelBox.Control.Tests;

/// <summary>What every verb owes people: help with an example, exit codes as documented, a guess at what was meant, and a soon start.</summary>
[Trait("Needs", "root")]
public sealed class MannersTests(ITestOutputHelper output)
{
    [Fact]
    public void Every_verb_has_help_with_an_example()
    {
        using Sandbox sandbox = new();
        string all = sandbox.Must(Sandbox.Tunnelctl, "--help");
        foreach (Verb verb in Verb.All)
        {
            Assert.Contains($"  {verb.Name} ", all, StringComparison.Ordinal);
            string help = sandbox.Must(Sandbox.Tunnelctl, $"{verb.Name} --help");
            Assert.Contains($"Usage: tunnelctl {verb.Name}", help, StringComparison.Ordinal);
            Assert.Contains("Example: tunnelctl " + verb.Name, help, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("genkey", 0, "")]
    [InlineData("up /nonexistent/wg0.conf", 2, "no such file")]
    [InlineData("shwo", 2, "Did you mean show?")]
    [InlineData("set nosuch0 listen-prot 7", 2, "Did you mean listen-port?")]
    [InlineData("new-peer x --endpiont y", 2, "Did you mean --endpoint?")]
    [InlineData("qr --forse x", 2, "Did you mean --force?")]
    [InlineData("show --jsn", 2, "Did you mean --json?")]
    [InlineData("status --wach", 2, "Did you mean --watch?")]
    [InlineData("stat --explian", 2, "Did you mean --explain?")]
    [InlineData("monitor wg0 --conut 3", 2, "Did you mean --count?")]
    [InlineData("ping wg0 x --handshak", 2, "Did you mean --handshake?")]
    [InlineData("trace nosuch0 --reason \"\"", 2, "There is no drop reason")]
    [InlineData("show nosuch0", 3, "nosuch0")]
    [InlineData("status nosuch0", 3, "nosuch0")]
    [InlineData("setconf nosuch0 /dev/null", 3, "nosuch0")]
    public void Exit_codes_are_as_documented(string line, int code, string said)
    {
        using Sandbox sandbox = new();
        Sandbox.Result result = sandbox.Run(Sandbox.Tunnelctl, line);
        Assert.True(code == result.Code, $"{line}: {result.Code} {result.Error}");
        Assert.Contains(said, result.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void A_long_wrong_reason_is_refused_as_fast_as_a_short_one()
    {
        using Sandbox sandbox = new();
        long start = Stopwatch.GetTimestamp();
        Sandbox.Result result = sandbox.Run(Sandbox.Tunnelctl, "trace nosuch0 --reason " + new string('a', 20_000));
        Assert.Equal(2, result.Code);
        Assert.True(Stopwatch.GetElapsedTime(start) < TimeSpan.FromSeconds(5));
    }

    [Theory]
    [InlineData("show perm0")]
    [InlineData("showconf perm0")]
    [InlineData("set perm0 listen-port 7")]
    [InlineData("show perm0 --json")]
    [InlineData("up {0}")]
    public void Who_lacks_a_right_is_told_so_and_gets_4(string line)
    {
        using Sandbox sandbox = new();
        using UapiServer server = UapiServer.Open("perm0", new FakeDevice(), sandbox.Directory);
        server.Start();
        string file = sandbox.Write("perm1.conf", $"[Interface]\nPrivateKey = {Convert.ToBase64String(new byte[32])}\n");
        Sandbox.Result result = sandbox.Run(
            "setpriv", $"--reuid=65534 --regid=65534 --clear-groups --bounding-set=-all {Sandbox.Tunnelctl} {string.Format(CultureInfo.InvariantCulture, line, file)}");
        Assert.True(result.Code == 4, $"{line}: {result.Code} {result.Output} {result.Error}");
        Assert.Contains("ermission denied", result.Error, StringComparison.Ordinal);
        Assert.Contains("root", result.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void What_takes_longer_than_2_s_says_what_is_waited_for()
    {
        using Sandbox sandbox = new();
        string socket = Path.Combine(sandbox.Directory, "slow0.sock");
        // A daemon that takes the question and thinks for three seconds.
        string daemon = sandbox.Write("daemon.sh", "sleep 3; printf 'listen_port=7\\nerrno=0\\n\\n'");
        Sandbox.Result result = sandbox.Run(
            "sh",
            ["-c", $"socat UNIX-LISTEN:{socket} EXEC:'sh {daemon}' & until [ -S {socket} ]; do sleep 0.05; done; {Sandbox.Tunnelctl} show slow0 listen-port"]);
        Assert.Contains("waiting for the daemon's answer, for 2 s so far", result.Error, StringComparison.Ordinal);
        Assert.True(result.Code == 0, result.Error);
        Assert.Equal("7\n", result.Output);
    }

    [Fact]
    public void A_key_on_the_command_line_is_refused_and_not_repeated()
    {
        using Sandbox sandbox = new();
        string key = sandbox.Must(Sandbox.Tunnelctl, "genkey").Trim();
        Sandbox.Result result = sandbox.Run(Sandbox.Tunnelctl, $"set nosuch0 private-key {key}");
        Assert.Equal(2, result.Code);
        Assert.DoesNotContain(key[..8], result.Output + result.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void It_starts_soon()
    {
        using Sandbox sandbox = new();
        List<TimeSpan> times = [];
        for (int i = 0; i < 5; i++)
        {
            long start = Stopwatch.GetTimestamp();
            sandbox.Must(Sandbox.Tunnelctl, "show interfaces");
            times.Add(Stopwatch.GetElapsedTime(start));
        }

        output.WriteLine($"fastest of 5 starts: {times.Min().TotalMilliseconds:0} ms with its namespace");
        // Published it takes less than 150 ms; this is the build that compiles as it runs, on a machine that may be busy.
        Assert.True(times.Min() < TimeSpan.FromSeconds(2));
    }
}
