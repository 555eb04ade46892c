using System.Diagnostics;
using System.Globalization;

namespace TunnelBox.Benchmarks.Scaling;

/// <summary>Another process of this program with one worker that seals: the yardstick, since two of them share nothing but the machine.</summary>
internal sealed class SealingProcess : IDisposable
{
    private readonly Process _process;

    /// <summary>Starts it.</summary>
    public SealingProcess()
    {
        string program = Environment.ProcessPath!;
        var start = new ProcessStartInfo(program) { RedirectStandardInput = true, RedirectStandardOutput = true, UseShellExecute = false };
        if (Path.GetFileNameWithoutExtension(program) == "dotnet")
        {
            start.ArgumentList.Add(Environment.GetCommandLineArgs()[0]);
        }

        start.ArgumentList.Add("sealing");
        _process = Process.Start(start)!;
        _ = Answer();
    }

    /// <summary>The other side of it: reads milliseconds, a line each, and answers packets a second.</summary>
    /// <param name="input">Where the lines come from.</param>
    /// <param name="output">Where the answers go.</param>
    public static void Serve(TextReader input, TextWriter output)
    {
        using var hub = new Hub(1);
        using var other = new Hub(1000);
        Hub.Join(other, hub);
        using Lineup lineup = Lineup.Sealing(hub, [other], 1);
        _ = lineup.Rate(100);
        output.WriteLine("0");
        while (input.ReadLine() is { } line)
        {
            output.WriteLine(lineup.Rate(int.Parse(line, CultureInfo.InvariantCulture)).ToString(CultureInfo.InvariantCulture));
        }
    }

    /// <summary>Has it work for a moment; <see cref="Answer"/> waits for the end.</summary>
    /// <param name="milliseconds">How long.</param>
    public void Ask(int milliseconds)
    {
        _process.StandardInput.WriteLine(milliseconds.ToString(CultureInfo.InvariantCulture));
        _process.StandardInput.Flush();
    }

    /// <summary>Waits for what it did.</summary>
    /// <returns>Packets a second.</returns>
    public double Answer() => double.Parse(
        _process.StandardOutput.ReadLine() ?? throw new InvalidOperationException("The sealing process ended."), CultureInfo.InvariantCulture);

    /// <inheritdoc/>
    public void Dispose()
    {
        _process.StandardInput.Close();
        _process.WaitForExit();
        _process.Dispose();
    }
}
