using System.Net.Sockets;
using System.Text;
using TunnelBox.Service.Metrics;

namespace TunnelBox.Service;

/// <summary>What an orchestrator asks: each question is answered with null for yes, or with what is wrong in one sentence.</summary>
public sealed class Probes
{
    /// <summary>The questions' names, which are their paths over HTTP.</summary>
    public static readonly IReadOnlyList<string> Names = ["livez", "readyz", "startupz"];

    private const int Patience = 5000;
    private const int LongestAnswer = 8192;
    private const string NotYet = "the tunnel is not set up yet";

    /// <summary>Gets or sets the answer of <c>/livez</c>: whether the process still works. No peer, network or configuration counts here: a restart would not mend it.</summary>
    public Func<string?> Live { get; set; } = static () => null;

    /// <summary>Gets or sets the answer of <c>/startupz</c>: whether the start is over.</summary>
    public Func<string?> Started { get; set; } = static () => NotYet;

    /// <summary>Gets or sets the answer of <c>/readyz</c>: whether traffic for the tunnel arrives.</summary>
    public Func<string?> Ready { get; set; } = static () => NotYet;

    /// <summary>Answers one question.</summary>
    /// <param name="name">Its name.</param>
    /// <returns>Null for yes, or what is wrong.</returns>
    /// <exception cref="ArgumentException">There is no such question.</exception>
    public string? Ask(string name) => name switch
    {
        "livez" => Live(),
        "readyz" => Started() ?? Ready(),
        "startupz" => Started(),
        _ => throw new ArgumentException($"There is no probe {name}.", nameof(name)),
    };

    /// <summary>Asks a running daemon, for orchestrators that run a program in place of a request.</summary>
    /// <param name="address">Where it serves health.</param>
    /// <param name="name">The question.</param>
    /// <param name="answer">Receives what it said.</param>
    /// <returns>Whether the answer is yes.</returns>
    public static bool TryAsk(MetricsAddress address, string name, out string answer)
    {
        ArgumentNullException.ThrowIfNull(address);
        bool local = address.EndPoint is UnixDomainSocketEndPoint;
        try
        {
            using Socket socket = local
                ? new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified)
                : new Socket(address.EndPoint.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
            socket.ReceiveTimeout = socket.SendTimeout = Patience;
            socket.Connect(address.EndPoint);
            socket.Send(Encoding.ASCII.GetBytes($"GET /{name} HTTP/1.0\r\nHost: localhost\r\n\r\n"));
            byte[] buffer = new byte[LongestAnswer];
            int length = 0, got;
            while (length < buffer.Length && (got = socket.Receive(buffer, length, buffer.Length - length, SocketFlags.None)) > 0)
            {
                length += got;
            }

            string text = Encoding.UTF8.GetString(buffer, 0, length);
            int body = text.IndexOf("\r\n\r\n", StringComparison.Ordinal);
            answer = body < 0 ? "it gave no answer" : text[(body + 4)..].Trim();
            return text.StartsWith("HTTP/1.1 200 ", StringComparison.Ordinal);
        }
        catch (SocketException e)
        {
            answer = $"no daemon answers at {address}: {e.Message}";
            return false;
        }
    }
}
