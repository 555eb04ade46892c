using TunnelBox.DataPath;
using TunnelBox.DataPath.Udp;
using TunnelBox.Linux.Processes;

namespace TunnelBox.Service;

/// <content>The threads that move packets.</content>
public sealed partial class TunnelDevice
{
    private void StartWorkers(UdpSockets sockets) => Run(MakeWorkers(sockets));

    private void Run(Worker[] workers)
    {
        _workers = workers;
        foreach (Worker worker in workers)
        {
            worker.Start();
        }
    }

    private Worker[] MakeWorkers(UdpSockets sockets)
    {
        var workers = new Worker[_tun.Ports.Count];
        IReadOnlyList<IPort> outer = _xdp?.Ports ?? sockets.Ports;
        IReadOnlyList<IPort> inner = _gateway?.Ports ?? _tun.Ports;
        _tunnel.Trace.ControlRings.LocalPort = sockets.Port;
        Array.ForEach(_taps, taps => taps.LocalPort = sockets.Port);
        _workerCounters = [.. workers.Select((_, i) => _counters.AddBlock($"tb-worker-{i}", inner[i].Description, outer[i].Description))];
        int[] cpus = CpusFor(workers.Length);
        WorkerTeam? team = workers.Length > 1 && _options.Settings.ShareOpening ? new WorkerTeam() : null;
        for (int i = 0; i < workers.Length; i++)
        {
            workers[i] = new Worker($"tb-worker-{i}", _tunnel, inner[i], outer[i], _aead.Create(), _gate, _workerCounters[i], _taps[i])
            {
                Mtu = _link.Mtu,
                Cpu = i < cpus.Length ? cpus[i] : null,
                Team = team,
            };
        }

        return workers;
    }

    // A worker on every processor would leave handshakes and everything else of the machine to wait for it.
    private int[] CpusFor(int workers)
    {
        if (!_options.Settings.PinWorkers)
        {
            return [];
        }

        int[] allowed = CpuAffinity.Allowed();
        if (allowed.Length > workers)
        {
            return allowed;
        }

        _log.Warning($"{InterfaceName}: PinWorkers has no effect: {workers} workers need more than the {allowed.Length} processors there are");
        return [];
    }

    /// <summary>Stops the workers.</summary>
    /// <param name="patience">How long they may take in what waits in their ports; none where the ports stay.</param>
    private void StopWorkers(TimeSpan patience = default)
    {
        Worker[] workers = _workers;
        _workers = [];
        if (patience > TimeSpan.Zero)
        {
            Array.ForEach(workers, worker => worker.Finish(patience));
        }

        foreach (Worker worker in workers)
        {
            worker.Dispose();
        }

        Array.ForEach(_workerCounters, _counters.Retire);
        _workerCounters = [];
    }
}
