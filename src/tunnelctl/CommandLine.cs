using System.Reflection;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using TunnelBox.Configuration;
using TunnelBox.Control;
using TunnelBox.Crypto;
using TunnelBox.Linux.Netlink;

namespace TunnelBox.Tunnelctl;

/// <summary>Finds the verb, runs it, and turns whatever goes wrong into one sentence and an exit code.</summary>
internal static class CommandLine
{
    /// <summary>Runs a command line.</summary>
    /// <param name="arguments">What follows the program's name.</param>
    /// <returns>How it ended.</returns>
    public static ExitCode Run(string[] arguments)
    {
        try
        {
            return Dispatch(arguments);
        }
        catch (UsageException e)
        {
            return Say(e.Message, ExitCode.Wrong);
        }
        catch (ConfigurationFaultsException e)
        {
            return Say(e.Message, ExitCode.Wrong);
        }
        catch (ControlException e)
        {
            return Say(e.Message, e.Failure switch
            {
                ControlFailure.Wrong => ExitCode.Wrong,
                ControlFailure.NoDaemon => ExitCode.NoDaemon,
                ControlFailure.NoPermission => ExitCode.NoPermission,
                _ => ExitCode.Failed,
            });
        }
        catch (NetlinkException e)
        {
            return e.Errno == NetlinkException.NotPermitted
                ? Say($"{Capital(e.Message)}; run as root.", ExitCode.NoPermission)
                : Say($"{Capital(e.Message)}.", ExitCode.Failed);
        }
        catch (CryptoUnavailableException e)
        {
            return Say(e.Message, ExitCode.Failed);
        }
        catch (IOException e)
        {
            return Say($"Reading or writing failed: {e.Message.TrimEnd('.')}.", ExitCode.Failed);
        }
        catch (UnauthorizedAccessException e)
        {
            return Say($"Permission denied: {e.Message.TrimEnd('.')}; run as root.", ExitCode.NoPermission);
        }
    }

    /// <summary>Writes a line to standard error.</summary>
    /// <param name="line">The line.</param>
    public static void Note(string line)
    {
        using Stream error = Console.OpenStandardError();
        error.Write(Encoding.UTF8.GetBytes(line + "\n"));
    }

    /// <summary>Writes text without secrets to standard output.</summary>
    /// <param name="text">The text.</param>
    public static void Print(string text)
    {
        using Stream output = Console.OpenStandardOutput();
        output.Write(Encoding.UTF8.GetBytes(text));
    }

    /// <summary>Writes an object as one line of JSON to standard output.</summary>
    /// <typeparam name="T">What it is.</typeparam>
    /// <param name="value">The object.</param>
    /// <param name="type">How it is written.</param>
    public static void PrintJson<T>(T value, JsonTypeInfo<T> type)
    {
        using BufferedStream output = new(Console.OpenStandardOutput(), 64 * 1024);
        // Keys have a '+' that need not be escaped: the output goes into no web page, and people search it for keys.
        using (Utf8JsonWriter writer = new(output, new JsonWriterOptions { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
        {
            JsonSerializer.Serialize(writer, value, type);
        }

        output.WriteByte((byte)'\n');
    }

    private static ExitCode Dispatch(string[] arguments)
    {
        if (arguments.Length == 0)
        {
            return ShowCommand.Run([]);
        }

        if (arguments.Length == 1 && arguments[0] is "-h" or "--help" or "help")
        {
            Print(Help());
            return ExitCode.Done;
        }

        if (arguments.Length == 1 && arguments[0] is "-v" or "--version" or "version")
        {
            Print($"tunnelctl {typeof(CommandLine).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion.Split('+')[0]}\n");
            return ExitCode.Done;
        }

        Verb verb = Verb.Find(arguments[0])
            ?? throw new UsageException($"\"{Clean(arguments[0])}\" is no verb.{Nearest.Question(arguments[0], Verb.All.Select(verb => verb.Name))} \"tunnelctl --help\" lists them.");
        if (arguments.Length == 2 && arguments[1] is "-h" or "--help" or "help")
        {
            Print(verb.Help);
            return ExitCode.Done;
        }

        return verb.Run(arguments[1..]);
    }

    /// <summary>Gives an argument as a message may show it.</summary>
    /// <param name="argument">The argument.</param>
    /// <returns>Printable text of bounded length.</returns>
    public static string Clean(string argument) => ConfigurationFault.Quote(Encoding.UTF8.GetBytes(argument)).Trim('"');

    private static string Help()
    {
        StringBuilder help = new("Usage: tunnelctl VERB [ARGUMENTS]\n\nVerbs:\n");
        foreach (Verb verb in Verb.All)
        {
            help.Append($"  {verb.Name,-9} {verb.Summary}\n");
        }

        return help.Append("\n\"tunnelctl VERB --help\" shows a verb's arguments and an example.\n"
            + $"Exit codes: {string.Join("; ", Verb.ExitCodes.Select(exit => $"{(int)exit.Code} {exit.Meaning}"))}.\n").ToString();
    }

    private static string Capital(string text) => char.ToUpperInvariant(text[0]) + text[1..];

    private static ExitCode Say(string sentence, ExitCode code)
    {
        Note(sentence);
        return code;
    }
}

/// <summary>The command line is wrong; the message is one sentence for people.</summary>
/// <param name="message">The sentence.</param>
internal sealed class UsageException(string message) : Exception(message)
{
    /// <summary>The arguments of a verb are not as its usage says.</summary>
    /// <param name="verb">The verb's name.</param>
    /// <returns>The exception.</returns>
    public static UsageException Of(string verb) => new(Verb.Find(verb)?.Usage ?? verb);

    /// <summary>An option is none of the verb's.</summary>
    /// <param name="verb">The verb's name.</param>
    /// <param name="option">What was written.</param>
    /// <returns>The exception.</returns>
    public static UsageException UnknownOption(string verb, string option) => new(
        $"\"{CommandLine.Clean(option)}\" is no option of {verb}.{Nearest.Question(option, UsageGrammar.Of(Verb.Find(verb)?.Arguments ?? string.Empty).Words.Keys)} {Verb.Find(verb)?.Usage}");
}
