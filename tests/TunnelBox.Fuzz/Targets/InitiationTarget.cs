using TunnelBox.Protocol;

namespace TunnelBox.Fuzz.Targets;

/// <summary>
/// Initiations. Accepted are those alone whose sealed fields are as their maker sealed them, with a right mac1 and a newer time stamp; under load nothing
/// but a cookie reply answers one without mac2; and whatever was refused has spoilt nothing for the right one.
/// </summary>
internal sealed class InitiationTarget : MessageTarget
{
    private const uint OurIndex = 0x11223344;
    private static readonly (int, int)[] s_fields = [(0, 4), (4, 4), (8, 32), (40, 48), (88, 28), (116, 16), (132, 16)];
    private readonly List<byte[]> _others = [];
    private readonly List<(byte[] Message, ulong Stamp, bool Stranger)> _made = [];
    private ulong _accepted;
    private Handshake _handshake = null!;
    private Identity _stranger = null!;
    private ulong _stamp = 1000;
    private byte[]? _newest;

    /// <inheritdoc/>
    public override string Name => "initiation";

    /// <inheritdoc/>
    protected override void Begun()
    {
        _handshake = new Handshake(Arena, Node.PublicKey);
        byte[] key = new byte[32];
        Numbers.Fill(key);
        _stranger = new Identity(Arena, key);
        _others.Clear();
        _made.Clear();
        _accepted = 0;
        _newest = null;
    }

    /// <inheritdoc/>
    protected override int Play(Draw draw)
    {
        Clock.Advance(30);
        bool stranger = draw.Next(16) == 0;
        byte[] genuine = Make(stranger ? _stranger : Other);
        _made.Add((genuine, _stamp, stranger));
        bool stale = !stranger && _newest is not null && draw.Next(8) == 0;
        byte[] message = Change(draw, stale ? _newest! : genuine, s_fields, _others);
        bool loaded = draw.Next(16) == 0;
        if (loaded)
        {
            PutUnderLoad();
        }

        Tai64n before = Peer.Handshake.LastTimestamp;
        int drops = Drops();
        Step(message);
        bool right = message.Length == InitiationMessage.Size && message.AsSpan(0, 4).SequenceEqual<byte>([1, 0, 0, 0]) && IsMac1Right(message);
        // Splicing may bring an earlier message together again that never came: it is as good as when it was made while its stamp is newer than any that came.
        (byte[] Message, ulong Stamp, bool Stranger) whole = right ? _made.Find(made => Same(message, made.Message, 8..116)) : default;
        bool accepted = whole.Message is not null && !loaded && !whole.Stranger && whole.Stamp > _accepted;
        // A change may have made a response of it; its sender index stands at the same place.
        if (loaded && (right || (message.Length == ResponseMessage.Size && message.AsSpan(0, 4).SequenceEqual<byte>([2, 0, 0, 0]) && IsMac1Right(message))))
        {
            FuzzFind.Unless(Sent is [{ Length: CookieReplyMessage.Size }] && CookieReplyMessage.Receiver(Sent[0]) == InitiationMessage.Sender(message), "Under load one cookie reply answers a right mac1.");
        }
        else
        {
            FuzzFind.Unless(Sent.Count == (accepted ? 1 : 0), $"{(accepted ? "One response" : "Nothing")} answers; {Sent.Count} datagrams did.");
        }

        if (accepted)
        {
            byte[] response = Sent[0];
            FuzzFind.Unless(ResponseMessage.Is(response) && ResponseMessage.Receiver(response) == InitiationMessage.Sender(message), "The answer is a response to the sender's index.");
            FuzzFind.Unless(
                InitiationMessage.Sender(message) != OurIndex || !ReferenceEquals(whole.Message, genuine) || _handshake.ConsumeResponse(Other, response), "The initiator takes the response.");
            _newest = whole.Message;
            _accepted = whole.Stamp;
        }
        else
        {
            FuzzFind.Unless(Peer.Handshake.LastTimestamp == before, "What is refused leaves the newest time stamp as it was.");
            FuzzFind.Unless(Drops() == drops + 1, $"A refused message is one drop; there were {Drops() - drops}.");
            if (!stranger && draw.Next(4) == 0)
            {
                Clock.Advance(3);
                Sent.Clear();
                Step(genuine);
                FuzzFind.Unless(Sent is [{ Length: ResponseMessage.Size }], "After a refused message the right one is answered.");
                _newest = genuine;
                _accepted = _stamp;
            }
        }

        _others.Add(genuine);
        if (_others.Count > 8)
        {
            _others.RemoveAt(0);
            _made.RemoveAt(0);
        }

        return (accepted ? 1 : 0) | (right ? 2 : 0) | (loaded ? 4 : 0) | (stranger ? 8 : 0) | (stale ? 16 : 0) | (Math.Min(message.Length, 255) << 8);
    }

    private byte[] Make(Identity who)
    {
        byte[] message = new byte[InitiationMessage.Size];
        _stamp += 1_000_000_000;
        FuzzFind.Unless(_handshake.CreateInitiation(who, new Tai64n(0x4000000000000000, 0).Add(_stamp), OurIndex, Numbers, message), "An initiation can be made.");
        AddMacs(message);
        return message;
    }

    private void PutUnderLoad()
    {
        byte[] reply = new byte[CookieReplyMessage.Size];
        reply[0] = 3;
        for (int i = 0; i < Limits.UnderLoadQueueLength + 64; i++)
        {
            Node.Outer.Incoming.Enqueue((reply, From, 0));
        }

        while (Node.Worker.Pass() > 0)
        {
        }

        FuzzFind.Unless(Node.Queue.IsUnderLoad(Clock.Nanoseconds), "So many messages are a load.");
        Settle();
    }
}
