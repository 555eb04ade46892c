using System.Runtime;
using TunnelBox.DataPath.Tests.Support;
using TunnelBox.DataPath.Xdp;

namespace TunnelBox.DataPath.Tests.Xdp;

public sealed class GatewayWarmUpTests
{
    private const string Fresh = "TB_FRESH_PROCESS";

    [Fact]
    public void Every_synthetic_packet_goes_through() => Assert.True(WarmUp.RunGateway());

    [Fact]
    public async Task The_first_real_packets_of_a_gateway_wait_for_no_compiler()
    {
        (bool passed, string output) = await FreshProcess.Run([nameof(First_packets_of_a_gateway_in_a_fresh_process)], (Fresh, "1"));
        Assert.True(passed, output);
    }

    /// <summary>Does nothing but in the process that the test above starts.</summary>
    [Fact]
    public void First_packets_of_a_gateway_in_a_fresh_process()
    {
        if (Environment.GetEnvironmentVariable(Fresh) == null)
        {
            return;
        }

        using var control = new GatewayWarmUp();
        int compiled = Compiled(() => control.Pass());
        Assert.True(compiled > 20, $"only {compiled} methods were compiled, so this test sees nothing");
        using var real = new GatewayWarmUp();
        Assert.Equal(0, Compiled(() => real.Pass()));
    }

    private static int Compiled(Func<(int Packets, int Frames)> work)
    {
        System.Runtime.CompilerServices.RuntimeHelpers.PrepareDelegate(work);
        int before = (int)JitInfo.GetCompiledMethodCount(currentThread: true);
        Assert.Equal((GatewayWarmUp.ExpectedPackets, GatewayWarmUp.ExpectedFrames), work());
        return (int)JitInfo.GetCompiledMethodCount(currentThread: true) - before;
    }
}
