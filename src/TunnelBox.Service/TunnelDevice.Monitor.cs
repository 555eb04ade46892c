using TunnelBox.Control;
using TunnelBox.Protocol;

namespace TunnelBox.Service;

/// <content>Control events as the verb <c>monitor</c> streams them.</content>
public sealed partial class TunnelDevice
{
    private void Monitor(ControlCall call)
    {
        using ControlWatch watch = _tunnel.Trace.Watch();
        call.Write(new MonitorLine { Time = DateTimeOffset.UtcNow, Interface = InterfaceName, Event = "watching" }, MonitorJson.Default.MonitorLine);
        long lost = 0;
        while (call.IsOpen)
        {
            if (watch.Take(TimeSpan.FromMilliseconds(250)) is not { } happened)
            {
                continue;
            }

            if (watch.Lost > lost)
            {
                call.Write(
                    new MonitorLine { Time = DateTimeOffset.UtcNow, Interface = InterfaceName, Event = "lost", Detail = $"{watch.Lost - lost} events: the reader is too slow" },
                    MonitorJson.Default.MonitorLine);
                lost = watch.Lost;
            }

            call.Write(
                new MonitorLine
                {
                    Time = happened.Time,
                    Interface = InterfaceName,
                    Event = happened.Name,
                    Peer = happened.Peer?.ToString(),
                    PeerName = happened.Peer is { } key ? Notes.Find(key)?.Name : null,
                    Detail = happened.Detail.Length > 0 ? happened.Detail : null,
                    Reason = happened.Reason,
                },
                MonitorJson.Default.MonitorLine);
        }
    }
}
