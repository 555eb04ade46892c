using System.Globalization;
using System.Text;
using System.Text.Json;
using TunnelBox.Configuration;

namespace TunnelBox.Fuzz.Targets;

/// <summary>tunnelbox.json: settings or faults, never a part of both; and settings that are written out are read again as the same.</summary>
internal sealed class SettingsTarget : TextTarget
{
    private readonly string _path = Path.Combine(Directory.Exists("/dev/shm") ? "/dev/shm" : Path.GetTempPath(), $"tunnelbox-fuzz-{Environment.ProcessId}.json");

    public SettingsTarget()
        : base((byte)',')
    {
    }

    /// <inheritdoc/>
    public override string Name => "settings";

    /// <inheritdoc/>
    public override IReadOnlyList<byte[]> Seeds { get; } =
    [
        .. Bytes("{\"Workers\": 2, \"LogLevel\": \"debug\", \"Mtu\": 1400, \"TunOffload\": false, \"Interfaces\": {\"fuzz0\": {\"Mtu\": 9000, \"Metrics\": \"127.0.0.1:9586\"}, \"wg1\": {\"OuterPort\": \"xdp:eth0\"}}}",
            "// comment\n{\"StateDirectory\": \"/x\", \"Otlp\": \"http://127.0.0.1:4318\", \"KillSwitchAllow\": \"10.0.0.0/8,fd00::/8\",\n\"ReadyPeers\": \"YAnz5TF+lXXJte14tji3zlMNftqLzahdQUbGpNa0rUc=\", \"Dns\": \"/etc/x\", \"ReadyWindow\": 30,}",
            "{\"Aead\": \"auto\", \"Steering\": \"hw\", \"InnerPort\": \"auto:eth1\", \"BusyPoll\": 1000, \"WgFile\": \"/etc/wireguard/wg0.conf\", \"Health\": \"socket\", \"KillSwitch\": \"keep\", \"PinWorkers\": \"TRUE\", \"QueueMap\": \"0,0\"}"),
        .. Bytes([.. SettingDefinition.All.Select(setting => $"{{\"{setting.Name}\": \"{setting.Default}\", \"Interfaces\": {{\"fuzz0\": {{\"{setting.Name}\": {setting.Default}}}}}}}")]),
    ];

    /// <inheritdoc/>
    public override int Run(byte[] input)
    {
        TunnelBoxSettings settings;
        try
        {
            settings = Load(input);
        }
        catch (ConfigurationFaultsException e)
        {
            FuzzFind.Unless(e.Faults.Count > 0, "What is refused has a fault.");
            // A carriage return alone ends a comment, and a line, too.
            int lines = input.Count(b => b is (byte)'\n' or (byte)'\r') + 1;
            foreach (ConfigurationFault fault in e.Faults)
            {
                IsPrintable(fault.ToString());
                FuzzFind.Unless(fault.Line >= 0 && fault.Line <= lines, $"A fault stands in a line that there is: {fault}");
            }

            return 128 + Math.Min(e.Faults.Count, 15);
        }

        ReadOnlyMemory<byte> text = input.AsSpan().StartsWith("\uFEFF"u8) ? input.AsMemory(3) : input;
        try
        {
            using JsonDocument model = JsonDocument.Parse(text, new JsonDocumentOptions { AllowTrailingCommas = true, CommentHandling = JsonCommentHandling.Skip, MaxDepth = 8 });
            FuzzFind.Unless(model.RootElement.ValueKind == JsonValueKind.Object, "What is accepted is one object.");
        }
        catch (JsonException e)
        {
            throw new FuzzFind($"What is accepted is JSON: {e.Message}");
        }

        TunnelBoxSettings again = Load(Encoding.UTF8.GetBytes(Write(settings)));
        FuzzFind.Unless(settings == again, $"Settings that are written out are read again as the same.\n{settings}\n{again}");
        return settings == new TunnelBoxSettings() ? 0 : 1;
    }

    /// <inheritdoc/>
    public override void Dispose()
    {
        File.Delete(_path);
        base.Dispose();
    }

    private TunnelBoxSettings Load(byte[] json)
    {
        File.WriteAllBytes(_path, json);
        return SettingsReader.Load(_path, "fuzz0");
    }

    private static string Write(TunnelBoxSettings settings)
    {
        Dictionary<string, string> values = new(StringComparer.Ordinal);
        foreach (SettingDefinition setting in SettingDefinition.All)
        {
            object? value = typeof(TunnelBoxSettings).GetProperty(setting.Name)!.GetValue(settings);
            values[setting.Name] = value switch
            {
                null => setting.Name == "WgFile" ? "none" : "off",
                "" => "none",
                Uri uri => uri.OriginalString,
                _ => Convert.ToString(value, CultureInfo.InvariantCulture)!,
            };
        }

        return JsonSerializer.Serialize(values);
    }
}
