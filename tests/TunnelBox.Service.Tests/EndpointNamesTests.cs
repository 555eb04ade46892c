using System.Net;
using TunnelBox.Control;
using TunnelBox.Crypto;
using TunnelBox.Protocol;

namespace TunnelBox.Service.Tests;

public sealed class EndpointNamesTests
{
    private static readonly PublicKey s_key = new([7, .. new byte[31]]);
    private static readonly EndpointAddress s_one = At("192.0.2.1");
    private static readonly EndpointAddress s_two = At("192.0.2.2");
    private static readonly EndpointAddress s_three = At("192.0.2.3");
    private static readonly EndpointAddress s_roamed = At("203.0.113.9", 4711);

    private readonly ManualTime _time = new();
    private readonly PeerNotes _notes = new();
    private readonly Peers _peers;
    private readonly List<(string Name, Action<NameAnswer> Answer)> _questions = [];
    private readonly EndpointNames _names;

    public EndpointNamesTests()
    {
        _peers = new Peers(_time) { Endpoint = s_one };
        _names = new EndpointNames(_notes, _peers, _time, (name, answer) => _questions.Add((name, answer)));
        _notes.Changed += _names.Adopt;
    }

    [Fact]
    public void A_peer_that_owes_an_answer_for_135_seconds_has_its_name_resolved_and_moves()
    {
        Note("192.0.2.1");
        _peers.Hear();
        _time.Advance(TimeSpan.FromSeconds(20));
        _peers.Ask();
        _time.Advance(TimeSpan.FromSeconds(114.5));
        _peers.Ask();
        _names.Tick();
        Assert.Empty(_questions);
        _time.Advance(TimeSpan.FromSeconds(1));
        _names.Tick();
        Answer("192.0.2.2");
        Assert.Equal(s_two, _peers.Endpoint);
        Assert.Equal(_time.GetUtcNow(), _notes.Find(s_key)!.ResolvedAt);

        // Not again before it was silent for as long once more.
        _names.Tick();
        _time.Advance(TimeSpan.FromSeconds(100));
        _peers.Ask();
        _names.Tick();
        Assert.Empty(_questions);
        _time.Advance(TimeSpan.FromSeconds(36));
        _peers.Ask();
        _names.Tick();
        Assert.Single(_questions);
    }

    [Fact]
    public void Silence_without_anything_to_say_is_no_reason()
    {
        Note("192.0.2.1");
        _peers.Hear();
        _time.Advance(TimeSpan.FromHours(2));
        _names.Tick();
        Assert.Empty(_questions);

        // The first question after a long rest that is not answered is one.
        _peers.Ask();
        _names.Tick();
        Assert.Single(_questions);
    }

    [Fact]
    public void A_peer_that_was_never_heard_is_silent_since_it_is_known()
    {
        Note("192.0.2.1");
        _peers.Ask();
        _time.Advance(TimeSpan.FromSeconds(134));
        _peers.Ask();
        _names.Tick();
        Assert.Empty(_questions);
        _time.Advance(TimeSpan.FromSeconds(1));
        _names.Tick();
        Answer("192.0.2.1");
        Assert.Equal((s_one, 0), (_peers.Endpoint, _peers.Moves));
    }

    [Fact]
    public void The_next_address_of_the_list_is_tried_after_each_question_and_then_the_first_again()
    {
        Note("192.0.2.1", "192.0.2.2", "192.0.2.3");
        Assert.Null(_names.Next(s_key, s_one));
        _names.Asked(s_key, s_one);
        Assert.Equal(s_two, _names.Next(s_key, s_one));

        // One that was not asked yet gets its turn.
        Assert.Null(_names.Next(s_key, s_two));
        _names.Asked(s_key, s_two);
        Assert.Equal(s_three, _names.Next(s_key, s_two));
        _names.Asked(s_key, s_three);
        Assert.Equal(s_one, _names.Next(s_key, s_three));

        // Where it has roamed to, it stays.
        _names.Asked(s_key, s_roamed);
        Assert.Null(_names.Next(s_key, s_roamed));
    }

    [Fact]
    public void A_change_of_the_network_moves_a_peer_to_where_its_name_leads_now()
    {
        Note("192.0.2.1");
        _peers.Hear();
        _names.NetworkChanged();
        Answer("192.0.2.1", "192.0.2.2");
        Assert.Equal(s_one, _peers.Endpoint);
        _time.Advance(EndpointNames.Interval);
        _names.NetworkChanged();
        Answer("192.0.2.3");
        Assert.Equal(s_three, _peers.Endpoint);
    }

    [Fact]
    public void A_peer_that_has_roamed_stays_there_until_it_is_silent()
    {
        Note("192.0.2.1");
        _peers.Endpoint = s_roamed;
        _peers.Hear();
        _names.NetworkChanged();
        Answer("192.0.2.2");
        Assert.Equal(s_roamed, _peers.Endpoint);
        _time.Advance(TimeSpan.FromSeconds(140));
        _peers.Ask();
        _names.Tick();
        Answer("192.0.2.2");
        Assert.Equal(s_two, _peers.Endpoint);
    }

