using System.Diagnostics;
using System.Net;
using TunnelBox.Crypto;
using Xunit.Abstractions;

namespace TunnelBox.Control.Tests;

/// <summary>Real wg(8) and tunnelctl on the same daemon: same output, and both succeed or both fail.</summary>
[Trait("Needs", "root")]
public sealed class WgSideBySideTests(ITestOutputHelper output)
{
    private static readonly string[] Devices = ["full", "bare", "nosuch"];

    private static string Key(byte fill)
    {
        byte[] key = new byte[32];
        Array.Fill(key, fill);
        return Convert.ToBase64String(key);
    }

    [Fact]
    public void Show_and_showconf_are_alike_byte_for_byte()
    {
        using Sandbox sandbox = new();
        using UapiServer full = Serve(sandbox, "full", Full());
        using UapiServer bare = Serve(sandbox, "bare", new FakeDevice());
        List<string> lines = ["", "show", "show all", "show interfaces", "show bogus-field x", "show all bogus", "show a b c", "showconf", "show interfaces x"];
        foreach (string device in (string[])["all", .. Devices])
        {
            lines.Add($"show {device}");
            lines.Add($"show {device} bogus");
            lines.AddRange(ShowText.Fields.Select(field => $"show {device} {field}"));
            lines.Add($"showconf {device}");
        }

        Assert.True(lines.Count > 60);
        // wireguard-tools 1.0.20210914 names the interface on the first of these lines only; later ones on each, and so do we.
        lines.Remove("show all endpoints");
        Assert.Equal(12, sandbox.Must(Sandbox.Tunnelctl, "show all endpoints").Split("full\t").Length - 1);
        foreach (string line in lines)
        {
            foreach ((string, string)[] environment in Environments(line))
            {
                AssertSame(sandbox, line, environment);
            }
        }
    }

    [Theory]
    [InlineData(0UL)]
    [InlineData(1023UL)]
    [InlineData(1024UL)]
    [InlineData(1152UL)]
    [InlineData(1157UL)]
    [InlineData(1413UL)]
    [InlineData(1_048_575UL)]
    [InlineData(1_048_576UL)]
    [InlineData(123_456_789UL)]
    [InlineData(1_073_741_824UL)]
    [InlineData(987_654_321_012UL)]
    [InlineData(5_497_558_138_880UL)]
    [InlineData(9_007_199_254_740_991UL)]
    public void Transfers_are_rounded_as_printf_does(ulong bytes)
    {
        using Sandbox sandbox = new();
        FakeDevice device = new();
        for (byte i = 1; i <= 9; i++)
        {
            device.Peers[KeyOf(i)] = new FakeDevice.FakePeer { Received = bytes + (ulong)(i * 64), Sent = bytes / i, LastHandshake = i * 1_000_000_000L };
        }

        using UapiServer server = Serve(sandbox, "full", device);
        AssertSame(sandbox, "show full");
    }

    [Fact]
    public void Ages_are_worded_as_wg_does()
    {
        using Sandbox sandbox = new();
        FakeDevice device = new();
        long now = DateTimeOffset.UtcNow.ToUnixTimeSeconds();
        long[] ages = [-3600, 60, 61, 3599, 3600, 3661, 86_400, 90_061, 31_536_000, 31_536_001, 70_000_000];
        for (byte i = 0; i < ages.Length; i++)
        {
            device.Peers[KeyOf((byte)(i + 1))] = new FakeDevice.FakePeer { LastHandshake = ((now - ages[i]) * 1_000_000_000L) + i };
        }

        using UapiServer server = Serve(sandbox, "full", device);
        AssertSame(sandbox, "show full", ("WG_COLOR_MODE", "always"));
    }

