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

    // A process that was taken over from ends within seconds.
    private const int RetryInterval = 250;
    private const int MostTries = 40;

    private Ownership? _owners;
    private StackSteering? _stack;
    private SessionRules? _stackRules;
    private Timer? _stackLooks;
    private Timer? _weighings;
    private Timer? _retry;
    private int _tries;
    private bool _queuesSteered;
    private volatile string[] _stackNotes = [];

    // As many as the TUN device has queues, which it keeps.
    private Ownership Owners => LazyInitializer.EnsureInitialized(ref _owners, () => new Ownership(_tun.Ports.Count, _tunnel.Now));

    // With one worker there is nothing to choose.
    private void SteerStack(UdpSockets sockets)
    {
        _stack?.Dispose();
        _stack = null;
        _stackRules = null;
        _stackNotes = [];
        if (sockets.Ports.Count > 1)
        {
            _weighings ??= new Timer(_ => Owners.Weigh(SteeredPeers()), null, StackAudit, StackAudit);
        }

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
        if (refused == -Linux.Libc.Definitions.EBUSY)
        {
            // Until the process before has gone with its own program: what names no session here goes by the kernel's hash meanwhile.
            _tries = MostTries;
            _retry ??= new Timer(_ => Post(() => AttachAgain(sockets)), null, RetryInterval, RetryInterval);
            refused = 0;
        }

        if (refused < 0)
        {
            notes.Add($"The kernel spreads datagrams over workers by their addresses: it does not take the program: {Linux.Libc.Errno.Describe(refused)}.");
            stack.Dispose();
            return;
        }

        _stack = stack;
        SessionRules rules = stack.MakeRules(_tunnel.Trace, Owners);
        _stackRules = rules;
        _stackLooks ??= new Timer(_ => _stackRules?.Audit(), null, StackAudit, StackAudit);
    }

    // The XDP program's map first: there most packets are.
    private void Observe()
    {
        SessionRules? program = _xdp?.Rules;
        SessionRules? stack = _stackRules;

        // Whose a peer is is settled before anybody writes it down.
        IIndexObserver<IndexOwner>[] observers = [.. new IIndexObserver<IndexOwner>?[] { Owners.Workers > 1 ? Owners : null, program, stack }.OfType<IIndexObserver<IndexOwner>>()];
        _tunnel.ObserveIndices(observers.Length switch
        {
            0 => null,
            1 => observers[0],
            _ => new SessionObservers(observers),
        });
        _steering = program ?? stack;
        _flows = _xdp?.Flows;
        _steeringChoice = _xdp?.SteeringChoice ?? (stack is null ? string.Empty : $"map{(_options.Settings.Steering == "hw" ? " alone, since cards are steered where the outer side is on AF_XDP" : string.Empty)}: a program that chooses the socket of each datagram knows the sessions");
    }

    private void AttachAgain(UdpSockets sockets)
    {
        lock (_stateGate)
        {
            int refused = _disposed || _stack is null || !ReferenceEquals(_sockets, sockets) ? 0 : _stack.Attach(sockets);
            if (refused == 0 || --_tries == 0)
            {
                _retry?.Dispose();
                _retry = null;
            }

            if (refused == 0 && _stack is not null)
            {
                _log.Verbose($"{InterfaceName}: datagrams go to the workers that own their sessions");
            }
            else if (refused < 0 && _retry is null)
            {
                string note = $"The kernel spreads datagrams over workers by their addresses: it does not take the program: {Linux.Libc.Errno.Describe(refused)}.";
                _stackNotes = [.. _stackNotes, note];
                _log.Info($"{InterfaceName}: {note}");
            }
        }
    }

    private void StopStack()
    {
        _retry?.Dispose();
        _stackLooks?.Dispose();
        _weighings?.Dispose();
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
        foreach (Peer peer in SteeredPeers())
        {
            peers[workers.Length == 1 ? 0 : Owners.Of(peer)]++;
        }

        return [.. workers.Select((worker, number) => new WorkerReport
        {
            Number = number,
            Cpu = worker.Cpu,
            Peers = peers[number],
            PacketsPerSecond = workers.Length > 1 ? Owners.Read(number).Packets * 1000 / StackAudit : null,
            OpenedForOthers = worker.Helped,
            Offered = worker.Shared,
        })];
    }
}
