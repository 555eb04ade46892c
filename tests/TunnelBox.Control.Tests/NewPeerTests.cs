using System.Net;
using TunnelBox.Configuration;
using TunnelBox.Control.Quick;
using TunnelBox.Crypto;

namespace TunnelBox.Control.Tests;

/// <summary>new-peer and qr: both sides' files, the running interface, and a picture that a real decoder reads.</summary>
[Trait("Needs", "root")]
public sealed class NewPeerTests
{
    private const UnixFileMode Private = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    [Theory]
    [InlineData("10.0.0.0/24", "10.0.0.1/32", "10.0.0.2")]
    [InlineData("10.0.0.0/24", "10.0.0.1/32,10.0.0.2/31,10.0.0.5/32", "10.0.0.4")]
    [InlineData("10.0.0.0/24", "10.0.0.0/26,0.0.0.0/0,10.0.0.0/24", "10.0.0.64")]
    [InlineData("10.0.0.0/30", "10.0.0.1/32,10.0.0.2/32", null)]
    [InlineData("10.0.0.0/31", "10.0.0.0/32", "10.0.0.1")]
    [InlineData("255.255.255.0/24", "255.255.255.0/25,255.255.255.128/25", null)]
    [InlineData("fd00::/64", "fd00::1/128,10.0.0.2/32", "fd00::2")]
    [InlineData("fd00::/127", "fd00::/128,fd00::1/128", null)]
    [InlineData("::/0", "::1/128", "::2")]
    public void The_next_free_address_is_the_lowest_nobody_has(string subnet, string used, string? expected) => Assert.Equal(
        expected is null ? null : IPAddress.Parse(expected),
        FreeAddress.In(IPNetwork.Parse(subnet), used.Split(',').Select(IPNetwork.Parse)));

    [Fact]
    public void Both_files_and_the_running_interface_know_the_peer()
    {
        using Sandbox sandbox = new();
        FakeDevice device = new();
        using UapiServer server = Serve(sandbox, "np0", device);
        string head = $"# kept\n[Interface]\nPrivateKey = {Secret(7)}\nListenPort = 51820\nAddress = 10.9.0.1/24, fd09::1/64\n# odd = kept";
        string path = sandbox.Write("np0.conf", head);

        string first = sandbox.Must(Sandbox.Tunnelctl, $"new-peer phone {path} --endpoint vpn.example.org:51820").Trim();
        string second = sandbox.Must(Sandbox.Tunnelctl, $"new-peer tablet {path} --endpoint 192.0.2.7:51820").Trim();

        Assert.StartsWith(head, File.ReadAllText(path), StringComparison.Ordinal);
        Assert.Equal(Private, File.GetUnixFileMode(path));
        Assert.Equal(Private, File.GetUnixFileMode(first));
        using WgFile tunnel = WgFileReader.Read(path, WgDialect.Quick);
        using WgFile phone = WgFileReader.Read(first, WgDialect.Quick);
        using WgFile tablet = WgFileReader.Read(second, WgDialect.Quick);
        Assert.Equal(["phone", "tablet"], tunnel.Peers.Select(peer => peer.Name));
        Assert.Equal(["10.9.0.2/32", "fd09::2/128"], tunnel.Peers[0].AllowedIps.Select(entry => entry.Network.ToString()));
        Assert.Equal(["10.9.0.3/32", "fd09::3/128"], tunnel.Peers[1].AllowedIps.Select(entry => entry.Network.ToString()));
        Assert.Equal(["10.9.0.0/24", "fd09::/64"], phone.Peers[0].AllowedIps.Select(entry => entry.Network.ToString()));
        Assert.Equal("vpn.example.org:51820", phone.Peers[0].Endpoint.ToString());
        Assert.Equal(tunnel.Peers[0].PublicKey, Curve25519.GetPublicKey(phone.Interface.PrivateKey));
        Assert.Equal(Curve25519.GetPublicKey(tunnel.Interface.PrivateKey), phone.Peers[0].PublicKey);
        Assert.Equal(tunnel.Peers[0].PresharedKey, phone.Peers[0].PresharedKey);
        Assert.NotEqual(phone.Interface.PrivateKey, tablet.Interface.PrivateKey);
        Assert.Equal(tunnel.Peers.Select(peer => peer.PublicKey).ToHashSet(), [.. device.Peers.Keys]);
        Assert.Equal(phone.Peers[0].PresharedKey, device.Peers[tunnel.Peers[0].PublicKey].PresharedKey);
    }

