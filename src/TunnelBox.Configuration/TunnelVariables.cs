using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace TunnelBox.Configuration;

/// <summary>
/// A tunnel in environment variables: <c>TUNNELBOX__INTERFACE__KEY</c> and <c>TUNNELBOX__PEERS__NUMBER__KEY</c> with the keys of wg(8) and wg-quick(8), each
/// also as <c>KEY_FILE</c>, which names a file that holds the value and wins over the variable itself.
/// </summary>
/// <remarks>The values go through the reader of wg files, so that the same is allowed and the same is refused; what it says of a line is said of its variable.</remarks>
public sealed class TunnelVariables
{
    /// <summary>What the variables of the interface begin with.</summary>
    public const string InterfacePrefix = "TUNNELBOX__INTERFACE__";

    /// <summary>What the variables of peers begin with.</summary>
    public const string PeersPrefix = "TUNNELBOX__PEERS__";

    private const string FileSuffix = "_FILE";
    private const string NameKey = "Name";
    private const int MostPeers = 1 << 20;
    private static readonly string[] s_interfaceKeys = [.. WgFileReader.InterfaceKeys, .. WgFileReader.QuickKeys];
    private static readonly string[] s_peerKeys = [.. WgFileReader.PeerKeys, NameKey];

    private readonly SortedDictionary<(int Peer, string Key), Given> _given = [];
    private readonly List<ConfigurationFault> _faults = [];
    private readonly List<string> _variableOfLine = [string.Empty];
    private readonly List<byte[]> _pieces = [];

    private TunnelVariables()
    {
    }

    /// <summary>Tells whether any variable describes a tunnel.</summary>
    /// <param name="environment">The environment.</param>
    /// <returns>Whether there is one.</returns>
    public static bool AreGiven(IReadOnlyDictionary<string, string> environment)
    {
        ArgumentNullException.ThrowIfNull(environment);
        return environment.Keys.Any(IsOurs);
    }

    /// <summary>Reads the variables, and the files that they name.</summary>
    /// <param name="environment">The environment.</param>
    /// <param name="origins">Receives the variable of each value, by the peer's place in the file (-1 for the interface) and the key.</param>
    /// <param name="paths">Receives the files that were read.</param>
    /// <returns>The tunnel; the caller disposes it.</returns>
    /// <exception cref="ConfigurationFaultsException">Something is wrong; all of it is told, each in one sentence.</exception>
    public static WgFile Read(IReadOnlyDictionary<string, string> environment, IDictionary<(int Peer, string Key), string> origins, ICollection<string> paths)
    {
        ArgumentNullException.ThrowIfNull(environment);
        ArgumentNullException.ThrowIfNull(origins);
        ArgumentNullException.ThrowIfNull(paths);
        TunnelVariables variables = new();
        foreach ((string name, string value) in environment.Where(variable => IsOurs(variable.Key)).OrderBy(variable => variable.Key, StringComparer.Ordinal))
        {
            variables.Take(name, value, paths);
        }

        try
        {
            return variables.Parse(origins);
        }
        finally
        {
            variables._pieces.ForEach(static piece => CryptographicOperations.ZeroMemory(piece));
        }
    }

    private static bool IsOurs(string name) =>
        name.StartsWith(InterfacePrefix, StringComparison.OrdinalIgnoreCase) || name.StartsWith(PeersPrefix, StringComparison.OrdinalIgnoreCase);

    private void Take(string name, string value, ICollection<string> paths)
    {
        int peer = -1;
        string rest;
        string[] known = s_interfaceKeys;
        if (name.StartsWith(InterfacePrefix, StringComparison.OrdinalIgnoreCase))
        {
            rest = name[InterfacePrefix.Length..];
        }
        else
        {
            string[] parts = name[PeersPrefix.Length..].Split("__", 2);
            if (parts.Length != 2 || !int.TryParse(parts[0], NumberStyles.None, CultureInfo.InvariantCulture, out peer) || peer >= MostPeers
                || peer.ToString(CultureInfo.InvariantCulture) != parts[0])
            {
                Fault(name, $"a peer's variable is {PeersPrefix}NUMBER__KEY, with a number from 0.");
                return;
            }

            rest = parts[1];
            known = s_peerKeys;
        }

        bool fromFile = rest.EndsWith(FileSuffix, StringComparison.OrdinalIgnoreCase);
        string word = fromFile ? rest[..^FileSuffix.Length] : rest;
        if (Array.Find(known, key => key.Equals(word, StringComparison.OrdinalIgnoreCase)) is not { } found)
        {
            string question = Nearest.Question(word, known);
            Fault(name, $"there is no such key.{(question.Length > 0 ? question : $" {string.Join(", ", known)} are allowed, each also with {FileSuffix}.")}");
            return;
        }

        if (found == "SaveConfig")
        {
            Fault(name, "variables cannot be saved to; unset it.");
            return;
        }

        Given given = new(name, fromFile, fromFile ? null : Piece(Encoding.UTF8.GetBytes(value)));
        if (fromFile)
        {
            paths.Add(value);
            given = given with { Value = ReadFile(name, value) };
        }

        if (given.Value is { } bytes && !IsOneLine(name, found, bytes))
        {
            return;
        }

        // Two spellings of one variable: the file wins over the variable, and else the later one.
        if (given.Value is not null && (!_given.TryGetValue((peer, found), out Given? other) || fromFile || !other.FromFile))
        {
            _given[(peer, found)] = given;
        }
    }

