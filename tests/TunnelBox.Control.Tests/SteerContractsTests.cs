namespace TunnelBox.Control.Tests;

public sealed class SteerContractsTests
{
    public static TheoryData<string> Examples => JsonSchema.Examples("steer");

    [Theory]
    [MemberData(nameof(Examples))]
    public void An_example_is_as_the_schema_says_and_is_what_is_written(string file) => JsonSchema.Holds("steer", file, SteerJson.Default.SteerAnswer);

    [Fact]
    public void The_schema_knows_every_member_and_no_other()
    {
        JsonSchema schema = JsonSchema.Load("steer");
        Assert.Equal(JsonSchema.Names(SteerJson.Default.SteerAnswer), schema.Members());
        Assert.Equal(JsonSchema.Names(SteerJson.Default.SteerBackend), schema.Members("backend"));
        Assert.Equal(JsonSchema.Names(SteerJson.Default.SteerRule), schema.Members("rule"));
        Assert.Equal(JsonSchema.Names(SteerJson.Default.SteerPeer), schema.Members("peer"));
    }
}
