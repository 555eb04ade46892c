using System.Net.Sockets;
using System.Text;
using TunnelBox.EndToEnd.Tests.Harness;
using Xunit.Abstractions;

namespace TunnelBox.EndToEnd.Tests;

/// <summary>Faults of a device that several tunnels of one process share. After each, all carry packets without loss and every frame is where it belongs.</summary>
public class SharedDeviceFaultTests(ITestOutputHelper output) : EndToEndTest(output, 120)
{
    // Holds one thread still, as nothing else in this program could be, until it is ended.
    private const string Hold = """
        import ctypes, os, sys
        libc = ctypes.CDLL(None, use_errno=True)
        libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
        thread = int(sys.argv[1])
        # PTRACE_SEIZE, PTRACE_INTERRUPT, __WALL
        for request in (0x4206, 0x4207):
            if libc.ptrace(request, thread, None, None) != 0:
                sys.exit(os.strerror(ctypes.get_errno()))
        os.waitpid(thread, 0x40000000)
        print("held", flush=True)
        sys.stdin.read()
        """;

    [Fact]
    [Trait("Tier", "all")]
    public async Task Queues_that_are_switched_on_are_bound_for_all_and_each_tunnels_workers_share_them()
    {
        SharedSite site = await SharedSite.BuildAsync(Lab, new SharedOptions { Queues = 4, Workers = 2 });
        await site.WellAsync();
        await site.Left.RunAsync("ethtool", "-L", site.Link, "rx", "4", "tx", "4");
        await site.Right.RunAsync("ethtool", "-L", site.Far, "rx", "4", "tx", "4");
        foreach (TunnelEnd end in site.Ends)
        {
            await Eventually.TrueWithinAsync(TimeSpan.FromSeconds(6), async () => (await XdpSide.QueuesAsync(end)).Length == 4, "the new queues are not bound");
            Assert.Equal([0, 1, 0, 1], (await XdpSide.QueuesAsync(end)).Select(queue => queue.GetProperty("worker").GetInt32()));
        }

        await site.WellAsync(queues: 4);

        // The other end chooses the queue by the flow, so it sends from one port after another until each worker of each tunnel has had some.
        for (int i = 0; i < 2; i++)
        {
            long[] gained = [0, 0];
            long[] before = await ReceivedAsync(site.Ends[i]);
            for (int port = 0; port < 32 && gained.Min() < 3; port++)
            {
                await site.Peers[i].SetAsync($"listen-port {20_000 + (i * 15_000) + (port * 311)}");
                await Ping.ExpectAsync(site.Peers[i].Inner, SharedSite.Inner(i, 1));
                gained = [.. (await ReceivedAsync(site.Ends[i])).Zip(before, static (now, then) => now - then)];
            }

            Assert.True(gained.Min() >= 3, $"the workers of tunnel {i} had {string.Join(" and ", gained)} datagrams");
        }

        CommandResult fewer = await site.Left.TryAsync("ethtool", "-L", site.Link, "rx", "2", "tx", "2");
        Assert.NotEqual(0, fewer.ExitCode);
        for (int i = 0; i < 2; i++)
        {
            await Ping.ExpectAsync(site.Ends[i].Inner, SharedSite.Inner(i, 2));
            await XdpSide.ExpectFramesHomeAsync(site.Ends[i], queues: 4);
        }
    }

    [Fact]
    [Trait("Tier", "all")]
    public async Task A_device_that_is_made_anew_under_traffic_is_shared_again()
    {
        SharedSite site = await SharedSite.BuildAsync(Lab);
        await site.WellAsync();
        for (int i = 0; i < 2; i++)
        {
            await site.Left.StartAsync(["ping", "-n", "-i", "0.02", SharedSite.Inner(i, 2)]);
        }

        await site.Left.IpAsync($"link del {site.Link}");
        foreach (TunnelEnd end in site.Ends)
        {
            await XdpSide.ExpectAsync(end, "udp");
        }

        await site.RewireAsync();
        await site.WellAsync(seconds: 5);
        Assert.DoesNotContain("frames are under way", site.Ends[0].Daemon.Error + site.Ends[0].Daemon.Output, StringComparison.Ordinal);
    }

