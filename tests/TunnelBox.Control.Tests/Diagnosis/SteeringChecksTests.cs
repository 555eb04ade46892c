using TunnelBox.Control.Diagnosis;

namespace TunnelBox.Control.Tests.Diagnosis;

public sealed class SteeringChecksTests
{
    private static readonly SteerRule s_bad = new()
    {
        Match = "00000001",
        Backend = "n-tuple",
        State = "failed",
        Reason = "ineffective",
        Queue = 3,
        Seen = 1,
        Misses = 16,
        PeerName = "office",
    };

    [Fact]
    public void A_rule_without_effect_is_found_with_where_its_packets_come_in()
    {
        Finding finding = Assert.Single(Look(new SteerBackend { Name = "n-tuple", Failed = 1 }, s_bad));
        Assert.Equal(CheckStatus.Warn, finding.Status);
        Assert.Equal("A steering rule of n-tuple for office is installed but ineffective: packets come in by queue 1 instead of 3; it was withdrawn.", finding.Message);
    }

    [Fact]
    public void A_refusal_is_told_with_its_error()
    {
        Finding finding = Assert.Single(Look(new SteerBackend { Name = "n-tuple", Failed = 2 }, s_bad with { Reason = "refused", Error = "EINVAL" }));
        Assert.Equal("2 steering rules were refused by n-tuple: EINVAL.", finding.Message);
    }

    [Theory]
    [InlineData("map")]
    [InlineData("reuseport")]
    public void A_card_that_was_asked_for_and_could_not_be_had_is_told_with_why(string held)
    {
        Finding finding = Assert.Single(Check(DiagnosisContexts.Healthy() with
        {
            Steering = new SteerAnswer
            {
                Interface = "wg0",
                Setting = "hw",
                Choice = "map alone: eth0 has one receive queue, so there is nothing to steer",
                Backends = [new SteerBackend { Name = held, Verified = 2 }],
                Rules = [],
            },
        }));
        Assert.Equal(CheckStatus.Warn, finding.Status);
        Assert.Equal(
            "The setting Steering asks for rules in the card, which has none (map alone: eth0 has one receive queue, so there is nothing to steer).",
            finding.Message);
    }

    [Fact]
    public void Rules_with_effect_pass_and_nothing_steered_is_skipped()
    {
        Assert.Equal(CheckStatus.Pass, Assert.Single(Look(new SteerBackend { Name = "map", Verified = 2, Evicted = 1 }, s_bad with { Reason = "full" })).Status);
        Assert.Equal(CheckStatus.Skip, Assert.Single(Check(DiagnosisContexts.Healthy())).Status);
    }

    private static Finding[] Look(SteerBackend backend, SteerRule rule) => Check(DiagnosisContexts.Healthy() with
    {
        Steering = new SteerAnswer { Interface = "wg0", Setting = backend.Name == "map" ? "map" : "hw", Backends = [backend], Rules = [rule] },
    });

    private static Finding[] Check(DoctorContext context) => [.. Doctor.Find("steering").Run(context, CancellationToken.None)];
}
