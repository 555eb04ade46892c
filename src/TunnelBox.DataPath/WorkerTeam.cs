namespace TunnelBox.DataPath;

/// <summary>
/// The workers of one tunnel, as far as they help each other: one that has nothing to do opens blocks of another that has more than it can
/// open alone. A worker belongs to one team for its life.
/// </summary>
public sealed class WorkerTeam
{
    /// <summary>Blocks that a worker holds at most: a millisecond's work for those who open them.</summary>
    public const int Depth = 16;

    private readonly Lock _gate = new();
    private volatile Member[] _members = [];

    private enum Doing
    {
        Working,
        Helping,
        Asleep,
    }

    /// <summary>Gets how many workers there are.</summary>
    public int Count => _members.Length;

    /// <summary>Adds a worker.</summary>
    /// <param name="wake">What wakes it.</param>
    /// <returns>Its place.</returns>
    internal Member Join(WakeEvent wake)
    {
        lock (_gate)
        {
            var member = new Member(this, wake);
            _members = [.. _members, member];
            return member;
        }
    }

    /// <summary>One worker's place in the team.</summary>
    internal sealed class Member : IDisposable
    {
        private readonly WorkerTeam _team;
        private readonly WakeEvent _wake;
        private int _doing;

        internal Member(WorkerTeam team, WakeEvent wake)
        {
            _team = team;
            _wake = wake;
        }

        /// <summary>Gets the blocks that this worker has received and not yet delivered.</summary>
        public OpeningRing Ring { get; } = new();

        /// <summary>Gets a value indicating whether another worker has nothing of its own to do.</summary>
        public bool HasHelp
        {
            get
            {
                foreach (Member other in _team._members)
                {
                    if (!ReferenceEquals(other, this) && Volatile.Read(ref other._doing) != (int)Doing.Working)
                    {
                        return true;
                    }
                }

                return false;
            }
        }

        /// <summary>
        /// Gets how many blocks should lie untaken when the owner takes one itself: one for every worker and one more, since it will not look again before its own
        /// is opened; more only fill the cache. Where the oldest is not ready, because its opener lost its processor, others are received and opened behind it.
        /// </summary>
        public int Most => _team._members.Length + 1;

        /// <summary>Takes a block that another worker has offered.</summary>
        /// <returns>The block, or null.</returns>
        public OpeningBlock? Take()
        {
            foreach (Member other in _team._members)
            {
                if (!ReferenceEquals(other, this) && other.Ring.Take() is { } block)
                {
                    return block;
                }
            }

            return null;
        }

        /// <summary>Wakes a worker that sleeps, where more was offered than those who are awake have taken.</summary>
        public void CallHelp()
        {
            // The offer must be seen before sleep is: whoever falls asleep looks for offers last (FallAsleep).
            Interlocked.MemoryBarrier();
            int wanted = Ring.Untaken - 1;
            foreach (Member other in _team._members)
            {
                if (wanted <= 0)
                {
                    return;
                }

                if (!ReferenceEquals(other, this) && Volatile.Read(ref other._doing) == (int)Doing.Asleep)
                {
                    other._wake.Set();
                    wanted--;
                }
            }
        }

        /// <summary>Says that the worker has work of its own.</summary>
        public void Work()
        {
            if (_doing != (int)Doing.Working)
            {
                Volatile.Write(ref _doing, (int)Doing.Working);
            }
        }

        /// <summary>Says that the worker is awake and has nothing of its own to do.</summary>
        public void Idle()
        {
            if (_doing != (int)Doing.Helping)
            {
                Volatile.Write(ref _doing, (int)Doing.Helping);
            }
        }

        /// <summary>Says that the worker is about to sleep.</summary>
        /// <returns>Whether it may: nobody has offered anything meanwhile.</returns>
        public bool FallAsleep()
        {
            Interlocked.Exchange(ref _doing, (int)Doing.Asleep);
            foreach (Member other in _team._members)
            {
                if (!ReferenceEquals(other, this) && other.Ring.Untaken > 1)
                {
                    Idle();
                    return false;
                }
            }

            return true;
        }

        /// <summary>Leaves the team.</summary>
        public void Dispose()
        {
            lock (_team._gate)
            {
                _team._members = [.. _team._members.Where(member => !ReferenceEquals(member, this))];
            }
        }
    }
}