    [Fact]
    public void Changes_have_the_same_effect()
    {
        using Sandbox sandbox = new();
        string key = sandbox.Write("key", Key(9) + "\n");
        string empty = sandbox.Write("empty", "");
        string bad = sandbox.Write("bad", "not a key");
        string conf = sandbox.Write("conf", $"[interface]\nprivatekey={Key(8)}\n#c\n[Peer]\n PublicKey = {Key(4)} # x\nAllowedIPs=10.4.0.0/16, 10.5.0.1\nendpoint = [::1]:77\n");
        string peer = sandbox.Write("peer", $"[Peer]\nPublicKey = {Key(5)}\nPersistentKeepalive = 0\nPresharedKey = {Key(6)}\n");
        string wrong = sandbox.Write("wrong", $"[Peer]\nPublicKey = {Key(5)}\nBogus = 1\n");
        string[] lines =
        [
            "set D listen-port 5555", "set D listen-port bogus", "set D listen-port", "set D fwmark 0x20", "set D fwmark off", "set D fwmark 0x", "set D fwmark 4294967296",
            $"set D private-key {key}", $"set D private-key {empty}", $"set D private-key {bad}", "set D private-key /nonexistent", "set D bogus 1", "set D",
            $"set D peer {Key(1)} allowed-ips 10.0.0.0/8,fd00::/64", $"set D peer {Key(1)} allowed-ips 10.1.0.1", $"set D peer {Key(1)} allowed-ips 10.1.0.1/33",
            $"set D peer {Key(2)} endpoint 192.0.2.1:51820 persistent-keepalive 25", $"set D peer {Key(2)} endpoint [2001:db8::1]:7 persistent-keepalive off",
            $"set D peer {Key(2)} endpoint 192.0.2.1", $"set D peer {Key(2)} preshared-key {key}", $"set D peer {Key(2)} preshared-key {empty}",
            $"set D peer {Key(3)} allowed-ips 10.1.0.1/32 peer {Key(1)} remove", $"set D peer {Key(3)} persistent-keepalive 65536", "set D peer short",
            $"set D peer {Key(3)} listen-port 7", $"set D fwmark 7 listen-port 1234 peer {Key(4)} allowed-ips 0.0.0.0/0,::/0",
            $"addconf D {peer}", $"syncconf D {conf}", $"syncconf D {peer}", $"setconf D {wrong}", $"setconf D {conf}", $"syncconf D {empty}", $"setconf D {empty}", "setconf D",
            "setconf D /nonexistent", "set nosuch listen-port 1", $"setconf nosuch {conf}",
        ];
        FakeDevice theirs = new();
        FakeDevice ours = new();
        using UapiServer theirServer = Serve(sandbox, "theirs", theirs);
        using UapiServer ourServer = Serve(sandbox, "ours", ours);
        foreach (string line in lines)
        {
            Sandbox.Result wg = sandbox.Run("wg", line.Replace(" D", " theirs"));
            Sandbox.Result tunnelctl = sandbox.Run(Sandbox.Tunnelctl, line.Replace(" D", " ours"));
            Assert.True(wg.Code == 0 == (tunnelctl.Code == 0), $"{line}: wg {wg.Code} {wg.Error}, tunnelctl {tunnelctl.Code} {tunnelctl.Error}");
            Assert.Equal(wg.Output, tunnelctl.Output);
            Assert.Equal(sandbox.Must("wg", "showconf theirs"), sandbox.Must("wg", "showconf ours"));
        }
    }

