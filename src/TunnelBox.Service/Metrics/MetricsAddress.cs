using System.Net;
using System.Net.Sockets;
using TunnelBox.Configuration;

namespace TunnelBox.Service.Metrics;

/// <summary>Where metrics are served: the setting <c>Metrics</c> as an address.</summary>
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
        return settings.Metrics switch
        {
            SettingDefinition.MetricsOff => null,
            SettingDefinition.MetricsSocket => Unix(Path.Combine(settings.RuntimeDirectory, interfaceName + ".metrics")),
            { } text when text.StartsWith('/') => Unix(text),
            { } text => new MetricsAddress(IPEndPoint.Parse(text)),
        };
    }

    /// <inheritdoc/>
    public override string ToString() => EndPoint.ToString()!;

    private static MetricsAddress Unix(string path) => new(new UnixDomainSocketEndPoint(path));
}
