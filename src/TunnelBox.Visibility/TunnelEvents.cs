using System.Diagnostics.Tracing;

namespace TunnelBox.Visibility;

/// <summary>
/// The events of the tracing probes once more, for <c>dotnet-trace</c> and <c>dotnet-counters</c>: provider <c>TunnelBox</c>. Packets
/// in and out need the keyword <see cref="Keywords.Packets"/>, drops need <see cref="Keywords.Drops"/>.
/// </summary>
[EventSource(Name = "TunnelBox")]
public sealed class TunnelEvents : EventSource
{
    private TunnelEvents()
    {
    }

    /// <summary>Gets the only one.</summary>
    public static TunnelEvents Log { get; } = new();

    /// <summary>Gets a value indicating whether somebody listens to every packet.</summary>
    public bool PacketsOn => IsEnabled(EventLevel.Verbose, Keywords.Packets);

    /// <summary>Gets a value indicating whether somebody listens to every drop.</summary>
    public bool DropsOn => IsEnabled(EventLevel.Informational, Keywords.Drops);

    /// <summary>Gets a value indicating whether somebody listens to handshakes and sessions.</summary>
    public bool ControlOn => IsEnabled(EventLevel.Informational, Keywords.Control);

    /// <summary>A packet came in.</summary>
    /// <param name="peer">The first eight bytes of the peer's key.</param>
    /// <param name="counter">The counter on the wire.</param>
    /// <param name="bytes">Bytes of the inner packet.</param>
    [Event(1, Level = EventLevel.Verbose, Keywords = Keywords.Packets)]
    public void PacketIn(long peer, long counter, long bytes) => WriteEvent(1, peer, counter, bytes);

    /// <summary>A packet went out.</summary>
    /// <param name="peer">The first eight bytes of the peer's key.</param>
    /// <param name="counter">The counter on the wire.</param>
    /// <param name="bytes">Bytes of the inner packet, padded.</param>
    [Event(2, Level = EventLevel.Verbose, Keywords = Keywords.Packets)]
    public void PacketOut(long peer, long counter, long bytes) => WriteEvent(2, peer, counter, bytes);

    /// <summary>A packet or handshake was dropped.</summary>
    /// <param name="device">The interface.</param>
    /// <param name="reason">Why.</param>
    /// <param name="peer">The peer's public key, empty for unknown.</param>
    [Event(3, Level = EventLevel.Informational, Keywords = Keywords.Drops)]
    public void PacketDrop(string device, string reason, string peer) => WriteEvent(3, device, reason, peer);

    /// <summary>A handshake or session made a step: <c>handshake_send</c> and so on, as the probes are named.</summary>
    /// <param name="device">The interface, a blank, and the step.</param>
    /// <param name="peer">The peer's public key, empty for unknown.</param>
    /// <param name="detail">What the step says, for people.</param>
    [Event(4, Level = EventLevel.Informational, Keywords = Keywords.Control)]
    public void Control(string device, string peer, string detail) => WriteEvent(4, device, peer, detail);

    /// <summary>Names groups of events.</summary>
    public static class Keywords
    {
        /// <summary>Every packet.</summary>
        public const EventKeywords Packets = (EventKeywords)1;

        /// <summary>Every drop.</summary>
        public const EventKeywords Drops = (EventKeywords)2;

        /// <summary>Handshakes and sessions.</summary>
        public const EventKeywords Control = (EventKeywords)4;
    }
}
