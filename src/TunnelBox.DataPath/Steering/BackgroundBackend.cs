using System.Collections.Concurrent;

namespace TunnelBox.DataPath.Steering;

/// <summary>
/// Carries out the orders of a slow backend on a thread of its own, in the network namespace of whoever made it: whoever orders never
/// waits. What is read is read on that thread, too, after all orders of before; only then the caller waits.
/// </summary>
public sealed class BackgroundBackend : ISteeringBackend, IDisposable
{
    private readonly ISteeringBackend _backend;
    private readonly Action? _answered;
    private readonly BlockingCollection<Action> _work = [];
    private readonly ConcurrentQueue<SteeringAnswer> _answers = new();
    private readonly SteeringAnswer[] _buffer = new SteeringAnswer[1024];
    private readonly Thread _thread;

    /// <summary>Starts the thread.</summary>
    /// <param name="backend">The backend; it is used by this thread alone, and disposed with this object where it can be.</param>
    /// <param name="answered">Told on that thread when there are answers to collect; null where somebody looks anyway.</param>
    public BackgroundBackend(ISteeringBackend backend, Action? answered = null)
    {
        _backend = backend;
        _answered = answered;
        _thread = new Thread(Run) { Name = "tb-steer", IsBackground = true };
        _thread.Start();
    }

    /// <inheritdoc/>
    public string Name => _backend.Name;

    /// <inheritdoc/>
    public int Credits => _backend.Credits;

    /// <inheritdoc/>
    public void Submit(ReadOnlySpan<SteeringOrder> orders)
    {
        SteeringOrder[] copy = orders.ToArray();
        _work.Add(() =>
        {
            _backend.Submit(copy);
            for (int count; (count = _backend.Collect(_buffer)) > 0;)
            {
                foreach (SteeringAnswer answer in _buffer.AsSpan(0, count))
                {
                    _answers.Enqueue(answer);
                }
            }

            _answered?.Invoke();
        });
    }

    /// <inheritdoc/>
    public int Collect(Span<SteeringAnswer> answers)
    {
        int count = 0;
        while (count < answers.Length && _answers.TryDequeue(out SteeringAnswer answer))
        {
            answers[count++] = answer;
        }

        return count;
    }

    /// <inheritdoc/>
    public int Dump(ICollection<HeldRule> held)
    {
        int error = 0;
        using ManualResetEventSlim done = new();
        _work.Add(() =>
        {
            error = _backend.Dump(held);
            done.Set();
        });
        done.Wait();
        return error;
    }

    /// <summary>Carries out what is ordered, ends the thread and disposes the backend.</summary>
    public void Dispose()
    {
        if (_work.IsAddingCompleted)
        {
            return;
        }

        _work.CompleteAdding();
        _thread.Join();
        (_backend as IDisposable)?.Dispose();
        _work.Dispose();
    }

    private void Run()
    {
        foreach (Action work in _work.GetConsumingEnumerable())
        {
            work();
        }
    }
}
