using System.Buffers.Binary;
using System.Net;
using TunnelBox.DataPath.Steering;
using TunnelBox.DataPath.Tests.Support;
using TunnelBox.DataPath.Xdp;
using TunnelBox.Linux.Libc;
using TunnelBox.Visibility;

namespace TunnelBox.DataPath.Tests.Steering;

/// <summary>The short way to a drop says what the long way says, and the filter knows every index in use, whatever came and went.</summary>
[Trait("Needs", "root")]
public sealed class IndexFilterTests : IDisposable
{
    private const uint Drop = 1;
    private const uint Redirect = 4;
    private const string Four = "10.9.0.1";
    private const string Six = "fd09::1";

    private readonly TestNamespace _space = new();
    private ulong _number;

    public IndexFilterTests() => _space.Ip("link", "add", "v0", "type", "veth", "peer", "name", "v1");

    public void Dispose() => _space.Dispose();

    // The long way alone is had by an address for which the short way's table has no room.
    [Fact]
    public void Both_ways_give_the_same_verdict_and_the_same_count() => _space.Inside(() =>
    {
        using FileDescriptor socket = Socket();
        (List<uint> Verdicts, CounterTotals Drops)[] ways = new (List<uint>, CounterTotals)[2];
        for (int way = 0; way < ways.Length; way++)
        {
            using OuterProgram program = OuterProgram.Attach("v0", XdpOuter.IndexOf("v0"), bind: false);
            for (int i = 0; way == 1 && i < 4; i++)
            {
                Assert.Equal(0, program.Listen(IPEndPoint.Parse($"10.77.0.{i}:7")));
                Assert.Equal(0, program.Listen(IPEndPoint.Parse($"[fd77::{i}]:7")));
            }

            Assert.Equal(0, program.Listen(new IPEndPoint(IPAddress.Parse(Four), XdpLab.Port)));
            Assert.Equal(0, program.Listen(new IPEndPoint(IPAddress.Parse(Six), XdpLab.Port)));
            Assert.Equal(0, program.Bind(0, socket.Value));
            var map = new SessionMap(program.Sessions, filter: program.Filter);
            map.Submit([.. Enumerable.Range(0, 100).Select(i => new SteeringOrder(i, Rule((uint)i * 0x1010_1011), IsRemoval: false))]);
            var counters = new Counters();
            var drop = new EarlyDrop(program);
            Assert.Equal(0, drop.Start());
            drop.SetComplete(true);
            _number = 42;
            List<uint> verdicts = [.. Enumerable.Range(0, 20_000).Select(_ => ProgramRun.Once(program.Descriptor, Mutated()).Verdict)];
            drop.Count(counters.AddBlock("test"));
            ways[way] = (verdicts, counters.Read());
        }

        Assert.Equal(ways[1].Verdicts, ways[0].Verdicts);
        Assert.All(Enum.GetValues<DropReason>(), reason =>
        {
            Assert.Equal(ways[1].Drops.Drops(reason), ways[0].Drops.Drops(reason));
            Assert.Equal(ways[1].Drops.DropBytes(reason), ways[0].Drops.DropBytes(reason));
        });

        // Otherwise nothing was compared.
        Assert.All<uint>([Drop, Redirect], verdict => Assert.True(ways[0].Verdicts.Count(each => each == verdict) > 1000));
        Assert.True(ways[0].Drops.Drops(DropReason.InNoStates) > 1000);
    });

    [Fact]
    public void Indices_in_use_are_known_while_thousands_come_and_go() => _space.Inside(() =>
    {
        using FileDescriptor socket = Socket();
        using OuterProgram program = OuterProgram.Attach("v0", XdpOuter.IndexOf("v0"), bind: false);
        Assert.Equal(0, program.Listen(new IPEndPoint(IPAddress.Parse(Four), XdpLab.Port)));
        Assert.Equal(0, program.Bind(0, socket.Value));
        var drop = new EarlyDrop(program);
        Assert.Equal(0, drop.Start());
        drop.SetComplete(true);
        SessionMap[] maps = [new(program.Sessions, filter: program.Filter), new(program.Sessions, tunnel: 1, filter: program.Filter)];
        uint[] staying = [.. Enumerable.Range(0, 1000).Select(_ => (uint)Next(uint.MaxValue))];
        maps[0].Submit([.. staying.Select((index, i) => new SteeringOrder(i, Rule(index), IsRemoval: false))]);

        // Two tunnels, a thread each; enough removals for the filter to be made anew many times.
        Thread[] threads = [.. maps.Select((map, number) => new Thread(() =>
        {
            for (uint round = 0; round < 40; round++)
            {
                SteeringOrder[] orders = [.. Enumerable.Range(0, 1000).Select(i => new SteeringOrder(i, Rule(((uint)(number + 1) << 28) + (round * 1000) + (uint)i), IsRemoval: false))];
                map.Submit(orders);
                map.Submit([.. orders.Select(order => order with { IsRemoval = true })]);
            }
        }))];
        Array.ForEach(threads, thread => thread.Start());
        while (threads.Any(thread => thread.IsAlive))
        {
            Assert.Equal(Redirect, ProgramRun.Once(program.Descriptor, Frame(false, staying[Next(1000)])).Verdict);
        }

        Assert.All(staying, index => Assert.Equal(Redirect, ProgramRun.Once(program.Descriptor, Frame(false, index)).Verdict));
        Assert.InRange(Enumerable.Range(0, 8192).Count(_ => program.Filter.Has((uint)Next(uint.MaxValue))), 0, 8192 / 20);
        Assert.All(staying, index => Assert.True(program.Filter.Has(index)));
    });

