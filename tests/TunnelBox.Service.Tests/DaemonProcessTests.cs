using System.Diagnostics;

namespace TunnelBox.Service.Tests;

/// <summary>The program as it runs: the one beside the tests, or the published one that TUNNELBOX_PROGRAM names.</summary>
public sealed class DaemonProcessTests : IDisposable
{
    private static readonly TimeSpan s_deadline = TimeSpan.FromSeconds(60);

    private static readonly string s_program =
        Environment.GetEnvironmentVariable("TUNNELBOX_PROGRAM") ?? Path.Combine(AppContext.BaseDirectory, "tunnelbox");

    private static int s_count;

    private readonly string _name = $"tb{Environment.ProcessId}-{Interlocked.Increment(ref s_count)}";

    private string SocketPath => $"/var/run/wireguard/{_name}.sock";

    public void Dispose()
    {
        if (Daemon() is int pid)
        {
            using Process daemon = Process.GetProcessById(pid);
            daemon.Kill();
            daemon.WaitForExit(s_deadline);
        }

        if (File.Exists(SocketPath))
        {
            File.Delete(SocketPath);
        }
    }

    [Fact]
    public async Task A_failing_background_start_gives_the_childs_sentence_and_code()
    {
        (int code, string output, string error) = await Run([_name], ("WG_TUN_FD", "99"));
        Assert.Equal(ExitCodes.CannotStart, code);
        Assert.Empty(output);
        Assert.Equal(
            $"tunnelbox: {_name}: WG_TUN_FD is 99, which is not an open file descriptor: pass an open one of a TUN device.\n", error);
        Assert.Null(Daemon());
    }

    [Fact]
    public async Task A_failing_foreground_start_says_the_same()
    {
        (int code, _, string error) = await Run(["-f", _name], ("WG_TUN_FD", "99"));
        Assert.Equal(ExitCodes.CannotStart, code);
        Assert.Equal(
            $"tunnelbox: {_name}: WG_TUN_FD is 99, which is not an open file descriptor: pass an open one of a TUN device.\n", error);
    }

    [Theory]
    [InlineData("-f")]
    [InlineData(null)]
    public async Task Wrong_settings_are_all_told_and_nothing_is_made(string? flag)
    {
        (int code, string output, string error) = await Run(
            flag is null ? [_name] : [flag, _name], ("TUNNELBOX__MTU", "abc"), ("TUNNELBOX__WORKERS", "-1"));
        Assert.Equal((ExitCodes.WrongInput, string.Empty), (code, output));
        string[] lines = error.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(2, lines.Length);
        Assert.Contains(lines, static line => line.StartsWith("TUNNELBOX__MTU: ", StringComparison.Ordinal));
        Assert.Contains(lines, static line => line.StartsWith("TUNNELBOX__WORKERS: ", StringComparison.Ordinal));
        Assert.False(File.Exists(SocketPath));
    }

    [Fact]
    [Trait("Needs", "root")]
    public async Task Settings_name_the_log_level_and_the_socket_directory()
    {
        string directory = Path.Combine(Path.GetTempPath(), _name);
        string socket = Path.Combine(directory, $"{_name}.sock");
        try
        {
            using Process daemon = Start(["-f", _name], ("TUNNELBOX__UAPIDIRECTORY", directory), ("TUNNELBOX__LOGLEVEL", "silent"));
            Task<string> error = daemon.StandardError.ReadToEndAsync();
            await Until(() => File.Exists(socket));
            Assert.False(File.Exists(SocketPath));
            Signal(daemon.Id, "TERM");
            await daemon.WaitForExitAsync().WaitAsync(s_deadline);
            Assert.Equal(ExitCodes.Done, daemon.ExitCode);
            Assert.Equal(string.Empty, await error.WaitAsync(s_deadline));
            Assert.False(File.Exists(socket));
        }
        finally
        {
            if (Directory.Exists(directory))
            {
                Directory.Delete(directory, recursive: true);
            }
        }
    }

    [Fact]
    public async Task Usage_help_and_version_are_no_failures()
    {
        Assert.Equal((0, "Usage: tunnelbox [-f/--foreground] [-c/--config FILE] INTERFACE-NAME [[-c FILE] INTERFACE-NAME ...]\n", string.Empty), await Run([]));
        (int code, string output, string error) = await Run(["--version"]);
        Assert.Equal((0, string.Empty), (code, error));
        Assert.Matches(@"^tunnelbox v\d+\.\d+\.\d+", output);
        (code, output, _) = await Run(["--help"]);
        Assert.Equal(0, code);
        Assert.Contains("LOG_LEVEL", output, StringComparison.Ordinal);
    }

    [Fact]
    [Trait("Needs", "root")]
    public async Task A_background_start_returns_once_it_serves_and_runs_apart_from_its_caller()
    {
        (int code, string output, string error) = await Run([_name]);
        Assert.Equal((0, string.Empty, string.Empty), (code, output, error));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(SocketPath));
        int pid = Assert.IsType<int>(Daemon());

        string[] fields = File.ReadAllText($"/proc/{pid}/stat").Split(' ');
        Assert.Equal(pid.ToString(), fields[5]);
        Assert.Equal("0", fields[6]);
        Assert.Equal("/", new DirectoryInfo($"/proc/{pid}/cwd").LinkTarget);
        foreach (int stream in (int[])[0, 1, 2])
        {
            Assert.Equal("/dev/null", new FileInfo($"/proc/{pid}/fd/{stream}").LinkTarget);
        }

