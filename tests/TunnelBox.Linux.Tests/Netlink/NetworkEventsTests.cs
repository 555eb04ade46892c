using System.Diagnostics;
using TunnelBox.Linux.Netlink;

namespace TunnelBox.Linux.Tests.Netlink;

[Trait("Needs", "root")]
public sealed class NetworkEventsTests
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(5);

    [Fact]
    public void Each_kind_of_change_is_told() => PrivateNetwork.Run(() =>
    {
        PrivateNetwork.Ip("link add e0 type veth peer name e0p");
        using NetworkEvents events = NetworkEvents.Open();
        Expect(events, NetworkChange.Links, "link set e0 up");
        Expect(events, NetworkChange.Addresses, "addr add 192.0.2.1/24 dev e0");
        Expect(events, NetworkChange.Addresses, "-6 addr add fd00::1/64 dev e0 nodad");
        Expect(events, NetworkChange.Routes, "route add 198.51.100.0/24 via 192.0.2.7");
        Expect(events, NetworkChange.DefaultRoutes, "route add default via 192.0.2.7");
        Expect(events, NetworkChange.DefaultRoutes, "route del default");
        Expect(events, NetworkChange.DefaultRoutes, "-6 route add default via fd00::7");
        Expect(events, NetworkChange.Rules, "rule add fwmark 7 table 7");
        Expect(events, NetworkChange.Rules, "-6 rule add fwmark 7 table 7");
        Expect(events, NetworkChange.Links, "link set e0 mtu 1400");
        Expect(events, NetworkChange.Links, "link del e0");
    });

    [Fact]
    public void What_is_told_again_or_is_the_tunnels_own_is_no_change() => PrivateNetwork.Run(() =>
    {
        PrivateNetwork.Ip("link add e0 type veth peer name e0p");
        PrivateNetwork.Ip("link add own0 type veth peer name own0p");
        using NetworkEvents events = NetworkEvents.Open();
        using NetworkSettings settings = NetworkSettings.Open();
        events.Passed = settings.FindLink("own0")!.Index;
        Expect(events, NetworkChange.Links, "link set e0 up");
        Expect(events, NetworkChange.Addresses, "addr add 192.0.2.1/24 dev e0 valid_lft 600 preferred_lft 600");
        _ = Settle(events);
        PrivateNetwork.Ip("addr change 192.0.2.1/24 dev e0 valid_lft 900 preferred_lft 900");
        PrivateNetwork.Ip("link set own0 up");
        PrivateNetwork.Ip("addr add 203.0.113.1/24 dev own0");
        PrivateNetwork.Ip("route add default dev own0 table 4711");
        PrivateNetwork.Ip("link set own0 mtu 1300");
        Assert.Equal(NetworkChange.None, Settle(events));
    });

    [Fact]
    public void An_overrun_is_told_as_a_loss_and_then_the_next_change_is_heard() => PrivateNetwork.Run(() =>
    {
        PrivateNetwork.Ip("link add e0 type veth peer name e0p");
        PrivateNetwork.Ip("link set e0 up");
        using NetworkEvents events = NetworkEvents.Open(receiveBytes: 4096);
        using NetworkSettings settings = NetworkSettings.Open();
        Link link = settings.FindLink("e0")!;
        for (int i = 0; i < 1000; i++)
        {
            settings.Add(new Route(new System.Net.IPNetwork(new System.Net.IPAddress([10, (byte)(i / 250), (byte)(i % 250), 0]), 24), link.Index, Route.MainTable));
        }

        Assert.Equal(NetworkChange.Lost, Settle(events) & NetworkChange.Lost);
        Expect(events, NetworkChange.Rules, "rule add fwmark 7 table 7");
    });

    [Fact]
    public void A_wake_ends_the_wait() => PrivateNetwork.Run(() =>
    {
        using NetworkEvents events = NetworkEvents.Open();
        long start = Stopwatch.GetTimestamp();
        Assert.Equal(NetworkChange.None, events.Wait(TimeSpan.FromMilliseconds(50)));
        Assert.True(Stopwatch.GetElapsedTime(start) >= TimeSpan.FromMilliseconds(45));
        events.Wake();
        start = Stopwatch.GetTimestamp();
        Assert.Equal(NetworkChange.None, events.Wait(s_patience));
        Assert.True(Stopwatch.GetElapsedTime(start) < s_patience);
    });

    [Fact]
    public void Damaged_notifications_are_judged_without_a_crash() => PrivateNetwork.Run(() =>
    {
        using NetworkEvents events = NetworkEvents.Open();
        int seed = Environment.TickCount;
        Random random = new(seed);
        ushort[] types = [Rtnetlink.RTM_NEWLINK, Rtnetlink.RTM_DELLINK, Rtnetlink.RTM_NEWADDR, Rtnetlink.RTM_DELADDR, Rtnetlink.RTM_NEWROUTE, Rtnetlink.RTM_DELROUTE, Rtnetlink.RTM_NEWRULE];
        byte[] buffer = new byte[96];
        for (int i = 0; i < 200_000; i++)
        {
            random.NextBytes(buffer);
            int length = random.Next(buffer.Length + 1);
            if (length >= 16)
            {
                BitConverter.TryWriteBytes(buffer, random.Next(8) == 0 ? random.Next() : length);
                BitConverter.TryWriteBytes(buffer.AsSpan(4), types[random.Next(types.Length)]);
                buffer[16] = random.Next(3) switch { 0 => Rtnetlink.AF_UNSPEC, 1 => Rtnetlink.AF_INET, _ => Rtnetlink.AF_INET6 };
            }

            _ = events.Judge(buffer.AsSpan(0, length));
        }
    });

    private static void Expect(NetworkEvents events, NetworkChange change, string ip)
    {
        PrivateNetwork.Ip(ip);
        NetworkChange seen = NetworkChange.None;
        long start = Stopwatch.GetTimestamp();
        while ((seen & change) == NetworkChange.None && Stopwatch.GetElapsedTime(start) < s_patience)
        {
            seen |= events.Wait(TimeSpan.FromMilliseconds(100));
        }

        Assert.True((seen & change) == change, $"ip {ip}: {seen} was told, {change} was due");
        _ = Settle(events);
    }

    private static NetworkChange Settle(NetworkEvents events)
    {
        NetworkChange all = NetworkChange.None;
        for (int quiet = 0; quiet < 3; quiet++)
        {
            NetworkChange change = events.Wait(TimeSpan.FromMilliseconds(50));
            all |= change;
            quiet = change == NetworkChange.None ? quiet : -1;
        }

        return all;
    }
}
