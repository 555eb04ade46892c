using System.Text.RegularExpressions;
using Xunit.Abstractions;

namespace TunnelBox.Control.Tests;

/// <summary>An <c>up</c> that fails at any of its steps, for a cause that the machine itself has, leaves everything as it was.</summary>
[Trait("Needs", "root")]
public sealed partial class TunnelUpTests(ITestOutputHelper output)
{
    private const string Head = "[Interface]\nPrivateKey = GGPwJxcRpdwoK9bz1xTrkBpLB8mMQAjRg+e5cj3bPkA=\n";
    private const string Peer = "[Peer]\nPublicKey = AlxyYFi1lrGomHDvaIqs6//a2gacmGua0jI00GMfGCE=\nAllowedIPs = ";
    private const string Everything = "Address = 10.9.0.1/24, fd00:9::1/64\nDNS = 192.0.2.53, example.org\n";
    private const string Defaults = Peer + "10.20.0.0/16, 0.0.0.0/0, ::/0\n";

    private static readonly Dictionary<string, Fault> s_faults = new(StringComparer.Ordinal)
    {
        ["a hook before"] = new(Everything + "PreUp = true\nPreUp = exit 7\n" + Defaults, "ended with code 7"),
        ["no daemon"] = new(Everything + Defaults, "there is no program") { Daemon = "/nonexistent/daemon" },
        ["a daemon that fails"] = new(Everything + Defaults, "could not start") { Daemon = "false" },
        ["a daemon that makes no interface"] = new(Everything + Defaults, "no interface") { Daemon = "true" },
        ["an endpoint without address"] = new(Everything + Defaults + "Endpoint = nosuch.invalid:1\n", "nosuch.invalid"),
        ["an address twice"] = new("Address = 10.9.0.1/24, 10.9.0.1/24\n" + Defaults, "adding the address 10.9.0.1/24"),
        ["an address of a family that is off"] = new(Everything + Defaults, "adding the address fd00:9::1/64", "sysctl -qw net.ipv6.conf.default.disable_ipv6=1"),
        ["a resolver that fails half-way"] = new(Everything + Defaults, "resolvconf ended with code 9", "touch BAD"),
        ["a route that is there"] = new(Everything + Defaults, "adding the route 10.20.0.0/16", "ip route add 10.20.0.0/16 dev up0"),
        ["a default route that is there"] = new(Everything + "FwMark = 4242\n" + Defaults, "adding the route ::/0", "ip -6 route add default dev up0 table 4242"),
        ["a rule that is there"] = new(Everything + Defaults, "adding the rule for table 51820", "ip rule add pref 0 not fwmark 51820 table 51820"),
        ["a second rule that is there"] = new(Everything + Defaults, "adding the rule for table 254", "ip rule add pref 0 table main suppress_prefixlength 0"),
        ["a rule of IPv6 that is there"] = new(Everything + Defaults, "adding the rule for table 254", "ip -6 rule add pref 0 table main suppress_prefixlength 0"),
        ["a sysctl that is read-only"] = new(Everything + Defaults, "src_valid_mark") { Shell = "mount --bind /proc/sys /proc/sys && mount -o remount,bind,ro /proc/sys" },
        ["a table of nftables that another program owns"] = new(
            Everything + Defaults, "was denied", "(echo 'add table ip wg-quick-tbu0 { flags owner; }'; sleep 60) 2>/dev/null | nft -i >/dev/null 2>&1 &")
        { Await = "wg-quick-tbu0" },
        ["a table of IPv6 that another program owns"] = new(
            Everything + Defaults, "was denied", "(echo 'add table ip6 wg-quick-tbu0 { flags owner; }'; sleep 60) 2>/dev/null | nft -i >/dev/null 2>&1 &")
        { Await = "wg-quick-tbu0" },
        ["a kernel without nf_tables"] = new(Everything + Defaults, "needs nf_tables, which this kernel does not have") { Netfilter = "EPROTONOSUPPORT" },
        ["a hook after"] = new(Everything + "PostUp = true\nPostUp = ip route get 10.20.1.1 | grep -q tbu0 && nft list tables | grep -q 'ip6 wg-quick-%i' && exit 8\n" + Defaults, "ended with code 8"),
    };

    public static TheoryData<string> Faults { get; } = [.. s_faults.Keys];

    [Theory]
    [MemberData(nameof(Faults))]
    public void A_step_that_fails_leaves_everything_as_it_was(string what)
    {
        Fault fault = s_faults[what];
        using Sandbox sandbox = Prepare(fault);
        string before = State(sandbox);
        Sandbox.Result up = Up(sandbox, fault);
        output.WriteLine($"{what}: {up.Code} {up.Error}");
        Assert.True(up.Code is 1 or 2 or 4, $"{up.Code} {up.Error}");
        Assert.Contains(fault.Sentence, up.Error, StringComparison.OrdinalIgnoreCase);
        Assert.Equal(before, State(sandbox));
    }

