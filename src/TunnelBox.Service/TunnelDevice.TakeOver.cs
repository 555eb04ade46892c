using System.Diagnostics;
using System.Runtime;
using System.Security.Cryptography;
using TunnelBox.Configuration;
using TunnelBox.Control;
using TunnelBox.Crypto.Batch;
using TunnelBox.DataPath;
using TunnelBox.DataPath.Tun;
using TunnelBox.DataPath.Udp;
using TunnelBox.DataPath.Xdp;
using TunnelBox.Linux.Libc;

namespace TunnelBox.Service;

/// <content>
/// A new process in the place of the old one: it gets the interface's queues, the UDP sockets and the sessions, and no packet that waits in them is lost.
/// Until the old process says "go" it goes on as if nothing had been, whatever happens; from then on it sends nothing any more. So no counter is used twice.
/// </content>
public sealed partial class TunnelDevice
{
    private const int PreparePatience = 60_000;
    private const int LoadPatience = 5_000;
    private const int LargestFrame = 1 << 30;
    private const int ReleasePatience = 10_000;
    private const int CompilerPatience = 2_000;
    private const int CompilerLook = 150;

    private int _handing;
    private Taken? _taken;

    /// <inheritdoc/>
    public int? HandedOverTo { get; private set; }

    private static TunnelDevice OpenByTakeOver(TunnelDeviceOptions options, PacketAead aead, Log log)
    {
        string name = options.InterfaceName;
        ControlSession<TakeOverAnswer>? session = null;
        TunnelDevice? device = null;
        try
        {
            session = new ControlClient(name, options.Settings.RuntimeDirectory).Open(
                new TakeOverRequest { Verb = TakeOverRequest.VerbName }, TakeOverJson.Default.TakeOverRequest, TakeOverJson.Default.TakeOverAnswer);
            TakeOverAnswer answer = session.Answer;
            if (answer.Queues < 1 || answer.Sockets.Count != (answer.Port == 0 ? 0 : 2 * answer.Queues)
                || session.Descriptors.Count != answer.Queues + answer.Sockets.Count(static there => there))
            {
                session.Descriptors.ToList().ForEach(static descriptor => descriptor.Dispose());
                throw new StartException("What the running daemon hands over is not what this one takes; stop it and start anew.");
            }

            void Report(string sentence) => log.Warning($"{name}: {sentence}");
            TunDevice tun = TunDevice.Adopt([.. session.Descriptors.Take(answer.Queues)], options.Settings.TunOffload, Report);
            Queue<FileDescriptor> rest = new(session.Descriptors.Skip(answer.Queues));
            FileDescriptor?[] sockets = [.. answer.Sockets.Select(there => there ? rest.Dequeue() : null)];
            UdpSockets? udp = answer.Port == 0 ? null : UdpSockets.Adopt(answer.Port, sockets, options.Settings.UdpOffload, Report);
            device = new TunnelDevice(options, tun, aead, log);
            device.Configure(new UapiClient(name, options.Settings.UapiDirectory));
            device._link = new LinkState(tun.Name, answer.Up, answer.Mtu);
            device._mtu.Adopt(new MtuAnnotation { Derived = answer.MtuFollows, Value = answer.Mtu });
            device._taken = new Taken(session, udp);
            return device;
        }
        catch (Exception fault) when (fault is ControlException or PortException)
        {
            device?.Dispose();
            session?.Dispose();
            throw new StartException($"Nothing was taken over: {fault.Message}", fault);
        }
    }

    // The configuration by the way that wg(8) reads it; its secrets are wiped with the objects that hold them.
    private void Configure(UapiClient running)
    {
        using DeviceState state = running.Get();
        using WgFile file = state.ToWgFile();
        DeviceChange change = WgFileChange.Replace(file, new EndpointResolver(static _ => { }));
        int error = Apply(change);
        change.Wipe();
        if (error < 0)
        {
            throw new ControlException($"The configuration could not be taken: {Linux.Libc.Errno.Describe(-error)}.");
        }
    }

