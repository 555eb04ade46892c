using System.Runtime.InteropServices;
using TunnelBox.Control;
using TunnelBox.Crypto;
using TunnelBox.Linux.Libc;
using TunnelBox.Linux.Processes;

namespace TunnelBox.Service;

/// <summary>
/// The life of the daemon: opens the tunnel and its socket, says so, and waits for one of the ends: a signal, the deletion of
/// the interface, the removal of the socket file. Then takes everything down in order and leaves nothing behind.
/// </summary>
/// <param name="options">What this run is told.</param>
/// <param name="log">Its log.</param>
public sealed class Lifecycle(LifecycleOptions options, Log log)
{
    private const int ReleasePatience = 10_000;
    private const int ReleaseLook = 5;
    private readonly TaskCompletionSource<string> _end = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _over = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private ReadinessNotifier? _readiness = options.Readiness;
    private UapiServer? _server;
    private ControlServer? _control;

    /// <summary>Runs from start to end.</summary>
    /// <param name="open">Opens the tunnel; may throw <see cref="StartException"/>.</param>
    /// <returns>The exit code: <see cref="ExitCodes.Done"/>.</returns>
    /// <exception cref="StartException">It could not start; nothing is left behind.</exception>
    public int Run(Func<LifecycleOptions, Log, ITunnel> open)
    {
        AppDomain.CurrentDomain.UnhandledException += OnDefect;
        options.Member?.Ending = reason => _end.TrySetResult(reason);
        List<PosixSignalRegistration> signals = CatchSignals();
        try
        {
            using ITunnel tunnel = Open(open);
            _ = tunnel.Ended.ContinueWith(
                ended => _end.TrySetResult(ended.Status == TaskStatus.RanToCompletion ? ended.Result : "the interface has failed"),
                CancellationToken.None,
                TaskContinuationOptions.ExecuteSynchronously,
                TaskScheduler.Default);
            if (options.TakeOver)
            {
                // The old process has the sockets until it has handed the tunnel over.
                tunnel.Start();
                WaitForRelease(tunnel.InterfaceName);
            }

            using UapiServer server = Serve(tunnel);
            using ControlServer? control = Control(tunnel);
            if (!options.TakeOver)
            {
                tunnel.Start();
            }

            control?.Start();
            server.Start();
            using Heartbeat heart = new(tunnel, options.Member?.Beat ?? Heartbeat.IntervalFor(options.Notifier), options.Notifier, log);
            heart.Start();
            options.Probes.Live = () => heart.Fault;
            options.Probes.Ready = () => options.Appliance?.FindUnready() ?? tunnel.FindUnready();
            if (BringUp() && SayReady(tunnel.InterfaceName))
            {
                options.Probes.Started = static () => null;
                options.Notifier?.Ready($"The tunnel {tunnel.InterfaceName} is up.");
                // Not inside the message: a level that is off does not evaluate its arguments.
                string reason = _end.Task.GetAwaiter().GetResult();
                options.Probes.Ready = static () => "the daemon is stopping";
                log.Info($"Stopping: {reason}.");
                if (tunnel.HandedOverTo is not { } successor)
                {
                    options.Notifier?.Stopping($"Stopping: {reason}.");
                }
                else
                {
                    options.Notifier?.HandOver(successor);
                }
            }

            WatchTheEnd();
            if (tunnel.HandedOverTo is null)
            {
                options.Appliance?.TakeDown();
            }
        }
        finally
        {
            signals.ForEach(static signal => signal.Dispose());
            AppDomain.CurrentDomain.UnhandledException -= OnDefect;
            if (options.Member is not null)
            {
                // The process goes on with the others.
                options.Probes.Live = static () => null;
                _over.TrySetResult();
            }
        }

        return ExitCodes.Done;
    }

    private static StartException Sentence(Exception fault) => fault as StartException ?? new StartException(fault.Message, fault);

    // False where it was ended meanwhile: then everything has been taken back.
    private bool BringUp()
    {
        try
        {
            if (options.TakeOver)
            {
                options.Appliance?.TakeUp();
            }
            else
            {
                options.Appliance?.BringUp(() => _end.Task.IsCompleted);
            }

            return true;
        }
        catch (StartException) when (options.Readiness is null && _end.Task.IsCompleted)
        {
            string reason = _end.Task.Result;
            log.Info($"Stopping: {reason}.");
            return false;
        }
    }

    private ITunnel Open(Func<LifecycleOptions, Log, ITunnel> open)
    {
        try
        {
            return open(options, log);
        }
        catch (CryptoUnavailableException fault)
        {
            throw Sentence(fault);
        }
    }

    private void WaitForRelease(string name)
    {
        string[] paths = [UapiSocket.PathOf(options.SocketDirectory, name), ControlSocket.PathOf(options.RuntimeDirectory, name)];
        for (int waited = 0; Array.Exists(paths, File.Exists) && waited < ReleasePatience; waited += ReleaseLook)
        {
            Thread.Sleep(ReleaseLook);
        }
    }

