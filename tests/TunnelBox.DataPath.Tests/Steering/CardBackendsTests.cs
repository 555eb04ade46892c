using TunnelBox.DataPath.Steering;
using TunnelBox.DataPath.Tests.Support;
using TunnelBox.DataPath.Xdp;

namespace TunnelBox.DataPath.Tests.Steering;

/// <summary>What is found in a real device that carries out no rules: each way is tried, each refusal named, nothing left behind.</summary>
[Trait("Needs", "root")]
public sealed class CardBackendsTests : IDisposable
{
    private readonly TestNamespace _space = new();

    public void Dispose() => _space.Dispose();

    [Fact]
    public void A_device_that_carries_out_none_names_every_refusal_and_keeps_nothing()
    {
        _space.Ip("link", "add", "v0", "numrxqueues", "4", "numtxqueues", "4", "type", "veth", "peer", "name", "v1");
        _space.Inside(() =>
        {
            Assert.Null(CardBackends.Open("v0", XdpOuter.IndexOf("v0"), XdpLab.Port, 4, out bool byIndex, out string why));
            Assert.False(byIndex);

            // Where the kernel has cls_flower the device refuses; where it has none the kernel does.
            Assert.Matches(@"^v0 carries out no rules \(n-tuple: [^;]*\bEOPNOTSUPP\b[^;]*; tc flower: [^;]*\b(ENOENT|EOPNOTSUPP|EINVAL)\b[^;]*; tc u32: [^;]*\bEINVAL\b[^;]*\)$", why);
        });
        Assert.DoesNotContain("clsact", _space.Exec("tc", "qdisc", "show", "dev", "v0"), StringComparison.Ordinal);
    }

    [Fact]
    public void With_one_queue_nothing_is_tried()
    {
        _space.Ip("link", "add", "v0", "type", "veth", "peer", "name", "v1");
        _space.Inside(() =>
        {
            Assert.Null(CardBackends.Open("v0", XdpOuter.IndexOf("v0"), XdpLab.Port, 1, out _, out string why));
            Assert.Equal("v0 has one receive queue, so there is nothing to steer", why);
        });
    }
}