    /// <summary>Takes the sessions and goes on, in the moment in which the old process stands still.</summary>
    private void TakeUp(Taken taken)
    {
        byte[]? frame = null;
        // All that takes time, before the old process stops.
        Worker[] workers = taken.Udp is null ? [] : MakeWorkers(taken.Udp);
        AwaitCompiler();
        long began = Stopwatch.GetTimestamp();
        double arrived, loaded, all;
        try
        {
            lock (_stateGate)
            {
                taken.Session.Say(TakeOverWord.Ready);
                frame = taken.Session.Take(LargestFrame);
                arrived = Stopwatch.GetElapsedTime(began).TotalMilliseconds;
                if (!_tunnel.ImportSessions(frame))
                {
                    throw new StartException("The running daemon's sessions are not those of its configuration, which has changed meanwhile: it goes on; try again.");
                }

                taken.Session.Say(TakeOverWord.Loaded);
                loaded = Stopwatch.GetElapsedTime(began).TotalMilliseconds;
                if (taken.Session.Take(1) is not [TakeOverWord.Go])
                {
                    throw new IOException("it says something else than go");
                }

                _sockets = taken.Udp;
                Run(workers);
                all = Stopwatch.GetElapsedTime(began).TotalMilliseconds;
                if (taken.Udp is { } udp)
                {
                    SteerStack(udp);
                }
            }

            _log.Info($"{InterfaceName}: {_tunnel.PeerCount} peers with their sessions were taken over; nothing moved for {all:F1} ms");
            _log.Verbose($"{InterfaceName}: of these, {arrived:F1} ms until the sessions were here, {loaded - arrived:F1} ms to load them, {all - loaded:F1} ms until the workers ran");
            AwaitRelease(taken.Session);
        }
        catch (IOException fault)
        {
            throw new StartException($"The running daemon broke off the take-over and goes on ({fault.Message.TrimEnd('.')}); its log says why.", fault);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(frame);
            if (_workers.Length == 0)
            {
                Array.ForEach(workers, static worker => worker.Dispose());
            }

            taken.Session.Dispose();
            _taken = null;
        }
    }

    // The compiler is still busy with what the start has shown to be much used. While the tunnel stands still it would take a processor, and that while is short.
    private static void AwaitCompiler()
    {
        long until = Environment.TickCount64 + CompilerPatience;
        for (long seen = -1, count = JitInfo.GetCompiledMethodCount(); count != seen && Environment.TickCount64 < until; count = JitInfo.GetCompiledMethodCount())
        {
            seen = count;
            Thread.Sleep(CompilerLook);
        }
    }

    // A device's queue has one owner: AF_XDP is entered when the old process has left it. Until then the sockets carry what comes.
    private static void AwaitRelease(ControlSession<TakeOverAnswer> session)
    {
        try
        {
            _ = session.Take(1);
        }
        catch (IOException)
        {
            // It has ended, which leaves everything as well.
        }
    }

    private void HandOver(ControlCall call)
    {
        TakeOverRequest request = call.Read(TakeOverJson.Default.TakeOverRequest);
        if (!call.IsOwnUser)
        {
            throw new ControlException($"{InterfaceName}: only a process of the daemon's own user may take over.", ControlFailure.NoPermission);
        }

        if (request.Form != TakeOverRequest.CurrentForm)
        {
            throw new ControlException($"{InterfaceName}: the daemon hands sessions over in form {TakeOverRequest.CurrentForm}, not {request.Form}; stop it and start the new one.");
        }

        if (Interlocked.Exchange(ref _handing, 1) != 0)
        {
            throw new ControlException($"{InterfaceName}: another take-over is under way.");
        }

        try
        {
            if (!TryHandOver(call, out string outcome))
            {
                _log.Warning($"{InterfaceName}: process {call.Process} did not take over ({outcome}); this one goes on");
            }
        }
        finally
        {
            Volatile.Write(ref _handing, 0);
        }
    }

