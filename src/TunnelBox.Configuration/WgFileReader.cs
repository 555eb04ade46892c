using System.Diagnostics.CodeAnalysis;
using System.Text;
using TunnelBox.Crypto;

namespace TunnelBox.Configuration;

/// <summary>
/// Reads the wg format (wg(8), "CONFIGURATION FILE FORMAT"; wg-quick(8), "CONFIGURATION"): [Interface] and [Peer] sections,
/// keys in any case, '#' comments. All faults of a file are found in one reading.
/// </summary>
public sealed class WgFileReader
{
    /// <summary>Bytes of a comment that are kept.</summary>
    private const int MaxComment = 256;

    internal static readonly string[] InterfaceKeys = ["PrivateKey", "ListenPort", "FwMark"];
    internal static readonly string[] QuickKeys =
        ["Address", "DNS", "MTU", "Table", "PreUp", "PostUp", "PreDown", "PostDown", "SaveConfig"];

    internal static readonly string[] PeerKeys = ["PublicKey", "PresharedKey", "AllowedIPs", "Endpoint", "PersistentKeepalive"];

    private readonly string _path;
    private readonly WgDialect _dialect;
    private readonly WgFile _file;
    private readonly List<ConfigurationFault> _faults = [];
    private WgPeer? _peer;
    private bool _peerHasKey;
    private bool _peerHasLines;
    private bool _inInterface;
    private bool _unknownSection;
    private bool _interfaceSeen;
    private int _line;

    private WgFileReader(string path, WgDialect dialect, WgFile file)
    {
        _path = path;
        _dialect = dialect;
        _file = file;
        _file.Path = path;
    }

    /// <summary>Reads a file.</summary>
    /// <param name="path">Its path, or a pipe's.</param>
    /// <param name="dialect">Which keys are allowed.</param>
    /// <returns>The file; the caller disposes it.</returns>
    /// <exception cref="ConfigurationFaultsException">The file has faults, or cannot be read.</exception>
    public static WgFile Read(string path, WgDialect dialect)
    {
        ArgumentNullException.ThrowIfNull(path);
        try
        {
            using SecretFile bytes = SecretFile.Read(path);
            WgFile file = Parse(bytes.Bytes, path, dialect);
            if (file.Interface.PrivateKey is not null || file.Peers.Exists(peer => peer.PresharedKey is not null))
            {
                WarnIfOpen(file, path);
            }

            return file;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            string text = e switch
            {
                FileNotFoundException or DirectoryNotFoundException => "there is no such file; give the path of a wg file.",
                UnauthorizedAccessException when Directory.Exists(path) => "this is a directory; give the path of a wg file.",
                UnauthorizedAccessException => "the file may not be read; run as root, or as its owner.",
                _ => $"the file cannot be read: {e.Message.TrimEnd('.')}.",
            };
            throw new ConfigurationFaultsException([new ConfigurationFault(path, 0, string.Empty, text)]);
        }
    }

    /// <summary>Reads the bytes of a file.</summary>
    /// <param name="bytes">The whole file.</param>
    /// <param name="path">Its name in faults.</param>
    /// <param name="dialect">Which keys are allowed.</param>
    /// <returns>The file; the caller disposes it.</returns>
    /// <exception cref="ConfigurationFaultsException">The file has faults.</exception>
    public static WgFile Parse(ReadOnlySpan<byte> bytes, string path, WgDialect dialect) =>
        TryParse(bytes, path, dialect, out WgFile? file, out List<ConfigurationFault> faults) ? file : throw new ConfigurationFaultsException(faults);

    /// <summary>Reads the bytes of a file without an exception for faults.</summary>
    /// <param name="bytes">The whole file.</param>
    /// <param name="path">Its name in faults.</param>
    /// <param name="dialect">Which keys are allowed.</param>
    /// <param name="file">The file, when the answer is true; the caller disposes it.</param>
    /// <param name="faults">The faults, when the answer is false.</param>
    /// <returns>Whether the file has no faults.</returns>
    public static bool TryParse(
        ReadOnlySpan<byte> bytes, string path, WgDialect dialect, [NotNullWhen(true)] out WgFile? file, out List<ConfigurationFault> faults)
    {
        WgFileReader reader = new(path, dialect, new WgFile());
        if (bytes.StartsWith("\uFEFF"u8))
        {
            bytes = bytes[3..];
        }

        while (!bytes.IsEmpty)
        {
            int end = bytes.IndexOf((byte)'\n');
            reader.Line(end < 0 ? bytes : bytes[..end]);
            bytes = end < 0 ? default : bytes[(end + 1)..];
        }

        reader.EndSection();
        reader.WarnOfTwins();
        faults = [.. reader._faults.OrderBy(fault => fault.Line)];
        file = faults.Count == 0 ? reader._file : null;
        if (file is null)
        {
            reader._file.Dispose();
        }

        return file is not null;
    }

