using System.Diagnostics;
using TunnelBox.Crypto;

namespace TunnelBox.Control.Tests;

/// <summary>The completions in their real shells, beside a daemon.</summary>
[Trait("Needs", "root")]
public sealed class CompletionTests
{
    private static readonly string Completions = Path.Combine(Repository(), "configs/completions");

    [Theory]
    [InlineData("bash")]
    [InlineData("zsh")]
    [InlineData("fish")]
    public void Each_shell_completes_verbs_interfaces_peers_and_fields(string shell)
    {
        using Sandbox sandbox = new();
        FakeDevice device = new();
        byte[] bytes = new byte[32];
        bytes[0] = 0xC1;
        PublicKey key = new(bytes);
        device.Peers[key] = new FakeDevice.FakePeer();
        using UapiServer server = UapiServer.Open("compl0", device, sandbox.Directory);
        server.Start();

        Assert.Contains("showconf", Complete(sandbox, shell, "showc"), StringComparison.Ordinal);
        Assert.Contains("compl0", Complete(sandbox, shell, "show", "com"), StringComparison.Ordinal);
        Assert.Contains("latest-handshakes", Complete(sandbox, shell, "show", "compl0", "latest"), StringComparison.Ordinal);
        Assert.Contains(key.ToString()[..12], Complete(sandbox, shell, "set", "compl0", "peer", key.ToString()[..2]), StringComparison.Ordinal);
        Assert.Contains("private-key", Complete(sandbox, shell, "set", "compl0", "priv"), StringComparison.Ordinal);
        Assert.Contains("--json", Complete(sandbox, shell, "status", "--js"), StringComparison.Ordinal);
        string file = sandbox.Write("unique-file.conf", string.Empty);
        Assert.Contains("unique-file.conf", Complete(sandbox, shell, "setconf", "compl0", file[..^5]), StringComparison.Ordinal);
        Assert.DoesNotContain("compl0", Complete(sandbox, shell, "nosuchverb", "com"), StringComparison.Ordinal);
    }

    private static string Complete(Sandbox sandbox, string shell, params string[] words)
    {
        string path = $"{Path.GetDirectoryName(Sandbox.Tunnelctl)}:{Environment.GetEnvironmentVariable("PATH")}";
        string line = "tunnelctl " + string.Join(' ', words);
        Sandbox.Result result = shell switch
        {
            "bash" => sandbox.Run("bash", ["--norc", "-c", $"source {Completions}/tunnelctl.bash; COMP_WORDS=({line}); COMP_CWORD={words.Length}; _tunnelctl; printf '%s\\n' \"${{COMPREPLY[@]}}\""], null, ("PATH", path)),
            "fish" => sandbox.Run("fish", ["--no-config", "-c", $"source {Completions}/tunnelctl.fish; complete -C '{line}'"], null, ("PATH", path)),
            _ => sandbox.Run("zsh", ["-f", "-c", Zsh(line)], null, ("PATH", path), ("TERM", "dumb")),
        };
        Assert.Equal(0, result.Code);
        return result.Output;
    }

    // zsh completes only in its line editor: a terminal of its own, a tab, and what it then shows.
    private static string Zsh(string line) => $$"""
        zmodload zsh/zpty
        zpty z 'COLUMNS=1000 zsh -f -i'
        zpty -w z "PS1=; fpath=({{Completions}} \$fpath); autoload -Uz compinit && compinit -u -D; LISTMAX=0; echo rea''dy"
        out=
        until [[ $out == *ready* ]]; do zpty -r z part || exit 1; out+=$part; done
        zpty -w -n z '{{line}}'$'\t\t'
        out=
        for i in {1..40}; do
            sleep 0.05
            while zpty -r -t z part; do out+=$part; done
        done
        zpty -d z
        print -r -- "${out#*{{line.Split(' ')[^1]}}}" "$out" | tr -d '\r'
        """;

    private static string Repository()
    {
        DirectoryInfo? here = new(AppContext.BaseDirectory);
        while (here is not null && !File.Exists(Path.Combine(here.FullName, "TunnelBox.sln")))
        {
            here = here.Parent;
        }

        return here?.FullName ?? throw new UnreachableException("The tests run inside the repository.");
    }
}
