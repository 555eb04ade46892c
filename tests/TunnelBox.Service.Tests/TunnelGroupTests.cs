using System.Net.Sockets;
using System.Text;

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

    [Fact]
    public async Task The_manager_hears_of_life_only_while_every_tunnel_moves()
    {
        string folder = Directory.CreateTempSubdirectory("tbgroup").FullName;
        using Socket manager = new(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified) { ReceiveTimeout = 10_000 };
        manager.Bind(new UnixDomainSocketEndPoint(Path.Combine(folder, "notify")));
        using SystemdNotifier notifier = SystemdNotifier.Open(Path.Combine(folder, "notify"), "300000")!;
        TunnelGroup group = new(null, notifier);
        using ManualResetEventSlim end = new();
        Probes[] probes = [new(), new()];
        TunnelGroup.Member[] members = [.. probes.Select((each, i) => group.Add($"tb{i}", each))];
        Assert.All(members, static member => Assert.Equal(TimeSpan.FromMilliseconds(100), member.Beat));
        Task<int> run = Task.Run(() => group.Run([.. members.Select(member => (Action)(() =>
        {
            Assert.True(member.Arrive());
            end.Wait();
        }))]));
        Assert.StartsWith("READY=1\n", Receive(manager), StringComparison.Ordinal);
        foreach (Probes each in probes)
        {
            Assert.Equal("WATCHDOG=1", Receive(manager));
            each.Live = static () => "the worker tb-worker-0 has not moved";
            await Task.Delay(300);
            while (manager.Available > 0)
            {
                _ = Receive(manager);
            }

            await Task.Delay(500);
            Assert.Equal(0, manager.Available);
            each.Live = static () => null;
        }

        Assert.Equal("WATCHDOG=1", Receive(manager));
        end.Set();
        Assert.Equal(ExitCodes.Done, await run);
        Directory.Delete(folder, recursive: true);
    }

    private static string Receive(Socket socket)
    {
        byte[] buffer = new byte[4096];
        return Encoding.UTF8.GetString(buffer, 0, socket.Receive(buffer));
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
