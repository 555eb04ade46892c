using System.Text;
using System.Text.Json;
using Microsoft.Extensions.Configuration;

namespace TunnelBox.Configuration;

/// <summary>
/// Reads tunnelbox.json (comments and closing commas allowed) into configuration keys and remembers the line of each, which
/// the framework's own provider does not.
/// </summary>
/// <param name="path">The file.</param>
public sealed class SettingsJsonProvider(string path) : ConfigurationProvider, IConfigurationSource
{
    private readonly Dictionary<string, int> _lines = new(StringComparer.OrdinalIgnoreCase);

    /// <summary>Gets what is wrong with the file as such; its values are checked later.</summary>
    public List<ConfigurationFault> Faults { get; } = [];

    /// <inheritdoc/>
    public IConfigurationProvider Build(IConfigurationBuilder builder) => this;

    /// <summary>Gives the line of a key.</summary>
    /// <param name="key">The key with ':' between its parts.</param>
    /// <returns>The 1-based line, or null where the file has no such key.</returns>
    public int? LineOf(string key) => _lines.TryGetValue(key, out int line) ? line : null;

    /// <inheritdoc/>
    public override void Load()
    {
        try
        {
            Parse(File.ReadAllBytes(path));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            Faults.Add(new ConfigurationFault(path, 0, string.Empty, e is FileNotFoundException or DirectoryNotFoundException
                ? $"there is no such file; make it, or unset {TunnelBoxSettings.PathVariable}."
                : $"the file cannot be read: {e.Message.TrimEnd('.')}."));
        }
    }

    /// <summary>Reads the bytes of a file.</summary>
    /// <param name="bytes">The whole file.</param>
    internal void Parse(ReadOnlySpan<byte> bytes)
    {
        if (bytes.StartsWith("\uFEFF"u8))
        {
            bytes = bytes[3..];
        }

        try
        {
            Utf8JsonReader reader = new(bytes, new JsonReaderOptions { CommentHandling = JsonCommentHandling.Skip, AllowTrailingCommas = true, MaxDepth = 8 });
            LineCounter lines = new(bytes);
            Stack<string> parents = new();
            string name = string.Empty;
            while (reader.Read())
            {
                switch (reader.TokenType)
                {
                    case JsonTokenType.PropertyName:
                        name = reader.GetString() ?? string.Empty;
                        break;
                    case JsonTokenType.StartObject:
                        parents.Push(parents.Count == 0 ? string.Empty : Join(parents.Peek(), name));
                        break;
                    case JsonTokenType.EndObject:
                        parents.Pop();
                        break;
                    default:
                        Value(ref reader, parents, name, lines.At(reader.TokenStartIndex));
                        break;
                }
            }
        }
        catch (JsonException e)
        {
            Faults.Add(new ConfigurationFault(path, (int)(e.LineNumber ?? 0) + 1, string.Empty, "this is no JSON; objects with quoted keys are allowed."));
        }
        catch (InvalidOperationException)
        {
            Faults.Add(new ConfigurationFault(path, 0, string.Empty, "a text is no UTF-8; only UTF-8 is allowed."));
        }
    }

    private static string Join(string parent, string name) => parent.Length == 0 ? name : parent + ":" + name;

    private void Value(ref Utf8JsonReader reader, Stack<string> parents, string name, int line)
    {
        string? text = reader.TokenType switch
        {
            JsonTokenType.String => reader.GetString(),
            JsonTokenType.Number => Encoding.ASCII.GetString(reader.ValueSpan),
            JsonTokenType.True => "true",
            JsonTokenType.False => "false",
            _ => null,
        };
        if (text is null || parents.Count == 0)
        {
            bool list = reader.TokenType == JsonTokenType.StartArray;
            reader.TrySkip();
            Faults.Add(new ConfigurationFault(path, line, name, parents.Count == 0
                ? "the file must hold one object; begin with '{'."
                : $"{(list ? "a list" : "null")} is not allowed here; a text, a number, true or false is."));
            return;
        }

        string key = Join(parents.Peek(), name);
        Data[key] = text;
        _lines[key] = line;
    }

    private ref struct LineCounter(ReadOnlySpan<byte> bytes)
    {
        private readonly ReadOnlySpan<byte> _bytes = bytes;
        private long _seen;
        private int _line = 1;

        public int At(long index)
        {
            _line += _bytes[(int)_seen..(int)index].Count((byte)'\n');
            _seen = index;
            return _line;
        }
    }
}
