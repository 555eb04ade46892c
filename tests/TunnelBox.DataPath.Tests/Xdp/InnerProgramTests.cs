using System.Buffers.Binary;
using System.Net;
using TunnelBox.DataPath.Tests.Support;
using TunnelBox.DataPath.Xdp;
using TunnelBox.Linux.Libc;
using TunnelBox.Protocol;

namespace TunnelBox.DataPath.Tests.Xdp;

/// <summary>The inner XDP program in the kernel, on one end of a veth pair.</summary>
[Trait("Needs", "root")]
public sealed class InnerProgramTests : IDisposable
{
    private const uint Pass = 2;
    private const uint Redirect = 4;
    private const ulong Mac = 0x0200_0000_0001;
    private const int Mtu = 1420;

    private readonly TestNamespace _space = new();
    private readonly int _device;

    public InnerProgramTests()
    {
        _space.Ip("link", "add", "v0", "type", "veth", "peer", "name", "v1");
        _device = int.Parse(_space.Exec("cat", "/sys/class/net/v0/ifindex"), System.Globalization.CultureInfo.InvariantCulture);
    }

    public void Dispose() => _space.Dispose();

    [Fact]
    public void Packets_to_the_longest_prefix_of_a_peer_are_taken_and_all_else_is_the_kernels() => Inside(program =>
    {
        Set(program, ("10.1.0.0/16", PrefixOwner.Tunnel), ("10.1.2.0/24", PrefixOwner.Kernel), ("10.1.2.128/25", PrefixOwner.Tunnel), ("10.1.3.3/32", PrefixOwner.Kernel));
        Set(program, ("fd01::/32", PrefixOwner.Tunnel), ("fd01:0:1::/48", PrefixOwner.Kernel), ("64:ff9b::/96", PrefixOwner.Tunnel));
        foreach (string to in new[] { "10.1.0.1", "10.1.255.255", "10.1.2.128", "fd01::1", "fd01:0:2::1", "64:ff9b::a01:1" })
        {
            Assert.True(Run(program, Frame(to)) == Redirect, to);
        }

        foreach (string to in new[] { "10.2.0.1", "10.1.2.127", "10.1.3.3", "fd02::1", "fd01:0:1::1", "::1" })
        {
            Assert.True(Run(program, Frame(to)) == Pass, to);
        }

        Assert.Equal(0, program.Forget([Prefix("10.1.2.0/24"), Prefix("fd01:0:1::/48")]));
        Assert.Equal(Redirect, Run(program, Frame("10.1.2.127")));
        Assert.Equal(Redirect, Run(program, Frame("fd01:0:1::1")));
        Assert.Equal(-Definitions.ENOENT, program.Forget([Prefix("10.1.2.0/24")]));
    });

    [Fact]
    public void What_no_router_passes_on_is_the_kernels_whatever_the_prefixes_say() => Inside(program =>
    {
        Set(program, ("0.0.0.0/0", PrefixOwner.Tunnel), ("::/0", PrefixOwner.Tunnel));
        foreach (string to in new[] { "0.0.0.1", "127.0.0.1", "169.254.1.1", "224.0.0.1", "255.255.255.255", "::1", "::", "::ffff:10.1.1.1", "fe80::1", "ff02::1" })
        {
            Assert.True(Run(program, Frame(to)) == Pass, "to " + to);
            Assert.True(Run(program, Frame(to.Contains(':', StringComparison.Ordinal) ? "fd01::1" : "10.1.0.1", from: to)) == Pass, "from " + to);
        }

        Assert.Equal(Redirect, Run(program, Frame("10.1.0.1")));
        Assert.Equal(Redirect, Run(program, Frame("fd01::1")));
    });

    [Fact]
    public void A_datagram_whose_checksum_is_still_to_be_made_is_the_kernels_in_generic_mode() => _space.Inside(() =>
    {
        using InnerProgram native = InnerProgram.Attach("v0", _device, bind: false);
        using InnerProgram generic = InnerProgram.Attach("lo", 1, bind: false);
        Assert.NotNull(generic.GenericReason);
        using FileDescriptor socket = Socket();
        foreach (InnerProgram program in new[] { native, generic })
        {
            Assert.Equal(0, program.Serve(Mac, Mtu));
            Assert.Equal(0, program.Bind(0, socket.Value));
            Set(program, ("0.0.0.0/0", PrefixOwner.Tunnel), ("::/0", PrefixOwner.Tunnel));
            foreach (string to in new[] { "10.1.0.1", "fd01::1" })
            {
                byte[] frame = Frame(to);
                int udp = 14 + (to[0] == 'f' ? 40 : 20);
                BinaryPrimitives.WriteUInt16BigEndian(frame.AsSpan(udp + 4), (ushort)(frame.Length - udp));
                Assert.Equal(Redirect, Run(program, frame));
                PartialSums.Write(frame.AsSpan(14));
                Assert.Equal(program == generic ? Pass : Redirect, Run(program, frame));
                frame[udp + 7] ^= 1;
                Assert.Equal(Redirect, Run(program, frame));
            }
        }
    });

