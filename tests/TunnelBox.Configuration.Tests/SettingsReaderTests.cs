namespace TunnelBox.Configuration.Tests;

public sealed class SettingsReaderTests : IDisposable
{
    private readonly string _path = Path.GetTempFileName();

    public void Dispose()
    {
        File.Delete(_path);
        foreach (string name in Environment.GetEnvironmentVariables().Keys.Cast<string>().Where(name => name.StartsWith("TUNNELBOX_", StringComparison.Ordinal)))
        {
            Environment.SetEnvironmentVariable(name, null);
        }
    }

    private TunnelBoxSettings Load(string json, string? interfaceName = null)
    {
        File.WriteAllText(_path, json);
        return SettingsReader.Load(_path, interfaceName);
    }

    private string[] Faults(string json) => [.. Assert.Throws<ConfigurationFaultsException>(() => Load(json)).Faults.Select(fault => fault.ToString().Replace(_path, "F"))];

    [Fact]
    public void Without_any_source_the_defaults_hold_and_are_those_of_the_list()
    {
        Assert.Equal(new TunnelBoxSettings(), SettingsReader.Load(null, null));
        TunnelBoxSettings rebuilt = new() { Workers = 3, Aead = "x", Mtu = 1, LogLevel = LogLevel.Silent, TunOffload = false, UdpOffload = false, PinWorkers = true, QueueMap = "x", OuterPort = "xdp", BusyPoll = 9, InnerPort = "xdp", InnerPastFirewall = true, StateDirectory = "", RuntimeDirectory = "", UapiDirectory = "" };
        foreach (SettingDefinition setting in SettingDefinition.All)
        {
            rebuilt = setting.Set(rebuilt, setting.Default)!;
        }

        Assert.Equal(new TunnelBoxSettings(), rebuilt);
    }

    [Fact]
    public void A_key_that_would_move_the_cursor_is_printed_without_its_sequences()
    {
        // ESC, DEL, a line's end and a mark that turns text around, as JSON may spell them.
        string fault = Assert.Single(Faults("""{"Work\u001b[2Jers\u007f\n\u202e": 1}"""));
        Assert.StartsWith("F:1: Work?[2Jers???: there is no such setting.", fault, StringComparison.Ordinal);
        Assert.DoesNotContain(fault, char.IsControl);
    }

    [Fact]
    public void Later_sources_win()
    {
        const string Json = """
            { // ours
              "workers": 2, "Mtu": 1380, "TunOffload": false, "Aead": "libsodium",
              "Interfaces": { "wg1": { "Mtu": 1300, "LogLevel": "debug" } },
            }
            """;
        Assert.Equal((2, 1380, false, "libsodium", LogLevel.Info), Of(Load(Json, "wg0")));
        Assert.Equal((2, 1300, false, "libsodium", LogLevel.Debug), Of(Load(Json, "wg1")));
        Environment.SetEnvironmentVariable("TUNNELBOX__MTU", "1200");
        Environment.SetEnvironmentVariable("TUNNELBOX__INTERFACES__WG1__WORKERS", "7");
        Assert.Equal((2, 1200, false, "libsodium", LogLevel.Info), Of(Load(Json, "wg0")));
        Assert.Equal((7, 1200, false, "libsodium", LogLevel.Debug), Of(Load(Json, "wg1")));

        static (int, int, bool, string, LogLevel) Of(TunnelBoxSettings s) => (s.Workers, s.Mtu, s.TunOffload, s.Aead, s.LogLevel);
    }

