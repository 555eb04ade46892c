using TunnelBox.Control;
using TunnelBox.Crypto;
using TunnelBox.Protocol;

namespace TunnelBox.Service;

/// <summary>
/// Looks after peers whose endpoint was written as a name: has the name resolved again when the peer has been silent for
/// <see cref="PeerStates.HeardWithin"/> or the network changed, and knows the next address to try after a handshake without answer.
/// </summary>
/// <remarks>
/// A peer at an address that is none of its name's has roamed there: an authenticated packet is better knowledge than a name,
/// so it stays there until it is silent. Nothing here waits: answers of the resolver come back on its own threads. The tunnel
/// may call under its lock; it is never called under ours.
/// </remarks>
/// <param name="notes">The names.</param>
/// <param name="peers">The peers.</param>
/// <param name="clock">The clock.</param>
/// <param name="ask">Asks the resolver for a name; the answer may come on any thread, also at once.</param>
public sealed class EndpointNames(PeerNotes notes, INamedPeers peers, TimeProvider clock, Action<string, Action<NameAnswer>> ask)
{
    /// <summary>Shortest time between two questions for one name, however often the network changes.</summary>
    public static readonly TimeSpan Interval = TimeSpan.FromSeconds(5);

    /// <summary>Longest time between two questions for a name that fails.</summary>
    public static readonly TimeSpan LongestRetry = TimeSpan.FromSeconds(60);

    private static readonly TimeSpan s_silence = TimeSpan.FromTicks(PeerStates.HeardWithin / 100);

    private readonly Lock _gate = new();
    private readonly Dictionary<PublicKey, Named> _named = [];
    private readonly Dictionary<string, Question> _questions = new(StringComparer.Ordinal);

    /// <summary>Gets a value indicating whether any peer has a name, so that <see cref="Tick"/> has something to do.</summary>
    public bool Any
    {
        get
        {
            lock (_gate)
            {
                return _named.Count > 0;
            }
        }
    }

    /// <summary>Takes over which peers have names now.</summary>
    public void Adopt()
    {
        long now = clock.GetTimestamp();
        DateTimeOffset wall = clock.GetUtcNow();
        lock (_gate)
        {
            HashSet<PublicKey> seen = [];
            foreach (PeerNote note in notes.All)
            {
                if (note.EndpointHost is null)
                {
                    continue;
                }

                seen.Add(note.PublicKey);
                if (!_named.TryGetValue(note.PublicKey, out Named? named) || named.Host != note.EndpointHost || named.Port != note.EndpointPort)
                {
                    named = new Named(note.PublicKey, note.EndpointHost, note.EndpointPort, now);
                    _named[note.PublicKey] = named;
                }

                if (note.Addresses is { } addresses && !ReferenceEquals(addresses, named.Told))
                {
                    named.Told = addresses;
                    named.List = [.. addresses.Select(address => EndpointAddress.From(new System.Net.IPEndPoint(address, note.EndpointPort)))];
                    // What is old at the time of telling is not young for having been told.
                    TimeSpan age = note.ResolvedAt is { } at && wall > at ? wall - at : TimeSpan.Zero;
                    named.Looked = now - Ticks(age);
                }
            }

            foreach (PublicKey key in _named.Keys.Where(key => !seen.Contains(key)).ToArray())
            {
                _named.Remove(key);
            }

            foreach (string host in _questions.Keys.Except(_named.Values.Select(named => named.Host)).ToArray())
            {
                _questions.Remove(host);
            }
        }
    }

    /// <summary>The peer's endpoint was set by somebody: one that is none of its name's addresses takes the name away.</summary>
    /// <param name="peer">The peer.</param>
    /// <param name="to">The endpoint.</param>
    public void Given(PublicKey peer, EndpointAddress to)
    {
        bool foreign;
        lock (_gate)
        {
            foreign = _named.TryGetValue(peer, out Named? named) && named.List.Length > 0 && !named.List.Contains(to);
        }

        if (foreign)
        {
            notes.ForgetHost(peer);
        }
    }

    /// <summary>A handshake initiation left.</summary>
    /// <param name="peer">The peer.</param>
    /// <param name="to">Where to.</param>
    public void Asked(PublicKey peer, EndpointAddress to)
    {
        lock (_gate)
        {
            if (_named.TryGetValue(peer, out Named? named))
            {
                named.AskedAt = to;
            }
        }
    }

    /// <summary>A handshake got no answer: finds the next address to try.</summary>
    /// <param name="peer">The peer.</param>
    /// <param name="present">Where the peer is now.</param>
    /// <returns>The address after this one in the name's list; null where there is no other, it was not tried yet, or the peer has roamed.</returns>
    public EndpointAddress? Next(PublicKey peer, EndpointAddress present)
    {
        lock (_gate)
        {
            if (!_named.TryGetValue(peer, out Named? named) || named.AskedAt != present)
            {
                return null;
            }

            int at = Array.IndexOf(named.List, present);
            return at < 0 || named.List.Length < 2 ? null : named.List[(at + 1) % named.List.Length];
        }
    }

    /// <summary>Finds why a peer's name did not resolve when it was last asked for.</summary>
    /// <param name="peer">The peer.</param>
    /// <returns>The reason; null where it did.</returns>
    public string? FaultOf(PublicKey peer)
    {
        lock (_gate)
        {
            return _named.TryGetValue(peer, out Named? named) && _questions.TryGetValue(named.Host, out Question? question) ? question.Fault : null;
        }
    }

    /// <summary>The network changed: every name is asked for again.</summary>
    public void NetworkChanged()
    {
        long now = clock.GetTimestamp();
        lock (_gate)
        {
            foreach (Named named in _named.Values)
            {
                named.Moved = true;
            }

            foreach (Question question in _questions.Values)
            {
                // What failed without the network may work with this one.
                question.Failures = 0;
                question.NotBefore = Math.Min(question.NotBefore, now + Ticks(Interval));
            }
        }

        Tick();
    }

