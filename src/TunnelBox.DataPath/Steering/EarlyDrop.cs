using System.Diagnostics;
using System.Runtime.InteropServices;
using TunnelBox.DataPath.Xdp;
using TunnelBox.Linux.Libbpf;
using TunnelBox.Protocol;
using TunnelBox.Visibility;

namespace TunnelBox.DataPath.Steering;

/// <summary>
/// What the XDP program may drop before it costs anything: bytes that are no WireGuard message, receiver indices that are nobody's,
/// and under load initiations beyond a budget that have not proved their address. What it dropped is counted by the names that
/// workers use.
/// </summary>
/// <param name="program">The program; it must outlive this object's use.</param>
/// <param name="tunnel">Whose datagrams: a tunnel's number among those that share the program.</param>
public sealed class EarlyDrop(OuterProgram program, int tunnel = 0) : ILoadWatch
{
    /// <summary>
    /// Initiations a second that get through under load without a proof: a worker answers each with a cookie, a few µs of work. As many come
    /// through at once after a second without any.
    /// </summary>
    public const int Budget = 20_000;

    private const uint DropFlag = 1;
    private const uint CompleteFlag = 2;
    private const uint UnderLoadFlag = 4;

    // 2^26 ns, as the program has it.
    private const double Window = (1 << 26) / 1e9;

    /// <summary>As long as the cookie that was proved can be valid (WireGuard paper, section 5.4.7).</summary>
    private const long ProofHolds = 120_000_000_000;

    /// <summary>The gate's own memory of load is a second; the program looks away a little later.</summary>
    private const long LoadHolds = 2_000_000_000;

    // In the order of enum drop.
    private static readonly DropReason[] s_reasons =
    [
        DropReason.InOuterHdrError, DropReason.InHdrError, DropReason.InMessageType, DropReason.InNoStates,
        DropReason.InHandshakeResponseInvalid, DropReason.InHandshakeCookieInvalid, DropReason.InHandshakeFlood,
    ];

    private readonly Lock _gate = new();
    private readonly DropCount[] _before = new DropCount[s_reasons.Length];
    private readonly DropCount[] _each = new DropCount[BpfMap.Processors];
    private uint _flags;
    private long _loadSeen = long.MinValue;

    /// <summary>Begins to drop.</summary>
    /// <returns>0, or −errno.</returns>
    public int Start()
    {
        // What was dropped for the tunnel that had this number before is not this one's.
        for (int i = 0; i < s_reasons.Length; i++)
        {
            _ = TryRead(i, out _before[i]);
        }

        return Change(DropFlag, on: true);
    }

    /// <summary>Says whether every receiver index in use stands in the map, so that any other is nobody's.</summary>
    /// <param name="complete">Whether.</param>
    public void SetComplete(bool complete) => Change(CompleteFlag, complete);

    /// <summary>Has a program drop nothing of a tunnel.</summary>
    /// <param name="program">The program.</param>
    /// <param name="tunnel">The tunnel's number.</param>
    /// <returns>0, or −errno.</returns>
    internal static int Stop(OuterProgram program, int tunnel) => BpfMap.Set(program.Controls, (uint)tunnel, default(Control));

    /// <inheritdoc/>
    public void UnderLoad()
    {
        Volatile.Write(ref _loadSeen, Stopwatch.GetTimestamp());
        if ((Volatile.Read(ref _flags) & UnderLoadFlag) == 0)
        {
            _ = Change(UnderLoadFlag, on: true);
        }
    }

    /// <inheritdoc/>
    public void Proven(in EndpointAddress source) => program.Prove(source, (ulong)(Stopwatch.GetTimestamp() + ProofHolds));

    /// <summary>Counts what was dropped since the last time, and ends load that is over; by one thread at a time.</summary>
    /// <param name="counters">Where.</param>
    public void Count(CounterBlock counters)
    {
        ArgumentNullException.ThrowIfNull(counters);
        if ((Volatile.Read(ref _flags) & UnderLoadFlag) != 0 && Stopwatch.GetTimestamp() - Volatile.Read(ref _loadSeen) > LoadHolds)
        {
            _ = Change(UnderLoadFlag, on: false);
        }

        for (int i = 0; i < s_reasons.Length; i++)
        {
            if (!TryRead(i, out DropCount now))
            {
                return;
            }

            counters.CountDrop(s_reasons[i], (long)(now.Packets - _before[i].Packets), (long)(now.Bytes - _before[i].Bytes));
            _before[i] = now;
        }
    }

    private bool TryRead(int reason, out DropCount sum)
    {
        sum = default;
        if (BpfMap.ReadEach<DropCount>(program.Drops, (uint)((tunnel * s_reasons.Length) + reason), _each) < 0)
        {
            return false;
        }

        foreach (DropCount each in _each)
        {
            sum.Packets += each.Packets;
            sum.Bytes += each.Bytes;
        }

        return true;
    }

    private int Change(uint flag, bool on)
    {
        lock (_gate)
        {
            uint flags = on ? _flags | flag : _flags & ~flag;
            if (flags == _flags)
            {
                return 0;
            }

            Volatile.Write(ref _flags, flags);
            return BpfMap.Set(program.Controls, (uint)tunnel, new Control { Flags = flags, Budget = (uint)(Budget * Window) });
        }
    }

    /// <summary>struct control of native/xdp/outer.bpf.c.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct Control
    {
        public uint Flags;
        public uint Budget;
    }

    /// <summary>struct count of native/xdp/outer.bpf.c.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct DropCount
    {
        public ulong Packets;
        public ulong Bytes;
    }
}
