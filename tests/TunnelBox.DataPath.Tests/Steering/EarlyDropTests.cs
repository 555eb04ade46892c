using System.Buffers.Binary;
using System.Net;
using TunnelBox.DataPath.Steering;
using TunnelBox.DataPath.Tests.Support;
using TunnelBox.DataPath.Xdp;
using TunnelBox.Linux.Libc;
using TunnelBox.Protocol;
using TunnelBox.Visibility;

namespace TunnelBox.DataPath.Tests.Steering;

/// <summary>What the XDP program drops, datagram by datagram, and the names by which it is counted.</summary>
[Trait("Needs", "root")]
public sealed class EarlyDropTests : IDisposable
{
    private const uint Drop = 1;
    private const uint Redirect = 4;
    private const uint Known = 0x12345678;
    private const uint Unknown = 0x87654321;

    private readonly TestNamespace _space = new();
    private readonly Counters _counters = new();
    private int _socket;

    public EarlyDropTests() => _space.Ip("link", "add", "v0", "type", "veth", "peer", "name", "v1");

    public void Dispose() => _space.Dispose();

    [Fact]
    public void Each_kind_is_dropped_by_its_name_and_nothing_else_is() => Inside((program, drop, counters) =>
    {
        var map = new SessionMap(program.Sessions, filter: program.Filter);
        map.Submit([new SteeringOrder(1, new SteeringRule(Known, 5, SteeringRule.Any, SteeringRule.Any), IsRemoval: false)]);
        byte[] lying = Frame(Message(4, 64, Known));
        BinaryPrimitives.WriteUInt16BigEndian(lying.AsSpan(38), 200);
        (byte[] Frame, DropReason Reason)[] bad =
        [
            (lying, DropReason.InOuterHdrError),
            (Frame([]), DropReason.InHdrError),
            (Frame([4, 0, 0]), DropReason.InHdrError),
            (Frame(Message(4, 31, Known)), DropReason.InHdrError),
            (Frame(Message(1, 147, 0)), DropReason.InHdrError),
            (Frame(Message(2, 93, Known)), DropReason.InHdrError),
            (Frame(Message(5, 64, Known)), DropReason.InMessageType),
            (Frame(Message(0x104, 64, Known)), DropReason.InMessageType),
            (Frame([9, 9, 9, 9]), DropReason.InMessageType),
        ];
        (byte[] Frame, DropReason Reason)[] nobodys =
        [
            (Frame(Message(4, 64, Unknown)), DropReason.InNoStates),
            (Frame(Message(2, 92, Unknown)), DropReason.InHandshakeResponseInvalid),
            (Frame(Message(3, 64, Unknown)), DropReason.InHandshakeCookieInvalid),
        ];
        byte[][] good = [Frame(Message(4, 32, Known)), Frame(Message(4, 33, Known)), Frame(Message(1, 148, 0)), Frame(Message(2, 92, Known)), Frame(Message(3, 64, Known))];

        // Nothing is dropped before it begins, and nobody's index only when all of ours stand in the map.
        Assert.All(bad.Concat(nobodys).Select(each => each.Frame).Concat(good), frame => Assert.Equal(Redirect, Run(program, frame)));
        Assert.Equal(0, drop.Start());
        Assert.All(nobodys.Select(each => each.Frame).Concat(good), frame => Assert.Equal(Redirect, Run(program, frame)));
        Assert.All(bad, each => Assert.Equal(Drop, Run(program, each.Frame)));
        drop.SetComplete(true);
        Assert.All(bad.Concat(nobodys), each => Assert.Equal(Drop, Run(program, each.Frame)));
        Assert.All(good, frame => Assert.Equal(Redirect, Run(program, frame)));

        drop.Count(counters);
        CounterTotals totals = _counters.Read();
        foreach (IGrouping<DropReason, byte[]> reason in bad.Concat(bad).Concat(nobodys).GroupBy(each => each.Reason, each => each.Frame))
        {
            Assert.Equal(reason.Count(), totals.Drops(reason.Key));
            Assert.Equal(reason.Sum(frame => reason.Key == DropReason.InOuterHdrError ? frame.Length : frame.Length - 42), totals.DropBytes(reason.Key));
        }

        Assert.Equal((2 * bad.Length) + nobodys.Length, totals.AllDrops);
        drop.Count(counters);
        Assert.Equal((2 * bad.Length) + nobodys.Length, _counters.Read().AllDrops);

        // A session that is known counts its data; its mark stands in the hints.
        List<HeldRule> held = [];
        Assert.Equal(0, map.Dump(held));
        Assert.Equal((6L, 0L), (Assert.Single(held).Hits, held[0].Misses));

        // One that a card was told to send to queue 3 comes in by 0, where its owner has a socket, too.
        Assert.Equal(0, program.Bind(0, _socket, 1));
        map.Submit([new SteeringOrder(2, new SteeringRule(Known, 5, 3, 1), IsRemoval: false)]);
        Assert.Equal(Redirect, Run(program, good[0]));
        Assert.Equal(Redirect, Run(program, good[3]));
        held.Clear();
        Assert.Equal(0, map.Dump(held));
        Assert.Equal(new HeldRule(new SteeringRule(Known, 5, 3, 1), 1, 1, 0), Assert.Single(held));
        PacketHints hints = System.Runtime.InteropServices.MemoryMarshal.Read<PacketHints>(ProgramRun.Once(program.Descriptor, good[0]).Frame);
        Assert.True(hints.Has(HintFields.Mark));
        Assert.Equal(5u, hints.Mark);
        Assert.True(hints.Timestamp > 0 && hints.Has(HintFields.Timestamp));

        drop.SetComplete(false);
        Assert.All(nobodys, each => Assert.Equal(Redirect, Run(program, each.Frame)));
    });

