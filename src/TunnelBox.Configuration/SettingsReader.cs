using System.Text;
using Microsoft.Extensions.Configuration;

namespace TunnelBox.Configuration;

/// <summary>Reads <see cref="TunnelBoxSettings"/> from tunnelbox.json and the environment, without reflection.</summary>
public static class SettingsReader
{
    /// <summary>What the environment variables of settings begin with.</summary>
    public const string Prefix = "TUNNELBOX__";

    private const string Interfaces = "Interfaces";
    private const string Interface = "Interface";
    private const string Peers = "Peers";

    /// <summary>Reads the settings of this process.</summary>
    /// <param name="interfaceName">The interface whose own settings count, or null for none.</param>
    /// <returns>The settings.</returns>
    /// <exception cref="ConfigurationFaultsException">Something is wrong; all of it is told.</exception>
    public static TunnelBoxSettings Load(string? interfaceName = null)
    {
        string? named = Environment.GetEnvironmentVariable(TunnelBoxSettings.PathVariable);
        string path = string.IsNullOrEmpty(named) ? TunnelBoxSettings.DefaultPath : named;
        return Load(File.Exists(path) || !string.IsNullOrEmpty(named) ? path : null, interfaceName);
    }

    /// <summary>Reads the settings from a given file and the environment.</summary>
    /// <param name="path">The file, or null for none.</param>
    /// <param name="interfaceName">The interface whose own settings count, or null for none.</param>
    /// <returns>The settings.</returns>
    /// <exception cref="ConfigurationFaultsException">Something is wrong; all of it is told.</exception>
    public static TunnelBoxSettings Load(string? path, string? interfaceName)
    {
        List<ConfigurationFault> faults = [];
        TunnelBoxSettings settings = new();
        if (path is not null)
        {
            SettingsJsonProvider json = new(path);
            ConfigurationRoot root = new([json]);
            faults.AddRange(json.Faults);
            settings = Apply(settings, root, interfaceName, faults, (key, text) => new ConfigurationFault(path, json.LineOf(key) ?? 0, key, text));
            faults = [.. faults.OrderBy(fault => fault.Line)];
        }

        IConfigurationRoot environment = new ConfigurationBuilder().AddEnvironmentVariables(Prefix).Build();
        // What describes the tunnel itself is read by TunnelVariables.
        settings = Apply(settings, environment, interfaceName, faults, (key, text) =>
            new ConfigurationFault(Prefix + key.Replace(":", "__").ToUpperInvariant(), 0, string.Empty, text), Interface, Peers);
        if (faults.Count == 0 && QueueMapSetting.Problem(settings) is { } problem)
        {
            faults.Add(new ConfigurationFault(path ?? $"{Prefix}QUEUEMAP", 0, path is null ? string.Empty : "QueueMap", problem));
        }

        return faults.Count == 0 ? settings : throw new ConfigurationFaultsException(faults);
    }

    private static TunnelBoxSettings Apply(
        TunnelBoxSettings settings, IConfigurationRoot root, string? interfaceName, List<ConfigurationFault> faults, Func<string, string, ConfigurationFault> fault,
        params string[] others)
    {
        foreach (IConfigurationSection section in root.GetChildren())
        {
            if (!section.Key.Equals(Interfaces, StringComparison.OrdinalIgnoreCase) && !others.Contains(section.Key, StringComparer.OrdinalIgnoreCase))
            {
                settings = Apply(settings, section, faults, fault);
            }
        }

        // Each interface's part is checked, also those that are not asked for.
        foreach (IConfigurationSection own in root.GetSection(Interfaces).GetChildren())
        {
            bool asked = own.Key.Equals(interfaceName, StringComparison.OrdinalIgnoreCase);
            TunnelBoxSettings result = asked ? settings : new TunnelBoxSettings();
            foreach (IConfigurationSection section in own.GetChildren())
            {
                result = Apply(result, section, faults, fault);
            }

            settings = asked ? result : settings;
        }

        return settings;
    }

    private static TunnelBoxSettings Apply(
        TunnelBoxSettings settings, IConfigurationSection section, List<ConfigurationFault> faults, Func<string, string, ConfigurationFault> fault)
    {
        SettingDefinition? definition = SettingDefinition.Find(section.Key);
        if (definition is null)
        {
            string question = Nearest.Question(section.Key, SettingDefinition.All.Select(setting => setting.Name));
            string[] names = [.. SettingDefinition.All.Select(setting => setting.Name)];
            faults.Add(fault(section.Path, $"there is no such setting.{(question.Length > 0 ? question : $" {string.Join(", ", names)} and Interfaces are allowed.")}"));
            return settings;
        }

        if (section.Value is not { } text)
        {
            faults.Add(fault(section.Path, $"an object is not allowed here; {definition.Allowed}"));
            return settings;
        }

        TunnelBoxSettings? changed = definition.Set(settings, text);
        if (changed is null)
        {
            faults.Add(fault(section.Path, $"{ConfigurationFault.Quote(Encoding.UTF8.GetBytes(text))} is wrong; {definition.Allowed}"));
        }

        return changed ?? settings;
    }
}
