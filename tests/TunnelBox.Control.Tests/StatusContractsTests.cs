using System.Text.Json;

namespace TunnelBox.Control.Tests;

public sealed class StatusContractsTests
{
    public static TheoryData<string> Examples => JsonSchema.Examples("status");

    [Theory]
    [MemberData(nameof(Examples))]
    public void An_example_is_as_the_schema_says_and_is_what_is_written(string file) => JsonSchema.Holds("status", file, StatusJson.Default.StatusDocument);

    [Fact]
    public void The_schema_knows_every_member_and_no_other()
    {
        JsonSchema schema = JsonSchema.Load("status");
        Assert.Equal(JsonSchema.Names(StatusJson.Default.InterfaceReport), schema.Members("interface"));
        Assert.Equal(JsonSchema.Names(StatusJson.Default.DeviceReport), schema.Members("device"));
        Assert.Equal(JsonSchema.Names(StatusJson.Default.WorkerReport), schema.Members("worker"));
        Assert.Equal(JsonSchema.Names(StatusJson.Default.QueueReport), schema.Members("queue"));
        Assert.Equal(JsonSchema.Names(StatusJson.Default.PeerReport), schema.Members("peer"));
        Assert.Equal(JsonSchema.Names(StatusJson.Default.SessionReport), schema.Members("session"));
    }

    [Theory]
    [InlineData("""{"version":2,"interfaces":[]}""", "$.version")]
    [InlineData("""{"version":1}""", "interfaces is missing")]
    [InlineData("""{"version":1,"interfaces":[],"more":1}""", "more is unknown")]
    [InlineData("""{"version":1,"interfaces":[{"device":3,"peers":[]}]}""", "$.interfaces[0].device")]
    public void The_check_finds_faults(string text, string fault)
    {
        using JsonDocument document = JsonDocument.Parse(text);
        Assert.Contains(fault, Assert.Single(JsonSchema.Load("status").Faults(document.RootElement)), StringComparison.Ordinal);
    }
}
