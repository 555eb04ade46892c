using System.Net;
using System.Numerics;
using TunnelBox.EndToEnd.Tests.Harness;
using Xunit.Abstractions;

namespace TunnelBox.EndToEnd.Tests;

/// <summary>The relay of <c>interop/impair</c>: each kind of harm, by what comes out of real sockets and by its own counts, which must agree.</summary>
[Trait("Load", "light")]
public class ImpairmentTests(ITestOutputHelper output) : EndToEndTest(output)
{
    private const int Count = 2000, Size = 100;

    [Fact]
    public async Task A_good_network_passes_all_in_order_both_ways()
    {
        await using BadNetwork network = await BadNetwork.StartAsync(Lab, 1);
        List<Arrival> arrived = await network.PassAsync(Count, Size);
        Assert.Equal(Enumerable.Range(0, Count), arrived.Select(NumberOf));
        Assert.All(arrived, static one => Assert.Equal(BadNetwork.Numbered(NumberOf(one), Size), one.Bytes));
        network.Second.SendTo([4, 1, 2], network.Addresses.B);
        network.First.ReceiveTimeout = 5000;
        byte[] back = new byte[10];
        Assert.Equal(3, network.First.Receive(back));
        RelayCounts counts = await network.EndAsync(back: true);
        Assert.Equal((1, 1), (counts.Received, counts.Sent));
    }

    [Fact]
    public async Task What_is_lost_is_counted()
    {
        await using BadNetwork network = await BadNetwork.StartAsync(Lab, 2, "loss 20%");
        List<Arrival> arrived = await network.PassAsync(Count, Size);
        RelayCounts counts = await network.EndAsync();
        Assert.Equal(Count - arrived.Count, counts.Lost);
        // Five standard deviations around 400.
        Assert.InRange(counts.Lost, 310, 490);
    }

    [Fact]
    public async Task What_is_held_back_is_overtaken_and_not_lost()
    {
        await using BadNetwork network = await BadNetwork.StartAsync(Lab, 3, "reorder 25% 8");
        int[] arrived = [.. (await network.PassAsync(Count, Size)).Select(NumberOf)];
        Assert.Equal(Enumerable.Range(0, Count), arrived.Order());
        Assert.True(arrived.Zip(arrived.Skip(1)).Count(static pair => pair.Second < pair.First) > Count / 50, "nothing was overtaken");
        RelayCounts counts = await network.EndAsync();
        Assert.InRange(counts.Reordered, 400, 600);
        Assert.Equal(counts.Reordered, counts.Delayed);
    }

    [Fact]
    public async Task What_is_repeated_comes_twice_and_never_more()
    {
        await using BadNetwork network = await BadNetwork.StartAsync(Lab, 4, "duplicate 10");
        int[] times = [.. (await network.PassAsync(Count, Size)).GroupBy(NumberOf).Select(static group => group.Count())];
        RelayCounts counts = await network.EndAsync();
        Assert.Equal(Count, times.Length);
        Assert.Equal(counts.Duplicated, times.Count(static one => one == 2));
        Assert.Equal(Count - counts.Duplicated, times.Count(static one => one == 1));
        Assert.InRange(counts.Duplicated, 130, 270);
    }

    [Fact]
    public async Task What_is_damaged_differs_in_one_bit()
    {
        await using BadNetwork network = await BadNetwork.StartAsync(Lab, 5, "corrupt 10");
        List<Arrival> arrived = await network.PassAsync(Count, Size);
        RelayCounts counts = await network.EndAsync();
        // In order, so that the place tells the number even where that is what was damaged.
        int[] bits = [.. arrived.Select(static (one, place) => one.Bytes.Zip(BadNetwork.Numbered(place, Size), static (a, b) => BitOperations.PopCount((uint)(a ^ b))).Sum())];
        Assert.Equal(counts.Corrupted, bits.Count(static one => one == 1));
        Assert.Equal(Count - counts.Corrupted, bits.Count(static one => one == 0));
        Assert.InRange(counts.Corrupted, 130, 270);
    }

    [Fact]
    public async Task What_is_delayed_comes_later_and_jitter_spreads_it()
    {
        await using BadNetwork network = await BadNetwork.StartAsync(Lab, 6, "delay 60", "jitter 40");
        List<Arrival> arrived = await network.PassAsync(200, Size);
        RelayCounts counts = await network.EndAsync();
        Assert.Equal(200, counts.Delayed);
        Assert.Equal(200, arrived.Count);
        Assert.All(arrived, static one => Assert.True(one.Time >= TimeSpan.FromMilliseconds(60), $"after {one.Time}"));
        Assert.True(arrived.Zip(arrived.Skip(1)).Any(static pair => NumberOf(pair.Second) < NumberOf(pair.First)), "the jitter moved nothing");
    }

