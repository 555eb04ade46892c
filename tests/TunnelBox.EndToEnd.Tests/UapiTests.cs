using System.Net.Sockets;
using TunnelBox.EndToEnd.Tests.Harness;
using Xunit.Abstractions;

namespace TunnelBox.EndToEnd.Tests;

/// <summary>The configuration socket: complete, all-or-nothing, and not to be hurt.</summary>
[Trait("Load", "light")]
public class UapiTests(ITestOutputHelper output) : EndToEndTest(output)
{
    private const string KeyA = "b85996fecc9c7f1fc6d2572a76eda11d59bcd20be8e543b15ce4bd85a8e75a33";
    private const string KeyB = "58402e695ba1772b1cc9309755f043251ea77fdcf10fbe63989ceb7e19321376";
    private const string Secret = "e84b5a6d2717c1003a13b431570353dbaca9146cf150c5f8575680feba52027a";
    private const string Preshared = "188515093e952f5f22e865cef3012e72f8b5f0b598ac0309d5dacce3b70fcf52";

    [Fact]
    public async Task What_is_set_is_told_back_in_full()
    {
        TunnelEnd end = await TunnelEnd.StartAsync(Lab, await Lab.NamespaceAsync());
        string answer = Uapi.Ask(
            end.Socket,
            $"""
            set=1
            private_key={Secret}
            listen_port=12912
            fwmark=81
            replace_peers=true
            public_key={KeyA}
            preshared_key={Preshared}
            endpoint=[abcd:23::33]:51820
            replace_allowed_ips=true
            allowed_ip=192.168.4.4/32
            allowed_ip=fd00:1::/64
            persistent_keepalive_interval=111
            public_key={KeyB}
            endpoint=182.122.22.19:3233
            allowed_ip=192.168.4.6/31


            """);
        Assert.Equal("errno=0\n\n", answer);

        string told = Uapi.Ask(end.Socket, "get=1\n\n");
        Assert.Equal(0, Uapi.Errno(told));
        string[] lines = told.TrimEnd('\n').Split('\n');
        Assert.Equal([$"private_key={Secret}", "listen_port=12912", "fwmark=81"], lines[..3]);
        string[][] peers = [.. string.Join('\n', lines[3..^1]).Split("public_key=", StringSplitOptions.RemoveEmptyEntries)
            .Select(static text => text.TrimEnd('\n').Split('\n'))];
        string[] first = peers.Single(static peer => peer[0] == KeyA);
        string[] second = peers.Single(static peer => peer[0] == KeyB);
        Assert.Equal(
            [
                "allowed_ip=192.168.4.4/32", "allowed_ip=fd00:1::/64", KeyA, "endpoint=[abcd:23::33]:51820", "last_handshake_time_nsec=0",
                "last_handshake_time_sec=0", "persistent_keepalive_interval=111", $"preshared_key={Preshared}", "protocol_version=1",
                "rx_bytes=0",
            ],
            first.Where(static line => !line.StartsWith("tx_bytes=", StringComparison.Ordinal)).Order(StringComparer.Ordinal));
        Assert.Contains("endpoint=182.122.22.19:3233", second);
        Assert.Contains("allowed_ip=192.168.4.6/31", second);

        // update_only does not create; remove removes; an absent preshared key is told as zeroes.
        Assert.Equal("errno=0\n\n", Uapi.Ask(end.Socket, $"set=1\npublic_key={KeyB}\nremove=true\npublic_key={Secret}\nupdate_only=true\n\n"));
        told = Uapi.Ask(end.Socket, "get=1\n\n");
        Assert.DoesNotContain(KeyB, told);
        Assert.Single(told.Split('\n'), static line => line.StartsWith("public_key=", StringComparison.Ordinal));
    }

    [Fact]
    public async Task The_socket_is_the_owners_alone()
    {
        TunnelEnd end = await TunnelEnd.StartAsync(Lab, await Lab.NamespaceAsync());
        const UnixFileMode Others = UnixFileMode.GroupRead | UnixFileMode.GroupWrite | UnixFileMode.GroupExecute
            | UnixFileMode.OtherRead | UnixFileMode.OtherWrite | UnixFileMode.OtherExecute;
        Assert.Equal(UnixFileMode.None, File.GetUnixFileMode(end.Socket) & Others);
    }

