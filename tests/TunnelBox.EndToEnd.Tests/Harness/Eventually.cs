namespace TunnelBox.EndToEnd.Tests.Harness;

/// <summary>Waits for what must come true by itself.</summary>
internal static class Eventually
{
    /// <summary>Asks every 50 ms until the answer is yes; fails with <paramref name="otherwise"/> at the deadline.</summary>
    public static async Task TrueAsync(Func<Task<bool>> condition, Func<string> otherwise, CancellationToken deadline)
    {
        while (!await condition())
        {
            try
            {
                await Task.Delay(50, deadline);
            }
            catch (OperationCanceledException cancelled)
            {
                throw new TimeoutException(otherwise(), cancelled);
            }
        }
    }

    /// <summary>As <see cref="TrueAsync(Func{Task{bool}}, Func{string}, CancellationToken)"/> with a span of its own.</summary>
    public static async Task TrueWithinAsync(TimeSpan span, Func<Task<bool>> condition, string otherwise)
    {
        using var limit = new CancellationTokenSource(span);
        await TrueAsync(condition, () => $"{otherwise} (waited {span.TotalSeconds:0.#} s)", limit.Token);
    }
}