    [Fact]
    public void A_hundred_thousand_peers_are_set_and_shown_alike_and_soon()
    {
        using Sandbox sandbox = new();
        FakeDevice device = new();
        using UapiServer server = Serve(sandbox, "full", device);
        server.Refused += (_, sentence) => output.WriteLine(sentence);
        System.Text.StringBuilder text = new("[Interface]\n");
        byte[] key = new byte[32];
        for (int i = 1; i <= 100_000; i++)
        {
            BitConverter.TryWriteBytes(key, i);
            text.Append($"[Peer]\nPublicKey = {Convert.ToBase64String(key)}\nAllowedIPs = 10.{i >> 16}.{(i >> 8) & 255}.{i & 255}/32\nEndpoint = 192.0.2.1:{1 + (i & 0x7fff)}\n");
        }

        string conf = sandbox.Write("conf", text.ToString());
        long set = Timed(() => sandbox.Must(Sandbox.Tunnelctl, $"setconf full {conf}"));
        Assert.Equal(100_000, device.Peers.Count);
        string theirs = "";
        string ours = "";
        long dump = Timed(() => ours = sandbox.Must(Sandbox.Tunnelctl, "show full dump"));
        long wgDump = Timed(() => theirs = sandbox.Must("wg", "show full dump"));
        Assert.Equal(theirs, ours);
        output.WriteLine($"setconf {set} ms; show dump {dump} ms, wg {wgDump} ms");
        Assert.InRange(set, 0, 10_000);
        Assert.InRange(dump, 0, 5_000);
    }

    private static long Timed(Action action)
    {
        Stopwatch watch = Stopwatch.StartNew();
        action();
        return watch.ElapsedMilliseconds;
    }

    [Fact]
    public void Keys_are_alike()
    {
        using Sandbox sandbox = new();
        for (int i = 0; i < 3; i++)
        {
            string secret = sandbox.Must(Sandbox.Tunnelctl, "genkey");
            Assert.Equal(sandbox.Must("wg", "pubkey", secret), sandbox.Must(Sandbox.Tunnelctl, "pubkey", secret));
            byte[] bytes = Convert.FromBase64String(secret);
            Assert.Equal((0, 64), (bytes[0] & 7, bytes[31] & 192));
        }

        Assert.Equal(45, sandbox.Must(Sandbox.Tunnelctl, "genpsk").Length);
        foreach (string input in new[] { "", "short", Key(1) + "x", Key(1)[..43], Key(1) + " \n\n", Key(1).Replace('=', 'A'), "!" + Key(1)[1..] })
        {
            Sandbox.Result wg = sandbox.Run("wg", "pubkey", input);
            Sandbox.Result tunnelctl = sandbox.Run(Sandbox.Tunnelctl, "pubkey", input);
            Assert.Equal((wg.Code == 0, wg.Output), (tunnelctl.Code == 0, tunnelctl.Output));
        }
    }

    [Fact]
    public void It_works_against_wireguard_go()
    {
        using Sandbox sandbox = new();
        sandbox.Must("wireguard-go", "wgo0");
        sandbox.Must("wireguard-go", "wgo1");
        string conf = sandbox.Write("conf", $"[Interface]\nPrivateKey = {Key(8)}\nListenPort = 7007\nFwMark = 0x10\n[Peer]\nPublicKey = {Key(4)}\nPresharedKey = {Key(6)}\nAllowedIPs = 10.4.0.0/16, fd00::/8\nEndpoint = 127.0.0.1:9\nPersistentKeepalive = 25\n");
        sandbox.Must(Sandbox.Tunnelctl, $"setconf wgo0 {conf}");
        foreach (string line in new[] { "show", "show all", "show interfaces", "show wgo0", "show wgo1", "show all dump", "show wgo0 dump", "showconf wgo0", "showconf wgo1", "show wgo0 endpoints" })
        {
            AssertSame(sandbox, line);
        }

        Sandbox.Result refused = sandbox.Run(Sandbox.Tunnelctl, "set wgo1 listen-port 7007");
        Assert.Equal(1, refused.Code);
        Assert.Contains("port is taken", refused.Error);
    }

