using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using TunnelBox.Linux.Netlink;

namespace TunnelBox.Linux.Tests.Netlink;

/// <summary>Rules of traffic control on a real device's arrivals, looked at by tc(8) and by datagrams.</summary>
[Trait("Needs", "root")]
public sealed class IndexRulesTests
{
    private const ushort Port = 51820;

    [Fact]
    public void What_was_set_stands_there_and_goes_again_in_any_order() => OnVeth(device =>
    {
        using IndexRules rules = IndexRules.Open(device, Port, inHardware: false);
        var random = new Random(5);
        Dictionary<uint, ushort> wanted = [];
        for (int round = 0; round < 40; round++)
        {
            Dictionary<uint, ushort> changes = [];
            for (int i = 0; i < 1500; i++)
            {
                // Few buckets, so that their lists grow, have gaps and are filled again.
                uint index = (uint)random.Next(20_000) * 0x0010_0003;
                changes[index] = (ushort)(random.Next(3) == 0 ? 0 : random.Next(1, ushort.MaxValue + 1));
            }

            IndexRuleChange[] list = [.. changes.Select(each => new IndexRuleChange(each.Key, each.Value))];
            int[] errors = new int[list.Length];
            rules.Change(list, errors);
            for (int i = 0; i < list.Length; i++)
            {
                bool wasThere = wanted.ContainsKey(list[i].Index);
                Assert.Equal(list[i].Class == 0 && !wasThere ? -2 : 0, errors[i]);
                if (list[i].Class == 0)
                {
                    wanted.Remove(list[i].Index);
                }
                else
                {
                    wanted[list[i].Index] = list[i].Class;
                }
            }
        }

        Assert.Equal(wanted.Count, rules.Count);
        List<IndexRule> found = rules.Dump();
        Assert.Equal(wanted.OrderBy(each => each.Key).Select(each => (each.Key, each.Value)), found.OrderBy(rule => rule.Index).Select(rule => (rule.Index, rule.Class)));
        Assert.All(found, rule => Assert.False(rule.InHardware));

        // What was read is what is known: everything can be changed and removed by it.
        IndexRuleChange[] all = [.. wanted.Keys.Select(index => new IndexRuleChange(index, 0))];
        int[] gone = new int[all.Length];
        rules.Change(all, gone);
        Assert.All(gone, error => Assert.Equal(0, error));
        Assert.Empty(rules.Dump());
    });

