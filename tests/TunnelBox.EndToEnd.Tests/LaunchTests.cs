using TunnelBox.EndToEnd.Tests.Harness;
using Xunit.Abstractions;

namespace TunnelBox.EndToEnd.Tests;

/// <summary>The launcher: what it refuses, what it takes away for good, and that a tunnel misses none of it.</summary>
[Trait("Load", "light")]
public class LaunchTests(ITestOutputHelper output) : EndToEndTest(output)
{
    // Tries what a taken-over daemon would try. Each line of output: what, and "refused" or "done".
    private const string Intruder =
        """
        #include <errno.h>
        #include <fcntl.h>
        #include <linux/capability.h>
        #include <sched.h>
        #include <stdint.h>
        #include <stdio.h>
        #include <sys/mount.h>
        #include <sys/prctl.h>
        #include <sys/ptrace.h>
        #include <sys/socket.h>
        #include <sys/stat.h>
        #include <sys/syscall.h>
        #include <sys/wait.h>
        #include <unistd.h>

        static void tell(const char *what, int failed) { printf("%s %s\n", what, failed ? "refused" : "done"); }

        static int raise_all(void)
        {
            struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
            struct __user_cap_data_struct all[2] = {{~0u, ~0u, ~0u}, {~0u, ~0u, ~0u}};
            return (int)syscall(SYS_capset, &header, all);
        }

        int main(int count, char **arguments)
        {
            (void)count;
            setvbuf(stdout, 0, _IONBF, 0);
            tell("capset", raise_all());
            tell("ambient", prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_SYS_ADMIN, 0, 0));
            tell("securebits", prctl(PR_SET_SECUREBITS, 0, 0, 0, 0));
            tell("user-namespace", unshare(CLONE_NEWUSER));
            tell("clone-namespace", (int)syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0) < 0);
            tell("setns", setns(open("/proc/self/ns/mnt", O_RDONLY), CLONE_NEWNS));
            tell("mount", mount("none", "/run", "tmpfs", 0, 0));
            tell("ptrace", (int)ptrace(PTRACE_ATTACH, getppid(), 0, 0));
            tell("raw-socket", socket(AF_PACKET, SOCK_RAW, 0) < 0);
            tell("module", (int)syscall(SYS_init_module, "", 0, ""));
            tell("write-etc", open("/etc/passwd", O_WRONLY) < 0);
            tell("read-home", open("/root", O_RDONLY | O_DIRECTORY) < 0);
            tell("make-file", open("/usr/bin/intruder", O_WRONLY | O_CREAT, 0755) < 0);
            if (vfork() == 0) {
                char *const shell[] = {"sh", "-c", "exit 0", 0};
                execv("/bin/sh", shell);
                _exit(99);
            }
            int status = 0;
            wait(&status);
            tell("shell", WEXITSTATUS(status) == 99);
            // Its own file is what it may execute; a new image of it holds no more.
            if (arguments[1] != 0) {
                char *const again[] = {arguments[0], 0};
                execv(arguments[0], again);
            }
            return 0;
        }
        """;

    private static readonly string s_launch = Path.Combine(TunnelProgram.Root, "out", "tunnelbox-launch");

    [Theory]
    [InlineData("gcc")]
    [InlineData("clang")]
    public async Task It_compiles_without_a_warning(string compiler)
    {
        string folder = Path.Combine(TunnelProgram.Root, "native", "launch");
        string[] sources = Directory.GetFiles(folder, "*.c");
        Assert.NotEmpty(sources);
        await Lab.RunAsync(
            [compiler, "-std=gnu11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Wshadow", "-Werror", "-O2", "-o", Path.Combine(Lab.Folder, "launch"), .. sources]);
    }

