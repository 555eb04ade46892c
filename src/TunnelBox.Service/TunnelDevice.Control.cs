using TunnelBox.Control;
using TunnelBox.Crypto;
using TunnelBox.Protocol;

namespace TunnelBox.Service;

/// <content>The device as TunnelBox's own control socket asks it.</content>
public sealed partial class TunnelDevice
{
    /// <summary>Gets what files say of the peers.</summary>
    public PeerNotes Notes { get; } = new();

    /// <inheritdoc/>
    public void AddVerbs(ControlVerbs verbs)
    {
        ArgumentNullException.ThrowIfNull(verbs);
        verbs.Add(AnnotateRequest.VerbName, Annotate);
        verbs.Add(StatusLine.VerbName, Status);
        verbs.Add(StatRequest.VerbName, Stat);
        verbs.Add(MonitorRequest.VerbName, Monitor);
        verbs.Add(HandshakeRequest.VerbName, Handshake);
        verbs.Add(TraceRequest.VerbName, Trace);
        verbs.Add(SteerRequest.VerbName, Steer);
        verbs.Add(LoadRequest.VerbName, Load);
        verbs.Add(TakeOverRequest.VerbName, HandOver);
    }

    private void Annotate(ControlCall call)
    {
        AnnotateRequest request = call.Read(ControlJson.Default.AnnotateRequest);
        Notes.Apply(request, IsPeer);
        if (request.Mtu is { } mtu)
        {
            _mtu.Adopt(mtu);
            _network.Wake();
        }

        call.Done();
    }

    // One short taking of the lock a peer: a device with many peers goes on shaking hands meanwhile.
    private bool IsPeer(PublicKey publicKey)
    {
        using Tunnel.Edit edit = _tunnel.BeginEdit();
        return edit.Find(publicKey) is not null;
    }
}
