using TunnelBox.Crypto;
using TunnelBox.DataPath.Tests;
using TunnelBox.Protocol;
using TunnelBox.Visibility;

namespace TunnelBox.Fuzz.Targets;

/// <summary>
/// Responses to the end's own initiation. A session comes of those alone whose sealed fields are as they were made for this initiation; what was refused
/// leaves the session as it was, and the right one is taken afterwards.
/// </summary>
internal sealed class ResponseTarget : MessageTarget
{
    private const uint OurIndex = 0x55667788;
    private static readonly (int, int)[] s_fields = [(0, 4), (4, 4), (8, 4), (12, 32), (44, 16), (60, 16), (76, 16)];
    private readonly List<byte[]> _others = [];
    private readonly InitiationOpener _opener;
    private Handshake _handshake = null!;

    public ResponseTarget() => _opener = new InitiationOpener(Arena);

    /// <inheritdoc/>
    public override string Name => "response";

    /// <inheritdoc/>
    protected override void Begun()
    {
        _handshake = new Handshake(Arena, Node.PublicKey);
        _others.Clear();
    }

    /// <inheritdoc/>
    protected override int Play(Draw draw)
    {
        // Beyond every session's life, so that a packet asks for a new one.
        Clock.Advance(200);
        byte[] inner = InnerPackets.IPv4("10.9.9.9", "10.0.0.7", 40 + draw.Next(200));
        Node.Inner.Incoming.Enqueue((inner, default, 0));
        Settle();
        byte[]? initiation = Sent.FindLast(sent => InitiationMessage.Is(sent));
        FuzzFind.Unless(initiation is not null, "A packet for a peer without a session asks for one.");
        FuzzFind.Unless(_opener.Open(Other, initiation) == DropReason.None && _opener.Accept(_handshake, Clock.Nanoseconds) == DropReason.None, "The end's initiation is a right one.");
        byte[] genuine = new byte[ResponseMessage.Size];
        FuzzFind.Unless(_handshake.CreateResponse(OurIndex, Numbers, genuine), "A response can be made.");
        AddMacs(genuine);
        byte[] message = Change(draw, genuine, s_fields, _others);
        Keypair? before = Peer.Current;
        int drops = Drops();
        Sent.Clear();
        Step(message);
        bool accepted = message.Length == ResponseMessage.Size && message.AsSpan(0, 4).SequenceEqual<byte>([2, 0, 0, 0])
            && IsMac1Right(message) && Same(message, genuine, 8..60);
        if (!accepted)
        {
            FuzzFind.Unless(ReferenceEquals(before, Peer.Current), "A refused response leaves the session as it was.");
            FuzzFind.Unless(Sent.Count == 0, $"A refused response is not answered; {Sent.Count} datagrams were sent.");
            FuzzFind.Unless(Drops() == drops + 1, $"A refused message is one drop; there were {Drops() - drops}.");
            message = genuine;
            Step(genuine);
        }

        FuzzFind.Unless(!ReferenceEquals(before, Peer.Current) && Peer.Current is { IsInitiator: true }, "A right response makes a session.");
        FuzzFind.Unless(Peer.Current!.RemoteIndex == ResponseMessage.Sender(message), "The session has the responder's index.");
        FuzzFind.Unless(_handshake.TryDeriveSession(out SessionKeys keys), "The responder has the session, too.");
        FuzzFind.Unless(
            Sent is [{ } data] && data.Length >= DataMessage.MinimumSize + inner.Length && DataMessage.Receiver(data) == ResponseMessage.Sender(message),
            "The packet that waited leaves, and nothing else.");
        byte[] opened = new byte[Sent[0].Length - DataMessage.MinimumSize];
        FuzzFind.Unless(
            ChaChaPoly.TryOpen(KeyArena.DangerousGetSpan(keys.ReceiveKey), DataMessage.Counter(Sent[0]), default, Sent[0].AsSpan(DataMessage.HeaderSize), opened)
            && opened.AsSpan(0, inner.Length).SequenceEqual(inner),
            "The responder's key opens it.");
        Arena.Return(keys.SendKey);
        Arena.Return(keys.ReceiveKey);
        _others.Add(genuine);
        if (_others.Count > 8)
        {
            _others.RemoveAt(0);
        }

        return (accepted ? 1 : 0) | (Same4(message, genuine) ? 2 : 0) | (Math.Min(message.Length, 255) << 8);
    }

    private static bool Same4(byte[] one, byte[] other) => one.Length >= 12 && one.AsSpan(4, 8).SequenceEqual(other.AsSpan(4, 8));
}
