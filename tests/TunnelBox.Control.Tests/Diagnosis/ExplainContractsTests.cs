using TunnelBox.Control.Diagnosis;

namespace TunnelBox.Control.Tests.Diagnosis;

public sealed class ExplainContractsTests
{
    public static TheoryData<string> Examples => JsonSchema.Examples("explain");

    [Theory]
    [MemberData(nameof(Examples))]
    public void An_example_is_as_the_schema_says_and_is_what_is_written(string file) => JsonSchema.Holds("explain", file, DiagnosisJson.Default.ExplainReport);

    [Fact]
    public void The_schema_knows_every_member_and_no_other()
    {
        JsonSchema schema = JsonSchema.Load("explain");
        Assert.Equal(JsonSchema.Names(DiagnosisJson.Default.ExplainReport), schema.Members());
        Assert.Equal(JsonSchema.Names(DiagnosisJson.Default.RouteReport), schema.Members("route"));
        Assert.Equal(JsonSchema.Names(DiagnosisJson.Default.SessionReport), schema.Members("session"));
        Assert.Equal(JsonSchema.Names(DiagnosisJson.Default.ExplainFault), schema.Members("fault"));
    }
}