    /// <summary>Each request begins well and has one bad line: nothing of it may stay.</summary>
    [Fact]
    public async Task A_bad_line_undoes_the_whole_request()
    {
        TunnelPair pair = await TunnelPair.BuildAsync(Lab);
        await pair.ExpectPingsAsync();
        string socket = pair.First.Socket;
        string before = Stable(Uapi.Ask(socket, "get=1\n\n"));
        string[] bad =
        [
            "listen_port=65536", "listen_port=-1", "listen_port=", "private_key=zz", "private_key=" + Secret + "00", "fwmark=x",
            "fwmark=4294967296", "replace_peers=false", "unknown_key=1", "no equals sign", "=", "public_key=abcd",
            $"public_key={KeyA}\nendpoint=nonsense", $"public_key={KeyA}\nendpoint=1.2.3.4", $"public_key={KeyA}\nendpoint=1.2.3.4:70000",
            $"public_key={KeyA}\npersistent_keepalive_interval=65536", $"public_key={KeyA}\nallowed_ip=1.2.3.4/33",
            $"public_key={KeyA}\nallowed_ip=::/129", $"public_key={KeyA}\nallowed_ip=1.2.3/8", $"public_key={KeyA}\nallowed_ip=",
            $"public_key={KeyA}\npreshared_key=12", $"public_key={KeyA}\nprotocol_version=2", $"public_key={KeyA}\nremove=maybe",
            $"public_key={KeyA}\nupdate_only=false", $"public_key={KeyA}\nlisten_port=5",
        ];
        foreach (string line in bad)
        {
            string peer = line.StartsWith("public_key", StringComparison.Ordinal) ? $"public_key={KeyB}\nallowed_ip=10.9.9.0/24\n" : "";
            string answer = Uapi.Ask(
                socket, $"set=1\nprivate_key={Secret}\nlisten_port=4242\nreplace_peers=true\n{peer}{line}\n\n");
            Assert.True(Uapi.Errno(answer) != 0, $"“{line}” was taken: {answer}");
            if (!pair.First.Program.Is(Lacks.AtomicSet))
            {
                Assert.Equal(before, Stable(Uapi.Ask(socket, "get=1\n\n")));
            }
        }

        if (!pair.First.Program.Is(Lacks.AtomicSet))
        {
            await pair.ExpectPingsAsync();
        }

        await pair.First.ExpectAliveAsync();
    }

    [Fact]
    public async Task Rude_clients_do_not_matter()
    {
        TunnelPair pair = await TunnelPair.BuildAsync(Lab);
        string socket = pair.First.Socket;
        string[] requests =
        [
            "", "\n", "\n\n", "get=2\n\n", "set=0\n\n", "hello\n\n", "get=1", "set=1\n", "set=1\npublic_key=", "get=1\nset=1\n\n", "\0\0\0\n\n",
            "set=1\n" + new string('a', 1 << 20) + "\n\n", new string('\n', 1000), "get=1\n\nget=1\n\nset=1\n",
        ];
        foreach (string request in requests)
        {
            using var rude = new Uapi(socket);
            try
            {
                rude.Send(request);
            }
            catch (SocketException)
            {
                // The daemon hung up on it first, as it may.
            }
        }

        var random = new Random(7);
        byte[] noise = new byte[3000];
        for (int round = 0; round < 100; round++)
        {
            random.NextBytes(noise);
            using var rude = new Uapi(socket);
            try
            {
                rude.Send("set=1\n" + System.Text.Encoding.Latin1.GetString(noise) + "\n\n");
            }
            catch (SocketException)
            {
                // As above.
            }
        }

        // Many that stay and say nothing must not keep others out.
        List<Uapi> silent = [.. Enumerable.Range(0, 50).Select(_ => new Uapi(socket))];
        await pair.First.ExpectAliveAsync();
        silent.ForEach(static one => one.Dispose());
        await pair.ExpectPingsAsync();
    }

    [Fact]
    public async Task One_connection_serves_many_requests()
    {
        TunnelEnd end = await TunnelEnd.StartAsync(Lab, await Lab.NamespaceAsync());
        using var connection = new Uapi(end.Socket);
        for (int port = 5000; port < 5020; port++)
        {
            Assert.Equal("errno=0\n\n", connection.Ask($"set=1\nlisten_port={port}\n\n"));
            Assert.Contains($"listen_port={port}\n", connection.Ask("get=1\n\n"), StringComparison.Ordinal);
        }
    }

    /// <summary>An answer without what traffic moves by itself.</summary>
    private static string Stable(string answer)
    {
        return string.Join('\n', answer.Split('\n').Where(static line =>
            !line.StartsWith("tx_bytes=", StringComparison.Ordinal) && !line.StartsWith("rx_bytes=", StringComparison.Ordinal)));
    }
}
