using System.Net;
using TunnelBox.Linux.Ethtool;
using TunnelBox.Linux.Libc;
using TunnelBox.Linux.Tests.Netlink;

namespace TunnelBox.Linux.Tests.Ethtool;

/// <summary>Steering rules in a card. No card here has a table, so what is seen is that each refusal is a refusal.</summary>
public sealed class FlowTableTests
{
    private static readonly UdpFlow s_flow = new(false, 0x0A090002, 4000, 51820);

    [Fact]
    [Trait("Needs", "root")]
    public void A_driver_without_a_table_refuses_each_request_by_name() => PrivateNetwork.Run(() =>
    {
        PrivateNetwork.Ip("link add v0 type veth peer name v1");
        using FlowTable table = FlowTable.Open("v0")!;
        Assert.Equal(-Definitions.EOPNOTSUPP, table.Count(out int room, out bool chooses));
        Assert.Equal((0, false), (room, chooses));
        Assert.Equal(-Definitions.EOPNOTSUPP, table.Insert(s_flow, 1, 0, Definitions.RX_CLS_LOC_ANY, out _));
        Assert.Equal(-Definitions.EOPNOTSUPP, table.Insert(s_flow, 1, 3, Definitions.RX_CLS_LOC_ANY, out _));
        Assert.Equal(-Definitions.EOPNOTSUPP, table.Remove(1));
        Assert.Equal(-Definitions.EOPNOTSUPP, table.Read(1, out FlowTableEntry entry));
        Assert.Equal(default, entry);
        Assert.Equal(-Definitions.EOPNOTSUPP, table.List(16, out uint[] places));
        Assert.Empty(places);
        Assert.Equal(-Definitions.EOPNOTSUPP, table.AddContext([0, 1, 0, 1], out uint context));
        Assert.Equal(0u, context);
        Assert.Equal(-Definitions.EOPNOTSUPP, table.RemoveContext(1));
        using FlowTable none = FlowTable.Open("nothing")!;
        Assert.Equal(-Definitions.ENODEV, none.Count(out _, out _));
        Assert.Null(FlowTable.Open("a-name-that-no-device-can-have"));
    });

    [Theory]
    [InlineData("192.0.2.7")]
    [InlineData("2001:db8::7")]
    public void A_flow_is_written_as_the_kernel_reads_it(string source)
    {
        IPAddress address = IPAddress.Parse(source);
        byte[] bytes = address.GetAddressBytes();
        UInt128 value = bytes.Aggregate(UInt128.Zero, (sum, each) => (sum << 8) | each);
        byte[] values = new byte[52];
        byte[] bits = new byte[52];
        FlowTable.Write(new UdpFlow(bytes.Length == 16, value, 0x1234, 0x5678), values, bits);

        // struct ethtool_tcpip4_spec and ethtool_tcpip6_spec: source, destination, ports.
        int ports = 2 * bytes.Length;
        Assert.Equal(bytes, values[..bytes.Length]);
        Assert.Equal([0x12, 0x34, 0x56, 0x78], values[ports..(ports + 4)]);
        Assert.Equal(Enumerable.Repeat((byte)0xFF, bytes.Length), bits[..bytes.Length]);
        Assert.Equal([0xFF, 0xFF, 0xFF, 0xFF], bits[ports..(ports + 4)]);
        Assert.Equal(bytes.Length + 4, bits.Count(each => each != 0));
    }
}