    [Theory]
    [InlineData("show nosuch", 3)]
    [InlineData("show a/b", 2)]
    [InlineData("bogus", 2)]
    [InlineData("show full bogus", 2)]
    [InlineData("set", 2)]
    [InlineData("setconf full /nonexistent", 2)]
    [InlineData("show full", 0)]
    [InlineData("--help", 0)]
    [InlineData("set --help", 0)]
    [InlineData("--version", 0)]
    [InlineData("up /nonexistent/x.conf", 2)]
    [InlineData("up /etc/hostname", 2)]
    public void Exit_codes_say_what_went_wrong_in_one_line(string line, int code)
    {
        using Sandbox sandbox = new();
        using UapiServer server = Serve(sandbox, "full", Full());
        Sandbox.Result result = sandbox.Run(Sandbox.Tunnelctl, line);
        Assert.Equal(code, result.Code);
        Assert.Equal(code != 0, result.Error.Length > 0);
        Assert.Equal(code != 0 ? 1 : 0, result.Error.Count(c => c == '\n'));
    }

    private static PublicKey KeyOf(byte fill) => new(Convert.FromBase64String(Key(fill)));

    private static UapiServer Serve(Sandbox sandbox, string name, FakeDevice device)
    {
        UapiServer server = UapiServer.Open(name, device, sandbox.Directory);
        server.Start();
        return server;
    }

    private static FakeDevice Full()
    {
        FakeDevice device = new();
        DeviceChange change = new() { PrivateKey = Convert.FromBase64String(Key(72)), ListenPort = 51820, FirewallMark = 0xca6c };
        device.Apply(change);
        for (byte i = 1; i <= 12; i++)
        {
            FakeDevice.FakePeer peer = new()
            {
                Keepalive = (ushort)(i % 3 == 0 ? 0 : i * 13),
                LastHandshake = i % 4 == 0 ? 0 : (1_600_000_000L - (i * 7777L)) * 1_000_000_000L,
                Received = i % 5 == 0 ? 0 : 1UL << (i * 4),
                Sent = i % 5 == 0 ? 0 : 12345UL * i * i * i * i * i * i,
                Endpoint = i % 4 == 1 ? null : i % 4 == 2 ? new IPEndPoint(IPAddress.Parse($"192.0.2.{i}"), 1000 + i) : new IPEndPoint(IPAddress.Parse($"2001:db8::{i}:0:0:1"), 51820),
            };
            if (i % 2 == 0)
            {
                Array.Fill(peer.PresharedKey, i);
            }

            foreach (string text in new[] { $"10.{i}.0.0/16", $"fd00:{i:x}::/32", $"::{i}.2.3.4/128", $"::ffff:{i}.2.3.4/128", $"::5efe:{i}.2.3.4/128", "0.0.0.0/0", "::/0", $"1:0:0:2:0:0:0:{i}/128", $"1:0:2:3:4:5:6:{i}/128" }.Take(i - 1))
            {
                peer.AllowedIps.Add(IPNetwork.Parse(text));
            }

            device.Peers[KeyOf(i)] = peer;
        }

        return device;
    }

    private static IEnumerable<(string, string)[]> Environments(string line)
    {
        yield return [];
        if (line is "show full" or "show")
        {
            yield return [("WG_COLOR_MODE", "always")];
            yield return [("WG_COLOR_MODE", "never"), ("WG_HIDE_KEYS", "never")];
            yield return [("WG_HIDE_KEYS", "always")];
        }
    }

    private static void AssertSame(Sandbox sandbox, string line, params (string, string)[] environment)
    {
        // Ages grow between the two runs; a second try meets them in the same second.
        for (int attempt = 1; ; attempt++)
        {
            Sandbox.Result wg = sandbox.Run("wg", line, null, environment);
            Sandbox.Result tunnelctl = sandbox.Run(Sandbox.Tunnelctl, line, null, environment);
            if (wg.Output != tunnelctl.Output && attempt < 6)
            {
                continue;
            }

            Assert.Equal(wg.Output, tunnelctl.Output);
            Assert.True(wg.Code == 0 == (tunnelctl.Code == 0), $"{line}: wg {wg.Code} {wg.Error}, tunnelctl {tunnelctl.Code} {tunnelctl.Error}");
            return;
        }
    }
}
