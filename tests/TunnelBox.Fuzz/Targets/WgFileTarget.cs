using System.Globalization;
using System.Text;
using TunnelBox.Configuration;

namespace TunnelBox.Fuzz.Targets;

/// <summary>wg and wg-quick files: what is read can be written, and read again with the same meaning; what is wrong is told by line, in print.</summary>
internal sealed class WgFileTarget() : TextTarget((byte)'\n')
{
    private const string Key = "YAnz5TF+lXXJte14tji3zlMNftqLzahdQUbGpNa0rUc=";

    /// <inheritdoc/>
    public override string Name => "wg-file";

    /// <inheritdoc/>
    public override IReadOnlyList<byte[]> Seeds { get; } = Bytes(
        $"[Interface]\nPrivateKey = {Key}\nListenPort = 51820\nFwMark = 0x20\n\n[Peer]\n# office\nPublicKey = {Key}\nPresharedKey = {Key}\nAllowedIPs = 10.0.0.0/8, fd00::/64\nEndpoint = [::1]:51820\nPersistentKeepalive = 25\n",
        $"[Interface]\nAddress = 10.1.0.1/24, fd00::1/64\nDNS = 10.1.0.1, example.org\nMTU = 1400\nTable = off\nPreUp = true %i\nPostDown = :\nSaveConfig = true\nPrivateKey = {Key}\n[Peer]\nPublicKey={Key}\nAllowedIPs=+0.0.0.0/0,-::/0\nEndpoint=vpn.example.org:1\n");

    /// <inheritdoc/>
    public override int Run(byte[] input) => (One(input, WgDialect.Wg) << 8) | One(input, WgDialect.Quick);

    private static int One(byte[] input, WgDialect dialect)
    {
        if (!WgFileReader.TryParse(input, "fuzz.conf", dialect, out WgFile? file, out List<ConfigurationFault> faults))
        {
            FuzzFind.Unless(faults.Count > 0, "What is not read has a fault.");
            int lines = input.Count(b => b == (byte)'\n') + 1;
            foreach (ConfigurationFault fault in faults)
            {
                IsPrintable(fault.ToString());
                FuzzFind.Unless(fault.Line >= 0 && fault.Line <= lines, $"A fault stands in a line that there is: {fault}");
                FuzzFind.Unless(!fault.ToString().Contains(Key, StringComparison.Ordinal) || fault.Key is not ("PrivateKey" or "PresharedKey"), "No fault repeats a key.");
            }

            return 128 + Math.Min(faults.Count, 7);
        }

        using (file)
        using (MemoryStream written = new())
        {
            WgFileWriter.Write(file, written, quick: dialect == WgDialect.Quick);
            FuzzFind.Unless(
                WgFileReader.TryParse(written.ToArray(), "again.conf", dialect, out WgFile? again, out faults),
                $"What was written is read again: {string.Join("; ", faults)}\n{Encoding.UTF8.GetString(written.ToArray())}");
            using (again)
            {
                string before = Meaning(file, dialect);
                string after = Meaning(again!, dialect);
                FuzzFind.Unless(before == after, $"What was written means the same.\n{before}\n{after}");
            }

            return Math.Min(file.Peers.Count, 7) | (Math.Min(file.Warnings.Count, 7) << 3);
        }
    }

    private static string Meaning(WgFile file, WgDialect dialect)
    {
        WgInterface own = file.Interface;
        StringBuilder text = new();
        text.Append(CultureInfo.InvariantCulture, $"key {Secret(own.PrivateKey)} port {own.ListenPort ?? 0} mark {own.FirewallMark ?? 0}");
        if (dialect == WgDialect.Quick)
        {
            text.Append(CultureInfo.InvariantCulture, $" mtu {own.Mtu} table {own.Table} save {own.SaveConfig} at {string.Join(",", own.Addresses)} dns {string.Join(",", own.DnsServers)} {string.Join(",", own.DnsSearch)}");
            text.Append(CultureInfo.InvariantCulture, $" hooks {string.Join("|", own.PreUp)}|{string.Join("|", own.PostUp)}|{string.Join("|", own.PreDown)}|{string.Join("|", own.PostDown)}");
        }

        foreach (WgPeer peer in file.Peers)
        {
            text.Append(CultureInfo.InvariantCulture, $"\npeer {peer.PublicKey} {Secret(peer.PresharedKey)} {peer.Endpoint} {peer.PersistentKeepalive ?? 0} {string.Join(",", peer.AllowedIps)}");
        }

        return text.ToString();
    }

    // All zero means none.
    private static string Secret(byte[]? key) => key is null || !key.AsSpan().ContainsAnyExcept((byte)0) ? "none" : Convert.ToHexString(key);
}
