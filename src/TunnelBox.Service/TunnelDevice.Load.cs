using TunnelBox.Control;
using TunnelBox.Protocol;

namespace TunnelBox.Service;

/// <content>How busy workers are, as the verb <c>load</c> asks for it.</content>
public sealed partial class TunnelDevice
{
    private void Load(ControlCall call)
    {
        IReadOnlyList<Peer> peers;
        using (Tunnel.Edit edit = _tunnel.BeginEdit())
        {
            peers = edit.Peers;
        }

        call.Write(
            new LoadAnswer
            {
                Workers =
                [
                    .. _workers.Select(worker => new WorkerLoad
                    {
                        Name = worker.Name,
                        AgeMilliseconds = worker.Age / 1e6,
                        AsleepMilliseconds = worker.Asleep / 1e6,
                        LongestPassMicroseconds = worker.LongestPass / 1e3,
                    }),
                ],
                RoundTrips =
                [
                    .. peers.Where(peer => peer.RoundTrip > 0).Take(LoadAnswer.MaxPeers).Select(peer => new PeerRoundTrip(peer.PublicKey.ToString(), peer.RoundTrip / 1e6)),
                ],
            },
            LoadJson.Default.LoadAnswer);
    }
}
