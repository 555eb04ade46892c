using System.Diagnostics;
using System.Globalization;
using System.Net;
using TunnelBox.Crypto;
using TunnelBox.Protocol;

namespace TunnelBox.Benchmarks;

/// <summary>
/// How long handshakes take with a real responder: many peers, each of its own address, first without a cookie, then with the one they
/// were given. Like the protocol's own initiators they try again after 5 s and up to 333 ms.
/// </summary>
public static class HandshakeProbe
{
    private const int GiveUp = 20;

    /// <summary>Makes the keys of peers; they are the same each time.</summary>
    /// <param name="count">How many.</param>
    /// <param name="output">Where the public keys go, a line each.</param>
    public static void WriteKeys(int count, TextWriter output)
    {
        ArgumentNullException.ThrowIfNull(output);
        using KeyArena arena = new();
        for (int i = 0; i < count; i++)
        {
            using Identity identity = new(arena, HandshakeClient.KeyOf(i));
            output.WriteLine(identity.PublicKey);
        }
    }

    /// <summary>Makes an initiation of a stranger, with the mac1 that the responder asks for.</summary>
    /// <param name="responder">The responder's public key.</param>
    /// <param name="output">Where it goes, in hexadecimal.</param>
    public static void WriteInitiation(string responder, TextWriter output)
    {
        ArgumentNullException.ThrowIfNull(output);
        using KeyArena arena = new();
        byte[] message = new byte[InitiationMessage.Size];
        using HandshakeClient client = new(arena, 1_000_000, Parse(responder), null);
        client.Write(message);
        output.WriteLine(Convert.ToHexString(message));
    }

    /// <summary>Measures, and writes a line for each handshake: <c>cold</c> or <c>cookie</c>, the seconds it took (20 for one that never ended), and whether its first message proved a cookie.</summary>
    /// <param name="address">The responder's address.</param>
    /// <param name="port">Its port.</param>
    /// <param name="responder">Its public key.</param>
    /// <param name="count">How many peers; they have the addresses 10.77.0.1 and on.</param>
    /// <param name="output">Where the lines go.</param>
    public static void Run(string address, int port, string responder, int count, TextWriter output)
    {
        ArgumentNullException.ThrowIfNull(output);
        using KeyArena arena = new();
        PublicKey key = Parse(responder);
        HandshakeClient[] clients = [.. Enumerable.Range(0, count).Select(i => new HandshakeClient(arena, i, key, new IPEndPoint(IPAddress.Parse(address), port)))];
        foreach (string kind in (string[])["cold", "cookie"])
        {
            // Spread over a second, as nobody's peers come all at once.
            long began = Stopwatch.GetTimestamp();
            foreach (HandshakeClient client in clients)
            {
                client.Begin((double)Array.IndexOf(clients, client) / count);
            }

            while (clients.Any(client => client.Took < 0) && Stopwatch.GetElapsedTime(began).TotalSeconds < GiveUp)
            {
                foreach (HandshakeClient client in clients)
                {
                    client.Step();
                }

                Thread.Sleep(1);
            }

            foreach (HandshakeClient client in clients)
            {
                output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{kind} {(client.Took < 0 ? GiveUp : client.Took):F4} {(client.HadCookie ? 1 : 0)}"));
            }
        }

        Array.ForEach(clients, client => client.Dispose());
    }

    internal static PublicKey Parse(string text) => PublicKey.TryParse(text, out PublicKey key) ? key : throw new ArgumentException($"{text} is no public key", nameof(text));
}
