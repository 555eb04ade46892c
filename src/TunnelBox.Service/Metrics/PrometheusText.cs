using System.Diagnostics.Metrics;
using System.Globalization;
using System.Text;

namespace TunnelBox.Service.Metrics;

/// <summary>Writes a meter's instruments in Prometheus' text format, version 0.0.4 (prometheus.io/docs/instrumenting/exposition_formats).</summary>
public static class PrometheusText
{
    /// <summary>The format's media type.</summary>
    public const string ContentType = "text/plain; version=0.0.4; charset=utf-8";

    /// <summary>Reads every observable instrument of a meter once and writes it.</summary>
    /// <param name="meter">The meter.</param>
    /// <returns>The text: dots of names become underscores, counters end in "_total".</returns>
    public static string Write(Meter meter)
    {
        Dictionary<Instrument, StringBuilder> samples = [];
        List<Instrument> order = [];
        using MeterListener listener = new();
        listener.InstrumentPublished = (instrument, self) =>
        {
            if (ReferenceEquals(instrument.Meter, meter) && instrument.IsObservable)
            {
                order.Add(instrument);
                samples[instrument] = new StringBuilder();
                self.EnableMeasurementEvents(instrument);
            }
        };
        listener.SetMeasurementEventCallback<long>((instrument, value, tags, _) => Sample(samples[instrument], instrument, value.ToString(CultureInfo.InvariantCulture), tags));
        listener.SetMeasurementEventCallback<double>((instrument, value, tags, _) => Sample(samples[instrument], instrument, value.ToString("R", CultureInfo.InvariantCulture), tags));
        listener.Start();
        listener.RecordObservableInstruments();

        StringBuilder text = new();
        foreach (Instrument instrument in order)
        {
            string name = Name(instrument);
            text.Append("# HELP ").Append(name).Append(' ').Append(Escape(instrument.Description ?? string.Empty, quotes: false)).Append('\n');
            text.Append("# TYPE ").Append(name).Append(IsCounter(instrument) ? " counter\n" : " gauge\n");
            text.Append(samples[instrument]);
        }

        return text.ToString();
    }

    private static void Sample(StringBuilder text, Instrument instrument, string value, ReadOnlySpan<KeyValuePair<string, object?>> tags)
    {
        text.Append(Name(instrument));
        char before = '{';
        foreach (KeyValuePair<string, object?> tag in tags)
        {
            text.Append(before).Append(tag.Key).Append("=\"").Append(Escape(tag.Value?.ToString() ?? string.Empty, quotes: true)).Append('"');
            before = ',';
        }

        text.Append(before == ',' ? "} " : " ").Append(value).Append('\n');
    }

    private static bool IsCounter(Instrument instrument) => instrument is ObservableCounter<long> or ObservableCounter<double>;

    private static string Name(Instrument instrument) => instrument.Name.Replace('.', '_') + (IsCounter(instrument) ? "_total" : string.Empty);

    private static string Escape(string text, bool quotes)
    {
        string escaped = text.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\n", "\\n", StringComparison.Ordinal);
        return quotes ? escaped.Replace("\"", "\\\"", StringComparison.Ordinal) : escaped;
    }
}
