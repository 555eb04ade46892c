using Xunit.Abstractions;

namespace TunnelBox.EndToEnd.Tests.Harness;

/// <summary>A test with a lab of its own, a deadline, and the daemons' logs beside a failure.</summary>
public abstract class EndToEndTest(ITestOutputHelper output, int deadlineSeconds = 60) : IAsyncLifetime
{
    /// <summary>What the test builds is removed with it.</summary>
    private protected Lab Lab { get; private set; } = null!;

    /// <inheritdoc/>
    public async Task InitializeAsync()
    {
        Lab = await Lab.OpenAsync(TimeSpan.FromSeconds(deadlineSeconds));
    }

    /// <inheritdoc/>
    public async Task DisposeAsync()
    {
        if (Lab is not null)
        {
            output.WriteLine(Lab.Describe());
            await Lab.DisposeAsync();
        }
    }
}
