using System.Text;
using TunnelBox.EndToEnd.Tests.Harness;
using Xunit.Abstractions;

namespace TunnelBox.EndToEnd.Tests;

/// <summary>What was accepted before a stop, and what flows while peers beside it are replaced, is lost not once in many times.</summary>
public class LossTests(ITestOutputHelper output) : EndToEndTest(output, 240)
{
    private const int Times = 20;

    // Fits into the TUN device's queue of 500 packets and every socket's buffer.
    private const int Waiting = 400;

    // Says how many have come, whenever all of another round have.
    private const string Receiver =
        """
        import socket
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.setsockopt(socket.SOL_SOCKET, 33, 1 << 22); s.bind(("0.0.0.0", 9999)); n = 0; print("ready", flush=True)
        while True:
            s.recv(2048); n += 1
            if n % 400 == 0: print(f"all {n}.", flush=True)
        """;

    private const string Sender =
        """
        import socket, sys
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.connect((sys.argv[1], 9999))
        for i in range(400): s.send(b"x" * 100)
        """;

    [Theory]
    [Trait("Tier", "all")]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_stop_passes_on_what_waits_in_its_queues_and_sockets(bool xdp)
    {
        TunnelPair pair = await TunnelPair.BuildAsync(Lab, new PairOptions { FirstXdp = xdp });
        await pair.ExpectPingsAsync();
        TunnelEnd near = pair.First, far = pair.Second;
        RunningProcess atFar = await ListenAsync(far), atNear = await ListenAsync(near);
        for (int round = 1; round <= Times; round++)
        {
            if (xdp)
            {
                await XdpSide.ExpectAsync(near, $"xdp:{pair.FirstLink}");
            }

            // It stands still while both sides bring it packets, so that all of them wait when the signal comes.
            await near.Daemon.SignalAsync("STOP");
            long sent = (await far.PeerAsync(near)).Sent;
            await near.Space.RunAsync("python3", "-c", Sender, TunnelPair.Second4);
            await far.Space.RunAsync("python3", "-c", Sender, TunnelPair.First4);
            await Eventually.TrueAsync(
                async () => (await far.PeerAsync(near)).Sent - sent >= Waiting * 100, () => "the other end never sent its packets", Lab.Deadline);
            await near.Daemon.SignalAsync("TERM");
            await near.Daemon.SignalAsync("CONT");
            Assert.Equal(0, (await near.EndedAsync(TimeSpan.FromSeconds(5))).ExitCode);
            await atFar.WaitForOutputAsync($"all {round * Waiting}.", Soon());
            await atNear.WaitForOutputAsync($"all {round * Waiting}.", Soon());
            if (round < Times)
            {
                await near.RestartAsync();
                await near.UpAsync(TunnelPair.FirstPort, 1420, $"{TunnelPair.First4}/24", $"{TunnelPair.First6}/64");
                await near.SetPeerAsync(far, $"allowed-ips {TunnelPair.Second4}/32,{TunnelPair.Second6}/128 endpoint {pair.SecondEndpoint}");
                await pair.ExpectPingsAsync();
            }
        }
    }

    [Fact]
    [Trait("Tier", "all")]
    public async Task A_reload_of_others_loses_nothing()
    {
        const int Peers = 1000;
        TunnelPair pair = await TunnelPair.BuildAsync(Lab);
        await pair.ExpectPingsAsync();
        TunnelEnd near = pair.First;
        string stays = (await near.Space.RunAsync("wg", "showconf", near.Interface)).Output;
        string[] files = [File("one", 1), File("two", 2)];
        await near.Space.RunAsync(TunnelProgram.Tunnelctl, "syncconf", near.Interface, files[0]);
        Task<DatagramCount> there = Transfer.UdpAsync(Lab, near.Inner, pair.Second.Inner, TunnelPair.Second4, 24_000, 2000, 200);
        Task<DatagramCount> back = Transfer.UdpAsync(Lab, pair.Second.Inner, near.Inner, TunnelPair.First4, 24_000, 2000, 200);
        int reloads = 0;
        while (reloads < Times || !(there.IsCompleted && back.IsCompleted))
        {
            reloads++;
            await near.Space.RunAsync(TunnelProgram.Tunnelctl, "syncconf", near.Interface, files[reloads % 2]);
        }

        (await there).Expect(mayBeLost: 0);
        (await back).Expect(mayBeLost: 0);
        Assert.Equal(Peers + 1, (await near.DumpAsync()).Peers.Length);

        string File(string name, byte seed)
        {
            StringBuilder text = new(stays);
            byte[] key = new byte[32];
            for (int i = 0; i < Peers; i++)
            {
                BitConverter.TryWriteBytes(key, i);
                key[8] = seed;
                text.Append($"[Peer]\nPublicKey = {Convert.ToBase64String(key)}\nAllowedIPs = 10.20.{i / 256}.{i % 256}/32\n");
            }

            return Lab.WriteFile(name, text.ToString());
        }
    }

    private static CancellationToken Soon() => new CancellationTokenSource(TimeSpan.FromSeconds(10)).Token;

    private async Task<RunningProcess> ListenAsync(TunnelEnd end)
    {
        RunningProcess receiver = await end.Space.StartAsync(["python3", "-c", Receiver]);
        await receiver.WaitForOutputAsync("ready", Lab.Deadline);
        Lab.Report(() => $"--- receiver in {end.Space.Name}:\n{receiver.Output}");
        return receiver;
    }
}
