using System.Net;
using System.Net.Sockets;

namespace TunnelBox.Service;

/// <summary>What the resolver said of a name.</summary>
/// <param name="Addresses">The addresses, in the resolver's order; empty where it failed.</param>
/// <param name="Fault">Why it failed, without a full stop; null where it did not.</param>
public readonly record struct NameAnswer(IReadOnlyList<IPAddress> Addresses, string? Fault);

/// <summary>
/// Asks the system's resolver for names, each on a thread of its own, since it may hang for long: one slow name delays no
/// other as long as fewer than <see cref="Concurrency"/> hang at a time. Threads end when nothing waits.
/// </summary>
/// <param name="lookup">Asks for a name's addresses; may block and throw <see cref="SocketException"/>.</param>
public sealed class NameQueries(Func<string, IPAddress[]> lookup) : IDisposable
{
    /// <summary>Most names asked for at a time.</summary>
    public const int Concurrency = 32;

    private readonly Lock _gate = new();
    private readonly Queue<(string Name, Action<NameAnswer> Answer)> _waiting = [];
    private int _threads;
    private bool _disposed;

    /// <summary>Asks for a name. Must be called on a thread of the namespace that the resolver is reached from.</summary>
    /// <param name="name">The name.</param>
    /// <param name="answer">Takes the answer, on a thread of the queries.</param>
    public void Ask(string name, Action<NameAnswer> answer)
    {
        lock (_gate)
        {
            if (_disposed)
            {
                return;
            }

            _waiting.Enqueue((name, answer));
            // Every thread that lives is busy: one without work ends. So each name brings its own, up to the bound.
            if (_threads == Concurrency)
            {
                return;
            }

            _threads++;
        }

        // In the background, so that a resolver that hangs does not hold up the end of the process.
        new Thread(Work, 256 * 1024) { IsBackground = true, Name = "tb-resolver" }.Start();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (_gate)
        {
            _disposed = true;
            _waiting.Clear();
        }
    }

    private void Work()
    {
        while (true)
        {
            (string Name, Action<NameAnswer> Answer) query;
            lock (_gate)
            {
                if (!_waiting.TryDequeue(out query))
                {
                    _threads--;
                    return;
                }
            }

            NameAnswer answer = Look(query.Name);
            lock (_gate)
            {
                // Who asked may be gone after so long a wait.
                if (_disposed)
                {
                    _threads--;
                    return;
                }
            }

            query.Answer(answer);
        }
    }

    private NameAnswer Look(string name)
    {
        try
        {
            IPAddress[] addresses = lookup(name);
            return addresses.Length > 0 ? new NameAnswer(addresses, null) : new NameAnswer([], "it has no address");
        }
        catch (Exception fault) when (fault is SocketException or ArgumentException)
        {
            return new NameAnswer([], fault.Message.TrimEnd('.'));
        }
    }
}
