using System.Globalization;
using TunnelBox.EndToEnd.Tests.Harness;
using Xunit.Abstractions;

namespace TunnelBox.EndToEnd.Tests;

/// <summary>The Debian package and its unit on a booted Debian, whose first process is systemd: installed, enabled, used, broken, purged.</summary>
public class ServiceTests(ITestOutputHelper output) : EndToEndTest(output, 540)
{
    private const string Unit = "tunnelbox@wg0";
    private const string Property = "systemctl show --value -p";

    [Fact]
    [Trait("Tier", "all")]
    public async Task The_package_serves_on_a_booted_Debian_under_all_its_restrictions_and_leaves_nothing()
    {
        string package = await PackageAsync();
        Guest guest = await Guest.BootDebianAsync(Lab, "virtio-net-pci", 540, $"{package}:/root/tunnelbox.deb");
        string booted = (await guest.TryAsync("systemctl is-system-running --wait")).Output.Trim();
        Assert.True(booted == "running", $"{booted}: {(await guest.TryAsync("systemctl --failed --no-legend")).Output}");
        TunnelEnd host = await TunnelEnd.StartAsync(Lab, guest.Space);
        await host.UpAsync(TunnelPair.SecondPort, 1420, $"{TunnelPair.Second4}/24");
        await host.SetAsync($"peer {guest.Keys.Public} allowed-ips {TunnelPair.First4}/32");

        await guest.RunAsync("dpkg -i /root/tunnelbox.deb");
        await WriteAsync(guest, $"PostUp = echo %i >/run/tunnelbox/hooked\n{Peer(host)}");
        await guest.RunAsync($"systemctl enable --now {Unit}");
        await ExpectTrafficAsync(guest, host);
        Assert.Equal("wg0", (await guest.RunAsync("cat /run/tunnelbox/hooked")).Trim());
        Assert.Contains("The tunnel wg0 is up.", await JournalAsync(guest), StringComparison.Ordinal);
        Assert.DoesNotContain(guest.Keys.Private, await JournalAsync(guest), StringComparison.Ordinal);
        await ExpectRestrictedAsync(guest);

        await ReloadAsync(guest, host);
        await guest.RunAsync($"systemctl restart {Unit}");
        await ExpectTrafficAsync(guest, host);
        await HangAsync(guest, host);
        await PastTheKernelAsync(guest, host);

        await guest.RunAsync($"rm -r /run/systemd/system/{Unit}.service.d; systemctl daemon-reload");
        await guest.RunAsync("apt-get -q -y purge tunnelbox");
        Assert.Equal("", (await guest.RunAsync("ls -d /sys/class/net/wg0 /run/wireguard/wg0.sock 2>/dev/null; pidof tunnelbox; true")).Trim());
        Assert.Equal(
            "",
            (await guest.RunAsync("find / -xdev -iname '*tunnelbox*' ! -path '/proc/*' ! -path '/sys/*' ! -path '/root/*' ! -path '/var/log/*'; find /run -iname '*tunnelbox*'; "
                + "systemctl list-unit-files --no-legend 'tunnelbox*'")).Trim());
        // The file with the key is the operator's.
        await guest.RunAsync("[ -s /etc/wireguard/wg0.conf ]");
    }

    // Compressing would take longer than all of the test.
    private async Task<string> PackageAsync()
    {
        string folder = Lab.OwnFolder(Path.Combine(Path.GetTempPath(), Names.Next()));
        CommandResult made = await Lab.RunAsync("env", $"DEB_OUT={folder}", "DEB_COMPRESSION=none", Path.Combine(TunnelProgram.Root, ".ci", "deb"));
        return made.Output.Trim().Split('\n')[^1];
    }

    private static string Peer(TunnelEnd host) =>
        $"[Peer]\nPublicKey = {host.Keys.Public}\nAllowedIPs = {TunnelPair.Second4}/32\nEndpoint = {TunnelPair.SecondOuter4}:{TunnelPair.SecondPort}\n";

    private static Task<string> WriteAsync(Guest guest, string rest) => guest.RunAsync(
        $"umask 077; mkdir -p /etc/wireguard; printf '%s' '[Interface]\nPrivateKey = {guest.Keys.Private}\nListenPort = {TunnelPair.FirstPort}\nAddress = {TunnelPair.First4}/24\n{rest}' >/etc/wireguard/wg0.conf");

    private static Task<string> JournalAsync(Guest guest) => guest.RunAsync($"journalctl --no-pager -o cat -u {Unit}");

