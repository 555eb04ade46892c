using TunnelBox.Linux.Processes;

namespace TunnelBox.Linux.Tests.Processes;

public sealed class CpuAffinityTests
{
    [Fact]
    public void A_thread_keeps_to_its_processor_and_leaves_the_others_alone()
    {
        int[] before = CpuAffinity.Allowed();
        Assert.NotEmpty(before);
        int[] inside = [];
        int error = -1;
        Thread thread = new(() =>
        {
            error = CpuAffinity.Pin(before[^1]);
            inside = CpuAffinity.Allowed();
        });
        thread.Start();
        thread.Join();
        Assert.Equal(0, error);
        Assert.Equal([before[^1]], inside);
        Assert.Equal(before, CpuAffinity.Allowed());
    }

    [Fact]
    public void A_processor_that_is_not_there_is_refused() => Assert.Equal(-22, CpuAffinity.Pin(CpuAffinity.MaxCpus - 1));
}
