using TunnelBox.EndToEnd.Tests.Harness;
using Xunit.Abstractions;

namespace TunnelBox.EndToEnd.Tests;

/// <summary><c>tunnelctl capture</c> on a running tunnel, its files opened by the real tshark.</summary>
public class CaptureTests(ITestOutputHelper output) : EndToEndTest(output)
{
    [Theory]
    [InlineData(false, false)]
    [InlineData(true, true)]
    public async Task Tshark_dissects_the_outer_packets_and_decrypts_them_with_the_key_log(bool preshared, bool ipv6)
    {
        TunnelPair pair = await TunnelPair.BuildAsync(Lab, new PairOptions { Preshared = preshared, OuterIpv6 = ipv6 });
        await pair.ExpectPingsAsync();
        string file = FileName("both.pcapng");
        string keys = FileName("wg.keys");
        RunningProcess capture = await StartAsync(pair.First, file, "--both", "--keylog", keys);
        Assert.Contains($"Warning: {keys} will hold this tunnel's private key", capture.Error, StringComparison.Ordinal);

        // The session from before the capture gives way to one whose keys are in the file.
        await Eventually.TrueAsync(async () => (await File.ReadAllTextAsync(keys)).Contains("LOCAL_EPHEMERAL_PRIVATE_KEY", StringComparison.Ordinal), () => "no key came", Lab.Deadline);
        await Task.Delay(500, Lab.Deadline);
        for (int i = 0; i < 3; i++)
        {
            await Ping.ExpectAsync(pair.First.Inner, TunnelPair.Second4);
        }

        await pair.First.Space.IpAsync($"route add 10.99.0.0/24 dev {pair.First.Interface}");
        await pair.First.Space.TryAsync(["ping", "-c", "1", "-W", "1", "10.99.0.1"]);
        string ended = await EndAsync(capture);
        Assert.Matches("[1-9][0-9]* packets captured, 0 records lost", ended);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(file));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(keys));

        string[] interfaces = await TsharkAsync(file, "icmp", "-T", "fields", "-e", "frame.interface_name");
        Assert.Contains($"{pair.First.Interface} peer {pair.Second.Keys.Public} inner", interfaces);
        Assert.NotEmpty(await TsharkAsync(file, "wg.type == 1"));
        Assert.NotEmpty(await TsharkAsync(file, "wg.type == 2"));
        string outer = $"frame.interface_name == \"{pair.First.Interface} peer {pair.Second.Keys.Public} outer\"";
        Assert.NotEmpty(await TsharkAsync(file, $"{outer} and wg.type == 4"));
        string[] comments = await TsharkAsync(file, "frame.comment", "-T", "fields", "-e", "frame.interface_name", "-e", "frame.comment");
        Assert.Contains(comments, line => line.StartsWith($"{pair.First.Interface} no peer inner\tdropped: OutNoStates: ", StringComparison.Ordinal));

        // Without keys the outer packets are closed, with them they hold the pings.
        Assert.Empty(await TsharkAsync(file, $"{outer} and icmp"));
        string[] opened = await TsharkAsync(file, $"{outer} and icmp.type == 8 and ip.dst == {TunnelPair.Second4}", "-o", $"wg.keylog_file:{keys}");
        Assert.InRange(opened.Length, 3, 20);
        string[] answers = await TsharkAsync(file, $"{outer} and icmp.type == 0", "-o", $"wg.keylog_file:{keys}");
        Assert.InRange(answers.Length, 3, 20);
        Assert.Empty(await TsharkAsync(file, "_ws.malformed or ip.checksum.status == 0 or udp.checksum.status == 0", "-o", "ip.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE"));
    }

    [Fact]
    public async Task Inner_packets_alone_cut_to_size_of_one_peer_until_a_count()
    {
        TunnelPair pair = await TunnelPair.BuildAsync(Lab);
        string file = FileName("inner.pcapng");
        RunningProcess capture = await StartAsync(pair.Second, file, "--peer", pair.First.Keys.Public, "--snap", "64", "--count", "4");
        await pair.First.Space.TryAsync(["ping", "-c", "4", "-i", "0.1", "-s", "500", TunnelPair.Second4]);
        (await capture.WaitAsync(Lab.Deadline)).Expect();
        string[] lines = await TsharkAsync(file, "frame", "-T", "fields", "-e", "frame.cap_len", "-e", "frame.len", "-e", "ip.src");
        Assert.Equal(4, lines.Length);
        Assert.All(lines, line => Assert.StartsWith("64\t528\t192.168.241.", line, StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_full_disk_ends_the_capture_with_a_sentence_and_a_file_that_opens()
    {
        TunnelPair pair = await TunnelPair.BuildAsync(Lab);
        await Ping.ExpectAsync(pair.First.Inner, TunnelPair.Second4);
        string kept = FileName("kept.pcapng");
        string disk = Directory.CreateDirectory(FileName("disk")).FullName;
        string script = $"mount -t tmpfs -o size=700k tmpfs {disk}; {TunnelProgram.Tunnelctl} capture {pair.First.Interface} {disk}/full.pcapng --both; code=$?; cp {disk}/full.pcapng {kept}; exit $code";
        RunningProcess capture = await pair.First.Space.StartAsync(["unshare", "-m", "sh", "-c", script]);
        await capture.WaitForOutputAsync("capturing", Lab.Deadline);
        await pair.First.Space.TryAsync(["ping", "-f", "-c", "1000", "-s", "1300", TunnelPair.Second4]);
        CommandResult ended = await capture.WaitAsync(Lab.Deadline);
        Assert.Equal(1, ended.ExitCode);
        Assert.Matches("full.pcapng: .*[Nn]o.* space .*; the capture ended there, and what is in the file is whole\\.", ended.Error);
        Assert.InRange((await TsharkAsync(kept, "icmp")).Length, 100, 1000);
    }

    [Theory]
    [InlineData(2, "Usage: tunnelctl capture")]
    [InlineData(2, "Usage: tunnelctl capture", "/tmp/never.pcapng", "--snap", "0")]
    [InlineData(2, "Usage: tunnelctl capture", "/tmp/never.pcapng", "--inner", "--outer")]
    [InlineData(2, "no peer is called \"nobody\"", "/tmp/never.pcapng", "--peer", "nobody")]
    [InlineData(2, "Did you mean --keylog", "/tmp/never.pcapng", "--keylgo", "x")]
    [InlineData(1, "no-such-folder", "/no-such-folder/x.pcapng")]
    public async Task What_cannot_be_captured_is_said_in_one_sentence(int code, string sentence, params string[] arguments)
    {
        TunnelPair pair = await TunnelPair.BuildAsync(Lab);
        CommandResult refused = await pair.First.Space.TryAsync([TunnelProgram.Tunnelctl, "capture", pair.First.Interface, .. arguments]);
        Assert.Equal(code, refused.ExitCode);
        Assert.Contains(sentence, Assert.Single(refused.Error.TrimEnd().Split('\n')), StringComparison.Ordinal);
        Assert.False(File.Exists("/tmp/never.pcapng"));
    }

    private string FileName(string name) => Lab.WriteFile(name, string.Empty) + "." + Guid.NewGuid().ToString("N")[..8];

    private async Task<RunningProcess> StartAsync(TunnelEnd end, string file, params string[] arguments)
    {
        RunningProcess capture = await end.Space.StartAsync([TunnelProgram.Tunnelctl, "capture", end.Interface, file, .. arguments]);
        await capture.WaitForOutputAsync("capturing", Lab.Deadline);
        return capture;
    }

    private async Task<string> EndAsync(RunningProcess capture)
    {
        await capture.SignalAsync("INT");
        return (await capture.WaitAsync(Lab.Deadline)).Expect().Error;
    }

    private async Task<string[]> TsharkAsync(string file, string filter, params string[] arguments)
    {
        CommandResult read = (await RunningProcess.RunAsync(["tshark", "-n", "-r", file, "-Y", filter, .. arguments], Lab.Deadline)).Expect();
        return read.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
    }
}
