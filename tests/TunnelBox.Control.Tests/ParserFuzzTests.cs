using System.Diagnostics;
using System.Net;
using System.Text;
using TunnelBox.Configuration;
using TunnelBox.Tunnelctl;

namespace TunnelBox.Control.Tests;

/// <summary>Wrong input by the thousand: a parser says what is wrong, and never crashes or hangs.</summary>
public sealed class ParserFuzzTests
{
    private const string Key = "YAnz5TF+lXXJte14tji3zlMNftqLzahdQUbGpNa0rUc=";
    private const string Hex = "6009f3e5317e9575c9b5ed78b638b7ce530d7eda8bcda85d4146c6a4d6b4ad47";
    private const int SeedLength = 1000;

    private static readonly byte[][] Files = Corpus(
        $"[Interface]\nPrivateKey = {Key}\nListenPort = 51820\nFwMark = 0x20\n\n[Peer]\n# office\nPublicKey = {Key}\nPresharedKey = {Key}\nAllowedIPs = 10.0.0.0/8, fd00::/64\nEndpoint = [::1]:51820\nPersistentKeepalive = 25\n",
        $"[Interface]\nAddress = 10.1.0.1/24, fd00::1/64\nDNS = 10.1.0.1, example.org\nMTU = 1400\nTable = off\nPreUp = true %i\nPostDown = :\nSaveConfig = true\nPrivateKey = {Key}\n[Peer]\nPublicKey={Key}\nAllowedIPs=+0.0.0.0/0,-::/0\nEndpoint=vpn.example.org:1\n");

    private static readonly byte[][] Replies = Corpus(
        $"private_key={Hex}\nlisten_port=51820\nfwmark=7\npublic_key={Hex}\npreshared_key={Hex}\nendpoint=[fe80::1%1]:7\nlast_handshake_time_sec=1700000000\nlast_handshake_time_nsec=7\nrx_bytes=1\ntx_bytes=2\npersistent_keepalive_interval=25\nallowed_ip=10.0.0.0/8\nallowed_ip=fd00::/8\nprotocol_version=1\nerrno=0\n");

    private static readonly byte[][] Requests = Corpus(
        $"private_key={Hex}\nlisten_port=51820\nfwmark=0\nreplace_peers=true\npublic_key={Hex}\nupdate_only=true\npreshared_key={Hex}\nendpoint=192.0.2.1:7\npersistent_keepalive_interval=25\nreplace_allowed_ips=true\nallowed_ip=10.0.0.0/8\nallowed_ip=-fd00::/8\n",
        $"public_key={Hex}\nremove=true\nprotocol_version=1\n");

    private static readonly byte[][] Lines = Corpus(
        "show wg0 dump", "show all", "show interfaces", "showconf wg0", "setconf wg0 /nonexistent/f", "pubkey", "genkey x", "strip /nonexistent/wg0.conf", "status wg0 --json",
        "complete -- set nosuch0 peer x allowed-ips", "complete -- show", "ping nosuch0 office --count 3 --interval 1 --handshake", "up /nonexistent/wg0.conf", "down --help", "--version",
        $"set nosuch0 listen-port 1 fwmark 0x20 private-key /dev/null peer {Key} remove preshared-key /dev/null endpoint 192.0.2.1:7 persistent-keepalive off allowed-ips +10.0.0.0/8,-::/0 update-only");

    private static readonly SetSources Sources = new(
        _ => throw new UsageException("There is no such peer."), _ => new byte[32], _ => new ResolvedEndpoint([IPAddress.Loopback], null), _ => { });

    /// <summary>The parsers under test.</summary>
    public enum Parser
    {
        /// <summary>wg and wg-quick files.</summary>
        File,

        /// <summary>Answers to get=1.</summary>
        Reply,

        /// <summary>set=1.</summary>
        Request,

        /// <summary>tunnelctl's arguments: usage, completion and values.</summary>
        Arguments,
    }

    [Theory]
    [InlineData(Parser.File)]
    [InlineData(Parser.Reply)]
    [InlineData(Parser.Request)]
    [InlineData(Parser.Arguments)]
    public void Wrong_input_is_refused_and_nothing_worse(Parser parser) => Run(parser, firstSeed: 1, seeds: 13);

    [Theory]
    [Trait("Tier", "all")]
    [InlineData(Parser.File)]
    [InlineData(Parser.Reply)]
    [InlineData(Parser.Request)]
    [InlineData(Parser.Arguments)]
    public void A_quarter_of_a_million_wrong_inputs_are_refused_and_nothing_worse(Parser parser) => Run(parser, firstSeed: 1000, seeds: 251);

