using TunnelBox.EndToEnd.Tests.Harness;
using Xunit.Abstractions;

namespace TunnelBox.EndToEnd.Tests;

/// <summary>How the daemon begins and ends: as wireguard-go does, and with nothing left behind.</summary>
[Trait("Load", "light")]
public class LifecycleTests(ITestOutputHelper output) : EndToEndTest(output)
{
    private static readonly TimeSpan s_soon = TimeSpan.FromSeconds(5);

    private readonly string _interface = Names.Next();

    private string Socket => $"/var/run/wireguard/{_interface}.sock";

    [Fact]
    public async Task The_background_start_returns_when_ready_and_lets_go()
    {
        NetworkNamespace space = await Lab.NamespaceAsync();
        await StartInBackgroundAsync(space);
        // Nothing is waited for here: the command's return is the promise.
        await space.RunAsync("wg", "show", _interface);
        Assert.True(await space.HasLinkAsync(_interface));
        int daemon = Assert.Single(await space.ProcessesAsync());
        string[] session = File.ReadAllText($"/proc/{daemon}/stat").Split(')')[1].Split(' ', StringSplitOptions.RemoveEmptyEntries);
        if (!TunnelProgram.Default.Is(Lacks.OwnSession))
        {
            Assert.Equal(daemon.ToString(), session[3]);
        }

        await ExpectEndAsync(space, () => Lab.RunAsync("kill", "-s", "TERM", daemon.ToString()));
    }

    [Theory]
    [InlineData("-f", null)]
    [InlineData("--foreground", null)]
    [InlineData(null, "1")]
    public async Task The_foreground_stays(string? flag, string? variable)
    {
        NetworkNamespace space = await Lab.NamespaceAsync();
        Lab.OwnInterface(_interface);
        string[] argv = flag is null
            ? [TunnelProgram.Default.Expect().Path, _interface]
            : [TunnelProgram.Default.Expect().Path, flag, _interface];
        RunningProcess daemon = await space.StartAsync(
            argv, new Dictionary<string, string?> { ["WG_PROCESS_FOREGROUND"] = variable });
        await Eventually.TrueWithinAsync(s_soon, () => Task.FromResult(TunnelEnd.Answers(Socket)), "the socket never answered");
        Assert.False(daemon.HasExited);
        Assert.Equal(daemon.Id, Assert.Single(await space.ProcessesAsync()));

        await ExpectEndAsync(space, () => daemon.SignalAsync("INT"));
        Assert.Equal(0, (await daemon.WaitAsync(Lab.Deadline)).ExitCode);
    }

    [Theory]
    [InlineData("TERM")]
    [InlineData("INT")]
    [InlineData("interface")]
    [InlineData("socket")]
    public async Task Every_end_leaves_nothing(string way)
    {
        TunnelPair pair = await TunnelPair.BuildAsync(Lab);
        await pair.ExpectPingsAsync();
        TunnelEnd end = pair.First;

        switch (way)
        {
            case "interface":
                await end.Inner.IpAsync($"link del {end.Interface}");
                break;
            case "socket":
                File.Delete(end.Socket);
                break;
            default:
                await end.Daemon.SignalAsync(way);
                break;
        }

        CommandResult ended = await end.EndedAsync(s_soon);
        Assert.Equal(0, ended.ExitCode);
        Assert.False(File.Exists(end.Socket));
        Assert.False(await end.Inner.HasLinkAsync(end.Interface));
        Assert.Empty(await end.Space.ProcessesAsync());
        Assert.DoesNotContain(":51820", (await end.Space.RunAsync("ss", "-lun")).Output, StringComparison.Ordinal);

        // Started again under its name, it meets its peer as if nothing had been.
        await end.RestartAsync();
        await end.UpAsync(TunnelPair.FirstPort, 1420, $"{TunnelPair.First4}/24", $"{TunnelPair.First6}/64");
        await end.SetPeerAsync(
            pair.Second, $"allowed-ips {TunnelPair.Second4}/32,{TunnelPair.Second6}/128 endpoint {pair.SecondEndpoint}");
        await Ping.UntilAnsweredAsync(end.Inner, TunnelPair.Second4, TimeSpan.FromSeconds(12));
    }

    [Fact]
    public async Task A_killed_daemon_can_be_started_again()
    {
        TunnelPair pair = await TunnelPair.BuildAsync(Lab);
        await pair.ExpectPingsAsync();
        TunnelEnd end = pair.First;
        await end.Daemon.SignalAsync("KILL");
        await end.EndedAsync(s_soon);
        Assert.True(File.Exists(end.Socket), "a killed daemon cannot have removed its socket");

        await end.RestartAsync();
        await end.UpAsync(TunnelPair.FirstPort, 1420, $"{TunnelPair.First4}/24", $"{TunnelPair.First6}/64");
        await end.SetPeerAsync(
            pair.Second, $"allowed-ips {TunnelPair.Second4}/32,{TunnelPair.Second6}/128 endpoint {pair.SecondEndpoint}");
        await Ping.UntilAnsweredAsync(end.Inner, TunnelPair.Second4, TimeSpan.FromSeconds(12));
    }

