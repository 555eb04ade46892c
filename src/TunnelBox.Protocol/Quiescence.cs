namespace TunnelBox.Protocol;

/// <summary>
/// Tells when every worker has let go of what it may have read before: keys are wiped only then, or a worker could seal
/// with a zeroed key. Quiescent-state reclamation: a worker announces each pass; whatever was retired before every
/// worker's next pass is free.
/// </summary>
public sealed class Quiescence
{
    private readonly Lock _gate = new();
    private readonly Queue<Retired> _retired = new();
    private Reader[] _readers = [];

    /// <summary>Adds a worker.</summary>
    /// <returns>The worker's handle; it starts parked.</returns>
    public Reader Register()
    {
        lock (_gate)
        {
            var reader = new Reader(this);
            _readers = [.. _readers, reader];
            return reader;
        }
    }

    /// <summary>Has something done once no worker can still use it.</summary>
    /// <param name="free">What to do, called from <see cref="Collect"/>.</param>
    public void Retire(Action free)
    {
        // A worker that reads a reference after this fence reads the new one.
        Interlocked.MemoryBarrier();
        lock (_gate)
        {
            var passes = new (Reader Reader, long Pass)[_readers.Length];
            for (int i = 0; i < passes.Length; i++)
            {
                passes[i] = (_readers[i], _readers[i].Pass);
            }

            _retired.Enqueue(new Retired(free, passes));
        }
    }

    /// <summary>Does what has become safe to do.</summary>
    /// <returns>How many things still wait.</returns>
    public int Collect()
    {
        while (true)
        {
            Action free;
            lock (_gate)
            {
                if (!_retired.TryPeek(out Retired? oldest) || !oldest.IsFree())
                {
                    return _retired.Count;
                }

                _retired.Dequeue();
                free = oldest.Free;
            }

            free();
        }
    }

    private void Unregister(Reader reader)
    {
        lock (_gate)
        {
            _readers = Array.FindAll(_readers, r => r != reader);
        }
    }

    private sealed record Retired(Action Free, (Reader Reader, long Pass)[] Passes)
    {
        public bool IsFree()
        {
            foreach ((Reader reader, long pass) in Passes)
            {
                // Odd: the worker was inside a pass when the thing was retired, and is still in that pass.
                if ((pass & 1) != 0 && reader.Pass == pass)
                {
                    return false;
                }
            }

            return true;
        }
    }

    /// <summary>One worker's announcements: an odd number while it works, an even one while it waits.</summary>
    public sealed class Reader : IDisposable
    {
        private readonly Quiescence _owner;
        private long _pass;

        internal Reader(Quiescence owner) => _owner = owner;

        internal long Pass => Volatile.Read(ref _pass);

        /// <summary>Begins a pass: references read from here on stay usable until <see cref="Exit"/>.</summary>
        public void Enter() => Interlocked.Increment(ref _pass);

        /// <summary>Ends a pass: the worker holds no reference to a session any more.</summary>
        public void Exit() => Volatile.Write(ref _pass, _pass + 1);

        /// <inheritdoc/>
        public void Dispose()
        {
            if ((_pass & 1) != 0)
            {
                Exit();
            }

            _owner.Unregister(this);
        }
    }
}