    [Theory]
    [InlineData("--udp", 0x1000)]
    [InlineData("--xdp", 0xC000003000)]
    public async Task What_a_mode_does_not_need_cannot_be_had_again(string mode, long capabilities)
    {
        string intruder = await CompileAsync("intruder", Intruder);
        CommandResult tried = await Lab.RunAsync(s_launch, mode, "--read", Lab.Folder, intruder, "again");
        string[] lines = tried.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(28, lines.Length);
        // CAP_NET_RAW is what a raw socket takes, and AF_XDP has it.
        Assert.All(lines, line => Assert.EndsWith(mode == "--xdp" && line.StartsWith("raw-socket", StringComparison.Ordinal) ? "done" : "refused", line, StringComparison.Ordinal));

        // IPC_LOCK and NET_BIND_SERVICE are kept where they were given; here root has everything.
        string status = (await Lab.RunAsync(s_launch, mode, "/usr/bin/cat", "/proc/self/status")).Output;
        foreach (string set in (string[])["CapPrm", "CapEff", "CapBnd", "CapAmb"])
        {
            Assert.Contains($"{set}:\t{capabilities | 0x4400:x16}", status, StringComparison.Ordinal);
        }

        Assert.Contains("NoNewPrivs:\t1", status, StringComparison.Ordinal);
        Assert.Contains("Seccomp:\t2", status, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_forbidden_call_ends_a_strict_process()
    {
        string program = await CompileAsync("forbidden", "#include <sched.h>\nint main(void) { return unshare(CLONE_NEWUSER) == 0; }");
        CommandResult strict = await RunningProcess.RunAsync(["sh", "-c", $"{s_launch} --udp --strict --read {Lab.Folder} {program}; exit $?"], Lab.Deadline);
        Assert.Equal(128 + 31, strict.ExitCode);
    }

    [Fact]
    public async Task A_capability_that_no_new_privs_withholds_is_named_with_its_line()
    {
        CommandResult refused = await AsNobodyAsync("--no-new-privs");
        Assert.Equal(1, refused.ExitCode);
        Assert.Contains("allowPrivilegeEscalation: true", refused.Error, StringComparison.Ordinal);
        Assert.Contains("CAP_NET_ADMIN", refused.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_copy_without_file_capabilities_is_told_from_a_missing_capability()
    {
        CommandResult refused = await AsNobodyAsync();
        Assert.Equal(1, refused.ExitCode);
        Assert.Contains("has lost its file capabilities", refused.Error, StringComparison.Ordinal);
        CommandResult none = await AsNobodyAsync("--bounding-set=-net_admin");
        Assert.Contains("capabilities.add: [\"NET_ADMIN\"]", none.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("--host", false)]
    [InlineData("--udp", false)]
    [InlineData("--xdp", true)]
    public async Task A_tunnel_misses_none_of_what_is_forbidden(string mode, bool xdp)
    {
        NetworkNamespace left = await Lab.NamespaceAsync();
        NetworkNamespace right = await Lab.NamespaceAsync();
        (string leftLink, string rightLink) = await NetworkNamespace.ConnectAsync(left, right);
        await left.IpAsync($"address add 10.79.0.1/24 dev {leftLink}");
        await right.IpAsync($"address add 10.79.0.2/24 dev {rightLink}");
        Dictionary<string, string?> settings = new() { ["TUNNELBOX__METRICS"] = "127.0.0.1:9586", ["TUNNELBOX__OUTERPORT"] = xdp ? $"xdp:{leftLink}" : "udp" };
        // A single call that the filter does not know would end the daemon here.
        TunnelEnd near = await TunnelEnd.StartAsync(Lab, left, settings: settings, before: [s_launch, mode, "--strict", "--read", TunnelProgram.Root]);
        TunnelEnd far = await TunnelEnd.StartAsync(Lab, right);
        await near.UpAsync(51820, 1420, "192.168.79.1/24");
        await far.UpAsync(51820, 1420, "192.168.79.2/24");
        await far.SetPeerAsync(near, "allowed-ips 192.168.79.1/32");
        await near.SetPeerAsync(far, "allowed-ips 192.168.79.2/32 endpoint 10.79.0.2:51820 persistent-keepalive 25");
        await Ping.ExpectAsync(left, "192.168.79.2");
        await Transfer.ExpectTcpAsync(Lab, left, right, "192.168.79.2", 8 << 20);
        await left.RunAsync(TunnelProgram.Tunnelctl, "capture", near.Interface, Path.Combine(Lab.Folder, "x.pcapng"), "--both", "--seconds", "1");
        await left.RunAsync(TunnelProgram.Tunnelctl, "status", near.Interface);
        Assert.Contains("wireguard_", (await left.RunAsync("curl", "-s", "http://127.0.0.1:9586/metrics")).Output, StringComparison.Ordinal);
        await near.Inner.IpAsync($"link set {near.Interface} down");
        await near.Inner.IpAsync($"link set {near.Interface} up");
        await Ping.UntilAnsweredAsync(left, "192.168.79.2", TimeSpan.FromSeconds(12));
        if (mode == "--host")
        {
            // What only the capability of that mode allows: to follow the interface elsewhere.
            NetworkNamespace other = await Lab.NamespaceAsync();
            await near.MoveAsync(other);
            await other.IpAsync($"address add 192.168.79.1/24 dev {near.Interface}");
            await other.IpAsync($"link set {near.Interface} up");
            await Ping.UntilAnsweredAsync(other, "192.168.79.2", TimeSpan.FromSeconds(12));
        }

        await near.Daemon.SignalAsync("TERM");
        Assert.Equal(0, (await near.EndedAsync(TimeSpan.FromSeconds(5))).ExitCode);
    }

    private async Task<string> CompileAsync(string name, string source)
    {
        string program = Path.Combine(Lab.Folder, name);
        await Lab.RunAsync("gcc", "-std=gnu11", "-D_GNU_SOURCE", "-O1", "-static", "-include", "signal.h", "-o", program, Lab.WriteFile(name + ".c", source));
        return program;
    }

    // The launcher without its file capabilities, as another user who may hold every capability but holds none.
    private Task<CommandResult> AsNobodyAsync(params string[] more)
    {
        string copy = Path.Combine(Lab.OwnFolder(Path.Combine(Path.GetTempPath(), Names.Next())), "launch");
        File.Copy(s_launch, copy);
        return RunningProcess.RunAsync(
            ["setpriv", "--reuid", "65532", "--regid", "65532", "--clear-groups", "--inh-caps=-all", .. more, copy, "--udp", "--check"], Lab.Deadline);
    }
}