    [Fact]
    [Trait("Tier", "all")]
    public async Task One_tunnel_whose_frames_do_not_leave_takes_to_the_sockets_and_the_other_stays()
    {
        SharedSite site = await SharedSite.BuildAsync(Lab, new SharedOptions { OnTop = true });
        await site.WellAsync(mode: "generic");
        await site.Left.RunAsync("tc", "qdisc", "add", "dev", site.Lower, "root", "tbf", "rate", "1kbit", "burst", "2000", "limit", "30m");
        await Transfer.UdpAsync(Lab, site.Ends[0].Inner, site.Peers[0].Inner, SharedSite.Inner(0, 2), 4000, 4000, 1372);
        await XdpSide.ExpectAsync(site.Ends[0], "udp", seconds: 10);
        Assert.Matches($"no XDP on {site.Link} for now: queue 0 has transmitted nothing for 3 s", await XdpSide.TextAsync(site.Ends[0]));
        await XdpSide.ExpectAsync(site.Ends[1], $"xdp:{site.Link}", seconds: 0, mode: "generic");
        await site.Left.RunAsync("tc", "qdisc", "del", "dev", site.Lower, "root");

        // The one that stayed goes on at once, while the other still has the sockets.
        await Ping.UntilAnsweredAsync(site.Ends[1].Inner, SharedSite.Inner(1, 2), TimeSpan.FromSeconds(5));
        foreach (DatagramCount count in await Task.WhenAll(site.Flows(1)))
        {
            count.Expect(0);
        }

        await XdpSide.ExpectFramesHomeAsync(site.Ends[1]);
        await Ping.UntilAnsweredAsync(site.Ends[0].Inner, SharedSite.Inner(0, 2), TimeSpan.FromSeconds(5));
        await site.WellAsync(mode: "generic", seconds: 25);
    }

    [Fact]
    public async Task A_worker_of_any_tunnel_that_stands_still_silences_the_watchdog_until_it_moves_again()
    {
        string notify = Path.Combine(Lab.Folder, "notify");
        using Socket manager = new(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified) { ReceiveTimeout = 20_000 };
        manager.Bind(new UnixDomainSocketEndPoint(notify));
        SharedSite site = await SharedSite.BuildAsync(
            Lab, new SharedOptions { Environment = new Dictionary<string, string?> { ["NOTIFY_SOCKET"] = notify, ["WATCHDOG_USEC"] = "900000" } });
        foreach (TunnelEnd end in site.Ends)
        {
            await XdpSide.ExpectAsync(end, $"xdp:{site.Link}");
        }

        string script = Lab.WriteFile("hold.py", Hold);
        int[] workers = [.. Directory.GetDirectories($"/proc/{site.Ends[0].Daemon.Id}/task")
            .Where(static task => File.ReadAllText($"{task}/comm").StartsWith("tb-worker-", StringComparison.Ordinal)).Select(static task => int.Parse(Path.GetFileName(task)))];
        Assert.Equal(2, workers.Length);
        List<string> silent = [];
        foreach (int worker in workers)
        {
            AwaitBeat(manager);
            int told = site.Ends[0].Daemon.Error.Length;
            RunningProcess holder = await Lab.StartAsync(["python3", script, $"{worker}"]);
            await holder.WaitForOutputAsync("held", Lab.Deadline);
            await Eventually.TrueAsync(
                () => Task.FromResult(site.Ends[0].Daemon.Error[told..].Contains("has not moved", StringComparison.Ordinal)), static () => "the standstill is not told", Lab.Deadline);
            silent.Add(site.Ends.Single(end => site.Ends[0].Daemon.Error[told..].Contains($"{end.Interface}: the worker tb-worker-0 has not moved", StringComparison.Ordinal)).Interface);

            // What was said before, and at most one beat that was on its way.
            await Task.Delay(1000, Lab.Deadline);
            Drain(manager);
            await Task.Delay(2000, Lab.Deadline);
            Assert.Equal(0, manager.Available);
            await holder.SignalAsync("KILL");
            await holder.WaitAsync(Lab.Deadline);
        }

        AwaitBeat(manager);
        Assert.Equal(site.Ends.Select(static end => end.Interface).Order(), silent.Order());
        await site.WellAsync();
    }

    private static void Drain(Socket manager)
    {
        byte[] buffer = new byte[4096];
        while (manager.Available > 0)
        {
            _ = manager.Receive(buffer);
        }
    }

    private static void AwaitBeat(Socket manager)
    {
        Drain(manager);
        byte[] buffer = new byte[4096];
        while (Encoding.UTF8.GetString(buffer, 0, manager.Receive(buffer)) != "WATCHDOG=1")
        {
        }
    }

    private static async Task<long[]> ReceivedAsync(TunnelEnd end)
    {
        Dictionary<string, long> counts = await XdpSide.StatAsync(end);
        return [counts["tb-worker-0.OuterReceivedPackets"], counts["tb-worker-1.OuterReceivedPackets"]];
    }
}