        string limits = File.ReadAllLines($"/proc/{pid}/limits").Single(static line => line.StartsWith("Max core", StringComparison.Ordinal));
        Assert.Matches(@"^Max core file size\s+[01]\s+[01]\s", limits);

        Signal(pid, "HUP");
        await Task.Delay(300);
        Assert.Equal(pid, Daemon());
        Signal(pid, "TERM");
        await Gone();
    }

    [Fact]
    [Trait("Needs", "root")]
    public async Task Removing_the_socket_file_ends_the_daemon()
    {
        Assert.Equal(0, (await Run([_name])).Code);
        File.Delete(SocketPath);
        await Gone();
    }

    [Fact]
    [Trait("Needs", "root")]
    public async Task A_second_start_is_refused_and_the_first_runs_on()
    {
        Assert.Equal(0, (await Run([_name])).Code);
        int? first = Daemon();
        (int code, _, string error) = await Run([_name]);
        Assert.Equal(ExitCodes.CannotStart, code);
        Assert.Contains(_name, error, StringComparison.Ordinal);
        Assert.Equal(first, Daemon());
        Assert.True(File.Exists(SocketPath));
    }

    [Theory]
    [InlineData("TERM")]
    [InlineData("INT")]
    [InlineData("HUP")]
    [Trait("Needs", "root")]
    public async Task In_the_foreground_a_signal_ends_it_cleanly(string signal)
    {
        using Process daemon = Start(["-f", _name], ("LOG_LEVEL", "info"));
        Task<string> error = daemon.StandardError.ReadToEndAsync();
        await Until(() => File.Exists(SocketPath) && Connects());
        Signal(daemon.Id, signal);
        await daemon.WaitForExitAsync().WaitAsync(s_deadline);
        Assert.Equal(ExitCodes.Done, daemon.ExitCode);
        Assert.False(File.Exists(SocketPath));
        Assert.Matches($@"^INFO: \({_name}\) \d{{4}}/\d\d/\d\d \d\d:\d\d:\d\d ", await error);
        Assert.Contains($"Stopping: signal SIG{signal}.", await error, StringComparison.Ordinal);
    }

    [Fact]
    [Trait("Needs", "root")]
    public async Task With_a_level_the_log_of_a_background_start_goes_to_its_caller()
    {
        using Process parent = Start([_name], ("LOG_LEVEL", "verbose"));
        await parent.WaitForExitAsync().WaitAsync(s_deadline);
        Assert.Equal(0, parent.ExitCode);
        Signal(Daemon()!.Value, "TERM");
        string error = await parent.StandardError.ReadToEndAsync().WaitAsync(s_deadline);
        Assert.Contains("Stopping: signal SIGTERM.", error, StringComparison.Ordinal);
        await Gone();
    }

    private static Process Start(string[] arguments, params (string Name, string Value)[] variables)
    {
        ProcessStartInfo start = new(s_program, arguments)
        {
            UseShellExecute = false,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            RedirectStandardInput = true,
        };
        foreach (string name in (string[])["LOG_LEVEL", "WG_PROCESS_FOREGROUND", "WG_TUN_FD", "JOURNAL_STREAM"])
        {
            start.Environment.Remove(name);
        }

        foreach ((string name, string value) in variables)
        {
            start.Environment[name] = value;
        }

        return Process.Start(start)!;
    }

    private static async Task<(int Code, string Output, string Error)> Run(string[] arguments, params (string Name, string Value)[] variables)
    {
        using Process process = Start(arguments, variables);
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        Task<string> error = process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync().WaitAsync(s_deadline);
        return (process.ExitCode, await output.WaitAsync(s_deadline), await error.WaitAsync(s_deadline));
    }

    private static void Signal(int pid, string signal)
    {
        using Process kill = Process.Start("kill", [$"-{signal}", pid.ToString()]);
        kill.WaitForExit();
        Assert.Equal(0, kill.ExitCode);
    }

    private static async Task Until(Func<bool> condition)
    {
        using CancellationTokenSource deadline = new(s_deadline);
        while (!condition())
        {
            await Task.Delay(20, deadline.Token);
        }
    }

    private bool Connects()
    {
        using System.Net.Sockets.Socket client = new(
            System.Net.Sockets.AddressFamily.Unix, System.Net.Sockets.SocketType.Stream, System.Net.Sockets.ProtocolType.Unspecified);
        try
        {
            client.Connect(new System.Net.Sockets.UnixDomainSocketEndPoint(SocketPath));
            return true;
        }
        catch (System.Net.Sockets.SocketException)
        {
            return false;
        }
    }

    private int? Daemon()
    {
        foreach (string directory in Directory.GetDirectories("/proc"))
        {
            try
            {
                if (int.TryParse(Path.GetFileName(directory), out int pid)
                    && File.ReadAllText(Path.Combine(directory, "cmdline")).Split('\0') is [var program, .., var name, ""]
                    && name == _name && program.EndsWith("tunnelbox", StringComparison.Ordinal))
                {
                    return pid;
                }
            }
            catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
            {
                // It ended while it was looked at.
            }
        }

        return null;
    }

    private async Task Gone()
    {
        await Until(() => Daemon() is null);
        Assert.False(File.Exists(SocketPath));
    }
}
