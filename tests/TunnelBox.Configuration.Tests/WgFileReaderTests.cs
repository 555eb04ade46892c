using System.Text;
using Microsoft.Extensions.Configuration;
using Xunit.Abstractions;

namespace TunnelBox.Configuration.Tests;

public sealed class WgFileReaderTests(ITestOutputHelper output)
{
    private const string Secret = "GGPwJxcRpdwoK9bz1xTrkBpLB8mMQAjRg+e5cj3bPkA=";
    private const string KeyA = "AlxyYFi1lrGomHDvaIqs6//a2gacmGua0jI00GMfGCE=";
    private const string KeyB = "HNkWxHCAL8cdjsGHluuWdZ51mwOzeWDdGHGlOB8f61Q=";

    private const string Whole = $"""
        # our end
        [interface]
        PRIVATEKEY = {Secret} # secret
        listenport=51820
        FwMark = 0xCa6c
        Address = 10.9.0.1/24, fd00::1/64
        Address = 10.10.0.1
        DNS = 192.0.2.53, example.org
        MTU = 1380
        Table = off
        PreUp = echo a=b ; ls
        SaveConfig = TRUE

        [Peer]
        # Alice
        PublicKey = {KeyA}
        PresharedKey={Secret}
        AllowedIPs = 10.9.0.2/32 , fd00::2
        AllowedIPs = 10.20.1.2/16
        Endpoint = vpn.example.org:51820
        PersistentKeepalive = 25
        [PEER]
        PublicKey = {KeyB}
        # friendly_name = Bob's phone
        PersistentKeepalive = off
        Endpoint = [2001:db8::1]:7
        """;

    private static WgFile Parse(string text, WgDialect dialect = WgDialect.Quick) => WgFileReader.Parse(Encoding.UTF8.GetBytes(text), "wg0.conf", dialect);

    private static string[] Faults(string text, WgDialect dialect = WgDialect.Quick) =>
        [.. Assert.Throws<ConfigurationFaultsException>(() => Parse(text, dialect)).Faults.Select(fault => fault.ToString())];

    [Fact]
    public void A_whole_file_is_read()
    {
        using WgFile file = Parse(Whole);
        WgInterface section = file.Interface;
        Assert.Equal(Secret, Convert.ToBase64String(section.PrivateKey!));
        Assert.Equal(((ushort)51820, 0xca6cu, 1380, RouteTable.Off, true), (section.ListenPort, section.FirewallMark, section.Mtu, section.Table, section.SaveConfig));
        Assert.Equal(["10.9.0.1/24", "fd00::1/64", "10.10.0.1/32"], section.Addresses.ConvertAll(address => address.ToString()));
        Assert.Equal(["192.0.2.53"], section.DnsServers.ConvertAll(server => server.ToString()));
        Assert.Equal(["example.org"], section.DnsSearch);
        Assert.Equal(["echo a=b ; ls"], section.PreUp);
        Assert.Equal(["Alice", "Bob's phone"], file.Peers.ConvertAll(peer => peer.Name));
        Assert.Equal(["10.9.0.2/32", "fd00::2/128", "10.20.0.0/16"], file.Peers[0].AllowedIps.ConvertAll(entry => entry.Network.ToString()));
        Assert.Equal(new HostPort("vpn.example.org", 51820), file.Peers[0].Endpoint);
        Assert.Equal("[2001:db8::1]:7", file.Peers[1].Endpoint.ToString());
        Assert.Equal(((ushort)25, (ushort)0), (file.Peers[0].PersistentKeepalive, file.Peers[1].PersistentKeepalive));
        Assert.Equal("wg0.conf:19: AllowedIPs: \"10.20.1.2/16\" has bits beyond its length; they are cleared.", Assert.Single(file.Warnings).ToString());
    }

    [Fact]
    public void All_faults_are_told_at_once_with_their_lines()
    {
        string[] faults = Faults($"""
            Orphan = 1
            [Interface]
            PrivateKey = {Secret}x
            ListenPort = 65536
            FwMark = green
            Adress = 10.0.0.1
            MTU = 12
            Table = maybe
            SaveConfig = yes
            PublicKey = {KeyA}
            nonsense
            [Pear]
            Whatever = 1
            [Peer]
            AllowedIPs = 10.0.0.0/33
            Endpoint = 1.2.3.4
            PersistentKeepalive = -1
            DNS = 1.1.1.1
            """);
        int[] lines = [.. faults.Select(fault => int.Parse(fault.Split(':')[1]))];
        Assert.Equal([1, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 14, 15, 16, 17, 18], lines);
        Assert.Contains("wg0.conf:4: ListenPort: \"65536\" is not a port; 0 to 65535 is allowed, and 0 lets the kernel choose.", faults);
        Assert.Contains("wg0.conf:6: Adress: [Interface] has no such key; did you mean Address?", faults);
        Assert.Contains("wg0.conf:10: PublicKey: this key belongs to [Peer]; move it there.", faults);
        Assert.Contains("wg0.conf:18: DNS: this key belongs to [Interface]; move it there.", faults);
        Assert.Contains("wg0.conf:14: [Peer]: the peer has no PublicKey; every peer needs one.", faults);
        Assert.DoesNotContain(faults, fault => fault.Contains(Secret[..10]));
    }

