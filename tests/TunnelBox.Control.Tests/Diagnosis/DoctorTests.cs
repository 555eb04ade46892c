using System.Diagnostics;
using TunnelBox.Control.Diagnosis;

namespace TunnelBox.Control.Tests.Diagnosis;

public sealed class DoctorTests
{
    [Fact]
    public void A_check_that_hangs_is_skipped_and_the_others_are_told_within_the_budget()
    {
        using ManualResetEventSlim released = new();
        DoctorCheck hangs = new("hangs", "nothing", (_, _) =>
        {
            released.Wait(CancellationToken.None);
            return [];
        });
        DoctorCheck fails = new("fails", "nothing", static (_, _) => [new Finding { Status = CheckStatus.Fail, Message = "It is broken.", Cause = Causes.Mtu }]);
        long began = Stopwatch.GetTimestamp();
        DoctorReport report = Doctor.Run(DiagnosisContexts.Healthy(), [hangs, fails]);
        Assert.InRange(Stopwatch.GetElapsedTime(began), TimeSpan.Zero, Doctor.Budget + TimeSpan.FromSeconds(2));
        released.Set();
        Assert.Equal([("fails", CheckStatus.Fail), ("hangs", CheckStatus.Skip)], report.Findings.Select(finding => (finding.Check, finding.Status)));
    }

    [Fact]
    public void Evidence_goes_before_guesses_and_each_cause_is_told_once()
    {
        DoctorCheck guesses = new("guesses", "nothing", static (_, _) =>
            [new Finding { Status = CheckStatus.Fail, Message = "No answer.", Guesses = [new Guess(Causes.Firewall, "Look."), new Guess(Causes.Mtu, "Look.")] }]);
        DoctorCheck knows = new("knows", "nothing", static (_, _) => [new Finding { Status = CheckStatus.Fail, Message = "It is narrow.", Cause = Causes.Mtu }]);
        Assert.Equal([Causes.Mtu, Causes.Firewall], Doctor.Suspects(Doctor.Run(DiagnosisContexts.Healthy(), [guesses, knows])));
    }

    [Fact]
    public void A_check_that_is_none_is_refused_with_the_nearest()
    {
        Assert.All(Doctor.All, check => Assert.Same(check, Doctor.Find(check.Name)));
        Assert.Contains("Did you mean keepalive?", Assert.Throws<ControlException>(() => Doctor.Find("keepalife")).Message, StringComparison.Ordinal);
    }
}