    private UapiServer Serve(ITunnel tunnel)
    {
        try
        {
            UapiServer server = UapiServer.Open(tunnel.InterfaceName, tunnel, options.SocketDirectory);
            server.SocketRemoved += () => _end.TrySetResult($"its socket {server.SocketPath} was removed");
            server.Refused += (error, sentence) => log.Warning($"A control request was refused (errno {error}): {sentence}");
            _server = server;
            return server;
        }
        catch (ControlException fault)
        {
            throw Sentence(fault);
        }
    }

    // A tunnel carries traffic without it, so its absence is no reason to stop.
    private ControlServer? Control(ITunnel tunnel)
    {
        ControlVerbs verbs = new();
        tunnel.AddVerbs(verbs);
        try
        {
            ControlServer control = ControlServer.Open(tunnel.InterfaceName, verbs, options.RuntimeDirectory);
            control.Refused += sentence => log.Verbose($"A control request was refused: {sentence}");
            _control = control;
            return control;
        }
        catch (ControlException fault)
        {
            log.Warning($"{fault.Message} The tunnel runs without it: \"tunnelctl status\" will not answer.");
            return null;
        }
    }

    private bool SayReady(string name)
    {
        if (_readiness is not null && _end.Task.IsCompleted)
        {
            // In the foreground this is an end like any other; a caller who waits must not be told that it serves.
            throw new StartException($"It was ended before it was ready: {_end.Task.Result}.");
        }

        log.Info($"The tunnel {name} is up.");
        if (options.Member?.Arrive() == false)
        {
            log.Info("Stopping: another tunnel of this process did not start.");
            return false;
        }

        ReadinessNotifier? readiness = Interlocked.Exchange(ref _readiness, null);
        if (readiness is null || readiness.Ready())
        {
            return true;
        }

        // Whoever asked for the tunnel was interrupted; a tunnel nobody knows of must not stay.
        log.Info("Stopping: the process that started it ended before it was ready.");
        return false;
    }

    private List<PosixSignalRegistration> CatchSignals()
    {
        bool background = options.Readiness is not null || options.Member is { InBackground: true };
        if (options.Appliance is not null)
        {
            // nohup(1) and some supervisors start programs with it ignored, and the runtime leaves what is ignored as it is: a reload would be asked for and never come.
            _ = LibC.signal(Definitions.SIGHUP, handler: 0);
        }

        return
        [
            PosixSignalRegistration.Create(PosixSignal.SIGTERM, End),
            PosixSignalRegistration.Create(PosixSignal.SIGINT, End),
            PosixSignalRegistration.Create(PosixSignal.SIGQUIT, End),
            PosixSignalRegistration.Create(PosixSignal.SIGHUP, options.Appliance is { } appliance ? Reload(appliance) : background ? static context => context.Cancel = true : End),
        ];

        static Action<PosixSignalContext> Reload(Appliance appliance) => context =>
        {
            context.Cancel = true;
            // Not here: signals wait for one another, and a reload may wait for a name.
            ThreadPool.QueueUserWorkItem(static appliance => appliance.Reload("SIGHUP"), appliance, preferLocal: false);
        };

        void End(PosixSignalContext context)
        {
            // A second signal meets a stop under way and takes its default course: the operator's patience is over.
            if (_end.TrySetResult($"signal {context.Signal}"))
            {
                context.Cancel = true;
            }
        }
    }

    // Nothing on the way down should hang; if it does, an ended process is better than a silent one.
    private void WatchTheEnd()
    {
        Thread watch = new(() =>
        {
            if (_over.Task.Wait(options.StopDeadline))
            {
                return;
            }

            log.Error($"The stop took longer than {options.StopDeadline}; the process ends itself.");
            RemoveSocket();
            ProcessLimits.EndNow(ExitCodes.Defect);
        }, 128 * 1024)
        { IsBackground = true, Name = "stop-watch" };
        watch.Start();
    }

    private void OnDefect(object sender, UnhandledExceptionEventArgs what)
    {
        // The runtime would print a trace over many lines and abort with the socket file in place.
        string trace = what.ExceptionObject is Exception fault
            ? $"{fault.GetType().Name}: {fault.Message} {fault.StackTrace?.ReplaceLineEndings(" ")}"
            : "unknown";
        log.Error($"A defect ended the process, please report it: {trace}");
        _ = Interlocked.Exchange(ref _readiness, null)?.Failed(ExitCodes.Defect, $"A defect ended the process: {trace}");
        RemoveSocket();
        ProcessLimits.EndNow(ExitCodes.Defect);
    }

    private void RemoveSocket()
    {
        try
        {
            if (_control is { } control)
            {
                File.Delete(control.SocketPath);
            }

            if (_server is { } server)
            {
                File.Delete(server.SocketPath);
            }
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            log.Error($"The socket stays behind: {fault}");
        }
    }
}