    private byte[]? ReadFile(string name, string path)
    {
        try
        {
            using SecretFile file = SecretFile.Read(path);
            return Piece(WgLine.Trim(file.Bytes));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            Fault(name, e is FileNotFoundException or DirectoryNotFoundException
                ? $"there is no file {ConfigurationFault.Printable(Encoding.UTF8.GetBytes(path))}; mount it, or name another."
                : $"the file cannot be read: {e.Message.TrimEnd('.')}.");
            return null;
        }
    }

    private bool IsOneLine(string name, string key, byte[] value)
    {
        if (WgLine.Trim(value).IsEmpty)
        {
            Fault(name, "the value is missing; give one, or unset the variable.");
            return false;
        }

        if (value.AsSpan().IndexOfAny("\n\r#\0"u8) >= 0)
        {
            Fault(name, "the value has a line break, a '#' or a zero byte; one line without them is allowed.");
            return false;
        }

        if (key == NameKey && WgLine.NameOf(Encoding.UTF8.GetString(value)) is null)
        {
            Fault(name, "this is no name; 1 to 64 printable characters are allowed.");
            return false;
        }

        return true;
    }

    private WgFile Parse(IDictionary<(int Peer, string Key), string> origins)
    {
        using MemoryText text = new(_pieces);
        text.Line("[Interface]");
        _variableOfLine.Add(InterfacePrefix.TrimEnd('_'));
        int last = -1, place = -1;
        foreach (((int peer, string key), Given given) in _given)
        {
            if (peer != last)
            {
                last = peer;
                place++;
                text.Line("[Peer]");
                _variableOfLine.Add($"{PeersPrefix}{peer}");
            }

            text.Line(key == NameKey ? "# name = " : $"{key} = ", given.Value!);
            _variableOfLine.Add(given.Variable);
            origins[(place, key)] = given.Variable;
        }

        bool good = WgFileReader.TryParse(text.Bytes, string.Empty, WgDialect.Quick, out WgFile? file, out List<ConfigurationFault> faults);
        _faults.AddRange(faults.Select(Named));
        if (!good || _faults.Count > 0)
        {
            file?.Dispose();
            throw new ConfigurationFaultsException(_faults);
        }

        for (int i = 0; i < file!.Warnings.Count; i++)
        {
            file.Warnings[i] = Named(file.Warnings[i]);
        }

        return file;
    }

    private ConfigurationFault Named(ConfigurationFault fault) => fault.Key switch
    {
        "[Peer]" => new ConfigurationFault(_variableOfLine[fault.Line] + "__PUBLICKEY", 0, string.Empty, "it is missing; every peer needs one."),
        "PublicKey" when fault.Text.StartsWith("the peer is already", StringComparison.Ordinal) =>
            new ConfigurationFault(_variableOfLine[fault.Line], 0, string.Empty, "the peer has another number already; the higher number wins."),
        _ => new ConfigurationFault(_variableOfLine[fault.Line], 0, string.Empty, fault.Text),
    };

    private void Fault(string variable, string text) => _faults.Add(new ConfigurationFault(variable, 0, string.Empty, text));

    private byte[] Piece(ReadOnlySpan<byte> bytes)
    {
        byte[] piece = GC.AllocateUninitializedArray<byte>(bytes.Length, pinned: true);
        bytes.CopyTo(piece);
        _pieces.Add(piece);
        return piece;
    }

    private sealed record Given(string Variable, bool FromFile, byte[]? Value);

    /// <summary>Text with secrets in it, in memory that is pinned and wiped.</summary>
    private sealed class MemoryText : IDisposable
    {
        private byte[] _bytes;
        private int _length;

        public MemoryText(List<byte[]> pieces) => _bytes = GC.AllocateArray<byte>(pieces.Sum(static piece => piece.Length) + 4096, pinned: true);

        public ReadOnlySpan<byte> Bytes => _bytes.AsSpan(0, _length);

        public void Line(string head, ReadOnlySpan<byte> value = default)
        {
            int needed = _length + Encoding.UTF8.GetByteCount(head) + value.Length + 1;
            if (needed > _bytes.Length)
            {
                byte[] larger = GC.AllocateArray<byte>(Math.Max(needed, 2 * _bytes.Length), pinned: true);
                _bytes.CopyTo(larger, 0);
                CryptographicOperations.ZeroMemory(_bytes);
                _bytes = larger;
            }

            _length += Encoding.UTF8.GetBytes(head, _bytes.AsSpan(_length));
            value.CopyTo(_bytes.AsSpan(_length));
            _length += value.Length;
            _bytes[_length++] = (byte)'\n';
        }

        public void Dispose() => CryptographicOperations.ZeroMemory(_bytes);
    }
}
