using TunnelBox.Linux.Tracing;

namespace TunnelBox.Linux.Tests.Tracing;

/// <summary>Without the library, as here: the end-to-end tests have it.</summary>
public sealed class ProbeLibraryTests
{
    [Fact]
    public void Its_absence_has_a_reason_and_attaches_nobody()
    {
        Assert.Null(ProbeLibrary.LoadedFrom);
        Assert.Contains("install it", ProbeLibrary.Missing, StringComparison.Ordinal);
        Assert.False(Probes.PacketInAttached || Probes.PacketOutAttached || Probes.PacketDropAttached || Probes.QueueFullAttached);
        Assert.False(Probes.HandshakeSendAttached || Probes.HandshakeReceiveAttached || Probes.HandshakeCompleteAttached || Probes.RekeyAttached);
        Assert.False(Probes.SessionNewAttached || Probes.SessionExpireAttached || Probes.EndpointChangeAttached || Probes.SteerRuleAttached);
    }

    [Fact]
    public void Asking_allocates_nothing()
    {
        bool attached = Probes.PacketInAttached;
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 1_000_000; i++)
        {
            attached |= Probes.PacketOutAttached;
        }

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
        Assert.False(attached);
    }

    [Fact]
    public void Texts_end_with_a_zero() => Assert.Equal("wg0\0"u8.ToArray(), Probes.Text("wg0"));
}
