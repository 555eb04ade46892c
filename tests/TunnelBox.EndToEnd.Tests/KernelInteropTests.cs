using TunnelBox.EndToEnd.Tests.Harness;
using Xunit.Abstractions;

namespace TunnelBox.EndToEnd.Tests;

/// <summary>Our program against the kernel's WireGuard. One of these runs in <see cref="GuestTests"/> with each build, since its guest is up already.</summary>
public class KernelInteropTests(ITestOutputHelper output, KernelGuest shared) : EndToEndTest(output, 480), IClassFixture<KernelGuest>
{
    /// <summary>Whether the kernel begins, preshared key, outer IPv6, MTU of the tunnel.</summary>
    public static TheoryData<bool, bool, bool, int> Matrix
    {
        get
        {
            var matrix = new TheoryData<bool, bool, bool, int>();
            foreach (int mtu in new[] { 1280, 1420, 9000 })
            {
                for (int bits = 0; bits < 4; bits++)
                {
                    // By turns, and with each value of the others.
                    bool kernelBegins = int.IsEvenInteger(int.PopCount(bits) + (mtu == 1420 ? 1 : 0));
                    matrix.Add(kernelBegins, (bits & 2) != 0, (bits & 1) != 0, mtu);
                }
            }

            return matrix;
        }
    }

    [Theory]
    [Trait("Tier", "all")]
    [MemberData(nameof(Matrix))]
    public async Task Data_arrives_whole_both_ways_and_through_a_rekey(bool kernelBegins, bool preshared, bool outerIpv6, int mtu)
    {
        TunnelEnd host = await KernelTunnel.MeetAsync(Lab, shared.Guest, preshared, outerIpv6, mtu);
        await KernelTunnel.ExpectAsync(Lab, shared.Guest, host, kernelBegins, mtu);
    }
}
