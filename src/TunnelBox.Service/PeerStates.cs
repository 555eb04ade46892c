using TunnelBox.Control;
using TunnelBox.Protocol;

namespace TunnelBox.Service;

/// <summary>Says how a peer is. The rule stands at <see cref="PeerLiveness"/>.</summary>
public static class PeerStates
{
    /// <summary>REKEY_AFTER_TIME + KEEPALIVE_TIMEOUT + REKEY_TIMEOUT in nanoseconds: a peer in use is heard within it.</summary>
    public const long HeardWithin = Limits.RekeyAfterTime + Limits.KeepaliveTimeout + Limits.RekeyTimeout;

    /// <summary>Judges a peer.</summary>
    /// <param name="contact">When it was last heard and asked.</param>
    /// <param name="keptAlive">Whether it has a persistent keepalive, so that its keys are renewed even without traffic.</param>
    /// <returns>How it is.</returns>
    public static PeerLiveness Of(PeerContact contact, bool keptAlive) => contact switch
    {
        { ReceivedAge: null } => PeerLiveness.Never,
        { IsUnanswered: true } => PeerLiveness.Silent,
        { ReceivedAge: <= HeardWithin } => PeerLiveness.Active,
        _ => keptAlive ? PeerLiveness.Silent : PeerLiveness.Idle,
    };
}
