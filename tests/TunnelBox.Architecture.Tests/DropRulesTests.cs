namespace TunnelBox.Architecture.Tests;

/// <summary>Holds this repository to the drop rules, and shows on small broken houses that each rule notices its violation.</summary>
public sealed class DropRulesTests : IDisposable
{
    private readonly string _root = Directory.CreateTempSubdirectory("tb-drops-").FullName;

    public void Dispose() => Directory.Delete(_root, recursive: true);

    [Fact]
    public void Drops_go_through_one_method() => Holds(DropRules.DropsGoThroughOneMethod);

    [Fact]
    public void Nothing_is_dropped_for_no_reason() => Holds(DropRules.NothingIsDroppedForNoReason);

    [Fact]
    public void Done_means_handed_on() => Holds(DropRules.DoneMeansHandedOn);

    [Fact]
    public void Answers_that_can_be_drops_are_taken() => Holds(DropRules.AnswersAreTaken);

    [Fact]
    public void Every_reason_is_given_by_code() => Holds(DropRules.EveryReasonIsGiven);

    [Fact]
    public void Every_reason_is_produced_by_a_test() => Holds(DropRules.EveryReasonIsProduced);

    [Theory]
    [InlineData("burst.Verdict[i] = Verdict.Dropped;")]
    [InlineData("v = DataPath.Verdict.Dropped;")]
    public void A_drop_beside_the_method_is_noticed(string code) => Notices(DropRules.DropsGoThroughOneMethod, code);

    [Theory]
    [InlineData("burst.Drop(i, DropReason.None);")]
    [InlineData("_output.Dropped(DropReason.None, 1, 0);")]
    public void A_drop_for_no_reason_is_noticed(string code) => Notices(DropRules.NothingIsDroppedForNoReason, code);

    [Fact]
    public void A_packet_that_is_called_done_is_noticed() => Notices(DropRules.DoneMeansHandedOn, "burst.Verdict[i] = Verdict.Done;");

    [Theory]
    [InlineData("; output.SendDatagram(bytes, to);")]
    [InlineData("{ _ = tunnel.HandleHandshake(bytes, from, to); }")]
    [InlineData("} peer.Staged.Add(bytes);")]
    public void An_ignored_answer_is_noticed(string code) => Notices(DropRules.AnswersAreTaken, code);

    [Fact]
    public void A_reason_that_nobody_gives_or_produces_is_noticed()
    {
        Write("src/TunnelBox.Visibility/DropReason.cs", "enum DropReason\n{\n    None = 0,\n    InOne,\n    OutTwo,\n}\n");
        Write("src/TunnelBox.DataPath/Thing.cs", "// DropReason.OutTwo\nburst.Drop(i, DropReason.InOne);");
        Write("tests/TunnelBox.DataPath.Tests/ThingTests.cs", "Assert.Equal(DropReason.OutTwo, reason);");
        var house = new House(_root);
        Assert.Contains("OutTwo", Assert.Single(DropRules.EveryReasonIsGiven(house)), StringComparison.Ordinal);
        Assert.Contains("InOne", Assert.Single(DropRules.EveryReasonIsProduced(house)), StringComparison.Ordinal);
    }

    [Fact]
    public void A_missing_registry_is_noticed() => Assert.Single(DropRules.EveryReasonIsGiven(new House(_root)));

    private static void Holds(Func<House, IEnumerable<string>> rule)
    {
        string[] violations = [.. rule(House.Here)];
        Assert.True(violations.Length == 0, string.Join('\n', violations));
    }

    private void Notices(Func<House, IEnumerable<string>> rule, string code)
    {
        Write("src/TunnelBox.DataPath/Thing.cs", code);
        Assert.Single(rule(new House(_root)));
    }

    private void Write(string path, string text)
    {
        string full = Path.Combine(_root, path);
        Directory.CreateDirectory(Path.GetDirectoryName(full)!);
        File.WriteAllText(full, text);
    }
}
