namespace TunnelBox.Control.Tests;

public sealed class TraceLineTests
{
    public static TheoryData<string> Examples => JsonSchema.Examples("trace");

    [Theory]
    [MemberData(nameof(Examples))]
    public void An_example_is_as_the_schema_says_and_is_what_is_written(string file) => JsonSchema.Holds("trace", file, TraceLineJson.Default.TraceLine);

    [Fact]
    public void The_schema_knows_every_member_and_no_other()
    {
        JsonSchema schema = JsonSchema.Load("trace");
        Assert.Equal(JsonSchema.Names(TraceLineJson.Default.TraceLine), schema.Members());
        Assert.Equal(JsonSchema.Names(TraceLineJson.Default.TraceStage), schema.Members("stage"));
    }
}
