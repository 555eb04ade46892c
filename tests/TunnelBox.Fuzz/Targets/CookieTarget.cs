using TunnelBox.DataPath.Tests;
using TunnelBox.Protocol;
using TunnelBox.Visibility;

namespace TunnelBox.Fuzz.Targets;

/// <summary>Cookie replies to the end's own initiation: taken as they were sealed or not at all, and mac2 of the next initiation tells which.</summary>
internal sealed class CookieTarget : MessageTarget
{
    private static readonly (int, int)[] s_fields = [(0, 4), (4, 4), (8, 24), (32, 16), (48, 16)];
    private readonly List<byte[]> _others = [];
    private readonly InitiationOpener _opener;
    private CookieChecker _checker = null!;
    private Handshake _handshake = null!;

    public CookieTarget() => _opener = new InitiationOpener(Arena);

    /// <inheritdoc/>
    public override string Name => "cookie";

    /// <inheritdoc/>
    protected override void Begun()
    {
        _checker = new CookieChecker(Arena, Other.PublicKey);
        _handshake = new Handshake(Arena, Node.PublicKey);
        _others.Clear();
    }

    /// <inheritdoc/>
    protected override int Play(Draw draw)
    {
        // Beyond the life of cookies.
        Clock.Advance(300);
        Node.Inner.Incoming.Enqueue((InnerPackets.IPv4("10.9.9.9", "10.0.0.7"), default, 0));
        Settle();
        byte[]? initiation = Sent.FindLast(sent => InitiationMessage.Is(sent));
        FuzzFind.Unless(initiation is not null, "A packet for a peer without a session asks for one.");
        byte[] genuine = new byte[CookieReplyMessage.Size];
        _checker.CreateReply(initiation, Node.Address, Clock.Nanoseconds, Numbers, genuine);
        int taken = 0;
        bool accepted = false;
        for (int reply = draw.Next(1, 4); reply > 0; reply--)
        {
            byte[] message = Change(draw, genuine, s_fields, _others);
            int events = Node.Events.Count;
            int drops = Drops();
            Step(message);
            bool right = message.Length == CookieReplyMessage.Size && message.AsSpan(0, 4).SequenceEqual<byte>([3, 0, 0, 0]) && Same(message, genuine, 4..64);
            // One reply to a message is taken.
            bool expected = right && !accepted;
            int now = Node.Events.Skip(events).Count(e => e == TunnelEvent.CookieReceived);
            FuzzFind.Unless(now == (expected ? 1 : 0), $"{(expected ? "A right cookie is taken" : "A wrong or a second cookie is not")}.");
            FuzzFind.Unless(Drops() == drops + (expected ? 0 : 1), $"A refused message is one drop; there were {Drops() - drops}.");
            accepted |= right;
            taken = (taken << 2) | (right ? 2 : 0) | (expected ? 1 : 0);
        }

        Node.Events.Clear();
        Sent.Clear();
        Clock.Advance(6);
        Settle();
        byte[]? next = Sent.Find(sent => InitiationMessage.Is(sent));
        FuzzFind.Unless(next is not null, "An initiation without an answer is sent again.");
        FuzzFind.Unless(next.AsSpan()[^16..].ContainsAnyExcept((byte)0) == accepted, "The next initiation has mac2 where a cookie was taken, and only there.");
        FuzzFind.Unless(!accepted || _checker.IsMac2Valid(next, Node.Address, Clock.Nanoseconds), "Its mac2 is right.");
        // The handshake comes to its end, so that none is given up.
        byte[] response = new byte[ResponseMessage.Size];
        FuzzFind.Unless(
            _opener.Open(Other, next) == DropReason.None && _opener.Accept(_handshake, Clock.Nanoseconds) == DropReason.None && _handshake.CreateResponse(7, Numbers, response), "The next initiation is a right one.");
        AddMacs(response);
        Keypair? before = Peer.Current;
        Step(response);
        FuzzFind.Unless(!ReferenceEquals(before, Peer.Current), "A right response makes a session.");
        _others.Add(genuine);
        if (_others.Count > 8)
        {
            _others.RemoveAt(0);
        }

        return taken;
    }
}
