namespace TunnelBox.Service.Tests;

public sealed class TunnelGroupTests
{
    [Fact]
    public void Tunnels_start_one_after_the_other_and_the_run_ends_with_the_last()
    {
        TunnelGroup group = new(null, null);
        List<string> told = [];
        using CountdownEvent up = new(2);
        Action[] lives = [.. new[] { "one", "two" }.Select(name => Life(group.Add(name, new Probes()), name, told, up))];
        Assert.Equal(ExitCodes.Done, group.Run(lives));
        Assert.Equal(["one starts", "two starts"], told.Take(2));
        Assert.Equal(["one is up: True", "two is up: True"], told.Skip(2).Order());
    }

    [Fact]
    public void Where_one_cannot_start_those_before_it_end_those_behind_it_do_not_begin_and_the_sentence_names_it()
    {
        TunnelGroup group = new(null, null);
        List<string> told = [];
        using CountdownEvent up = new(1);
        TunnelGroup.Member[] members = [.. new[] { "one", "two", "three" }.Select(name => group.Add(name, new Probes()))];
        StartException fault = Assert.Throws<StartException>(() => group.Run(
            [Life(members[0], "one", told, up), static () => throw new StartException("no device"), Life(members[2], "three", told, up)]));
        Assert.Equal("two: no device", fault.Message);
        Assert.Equal(["one starts", "one is up: False"], told);
    }

    [Fact]
    public void Faults_of_a_file_stand_as_they_are()
    {
        TunnelGroup group = new(null, null);
        _ = group.Add("one", new Probes());
        StartException fault = Assert.Throws<StartException>(() => group.Run([static () => throw new StartException("a.conf:1: Port: wrong", ExitCodes.WrongInput)]));
        Assert.Equal(("a.conf:1: Port: wrong", ExitCodes.WrongInput), (fault.Message, fault.ExitCode));
    }

    [Fact]
    public void One_that_ends_before_all_are_up_ends_the_start()
    {
        TunnelGroup group = new(null, null);
        _ = group.Add("one", new Probes());
        _ = group.Add("two", new Probes());
        Assert.Contains("before all tunnels were up", Assert.Throws<StartException>(() => group.Run([static () => { }, static () => { }])).Message, StringComparison.Ordinal);
    }

    private static Action Life(TunnelGroup.Member member, string name, List<string> told, CountdownEvent up) => () =>
    {
        lock (told)
        {
            told.Add($"{name} starts");
        }

        bool isUp = member.Arrive();
        lock (told)
        {
            told.Add($"{name} is up: {isUp}");
        }

        up.Signal();
        Assert.True(up.Wait(5000));
    };
}