    [Fact]
    public void Under_load_the_proven_pass_and_all_others_share_a_budget() => Inside((program, drop, counters) =>
    {
        Assert.Equal(0, drop.Start());
        byte[] proven = Frame(Message(1, 148, 0), port: 1000);
        byte[] stranger = Frame(Message(1, 148, 0), port: 1001);
        const int Budget = (int)(EarlyDrop.Budget * 0.067108864);
        for (int i = 0; i < 2 * Budget; i++)
        {
            Assert.Equal(Redirect, Run(program, stranger));
        }

        drop.UnderLoad();
        drop.Proven(new EndpointAddress(0x0A090002, 1000, false, 0));

        // A crowd that comes at once after a rest is let in whole; what comes on top of it as fast as that is not.
        long began = Environment.TickCount64;
        int passed = Enumerable.Range(0, EarlyDrop.Budget).TakeWhile(_ => Run(program, stranger) == Redirect).Count();
        Assert.Equal(EarlyDrop.Budget, passed);
        int dropped = 0;
        while (Environment.TickCount64 - began < 1000)
        {
            Assert.Equal(Redirect, Run(program, proven));
            for (int i = 0; i < 20; i++)
            {
                uint verdict = Run(program, stranger);
                passed += verdict == Redirect ? 1 : 0;
                dropped += verdict == Drop ? 1 : 0;
            }
        }

        // Fifteen windows begin in a second, and sixteen were saved up; a test cannot tell how fast it is itself.
        double seconds = (Environment.TickCount64 - began) / 1000.0;
        Assert.InRange(passed, 1, (int)(EarlyDrop.Budget * (seconds + 1.3)));
        drop.Count(counters);
        Assert.Equal(dropped, _counters.Read().Drops(DropReason.InHandshakeFlood));
        if (passed + dropped > EarlyDrop.Budget * (seconds + 1.3))
        {
            Assert.InRange(dropped, 1, int.MaxValue);
        }

        // A proof that has run out is none: use up the budget, and see the once proven share the strangers' fate.
        program.Prove(new EndpointAddress(0x0A090002, 1000, false, 0), 1);
        Assert.Contains(Enumerable.Range(0, 80 * Budget), _ => Run(program, proven) == Drop);
    });

