using TunnelBox.Linux.Processes;

namespace TunnelBox.Linux.Tests.Processes;

public sealed class ChildProcessTests
{
    [Theory]
    [InlineData("exit 0", 0)]
    [InlineData("exit 7", 7)]
    [InlineData("kill -TERM $$", 128 + 15)]
    public void The_exit_code_is_that_of_a_shell(string script, int code) => Assert.Equal(code, Shell(script).Wait());

    [Fact]
    public void A_missing_program_is_named()
    {
        IOException fault = Assert.Throws<IOException>(() => ChildProcess.Start(new ChildProcessOptions("/nowhere/program", ["program"])));
        Assert.Equal("Cannot start /nowhere/program: No such file or directory.", fault.Message);
    }

    [Fact]
    public void The_child_gets_the_named_descriptors_and_no_others()
    {
        using ReadinessPipe pipe = ReadinessPipe.Create();
        using ReadinessPipe other = ReadinessPipe.Create();
        int named = pipe.WriteDescriptor;
        ChildProcess child = Shell($"printf 'F\\001' >/proc/self/fd/{named}; exec ls /proc/self/fd >/proc/self/fd/{named}", [named]);
        pipe.CloseWriteEnd();
        ReadinessReport report = pipe.Wait(TimeSpan.FromSeconds(20));
        Assert.Equal(0, child.Wait());
        // 3 is the listing's own.
        Assert.Equal(["0", "1", "2", "3", named.ToString()], report.Sentence.Split('\n', StringSplitOptions.RemoveEmptyEntries).OrderBy(static text => int.Parse(text)));
        Assert.NotEqual(named, other.WriteDescriptor);
    }

    [Fact]
    public void A_new_session_has_no_terminal_and_leads_itself()
    {
        using ReadinessPipe pipe = ReadinessPipe.Create();
        ChildProcess child = ChildProcess.Start(new ChildProcessOptions("/bin/sh", ["sh", "-c", $"printf 'F\\001' >/proc/self/fd/{pipe.WriteDescriptor}; cut -d' ' -f6,7 /proc/$$/stat >/proc/self/fd/{pipe.WriteDescriptor}"])
        {
            NewSession = true,
            Quiet = true,
            Descriptors = [pipe.WriteDescriptor],
        });
        pipe.CloseWriteEnd();
        ReadinessReport report = pipe.Wait(TimeSpan.FromSeconds(20));
        Assert.Equal(0, child.Wait());
        Assert.Equal($"{child.Id} 0\n", report.Sentence);
    }

    [Fact]
    public void Variables_are_added_replaced_and_taken_away()
    {
        Environment.SetEnvironmentVariable("TB_TEST_TAKEN", "1");
        ChildProcess child = ChildProcess.Start(
            new ChildProcessOptions("/bin/sh", ["sh", "-c", "[ \"$TB_TEST_ADDED\" = 'a b=ü' ] && [ -z \"$TB_TEST_TAKEN\" ] && [ -n \"$PATH\" ]"])
            {
                Environment = new Dictionary<string, string?> { ["TB_TEST_ADDED"] = "a b=ü", ["TB_TEST_TAKEN"] = null },
            });
        Assert.Equal(0, child.Wait());
    }

    [Fact]
    public void No_signal_is_ignored_or_blocked_in_the_child()
    {
        // The runtime ignores SIGPIPE; a child that inherited that would not notice a reader who has gone.
        // Signals 1 to 31; the C library keeps 32 for itself. By exec, because a shell blocks signals for a moment when it forks.
        ChildProcess child = Shell("exec awk '/^Sig(Ign|Blk):/ { seen++; if ($2 !~ /[08]0000000$/) bad++ } END { exit seen != 2 || bad }' /proc/self/status");
        Assert.Equal(0, child.Wait());
    }

    [Fact]
    public void A_killed_child_is_told_by_its_signal()
    {
        ChildProcess child = Shell("sleep 100");
        child.Kill();
        Assert.Equal(128 + 9, child.Wait());
    }

    internal static ChildProcess Shell(string script, IReadOnlyList<int>? descriptors = null) =>
        ChildProcess.Start(new ChildProcessOptions("/bin/sh", ["sh", "-c", script]) { Quiet = true, Descriptors = descriptors ?? [] });
}
