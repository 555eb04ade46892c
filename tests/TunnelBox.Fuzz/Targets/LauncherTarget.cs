using System.Diagnostics;
using System.Text;

namespace TunnelBox.Fuzz.Targets;

/// <summary>
/// The launcher with AddressSanitizer and UBSan: any argument list and environment ends in one of its exit codes or in the program that was named, with words
/// that have no line of a sanitizer among them.
/// </summary>
internal sealed class LauncherTarget() : TextTarget((byte)' ')
{
    private static readonly string s_path = SanitizedProgram.PathOf("fuzz-launch");

    /// <inheritdoc/>
    public override string Name => "launcher";

    /// <inheritdoc/>
    public override IReadOnlyList<byte[]> Seeds { get; } = Bytes(
        "--udp --check", "--xdp --check --strict", "--host --check /bin/true", "--udp --read /etc --write /tmp --check -- /bin/true", "--help", "--read", "--write relative --check", "--check",
        "--udp --read /a --read /b --read /c --read /d --read /e --read /f --read /g --read /h --read /i --read /j --read /k --read /l --read /m --read /n --read /o --read /p --check");

    /// <inheritdoc/>
    public override int Run(byte[] input)
    {
        // Without the --check in front of them it would become a program and restrict itself; that it does so is tested elsewhere, and a sanitizer's own calls are not allowed then.
        string[] words = [.. Encoding.UTF8.GetString(input).Replace("\0", string.Empty, StringComparison.Ordinal).Split(' ')];
        ProcessStartInfo start = new(s_path) { RedirectStandardOutput = true, RedirectStandardError = true, UseShellExecute = false };
        foreach (string word in words.Take(200))
        {
            start.ArgumentList.Add(word);
        }

        start.ArgumentList.Insert(0, "--check");
        start.Environment["ASAN_OPTIONS"] = "detect_leaks=0";
        start.Environment["TUNNELBOX__OUTERPORT"] = words[0];
        using Process process = Process.Start(start)!;
        string said = process.StandardError.ReadToEnd();
        process.WaitForExit();
        FuzzFind.Unless(process.ExitCode is >= 0 and <= 2, $"It ends with 0, 1 or 2; this time with {process.ExitCode}: {said}");
        FuzzFind.Unless(!said.Contains("Sanitizer", StringComparison.Ordinal) && !said.Contains("runtime error", StringComparison.Ordinal), $"No sanitizer speaks: {said}");
        FuzzFind.Unless(process.ExitCode == 0 || said.StartsWith("tunnelbox-launch: ", StringComparison.Ordinal), $"What is wrong is said: {said}");
        return process.ExitCode;
    }
}