    [Fact]
    public void What_comes_in_the_name_of_this_machine_is_the_kernels() => Inside(program =>
    {
        Set(program, ("0.0.0.0/0", PrefixOwner.Tunnel), ("::/0", PrefixOwner.Tunnel));
        IpPrefix[] own = [Prefix("10.9.0.1/32"), Prefix("10.8.0.0/16"), Prefix("fd09::1/128"), Prefix("fd08::/64")];
        Assert.Equal(0, program.Own(own));
        foreach ((string source, uint verdict) in new[]
        {
            ("10.9.0.1", Pass), ("10.8.7.6", Pass), ("fd09::1", Pass), ("fd08::5", Pass), ("10.9.0.2", Redirect), ("10.7.0.1", Redirect), ("fd09::2", Redirect), ("fd07::1", Redirect),
        })
        {
            Assert.True(Run(program, Frame(source.Contains(':', StringComparison.Ordinal) ? "fd01::1" : "10.1.0.1", from: source)) == verdict, source);
        }

        Assert.Equal(0, program.Disown(own));
        Assert.Equal(Redirect, Run(program, Frame("10.1.0.1", from: "10.9.0.1")));
        Assert.Equal(Redirect, Run(program, Frame("fd01::1", from: "fd09::1")));
    });

    [Theory]
    [InlineData("10.1.0.1", 0, 3, "the Ethernet address of another machine")]
    [InlineData("10.1.0.1", 12, 0x81, "a VLAN tag")]
    [InlineData("10.1.0.1", 14, 0x46, "options")]
    [InlineData("10.1.0.1", 14, 0x65, "another version")]
    [InlineData("10.1.0.1", 16, 1, "longer than the frame")]
    [InlineData("10.1.0.1", 17, 19, "shorter than its header")]
    [InlineData("fd01::1", 14, 0x45, "another version")]
    [InlineData("fd01::1", 18, 1, "longer than the frame")]
    [InlineData("fd01::1", 20, 0, "options for every router")]
    public void A_frame_that_is_not_plain_is_the_kernels(string to, int offset, int value, string why) => Inside(program =>
    {
        Set(program, ("0.0.0.0/0", PrefixOwner.Tunnel), ("::/0", PrefixOwner.Tunnel));
        byte[] frame = Frame(to);
        Assert.Equal(Redirect, Run(program, frame));
        frame[offset] = (byte)value;
        Assert.True(Run(program, frame) == Pass, why);
    });

    [Fact]
    public void Only_what_may_be_broken_up_is_left_to_the_kernel_when_it_is_too_large() => Inside(program =>
    {
        Set(program, ("0.0.0.0/0", PrefixOwner.Tunnel), ("::/0", PrefixOwner.Tunnel));
        Assert.Equal(Redirect, Run(program, Frame("10.1.0.1", size: Mtu)));
        Assert.Equal(Pass, Run(program, Frame("10.1.0.1", size: Mtu + 1)));
        byte[] unbroken = Frame("10.1.0.1", size: Mtu + 1);
        unbroken[20] = 0x40;
        Assert.Equal(Redirect, Run(program, unbroken));
        Assert.Equal(Redirect, Run(program, Frame("fd01::1", size: Mtu + 1)));

        // A fragment is routed like every packet; what leaves no room for sealing is the kernel's.
        byte[] fragment = Frame("10.1.0.1");
        fragment[21] = 9;
        Assert.Equal(Redirect, Run(program, fragment));
        Assert.Equal(Redirect, Run(program, Frame("fd01::1", size: 3506)));
        Assert.Equal(Pass, Run(program, Frame("fd01::1", size: 3747)));
    });

