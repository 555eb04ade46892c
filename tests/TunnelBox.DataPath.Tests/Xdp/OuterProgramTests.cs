using System.Buffers.Binary;
using System.Net;
using TunnelBox.DataPath.Tests.Support;
using TunnelBox.DataPath.Xdp;
using TunnelBox.Linux.Libbpf;
using TunnelBox.Linux.Libc;

namespace TunnelBox.DataPath.Tests.Xdp;

/// <summary>The outer XDP program in the kernel, on one end of a veth pair.</summary>
[Trait("Needs", "root")]
public sealed class OuterProgramTests : IDisposable
{
    private const uint Pass = 2;
    private const uint Redirect = 4;

    private readonly TestNamespace _space = new();
    private readonly int _device;

    public OuterProgramTests()
    {
        _space.Ip("link", "add", "v0", "type", "veth", "peer", "name", "v1");
        _device = int.Parse(_space.Exec("cat", "/sys/class/net/v0/ifindex"), System.Globalization.CultureInfo.InvariantCulture);
    }

    public void Dispose() => _space.Dispose();

    [Fact]
    public void Whole_datagrams_to_us_are_taken_and_all_else_is_the_kernels() => _space.Inside(() =>
    {
        // A program bound to its device cannot be run apart from it.
        using OuterProgram program = OuterProgram.Attach("v0", _device, bind: false);
        Assert.Null(program.GenericReason);
        Assert.False(program.AsksDevice);
        var four = IPEndPoint.Parse("10.9.0.1:51820");
        var six = IPEndPoint.Parse("[fd09::1]:51820");
        Assert.Equal(0, program.Listen(four));
        Assert.Equal(0, program.Listen(six));

        // No socket on the queue yet.
        Assert.Equal(Pass, Run(program, Frame(four, 0)));
        int socket = LibC.socket(Definitions.AF_XDP, Definitions.SOCK_RAW, 0);
        Assert.True(socket >= 0);
        using var owner = new FileDescriptor(socket);
        Assert.Equal(0, program.Bind(0, socket));

        for (int tags = 0; tags < 3; tags++)
        {
            Assert.Equal(Redirect, Run(program, Frame(four, tags)));
            Assert.Equal(Redirect, Run(program, Frame(six, tags)));
            Assert.Equal(Pass, Run(program, Frame(IPEndPoint.Parse("10.9.0.2:51820"), tags)));
            Assert.Equal(Pass, Run(program, Frame(IPEndPoint.Parse("10.9.0.1:51821"), tags)));
            Assert.Equal(Pass, Run(program, Frame(IPEndPoint.Parse("[fd09::2]:51820"), tags)));
        }

        Assert.Equal(Pass, Run(program, Frame(four, 3)));
        foreach ((IPEndPoint to, int offset, byte value) in new[]
        {
            (four, 14, (byte)0x46), (four, 20, (byte)0x20), (four, 21, (byte)1), (four, 23, (byte)6), (six, 20, (byte)44), (four, 12, (byte)9),
        })
        {
            byte[] frame = Frame(to, 0);
            frame[offset] = value;
            Assert.Equal(Pass, Run(program, frame));
        }

        // What no chunk holds is left to the kernel.
        Assert.Equal(Redirect, Run(program, [.. Frame(four, 0), .. new byte[Arena.ChunkSize - 256 - Arena.Headroom - Frame(four, 0).Length]]));
        byte[] large = [.. Frame(four, 0), .. new byte[9000 - Frame(four, 0).Length]];
        Assert.Equal(Pass, Run(program, large));
        Assert.Equal(0, program.TakeUpTo(9000));
        Assert.Equal(Redirect, Run(program, large));
        Assert.Equal(Pass, Run(program, [.. large, 0]));
        Assert.Equal(0, program.TakeUpTo(0));
        Assert.Equal(Pass, Run(program, large));
        Assert.Equal(Pass, Run(program, Frame(four, 0)[..40]));
        Assert.Equal(0, program.Forget(four));
        Assert.Equal(Pass, Run(program, Frame(four, 0)));
        Assert.Equal(-Definitions.ENOENT, program.Forget(four));
    });

    [Fact]
    public void A_program_that_is_there_already_stays_and_is_named() => _space.Inside(() =>
    {
        using (OuterProgram.Attach("v0", _device))
        {
            Assert.Contains("xdp", _space.Ip("link", "show", "v0"), StringComparison.Ordinal);
            PortException refused = Assert.Throws<PortException>(() => OuterProgram.Attach("v0", _device).Dispose());
            Assert.Matches("^no XDP on v0: XDP program [1-9][0-9]* is attached there already, the one of another tunnel \\(outer_bound\\), and a device serves one process; .*'ip link set dev v0 xdp off'$", refused.Message);
        }

        Assert.DoesNotContain("xdp", _space.Ip("link", "show", "v0"), StringComparison.Ordinal);
        using OuterProgram again = OuterProgram.Attach("v0", _device);
        Assert.True(again.AsksDevice, "the driver of veth has metadata, and is not asked for it");
    });

