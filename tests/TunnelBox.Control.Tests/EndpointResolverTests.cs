using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using TunnelBox.Configuration;

namespace TunnelBox.Control.Tests;

public sealed class EndpointResolverTests
{
    private readonly ConcurrentQueue<string> _words = new();

    [Fact]
    public void Every_address_is_kept_and_a_name_is_asked_for_once()
    {
        int asked = 0;
        EndpointResolver resolver = new(_words.Enqueue)
        {
            Lookup = _ =>
            {
                Interlocked.Increment(ref asked);
                return [IPAddress.Parse("192.0.2.1"), IPAddress.Parse("2001:db8::1")];
            },
        };
        resolver.ResolveAll([new HostPort("a.example", 1), new HostPort("a.example", 2)]);
        Assert.Equal(IPEndPoint.Parse("192.0.2.1:2"), resolver.Resolve(new HostPort("a.example", 2)));
        Assert.Equal(1, asked);
        ResolvedEndpoint found = resolver.Find(new HostPort("a.example", 1))!;
        Assert.Equal(["192.0.2.1", "2001:db8::1"], found.Addresses.Select(address => address.ToString()));
        Assert.InRange(DateTimeOffset.UtcNow - found.At!.Value, TimeSpan.Zero, TimeSpan.FromMinutes(1));
        Assert.Equal(IPEndPoint.Parse("[2001:db8::7]:9"), resolver.Resolve(new HostPort("2001:db8::7", 9)));
        Assert.Null(resolver.Find(new HostPort("2001:db8::7", 9))!.At);
        Assert.Equal(1, asked);
    }

    [Fact]
    public void Names_are_asked_for_side_by_side_but_not_all_at_once()
    {
        int now = 0;
        int most = 0;
        Lock gate = new();
        EndpointResolver resolver = new(_words.Enqueue)
        {
            Lookup = _ =>
            {
                lock (gate)
                {
                    most = Math.Max(most, ++now);
                }

                Thread.Sleep(50);
                lock (gate)
                {
                    now--;
                }

                return [IPAddress.Loopback];
            },
        };
        long start = Stopwatch.GetTimestamp();
        resolver.ResolveAll(Enumerable.Range(0, 64).Select(i => new HostPort($"n{i}.example", 1)));
        Assert.InRange(most, 2, EndpointResolver.Concurrency);
        // One after the other they take 3.2 s.
        Assert.InRange(Stopwatch.GetElapsedTime(start), TimeSpan.FromMilliseconds(190), TimeSpan.FromMilliseconds(2500));
    }

    [Fact]
    public void A_name_that_fails_fails_all_though_another_hangs()
    {
        using ManualResetEventSlim never = new();
        EndpointResolver resolver = new(_words.Enqueue)
        {
            Lookup = host => host == "hangs.example" && !never.Wait(TimeSpan.FromSeconds(30)) ? [] : throw new SocketException((int)SocketError.HostNotFound),
        };
        long start = Stopwatch.GetTimestamp();
        ControlException fault = Assert.Throws<ControlException>(() => resolver.ResolveAll([new HostPort("hangs.example", 1), new HostPort("no.example", 2)]));
        Assert.StartsWith("no.example:2: the name does not resolve", fault.Message, StringComparison.Ordinal);
        Assert.True(Stopwatch.GetElapsedTime(start) < TimeSpan.FromSeconds(10));
        never.Set();
    }

    [Fact]
    public void What_takes_more_than_two_seconds_is_told_and_can_be_interrupted()
    {
        using ManualResetEventSlim never = new();
        EndpointResolver resolver = new(_words.Enqueue, () => !_words.IsEmpty)
        {
            Lookup = host => host == "hangs.example" && !never.Wait(TimeSpan.FromSeconds(30)) ? [] : [IPAddress.Loopback],
        };
        Assert.Throws<ControlException>(() => resolver.ResolveAll([new HostPort("hangs.example", 1), new HostPort("a.example", 2)]));
        Assert.Equal("Resolving names: 1 of 2 done, waiting for hangs.example.", Assert.Single(_words));
        never.Set();
    }

    [Fact]
    public void A_resolver_that_cannot_answer_yet_is_asked_again()
    {
        int asked = 0;
        EndpointResolver resolver = new(_words.Enqueue)
        {
            Lookup = _ => ++asked == 1 ? throw new SocketException((int)SocketError.TryAgain) : [IPAddress.Loopback],
        };
        Assert.Equal(new IPEndPoint(IPAddress.Loopback, 7), resolver.Resolve(new HostPort("late.example", 7)));
        Assert.Equal("late.example:7: the name does not resolve yet; trying again in 1.0 s.", Assert.Single(_words));
    }
}