    [Theory]
    [InlineData("[Interface]\n" + Secret)]
    [InlineData("[Interface]\nPrivateKey " + Secret)]
    [InlineData("[Interface]\nPrivateKey: " + Secret)]
    [InlineData(Secret)]
    [InlineData("[Interface]\nPrivateKey == " + Secret)]
    [InlineData("[Interface]\nPrivteKey = " + Secret)]
    [InlineData("[" + Secret)]
    [InlineData("[Peer]\nPrivateKey = " + Secret)]
    [InlineData("[Interface]\nListenPort = 7 PrivateKey = " + Secret)]
    [InlineData("[Interface]\nPrivateKey = " + Secret + Secret)]
    public void No_fault_shows_a_secret(string text)
    {
        foreach (string fault in Faults(text))
        {
            for (int at = 0; at + 6 <= Secret.Length; at++)
            {
                Assert.DoesNotContain(Secret.Substring(at, 6), fault);
            }
        }
    }

    [Theory]
    [InlineData("Address = 10.0.0.1")]
    [InlineData("MTU = 1420")]
    [InlineData("PostUp = true")]
    public void What_is_wg_quicks_is_not_wgs(string line) =>
        Assert.Contains("wg-quick's", Assert.Single(Faults("[Interface]\n" + line, WgDialect.Wg)));

    [Theory]
    [InlineData("[Peer]\nPublicKey = AlxyYFi1lrGomHDvaIqs6//a2gacmGua0jI00GMfGCF=")]
    [InlineData("[Interface]\nPrivateKey = ")]
    [InlineData("[Interface]\nPrivateKey")]
    [InlineData("[Interface]\nFwMark = 0x")]
    [InlineData("[Interface]\nFwMark = 0x100000000")]
    [InlineData("[Interface]\nAddress = 10.0.0.1/33")]
    [InlineData("[Interface]\nAddress = host")]
    [InlineData("[Interface]\nDNS = 1.2.3")]
    [InlineData("[Interface]\nTable = 0")]
    [InlineData("[Peer]\nPublicKey = AlxyYFi1lrGomHDvaIqs6//a2gacmGua0jI00GMfGCE=\nAllowedIPs = 10.0.0.0/8,")]
    [InlineData("[Peer]\nPublicKey = AlxyYFi1lrGomHDvaIqs6//a2gacmGua0jI00GMfGCE=\nEndpoint = a b$:1")]
    [InlineData("[Peer]\nPublicKey = AlxyYFi1lrGomHDvaIqs6//a2gacmGua0jI00GMfGCE=\nEndpoint = [::1:1")]
    [InlineData("[Interface]\n\0")]
    [InlineData("[]")]
    public void Wrong_values_are_faults(string text) => Assert.Single(Faults(text));

    [Theory]
    [InlineData("")]
    [InlineData("\n\n# only a comment")]
    [InlineData("\uFEFF[Interface]\r\nListenPort = 1\r\n")]
    [InlineData("[Interface]\nLis ten Port = 1 2")]
    [InlineData("[Interface]\nFwMark = OFF")]
    [InlineData("[Interface]\n[Interface]\nListenPort=1\nListenPort=2")]
    [InlineData("[Peer]\nPublicKey = AlxyYFi1lrGomHDvaIqs6//a2gacmGua0jI00GMfGCE=\nEndpoint = 2001:db8::1:7")]
    [InlineData("[Peer]\nPublicKey = AlxyYFi1lrGomHDvaIqs6//a2gacmGua0jI00GMfGCE=\nAllowedIPs = +10.0.0.0/8, -::/0")]
    public void Odd_but_allowed_files_are_read(string text) => Parse(text).Dispose();

    [Fact]
    public void What_is_written_reads_back()
    {
        using WgFile file = Parse(Whole);
        using MemoryStream stream = new();
        WgFileWriter.Write(file, stream, quick: true);
        string once = Encoding.UTF8.GetString(stream.ToArray());
        using WgFile back = Parse(once);
        stream.SetLength(0);
        WgFileWriter.Write(back, stream, quick: true);
        Assert.Equal(once, Encoding.UTF8.GetString(stream.ToArray()));
        Assert.Contains("# Alice\nPublicKey", once);
        Assert.Contains("PreUp = echo a=b ; ls\n", once);
    }

