namespace TunnelBox.Control.Tests;

public sealed class ShowContractsTests
{
    public static TheoryData<string> Examples => JsonSchema.Examples("show");

    [Theory]
    [MemberData(nameof(Examples))]
    public void An_example_is_as_the_schema_says_and_is_what_is_written(string file) => JsonSchema.Holds("show", file, ShowJson.Default.ShowDocument);

    [Fact]
    public void The_schema_knows_every_member_and_no_other()
    {
        JsonSchema schema = JsonSchema.Load("show");
        Assert.Equal(JsonSchema.Names(ShowJson.Default.ShowDocument), schema.Members());
        Assert.Equal(JsonSchema.Names(ShowJson.Default.ShowInterface), schema.Members("interface"));
        Assert.Equal(JsonSchema.Names(ShowJson.Default.ShowPeer), schema.Members("peer"));
    }

    [Fact]
    public void What_another_daemon_tells_is_taken_over_without_its_secrets()
    {
        using DeviceState device = new("wg9") { PrivateKey = [.. Enumerable.Range(1, 32).Select(i => (byte)i)], ListenPort = 7 };
        device.Peers.Add(new PeerStatus(default) { PresharedKey = [.. Enumerable.Repeat((byte)0xA5, 32)], HandshakeSeconds = long.MaxValue, HandshakeNanoseconds = long.MaxValue });
        device.Peers.Add(new PeerStatus(default) { HandshakeSeconds = 1, HandshakeNanoseconds = 500_000_000 });
        ShowInterface shown = ShowInterface.Of(device);
        string text = System.Text.Json.JsonSerializer.Serialize(new ShowDocument { Interfaces = [shown] }, ShowJson.Default.ShowDocument);
        Assert.DoesNotContain(Convert.ToBase64String(device.PrivateKey), text, StringComparison.Ordinal);
        Assert.DoesNotContain(Convert.ToBase64String(device.Peers[0].PresharedKey!), text, StringComparison.Ordinal);
        Assert.True(shown.Peers[0].HasPresharedKey);
        Assert.Equal(9999, shown.Peers[0].LatestHandshake!.Value.Year);
        Assert.Equal(DateTimeOffset.UnixEpoch.AddSeconds(1.5), shown.Peers[1].LatestHandshake);
    }
}
