using System.Diagnostics.Tracing;
using TunnelBox.Protocol;
using TunnelBox.Visibility;

namespace TunnelBox.DataPath.Tests;

/// <summary>What those who listen are told of packets, drops, handshakes and sessions; nothing else changes for the packets.</summary>
public sealed class TracedPassTests : TwoNodes
{
    [Fact]
    public void Listeners_hear_of_packets_drops_and_handshakes()
    {
        A.Tunnel.Trace.Device = "a-" + Guid.NewGuid().ToString("N")[..8];
        using (var listener = new Listener())
        {
            Establish();
            Send(A, InnerPackets.IPv4("10.0.0.1", "10.0.0.2", 60));
            Send(A, InnerPackets.IPv4("10.0.0.1", "10.99.0.1"));
            Settle();
            Assert.Equal(2, B.Delivered.Count);
            Assert.Contains(listener.Heard, e => e is ("PacketDrop", [string device, "OutNoStates", ""]) && device == A.Tunnel.Trace.Device);
            long peer = (long)TunnelTrace.IdOf(A.PeerOf(B));
            Assert.Contains(listener.Heard, e => e is ("PacketOut", [long to, long, 64L]) && to == peer);
            Assert.Contains(listener.Heard, e => e is ("PacketIn", [long, long, 60L]));
            foreach (string step in (string[])["handshake_send", "handshake_receive", "session_new", "handshake_complete"])
            {
                Assert.Contains(listener.Heard, e => e is ("Control", [string text, string key, _])
                    && text == $"{A.Tunnel.Trace.Device} {step}" && key == B.PublicKey.ToString());
            }
        }

        Assert.False(TunnelTrace.PacketInOn);
        Assert.False(TunnelTrace.PacketOutOn);
    }

    [Fact]
    public void A_watch_sees_a_handshake_from_both_ends_and_why_one_ended()
    {
        using ControlWatch ofA = A.Tunnel.Trace.Watch();
        using ControlWatch ofB = B.Tunnel.Trace.Watch();
        Establish();
        Assert.Equal(["handshake_send", "session_new", "handshake_complete", "handshake_receive"], Take(ofA).Select(e => e.Name));
        Assert.Equal(["handshake_complete", "handshake_receive", "handshake_send", "session_new"], Take(ofB).Select(e => e.Name).Where(n => n != "endpoint_change").Order(StringComparer.Ordinal));

        A.Transmit = (_, _, _) => { };
        A.Tunnel.DropAllSessions();
        Send(A, InnerPackets.IPv4("10.0.0.1", "10.0.0.2"));
        A.Step();
        A.Step();
        A.Tunnel.Stop();
        ControlEvent[] after = [.. Take(ofA)];
        Assert.Equal("session_expire", after[0].Name);
        Assert.Equal("OutHandshakeAbandoned", after[^1].Reason);
        Assert.Equal(B.PublicKey, after[^1].Peer);
    }

    [Fact]
    public void A_slow_watch_loses_events_and_says_how_many()
    {
        Join(null);
        using ControlWatch watch = A.Tunnel.Trace.Watch();
        for (int i = 0; i < 5000; i++)
        {
            A.Tunnel.Trace.EndpointChanged(A.PeerOf(B));
        }

        Assert.Equal(5000 - 4096, watch.Lost);
        Assert.Equal(4096, Take(watch).Count());
    }

    private static IEnumerable<ControlEvent> Take(ControlWatch watch)
    {
        while (watch.Take(TimeSpan.Zero) is { } happened)
        {
            yield return happened;
        }
    }

    private sealed class Listener : EventListener
    {
        private readonly Lock _gate = new();
        private readonly List<(string Name, object?[] Values)> _heard = [];

        public Listener() => EnableEvents(TunnelEvents.Log, EventLevel.Verbose, EventKeywords.All);

        public IReadOnlyList<(string Name, object?[] Values)> Heard
        {
            get
            {
                lock (_gate)
                {
                    return [.. _heard];
                }
            }
        }

        protected override void OnEventWritten(EventWrittenEventArgs eventData)
        {
            lock (_gate)
            {
                _heard.Add((eventData.EventName ?? string.Empty, [.. eventData.Payload ?? (IReadOnlyList<object?>)[]]));
            }
        }
    }
}