    [Fact]
    public void The_provider_gives_everything_but_secrets()
    {
        string path = Path.GetTempFileName();
        try
        {
            File.WriteAllText(path, Whole);
            IConfigurationRoot root = new ConfigurationBuilder().AddWgFile(path).Build();
            Assert.Equal("51820", root["interface:listenport"]);
            Assert.Equal("fd00::1/64", root["Interface:Address:1"]);
            Assert.Equal("Alice", root["Peer:0:Name"]);
            Assert.Equal("10.20.0.0/16", root["Peer:0:AllowedIPs:2"]);
            Assert.Equal("(hidden)", root["Interface:PrivateKey"]);
            Assert.DoesNotContain(root.AsEnumerable(), pair => pair.Value == Secret);
        }
        finally
        {
            File.Delete(path);
        }
    }

    [Theory]
    [InlineData(UnixFileMode.UserRead | UnixFileMode.OtherRead, 1)]
    [InlineData(UnixFileMode.UserRead | UnixFileMode.GroupRead, 0)]
    public void A_key_that_everybody_may_read_is_warned_of(UnixFileMode mode, int warnings)
    {
        string path = Path.GetTempFileName();
        try
        {
            File.WriteAllText(path, $"[Interface]\nPrivateKey = {Secret}\n");
            File.SetUnixFileMode(path, mode);
            using WgFile file = WgFileReader.Read(path, WgDialect.Wg);
            Assert.Equal(warnings, file.Warnings.Count);
        }
        finally
        {
            File.Delete(path);
        }
    }

    [Fact]
    public void A_file_that_is_not_there_is_one_sentence()
    {
        ConfigurationFaultsException e = Assert.Throws<ConfigurationFaultsException>(() => WgFileReader.Read("/nonexistent/wg0.conf", WgDialect.Wg));
        Assert.Equal("/nonexistent/wg0.conf: there is no such file; give the path of a wg file.", e.Message);
    }

    [Fact]
    public void Ten_thousand_peers_are_read_in_a_moment()
    {
        StringBuilder text = new("[Interface]\n");
        byte[] key = new byte[32];
        for (int i = 0; i < 10_000; i++)
        {
            BitConverter.TryWriteBytes(key, i + 1);
            text.Append($"[Peer]\nPublicKey = {Convert.ToBase64String(key)}\nAllowedIPs = 10.{i >> 8}.{i & 255}.1/32\n");
        }

        System.Diagnostics.Stopwatch watch = System.Diagnostics.Stopwatch.StartNew();
        using WgFile file = Parse(text.ToString());
        Assert.Equal(10_000, file.Peers.Count);
        Assert.True(watch.ElapsedMilliseconds < 2000, $"{watch.ElapsedMilliseconds} ms");
    }

    [Fact]
    public void A_million_damaged_files_are_read_or_refused()
    {
        int seed = Environment.TickCount;
        output.WriteLine($"seed {seed}");
        Random random = new(seed);
        string[] pieces =
        [
            "[Interface]\n", "[Peer]\n", "PublicKey = " + KeyA + "\n", "PrivateKey=" + Secret + "\n", "AllowedIPs = 10.0.0.0/8, ::/0\n", "Endpoint = [::1]:5\n", "Endpoint=a:1\n",
            "FwMark = 0x1f\n", "ListenPort = 7\n", "# name\n", "Address = 10.0.0.1/8\n", "DNS = 1.1.1.1, a.b\n", "MTU = 1400\n", "Table = 7\n", "PostUp = x %i\n", "=\n", "[\n", "\0", "PersistentKeepalive = off\n",
        ];
        byte[][] samples = [.. pieces.Select(Encoding.UTF8.GetBytes)];
        byte[] buffer = new byte[1024];
        int read = 0;
        for (int i = 0; i < 1_000_000; i++)
        {
            int length = 0;
            for (int count = random.Next(6); count >= 0; count--)
            {
                byte[] piece = samples[random.Next(samples.Length)];
                piece.CopyTo(buffer, length);
                length += piece.Length;
            }

            for (int flips = random.Next(3); flips > 0; flips--)
            {
                buffer[random.Next(length)] = (byte)random.Next(256);
            }

            if (TryParse(buffer.AsSpan(0, length - random.Next(2)), (WgDialect)(i & 1)))
            {
                read++;
            }
        }

        output.WriteLine($"{read} were read");
        Assert.InRange(read, 10_000, 990_000);
    }

    private static bool TryParse(ReadOnlySpan<byte> bytes, WgDialect dialect)
    {
        if (!WgFileReader.TryParse(bytes, "f", dialect, out WgFile? file, out List<ConfigurationFault> faults))
        {
            Assert.NotEmpty(faults);
            return false;
        }

        file.Dispose();
        return true;
    }
}