    [Theory]
    [InlineData("10.9.0.1:51820")]
    [InlineData("[fd09::1]:51820")]
    public void A_datagram_whose_checksum_is_still_to_be_made_is_the_kernels_in_generic_mode(string to) => _space.Inside(() =>
    {
        var local = IPEndPoint.Parse(to);
        using OuterProgram native = OuterProgram.Attach("v0", _device, bind: false);
        using OuterProgram generic = OuterProgram.Attach("lo", 1, bind: false);
        Assert.NotNull(generic.GenericReason);
        int socket = LibC.socket(Definitions.AF_XDP, Definitions.SOCK_RAW, 0);
        using var owner = new FileDescriptor(socket);
        foreach (OuterProgram program in new[] { native, generic })
        {
            Assert.Equal(0, program.Listen(local));
            Assert.Equal(0, program.Bind(0, socket));
            for (int tags = 0; tags < 3; tags++)
            {
                byte[] frame = Frame(local, tags);
                int udp = 14 + (4 * tags) + (local.Address.GetAddressBytes().Length == 4 ? 20 : 40);
                PartialSums.Write(frame.AsSpan(14 + (4 * tags)));
                Assert.Equal(program == generic ? Pass : Redirect, Run(program, frame));
                frame[udp + 7] ^= 1;
                Assert.Equal(Redirect, Run(program, frame));
                frame.AsSpan(udp + 6, 2).Clear();
                Assert.Equal(Redirect, Run(program, frame));
            }
        }
    });

    [Fact]
    public void A_device_whose_driver_runs_no_programs_gets_the_generic_mode() => _space.Inside(() =>
    {
        using OuterProgram program = OuterProgram.Attach("lo", 1);
        Assert.Contains("driver of lo", program.GenericReason, StringComparison.Ordinal);
        Assert.Contains("xdpgeneric", _space.Ip("link", "show", "lo"), StringComparison.Ordinal);
    });

    // A loop that is unrolled, or a branch that the verifier cannot forget, multiplies what it walks through; its limit is a million.
    [Theory]
    [InlineData("outer.bpf.o", "outer", 20_000)]
    [InlineData("outer.bpf.o", "outer_bound", 20_000)]
    [InlineData("inner.bpf.o", "inner", 20_000)]
    [InlineData("inner.bpf.o", "inner_bound", 20_000)]
    [InlineData("redirects.bpf.o", "redirects", 500)]
    public void The_verifier_walks_through_a_bounded_number_of_instructions(string file, string program, int most) => _space.Inside(() =>
    {
        using BpfObject? loaded = BpfObject.Load(XdpProgram.Image(file), program, program.EndsWith("_bound", StringComparison.Ordinal) ? _device : 0, out int error);
        Assert.True(loaded is not null, Errno.Describe(error));
        Assert.InRange(BpfInfo.VerifiedInstructions(loaded.Program(program)), 1u, (uint)most);
    });

    [Theory]
    [InlineData("outer")]
    [InlineData("dissect")]
    [InlineData("inner")]
    [InlineData("redirects")]
    [InlineData("steer")]
    public void The_object_that_is_checked_in_is_the_compiled_source(string name)
    {
        string folder = NativeFolder.Path;
        string made = Path.GetTempFileName();
        try
        {
            _space.Exec(Path.Combine(folder, "build"), $"{name}.bpf.c", made);
            Assert.True(
                File.ReadAllBytes(Path.Combine(folder, $"{name}.bpf.o")).AsSpan().SequenceEqual(File.ReadAllBytes(made)),
                $"{name}.bpf.o is older than its source: run native/xdp/build");
        }
        finally
        {
            File.Delete(made);
        }
    }

    private static byte[] Frame(IPEndPoint to, int tags)
    {
        byte[] address = to.Address.GetAddressBytes();
        bool four = address.Length == 4;
        byte[] frame = new byte[14 + (4 * tags) + (four ? 20 : 40) + 8 + 32];
        Span<byte> at = frame.AsSpan(12);
        for (int tag = 0; tag < tags; tag++, at = at[4..])
        {
            BinaryPrimitives.WriteUInt16BigEndian(at, (ushort)(tag == 0 && tags > 1 ? 0x88A8 : 0x8100));
        }

        BinaryPrimitives.WriteUInt16BigEndian(at, (ushort)(four ? 0x0800 : 0x86DD));
        at = at[2..];
        at[0] = (byte)(four ? 0x45 : 0x60);
        at[four ? 9 : 6] = 17;
        BinaryPrimitives.WriteUInt16BigEndian(at[(four ? 2 : 4)..], (ushort)(four ? at.Length : at.Length - 40));
        address.CopyTo(at[(four ? 16 : 24)..]);
        BinaryPrimitives.WriteUInt16BigEndian(at[(four ? 22 : 42)..], (ushort)to.Port);
        BinaryPrimitives.WriteUInt16BigEndian(at[(four ? 24 : 44)..], 40);
        return frame;
    }

    private static uint Run(OuterProgram program, byte[] frame) => ProgramRun.Once(program.Descriptor, frame).Verdict;
}
