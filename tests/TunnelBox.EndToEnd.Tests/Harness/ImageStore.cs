using System.Text.RegularExpressions;

namespace TunnelBox.EndToEnd.Tests.Harness;

/// <summary>The image of <c>make image</c> in a store of its own, and podman upon it. Nothing of the machine's own containers is touched.</summary>
public sealed partial class ImageStore : IAsyncLifetime
{
    private const string Prefix = "tunnelbox-images-";

    /// <summary>The image's name in the store.</summary>
    public string Image { get; private set; } = "";

    /// <summary>The archive.</summary>
    public static string Archive { get; } = Path.Combine(TunnelProgram.Root, "out", "tunnelbox-image.tar");

    /// <summary>A TUN device that every user may open, as udev makes it; not every machine has it so.</summary>
    public string TunDevice => Path.Combine(Folder, "tun");

    private string Folder { get; } = Path.Combine(Path.GetTempPath(), Prefix + Environment.ProcessId);

    /// <inheritdoc/>
    public async Task InitializeAsync()
    {
        using var patience = new CancellationTokenSource(TimeSpan.FromMinutes(4));
        foreach (string left in Directory.GetDirectories(Path.GetTempPath(), Prefix + "*"))
        {
            if (!Directory.Exists("/proc/" + Path.GetFileName(left)[Prefix.Length..]) || left == Folder)
            {
                await RemoveAsync(left);
            }
        }

        if (IsStale())
        {
            (await RunningProcess.RunAsync(["env", "BUILT=1", Path.Combine(TunnelProgram.Root, ".ci", "image")], patience.Token)).Expect();
        }

        Directory.CreateDirectory(Folder);
        (await RunningProcess.RunAsync(["mknod", "-m", "666", TunDevice, "c", "10", "200"], patience.Token)).Expect();
        CommandResult loaded = (await RunningProcess.RunAsync(Podman("load", "-q", "-i", Archive), patience.Token)).Expect();
        Image = Loaded().Match(loaded.Output).Groups["name"].Value;
    }

    /// <inheritdoc/>
    public Task DisposeAsync() => RemoveAsync(Folder);

    /// <summary>A podman command line.</summary>
    /// <remarks>vfs, since it needs nothing of the kernel.</remarks>
    public string[] Podman(params string[] words) => PodmanOn(Folder, "runc", words);

    /// <summary>A podman command line with another runtime than runc.</summary>
    /// <remarks>
    /// crun refuses machines with both kinds of control groups, so it does not see the second kind: it runs with a view of the file systems of its own. Only where
    /// the container's file systems are made is that view needed.
    /// </remarks>
    public string[] PodmanBy(string runtime, params string[] words) => runtime == "runc" ? Podman(words)
        : ["unshare", "--mount", "sh", "-c", "! mountpoint -q /sys/fs/cgroup/unified || umount /sys/fs/cgroup/unified; exec \"$@\"", "sh", .. PodmanOn(Folder, runtime, words)];

    private static string[] PodmanOn(string folder, string runtime, params string[] words) =>
    [
        "podman", "--root", Path.Combine(folder, "root"), "--runroot", Path.Combine(folder, "run"), "--storage-driver", "vfs",
        "--cgroup-manager", "cgroupfs", "--runtime", runtime, .. words,
    ];

    private static bool IsStale()
    {
        DateTime made = File.GetLastWriteTimeUtc(Archive);
        return new[] { "tunnelbox", "tunnelctl", "tunnelbox-launch" }
            .Any(program => File.GetLastWriteTimeUtc(Path.Combine(TunnelProgram.Root, "out", program)) > made);
    }

    private static async Task RemoveAsync(string folder)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        await RunningProcess.RunAsync(PodmanOn(folder, "runc", "rm", "--all", "--force", "--time", "0"), limit.Token);
        // A container that was killed together with its test may have left mounts.
        string[] mounts = [.. File.ReadAllLines("/proc/self/mounts").Select(line => line.Split(' ')[1]).Where(path => path.StartsWith(folder + "/", StringComparison.Ordinal))];
        foreach (string mount in mounts.Reverse())
        {
            await RunningProcess.RunAsync(["umount", mount], limit.Token);
        }

        if (Directory.Exists(folder))
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [GeneratedRegex("Loaded image: *(?<name>\\S+)", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Loaded();
}
