using TunnelBox.Configuration;
using TunnelBox.Control;

namespace TunnelBox.Tunnelctl;

/// <summary>The verbs show and showconf (wg(8)).</summary>
internal static class ShowCommand
{
    /// <summary>Runs <c>show</c>.</summary>
    /// <param name="arguments">What follows the verb.</param>
    /// <returns>How it ended.</returns>
    public static ExitCode Run(string[] arguments)
    {
        if (arguments.FirstOrDefault(argument => argument.StartsWith('-')) is { } option)
        {
            return option == "--json" ? Json([.. arguments.Where(argument => argument != option)]) : throw UsageException.UnknownOption("show", option);
        }

        if (arguments.Length > 2)
        {
            throw UsageException.Of("show");
        }

        using Progress progress = new("show: waiting for the daemon's answer");
        using Stream output = Console.OpenStandardOutput();
        using SecretWriter text = new(output);
        string? field = arguments.Length == 2 ? arguments[1] : null;
        ExitCode code = ExitCode.Done;
        if (arguments.Length == 0 || arguments[0] == "all")
        {
            code = All(text, field);
        }
        else if (arguments[0] == "interfaces")
        {
            if (field is not null)
            {
                throw UsageException.Of("show");
            }

            List<string> names = UapiClient.Interfaces();
            text.Text(names.Count == 0 ? string.Empty : string.Join(' ', names) + "\n");
        }
        else
        {
            using DeviceState device = new UapiClient(arguments[0]).Get();
            One(text, device, field, withInterface: false);
        }

        text.Send();
        return code;
    }

    /// <summary>Runs <c>showconf</c>.</summary>
    /// <param name="arguments">What follows the verb.</param>
    /// <returns>How it ended.</returns>
    public static ExitCode RunShowconf(string[] arguments)
    {
        if (arguments.Length != 1)
        {
            throw UsageException.Of("showconf");
        }

        using Progress progress = new("showconf: waiting for the daemon's answer");
        using DeviceState device = new UapiClient(arguments[0]).Get();
        using WgFile file = device.ToWgFile();
        using Stream output = Console.OpenStandardOutput();
        WgFileWriter.Write(file, output, quick: false);
        return ExitCode.Done;
    }

    private static ExitCode Json(string[] names)
    {
        using Progress progress = new("show: waiting for the daemon's answer");
        List<ShowInterface> interfaces = [];
        ExitCode code = ExitCode.Done;
        if (names.Length > 1 || names is ["interfaces"] || names.Any(name => name.StartsWith('-')))
        {
            throw UsageException.Of("show");
        }

        if (names.Length == 0 || names[0] == "all")
        {
            code = Each(UapiClient.Interfaces(), (device, _) => interfaces.Add(ShowInterface.Of(device)));
        }
        else
        {
            using DeviceState device = new UapiClient(names[0]).Get();
            interfaces.Add(ShowInterface.Of(device));
        }

        CommandLine.PrintJson(new ShowDocument { Interfaces = interfaces }, ShowJson.Default.ShowDocument);
        return code;
    }

    private static ExitCode All(SecretWriter text, string? field)
    {
        List<string> names = UapiClient.Interfaces();
        return Each(names, (device, i) =>
        {
            One(text, device, field, withInterface: true);
            text.Text(field is null && i < names.Count - 1 ? "\n"u8 : default);
        });
    }

    private static ExitCode Each(List<string> names, Action<DeviceState, int> show)
    {
        ExitCode code = names.Count > 0 ? ExitCode.Failed : ExitCode.Done;
        for (int i = 0; i < names.Count; i++)
        {
            try
            {
                using DeviceState device = new UapiClient(names[i]).Get();
                show(device, i);
                code = ExitCode.Done;
            }
            catch (ControlException e)
            {
                CommandLine.Note(e.Message);
                code = code == ExitCode.Failed && e.Failure == ControlFailure.NoPermission ? ExitCode.NoPermission : code;
            }
        }

        return code;
    }

    private static void One(SecretWriter text, DeviceState device, string? field, bool withInterface)
    {
        ShowText show = new(text, new ShowStyle(Color(), Environment.GetEnvironmentVariable("WG_HIDE_KEYS") == "never", DateTimeOffset.UtcNow.ToUnixTimeSeconds()));
        if (field is null)
        {
            show.Pretty(device);
        }
        else if (!show.Field(device, field, withInterface))
        {
            throw new UsageException(
                $"\"{CommandLine.Clean(field)}\" is no field.{Nearest.Question(field, ShowText.Fields)} Fields are {string.Join(", ", ShowText.Fields)}.");
        }
    }

    private static bool Color() => Environment.GetEnvironmentVariable("WG_COLOR_MODE") switch
    {
        "always" => true,
        "never" => false,
        _ => !Console.IsOutputRedirected && string.IsNullOrEmpty(Environment.GetEnvironmentVariable("NO_COLOR")),
    };
}
