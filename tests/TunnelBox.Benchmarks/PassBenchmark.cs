using System.Diagnostics;
using System.Net;
using TunnelBox.Crypto;
using TunnelBox.Crypto.Batch;
using TunnelBox.DataPath;
using TunnelBox.Protocol;
using TunnelBox.Visibility;
using TunnelBox.Visibility.Rings;

namespace TunnelBox.Benchmarks;

/// <summary>What a worker spends on a 64-byte datagram from port to port, sealing at one end and opening at the other, without any system call.</summary>
public static unsafe class PassBenchmark
{
    private const int Inner = 92;
    private const int Slot = 512;
    private const int Rounds = 150;
    private const int BurstsPerRound = 250;

    /// <summary>
    /// Measures, and writes a line: nanoseconds a packet in the fastest and in the median of many short rounds, and microseconds of the pass
    /// through both ends than which one in a thousand is longer. Nobody reads the rings of a trace meanwhile: what must not hold a worker up.
    /// </summary>
    /// <param name="mode">off: nobody traces; drops: a trace of drops only; full: a capture of 128 bytes of each.</param>
    /// <param name="turns">
    /// Null; or what gives this process its turns: it measures one round for each line, and writes its nanoseconds a packet. So two builds in two processes
    /// take turns of a few milliseconds on one processor, and whatever slows the machine down slows both.
    /// </param>
    /// <param name="output">Where the lines go.</param>
    public static void Run(string mode, TextReader? turns, TextWriter output)
    {
        ArgumentNullException.ThrowIfNull(output);
        using var a = new Node(1);
        using var b = new Node(2);
        a.Know(b, "192.0.2.2/32");
        b.Know(a, "192.0.2.1/32");
        a.Inner.Give = 1;
        for (int i = 0; i < 20; i++)
        {
            a.Step();
            b.Step();
        }

        List<RingWriter> rings = [];
        if (mode != "off")
        {
            foreach (Node node in (Node[])[a, b])
            {
                var ring = mode == "drops" ? new RingWriter(new RingFilter(DropsOnly: true), 128, 0, 1) : new RingWriter(default, 128, 128, 1);
                node.Taps.Add(ring)?.Dispose();
                rings.Add(ring);
            }
        }

        double[] passes = new double[BurstsPerRound];
        for (int round = 0; round < 20; round++)
        {
            _ = Round(a, b, passes);
        }

        if (turns is not null)
        {
            while (turns.ReadLine() is not null)
            {
                output.WriteLine(Round(a, b, passes).ToString("F2", System.Globalization.CultureInfo.InvariantCulture));
                output.Flush();
            }
        }
        else
        {
            Report(mode, a, b, output);
        }

        foreach (RingWriter ring in rings)
        {
            a.Taps.Remove(ring)?.Dispose();
            b.Taps.Remove(ring)?.Dispose();
            ring.Dispose();
        }
    }

    private static void Report(string mode, Node a, Node b, TextWriter output)
    {
        double[] rounds = new double[Rounds];
        double[] passes = new double[Rounds * BurstsPerRound];
        for (int round = 0; round < Rounds; round++)
        {
            rounds[round] = Round(a, b, passes.AsSpan(round * BurstsPerRound, BurstsPerRound));
        }

        Array.Sort(rounds);
        Array.Sort(passes);
        output.WriteLine(string.Create(System.Globalization.CultureInfo.InvariantCulture, $"passes-{mode} {rounds[0]:F2} {rounds[Rounds / 2]:F2} {passes[passes.Length - 1 - (passes.Length / 1000)]:F1}"));
    }

    /// <summary>Nanoseconds a packet of one round; <paramref name="passes"/> takes the microseconds of each of its passes through both ends.</summary>
    private static double Round(Node a, Node b, Span<double> passes)
    {
        long before = b.Inner.Taken;
        long start = Stopwatch.GetTimestamp();
        for (int i = 0; i < BurstsPerRound; i++)
        {
            long began = Stopwatch.GetTimestamp();
            a.Inner.Give = Burst.Capacity;
            a.Worker.Pass();
            b.Worker.Pass();
            passes[i] = Stopwatch.GetElapsedTime(began).TotalMicroseconds;
        }

        double nanoseconds = Stopwatch.GetElapsedTime(start).TotalNanoseconds;
        long packets = b.Inner.Taken - before;
        return packets == (long)BurstsPerRound * Burst.Capacity ? nanoseconds / packets
            : throw new InvalidOperationException($"{packets} packets arrived of {BurstsPerRound * Burst.Capacity}.");
    }

    private sealed class Node : ITunnelOutput, IDisposable
    {
        private readonly KeyArena _arena = new();
        private readonly SodiumRandom _random = new();
        private readonly Tunnel _tunnel;
        private readonly HandshakeQueue _queue = new();
        private readonly PublicKey _publicKey;
        private readonly EndpointAddress _address;

