using System.Text.RegularExpressions;
using Xunit.Abstractions;

namespace TunnelBox.Control.Tests;

/// <summary>The same file brought up by wg-quick(8) and by tunnelctl, in two namespaces, leaves the same network behind.</summary>
[Trait("Needs", "root")]
public sealed partial class WgQuickSideBySideTests(ITestOutputHelper output)
{
    private const string Private = "GGPwJxcRpdwoK9bz1xTrkBpLB8mMQAjRg+e5cj3bPkA=";
    private const string PeerA = "AlxyYFi1lrGomHDvaIqs6//a2gacmGua0jI00GMfGCE=";
    private const string PeerB = "HNkWxHCAL8cdjsGHluuWdZ51mwOzeWDdGHGlOB8f61Q=";

    // What a container gives each namespace before the tunnel comes: a way out, with an MTU of its own.
    private const string Outside = "link add up0 type veth peer name up1|link set up1 mtu 1400 up|link set up0 mtu 1400 up|addr add 192.0.2.2/24 dev up0|route add default via 192.0.2.1|-6 addr add 2001:db8:9::2/64 dev up0 nodad|-6 route add default via 2001:db8:9::1";

    public static TheoryData<string, string> Files { get; } = new()
    {
        { "nothing but a key", "" },
        { "one address", "Address = 10.9.0.1/24\n" },
        { "an address without length", "Address = 10.9.0.1\n" },
        { "addresses of both families", "Address = 10.9.0.1/24, fd00:9::1/64\naddress=10.10.0.1/32\n" },
        { "an MTU", "Address = 10.9.0.1/24\nMTU = 1280\n" },
        { "a large MTU", "MTU = 34000\n" },
        { "a port and a mark", "ListenPort = 7007\nFwMark = 0x77\n" },
        { "one peer", "Address = 10.9.0.1/24\n" + Peer(PeerA, "10.9.0.2/32") },
        { "a peer with a net of its own", "Address = 10.9.0.1/32\n" + Peer(PeerA, "10.20.0.0/16, 10.20.30.0/24") },
        { "peers of both families", "Address = 10.9.0.1/24,fd00:9::1/64\n" + Peer(PeerA, "10.9.0.2/32, fd00:9::2/128") + Peer(PeerB, "10.30.0.0/16, fd00:30::/32") },
        { "a route that the address covers", "Address = 10.9.0.1/16\n" + Peer(PeerA, "10.9.7.0/24, 10.9.0.0/16, 10.8.0.0/15") },
        { "Table = off", "Table = off\n" + Peer(PeerA, "10.20.0.0/16, 0.0.0.0/0") },
        { "Table = auto", "Table = auto\n" + Peer(PeerA, "10.20.0.0/16") },
        { "a table by number", "Table = 1234\n" + Peer(PeerA, "10.20.0.0/16, fd00::/8") },
        { "a table by number with default routes", "Table = 77\n" + Peer(PeerA, "0.0.0.0/0, ::/0") },
        { "the main table by name", "Table = main\n" + Peer(PeerA, "10.20.0.0/16") },
        { "a default route", "Address = 10.9.0.1/24\n" + Peer(PeerA, "0.0.0.0/0") },
        { "default routes of both families", "Address = 10.9.0.1/24, fd00:9::1/64\n" + Peer(PeerA, "0.0.0.0/0, ::/0") },
        { "a default route of IPv6", "Address = fd00:9::1/64\n" + Peer(PeerA, "::/0") },
        { "default routes with a mark", "FwMark = 4242\n" + Peer(PeerA, "0.0.0.0/0, ::/0") },
        { "a default route and a narrower one", Peer(PeerA, "0.0.0.0/0") + Peer(PeerB, "10.40.0.0/16") },
        { "an endpoint of IPv4", Peer(PeerA, "10.9.0.2/32", "Endpoint = 192.0.2.77:51820\nPersistentKeepalive = 25\n") },
        { "an endpoint of IPv6", Peer(PeerA, "10.9.0.2/32", "Endpoint = [2001:db8:9::7]:51820\n") },
        { "an endpoint by name", Peer(PeerA, "10.9.0.2/32", "Endpoint = localhost:51820\n") },
        { "a preshared key", Peer(PeerA, "10.9.0.2/32", "PresharedKey = " + Private + "\n") },
        { "a peer without allowed IPs", "Address = 10.9.0.1/24\n" + Peer(PeerA, "").Replace("AllowedIPs = \n", "") },
        { "a key without value", Peer(PeerA, "") },
        { "an allowed IP that moves", Peer(PeerA, "10.40.0.0/16") + Peer(PeerB, "10.40.0.0/16") },
        { "an allowed IP with host bits", Peer(PeerA, "10.40.1.2/16") },
        { "DNS", "DNS = 192.0.2.53, fd00::53\nDNS = example.org, corp.example\n" },
        { "hooks", "PreUp = echo pre-up %i >> HOOKS\nPostUp = echo post-up %i >> HOOKS; ip link show %i | grep -c mtu >> HOOKS\nPreDown = echo pre-down %i >> HOOKS\nPostDown = echo post-down %i >> HOOKS\n" },
        { "comments and odd spelling", "# head\nADDRESS=10.9.0.1/24#tail\n mtu  =  1300 \n\n# name\n" + Peer(PeerA, "10.9.0.2/32").Replace("AllowedIPs", "allowedips") },
        { "a default route with several addresses", "Address = 10.9.0.1/24, 10.9.0.7/24, 10.77.0.1/32, fd00:9::1/64, fd00:9:0:1::1/128\n" + Peer(PeerA, "0.0.0.0/0, ::/0, 10.50.0.0/16") },
        { "Table = off with default routes of both families", "Table = off\nAddress = 10.9.0.1/24, fd00:9::1/64\n" + Peer(PeerA, "0.0.0.0/0, ::/0") },
        { "a failing hook", "Address = 10.9.0.1/24\nPostUp = false\n" + Peer(PeerA, "0.0.0.0/0, ::/0") },
        { "a wrong key", "Adress = 10.9.0.1/24\n" },
        { "a wrong address", "Address = 10.9.0.1/24/7\n" },
    };

