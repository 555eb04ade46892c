namespace TunnelBox.Control.Tests;

public sealed class MonitorContractsTests
{
    public static TheoryData<string> Examples => JsonSchema.Examples("monitor");

    [Theory]
    [MemberData(nameof(Examples))]
    public void An_example_is_as_the_schema_says_and_is_what_is_written(string file) => JsonSchema.Holds("monitor", file, MonitorJson.Default.MonitorLine);

    [Fact]
    public void The_schema_knows_every_member_and_no_other()
    {
        JsonSchema schema = JsonSchema.Load("monitor");
        Assert.Equal(JsonSchema.Names(MonitorJson.Default.MonitorLine), schema.Members());
    }
}
