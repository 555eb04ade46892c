namespace TunnelBox.Tunnelctl;

/// <summary>Says on standard error what is being waited for, once that has taken 2 s, and every 5 s from then on.</summary>
internal sealed class Progress : IDisposable
{
    private static readonly TimeSpan First = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan Next = TimeSpan.FromSeconds(5);
    private readonly long _began = Environment.TickCount64;
    private readonly Timer _timer;

    /// <summary>Begins to wait.</summary>
    /// <param name="doing">What is done, in words that "for N s" can follow: "wg0: reading peers".</param>
    public Progress(string doing)
    {
        _timer = new Timer(_ => CommandLine.Note($"{doing}, for {(Environment.TickCount64 - _began) / 1000} s so far ..."), null, First, Next);
    }

    /// <inheritdoc/>
    public void Dispose() => _timer.Dispose();
}
