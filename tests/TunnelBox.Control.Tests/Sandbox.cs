using System.Diagnostics;

namespace TunnelBox.Control.Tests;

/// <summary>
/// A network namespace and a directory that stands in for /var/run/wireguard, so that daemons of other tests on this machine
/// are neither seen nor touched. Everything goes with it.
/// </summary>
internal sealed class Sandbox : IDisposable
{
    private static int _count;
    private readonly string _namespace = $"tbctl{Environment.ProcessId}-{Interlocked.Increment(ref _count)}";

    public Sandbox()
    {
        Assert.True(Environment.IsPrivilegedProcess, "this test makes network namespaces: run it as root");
        System.IO.Directory.CreateDirectory(UapiSocket.DefaultDirectory);
        Assert.Equal(0, Start("ip", ["netns", "add", _namespace], null, null).Code);
    }

    public static string Tunnelctl { get; } = Path.Combine(AppContext.BaseDirectory, "tunnelctl");

    /// <summary>Gets the directory that programs in the sandbox see as /var/run/wireguard.</summary>
    public string Directory { get; } = System.IO.Directory.CreateTempSubdirectory("tbctl").FullName;

    public string Write(string name, string text)
    {
        string path = Path.Combine(Directory, name);
        File.WriteAllText(path, text);
        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        return path;
    }

    public Result Run(string program, string arguments, string? input = null, params (string Name, string Value)[] environment) =>
        Run(program, arguments.Split(' ', StringSplitOptions.RemoveEmptyEntries), input, environment);

    public Result Run(string program, string[] arguments, string? input = null, params (string Name, string Value)[] environment) => Start(
        "ip",
        ["netns", "exec", _namespace, "sh", "-c", "mount --bind \"$0\" /var/run/wireguard && exec \"$@\"", Directory, program, .. arguments],
        input,
        environment);

    /// <summary>Runs a program that must succeed, and gives what it printed.</summary>
    public string Must(string program, string arguments, string? input = null)
    {
        Result result = Run(program, arguments, input);
        Assert.True(result.Code == 0, $"{program} {arguments} ended with {result.Code}: {result.Error}");
        return result.Output;
    }

    /// <summary>Gives addresses, routes, rules and firewall of the namespace.</summary>
    public string Network() => string.Concat(
        Must("ip", "-o addr show"),
        Must("ip", "-4 route show table all"),
        Must("ip", "-6 route show table all"),
        Must("ip", "-4 rule show"),
        Must("ip", "-6 rule show"),
        Must("nft", "-s list ruleset"));

    public void Dispose()
    {
        // Only processes inside this namespace, all of them started here.
        foreach (string pid in Start("ip", ["netns", "pids", _namespace], null, null).Output.Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            Start("kill", ["-9", pid], null, null);
        }

        Start("ip", ["netns", "delete", _namespace], null, null);
        System.IO.Directory.Delete(Directory, recursive: true);
    }

    private static Result Start(string program, string[] arguments, string? input, (string Name, string Value)[]? environment)
    {
        ProcessStartInfo start = new(program, arguments)
        {
            UseShellExecute = false,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        foreach ((string name, string value) in environment ?? [])
        {
            start.Environment[name] = value;
        }

        using Process process = Process.Start(start)!;
        if (input is not null)
        {
            process.StandardInput.Write(input);
        }

        process.StandardInput.Close();
        Task<string> error = process.StandardError.ReadToEndAsync();
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        Assert.True(process.WaitForExit(120_000), $"{program} {string.Join(' ', arguments)} did not end");
        return new Result(process.ExitCode, output.Result, error.Result);
    }

    internal readonly record struct Result(int Code, string Output, string Error);
}