    [Fact]
    public void What_cannot_be_done_changes_nothing()
    {
        using Sandbox sandbox = new();
        FakeDevice device = new() { ApplyResult = -Errno.Invalid };
        using UapiServer server = Serve(sandbox, "np1", device);
        string text = $"[Interface]\nPrivateKey = {Secret(7)}\nListenPort = 51820\nAddress = 10.9.0.1/30\n[Peer]\n# taken\nPublicKey = {Secret(8)}\n";
        string path = sandbox.Write("np1.conf", text);

        foreach ((string name, int code) in ((string, int)[])[("phone", 1), ("taken", 2), ("../evil", 2), ("-x", 2)])
        {
            Sandbox.Result result = sandbox.Run(Sandbox.Tunnelctl, $"new-peer {name} {path} --endpoint 192.0.2.7:1");
            Assert.True(code == result.Code, $"{name}: {result.Code} {result.Error}");
            Assert.Equal(text, File.ReadAllText(path));
            Assert.DoesNotContain(Directory.EnumerateFiles(sandbox.Directory, "*", SearchOption.AllDirectories), file => file.EndsWith(".conf", StringComparison.Ordinal) && file != path);
        }
    }

    [Fact]
    public void A_real_decoder_reads_the_picture()
    {
        using Sandbox sandbox = new();
        string text = $"[Interface]\nPrivateKey = {Secret(7)}\nAddress = 10.9.0.2/32\n\n[Peer]\nPublicKey = {Secret(9)}\nAllowedIPs = 0.0.0.0/0, ::/0\nEndpoint = vpn.example.org:51820\n";
        string path = sandbox.Write("qr0.conf", text);
        Sandbox.Result refused = sandbox.Run(Sandbox.Tunnelctl, $"qr {path}");
        Assert.Equal(2, refused.Code);
        Assert.Empty(refused.Output);

        string[] rows = sandbox.Must(Sandbox.Tunnelctl, $"qr {path} --force").TrimEnd('\n').Split('\n');
        string picture = sandbox.Write("qr0.pbm", Picture(rows));
        Assert.Equal(text, sandbox.Must("zbarimg", $"--quiet --raw --oneshot {picture}")[..text.Length]);
    }

    // Each character is two modules, one above the other; a module becomes four by four black or white dots.
    private static string Picture(string[] rows)
    {
        const int Dots = 4;
        System.Text.StringBuilder picture = new($"P1\n{rows[0].Length * Dots} {rows.Length * 2 * Dots}\n");
        foreach (string row in rows)
        {
            foreach (string light in (string[])["█▀", "█▄"])
            {
                string line = string.Concat(row.Select(c => new string(light.Contains(c, StringComparison.Ordinal) ? '0' : '1', Dots)));
                for (int i = 0; i < Dots; i++)
                {
                    picture.Append(string.Join('\n', line.Chunk(64).Select(part => new string(part)))).Append('\n');
                }
            }
        }

        return picture.ToString();
    }

    private static UapiServer Serve(Sandbox sandbox, string name, FakeDevice device)
    {
        UapiServer server = UapiServer.Open(name, device, sandbox.Directory);
        server.Start();
        return server;
    }

    private static string Secret(byte fill)
    {
        byte[] key = new byte[32];
        Array.Fill(key, fill);
        Curve25519.Clamp(key);
        return Convert.ToBase64String(key);
    }
}