    [Fact]
    public async Task A_slow_line_takes_its_time_and_what_waits_too_long_is_lost()
    {
        // 1,000 bytes with their headers take 8.2 ms; the queue holds 100 ms of them.
        await using BadNetwork network = await BadNetwork.StartAsync(Lab, 7, "rate 1");
        List<Arrival> arrived = await network.PassAsync(100, 1000);
        RelayCounts counts = await network.EndAsync();
        Assert.Equal(100 - arrived.Count, counts.Queue);
        Assert.InRange(counts.Queue, 1, 90);
        Assert.True(arrived[^1].Time - arrived[0].Time >= (arrived.Count - 1) * TimeSpan.FromMilliseconds(8), $"{arrived.Count} within {arrived[^1].Time - arrived[0].Time}");
    }

    [Fact]
    public async Task What_is_larger_than_the_line_is_lost()
    {
        await using BadNetwork network = await BadNetwork.StartAsync(Lab, 8, "mtu 1280");
        Assert.Equal(10, (await network.PassAsync(10, 1252)).Count);
        Assert.Empty(await network.PassAsync(10, 1253));
        Assert.Equal(10, (await network.EndAsync()).Mtu);
    }

    [Fact]
    public async Task An_end_sees_the_other_at_a_new_address_and_the_old_one_is_dead()
    {
        await using BadNetwork network = await BadNetwork.StartAsync(Lab, 9);
        IPEndPoint before = Assert.Single(await network.PassAsync(1, Size)).From;
        Assert.Equal(network.Addresses.B, before);
        await network.CommandAsync("roam b 127.0.0.2");
        IPEndPoint first = Assert.Single(await network.PassAsync(1, Size)).From;
        Assert.Equal(IPAddress.Parse("127.0.0.2"), first.Address);
        await network.CommandAsync("roam b 127.0.0.3");
        IPEndPoint second = Assert.Single(await network.PassAsync(1, Size)).From;
        Assert.Equal(IPAddress.Parse("127.0.0.3"), second.Address);

        // An answer gets through from the address it has now, and from the one that an end is configured with; not from the one in between.
        network.First.ReceiveTimeout = 5000;
        byte[] back = new byte[10];
        foreach ((IPEndPoint to, byte number) in new[] { (first, (byte)1), (second, (byte)2), (network.Addresses.B, (byte)3) })
        {
            network.Second.SendTo([4, number], to);
            if (!to.Equals(first))
            {
                Assert.Equal(2, network.First.Receive(back));
                Assert.Equal(number, back[1]);
            }
        }

        RelayCounts counts = await network.EndAsync(back: true);
        Assert.Equal((3, 2, 1), (counts.Received, counts.Sent, counts.Stale));
    }

    [Fact]
    public async Task The_same_seed_does_the_same_and_another_one_something_else()
    {
        string[] bad = ["loss 10", "reorder 25 3", "duplicate 5", "corrupt 5"];
        string[] first = await RunAsync(20, bad), again = await RunAsync(20, bad), other = await RunAsync(21, bad);
        Assert.Equal(first, again);
        Assert.NotEqual(first, other);

        // Each kind of harm is drawn by itself: without loss the same ones are repeated and damaged.
        string[] gentle = await RunAsync(20, bad[1..]);
        Assert.Superset(new HashSet<string>(first), new HashSet<string>(gentle));
        Assert.True(gentle.Length > first.Length, "loss changed nothing");
    }

    [Fact]
    public async Task A_wrong_command_changes_nothing_and_is_told()
    {
        await using BadNetwork network = await BadNetwork.StartAsync(Lab, 10);
        foreach (string wrong in new[] { "loss 101", "loss -1", "loss much", "rain 5", "mtu 5 5", "roam c 127.0.0.1", "roam b 203.0.113.1", new string('x', 2000) })
        {
            await network.WriteAsync(wrong);
            await network.ExpectAsync($"error: {wrong.Split(' ')[0][..Math.Min(15, wrong.Split(' ')[0].Length)]}");
        }

        Assert.Equal(100, (await network.PassAsync(100, Size)).Count);
    }

    private static int NumberOf(Arrival one) => BitConverter.ToInt32(one.Bytes, 4);

    // What arrived, whatever its order: that depends on the machine's time, too.
    private async Task<string[]> RunAsync(ulong seed, string[] commands)
    {
        await using BadNetwork network = await BadNetwork.StartAsync(Lab, seed, commands);
        return [.. (await network.PassAsync(Count, Size)).Select(static one => Convert.ToHexString(one.Bytes)).Order(StringComparer.Ordinal)];
    }
}