    private static void WarnIfOpen(WgFile file, string path)
    {
        const UnixFileMode Others = UnixFileMode.OtherRead | UnixFileMode.OtherWrite | UnixFileMode.OtherExecute;
        if (!File.Exists(path) || path.StartsWith("/dev/", StringComparison.Ordinal) || path.StartsWith("/proc/", StringComparison.Ordinal))
        {
            return;
        }

        // As wg-quick: what the directory keeps from others need not be kept by the file.
        string full = Path.GetFullPath(path);
        UnixFileMode mode = File.GetUnixFileMode(full) & File.GetUnixFileMode(Path.GetDirectoryName(full) ?? "/") & Others;
        if (mode != UnixFileMode.None)
        {
            file.Warnings.Add(new ConfigurationFault(path, 0, string.Empty, "everybody on this machine may read the keys in this file; run \"chmod 600\" on it."));
        }
    }

    private void Line(ReadOnlySpan<byte> raw)
    {
        _line++;
        int hash = raw.IndexOf((byte)'#');
        ReadOnlySpan<byte> text = WgLine.Trim(hash < 0 ? raw : raw[..hash]);
        if (text.IsEmpty)
        {
            if (hash >= 0)
            {
                Comment(WgLine.Trim(raw[(hash + 1)..]));
            }

            return;
        }

        if (text.Contains((byte)0))
        {
            Fault(string.Empty, "the line has a zero byte; only text is allowed.");
            return;
        }

        if (text[0] == (byte)'[')
        {
            Section(text);
            return;
        }

        int equals = text.IndexOf((byte)'=');
        if (equals < 0)
        {
            Fault(string.Empty, $"{ConfigurationFault.Quote(WgLine.FirstWord(text))} is no line of a wg file; [Interface], [Peer] or KEY = VALUE is allowed.");
            return;
        }

        // A text without spaces is what wg reads; the commands of wg-quick keep theirs.
        using WgLine.Compact name = new(text[..equals]);
        if (name.Bytes.Length > WgLine.LongestName)
        {
            Fault(string.Empty, "the line has no key's name before its '='; [Interface], [Peer] or KEY = VALUE is allowed.");
            return;
        }

        string key = Encoding.Latin1.GetString(name.Bytes);
        using WgLine.Compact value = new(text[(equals + 1)..]);
        KeyValue(key, value.Bytes, WgLine.Trim(text[(equals + 1)..]));
    }

    private void Section(ReadOnlySpan<byte> text)
    {
        EndSection();
        using WgLine.Compact compact = new(text);
        _inInterface = Ascii.EqualsIgnoreCase(compact.Bytes, "[Interface]"u8);
        if (_inInterface)
        {
            _interfaceSeen = true;
            return;
        }

        if (Ascii.EqualsIgnoreCase(compact.Bytes, "[Peer]"u8))
        {
            _peer = new WgPeer { Line = _line };
            _file.Peers.Add(_peer);
            _peerHasKey = _peerHasLines = false;
            return;
        }

        Fault(ConfigurationFault.Quote(text).Trim('"'), "this is no section of a wg file; [Interface] and [Peer] are allowed.");
        _unknownSection = true;
    }

    private void EndSection()
    {
        if (_peer is not null && !_peerHasKey)
        {
            _faults.Add(new ConfigurationFault(_path, _peer.Line, "[Peer]", "the peer has no PublicKey; every peer needs one."));
        }

        _peer = null;
        _inInterface = false;
        _unknownSection = false;
    }

    private void WarnOfTwins()
    {
        Dictionary<PublicKey, int> seen = [];
        foreach (WgPeer peer in _file.Peers)
        {
            if (!peer.PublicKey.IsZero && !seen.TryAdd(peer.PublicKey, peer.Line))
            {
                _file.Warnings.Add(new ConfigurationFault(
                    _path, peer.Line, "PublicKey", $"the peer is already at line {seen[peer.PublicKey]}; what stands later wins."));
            }
        }
    }

    private void Comment(ReadOnlySpan<byte> text)
    {
        string comment = Encoding.UTF8.GetString(text[..Math.Min(text.Length, MaxComment)]);
        int equals = comment.IndexOf('=');
        string key = equals < 0 ? string.Empty : comment[..equals].Trim();
        if (key.Equals("PrivateKey", StringComparison.OrdinalIgnoreCase) || key.Equals("PresharedKey", StringComparison.OrdinalIgnoreCase))
        {
            // A key that was commented out is still a secret; it is not kept.
            return;
        }

        if (_peer is null)
        {
            if (_inInterface || !_interfaceSeen)
            {
                _file.Interface.Comments.Add(comment);
            }

            return;
        }

        _peer.Comments.Add(comment);
        if (key.Equals("friendly_name", StringComparison.OrdinalIgnoreCase) || key.Equals("name", StringComparison.OrdinalIgnoreCase))
        {
            _peer.Name = WgLine.NameOf(comment[(equals + 1)..]);
        }
        else if (_peer.Name is null && equals < 0 && _peer.Comments.Count == 1 && !_peerHasLines)
        {
            _peer.Name = WgLine.NameOf(comment);
        }
    }

