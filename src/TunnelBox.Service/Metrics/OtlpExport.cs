using OpenTelemetry;
using OpenTelemetry.Exporter;
using OpenTelemetry.Metrics;

namespace TunnelBox.Service.Metrics;

/// <summary>Sends the metrics to an OpenTelemetry collector over HTTP (OTLP, protobuf), every 15 s unless <c>OTEL_METRIC_EXPORT_INTERVAL</c> says otherwise.</summary>
public sealed class OtlpExport : IDisposable
{
    private const int Interval = 15_000;
    private const int Patience = 1_000;
    private readonly MeterProvider _provider;

    /// <summary>Begins to send.</summary>
    /// <param name="collector">The collector's address, such as http://127.0.0.1:4318; "/v1/metrics" is added where it has no path.</param>
    /// <param name="interfaceName">The interface, which becomes the instance that the metrics are of.</param>
    public OtlpExport(Uri collector, string interfaceName)
    {
        ArgumentNullException.ThrowIfNull(collector);
        _provider = Sdk.CreateMeterProviderBuilder()
            .AddMeter(TunnelMetrics.MeterName)
            .SetMaxMetricStreams(100)
            .AddView("*", new MetricStreamConfiguration { CardinalityLimit = 500_000 })
            .ConfigureResource(resource => OpenTelemetry.Resources.ResourceBuilderExtensions.AddService(resource, "tunnelbox", serviceInstanceId: interfaceName))
            .AddOtlpExporter((exporter, reader) =>
            {
                exporter.Protocol = OtlpExportProtocol.HttpProtobuf;
                exporter.Endpoint = collector.AbsolutePath.Length > 1 ? collector : new Uri(collector, "/v1/metrics");
                // An interval in the environment goes before ours.
                reader.PeriodicExportingMetricReaderOptions.ExportIntervalMilliseconds ??= Environment.GetEnvironmentVariable("OTEL_METRIC_EXPORT_INTERVAL") is null ? Interval : null;
            })
            .Build();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _provider.ForceFlush(Patience);
        _provider.Shutdown(Patience);
        _provider.Dispose();
    }
}
