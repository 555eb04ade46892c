using TunnelBox.Control.Diagnosis;

namespace TunnelBox.Control.Tests.Diagnosis;

public sealed class DoctorContractsTests
{
    public static TheoryData<string> Examples => JsonSchema.Examples("doctor");

    [Theory]
    [MemberData(nameof(Examples))]
    public void An_example_is_as_the_schema_says_and_is_what_is_written(string file) => JsonSchema.Holds("doctor", file, DiagnosisJson.Default.DoctorReport);

    [Fact]
    public void The_schema_knows_every_member_and_no_other()
    {
        JsonSchema schema = JsonSchema.Load("doctor");
        Assert.Equal(JsonSchema.Names(DiagnosisJson.Default.DoctorReport), schema.Members());
        Assert.Equal(JsonSchema.Names(DiagnosisJson.Default.Finding), schema.Members("finding"));
        Assert.Equal(JsonSchema.Names(DiagnosisJson.Default.Guess), schema.Members("guess"));
    }
}
