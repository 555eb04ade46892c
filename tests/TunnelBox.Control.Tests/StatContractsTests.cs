namespace TunnelBox.Control.Tests;

public sealed class StatContractsTests
{
    public static TheoryData<string> Examples => JsonSchema.Examples("stat");

    [Theory]
    [MemberData(nameof(Examples))]
    public void An_example_is_as_the_schema_says_and_is_what_is_written(string file) => JsonSchema.Holds("stat", file, StatJson.Default.StatAnswer);

    [Fact]
    public void The_schema_knows_every_member_and_no_other()
    {
        JsonSchema schema = JsonSchema.Load("stat");
        Assert.Equal(JsonSchema.Names(StatJson.Default.StatAnswer), schema.Members());
        Assert.Equal(JsonSchema.Names(StatJson.Default.StatReason), schema.Members("reason"));
        Assert.Equal(JsonSchema.Names(StatJson.Default.StatWorker), schema.Members("worker"));
        Assert.Equal(JsonSchema.Names(StatJson.Default.StatFlow), schema.Members("port"));
        Assert.Equal(JsonSchema.Names(StatJson.Default.StatStage), schema.Members("stage"));
    }
}