    [Fact]
    public void An_address_that_is_forgotten_is_the_kernels_again() => _space.Inside(() =>
    {
        using OuterProgram program = OuterProgram.Attach("v0", XdpOuter.IndexOf("v0"), bind: false);
        var local = new IPEndPoint(IPAddress.Parse(Four), XdpLab.Port);
        var drop = new EarlyDrop(program);
        Assert.Equal(0, drop.Start());
        drop.SetComplete(true);
        const uint Pass = 2;
        Assert.Equal(Pass, ProgramRun.Once(program.Descriptor, Frame(false, 9)).Verdict);
        Assert.Equal(0, program.Listen(local));
        Assert.Equal(Drop, ProgramRun.Once(program.Descriptor, Frame(false, 9)).Verdict);
        Assert.Equal(0, program.Forget(local));
        Assert.Equal(Pass, ProgramRun.Once(program.Descriptor, Frame(false, 9)).Verdict);
    });

    private static SteeringRule Rule(uint index) => new(index, 5, SteeringRule.Any, SteeringRule.Any);

    private static FileDescriptor Socket() => new(LibC.socket(Definitions.AF_XDP, Definitions.SOCK_RAW, 0));

    // The same frames for each way: whole ones of both families, with indices of ours and of nobody, and one to three bytes of their first hundred changed.
    private byte[] Mutated()
    {
        byte[] frame = Frame(Next(2) == 1, Next(2) == 1 ? (uint)Next(100) * 0x1010_1011 : (uint)Next(uint.MaxValue));
        for (int changes = Next(4); changes > 0; changes--)
        {
            frame[Next(Math.Min(frame.Length, 100))] = Next(3) == 0 ? (byte)Next(256) : (byte)(frame[Next(frame.Length)] ^ (1 << Next(8)));
        }

        return Next(8) == 0 ? frame[..(14 + Next(frame.Length - 14))] : frame;
    }

    private static byte[] Frame(bool six, uint index)
    {
        int headers = six ? 62 : 42;
        byte[] frame = new byte[headers + 64];
        Span<byte> ip = frame.AsSpan(14);
        BinaryPrimitives.WriteUInt16BigEndian(frame.AsSpan(12), (ushort)(six ? 0x86DD : 0x0800));
        if (six)
        {
            ip[0] = 0x60;
            BinaryPrimitives.WriteUInt16BigEndian(ip[4..], 72);
            ip[6] = 17;
            IPAddress.Parse("fd09::2").TryWriteBytes(ip[8..], out _);
            IPAddress.Parse(Six).TryWriteBytes(ip[24..], out _);
        }
        else
        {
            ip[0] = 0x45;
            BinaryPrimitives.WriteUInt16BigEndian(ip[2..], 92);
            ip[9] = 17;
            IPAddress.Parse("10.9.0.2").TryWriteBytes(ip[12..], out _);
            IPAddress.Parse(Four).TryWriteBytes(ip[16..], out _);
        }

        Span<byte> udp = frame.AsSpan(headers - 8);
        BinaryPrimitives.WriteUInt16BigEndian(udp, 4000);
        BinaryPrimitives.WriteUInt16BigEndian(udp[2..], XdpLab.Port);
        BinaryPrimitives.WriteUInt16BigEndian(udp[4..], 72);
        BinaryPrimitives.WriteInt32LittleEndian(udp[8..], 4);
        BinaryPrimitives.WriteUInt32LittleEndian(udp[12..], index);
        return frame;
    }

    private int Next(long below)
    {
        _number = (_number * 6_364_136_223_846_793_005) + 1_442_695_040_888_963_407;
        return (int)((_number >> 33) % (ulong)Math.Min(below, int.MaxValue));
    }
}