    private void KeyValue(string key, ReadOnlySpan<byte> value, ReadOnlySpan<byte> spaced)
    {
        if (_unknownSection)
        {
            return;
        }

        if (value.IsEmpty && Array.Exists([.. InterfaceKeys, .. PeerKeys], wg => wg.Equals(key, StringComparison.OrdinalIgnoreCase)))
        {
            _peerHasKey |= key.Equals("PublicKey", StringComparison.OrdinalIgnoreCase);
            Fault(key, "the value is missing; give one, or take the line out.");
            return;
        }

        if (_peer is not null)
        {
            _peerHasLines = true;
            PeerKey(_peer, key, value);
        }
        else if (!_inInterface)
        {
            Fault(key, "the line stands before any section; begin with [Interface] or [Peer].");
        }
        else if (!InterfaceKey(key, value) && !(_dialect == WgDialect.Quick && new WgQuickKeys(_file.Interface, Fault).Take(key, spaced)))
        {
            UnknownKey(key, _dialect == WgDialect.Quick ? [.. InterfaceKeys, .. QuickKeys] : InterfaceKeys, "[Interface]");
        }
    }

    private void UnknownKey(string key, string[] known, string section)
    {
        string text = Nearest.Of(key, known) is { } near
            ? $"{section} has no such key; did you mean {near}?"
            : $"{section} has no such key; {string.Join(", ", known)} are allowed.";
        if (Array.Exists(QuickKeys, quick => quick.Equals(key, StringComparison.OrdinalIgnoreCase)))
        {
            text = section == "[Peer]"
                ? "this key belongs to [Interface]; move it there."
                : "this key is wg-quick's; \"tunnelctl strip\" gives the file without such keys.";
        }
        else if (Array.Exists(PeerKeys, other => other.Equals(key, StringComparison.OrdinalIgnoreCase)))
        {
            text = "this key belongs to [Peer]; move it there.";
        }
        else if (Array.Exists(InterfaceKeys, other => other.Equals(key, StringComparison.OrdinalIgnoreCase)))
        {
            text = "this key belongs to [Interface]; move it there.";
        }

        Fault(key, text);
    }

    private bool InterfaceKey(string key, ReadOnlySpan<byte> value)
    {
        WgInterface section = _file.Interface;
        string? fault;
        if (key.Equals("PrivateKey", StringComparison.OrdinalIgnoreCase))
        {
            byte[]? secret = WgLine.Secret(value);
            section.PrivateKey = secret ?? section.PrivateKey;
            fault = secret is null ? WgValues.KeyFault : null;
        }
        else if (key.Equals("ListenPort", StringComparison.OrdinalIgnoreCase))
        {
            fault = WgValues.Port(value, out ushort port);
            section.ListenPort = port;
        }
        else if (key.Equals("FwMark", StringComparison.OrdinalIgnoreCase))
        {
            fault = WgValues.FirewallMark(value, out uint mark);
            section.FirewallMark = mark;
        }
        else
        {
            return false;
        }

        if (fault is not null)
        {
            Fault(key, fault);
        }

        return true;
    }

    private void PeerKey(WgPeer peer, string key, ReadOnlySpan<byte> value)
    {
        string? fault = null;
        if (key.Equals("PublicKey", StringComparison.OrdinalIgnoreCase))
        {
            Span<byte> bytes = stackalloc byte[PublicKey.Size];
            _peerHasKey = true;
            fault = KeyText.TryFromBase64(value, bytes) ? null : WgValues.KeyFault;
            peer.PublicKey = new PublicKey(bytes);
        }
        else if (key.Equals("AllowedIPs", StringComparison.OrdinalIgnoreCase))
        {
            List<string> cleared = [];
            fault = WgValues.AllowedIps(value, peer.AllowedIps, cleared);
            foreach (string text in cleared)
            {
                _file.Warnings.Add(new ConfigurationFault(_path, _line, key, $"\"{text}\" has bits beyond its length; they are cleared."));
            }
        }
        else if (key.Equals("Endpoint", StringComparison.OrdinalIgnoreCase))
        {
            fault = WgValues.Endpoint(value, out HostPort endpoint);
            peer.Endpoint = endpoint;
        }
        else if (key.Equals("PersistentKeepalive", StringComparison.OrdinalIgnoreCase))
        {
            fault = WgValues.Keepalive(value, out ushort seconds);
            peer.PersistentKeepalive = seconds;
        }
        else if (key.Equals("PresharedKey", StringComparison.OrdinalIgnoreCase))
        {
            byte[]? secret = WgLine.Secret(value);
            peer.PresharedKey = secret ?? peer.PresharedKey;
            fault = secret is null ? WgValues.KeyFault : null;
        }
        else
        {
            UnknownKey(key, PeerKeys, "[Peer]");
        }

        if (fault is not null)
        {
            Fault(key, fault);
        }
    }

    private void Fault(string key, string text) => _faults.Add(new ConfigurationFault(_path, _line, WgLine.Printable(key), text));
}
