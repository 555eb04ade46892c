using System.Diagnostics;
using TunnelBox.Linux.Libc;
using TunnelBox.Linux.Netlink;

namespace TunnelBox.Linux.Tests.Netlink;

[Trait("Needs", "root")]
public sealed class EthtoolChannelsTests : IDisposable
{
    private readonly string _space = $"tbchan{Environment.ProcessId}";

    public EthtoolChannelsTests()
    {
        Run("ip", "netns", "add", _space);
        Run("ip", "-n", _space, "link", "add", "name", "d0", "index", "77", "numrxqueues", "3", "type", "veth", "peer", "name", "d1");
    }

    public void Dispose() => Run("ip", "netns", "delete", _space);

    [Fact]
    public void Queues_that_are_switched_on_are_counted_and_a_device_without_any_to_switch_says_nothing()
    {
        int?[] seen = [];
        var thread = new Thread(() =>
        {
            using FileDescriptor space = FileDescriptor.Open("/var/run/netns/" + _space, Definitions.O_RDONLY, out _)!;
            _ = LibC.setns(space.Value, Definitions.CLONE_NEWNET);
            using var channels = new EthtoolChannels();
            int? before = channels.Receiving(77);
            Run("ip", "netns", "exec", _space, "ethtool", "-L", "d0", "rx", "2");
            seen = [before, channels.Receiving(77), channels.Receiving(1), channels.Receiving(int.MaxValue)];
        });
        thread.Start();
        thread.Join();
        Assert.Equal([3, 2, null, null], seen);
    }

    private static void Run(string program, params string[] arguments)
    {
        using Process process = Process.Start(program, arguments);
        Assert.True(process.WaitForExit(10_000) && process.ExitCode == 0, $"{program} {string.Join(' ', arguments)}");
    }
}
