using TunnelBox.Linux.Processes;

namespace TunnelBox.Service;

/// <summary>
/// Several tunnels of one process: they start one after the other, and where one cannot, those before it are taken down again. From then on each lives by itself, and the
/// process ends with the last.
/// </summary>
/// <param name="readiness">The other end of a background start, or null in the foreground.</param>
/// <param name="notifier">The service manager, or null.</param>
public sealed class TunnelGroup(ReadinessNotifier? readiness, SystemdNotifier? notifier)
{
    private readonly SystemdNotifier? _notifier = notifier;
    private readonly Lock _gate = new();
    private readonly TaskCompletionSource<bool> _decided = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly List<Member> _members = [];
    private (string Name, StartException Fault)? _failure;

    /// <summary>Adds a tunnel, before <see cref="Run"/>.</summary>
    /// <param name="name">Its interface.</param>
    /// <param name="probes">What its life tells orchestrators.</param>
    /// <returns>Its place, for <see cref="LifecycleOptions.Member"/>.</returns>
    public Member Add(string name, Probes probes)
    {
        var member = new Member(this, name, probes) { InBackground = readiness is not null };
        _members.Add(member);
        return member;
    }

    /// <summary>Runs all tunnels until the last has ended.</summary>
    /// <param name="lives">What runs each from start to end, in the order in which they were added.</param>
    /// <returns>The exit code: <see cref="ExitCodes.Done"/>.</returns>
    /// <exception cref="StartException">One could not start; nothing is left behind.</exception>
    public int Run(IReadOnlyList<Action> lives)
    {
        ArgumentNullException.ThrowIfNull(lives);
        List<Thread> threads = [];
        for (int i = 0; i < lives.Count && _failure is null; i++)
        {
            Member member = _members[i];
            Action life = lives[i];
            var thread = new Thread(() => Live(member, life)) { Name = $"tb-life-{i}" };
            threads.Add(thread);
            thread.Start();
            member.Moved.Task.Wait();
        }

        bool up = _members.TrueForAll(static member => member.HasArrived);
        _decided.SetResult(up);
        if (up && readiness?.Ready() == false)
        {
            // Whoever asked for the tunnels was interrupted; tunnels nobody knows of must not stay.
            EndAll("the process that started it ended before it was ready");
        }
        else if (up)
        {
            _notifier?.Ready($"{_members.Count} tunnels are up: {string.Join(", ", _members.Select(static member => member.Name))}.");
        }

        TimeSpan interval = Heartbeat.IntervalFor(_notifier);
        foreach (Thread thread in threads)
        {
            while (!thread.Join(interval))
            {
                if (_members.TrueForAll(static member => member.Probes.Live() is null))
                {
                    _notifier?.Alive();
                }
            }
        }

        _notifier?.Stopping("The last tunnel has ended.");
        return up ? ExitCodes.Done : throw Failure();
    }

    private void Live(Member member, Action life)
    {
        try
        {
            life();
        }
        catch (StartException fault)
        {
            lock (_gate)
            {
                _failure ??= (member.Name, fault);
            }
        }
        finally
        {
            member.Moved.TrySetResult();
        }
    }

    private StartException Failure()
    {
        if (_failure is not { } failure)
        {
            return new StartException("It was ended before all tunnels were up.");
        }

        // Faults of files stand as they are, one a line.
        string sentence = failure.Fault.ExitCode == ExitCodes.WrongInput ? failure.Fault.Message : $"{failure.Name}: {failure.Fault.Message}";
        return new StartException(sentence, failure.Fault.ExitCode);
    }

    private void EndAll(string reason) => _members.ForEach(member => member.Ending?.Invoke(reason));

    /// <summary>One tunnel's place.</summary>
    public sealed class Member
    {
        private readonly TunnelGroup _group;

        internal Member(TunnelGroup group, string name, Probes probes) => (_group, Name, Probes) = (group, name, probes);

        /// <summary>Gets or sets what ends the tunnel, with the reason.</summary>
        public Action<string>? Ending { get; set; }

        /// <summary>Gets the time between two looks at whether the tunnel moves: as often as the service manager is told so.</summary>
        public TimeSpan Beat => Heartbeat.IntervalFor(_group._notifier);

        /// <summary>Gets a value indicating whether the process runs in the background.</summary>
        public bool InBackground { get; init; }

        internal string Name { get; }

        internal Probes Probes { get; }

        internal bool HasArrived { get; private set; }

        internal TaskCompletionSource Moved { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        /// <summary>Says that the tunnel is up, and waits until all are.</summary>
        /// <returns>False where one could not start, so that this one must end.</returns>
        public bool Arrive()
        {
            HasArrived = true;
            Moved.TrySetResult();
            return _group._decided.Task.GetAwaiter().GetResult();
        }
    }
}
