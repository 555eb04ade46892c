using TunnelBox.Crypto;
using TunnelBox.Protocol;

namespace TunnelBox.DataPath.Tests;

/// <summary>Peers dealt to workers by what they have to do, on a tunnel whose peers really have sessions and traffic.</summary>
public sealed class OwnershipTests : TwoNodes
{
    private const int Workers = 3;

    [Fact]
    public void Peers_without_traffic_are_dealt_out_evenly_and_keep_their_owner()
    {
        Ownership owners = Make();
        Peer[] peers = Add(9);
        int[] dealt = [.. peers.Select(owners.Of)];
        Assert.All(dealt.CountBy(owner => owner), each => Assert.Equal(3, each.Value));
        owners.Weigh(peers);
        Assert.Equal(dealt, peers.Select(owners.Of));
        Assert.All(Enumerable.Range(0, Workers), worker => Assert.Equal((3, 0), owners.Read(worker)));
    }

    [Fact]
    public void A_new_peer_goes_to_the_worker_with_the_least_to_do_and_many_at_once_are_spread()
    {
        Ownership owners = Make();
        Peer[] busy = Add(3);
        Array.ForEach(busy, peer => owners.Of(peer));
        busy[0].AddReceived(100_000, 1, 1);
        busy[1].AddReceived(10_000, 1, 1);
        busy[2].AddSent(50_000, 1);
        owners.Weigh(busy);
        Assert.Equal((1, 50_000), owners.Read(busy[0].Owner));
        Assert.Equal((1, 5000), owners.Read(busy[1].Owner));
        Assert.Equal((1, 25_000), owners.Read(busy[2].Owner));

        // Each counts as an average one, about 27,000, until it is known: the second goes where the first did not.
        Peer[] added = Add(2);
        Assert.Equal([busy[1].Owner, busy[2].Owner], added.Select(owners.Of));
    }

    [Fact]
    public void A_peer_with_a_session_stays_and_one_that_begins_again_moves_only_where_it_pays()
    {
        Establish();
        Ownership owners = Make();
        Peer first = B.PeerOf(A);
        int home = owners.Of(first);
        Peer[] others = Add(Workers);
        Array.ForEach(others, peer => owners.Of(peer));
        Peer neighbour = Assert.Single(others, peer => peer.Owner == home);
        neighbour.AddReceived(1_000_000, 1, 1);
        owners.Weigh([first, .. others]);
        B.Tunnel.ObserveIndices(owners);

        // A session that lives, also while it is renewed.
        for (int i = 0; i < 3; i++)
        {
            Clock.Advance(121);
            Send(A, InnerPackets.IPv4("10.0.0.1", "10.0.0.2"));
            Settle();
            Assert.True(first.HasSession(B.Tunnel.Now()));
            Assert.Equal(home, owners.Of(first));
        }

        // The end of all of them, and a beginning.
        Restart();
        int moved = owners.Of(first);
        Assert.NotEqual(home, moved);

        // Now that the loads are alike, or nearly, it stays where it is.
        foreach (Peer other in others.Where(peer => peer.Owner != home))
        {
            other.AddReceived(other.Owner == moved ? 1_400_000 : 1_000_000, 1, 1);
        }

        neighbour.AddReceived(1_000_000, 1, 1);
        owners.Weigh([first, .. others]);
        owners.Weigh([first, .. others]);
        Restart();
        Assert.Equal(moved, owners.Of(first));
    }

    private Ownership Make() => new(Workers, B.Tunnel.Now);

    private void Restart()
    {
        Clock.Advance(200);
        A.Tunnel.DropAllSessions();
        B.Tunnel.DropAllSessions();
        Send(A, InnerPackets.IPv4("10.0.0.1", "10.0.0.2"));
        Settle();
        Assert.True(B.PeerOf(A).HasSession(B.Tunnel.Now()));
    }

    private Peer[] Add(int count)
    {
        using Tunnel.Edit edit = B.Tunnel.BeginEdit();
        byte[] key = new byte[PublicKey.Size];
        Peer[] peers = new Peer[count];
        for (int i = 0; i < count; i++)
        {
            Random.Shared.NextBytes(key);
            peers[i] = edit.AddPeer(new PublicKey(key));
        }

        return peers;
    }
}
