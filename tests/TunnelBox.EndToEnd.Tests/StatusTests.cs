using System.Text.Json;
using TunnelBox.Control.Tests;
using TunnelBox.EndToEnd.Tests.Harness;
using Xunit.Abstractions;

namespace TunnelBox.EndToEnd.Tests;

/// <summary>What an operator sees and does with tunnelctl on a running tunnel: names, states, pings, reloads under traffic.</summary>
public class StatusTests(ITestOutputHelper output) : EndToEndTest(output)
{
    private static string Tunnelctl => TunnelProgram.Tunnelctl;

    [Fact]
    public async Task A_peer_has_a_name_and_a_state_and_answers_pings()
    {
        TunnelPair pair = await TunnelPair.BuildAsync(Lab);
        TunnelEnd first = pair.First;
        await CtlAsync(first, "syncconf", first.Interface, Lab.WriteFile("names.conf", FileOf(pair, quick: false)));
        JsonElement peer = await PeerAsync(first);
        Assert.Equal(("office", "never"), (peer.GetProperty("name").GetString(), peer.GetProperty("state").GetString()));

        string pings = (await CtlAsync(first, "ping", first.Interface, "office", "--count", "3", "--interval", "0.1")).Output;
        Assert.Contains($"office at {TunnelPair.Second4} through {first.Interface}", pings, StringComparison.Ordinal);
        Assert.Contains("3 sent, 3 received, 0% lost", pings, StringComparison.Ordinal);
        Assert.Contains("1 sent, 1 received", (await CtlAsync(first, "ping", pair.Second.Keys.Public[..20], "--address", TunnelPair.Second6, "--count", "1", "-i", "0.1")).Output, StringComparison.Ordinal);
        Assert.Equal("active", (await PeerAsync(first)).GetProperty("state").GetString());
        Assert.Contains("office: active, heard", (await CtlAsync(first, "status")).Output, StringComparison.Ordinal);

        // A verb that takes a peer takes its name, and says what was perhaps meant.
        await CtlAsync(first, "set", first.Interface, "peer", "office", "persistent-keepalive", "21");
        Assert.Equal(21, (await first.PeerAsync(pair.Second)).Keepalive);
        CommandResult unknown = await first.Space.TryAsync([Tunnelctl, "set", first.Interface, "peer", "offce", "remove"]);
        Assert.Equal((2, true), (unknown.ExitCode, unknown.Error.Contains("Did you mean office?", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task A_fresh_handshake_is_timed_once_in_five_seconds_and_a_silent_peer_is_found_out()
    {
        TunnelPair pair = await TunnelPair.BuildAsync(Lab);
        TunnelEnd first = pair.First;
        string key = pair.Second.Keys.Public;
        Assert.Matches(@"took [0-9.]+ ms", (await CtlAsync(first, "ping", key, "--handshake")).Output);
        Assert.NotEqual(0, (await first.PeerAsync(pair.Second)).LatestHandshake);
        CommandResult again = await first.Space.TryAsync([Tunnelctl, "ping", key, "--handshake"]);
        Assert.Equal((1, true), (again.ExitCode, again.Error.Contains("one in 5 s is allowed", StringComparison.Ordinal)));

        // Its packets no longer arrive: the old handshake is young, but the peer owes an answer.
        await pair.Second.Space.IpAsync($"link set {pair.SecondLink} down");
        await Task.Delay(TimeSpan.FromSeconds(5), Lab.Deadline);
        CommandResult lost = await first.Space.TryAsync([Tunnelctl, "ping", key, "--handshake"]);
        Assert.Equal((1, true), (lost.ExitCode, lost.Error.Contains("did not answer a handshake", StringComparison.Ordinal)));
        await Eventually.TrueAsync(
            async () => (await PeerAsync(first)).GetProperty("state").GetString() == "silent", static () => "the peer is not called silent", Lab.Deadline);

        await pair.Second.Space.IpAsync($"link set {pair.SecondLink} up");
        await Eventually.TrueAsync(
            async () => (await PeerAsync(first)).GetProperty("state").GetString() == "active", static () => "the peer is not called active again", Lab.Deadline);
    }

    [Theory]
    [InlineData("syncconf")]
    [InlineData("reload")]
    public async Task Nothing_is_lost_while_a_file_is_loaded_again(string verb)
    {
        const int Count = 16_000, Rate = 2_000, Size = 300, Extra = 40;
        TunnelPair pair = await TunnelPair.BuildAsync(Lab);
        TunnelEnd first = pair.First;
        await pair.ExpectPingsAsync();
        bool quick = verb == "reload";
        string[] more = new string[Extra];
        for (int i = 0; i < Extra; i++)
        {
            more[i] = $"\n[Peer]\n# extra {i}\nPublicKey = {(await TunnelKeys.MakeAsync(Lab.Deadline)).Public}\nAllowedIPs = 10.99.{i}.0/24\n";
        }

        string name = quick ? first.Interface + ".conf" : "sync.conf";
        string[] command = quick ? ["reload", Path.Combine(Lab.Folder, name)] : ["syncconf", first.Interface, Path.Combine(Lab.Folder, name)];
        long handshake = (await first.PeerAsync(pair.Second)).LatestHandshake;
        Task<DatagramCount> there = Transfer.UdpAsync(Lab, first.Inner, pair.Second.Inner, TunnelPair.Second4, Count, Rate, Size);
        Task<DatagramCount> back = Transfer.UdpAsync(Lab, pair.Second.Inner, first.Inner, TunnelPair.First4, Count, Rate, Size);
        int loaded = 0;
        while (!there.IsCompleted || !back.IsCompleted)
        {
            // Peers come and go, an allowed IP of the one that stays too. A reload keeps a port that the file leaves open.
            string text = FileOf(pair, quick, loaded % 2 == 0 ? ", 10.98.0.0/16" : string.Empty) + string.Concat(more.Take(loaded % 3 * (Extra / 2)));
            text = quick ? text.Replace("ListenPort", "# ListenPort", StringComparison.Ordinal) : text;
            Lab.WriteFile(name, text);
            await CtlAsync(first, command);
            loaded++;
            await Task.Delay(100, Lab.Deadline);
        }

        (await there).Expect(0);
        (await back).Expect(0);
        Assert.True(loaded >= 5, $"{loaded} loads were under traffic");
        Assert.Equal(handshake, (await first.PeerAsync(pair.Second)).LatestHandshake);
    }

    [Fact]
    public async Task A_reload_changes_routes_and_addresses_and_a_faulty_file_changes_nothing()
    {
        TunnelPair pair = await TunnelPair.BuildAsync(Lab);
        TunnelEnd first = pair.First;
        string path = Path.Combine(Lab.Folder, first.Interface + ".conf");
        Lab.WriteFile(first.Interface + ".conf", FileOf(pair, quick: true, ", 10.98.0.0/16, fd98::/64").Replace("Address = ", "Address = 10.97.0.1/24, ", StringComparison.Ordinal));
        await CtlAsync(first, "reload", path);
        string after = await StateAsync(first);
        Assert.Contains($"10.98.0.0/16 dev {first.Interface}", after, StringComparison.Ordinal);
        Assert.Contains($"fd98::/64 dev {first.Interface}", after, StringComparison.Ordinal);
        Assert.Contains("10.97.0.1/24", after, StringComparison.Ordinal);

        foreach ((string from, string to) in new[] { ("PublicKey = ", "PublicKey = x"), ("ListenPort = ", "ListenPort = 9"), ("Endpoint = ", "Endpoint = nowhere.invalid:1 #"), ("[Peer]", "[Pear]") })
        {
            Lab.WriteFile(first.Interface + ".conf", FileOf(pair, quick: true).Replace(from, to, StringComparison.Ordinal));
            CommandResult refused = await first.Space.TryAsync(["env", "WG_ENDPOINT_RESOLUTION_RETRIES=0", Tunnelctl, "reload", path]);
            Assert.True(refused.ExitCode is 1 or 2 && refused.Error.Length > 0, $"{to}: {refused}");
            Assert.Equal(after, await StateAsync(first));
        }

        Lab.WriteFile(first.Interface + ".conf", FileOf(pair, quick: true));
        CommandResult again = await CtlAsync(first, "reload", path);
        Assert.Contains("10.97.0.1/24 is not in the file", again.Error, StringComparison.Ordinal);
        string last = await StateAsync(first);
        Assert.DoesNotContain("10.98.0.0/16", last, StringComparison.Ordinal);
        Assert.DoesNotContain("fd98::/64", last, StringComparison.Ordinal);
        Assert.Contains("192.168.241.0/24 dev", last, StringComparison.Ordinal);
        await pair.ExpectPingsAsync();
    }

    private static string FileOf(TunnelPair pair, bool quick, string moreIps = "") => $"""
        [Interface]
        PrivateKey = {pair.First.Keys.Private}
        ListenPort = {TunnelPair.FirstPort}
        {(quick ? $"Address = {TunnelPair.First4}/24, {TunnelPair.First6}/64" : string.Empty)}

        [Peer]
        # friendly_name = office
        PublicKey = {pair.Second.Keys.Public}
        AllowedIPs = {TunnelPair.Second4}/32, {TunnelPair.Second6}/128{moreIps}
        Endpoint = {pair.SecondEndpoint}

        """;

    private static Task<CommandResult> CtlAsync(TunnelEnd end, params string[] words) => end.Space.RunAsync([Tunnelctl, .. words]);

    private static async Task<JsonElement> PeerAsync(TunnelEnd end)
    {
        using JsonDocument document = JsonDocument.Parse((await CtlAsync(end, "status", end.Interface, "--json")).Output);
        Assert.Empty(JsonSchema.Load("status").Faults(document.RootElement));
        return document.RootElement.GetProperty("interfaces")[0].GetProperty("peers")[0].Clone();
    }

    private static async Task<string> StateAsync(TunnelEnd end) =>
        (await end.Space.RunAsync("ip", "route")).Output + (await end.Space.RunAsync("ip", "-6", "route")).Output
        + (await end.Space.RunAsync("ip", "-o", "address", "show", "dev", end.Interface)).Output
        + (await end.Space.RunAsync("wg", "showconf", end.Interface)).Output;
}
