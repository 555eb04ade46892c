using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text;
using TunnelBox.Configuration;

namespace TunnelBox.Control;

/// <summary>What an endpoint as written turned out to be.</summary>
/// <param name="Addresses">Every address, in the resolver's order; at least one.</param>
/// <param name="At">When the resolver answered; null where the endpoint was written as an address.</param>
public sealed record ResolvedEndpoint(IReadOnlyList<IPAddress> Addresses, DateTimeOffset? At);

/// <summary>
/// Turns endpoints as written into addresses, several names at a time, asking the resolver again where it could not answer
/// (wg(8), WG_ENDPOINT_RESOLUTION_RETRIES). A name is asked for once. One thread uses it.
/// </summary>
/// <param name="progress">Told of each wait, and after 2 s of what it is that takes so long.</param>
/// <param name="cancelled">Asked while waiting whether to give up; null for never.</param>
public sealed class EndpointResolver(Action<string> progress, Func<bool>? cancelled = null)
{
    /// <summary>The environment variable with the number of further attempts, or "infinity".</summary>
    public const string RetriesVariable = "WG_ENDPOINT_RESOLUTION_RETRIES";

    /// <summary>Most names asked for at a time.</summary>
    public const int Concurrency = 16;

    private const int DefaultRetries = 15;
    private static readonly TimeSpan s_look = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan s_firstWord = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan s_nextWord = TimeSpan.FromSeconds(5);

    private readonly Dictionary<string, ResolvedEndpoint> _known = new(StringComparer.Ordinal);

    /// <summary>Gets or sets what asks the system's resolver; may block for long.</summary>
    internal Func<string, IPAddress[]> Lookup { get; set; } = Dns.GetHostAddresses;

    /// <summary>Finds what an earlier call made of an endpoint.</summary>
    /// <param name="endpoint">The endpoint.</param>
    /// <returns>What it is, or null where it was not asked for.</returns>
    public ResolvedEndpoint? Find(HostPort endpoint) => _known.GetValueOrDefault(endpoint.Host);

    /// <summary>Resolves an endpoint.</summary>
    /// <param name="endpoint">The endpoint.</param>
    /// <returns>The first address that the resolver gives.</returns>
    /// <exception cref="ControlException">The name does not resolve.</exception>
    public IPEndPoint Resolve(HostPort endpoint) => new(Look(endpoint).Addresses[0], endpoint.Port);

    /// <summary>Resolves an endpoint to all that the resolver gives.</summary>
    /// <param name="endpoint">The endpoint.</param>
    /// <returns>What it is.</returns>
    /// <exception cref="ControlException">The name does not resolve.</exception>
    public ResolvedEndpoint Look(HostPort endpoint)
    {
        ResolveAll([endpoint]);
        return _known[endpoint.Host];
    }

    /// <summary>Resolves endpoints, so that <see cref="Resolve"/> has them at hand.</summary>
    /// <param name="endpoints">The endpoints.</param>
    /// <exception cref="ControlException">A name does not resolve, or it was cancelled.</exception>
    public void ResolveAll(IEnumerable<HostPort> endpoints)
    {
        ArgumentNullException.ThrowIfNull(endpoints);
        Dictionary<string, HostPort> names = new(StringComparer.Ordinal);
        foreach (HostPort endpoint in endpoints)
        {
            if (_known.ContainsKey(endpoint.Host))
            {
                continue;
            }

            if (IpText.TryParseEndpoint(Encoding.ASCII.GetBytes(endpoint.ToString()), out IPEndPoint numeric))
            {
                _known[endpoint.Host] = new ResolvedEndpoint([numeric.Address], null);
            }
            else
            {
                names.TryAdd(endpoint.Host, endpoint);
            }
        }

        if (names.Count > 0)
        {
            Ask(names);
        }
    }

    private static int Retries()
    {
        string? text = Environment.GetEnvironmentVariable(RetriesVariable);
        if (text is null)
        {
            return DefaultRetries;
        }

        if (text == "infinity")
        {
            return -1;
        }

        return IpText.TryParseDecimal(Encoding.UTF8.GetBytes(text), int.MaxValue, out uint number)
            ? (int)number
            : throw new ControlException($"{RetriesVariable}: \"{text}\" is no number of retries; 0 to {int.MaxValue} or \"infinity\" is allowed.", ControlFailure.Wrong);
    }

