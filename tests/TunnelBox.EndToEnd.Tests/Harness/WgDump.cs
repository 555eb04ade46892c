using System.Globalization;

namespace TunnelBox.EndToEnd.Tests.Harness;

/// <summary>One peer as <c>wg show IFACE dump</c> prints it; absent values are null.</summary>
internal sealed record WgPeer(
    string PublicKey,
    string? PresharedKey,
    string? Endpoint,
    string[] AllowedIps,
    long LatestHandshake,
    long Received,
    long Sent,
    int Keepalive);

/// <summary><c>wg show IFACE dump</c>, parsed.</summary>
internal sealed record WgDump(string? PrivateKey, string? PublicKey, int ListenPort, string Fwmark, WgPeer[] Peers)
{
    /// <summary>Parses what <c>wg show IFACE dump</c> wrote.</summary>
    public static WgDump Parse(string text)
    {
        string[][] rows = [.. text.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(static line => line.Split('\t'))];
        string[] own = rows[0];
        return new WgDump(
            Present(own[0]), Present(own[1]), int.Parse(own[2], CultureInfo.InvariantCulture), own[3],
            [.. rows.Skip(1).Select(static row => new WgPeer(
                row[0],
                Present(row[1]),
                Present(row[2]),
                Present(row[3])?.Split(',') ?? [],
                Number(row[4]),
                Number(row[5]),
                Number(row[6]),
                row[7] == "off" ? 0 : int.Parse(row[7], CultureInfo.InvariantCulture)))]);
    }

    private static string? Present(string value)
    {
        return value == "(none)" ? null : value;
    }

    private static long Number(string value)
    {
        return long.Parse(value, CultureInfo.InvariantCulture);
    }
}
