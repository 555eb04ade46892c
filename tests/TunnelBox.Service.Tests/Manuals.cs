using System.Text;
using TunnelBox.Configuration;
using TunnelBox.Tunnelctl;

namespace TunnelBox.Service.Tests;

/// <summary>Makes the manual pages from what the programs' help and settings are made of.</summary>
internal static class Manuals
{
    /// <summary>Gets the pages by file name.</summary>
    public static IReadOnlyDictionary<string, string> All { get; } = new Dictionary<string, string>(StringComparer.Ordinal)
    {
        ["tunnelctl.8"] = Tunnelctl(),
        ["tunnelbox.8"] = Tunnelbox(),
        ["tunnelbox.json.5"] = Settings(),
    };

    private static string Tunnelctl()
    {
        StringBuilder page = Head("tunnelctl", 8, "drives TunnelBox and every other WireGuard daemon");
        page.Append(".SH SYNOPSIS\n.B tunnelctl\n.I VERB\n.RI [ ARGUMENTS ]\n.SH DESCRIPTION\n");
        page.Append("Does what\n.BR wg (8)\nand\n.BR wg\\-quick (8)\ndo, with the same verbs, output and files, and answers what they leave open.\n.SH VERBS\n");
        foreach (Verb verb in Verb.All)
        {
            page.Append($".TP\n.B {Text(verb.Name)} {Text(verb.Arguments)}\n{Text(verb.Summary)}\n.br\nExample:\n.B {Text(verb.Example)}\n");
        }

        page.Append(".SH ARGUMENTS\n");
        foreach ((string kind, string meaning) in Verb.Kinds)
        {
            page.Append($".TP\n.I {kind}\n{Text(meaning)}\n");
        }

        page.Append(".SH EXIT STATUS\n");
        foreach ((ExitCode code, string meaning) in Verb.ExitCodes)
        {
            page.Append($".TP\n.B {(int)code}\n{Text(meaning)}\n");
        }

        return page.Append(".SH SEE ALSO\n.BR tunnelbox (8),\n.BR tunnelbox.json (5),\n.BR wg (8),\n.BR wg\\-quick (8)\n").ToString();
    }

    private static string Tunnelbox()
    {
        string[] parts = Daemon.CommandLine.HelpText.Split("\n\n");
        StringBuilder page = Head("tunnelbox", 8, "a WireGuard tunnel in user space");
        page.Append($".SH SYNOPSIS\n.nf\n{Text(parts[0])}\n.fi\n.SH DESCRIPTION\n");
        page.AppendJoin(".PP\n", parts[1..].Select(part => $".nf\n{Text(part)}\n.fi\n"));
        return page.Append(".SH SEE ALSO\n.BR tunnelctl (8),\n.BR tunnelbox.json (5)\n").ToString();
    }

    private static string Settings()
    {
        StringBuilder page = Head("tunnelbox.json", 5, "settings of tunnelbox(8)");
        page.Append($".SH SYNOPSIS\n.I {TunnelBoxSettings.DefaultPath}\n.SH DESCRIPTION\n");
        page.Append($"A JSON object. Later sources win: the defaults, this file (another one where {Text(TunnelBoxSettings.PathVariable)} names it), its part for one interface below Interfaces,\n"
            + $"and variables such as {Text(SettingsReader.Prefix)}MTU.\n.SH SETTINGS\n");
        foreach (SettingDefinition setting in SettingDefinition.All)
        {
            page.Append($".TP\n.B {Text(setting.Name)}\n{Text(setting.Meaning)}\n{Text(char.ToUpperInvariant(setting.Allowed[0]) + setting.Allowed[1..])}\nDefault: {Text(setting.Default)}.\n");
        }

        return page.Append(".SH SEE ALSO\n.BR tunnelbox (8),\n.BR tunnelctl (8)\n").ToString();
    }

    private static StringBuilder Head(string name, int section, string summary) =>
        new($".TH {name.ToUpperInvariant()} {section} \"2026-11-27\" \"TunnelBox\" \"TunnelBox Manual\"\n.SH NAME\n{Text(name)} \\- {Text(summary)}\n");

    // A dot or quote that begins a line would be a request.
    private static string Text(string text) => string.Join('\n', text.Replace("\\", "\\e", StringComparison.Ordinal).Replace("-", "\\-", StringComparison.Ordinal)
        .Split('\n').Select(line => line.StartsWith('.') || line.StartsWith('\'') ? "\\&" + line : line));
}
