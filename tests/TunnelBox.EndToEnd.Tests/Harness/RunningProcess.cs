using System.Diagnostics;
using System.Text;

namespace TunnelBox.EndToEnd.Tests.Harness;

/// <summary>The end of a command: its exit code and all it wrote.</summary>
internal sealed record CommandResult(string CommandLine, int ExitCode, string Output, string Error)
{
    /// <summary>Itself when the exit code is 0; else a failure that shows what the command wrote.</summary>
    public CommandResult Expect()
    {
        return ExitCode == 0
            ? this
            : throw new InvalidOperationException($"`{CommandLine}` ended with {ExitCode}:\n{Error}{Output}");
    }
}

/// <summary>A child process with its output kept for failure messages.</summary>
internal sealed class RunningProcess : IAsyncDisposable
{
    private readonly Process _process;
    private readonly StringBuilder _output = new();
    private readonly StringBuilder _error = new();
    private readonly Task _reading;
    private bool _disposed;

    private RunningProcess(Process process, string commandLine)
    {
        _process = process;
        CommandLine = commandLine;
        _reading = Task.WhenAll(PumpAsync(process.StandardOutput, _output), PumpAsync(process.StandardError, _error));
    }

    /// <summary>The command as a person would type it.</summary>
    public string CommandLine { get; }

    /// <summary>The process id; the namespace wrappers exec, so it is that of the program itself.</summary>
    public int Id => _process.Id;

    /// <summary>True once the process has ended.</summary>
    public bool HasExited => _disposed || _process.HasExited;

    /// <summary>Everything written to standard output so far.</summary>
    public string Output => Snapshot(_output);

    /// <summary>Everything written to standard error so far.</summary>
    public string Error => Snapshot(_error);

    /// <summary>Starts a command; it dies with this process.</summary>
    public static async Task<RunningProcess> StartAsync(
        IReadOnlyList<string> argv, IReadOnlyDictionary<string, string?>? environment = null)
    {
        Process process = await Launcher.StartAsync(argv, environment);
        return new RunningProcess(process, string.Join(' ', argv));
    }

    /// <summary>Runs a command to its end. A deadline that passes kills it and fails with what it had written.</summary>
    /// <remarks>The end includes the end of its output: a daemon that keeps the caller's pipe open is found here.</remarks>
    public static async Task<CommandResult> RunAsync(
        IReadOnlyList<string> argv,
        CancellationToken deadline,
        string? input = null,
        IReadOnlyDictionary<string, string?>? environment = null)
    {
        await using RunningProcess running = await StartAsync(argv, environment);
        if (input is not null)
        {
            await running.WriteAsync(input);
        }

        running._process.StandardInput.Close();
        return await running.WaitAsync(deadline);
    }

    /// <summary>Writes to its standard input.</summary>
    public async Task WriteAsync(string text)
    {
        await _process.StandardInput.WriteAsync(text);
        await _process.StandardInput.FlushAsync();
    }

    /// <summary>Waits for its end and the end of its output.</summary>
    public async Task<CommandResult> WaitAsync(CancellationToken deadline)
    {
        try
        {
            await _process.WaitForExitAsync(deadline);
            await _reading.WaitAsync(deadline);
        }
        catch (OperationCanceledException cancelled)
        {
            string state = _process.HasExited ? "ended, but something still holds its output" : "did not end";
            throw new TimeoutException($"`{CommandLine}` {state} within the deadline:\n{Error}{Output}", cancelled);
        }

        return new CommandResult(CommandLine, _process.ExitCode, Output, Error);
    }

    /// <summary>Waits until its output or error holds <paramref name="text"/>.</summary>
    public async Task WaitForOutputAsync(string text, CancellationToken deadline)
    {
        await Eventually.TrueAsync(
            () => Task.FromResult(
                Output.Contains(text, StringComparison.Ordinal) || Error.Contains(text, StringComparison.Ordinal)
                || (_process.HasExited && _reading.IsCompleted ? throw new InvalidOperationException(
                    $"`{CommandLine}` ended with {_process.ExitCode} before it wrote “{text}”:\n{Error}{Output}") : false)),
            () => $"`{CommandLine}` never wrote “{text}”:\n{Error}{Output}",
            deadline);
    }

    /// <summary>Sends a signal by its name, for example TERM.</summary>
    public async Task SignalAsync(string signal)
    {
        using Process kill = Process.Start("kill", ["-s", signal, Id.ToString()]);
        await kill.WaitForExitAsync();
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (_disposed)
        {
            return;
        }

        _disposed = true;
        if (!_process.HasExited)
        {
            _process.Kill();
            await _process.WaitForExitAsync();
        }

        // A grandchild may hold the pipe; its namespace's sweep ends it, so do not wait for it here.
        await Task.WhenAny(_reading, Task.Delay(100));
        _process.Dispose();
    }

    private static string Snapshot(StringBuilder text)
    {
        lock (text)
        {
            return text.ToString();
        }
    }

    private static async Task PumpAsync(StreamReader reader, StringBuilder into)
    {
        char[] block = new char[8192];
        try
        {
            while (await reader.ReadAsync(block) is var count && count > 0)
            {
                lock (into)
                {
                    into.Append(block, 0, count);
                }
            }
        }
        catch (Exception fault) when (fault is IOException or ObjectDisposedException or InvalidOperationException)
        {
            // The process was disposed while a grandchild still held the pipe.
        }
    }
}