    [Fact]
    public void A_rule_that_somebody_took_away_is_made_again() => OnVeth(device =>
    {
        using IndexRules rules = IndexRules.Open(device, Port, inHardware: false);
        int[] errors = new int[2];
        rules.Change([new IndexRuleChange(1, 5), new IndexRuleChange(2, 6)], errors);
        string shown = PrivateNetwork.Run("tc", "filter show dev v0 ingress");
        Assert.Contains("flowid 1:5", shown, StringComparison.Ordinal);
        string handle = shown.Split('\n').First(line => line.Contains("flowid 1:5", StringComparison.Ordinal)).Split(' ').SkipWhile(word => word != "fh").ElementAt(1);
        PrivateNetwork.Run("tc", $"filter del dev v0 ingress pref 45236 protocol ip handle {handle} u32");
        Assert.Equal([2u], rules.Dump().Select(rule => rule.Index));
        rules.Change([new IndexRuleChange(1, 7), new IndexRuleChange(2, 8)], errors);
        Assert.Equal([0, 0], errors);
        Assert.Equal([(1u, 7), (2u, 8)], rules.Dump().OrderBy(rule => rule.Index).Select(rule => (rule.Index, (int)rule.Class)));

        // And one whose loss nobody has noticed.
        shown = PrivateNetwork.Run("tc", "filter show dev v0 ingress");
        handle = shown.Split('\n').First(line => line.Contains("flowid 1:8", StringComparison.Ordinal)).Split(' ').SkipWhile(word => word != "fh").ElementAt(1);
        PrivateNetwork.Run("tc", $"filter del dev v0 ingress pref 45236 protocol ip handle {handle} u32");
        rules.Change([new IndexRuleChange(2, 9)], errors);
        Assert.Equal(0, errors[0]);
        Assert.Equal([(1u, 7), (2u, 9)], rules.Dump().OrderBy(rule => rule.Index).Select(rule => (rule.Index, (int)rule.Class)));
    });

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Data_of_a_known_index_matches_and_nothing_else_does(bool isIPv6) => OnVeth(device =>
    {
        using IndexRules rules = IndexRules.Open(device, Port, inHardware: false);
        int[] errors = new int[2];
        rules.Change([new IndexRuleChange(0x12345678, 1), new IndexRuleChange(0x12345679, 2)], errors);
        Assert.Equal([0, 0], errors);

        // What no rule takes goes to a device that throws it away; what one takes is looked at no further.
        PrivateNetwork.Ip("link add sink type veth peer name drain");
        PrivateNetwork.Ip("link set sink up");
        PrivateNetwork.Ip("link set drain up");
        PrivateNetwork.Run("tc", $"filter add dev v0 ingress pref 60000 protocol {(isIPv6 ? "ipv6" : "ip")} u32 match u32 0 0 action mirred egress redirect dev sink");
        IPAddress to = IPAddress.Parse(isIPv6 ? "fd00::1" : "10.9.0.1");
        using Socket receiver = Bound(new IPEndPoint(to, Port));
        using Socket other = Bound(new IPEndPoint(to, Port + 1));
        Send(to, Port, 4, 0x12345678);
        Send(to, Port, 4, 0x12345679);
        Assert.Equal([0x12345678u, 0x12345679u], [Receive(receiver), Receive(receiver)]);
        long thrown = Thrown();
        Send(to, Port, 4, 0x12345677);
        Send(to, Port, 4, 0x12355678);
        Send(to, Port, 3, 0x12345678);
        Send(to, Port + 1, 4, 0x12345678);
        Assert.Equal(thrown + 4, Thrown());
        Assert.Equal((0, 0), (receiver.Available, other.Available));
    });

    [Fact]
    public void A_device_that_carries_out_no_rules_says_so_and_keeps_nothing() => OnVeth(device =>
    {
        NetlinkException refused = Assert.Throws<NetlinkException>(() => IndexRules.Open(device, Port, inHardware: true));
        Assert.Equal(NetlinkException.Invalid, refused.Errno);
        Assert.DoesNotContain("clsact", PrivateNetwork.Run("tc", "qdisc show dev v0"), StringComparison.Ordinal);
    });

    [Fact]
    public void Filters_of_others_stay_and_ours_of_before_go() => OnVeth(device =>
    {
        PrivateNetwork.Run("tc", "qdisc add dev v0 ingress");
        PrivateNetwork.Ip("link add sink type veth peer name drain");
        PrivateNetwork.Run("tc", "filter add dev v0 parent ffff: pref 7 protocol ip u32 match ip src 192.0.2.7 action mirred egress redirect dev sink");
        IndexRules left = IndexRules.Open(device, Port, inHardware: false);
        left.Change([new IndexRuleChange(1, 5)], new int[1]);

        // As if its process had been killed: nothing was cleared.
        using (IndexRules rules = IndexRules.Open(device, Port, inHardware: false))
        {
            Assert.Empty(rules.Dump());
            rules.Change([new IndexRuleChange(2, 5)], new int[1]);
        }

        string shown = PrivateNetwork.Run("tc", "filter show dev v0 parent ffff:");
        Assert.Contains("pref 7", shown, StringComparison.Ordinal);
        Assert.DoesNotContain("pref 452", shown, StringComparison.Ordinal);
        left.Dispose();
    });