    [Theory]
    [MemberData(nameof(Files))]
    public void The_same_network_comes_up_and_goes_away(string what, string body)
    {
        using Sandbox theirs = Prepare(body);
        using Sandbox ours = Prepare(body);
        string before = State(theirs);
        Assert.Equal(before, State(ours));

        Sandbox.Result quick = Quick(theirs, "wg-quick", "up");
        Sandbox.Result tunnelctl = Quick(ours, Sandbox.Tunnelctl, "up");
        output.WriteLine($"{what}: wg-quick {quick.Code}, tunnelctl {tunnelctl.Code} {tunnelctl.Error}");
        Assert.True(quick.Code == 0 == (tunnelctl.Code == 0), $"wg-quick {quick.Code}: {quick.Error}\ntunnelctl {tunnelctl.Code}: {tunnelctl.Error}");
        if (quick.Code != 0)
        {
            // wg-quick leaves src_valid_mark behind; a failed up must leave nothing.
            Assert.Equal(before, State(ours));
            return;
        }

        Assert.Equal(State(theirs), State(ours));

        Assert.Equal(0, Quick(theirs, "wg-quick", "down").Code);
        Sandbox.Result down = Quick(ours, Sandbox.Tunnelctl, "down");
        Assert.True(down.Code == 0, down.Error);
        Assert.Equal(State(theirs), State(ours));
        Assert.Equal(before.Split("SYSCTL")[0], State(ours).Split("SYSCTL")[0]);
    }

    [Fact]
    public void Strip_gives_the_same_lines()
    {
        foreach (object[] row in Files)
        {
            using Sandbox sandbox = Prepare((string)row[1]);
            Sandbox.Result quick = Quick(sandbox, "wg-quick", "strip");
            Sandbox.Result tunnelctl = Quick(sandbox, Sandbox.Tunnelctl, "strip");
            if (tunnelctl.Code == 0)
            {
                Assert.Equal(quick.Output, tunnelctl.Output);
            }
        }
    }