    [Fact]
    public void A_name_that_fails_is_asked_again_at_growing_intervals_and_changes_nothing()
    {
        Note("192.0.2.1");
        _names.NetworkChanged();
        foreach (int seconds in new[] { 1, 2, 4, 8, 16, 32, 60, 60 })
        {
            Fail("no such name");
            Assert.Equal("no such name", _names.FaultOf(s_key));
            _time.Advance(TimeSpan.FromSeconds(seconds - 0.1));
            _names.Tick();
            Assert.Empty(_questions);
            _time.Advance(TimeSpan.FromSeconds(0.1));
            _names.Tick();
        }

        Assert.Equal("vpn.example does not resolve: no such name", Assert.Single(_peers.Told));
        Answer("192.0.2.2");
        Assert.Equal(s_two, _peers.Endpoint);
        Assert.Null(_names.FaultOf(s_key));
    }

    [Fact]
    public void A_network_that_changes_all_the_time_asks_a_name_once_in_five_seconds()
    {
        Note("192.0.2.1");
        int asked = 0;
        for (int i = 0; i < 100; i++)
        {
            _names.NetworkChanged();
            asked += _questions.Count;
            if (_questions.Count > 0)
            {
                Answer("192.0.2.1");
            }

            _time.Advance(TimeSpan.FromMilliseconds(200));
        }

        Assert.InRange(asked, 4, 5);
    }

    [Fact]
    public void Peers_of_one_name_share_a_question_and_a_question_under_way_is_not_repeated()
    {
        PublicKey other = new([8, .. new byte[31]]);
        _notes.Apply(Request(Noted(s_key, "192.0.2.1"), Noted(other, "192.0.2.1") with { EndpointPort = 7 }), _ => true);
        _names.NetworkChanged();
        _time.Advance(TimeSpan.FromMinutes(1));
        _names.NetworkChanged();
        Answer("192.0.2.2");
        Assert.Equal((s_two, At("192.0.2.2", 7)), (_peers.Endpoint, _peers.Other));
    }

    [Fact]
    public void A_name_without_addresses_is_resolved_at_once_but_moves_nobody_who_is_heard()
    {
        Note();
        _peers.Hear();
        _names.Tick();
        Answer("192.0.2.2");
        Assert.Equal(s_one, _peers.Endpoint);
        _peers.Endpoint = default;
        _time.Advance(TimeSpan.FromMinutes(1));
        _names.Tick();
        Answer("192.0.2.2");
        Assert.Equal(s_two, _peers.Endpoint);
    }

    [Fact]
    public void An_endpoint_that_somebody_sets_elsewhere_takes_the_name_away()
    {
        Note("192.0.2.1", "192.0.2.2");
        _names.Given(s_key, s_two);
        Assert.Equal("vpn.example", _notes.Find(s_key)!.EndpointHost);
        _names.Given(s_key, s_roamed);
        Assert.Null(_notes.Find(s_key)!.EndpointHost);
        Assert.False(_names.Any);
    }

    private static EndpointAddress At(string address, int port = 51820) => EndpointAddress.From(new IPEndPoint(IPAddress.Parse(address), port));

    private static AnnotateRequest Request(params PeerAnnotation[] notes) => new() { Verb = AnnotateRequest.VerbName, Peers = notes };

    private PeerAnnotation Noted(PublicKey key, params string[] addresses) => new()
    {
        PublicKey = key.ToString(),
        EndpointHost = "vpn.example",
        EndpointPort = 51820,
        EndpointAddresses = addresses,
        ResolvedAt = addresses.Length > 0 ? _time.GetUtcNow() : null,
    };

    private void Note(params string[] addresses) => _notes.Apply(Request(Noted(s_key, addresses)), _ => true);

    private void Answer(params string[] addresses) => Take()(new NameAnswer([.. addresses.Select(IPAddress.Parse)], null));

    private void Fail(string why) => Take()(new NameAnswer([], why));

    private Action<NameAnswer> Take()
    {
        (string name, Action<NameAnswer> answer) = Assert.Single(_questions);
        Assert.Equal("vpn.example", name);
        _questions.Clear();
        return answer;
    }

    /// <summary>Peers that are all at one place and are heard and asked together.</summary>
    private sealed class Peers(ManualTime time) : INamedPeers
    {
        private long? _heard;
        private long? _asked;

        public EndpointAddress Endpoint { get; set; }

        /// <summary>Gets where any other peer is.</summary>
        public EndpointAddress Other { get; private set; } = At("192.0.2.1", 7);

        public int Moves { get; private set; }

        public List<string> Told { get; } = [];

        public void Hear() => _heard = time.GetTimestamp();

        public void Ask() => _asked = time.GetTimestamp();

        public bool TryLook(PublicKey peer, out PeerContact contact, out EndpointAddress endpoint)
        {
            contact = new PeerContact(Age(_heard), Age(_asked), _asked is not null && !(_heard >= _asked));
            endpoint = peer == s_key ? Endpoint : Other;
            return true;
        }

        public void Move(PublicKey peer, EndpointAddress to, string name)
        {
            Moves++;
            (Endpoint, Other) = peer == s_key ? (to, Other) : (Endpoint, to);
        }

        public void Tell(PublicKey peer, string sentence, bool failed)
        {
            if (failed)
            {
                Told.Add(sentence);
            }
        }

        private long? Age(long? at) => at is { } then ? (time.GetTimestamp() - then) * 100 : null;
    }
}