    [Fact]
    public void The_same_file_comes_up_and_goes_down_without_a_fault_and_over_what_was_left()
    {
        using Sandbox sandbox = Prepare(new Fault(Everything + Defaults, string.Empty, "nft add table inet wg-quick-tbu0"));
        sandbox.Must("nft", "add table ip wg-quick-tbu00");
        string stale = State(sandbox);
        Sandbox.Result up = Up(sandbox, new Fault(string.Empty, string.Empty));
        Assert.True(up.Code == 0, up.Error);
        string running = State(sandbox);
        Assert.Contains("ip daddr 10.9.0.1 fib saddr type != local drop", running, StringComparison.Ordinal);
        Assert.Contains("nameserver 192.0.2.53", running, StringComparison.Ordinal);
        Sandbox.Result down = Quick(sandbox, "down", "wireguard-go");
        Assert.True(down.Code == 0, down.Error);

        // The table of another interface stays, those of this one go, whoever left them; src_valid_mark stays as wg-quick leaves it.
        Assert.Equal(
            stale.Replace("table inet wg-quick-tbu0 {\n}\n", "", StringComparison.Ordinal).Replace("SYSCTL\n0", "SYSCTL\n1", StringComparison.Ordinal),
            State(sandbox));
    }

    [Fact]
    public void A_reload_that_fails_after_it_took_the_default_routes_away_puts_rules_and_guard_back()
    {
        using Sandbox sandbox = Prepare(new Fault(Everything + Defaults, string.Empty));
        Sandbox.Result up = Up(sandbox, new Fault(string.Empty, string.Empty));
        Assert.True(up.Code == 0, up.Error);
        Shell(sandbox, "ip route add 10.30.0.0/16 dev up0");
        string running = State(sandbox);
        string peer = sandbox.Must(Sandbox.Tunnelctl, "show tbu0 allowed-ips");
        sandbox.Write("tbu0.conf", Head + Everything + Peer + "10.30.0.0/16\n");
        Sandbox.Result reload = Quick(sandbox, "reload", "wireguard-go");
        Assert.True(reload.Code == 1, $"{reload.Code} {reload.Error}");
        Assert.Contains("adding the route 10.30.0.0/16", reload.Error, StringComparison.OrdinalIgnoreCase);
        Assert.Equal(Lines(running), Lines(State(sandbox)));
        Assert.Equal(peer, sandbox.Must(Sandbox.Tunnelctl, "show tbu0 allowed-ips"));
        Shell(sandbox, "ip route del 10.30.0.0/16 dev up0");
        reload = Quick(sandbox, "reload", "wireguard-go");
        Assert.True(reload.Code == 0, reload.Error);
        Assert.DoesNotContain("wg-quick-tbu0", State(sandbox), StringComparison.Ordinal);
    }

    [Fact]
    public void No_program_that_up_and_down_start_gets_a_key_in_its_arguments_or_its_environment()
    {
        const string Preshared = "Yw8a3vKyuMfTrM2XlYJqkQ1cP1DZbnVdNRYXk0Sn2Vg=";
        string[] keys = ["GGPwJxcRpdwoK9bz1xTrkBpLB8mMQAjRg+e5cj3bPkA=", Preshared];
        using Sandbox sandbox = Prepare(new Fault(Everything + "PostUp = echo hook-of-%i\n" + Defaults + $"PresharedKey = {Preshared}\n", string.Empty));
        string log = Path.Combine(sandbox.Directory, "strace");
        string path = Path.Combine(sandbox.Directory, "tbu0.conf");

        // In one trace, since it lasts until the daemon has ended.
        Sandbox.Result result = Quick(
            sandbox, "up", "wireguard-go", "strace", "-qq", "-f", "-v", "-s", "100000", "-e", "trace=execve", "-o", log, "sh", "-c", $"\"$@\" && {Sandbox.Tunnelctl} down {path}", "sh");
        Assert.True(result.Code == 0, result.Error);
        string started = File.ReadAllText(log);
        Assert.Contains("hook-of-tbu0", started, StringComparison.Ordinal);
        Assert.Contains("wireguard-go", started, StringComparison.Ordinal);
        Assert.Contains("WG_ENDPOINT_RESOLUTION_RETRIES=0", started, StringComparison.Ordinal);
        foreach (string key in keys)
        {
            byte[] bytes = Convert.FromBase64String(key);
            foreach (string form in (string[])[key[..12], Convert.ToHexString(bytes)[..16], Convert.ToHexStringLower(bytes)[..16]])
            {
                Assert.DoesNotContain(form, started, StringComparison.Ordinal);
                Assert.DoesNotContain(form, result.Output + result.Error, StringComparison.Ordinal);
            }
        }
    }

