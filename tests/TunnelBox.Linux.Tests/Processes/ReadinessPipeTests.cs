using System.Diagnostics;
using TunnelBox.Linux.Processes;

namespace TunnelBox.Linux.Tests.Processes;

public sealed class ReadinessPipeTests
{
    private static readonly TimeSpan s_deadline = TimeSpan.FromSeconds(20);

    [Fact]
    public void Ready_is_heard_while_the_child_lives_on()
    {
        using ReadinessPipe pipe = ReadinessPipe.Create();
        ChildProcess child = ChildProcessTests.Shell($"printf R >/proc/self/fd/{pipe.WriteDescriptor}; sleep 100", [pipe.WriteDescriptor]);
        pipe.CloseWriteEnd();
        Assert.Equal(new ReadinessReport(ReadinessOutcome.Ready, 0, string.Empty), pipe.Wait(s_deadline));
        child.Kill();
        child.Wait();
    }

    [Fact]
    public void A_failure_brings_its_code_and_sentence()
    {
        using ReadinessPipe pipe = ReadinessPipe.Create();
        using (ReadinessNotifier notifier = ReadinessNotifier.Open(pipe.DetachWriteEnd())!)
        {
            Assert.True(notifier.Failed(3, "Das Gerät fehlt."));
        }

        Assert.Equal(new ReadinessReport(ReadinessOutcome.Failed, 3, "Das Gerät fehlt."), pipe.Wait(s_deadline));
    }

    [Fact]
    public void A_long_sentence_is_cut_and_arrives()
    {
        using ReadinessPipe pipe = ReadinessPipe.Create();
        Assert.True(ReadinessNotifier.Open(pipe.DetachWriteEnd())!.Failed(1, new string('x', 100_000)));
        Assert.Equal(ReadinessPipe.MaximumSentence, pipe.Wait(s_deadline).Sentence.Length);
    }

    [Fact]
    public void A_child_that_dies_without_a_word_is_noticed_at_once()
    {
        using ReadinessPipe pipe = ReadinessPipe.Create();
        ChildProcess child = ChildProcessTests.Shell("kill -KILL $$", [pipe.WriteDescriptor]);
        pipe.CloseWriteEnd();
        Assert.Equal(ReadinessOutcome.Silent, pipe.Wait(s_deadline).Outcome);
        Assert.Equal(128 + 9, child.Wait());
    }

    [Fact]
    public void A_child_that_says_nothing_is_not_waited_for_for_ever()
    {
        using ReadinessPipe pipe = ReadinessPipe.Create();
        long start = Stopwatch.GetTimestamp();
        Assert.Equal(ReadinessOutcome.TimedOut, pipe.Wait(TimeSpan.FromMilliseconds(200)).Outcome);
        Assert.InRange(Stopwatch.GetElapsedTime(start).TotalSeconds, 0.19, 10);
    }

    [Fact]
    public void Nobody_waiting_is_told_to_the_child()
    {
        using ReadinessPipe pipe = ReadinessPipe.Create();
        using ReadinessNotifier notifier = ReadinessNotifier.Open(pipe.DetachWriteEnd())!;
        pipe.CloseReadEnd();
        Assert.False(notifier.Ready());
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("x")]
    [InlineData("1")]
    [InlineData("-5")]
    [InlineData("999999")]
    public void Without_a_pipe_there_is_no_notifier(string? descriptor) => Assert.Null(ReadinessNotifier.Open(descriptor));
}