    private static void Run(Parser parser, int firstSeed, int seeds)
    {
        (byte[][] corpus, Action<byte[]> parse, byte separator) = parser switch
        {
            Parser.File => (Files, File, (byte)'\n'),
            Parser.Reply => (Replies, Reply, (byte)'\n'),
            Parser.Request => (Requests, Request, (byte)'\n'),
            _ => (Lines, (Action<byte[]>)Arguments, (byte)' '),
        };
        for (int seed = firstSeed; seed < firstSeed + seeds; seed++)
        {
            Mutator mutator = new(seed, separator);
            for (int i = 0; i < SeedLength; i++)
            {
                byte[] input = mutator.Next(corpus);
                long start = Stopwatch.GetTimestamp();
                try
                {
                    parse(input);
                }
                catch (Exception e)
                {
                    Assert.Fail($"{parser}, seed {seed}, input {i}: {e.GetType().Name} {e.Message}\n{Convert.ToHexString(input)}\n{e.StackTrace}");
                }

                Assert.True(Stopwatch.GetElapsedTime(start) < TimeSpan.FromSeconds(5), $"{parser}, seed {seed}, input {i} took too long:\n{Convert.ToHexString(input)}");
            }
        }
    }

    private static void File(byte[] input)
    {
        foreach (WgDialect dialect in (WgDialect[])[WgDialect.Wg, WgDialect.Quick])
        {
            if (WgFileReader.TryParse(input, "fuzz.conf", dialect, out WgFile? file, out List<ConfigurationFault> faults))
            {
                using (file)
                using (MemoryStream written = new())
                {
                    // What was read can be written, and read again.
                    WgFileWriter.Write(file, written, quick: dialect == WgDialect.Quick);
                    Assert.True(WgFileReader.TryParse(written.ToArray(), "again.conf", dialect, out WgFile? again, out faults), string.Join('\n', faults));
                    again.Dispose();
                }
            }
            else
            {
                Assert.NotEmpty(faults);
                Assert.All(faults, fault => Assert.DoesNotContain(fault.ToString(), char.IsControl));
            }
        }
    }

    private static void Reply(byte[] input)
    {
        using UapiReplyParser parser = new("fuzz0");
        foreach (Range range in new ReadOnlySpan<byte>(input).Split((byte)'\n'))
        {
            if (input[range].Length > 0 && !parser.Line(input[range]))
            {
                return;
            }
        }

        using MemoryStream sink = new();
        using SecretWriter text = new(sink);
        ShowText show = new(text, new ShowStyle(Color: true, true, 1_700_000_000));
        show.Pretty(parser.Device);
        Assert.True(show.Field(parser.Device, "dump", true));
    }

    private static void Request(byte[] input)
    {
        UapiRequest request = new();
        foreach (Range range in new ReadOnlySpan<byte>(input).Split((byte)'\n'))
        {
            if (input[range].Length > 0)
            {
                request.Line(input[range]);
            }
        }

        Assert.InRange(request.Error, -4095, 0);
        request.Change.Wipe();
    }

    private static void Arguments(byte[] input)
    {
        string[] words = [.. Encoding.UTF8.GetString(input).Split(' ').Select(word => word.Replace("\0", string.Empty, StringComparison.Ordinal))];
        _ = CompleteCommand.Candidates(words).Count();
        _ = CommandLine.Clean(words[0]);
        _ = Nearest.Question(words[0], Verb.All.Select(verb => verb.Name));
        if (words[0] == "set" && words.Length > 2)
        {
            try
            {
                SetCommand.Parse(words[2..], Sources, []).Wipe();
            }
            catch (Exception e) when (e is UsageException or ControlException or ConfigurationFaultsException)
            {
                Assert.DoesNotContain(e.Message, char.IsControl);
            }
        }

        foreach (string word in words)
        {
            byte[] bytes = Encoding.UTF8.GetBytes(word);
            _ = WgValues.Endpoint(bytes, out _);
            _ = WgValues.FirewallMark(bytes, out _);
            _ = WgValues.Keepalive(bytes, out _);
            _ = WgValues.AllowedIps(bytes, [], []);
        }
    }

    private static byte[][] Corpus(params string[] texts) => [.. texts.Select(Encoding.UTF8.GetBytes)];
}