    [Fact]
    public void Tunnels_that_share_the_program_have_sessions_switches_and_counts_of_their_own() => Inside((program, drop, counters) =>
    {
        const int Second = 8;
        CounterBlock others = _counters.AddBlock("second");
        Assert.Equal(0, program.Listen(IPEndPoint.Parse($"10.9.0.1:{XdpLab.Port + 1}"), OuterProgram.RowOf(Second)));
        Assert.Equal(0, program.BindRow(0, _socket, OuterProgram.RowOf(Second)));
        var map = new SessionMap(program.Sessions, filter: program.Filter);
        var second = new SessionMap(program.Sessions, tunnel: Second, filter: program.Filter);
        map.Submit([new SteeringOrder(1, new SteeringRule(Known, 5, SteeringRule.Any, SteeringRule.Any), IsRemoval: false)]);
        second.Submit([new SteeringOrder(1, new SteeringRule(Unknown, 6, SteeringRule.Any, SteeringRule.Any), IsRemoval: false)]);
        second.Submit([new SteeringOrder(2, new SteeringRule(7, 7, SteeringRule.Any, 3), IsRemoval: false)]);
        byte[] known = Frame(Message(4, 64, Known)), unknown = Frame(Message(4, 64, Unknown)), worker = Frame(Message(4, 64, 7));
        byte[] OfSecond(byte[] frame)
        {
            frame = [.. frame];
            BinaryPrimitives.WriteUInt16BigEndian(frame.AsSpan(36), XdpLab.Port + 1);
            return frame;
        }

        Assert.Equal(0, drop.Start());
        drop.SetComplete(true);
        Assert.Equal([Redirect, Drop], new[] { known, unknown }.Select(frame => Run(program, frame)));
        Assert.Equal([Redirect, Redirect, Redirect], new[] { known, unknown, worker }.Select(frame => Run(program, OfSecond(frame))));
        var dropOfSecond = new EarlyDrop(program, Second);
        Assert.Equal(0, dropOfSecond.Start());
        dropOfSecond.SetComplete(true);
        Assert.Equal([Drop, Redirect, Redirect], new[] { known, unknown, worker }.Select(frame => Run(program, OfSecond(frame))));
        Assert.Equal([Redirect, Drop], new[] { known, unknown }.Select(frame => Run(program, frame)));
        drop.Count(counters);
        Assert.Equal(2, _counters.Read().Drops(DropReason.InNoStates));
        dropOfSecond.Count(others);
        Assert.Equal(3, _counters.Read().Drops(DropReason.InNoStates));

        // One that comes when another has left counts from there, and what was the other's is unknown.
        second.Clear();
        List<HeldRule> held = [];
        Assert.Equal(0, second.Dump(held));
        Assert.Empty(held);
        Assert.Equal(0, map.Dump(held));
        Assert.Equal(Known, Assert.Single(held).Rule.Match);
        var next = new EarlyDrop(program, Second);
        Assert.Equal(0, next.Start());
        Assert.Equal(Redirect, Run(program, OfSecond(known)));
        next.Count(others);
        Assert.Equal(3, _counters.Read().Drops(DropReason.InNoStates));
    });

    private static uint Run(OuterProgram program, byte[] frame) => ProgramRun.Once(program.Descriptor, frame).Verdict;

    private static byte[] Message(int type, int length, uint receiver)
    {
        byte[] message = new byte[length];
        BinaryPrimitives.WriteInt32LittleEndian(message, type);
        BinaryPrimitives.WriteUInt32LittleEndian(message.AsSpan(type == 2 ? 8 : 4), receiver);
        return message;
    }

    private static byte[] Frame(byte[] payload, int port = 4000)
    {
        byte[] frame = new byte[42 + payload.Length];
        frame[12] = 8;
        frame[14] = 0x45;
        BinaryPrimitives.WriteUInt16BigEndian(frame.AsSpan(16), (ushort)(28 + payload.Length));
        frame[23] = 17;
        IPAddress.Parse("10.9.0.2").GetAddressBytes().CopyTo(frame, 26);
        IPAddress.Parse("10.9.0.1").GetAddressBytes().CopyTo(frame, 30);
        BinaryPrimitives.WriteUInt16BigEndian(frame.AsSpan(34), (ushort)port);
        BinaryPrimitives.WriteUInt16BigEndian(frame.AsSpan(36), XdpLab.Port);
        BinaryPrimitives.WriteUInt16BigEndian(frame.AsSpan(38), (ushort)(8 + payload.Length));
        payload.CopyTo(frame, 42);
        return frame;
    }

    private void Inside(Action<OuterProgram, EarlyDrop, CounterBlock> test) => _space.Inside(() =>
    {
        using OuterProgram program = OuterProgram.Attach("v0", XdpOuter.IndexOf("v0"), bind: false);
        Assert.Equal(0, program.Listen(IPEndPoint.Parse($"10.9.0.1:{XdpLab.Port}")));
        int socket = LibC.socket(Definitions.AF_XDP, Definitions.SOCK_RAW, 0);
        using var owner = new FileDescriptor(socket);
        Assert.Equal(0, program.Bind(0, socket));
        _socket = socket;
        test(program, new EarlyDrop(program), _counters.AddBlock("test"));
    });
}
