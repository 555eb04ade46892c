using System.Globalization;
using System.Net;
using System.Runtime.CompilerServices;
using TunnelBox.Crypto;

namespace TunnelBox.Service;

/// <summary>
/// Puts a message together from an interpolated string, only if its level is on. It takes what is safe to show and nothing
/// else: there is no way to hand it bytes or an arbitrary object, and a peer appears by an abbreviation of its public key.
/// </summary>
/// <typeparam name="TLevel">The level, one of <see cref="LogLevels"/>.</typeparam>
[InterpolatedStringHandler]
public ref struct LogMessage<TLevel>
    where TLevel : ILogLevelMark
{
    private DefaultInterpolatedStringHandler _text;

    /// <summary>Begins a message; called by the compiler.</summary>
    /// <param name="literalLength">Characters of literal text.</param>
    /// <param name="formattedCount">Number of holes.</param>
    /// <param name="log">The log it is for.</param>
    /// <param name="isOn">Whether the message is wanted; otherwise the holes are not even evaluated.</param>
    public LogMessage(int literalLength, int formattedCount, Log log, out bool isOn)
    {
        isOn = log.IsOn(TLevel.Level);
        _text = isOn ? new DefaultInterpolatedStringHandler(literalLength, formattedCount, CultureInfo.InvariantCulture) : default;
    }

    /// <summary>Adds literal text.</summary>
    /// <param name="text">The text.</param>
    public void AppendLiteral(string text) => _text.AppendLiteral(text);

    /// <summary>Adds text. What looks like a key in it is struck out when the line is written.</summary>
    /// <param name="text">The text.</param>
    public void AppendFormatted(string? text) => _text.AppendLiteral(text ?? string.Empty);

    /// <summary>Adds a number.</summary>
    /// <param name="number">The number.</param>
    public void AppendFormatted(long number) => _text.AppendFormatted(number);

    /// <summary>Adds a number.</summary>
    /// <param name="number">The number.</param>
    public void AppendFormatted(ulong number) => _text.AppendFormatted(number);

    /// <summary>Adds a number in a format.</summary>
    /// <param name="number">The number.</param>
    /// <param name="format">A standard format, such as <c>F1</c>.</param>
    public void AppendFormatted(double number, string format = "0.###") => _text.AppendFormatted(number, format);

    /// <summary>Adds a duration in seconds.</summary>
    /// <param name="duration">The duration.</param>
    public void AppendFormatted(TimeSpan duration)
    {
        _text.AppendFormatted(duration.TotalSeconds, "0.###");
        _text.AppendLiteral(" s");
    }

    /// <summary>Adds the name of an enumeration's value.</summary>
    /// <typeparam name="T">The enumeration.</typeparam>
    /// <param name="value">The value.</param>
    public void AppendFormatted<T>(T value)
        where T : struct, Enum => _text.AppendFormatted(value);

    /// <summary>Adds an address and port.</summary>
    /// <param name="endpoint">The endpoint, or null for none.</param>
    public void AppendFormatted(IPEndPoint? endpoint) => _text.AppendLiteral(endpoint?.ToString() ?? "(no endpoint)");

    /// <summary>Adds an address.</summary>
    /// <param name="address">The address.</param>
    public void AppendFormatted(IPAddress? address) => _text.AppendLiteral(address?.ToString() ?? "(no address)");

    /// <summary>Adds a prefix.</summary>
    /// <param name="network">The prefix.</param>
    public void AppendFormatted(IPNetwork network) => _text.AppendFormatted(network);

    /// <summary>Adds a peer, as wireguard-go writes it: <c>peer(AbCd…wXyZ)</c>, from the first and last characters of its key.</summary>
    /// <param name="peer">Its public key.</param>
    public void AppendFormatted(PublicKey peer)
    {
        string text = peer.ToString();
        _text.AppendLiteral("peer(");
        _text.AppendFormatted(text.AsSpan(0, 4));
        _text.AppendLiteral("…");
        _text.AppendFormatted(text.AsSpan(39, 4));
        _text.AppendLiteral(")");
    }

    /// <summary>Adds what went wrong: the sentence of an exception, without its trace.</summary>
    /// <param name="fault">The exception.</param>
    public void AppendFormatted(Exception fault) => _text.AppendLiteral(fault.Message);

    internal string ToStringAndClear() => _text.ToStringAndClear();
}
