using TunnelBox.Crypto;

namespace TunnelBox.Control.Tests;

public sealed class PeerNotesTests
{
    private static readonly PublicKey s_one = Key(1);
    private static readonly PublicKey s_two = Key(2);
    private readonly PeerNotes _notes = new();

    [Fact]
    public void What_is_absent_stays_and_an_empty_text_takes_away()
    {
        DateTimeOffset then = DateTimeOffset.UnixEpoch.AddDays(1);
        Apply(new PeerAnnotation { PublicKey = s_one.ToString(), Name = "office", EndpointHost = "vpn.example", EndpointPort = 51820, ResolvedAt = then });
        Assert.Equal(new PeerNote(s_one, "office", "vpn.example", 51820, then), _notes.Find(s_one));
        Apply(new PeerAnnotation { PublicKey = s_one.ToString(), Name = "home" });
        Assert.Equal(new PeerNote(s_one, "home", "vpn.example", 51820, then), _notes.Find(s_one));
        Apply(new PeerAnnotation { PublicKey = s_one.ToString(), EndpointHost = string.Empty });
        Assert.Equal(new PeerNote(s_one, "home", null, 0, null), _notes.Find(s_one));
        Apply(new PeerAnnotation { PublicKey = s_one.ToString(), Name = string.Empty });
        Assert.Equal(new PeerNote(s_one, null, null, 0, null), _notes.Find(s_one));
    }

    [Fact]
    public void Only_peers_have_notes_and_each_change_is_told()
    {
        int told = 0;
        _notes.Changed += () => told++;
        _notes.Apply(Request(false, Named(s_one), Named(s_two)), key => key == s_one);
        Assert.Equal(s_one, Assert.Single(_notes.All).PublicKey);
        _notes.Apply(Request(true, Named(s_two)), _ => true);
        Assert.Equal(s_two, Assert.Single(_notes.All).PublicKey);
        Assert.Equal(2, told);
        _notes.Keep(_ => true);
        Assert.Equal(2, told);
        _notes.Keep(_ => false);
        Assert.Equal(3, told);
        Assert.Empty(_notes.All);
    }

    [Fact]
    public void A_wrong_request_changes_nothing()
    {
        Apply(Named(s_one));
        foreach (PeerAnnotation wrong in new[]
        {
            new PeerAnnotation { PublicKey = "x" },
            new PeerAnnotation { PublicKey = s_two.ToString(), Name = new string('n', 65) },
            new PeerAnnotation { PublicKey = s_two.ToString(), Name = "a\u001b[2J" },
            new PeerAnnotation { PublicKey = s_two.ToString(), EndpointHost = new string('h', 254) },
        })
        {
            Assert.Equal(ControlFailure.Wrong, Assert.Throws<ControlException>(() => _notes.Apply(Request(true, Named(s_two), wrong), _ => true)).Failure);
        }

        Assert.Throws<ControlException>(() => _notes.Apply(Request(true, [.. Enumerable.Repeat(Named(s_two), AnnotateRequest.MaxPeers + 1)]), _ => true));
        Assert.Equal(s_one, Assert.Single(_notes.All).PublicKey);
    }

    [Fact]
    public void A_resolution_counts_only_for_the_name_it_was_for()
    {
        Apply(new PeerAnnotation { PublicKey = s_one.ToString(), EndpointHost = "old.example", EndpointPort = 1 });
        PeerNote old = _notes.Find(s_one)!;
        _notes.Resolved(old, DateTimeOffset.UnixEpoch);
        Assert.Equal(DateTimeOffset.UnixEpoch, _notes.Find(s_one)!.ResolvedAt);
        Apply(new PeerAnnotation { PublicKey = s_one.ToString(), EndpointHost = "new.example", EndpointPort = 1 });
        _notes.Resolved(old, DateTimeOffset.UnixEpoch);
        Assert.Null(_notes.Find(s_one)!.ResolvedAt);
    }

    private static PublicKey Key(byte first) => new([first, .. new byte[31]]);

    private static PeerAnnotation Named(PublicKey key) => new() { PublicKey = key.ToString(), Name = "n" };

    private static AnnotateRequest Request(bool replace, params PeerAnnotation[] peers) => new() { Verb = AnnotateRequest.VerbName, Replace = replace, Peers = peers };

    private void Apply(params PeerAnnotation[] peers) => _notes.Apply(Request(false, peers), _ => true);
}
