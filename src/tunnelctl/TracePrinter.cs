using System.Diagnostics;
using System.Text.Json;
using TunnelBox.Control;
using TunnelBox.Linux.Libpcap;
using TunnelBox.Visibility.Rings;

namespace TunnelBox.Tunnelctl;

/// <summary>Prints the records of a trace until there is nothing more to print.</summary>
internal sealed class TracePrinter : IDisposable
{
    private static readonly TimeSpan s_nap = TimeSpan.FromMilliseconds(20);

    private readonly TraceSession _session;
    private readonly TraceLineJson? _json;
    private readonly PacketFilter? _filter;
    private readonly long _limit;
    private readonly long _rate;
    private readonly Stream _output = Console.OpenStandardOutput();
    private readonly LineText _text = new();
    private readonly TraceText _lines;
    private long _shown;
    private long _kept;
    private long _lost;
    private long _second;
    private long _inSecond;

    /// <summary>Makes a printer.</summary>
    /// <param name="session">The trace.</param>
    /// <param name="json">How lines are written as JSON, or null for text.</param>
    /// <param name="filter">What inner packets must be, or null.</param>
    /// <param name="limit">Ends after so many lines.</param>
    /// <param name="rate">Most lines in a second.</param>
    public TracePrinter(TraceSession session, TraceLineJson? json, PacketFilter? filter, long limit, long rate)
    {
        _session = session;
        _lines = new TraceText(session);
        _json = json;
        _filter = filter;
        _limit = limit;
        _rate = rate;
    }

    /// <summary>Prints until a signal, the limit, or the end of the daemon.</summary>
    /// <param name="signal">The signal.</param>
    /// <returns>How it ended.</returns>
    public ExitCode Run(CancellationSignal signal)
    {
        bool open = true;
        while (_shown < _limit && open)
        {
            open = !signal.IsCancelled && _session.IsOpen;
            int taken = _session.Take(Show, all: !open);
            Lost();
            Flush();
            if (taken == 0 && open)
            {
                signal.Wait(s_nap);
            }
        }

        CommandLine.Note($"{_shown} lines, {_lost} records lost{(_kept > 0 ? $", {_kept} beyond --rate not shown" : string.Empty)}.");
        return open || signal.IsCancelled ? ExitCode.Done : Ended();
    }

    /// <inheritdoc/>
    public void Dispose() => _output.Dispose();

    private ExitCode Ended()
    {
        CommandLine.Note($"{_session.Interface}: the daemon ended, and with it the trace.");
        return ExitCode.NoDaemon;
    }

    private bool Show(in RingEntry entry)
    {
        if (_filter is not null && (entry.Inner.IsEmpty || !_filter.Passes(entry.Inner, (int)entry.Record.InnerLength)))
        {
            return true;
        }

        if (_rate != long.MaxValue && !Allowed())
        {
            _kept++;
            return true;
        }

        if (_json is null)
        {
            _lines.AppendLine(_text, entry);
        }
        else
        {
            _text.Append(JsonSerializer.SerializeToUtf8Bytes(TraceLine.Of(entry, _session), _json.TraceLine)).Append("\n"u8);
        }

        if (_text.Length > 64 * 1024)
        {
            Flush();
        }

        return ++_shown < _limit;
    }

    private bool Allowed()
    {
        long second = Stopwatch.GetTimestamp() / Stopwatch.Frequency;
        _inSecond = second == _second ? _inSecond + 1 : 1;
        _second = second;
        return _inSecond <= _rate;
    }

    private void Lost()
    {
        long lost = _session.Lost;
        if (lost > _lost)
        {
            _text.Append(_json is null ? $"lost {lost - _lost} records: they came faster than they could be read\n" : $"{{\"version\":{ControlSocket.Version},\"lost\":{lost - _lost}}}\n");
            _lost = lost;
        }
    }

    private void Flush()
    {
        _output.Write(_text.Bytes);
        _text.Cut(0);
    }
}