    [Fact]
    public async Task A_second_daemon_of_the_same_name_is_refused()
    {
        TunnelPair pair = await TunnelPair.BuildAsync(Lab);
        await pair.ExpectPingsAsync();
        foreach (string[] flags in (string[][])[[], ["-f"]])
        {
            CommandResult second = await pair.First.Space.TryAsync([pair.First.Program.Path, .. flags, pair.First.Interface]);
            Assert.NotEqual(0, second.ExitCode);
            ExpectSentence(second, pair.First.Interface);
        }

        await pair.First.ExpectAliveAsync();
        await pair.ExpectPingsAsync();
    }

    [Fact]
    public async Task A_taken_port_is_refused_and_the_old_one_stays()
    {
        TunnelPair pair = await TunnelPair.BuildAsync(Lab);
        await pair.ExpectPingsAsync();
        TunnelEnd other = await TunnelEnd.StartAsync(Lab, pair.First.Space);
        await other.UpAsync(40404, 1420);

        CommandResult refused = await pair.First.TrySetAsync("listen-port 40404");
        Assert.NotEqual(0, refused.ExitCode);
        Assert.Contains("Address already in use", refused.Error, StringComparison.Ordinal);
        await pair.First.ExpectAliveAsync();
        if (!pair.First.Program.Is(Lacks.AtomicSet))
        {
            Assert.Equal(TunnelPair.FirstPort, (await pair.First.DumpAsync()).ListenPort);
            await pair.ExpectPingsAsync();
        }
    }

    [Fact]
    public async Task A_start_without_a_tun_device_is_refused_with_its_remedy()
    {
        NetworkNamespace space = await Lab.NamespaceAsync();
        foreach (string flag in (string[])["", "-f"])
        {
            CommandResult refused = await space.TryAsync(
                "unshare", "-m", "sh", "-c", $"mount -t tmpfs none /dev/net && exec {TunnelProgram.Default.Expect().Path} {flag} {_interface}");
            Assert.NotEqual(0, refused.ExitCode);
            ExpectSentence(refused, "/dev/net/tun");
        }

        await ExpectNothingAsync(space);
    }

    [Fact]
    public async Task A_start_without_the_capability_is_refused_with_its_remedy()
    {
        NetworkNamespace space = await Lab.NamespaceAsync();
        foreach (string[] flags in (string[][])[[], ["-f"]])
        {
            CommandResult refused = await space.TryAsync(
                ["setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin", TunnelProgram.Default.Expect().Path, .. flags, _interface]);
            Assert.NotEqual(0, refused.ExitCode);
            ExpectSentence(refused, "CAP_NET_ADMIN");
        }

        await ExpectNothingAsync(space);
    }

    [Theory]
    [InlineData("a-name-of-more-than-15-characters")]
    [InlineData("../escape")]
    [InlineData("--no-such-flag")]
    [InlineData("")]
    public async Task A_bad_name_is_refused(string name)
    {
        if ((name is "" or "--no-such-flag") && TunnelProgram.Default.Is(Lacks.NameCheck))
        {
            return;
        }

        NetworkNamespace space = await Lab.NamespaceAsync();
        CommandResult refused = await space.TryAsync(TunnelProgram.Default.Expect().Path, name);
        Assert.NotEqual(0, refused.ExitCode);
        Assert.Empty(await space.ProcessesAsync());
    }

    private async Task StartInBackgroundAsync(NetworkNamespace space)
    {
        Lab.OwnInterface(_interface);
        (await space.TryAsync(TunnelProgram.Default.Expect().Path, _interface)).Expect();
    }

    private async Task ExpectEndAsync(NetworkNamespace space, Func<Task> end)
    {
        await end();
        await Eventually.TrueWithinAsync(
            s_soon, async () => (await space.ProcessesAsync()).Length == 0, "the daemon did not end");
        await ExpectNothingAsync(space);
    }

    private async Task ExpectNothingAsync(NetworkNamespace space)
    {
        Assert.Empty(await space.ProcessesAsync());
        Assert.False(File.Exists(Socket), $"{Socket} was left behind");
        Assert.False(await space.HasLinkAsync(_interface), $"{_interface} was left behind");
    }

    /// <summary>A refusal is one line that names what is wrong.</summary>
    private static void ExpectSentence(CommandResult refused, string named)
    {
        if (TunnelProgram.Default.Is(Lacks.Remedies))
        {
            return;
        }

        string[] lines = (refused.Error + refused.Output).Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Contains(named, Assert.Single(lines), StringComparison.Ordinal);
    }
}