    /// <summary>Asks for what is due.</summary>
    public void Tick()
    {
        Named[] all;
        lock (_gate)
        {
            all = [.. _named.Values];
        }

        List<string> due = [];
        foreach (Named named in all)
        {
            bool known = peers.TryLook(named.Peer, out PeerContact contact, out EndpointAddress endpoint);
            lock (_gate)
            {
                long now = clock.GetTimestamp();
                bool wanted = named.Moved || named.List.Length == 0 || endpoint.IsNone
                    || (IsSilent(named, contact, now) && Elapsed(named.Looked, now) >= s_silence);
                if (!known || !wanted)
                {
                    continue;
                }

                if (!_questions.TryGetValue(named.Host, out Question? question))
                {
                    question = new Question { NotBefore = now };
                    _questions.Add(named.Host, question);
                }

                if (!question.IsAsked && now >= question.NotBefore)
                {
                    question.IsAsked = true;
                    due.Add(named.Host);
                }
            }
        }

        foreach (string host in due)
        {
            ask(host, answer => Answered(host, answer));
        }
    }

    private void Answered(string host, NameAnswer answer)
    {
        List<(Named Named, EndpointAddress[] Before, bool Moved, bool News)> concerned = [];
        long now = clock.GetTimestamp();
        DateTimeOffset wall = clock.GetUtcNow();
        lock (_gate)
        {
            if (_questions.TryGetValue(host, out Question? question))
            {
                question.IsAsked = false;
                bool sameFault = question.Fault == answer.Fault;
                question.Fault = answer.Fault;
                question.Failures = answer.Fault is null ? 0 : question.Failures + 1;
                question.NotBefore = now + Ticks(question.Failures == 0 ? Interval : Retry(question.Failures));
                foreach (Named named in _named.Values.Where(named => named.Host == host))
                {
                    EndpointAddress[] before = named.List;
                    bool moved = named.Moved;
                    bool news = answer.Fault is not null && !sameFault;
                    if (answer.Fault is null)
                    {
                        named.List = [.. answer.Addresses.Select(address => EndpointAddress.From(new System.Net.IPEndPoint(address, named.Port)))];
                        named.Looked = now;
                        named.Moved = false;
                        news = !named.List.SequenceEqual(before);
                    }

                    concerned.Add((named, before, moved, news));
                }
            }
        }

        foreach ((Named named, EndpointAddress[] before, bool moved, bool news) in concerned)
        {
            if (news)
            {
                peers.Tell(
                    named.Peer,
                    answer.Fault is { } fault ? $"{host} does not resolve: {fault}" : $"{host} is {string.Join(", ", answer.Addresses)}",
                    answer.Fault is not null);
            }

            if (answer.Fault is null)
            {
                if (notes.Find(named.Peer) is { } note && note.EndpointHost == host && note.EndpointPort == named.Port)
                {
                    notes.Resolved(note, wall);
                }

                Judge(named, before, moved, now);
            }
        }
    }

    // Whether the peer has to go to where its name leads now.
    private void Judge(Named named, EndpointAddress[] before, bool moved, long now)
    {
        if (!peers.TryLook(named.Peer, out PeerContact contact, out EndpointAddress present) || named.List.Contains(present))
        {
            return;
        }

        bool roamed = before.Length > 0 && !before.Contains(present);
        if (present.IsNone || IsSilent(named, contact, now) || (moved && !roamed))
        {
            peers.Move(named.Peer, named.List[0], named.Host);
        }
    }

    // It owes an answer that was asked for lately, and has not been heard for so long; a peer that never was, since it is known.
    private bool IsSilent(Named named, PeerContact contact, long now) =>
        contact is { IsUnanswered: true, AskedAge: <= PeerStates.HeardWithin }
        && (contact.ReceivedAge is { } age ? age >= PeerStates.HeardWithin : Elapsed(named.Since, now) >= s_silence);

    private static TimeSpan Retry(int failures) =>
        TimeSpan.FromSeconds(Math.Min(LongestRetry.TotalSeconds, Math.Pow(2, Math.Min(failures - 1, 10))));

    private TimeSpan Elapsed(long from, long to) => clock.GetElapsedTime(from, to);

    private long Ticks(TimeSpan time) => (long)(time.TotalSeconds * clock.TimestampFrequency);

    /// <summary>A peer with a name.</summary>
    private sealed class Named(PublicKey peer, string host, ushort port, long since)
    {
        public PublicKey Peer { get; } = peer;

        public string Host { get; } = host;

        public ushort Port { get; } = port;

        /// <summary>Gets when it was first known.</summary>
        public long Since { get; } = since;

        /// <summary>Gets or sets the name's addresses, empty while unknown; replaced as a whole.</summary>
        public EndpointAddress[] List { get; set; } = [];

        /// <summary>Gets or sets the list that somebody told last.</summary>
        public IReadOnlyList<System.Net.IPAddress>? Told { get; set; }

        /// <summary>Gets or sets when the list was resolved.</summary>
        public long Looked { get; set; } = since;

        /// <summary>Gets or sets where the last initiation went.</summary>
        public EndpointAddress AskedAt { get; set; }

        /// <summary>Gets or sets a value indicating whether the network changed since the name was resolved.</summary>
        public bool Moved { get; set; }
    }

    /// <summary>A name that was asked for.</summary>
    private sealed class Question
    {
        public bool IsAsked { get; set; }

        public long NotBefore { get; set; }

        public int Failures { get; set; }

        public string? Fault { get; set; }
    }
}