    private static ControlException Failed(HostPort endpoint, string why, Exception? inner) => new(
        $"{endpoint}: the name does not resolve: {why}; check it, and the resolver in /etc/resolv.conf.", ControlFailure.Failed, inner);

    private void Ask(Dictionary<string, HostPort> names)
    {
        Round round = new(names.Values, Retries());
        for (int i = 0; i < Math.Min(Concurrency, names.Count); i++)
        {
            // Threads of their own, since the resolver may hang; in the background, so that none holds up the end of the program.
            new Thread(() => Work(round), 256 * 1024) { IsBackground = true, Name = "resolver" }.Start();
        }

        try
        {
            Await(round, names);
        }
        finally
        {
            round.Stop.Set();
        }
    }

    private void Await(Round round, Dictionary<string, HostPort> names)
    {
        long start = Stopwatch.GetTimestamp();
        TimeSpan nextWord = s_firstWord;
        for (int done = 0; done < names.Count;)
        {
            if (round.Done.TryTake(out Answer answer, s_look))
            {
                _known[answer.Endpoint.Host] = answer.Resolved ?? throw answer.Fault!;
                done++;
            }

            while (round.Words.TryDequeue(out string? word))
            {
                progress(word);
            }

            if (cancelled?.Invoke() == true)
            {
                throw new ControlException("Interrupted while names were being resolved.");
            }

            if (Stopwatch.GetElapsedTime(start) >= nextWord)
            {
                nextWord += s_nextWord;
                string[] waiting = [.. names.Keys.Except(_known.Keys)];
                progress($"Resolving names: {names.Count - waiting.Length} of {names.Count} done, waiting for {string.Join(", ", waiting.Take(3))}{(waiting.Length > 3 ? $" and {waiting.Length - 3} more" : string.Empty)}.");
            }
        }
    }

    private void Work(Round round)
    {
        while (!round.Stop.IsSet && round.Waiting.TryDequeue(out HostPort endpoint))
        {
            try
            {
                if (Patiently(endpoint, round) is { } resolved)
                {
                    round.Done.Add(new Answer(endpoint, resolved, null));
                }
            }
            catch (ControlException e)
            {
                round.Done.Add(new Answer(endpoint, null, e));
            }
        }
    }

    private ResolvedEndpoint? Patiently(HostPort endpoint, Round round)
    {
        int retries = round.Retries;
        double seconds = 1;
        while (true)
        {
            try
            {
                IPAddress[] addresses = Lookup(endpoint.Host);
                return addresses.Length > 0 ? new ResolvedEndpoint(addresses, DateTimeOffset.UtcNow) : throw Failed(endpoint, "it has no address", null);
            }
            catch (SocketException e) when (e.SocketErrorCode == SocketError.TryAgain && retries != 0)
            {
                retries -= retries > 0 ? 1 : 0;
                round.Words.Enqueue($"{endpoint}: the name does not resolve yet; trying again in {seconds:F1} s.");
                if (round.Stop.Wait(TimeSpan.FromSeconds(seconds)))
                {
                    return null;
                }

                seconds = Math.Min(20, seconds * 1.2);
            }
            catch (SocketException e)
            {
                throw Failed(endpoint, e.Message.TrimEnd('.'), e);
            }
        }
    }

    private readonly record struct Answer(HostPort Endpoint, ResolvedEndpoint? Resolved, ControlException? Fault);

    /// <summary>What the asking threads share; it outlives a call that gives up on a name that hangs.</summary>
    private sealed class Round(IEnumerable<HostPort> names, int retries)
    {
        public ConcurrentQueue<HostPort> Waiting { get; } = new(names);

        public BlockingCollection<Answer> Done { get; } = [];

        public ConcurrentQueue<string> Words { get; } = new();

        public ManualResetEventSlim Stop { get; } = new();

        public int Retries { get; } = retries;
    }
}
