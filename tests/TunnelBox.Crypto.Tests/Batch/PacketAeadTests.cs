using TunnelBox.Crypto.Batch;

namespace TunnelBox.Crypto.Tests.Batch;

public sealed class PacketAeadTests
{
    [Fact]
    public void The_widest_working_engine_is_chosen_and_says_so()
    {
        PacketAead chosen = PacketAead.Select();
        Assert.Equal(Workbench.Engines.First(), chosen.Name);
        Assert.StartsWith(chosen.Name + ": the widest engine that works here", chosen.Reason, StringComparison.Ordinal);
        Assert.Equal(chosen.Name, chosen.Create().Name);
        Assert.Equal(chosen.Name, PacketAead.Select(PacketAead.Automatic).Name);
    }

    [Fact]
    public void An_engine_can_be_set_by_name()
    {
        foreach (string name in Workbench.Engines)
        {
            Assert.Equal(name, PacketAead.Select(name).Create().Name);
        }
    }

    [Fact]
    public void An_unknown_name_is_refused_with_the_names_there_are()
    {
        ArgumentException e = Assert.Throws<ArgumentException>(() => PacketAead.Select("vector1024"));
        Assert.Contains("vector512, vector256, vector128, scalar", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void An_engine_that_fails_its_self_test_is_passed_over_and_named()
    {
        PacketAead.Engine broken = new("broken", true, () => new Broken(Workbench.Create("scalar"), flipTag: true));
        PacketAead.Engine lax = new("lax", true, () => new Broken(Workbench.Create("scalar"), flipTag: false));
        PacketAead.Engine foreign = new("foreign", false, () => throw new InvalidOperationException("must not run"));
        PacketAead.Engine scalar = new("scalar", true, () => Workbench.Create("scalar"));
        PacketAead chosen = PacketAead.SelectWidest([foreign, broken, lax, scalar]);
        Assert.Equal("scalar", chosen.Name);
        Assert.Contains("foreign needs instructions", chosen.Reason, StringComparison.Ordinal);
        Assert.Contains("broken failed its self-test (a genuine packet was refused) and is refused", chosen.Reason, StringComparison.Ordinal);
        Assert.Contains("lax failed its self-test (a forged packet was accepted) and is refused", chosen.Reason, StringComparison.Ordinal);
        Assert.Throws<PlatformNotSupportedException>(() => PacketAead.SelectWidest([broken]));
    }

    /// <summary>An engine with a fault: it seals one wrong bit, or opens whatever comes.</summary>
    private sealed unsafe class Broken(IPacketAead inner, bool flipTag) : IPacketAead
    {
        public string Name => "broken";

        public void Seal(Span<AeadJob> jobs)
        {
            inner.Seal(jobs);
            if (flipTag)
            {
                ((byte*)jobs[0].Destination)[jobs[0].Length + 15] ^= 1;
            }
        }

        public void Open(Span<AeadJob> jobs)
        {
            inner.Open(jobs);
            foreach (ref AeadJob job in jobs)
            {
                job.Opened |= !flipTag;
            }
        }
    }
}
