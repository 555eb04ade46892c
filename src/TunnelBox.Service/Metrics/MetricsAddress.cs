using System.Net;
using System.Net.Sockets;
using TunnelBox.Configuration;

namespace TunnelBox.Service.Metrics;

/// <summary>Where metrics or health are served: the settings <c>Metrics</c> and <c>Health</c> as an address.</summary>
/// <param name="EndPoint">The TCP address, or the Unix socket.</param>
public sealed record MetricsAddress(EndPoint EndPoint)
{
    /// <summary>Gives the address of an interface's metrics.</summary>
    /// <param name="settings">The settings.</param>
    /// <param name="interfaceName">The interface.</param>
    /// <returns>The address, or null where metrics are off.</returns>
    public static MetricsAddress? Of(TunnelBoxSettings settings, string interfaceName)
    {
        ArgumentNullException.ThrowIfNull(settings);
        return Of(settings.Metrics, Path.Combine(settings.RuntimeDirectory, interfaceName + ".metrics"));
    }

    /// <summary>Gives the address of an interface's health.</summary>
    /// <param name="settings">The settings.</param>
    /// <param name="interfaceName">The interface.</param>
    /// <returns>The address, or null where health is not served.</returns>
    public static MetricsAddress? OfHealth(TunnelBoxSettings settings, string interfaceName)
    {
        ArgumentNullException.ThrowIfNull(settings);
        return Of(settings.Health, Path.Combine(settings.RuntimeDirectory, interfaceName + ".health"));
    }

    /// <inheritdoc/>
    public override string ToString() => EndPoint.ToString()!;

    private static MetricsAddress? Of(string setting, string socket) => setting switch
    {
        SettingDefinition.MetricsOff => null,
        SettingDefinition.MetricsSocket => Unix(socket),
        { } text when text.StartsWith('/') => Unix(text),
        { } text => new MetricsAddress(IPEndPoint.Parse(text)),
    };

    private static MetricsAddress Unix(string path) => new(new UnixDomainSocketEndPoint(path));
}
