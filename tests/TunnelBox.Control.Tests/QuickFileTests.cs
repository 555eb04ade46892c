namespace TunnelBox.Control.Tests;

/// <summary>Where files are looked for by name.</summary>
[Trait("Needs", "root")]
public sealed class QuickFileTests
{
    [Fact]
    public void A_name_is_looked_for_in_wireguard_and_then_in_tunnelbox()
    {
        using Sandbox sandbox = new();
        Assert.Contains("nowhere", Strip(sandbox, "both", "ListenPort = 1", "ListenPort = 2", "nowhere").Error, StringComparison.Ordinal);
        Assert.Equal(2, Strip(sandbox, "both", "ListenPort = 1", "ListenPort = 2", "nowhere").Code);
        Assert.Contains("ListenPort = 1\n", Strip(sandbox, "both", "ListenPort = 1", "ListenPort = 2", "both").Output, StringComparison.Ordinal);
        Assert.Contains("ListenPort = 2\n", Strip(sandbox, "late", null, "ListenPort = 2", "late").Output, StringComparison.Ordinal);
        Assert.Contains("ListenPort = 1\n", Strip(sandbox, "early", "ListenPort = 1", null, "early").Output, StringComparison.Ordinal);
        string missing = Strip(sandbox, "both", null, null, "nowhere").Error;
        Assert.Contains("/etc/wireguard/nowhere.conf or /etc/tunnelbox/nowhere.conf", missing, StringComparison.Ordinal);
    }

    // Both directories are the sandbox's own, in a mount namespace: nothing of the machine is seen or changed.
    private static Sandbox.Result Strip(Sandbox sandbox, string name, string? wireguard, string? tunnelbox, string asked)
    {
        foreach ((string directory, string? line) in ((string, string?)[])[("etcw", wireguard), ("etct", tunnelbox)])
        {
            string path = Directory.CreateDirectory(Path.Combine(sandbox.Directory, directory)).FullName;
            File.Delete(Path.Combine(path, name + ".conf"));
            if (line is not null)
            {
                sandbox.Write(Path.Combine(directory, name + ".conf"), $"[Interface]\n{line}\n");
            }
        }

        // A tmpfs of this command's mount namespace over /etc has room for directories that the machine lacks.
        string script = $"mount -t tmpfs none /etc && mkdir /etc/wireguard /etc/tunnelbox && cp {sandbox.Directory}/etcw/* /etc/wireguard 2>/dev/null; cp {sandbox.Directory}/etct/* /etc/tunnelbox 2>/dev/null; exec \"$0\" \"$@\"";
        return sandbox.Run("sh", ["-c", script, Sandbox.Tunnelctl, "strip", asked]);
    }
}