    [Fact]
    public void SaveConfig_writes_what_runs_and_keeps_names()
    {
        using Sandbox sandbox = Prepare("SaveConfig = true\nAddress = 10.9.0.1/24\n" + Peer(PeerA, "10.9.0.2/32", "# Alice\n"));
        Assert.Equal(0, Quick(sandbox, Sandbox.Tunnelctl, "up").Code);
        sandbox.Must("wg", $"set tbq0 listen-port 7123 peer {PeerB} allowed-ips 10.9.0.3/32");
        Assert.Equal(0, Quick(sandbox, Sandbox.Tunnelctl, "down").Code);
        string path = Path.Combine(sandbox.Directory, "tbq0.conf");
        string saved = File.ReadAllText(path);
        Assert.Contains("Address = 10.9.0.1/24\n", saved);
        Assert.Contains("SaveConfig = true\n", saved);
        Assert.Contains("ListenPort = 7123\n", saved);
        Assert.Contains($"[Peer]\n# Alice\nPublicKey = {PeerA}\n", saved);
        Assert.Contains($"PublicKey = {PeerB}\nAllowedIPs = 10.9.0.3/32\n", saved);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(path));
        Assert.Equal(0, Quick(sandbox, Sandbox.Tunnelctl, "up").Code);
        Assert.Equal(0, Quick(sandbox, Sandbox.Tunnelctl, "down").Code);
    }

    [Fact]
    public void A_second_up_is_refused_and_a_second_down_finds_no_daemon()
    {
        using Sandbox sandbox = Prepare("Address = 10.9.0.1/24\n");
        Assert.Equal(0, Quick(sandbox, Sandbox.Tunnelctl, "up").Code);
        Sandbox.Result again = Quick(sandbox, Sandbox.Tunnelctl, "up");
        Assert.Equal(1, again.Code);
        Assert.Contains("exists already", again.Error);
        Assert.Equal(0, Quick(sandbox, Sandbox.Tunnelctl, "down").Code);
        Assert.Equal(3, Quick(sandbox, Sandbox.Tunnelctl, "down").Code);
    }

    private static string Peer(string key, string allowedIps, string rest = "") => $"[Peer]\n{rest}PublicKey = {key}\nAllowedIPs = {allowedIps}\n";

    private static Sandbox Prepare(string body)
    {
        Sandbox sandbox = new();
        try
        {
            Furnish(sandbox, body);
            AwaitOutside(sandbox);
            return sandbox;
        }
        catch
        {
            sandbox.Dispose();
            throw;
        }
    }

    // The kernel notices a new link in its own time, and makes the routes of its addresses only then.
    private static void AwaitOutside(Sandbox sandbox)
    {
        DateTime deadline = DateTime.UtcNow.AddSeconds(10);
        while (!sandbox.Must("ip", "-6 route show table local").Contains("local 2001:db8:9::2 ", StringComparison.Ordinal))
        {
            Assert.True(DateTime.UtcNow < deadline, "The outside interface of the sandbox did not come up within 10 s.");
            Thread.Sleep(20);
        }
    }

    private static void Furnish(Sandbox sandbox, string body)
    {
        sandbox.Write("tbq0.conf", $"[Interface]\nPrivateKey = {Private}\n{body.Replace("HOOKS", Path.Combine(sandbox.Directory, "hooks"))}");
        sandbox.Write("resolver", "");
        sandbox.Write("hooks", "");
        string resolvconf = sandbox.Write("resolvconf", $"#!/bin/sh\nd={sandbox.Directory}\necho \"$@\" >> $d/resolver\ncase $1 in -a) cat >> $d/resolver;; esac\n");
        File.SetUnixFileMode(resolvconf, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        sandbox.Must("ip", "link set lo up");
        foreach (string line in Outside.Split('|'))
        {
            sandbox.Must("ip", line);
        }
    }

    private static Sandbox.Result Quick(Sandbox sandbox, string program, string verb) => sandbox.Run(
        program,
        [verb, Path.Combine(sandbox.Directory, "tbq0.conf")],
        null,
        ("WG_QUICK_USERSPACE_IMPLEMENTATION", "wireguard-go"),
        ("PATH", $"{sandbox.Directory}:{Environment.GetEnvironmentVariable("PATH")}"));

    private static string State(Sandbox sandbox)
    {
        string network = string.Concat(
            sandbox.Network(),
            sandbox.Run("ip", "-o link show tbq0").Output,
            Sorted(sandbox.Run("wg", "showconf tbq0").Output));
        // A TUN device draws its link-local address, and a device without port takes any.
        network = string.Join('\n', network.Split('\n').Where(line => !line.Contains("fe80:") && !line.Contains("ListenPort") && !line.Contains("ff00::")));
        network = Volatile().Replace(network, "");
        return network + "SYSCTL\n" + sandbox.Must("cat", "/proc/sys/net/ipv4/conf/all/src_valid_mark") + "RESOLVER\n" + File.ReadAllText(Path.Combine(sandbox.Directory, "resolver")) + "HOOKS\n" + File.ReadAllText(Path.Combine(sandbox.Directory, "hooks"));
    }

    private static string Sorted(string text) => string.Join('\n', text.Split('\n').Order(StringComparer.Ordinal));

    [GeneratedRegex(@"^\d+: |link/\S+|permaddr \S+|expires \d+sec", RegexOptions.Multiline, 10_000)]
    private static partial Regex Volatile();
}