    private static async Task ExpectTrafficAsync(Guest guest, TunnelEnd host)
    {
        Assert.Equal("active", (await guest.RunAsync($"systemctl is-active {Unit}")).Trim());
        await guest.UntilAsync($"ping -c 1 -W 1 {TunnelPair.Second4}", 30);
        await Ping.UntilAnsweredAsync(host.Inner, TunnelPair.First4, TimeSpan.FromSeconds(20));
    }

    // What the unit says is in force in the process, and systemd's own judgement of it.
    private static async Task ExpectRestrictedAsync(Guest guest)
    {
        Dictionary<string, string> status = (await guest.RunAsync($"cat /proc/$({Property} MainPID {Unit})/status")).Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Select(static line => line.Split(':', 2)).Where(static pair => pair.Length == 2).ToDictionary(static pair => pair[0], static pair => pair[1].Trim());
        const ulong Kept = (1UL << 12) | (1UL << 13) | (1UL << 38) | (1UL << 39);
        Assert.Equal(Kept, ulong.Parse(status["CapBnd"], NumberStyles.HexNumber, CultureInfo.InvariantCulture));
        Assert.Equal(Kept, ulong.Parse(status["CapEff"], NumberStyles.HexNumber, CultureInfo.InvariantCulture));
        Assert.Equal(("1", "2"), (status["NoNewPrivs"], status["Seccomp"]));
        string score = await guest.RunAsync($"systemd-analyze security --no-pager {Unit} | tail -n 1");
        Assert.Matches("[^0-9][0-2]\\.[0-9] ", score);
    }

    private static async Task ReloadAsync(Guest guest, TunnelEnd host)
    {
        string more = (await guest.RunAsync("wg genkey | wg pubkey")).Trim();
        string session = await guest.RunAsync("wg show wg0 latest-handshakes");
        await WriteAsync(guest, $"{Peer(host)}[Peer]\nPublicKey = {more}\nAllowedIPs = 10.98.0.0/16\n");
        await guest.RunAsync($"systemctl reload {Unit}");
        await guest.UntilAsync($"wg show wg0 peers | grep -q '{more}'", 10);
        await guest.UntilAsync($"journalctl --no-pager -o cat -u {Unit} | grep -q 'The configuration was applied (.*): 2 peers.'", 10);
        Assert.Contains(session.Split('\t')[1].Trim(), await guest.RunAsync("wg show wg0 latest-handshakes"), StringComparison.Ordinal);

        await WriteAsync(guest, $"{Peer(host)}AllowdIPs = 10.97.0.0/16\n");
        await guest.RunAsync($"systemctl reload {Unit}");
        await guest.UntilAsync($"journalctl --no-pager -o cat -u {Unit} | grep -q 'The new configuration is refused; the old one stays.'", 10);
        Assert.Contains("/etc/wireguard/wg0.conf:9: AllowdIPs: ", await JournalAsync(guest), StringComparison.Ordinal);
        Assert.Contains(more, await guest.RunAsync("wg show wg0 peers"), StringComparison.Ordinal);
        await WriteAsync(guest, Peer(host));
        await guest.UntilAsync($"[ $(wg show wg0 peers | wc -l) = 1 ]", 10);
    }

    // A daemon that stands still proves nothing to the watchdog, which starts it anew.
    private static async Task HangAsync(Guest guest, TunnelEnd host)
    {
        await DropInAsync(guest, "WatchdogSec=20\\nTimeoutAbortSec=3");
        await guest.RunAsync($"systemctl restart {Unit}");
        await ExpectTrafficAsync(guest, host);
        await guest.RunAsync($"kill -STOP $({Property} MainPID {Unit})");
        await guest.UntilAsync($"[ $({Property} NRestarts {Unit}) = 1 ] && [ \"$(systemctl is-active {Unit})\" = active ]", 120);
        Assert.Contains("Watchdog timeout", await JournalAsync(guest), StringComparison.Ordinal);
        await ExpectTrafficAsync(guest, host);
        Assert.Equal("", (await guest.RunAsync("ls /var/lib/systemd/coredump 2>/dev/null; find / -xdev -name 'core*' -size +1M -type f; true")).Trim());
    }

    private static async Task PastTheKernelAsync(Guest guest, TunnelEnd host)
    {
        await DropInAsync(guest, "Environment=TUNNELBOX__OUTERPORT=xdp:eth0");
        await guest.RunAsync($"systemctl restart {Unit}");
        await guest.UntilAsync("tunnelctl status wg0 | grep -q 'xdp:eth0 outside'", 30);
        await ExpectTrafficAsync(guest, host);
    }

    private static Task<string> DropInAsync(Guest guest, string line) => guest.RunAsync(
        $"mkdir -p /run/systemd/system/{Unit}.service.d; printf '[Service]\\n{line}\\n' >/run/systemd/system/{Unit}.service.d/test.conf; systemctl daemon-reload");
}
