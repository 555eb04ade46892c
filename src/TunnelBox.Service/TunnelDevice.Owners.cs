using TunnelBox.Control;
using TunnelBox.DataPath;
using TunnelBox.DataPath.Steering;
using TunnelBox.DataPath.Udp;
using TunnelBox.Protocol;

namespace TunnelBox.Service;

/// <content>Which worker a packet goes to where it comes through the kernel's stack, and what workers tell of themselves.</content>
public sealed partial class TunnelDevice
{
    // As the XDP program's map is compared.
    private const int StackAudit = 4000;

    private StackSteering? _stack;
    private SessionRules? _stackRules;
    private Timer? _stackLooks;
    private bool _queuesSteered;
    private volatile string[] _stackNotes = [];

    // With one worker there is nothing to choose.
    private void SteerStack(UdpSockets sockets)
    {
        _stack?.Dispose();
        _stack = null;
        _stackRules = null;
        _stackNotes = [];
        if (sockets.Ports.Count > 1 && _options.Settings.Steering != "off")
        {
            List<string> notes = [];
            if (StackSteering.Load(out string? problem) is { } stack)
            {
                AttachStack(stack, sockets, notes);
            }
            else
            {
                notes.Add(problem!);
            }

            _stackNotes = [.. notes];
            notes.ForEach(note => _log.Info($"{InterfaceName}: {note}"));
        }

        Observe();
    }

    private void AttachStack(StackSteering stack, UdpSockets sockets, List<string> notes)
    {
        int refused = _queuesSteered ? 0 : stack.Attach(_tun);
        _queuesSteered |= refused == 0;
        if (refused < 0)
        {
            notes.Add($"The kernel spreads packets over the queues of the TUN device by what it has seen of their flows: it does not take the program: {Linux.Libc.Errno.Describe(refused)}.");
        }

        refused = stack.Attach(sockets);
        if (refused < 0)
        {
            notes.Add($"The kernel spreads datagrams over workers by their addresses: it does not take the program: {Linux.Libc.Errno.Describe(refused)}.");
            stack.Dispose();
            return;
        }

        _stack = stack;
        SessionRules rules = stack.MakeRules(_tunnel.Trace, sockets.Ports.Count);
        _stackRules = rules;
        _stackLooks ??= new Timer(_ => _stackRules?.Audit(), null, StackAudit, StackAudit);
    }

    // The XDP program's map first: there most packets are.
    private void Observe()
    {
        SessionRules? program = _xdp?.Rules;
        SessionRules? stack = _stackRules;
        IIndexObserver<IndexOwner>? observer = program is not null && stack is not null ? new SessionObservers(program, stack) : program ?? stack;
        _tunnel.ObserveIndices(observer);
        _steering = program ?? stack;
        _flows = _xdp?.Flows;
        _steeringChoice = _xdp?.SteeringChoice ?? (stack is null ? string.Empty : "map: a program that chooses the socket of each datagram knows the sessions");
    }

    private void StopStack()
    {
        _stackLooks?.Dispose();
        _stackRules = null;
        _stack?.Dispose();
        _stack = null;
    }

    private IReadOnlyList<WorkerReport>? WorkerReports(Worker[] workers)
    {
        if (workers.Length == 0)
        {
            return null;
        }

        int[] peers = new int[workers.Length];
        using (Tunnel.Edit edit = _tunnel.BeginEdit())
        {
            foreach (Peer peer in edit.Peers)
            {
                peers[Ownership.Of(peer, workers.Length)]++;
            }
        }

        return [.. workers.Select((worker, number) => new WorkerReport
        {
            Number = number,
            Cpu = worker.Cpu,
            Peers = peers[number],
            OpenedForOthers = worker.Helped,
            Offered = worker.Shared,
        })];
    }
}