    private bool TryHandOver(ControlCall call, out string outcome)
    {
        UdpSockets? sockets = _sockets;
        IReadOnlyList<FileDescriptor?> udp = sockets?.All() ?? [];
        int[] descriptors = [.. _tun.Queues.Select(queue => queue.Value), .. udp.OfType<FileDescriptor>().Select(socket => socket.Value)];
        if (descriptors.Length > Linux.Processes.PassedDescriptors.Most)
        {
            throw new ControlException($"{InterfaceName}: {descriptors.Length} descriptors are too many to hand over.");
        }

        TakeOverAnswer answer = new()
        {
            Queues = _tun.Queues.Count,
            Port = sockets?.Port ?? 0,
            Sockets = [.. udp.Select(socket => socket is not null)],
            Up = _link.IsUp,
            Mtu = _link.Mtu,
            MtuFollows = _mtu.Origin == MtuOrigin.Route,
        };
        call.Write(answer, TakeOverJson.Default.TakeOverAnswer, descriptors);
        // While the other prepares, the traffic goes by the sockets already: leaving AF_XDP takes longer than anything else, and nothing stands still for it.
        XdpOuter? outer;
        XdpGateway? gateway;
        lock (_stateGate)
        {
            (outer, gateway) = (_xdp, _gateway);
            outer?.Detach();
            gateway?.Detach();
        }

        if (call.Hear(PreparePatience) != TakeOverWord.Ready)
        {
            outcome = "it gave up while it prepared";
            LoseDevice(outer, XdpEnd.Changed, "the successor has given up");
            LoseLan(gateway, XdpEnd.Changed, "the successor has given up");
            return false;
        }

        lock (_stateGate)
        {
            if (_disposed || !ReferenceEquals(sockets, _sockets))
            {
                outcome = "the sockets have changed meanwhile";
                return false;
            }

            outcome = "it did not take the sessions";
            bool gone = false;
            XdpOuter? left = null;
            byte[]? frame = null;
            long began = Stopwatch.GetTimestamp();
            try
            {
                // The queues and sockets go on in the other process, with what waits in them.
                left = LeaveOuter(TimeSpan.Zero);
                // Handshakes of this process stop as well.
                _sockets = null;
                double stopped = Stopwatch.GetElapsedTime(began).TotalMilliseconds;
                frame = _tunnel.ExportSessions();
                call.Send(frame);
                double sent = Stopwatch.GetElapsedTime(began).TotalMilliseconds;
                if (call.Hear(LoadPatience) == TakeOverWord.Loaded)
                {
                    call.Send([TakeOverWord.Go]);
                    gone = true;
                    _log.Verbose($"{InterfaceName}: the workers stopped in {stopped:F1} ms, the sessions were written in {sent - stopped:F1} ms");
                    // Closing takes as long as all the rest; now nothing stands still for it.
                    Release();
                    call.Send([TakeOverWord.Released]);
                }
            }
            catch (IOException fault)
            {
                outcome = fault.Message.TrimEnd('.');
            }
            finally
            {
                CryptographicOperations.ZeroMemory(frame);
                if (gone)
                {
                    sockets?.Dispose();
                }
                else if (sockets is not null)
                {
                    Release();
                    _sockets = sockets;
                    _ = OpenXdp(sockets, _mark);
                    _ = OpenGateway();
                    StartWorkers(sockets);
                }
            }

            if (!gone)
            {
                return false;
            }

            void Release()
            {
                CloseOuter(left);
                CloseGateway();
            }
        }

        HandedOverTo = call.Process;
        _ended.TrySetResult($"process {call.Process} has taken over");
        return true;
    }

    private sealed record Taken(ControlSession<TakeOverAnswer> Session, UdpSockets? Udp);
}
