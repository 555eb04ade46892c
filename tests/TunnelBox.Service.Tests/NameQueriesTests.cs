using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;

namespace TunnelBox.Service.Tests;

public sealed class NameQueriesTests
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(20);

    [Fact]
    public void A_name_that_hangs_delays_no_other_and_a_failure_is_an_answer()
    {
        using ManualResetEventSlim hang = new();
        using NameQueries queries = new(name => name switch
        {
            "hangs" => hang.Wait(s_patience) ? [] : [IPAddress.None],
            "no" => throw new SocketException((int)SocketError.HostNotFound),
            _ => [IPAddress.Loopback],
        });
        using BlockingCollection<(string Name, NameAnswer Answer)> answers = [];
        foreach (string name in new[] { "hangs", "no", "a", "b" })
        {
            queries.Ask(name, answer => answers.Add((name, answer)));
        }

        Dictionary<string, NameAnswer> got = [];
        while (got.Count < 3)
        {
            Assert.True(answers.TryTake(out (string Name, NameAnswer Answer) next, s_patience), "a name waited for the one that hangs");
            got.Add(next.Name, next.Answer);
        }

        Assert.Equal(["a", "b", "no"], got.Keys.Order(StringComparer.Ordinal));
        Assert.NotNull(got["no"].Fault);
        Assert.Equal(IPAddress.Loopback, Assert.Single(got["a"].Addresses));
        hang.Set();
        Assert.True(answers.TryTake(out (string Name, NameAnswer Answer) last, s_patience));
        Assert.Equal(("hangs", "it has no address"), (last.Name, last.Answer.Fault));
    }

    [Fact]
    public void Only_so_many_are_asked_for_at_a_time_and_all_are_answered()
    {
        const int Names = 4 * NameQueries.Concurrency;
        int now = 0;
        int most = 0;
        Lock gate = new();
        using NameQueries queries = new(_ =>
        {
            lock (gate)
            {
                most = Math.Max(most, ++now);
            }

            Thread.Sleep(5);
            lock (gate)
            {
                now--;
            }

            return [IPAddress.Loopback];
        });
        using CountdownEvent answered = new(Names);
        for (int i = 0; i < Names; i++)
        {
            queries.Ask($"n{i}", _ => answered.Signal());
        }

        Assert.True(answered.Wait(s_patience));
        Assert.InRange(most, 2, NameQueries.Concurrency);
    }
}
