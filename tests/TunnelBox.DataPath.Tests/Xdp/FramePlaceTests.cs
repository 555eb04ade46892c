using System.Globalization;
using TunnelBox.DataPath.Xdp;
using TunnelBox.Linux.Libc;

namespace TunnelBox.DataPath.Tests.Xdp;

/// <summary>Memory near its device, as the kernel shows it.</summary>
public sealed unsafe class FramePlaceTests
{
    private const nuint Length = 1 << 20;

    [Fact]
    public void What_is_preferred_stands_in_the_kernels_map_of_the_process()
    {
        nint address = LibC.mmap(null, Length, Definitions.PROT_READ | Definitions.PROT_WRITE, Definitions.MAP_PRIVATE | Definitions.MAP_ANONYMOUS, -1, 0);
        Assert.InRange(address, 1, nint.MaxValue);
        try
        {
            Assert.Equal(0, FramePlace.Prefer(address, Length, 0));
            new Span<byte>((void*)address, (int)Length).Fill(1);
            string line = Assert.Single(File.ReadLines("/proc/self/numa_maps"), each => each.StartsWith(((long)address).ToString("x", CultureInfo.InvariantCulture), StringComparison.Ordinal));
            Assert.Contains("prefer:0", line, StringComparison.Ordinal);
            Assert.Contains("N0=256", line, StringComparison.Ordinal);
            Assert.Equal(-Definitions.EINVAL, FramePlace.Prefer(address, Length, 1023));
        }
        finally
        {
            _ = LibC.munmap((void*)address, Length);
        }
    }

    [Fact]
    public void Where_frames_lie_is_said()
    {
        nint address = LibC.mmap(null, Length, Definitions.PROT_READ | Definitions.PROT_WRITE, Definitions.MAP_PRIVATE | Definitions.MAP_ANONYMOUS, -1, 0);
        try
        {
            // The loopback device belongs to no node.
            string expected = File.ReadAllText("/sys/devices/system/node/online").Trim() == "0"
                ? "on NUMA node 0, the machine's only one" : "on whichever NUMA node the kernel takes, since lo belongs to none";
            Assert.Equal(expected, FramePlace.Place(address, Length, "lo"));
        }
        finally
        {
            _ = LibC.munmap((void*)address, Length);
        }
    }
}