        public Node(ushort port)
        {
            _address = new EndpointAddress(0x7F000001, port, IsIPv6: false, ScopeId: 0);
            _tunnel = new Tunnel(_arena, _random, TimeProvider.System, TimeProvider.System, static _ => new Tai64nClock(TimeProvider.System), this);
            Outer = new Port(_address);
            Inner = new Port(_address);
            Worker = new Worker(
                "bench", _tunnel, Inner, Outer, PacketAead.Select("auto").Create(), new HandshakeGate(_tunnel, _queue, _random, this), new Counters().AddBlock(), Taps);
            byte[] key = new byte[PublicKey.Size];
            Curve25519.GeneratePrivateKey(_random, key);
            _publicKey = Curve25519.GetPublicKey(key);
            using Tunnel.Edit edit = _tunnel.BeginEdit();
            edit.SetPrivateKey(key);
        }

        public RingTaps Taps { get; } = new();

        public Port Inner { get; }

        public Port Outer { get; }

        public Worker Worker { get; }

        public void Know(Node other, string allowedIp)
        {
            Outer.Other = other.Outer;
            using Tunnel.Edit edit = _tunnel.BeginEdit();
            Peer peer = edit.AddPeer(other._publicKey);
            Tunnel.Edit.SetEndpoint(peer, other._address.ToIPEndPoint());
            edit.AddAllowedIp(peer, IPNetwork.Parse(allowedIp));
        }

        public void Step()
        {
            Span<byte> message = stackalloc byte[InitiationMessage.Size];
            while (_queue.TryTake(message, out int length, out EndpointAddress from, out SourceAddress to))
            {
                _ = _tunnel.HandleHandshake(message[..length], from, to);
            }

            _tunnel.Tick();
            Worker.Pass();
        }

        public DropReason SendDatagram(ReadOnlySpan<byte> datagram, Endpoint endpoint)
        {
            fixed (byte* bytes = datagram)
            {
                Outer.Other!.Take(bytes, datagram.Length, _address);
            }

            return DropReason.None;
        }

        public void Flush(Peer peer, bool keepalive) => Worker.Flush(peer, keepalive);

        public void Wake()
        {
        }

        public void Dropped(DropReason reason, int packets, long bytes)
        {
        }

        public void Event(Peer peer, TunnelEvent tunnelEvent)
        {
        }

        public void Dispose()
        {
            Worker.Dispose();
            _tunnel.Dispose();
            _arena.Dispose();
        }
    }

    /// <summary>A port that makes packets, or hands those of one end to the other's memory.</summary>
    private sealed class Port(EndpointAddress address) : IPort
    {
        private readonly byte[] _memory = GC.AllocateArray<byte>(2 * Burst.Capacity * Slot, pinned: true);
        private readonly int[] _lengths = new int[Burst.Capacity];
        private EndpointAddress _from;
        private int _waiting;

        public Port? Other { get; set; }

        public int Give { get; set; }

        public long Taken { get; private set; }

        public string Description => "bench";

        public bool MoreWaiting => false;

        public int GetPollDescriptors(Span<int> descriptors) => 0;

        public void Take(byte* bytes, int length, in EndpointAddress from)
        {
            if (_waiting < Burst.Capacity)
            {
                new ReadOnlySpan<byte>(bytes, length).CopyTo(_memory.AsSpan((_waiting * Slot) + Burst.Headroom));
                _lengths[_waiting++] = length;
                _from = from;
            }
        }

        public int Receive(Burst burst)
        {
            for (; Give > 0; Give--)
            {
                byte* data = At(burst.Count);
                new Span<byte>(data, 20).Clear();
                data[0] = 0x45;
                data[3] = Inner;
                data[9] = 17;
                data[12] = data[16] = 192;
                data[14] = data[18] = 2;
                data[15] = 1;
                data[19] = 2;
                Append(burst, data, Inner);
            }

            for (int i = 0; i < _waiting; i++)
            {
                burst.From[burst.Count] = _from;
                burst.To[burst.Count] = default;
                Append(burst, At(i), _lengths[i]);
            }

            _waiting = 0;
            return burst.Count;
        }

        public void Send(Burst burst)
        {
            for (int i = 0; i < burst.Count; i++)
            {
                if (burst.Verdict[i] == Verdict.Continue)
                {
                    Other?.Take((byte*)burst.Data[i], burst.Length[i], address);
                    Taken++;
                    burst.Verdict[i] = Verdict.Done;
                }
            }
        }

        public void Dispose()
        {
        }

        private static void Append(Burst burst, byte* data, int length)
        {
            burst.Data[burst.Count] = (nint)data;
            burst.Length[burst.Count] = length;
            burst.Ecn[burst.Count] = 0;
            burst.Count++;
        }

        private byte* At(int index) => (byte*)System.Runtime.CompilerServices.Unsafe.AsPointer(ref _memory[(index * Slot) + Burst.Headroom]);
    }
}