    private static Sandbox Prepare(Fault fault)
    {
        Sandbox sandbox = new();
        try
        {
            sandbox.Write("tbu0.conf", Head + fault.File);
            string resolvconf = sandbox.Write("resolvconf", $"#!/bin/sh\ncd {sandbox.Directory}\ncase $1 in -a) cat > resolver.$2; test ! -e BAD || exit 9;; -d) rm -f resolver.$2;; esac\n");
            File.SetUnixFileMode(resolvconf, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
            Shell(sandbox, "ip link set lo up && ip link add up0 type veth peer name up1 && ip link set up1 up && ip link set up0 up && ip addr add 192.0.2.2/24 dev up0 && ip route add default via 192.0.2.1");
            Shell(sandbox, fault.Before.Replace("BAD", Path.Combine(sandbox.Directory, "BAD"), StringComparison.Ordinal));
            DateTime deadline = DateTime.UtcNow.AddSeconds(10);
            while (!sandbox.Must("nft", "list tables").Contains(fault.Await, StringComparison.Ordinal)
                || sandbox.Must("ip", "-6 addr show").Contains("tentative", StringComparison.Ordinal)
                || !sandbox.Must("ip", "-6 route show table all").Contains("multicast ff00::/8 dev up0", StringComparison.Ordinal))
            {
                Assert.True(DateTime.UtcNow < deadline, "The sandbox was not ready within 10 s.");
                Thread.Sleep(50);
            }

            return sandbox;
        }
        catch
        {
            sandbox.Dispose();
            throw;
        }
    }

    // Rules that are put back get numbers of their own, and tables come in the order of their making.
    private static IEnumerable<string> Lines(string state) => state.Split('\n').Select(line => RulePriority().Replace(line, ":")).Order(StringComparer.Ordinal);

    [GeneratedRegex("^[0-9]+:", RegexOptions.None, 1000)]
    private static partial Regex RulePriority();

    private static void Shell(Sandbox sandbox, string script)
    {
        Sandbox.Result result = sandbox.Run("sh", ["-c", script]);
        Assert.True(result.Code == 0, $"{script}: {result.Error}");
    }

    private static Sandbox.Result Up(Sandbox sandbox, Fault fault)
    {
        if (fault.Netfilter.Length == 0)
        {
            return Quick(sandbox, "up", fault.Daemon, "sh", "-c", $"{fault.Shell} && exec \"$0\" \"$@\"");
        }

        // This kernel has nf_tables: strace answers the one call for it as another kernel would, once it is known which that is.
        string log = Path.Combine(sandbox.Directory, "strace");
        string[] trace = ["strace", "-qq", "-o", log, "-e", "trace=socket"];
        Assert.Equal(0, Quick(sandbox, "up", fault.Daemon, trace).Code);
        int which = 1 + Array.FindIndex(Array.FindAll(File.ReadAllLines(log), line => line.StartsWith("socket(", StringComparison.Ordinal)), line => line.Contains("NETLINK_NETFILTER", StringComparison.Ordinal));
        Assert.True(which > 0, File.ReadAllText(log));
        Assert.Equal(0, Quick(sandbox, "down", fault.Daemon).Code);
        Shell(sandbox, "sysctl -qw net.ipv4.conf.all.src_valid_mark=0");
        return Quick(sandbox, "up", fault.Daemon, [.. trace, "-e", $"inject=socket:error={fault.Netfilter}:when={which}"]);
    }

    private static Sandbox.Result Quick(Sandbox sandbox, string verb, string daemon, params string[] under)
    {
        string[] all = [.. under, Sandbox.Tunnelctl, verb, Path.Combine(sandbox.Directory, "tbu0.conf")];
        return sandbox.Run(
            all[0],
            all[1..],
            null,
            ("WG_QUICK_USERSPACE_IMPLEMENTATION", daemon),
            ("WG_ENDPOINT_RESOLUTION_RETRIES", "0"),
            ("PATH", $"{sandbox.Directory}:{Environment.GetEnvironmentVariable("PATH")}"));
    }

    private static string State(Sandbox sandbox)
    {
        string network = sandbox.Must("ip", "-o link show") + sandbox.Network();
        IEnumerable<string> resolver = Directory.EnumerateFiles(sandbox.Directory, "resolver.*").Order(StringComparer.Ordinal).Select(path => $"{Path.GetFileName(path)}: {File.ReadAllText(path)}");
        IEnumerable<string> sockets = Directory.EnumerateFiles(sandbox.Directory, "*.sock");
        return $"{Volatile().Replace(network, string.Empty)}SYSCTL\n{sandbox.Must("cat", "/proc/sys/net/ipv4/conf/all/src_valid_mark")}RESOLVER\n{string.Concat(resolver)}SOCKETS\n{string.Concat(sockets)}";
    }

    [GeneratedRegex(@"expires \d+sec|^# Warning.*\n", RegexOptions.Multiline, 10_000)]
    private static partial Regex Volatile();

    /// <param name="File">The file after its key.</param>
    /// <param name="Sentence">What the error must say.</param>
    /// <param name="Before">A command that lays the cause.</param>
    private sealed record Fault(string File, string Sentence, string Before = "true")
    {
        /// <summary>Gets the daemon.</summary>
        public string Daemon { get; init; } = "wireguard-go";

        /// <summary>Gets the table to wait for before the start.</summary>
        public string Await { get; init; } = string.Empty;

        /// <summary>Gets a command that lays the cause for tunnelctl alone, in its own mount namespace.</summary>
        public string Shell { get; init; } = "true";

        /// <summary>Gets what the kernel answers to the call for nf_tables, or nothing.</summary>
        public string Netfilter { get; init; } = string.Empty;
    }
}
