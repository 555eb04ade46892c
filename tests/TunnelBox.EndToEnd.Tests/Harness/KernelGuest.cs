namespace TunnelBox.EndToEnd.Tests.Harness;

/// <summary>One guest for all cases of a test class. Its wire takes packets of 9,000 bytes and what a tunnel adds to them.</summary>
public sealed class KernelGuest : IAsyncLifetime
{
    private const int WireMtu = 9100;

    private Lab? _lab;

    /// <summary>The guest, with Linux 6.12.</summary>
    internal Guest Guest { get; private set; } = null!;

    /// <inheritdoc/>
    public async Task InitializeAsync()
    {
        _lab = await Lab.OpenAsync(TimeSpan.FromSeconds(595));
        Guest = await Guest.BootAsync(_lab, "backports", "virtio-net-pci", limitSeconds: 590);
        await Guest.Space.IpAsync($"link set {Guest.Link} mtu {WireMtu}");
        await Guest.RunAsync($"ip link set eth0 mtu {WireMtu}");
    }

    /// <inheritdoc/>
    public async Task DisposeAsync()
    {
        if (_lab is not null)
        {
            await _lab.DisposeAsync();
        }
    }
}