    [Fact]
    public void Thousands_of_prefixes_are_set_and_forgotten_at_once() => Inside(program =>
    {
        KeyValuePair<IpPrefix, PrefixOwner>[] many = [.. Enumerable.Range(0, 50_000).Select(n =>
            KeyValuePair.Create(new IpPrefix((UInt128)(0x0A000000u + (uint)(n * 16)), 28, false), PrefixOwner.Tunnel))];
        Assert.Equal(0, program.Set(many));
        Assert.Equal(Redirect, Run(program, Frame("10.12.52.241")));
        Assert.Equal(0, program.Forget([.. many.Select(each => each.Key)]));
        Assert.Equal(Pass, Run(program, Frame("10.12.52.241")));
    });

    [Fact]
    public void Without_a_socket_or_an_address_of_its_own_it_takes_nothing() => _space.Inside(() =>
    {
        using InnerProgram program = InnerProgram.Attach("v0", _device, bind: false);
        Assert.Null(program.GenericReason);
        Set(program, ("0.0.0.0/0", PrefixOwner.Tunnel));
        using FileDescriptor socket = Socket();
        Assert.Equal(0, program.Bind(0, socket.Value));
        Assert.Equal(Pass, Run(program, Frame("10.1.0.1")));
        Assert.Equal(0, program.Serve(Mac, Mtu));
        Assert.Equal(Redirect, Run(program, Frame("10.1.0.1")));
        socket.Dispose();
        Assert.True(SpinWait.SpinUntil(() => Run(program, Frame("10.1.0.1")) == Pass, 3000));
    });

    [Fact]
    public void A_program_that_is_there_already_stays_and_is_named() => _space.Inside(() =>
    {
        using (OuterProgram.Attach("v0", _device))
        {
            PortException refused = Assert.Throws<PortException>(() => InnerProgram.Attach("v0", _device, bind: false).Dispose());
            Assert.Matches("^no XDP on v0: XDP program [1-9][0-9]* is attached there already, the one of another tunnel \\(outer_bound\\), and a device serves one process; .*'ip link set dev v0 xdp off'$", refused.Message);
        }

        InnerProgram.Attach("v0", _device, bind: false).Dispose();
        Assert.DoesNotContain("xdp", _space.Ip("link", "show", "v0"), StringComparison.Ordinal);
    });

    private static uint Run(InnerProgram program, byte[] frame) => ProgramRun.Once(program.Descriptor, frame).Verdict;

    private static FileDescriptor Socket()
    {
        int socket = LibC.socket(Definitions.AF_XDP, Definitions.SOCK_RAW, 0);
        Assert.True(socket >= 0);
        return new FileDescriptor(socket);
    }

    private static void Set(InnerProgram program, params (string Prefix, PrefixOwner Owner)[] owners) =>
        Assert.Equal(0, program.Set([.. owners.Select(each => KeyValuePair.Create(Prefix(each.Prefix), each.Owner))]));

    private static IpPrefix Prefix(string text) => IpPrefix.From(IPNetwork.Parse(text));

    private static byte[] Frame(string to, string? from = null, int size = 100)
    {
        var target = IPAddress.Parse(to);
        byte[] address = target.GetAddressBytes();
        bool four = address.Length == 4;
        byte[] frame = new byte[14 + size];
        BinaryPrimitives.WriteUInt64BigEndian(frame, Mac << 16);
        BinaryPrimitives.WriteUInt16BigEndian(frame.AsSpan(12), (ushort)(four ? 0x0800 : 0x86DD));
        Span<byte> ip = frame.AsSpan(14);
        ip[0] = (byte)(four ? 0x45 : 0x60);
        BinaryPrimitives.WriteUInt16BigEndian(ip[(four ? 2 : 4)..], (ushort)(four ? size : size - 40));
        ip[four ? 8 : 7] = 64;
        ip[four ? 9 : 6] = 17;
        IPAddress.Parse(from ?? (four ? "10.9.0.2" : "fd09::2")).GetAddressBytes().CopyTo(ip[(four ? 12 : 8)..]);
        address.CopyTo(ip[(four ? 16 : 24)..]);
        return frame;
    }

    private void Inside(Action<InnerProgram> test) => _space.Inside(() =>
    {
        using InnerProgram program = InnerProgram.Attach("v0", _device, bind: false);
        Assert.Equal(0, program.Serve(Mac, Mtu));
        using FileDescriptor socket = Socket();
        Assert.Equal(0, program.Bind(0, socket.Value));
        test(program);
    });
}