    [Fact]
    public void All_faults_are_told_with_their_lines()
    {
        Environment.SetEnvironmentVariable("TUNNELBOX__WORKERS", "many");
        string[] faults = Faults("""
            {
              "Wrokers": 2,
              "Mtu": 12,
              "TunOffload": [1, 2],
              "Interfaces": {
                "wg1": { "LogLevel": "loud", "Zzz": 1 }
              },
              "Aead": null
            }
            """);
        Assert.Equal(
            [
                "F:2: Wrokers: there is no such setting. Did you mean Workers?",
                "F:3: Mtu: \"12\" is wrong; 576 to 65535 bytes are allowed.",
                "F:4: TunOffload: a list is not allowed here; a text, a number, true or false is.",
                "F:6: Interfaces:wg1:LogLevel: \"loud\" is wrong; silent, error, warning, info or debug is allowed.",
                "F:8: Aead: null is not allowed here; a text, a number, true or false is.",
            ],
            faults.Where(fault => !fault.Contains("Zzz") && !fault.Contains("TUNNELBOX")));
        Assert.Contains("TUNNELBOX__WORKERS: \"many\" is wrong; 0 to 64 is allowed; 0 leaves it to the program, which takes one.", faults);
        Assert.Single(faults, fault => fault.StartsWith("F:6: Interfaces:wg1:Zzz: there is no such setting. Workers,", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("auto")]
    [InlineData("0")]
    [InlineData("1,0, 1", 1, 0, 1)]
    public void A_queue_map_is_auto_or_workers(string text, params int[] workers)
    {
        TunnelBoxSettings settings = Load($$"""{ "Workers": 2, "QueueMap": "{{text}}" }""");
        Assert.Equal(text == "0" ? [0] : workers, QueueMapSetting.Parse(settings.QueueMap));
    }

    [Theory]
    [InlineData("")]
    [InlineData("1,")]
    [InlineData("-1")]
    [InlineData("64")]
    [InlineData("0;1")]
    public void What_is_no_queue_map_is_refused(string text) =>
        Assert.Equal([$"F:1: QueueMap: \"{text}\" is wrong; auto, or the numbers of workers with commas between them, such as 0,1,1 for queues 0, 1 and 2, are allowed."], Faults($$"""{ "QueueMap": "{{text}}" }"""));

    [Fact]
    public void A_queue_of_a_worker_that_there_is_not_is_refused()
    {
        Assert.Equal(["F: QueueMap: queue 1 is given to worker 2, but Workers is 2: 0 to 1 are there."], Faults("""{ "Workers": 2, "QueueMap": "0,2" }""").Select(fault => fault.Replace("F:0:", "F:", StringComparison.Ordinal)));
        Assert.Equal(["F: QueueMap: queue 0 is given to worker 1, but Workers is 1: 0 alone is there."], Faults("""{ "Workers": 1, "QueueMap": "1" }""").Select(fault => fault.Replace("F:0:", "F:", StringComparison.Ordinal)));
    }

    [Theory]
    [InlineData("")]
    [InlineData("{")]
    [InlineData("[]")]
    [InlineData("7")]
    [InlineData("{\"Mtu\": {\"a\": 1}}")]
    [InlineData("{\"a\": \"\\ud800\"}")]
    [InlineData("{\"Mtu\": 1e3}")]
    public void What_is_no_settings_file_is_refused(string json) => Assert.NotEmpty(Faults(json));

    [Fact]
    public void A_named_file_must_be_there()
    {
        Environment.SetEnvironmentVariable(TunnelBoxSettings.PathVariable, "/nonexistent/tunnelbox.json");
        ConfigurationFaultsException e = Assert.Throws<ConfigurationFaultsException>(() => SettingsReader.Load());
        Assert.Equal("/nonexistent/tunnelbox.json: there is no such file; make it, or unset TUNNELBOX_CONFIG.", e.Message);
    }

    [Fact]
    public void Two_hundred_thousand_damaged_files_are_read_or_refused()
    {
        int seed = Environment.TickCount;
        Random random = new(seed);
        byte[] sample = "{ \"Workers\": 2, \"Interfaces\": { \"wg0\": { \"Mtu\": 1400 } }, // x\n \"Aead\": \"auto\" }"u8.ToArray();
        for (int i = 0; i < 200_000; i++)
        {
            byte[] bytes = [.. sample];
            for (int flips = random.Next(1, 4); flips > 0; flips--)
            {
                bytes[random.Next(bytes.Length)] = (byte)random.Next(256);
            }

            new SettingsJsonProvider("f").Parse(bytes.AsSpan(0, random.Next(bytes.Length + 1)));
        }
    }
}
