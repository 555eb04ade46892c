using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace TunnelBox.Control.Tests;

/// <summary>Checks a document against a JSON schema, as far as the repository's schemas go: type, const, enum, required, properties, items, $ref.</summary>
internal sealed class JsonSchema(JsonElement root)
{
    /// <summary>Reads the schema of a verb.</summary>
    public static JsonSchema Load(string verb)
    {
        using JsonDocument document = JsonDocument.Parse(File.ReadAllText(Path.Combine(Folder, verb + ".json")));
        return new JsonSchema(document.RootElement.Clone());
    }

    /// <summary>Where schemas stand; examples are below it.</summary>
    public static string Folder { get; } = FindFolder();

    /// <summary>The examples of a verb.</summary>
    public static TheoryData<string> Examples(string verb) => [.. Directory.GetFiles(Path.Combine(Folder, "examples"), verb + "-*.json").Select(path => Path.GetFileName(path)!)];

    /// <summary>Holds that an example is as its schema says, and byte for byte what is written.</summary>
    public static void Holds<T>(string verb, string file, JsonTypeInfo<T> type)
    {
        string text = File.ReadAllText(Path.Combine(Folder, "examples", file));
        using JsonDocument document = JsonDocument.Parse(text);
        Assert.Empty(Load(verb).Faults(document.RootElement));
        Assert.Equal(text, Write(JsonSerializer.Deserialize(text, type)!, type));
    }

    /// <summary>The members that are written of a contract, in order.</summary>
    public static IEnumerable<string> Names(JsonTypeInfo type) => type.Properties.Select(member => member.Name);

    /// <summary>The members of the document itself.</summary>
    public IEnumerable<string> Members() => root.GetProperty("properties").EnumerateObject().Select(member => member.Name);

    /// <summary>The faults of a document; members that the schema does not know are faults too.</summary>
    public List<string> Faults(JsonElement document)
    {
        List<string> faults = [];
        Check(document, root, "$", faults);
        return faults;
    }

    /// <summary>The members that a definition knows.</summary>
    public IEnumerable<string> Members(string definition) => root.GetProperty("$defs").GetProperty(definition).GetProperty("properties").EnumerateObject().Select(member => member.Name);

    private void Check(JsonElement value, JsonElement schema, string at, List<string> faults)
    {
        if (schema.TryGetProperty("$ref", out JsonElement reference))
        {
            Check(value, root.GetProperty("$defs").GetProperty(reference.GetString()!["#/$defs/".Length..]), at, faults);
            return;
        }

        bool right = (!schema.TryGetProperty("type", out JsonElement type) || IsOf(value, type.GetString()!))
            && (!schema.TryGetProperty("const", out JsonElement only) || JsonElement.DeepEquals(value, only))
            && (!schema.TryGetProperty("enum", out JsonElement these) || these.EnumerateArray().Any(one => JsonElement.DeepEquals(value, one)));
        if (!right)
        {
            faults.Add($"{at}: {value.GetRawText()} is not {schema.GetRawText()}");
            return;
        }

        if (value.ValueKind == JsonValueKind.Array && schema.TryGetProperty("items", out JsonElement items))
        {
            int index = 0;
            foreach (JsonElement item in value.EnumerateArray())
            {
                Check(item, items, $"{at}[{index++}]", faults);
            }
        }

        if (value.ValueKind == JsonValueKind.Object && schema.TryGetProperty("properties", out JsonElement members))
        {
            faults.AddRange(schema.GetProperty("required").EnumerateArray().Select(name => name.GetString()!)
                .Where(name => !value.TryGetProperty(name, out _)).Select(name => $"{at}: {name} is missing"));
            foreach (JsonProperty member in value.EnumerateObject())
            {
                if (members.TryGetProperty(member.Name, out JsonElement known))
                {
                    Check(member.Value, known, $"{at}.{member.Name}", faults);
                }
                else
                {
                    faults.Add($"{at}: {member.Name} is unknown");
                }
            }
        }
    }

    private static string Write<T>(T value, JsonTypeInfo<T> type)
    {
        using MemoryStream stream = new();
        using (Utf8JsonWriter writer = new(stream, new JsonWriterOptions { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
        {
            JsonSerializer.Serialize(writer, value, type);
        }

        return Encoding.UTF8.GetString(stream.ToArray()) + "\n";
    }

    private static bool IsOf(JsonElement value, string type) => type switch
    {
        "object" => value.ValueKind == JsonValueKind.Object,
        "array" => value.ValueKind == JsonValueKind.Array,
        "string" => value.ValueKind == JsonValueKind.String,
        "boolean" => value.ValueKind is JsonValueKind.True or JsonValueKind.False,
        "integer" => value.ValueKind == JsonValueKind.Number && value.TryGetInt64(out _),
        "number" => value.ValueKind == JsonValueKind.Number,
        _ => throw new NotSupportedException(type),
    };

    private static string FindFolder()
    {
        string? folder = AppContext.BaseDirectory;
        while (folder is not null && !File.Exists(Path.Combine(folder, "TunnelBox.sln")))
        {
            folder = Path.GetDirectoryName(folder);
        }

        return Path.Combine(folder!, "configs", "schema");
    }
}