    private static void OnVeth(Action<int> test) => PrivateNetwork.Run(() =>
    {
        PrivateNetwork.Ip("link set lo up");
        PrivateNetwork.Ip("link add v0 type veth peer name v1");

        // The other end says nothing of its own accord, which would be counted.
        PrivateNetwork.Run("sysctl", "-qw net.ipv6.conf.v1.disable_ipv6=1");
        PrivateNetwork.Ip("address add 10.9.0.1/24 dev v0");
        PrivateNetwork.Ip("address add fd00::1/64 dev v0 nodad");
        PrivateNetwork.Ip("link set v0 up");
        PrivateNetwork.Ip("link set v1 up");
        using NetworkSettings settings = NetworkSettings.Open();
        test(settings.FindLink("v0")!.Index);
    });

    private static Socket Bound(IPEndPoint at)
    {
        Socket socket = new(at.AddressFamily, SocketType.Dgram, ProtocolType.Udp) { ReceiveTimeout = 5000 };
        socket.Bind(at);
        return socket;
    }

    private static uint Receive(Socket socket)
    {
        byte[] bytes = new byte[64];
        Assert.Equal(32, socket.Receive(bytes));
        return BinaryPrimitives.ReadUInt32LittleEndian(bytes.AsSpan(4));
    }

    // A whole frame out of the other end of the pair, so that no route is asked.
    private static void Send(IPAddress to, int port, int type, uint index)
    {
        bool isIPv6 = to.AddressFamily == AddressFamily.InterNetworkV6;
        int transport = isIPv6 ? 54 : 34;
        byte[] frame = new byte[transport + 8 + 32];
        byte[] mac = Mac();
        mac.CopyTo(frame, 0);
        frame[6] = 2;
        frame[12] = (byte)(isIPv6 ? 0x86 : 0x08);
        frame[13] = (byte)(isIPv6 ? 0xDD : 0);
        if (isIPv6)
        {
            frame[14] = 0x60;
            BinaryPrimitives.WriteUInt16BigEndian(frame.AsSpan(18), 40);
            frame[20] = 17;
            frame[21] = 64;
            IPAddress.Parse("fd00::2").GetAddressBytes().CopyTo(frame, 22);
            to.GetAddressBytes().CopyTo(frame, 38);
        }
        else
        {
            frame[14] = 0x45;
            BinaryPrimitives.WriteUInt16BigEndian(frame.AsSpan(16), 60);
            frame[22] = 64;
            frame[23] = 17;
            IPAddress.Parse("10.9.0.2").GetAddressBytes().CopyTo(frame, 26);
            to.GetAddressBytes().CopyTo(frame, 30);
            BinaryPrimitives.WriteUInt16BigEndian(frame.AsSpan(24), Sum(frame.AsSpan(14, 20), 0));
        }

        BinaryPrimitives.WriteUInt16BigEndian(frame.AsSpan(transport), 4000);
        BinaryPrimitives.WriteUInt16BigEndian(frame.AsSpan(transport + 2), (ushort)port);
        BinaryPrimitives.WriteUInt16BigEndian(frame.AsSpan(transport + 4), 40);
        frame[transport + 8] = (byte)type;
        BinaryPrimitives.WriteUInt32LittleEndian(frame.AsSpan(transport + 12), index);
        if (isIPv6)
        {
            BinaryPrimitives.WriteUInt16BigEndian(frame.AsSpan(transport + 6), Sum(frame.AsSpan(22), 40 + 17));
        }

        PacketSocket.Send("v1", frame);
    }

    private static byte[] Mac() => Convert.FromHexString(PrivateNetwork.Ip("-o link show v0").Split("link/ether ")[1][..17].Replace(":", string.Empty, StringComparison.Ordinal));

    private static ushort Sum(ReadOnlySpan<byte> bytes, uint sum)
    {
        for (int i = 0; i < bytes.Length; i += 2)
        {
            sum += BinaryPrimitives.ReadUInt16BigEndian(bytes[i..]);
        }

        sum = (sum & 0xFFFF) + (sum >> 16);
        return (ushort)~((sum & 0xFFFF) + (sum >> 16));
    }

    private static long Thrown() => long.Parse(
        PrivateNetwork.Ip("-s -o link show sink").Split("TX:")[1].Split('\\')[1].Split(' ', StringSplitOptions.RemoveEmptyEntries)[1],
        System.Globalization.CultureInfo.InvariantCulture);
}
