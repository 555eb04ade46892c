using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace TunnelBox.Control.Tests;

public sealed class StatusContractsTests
{
    public static TheoryData<string> Examples => [.. Directory.GetFiles(Path.Combine(JsonSchema.Folder, "examples"), "status-*.json").Select(path => Path.GetFileName(path)!)];

    [Theory]
    [MemberData(nameof(Examples))]
    public void An_example_is_as_the_schema_says_and_is_what_is_written(string file)
    {
        string text = File.ReadAllText(Path.Combine(JsonSchema.Folder, "examples", file));
        using JsonDocument document = JsonDocument.Parse(text);
        Assert.Empty(JsonSchema.Load("status").Faults(document.RootElement));
        StatusDocument read = JsonSerializer.Deserialize(text, StatusJson.Default.StatusDocument)!;
        StatusJson json = new(new JsonSerializerOptions(StatusJson.Default.Options) { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping });
        Assert.Equal(text, JsonSerializer.Serialize(read, json.StatusDocument) + "\n");
    }

    [Fact]
    public void The_schema_knows_every_member_and_no_other()
    {
        JsonSchema schema = JsonSchema.Load("status");
        Assert.Equal(Names(StatusJson.Default.InterfaceReport), schema.Members("interface"));
        Assert.Equal(Names(StatusJson.Default.DeviceReport), schema.Members("device"));
        Assert.Equal(Names(StatusJson.Default.PeerReport), schema.Members("peer"));
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

    private static IEnumerable<string> Names(JsonTypeInfo type) => type.Properties.Select(member => member.Name);
}
