using System.Net;
using TunnelBox.Crypto;

namespace TunnelBox.Control.Tests;

public sealed class UapiClientTests : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("tbctl").FullName;

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    private static PublicKey KeyOf(int i)
    {
        Span<byte> bytes = stackalloc byte[32];
        BitConverter.TryWriteBytes(bytes, i + 1);
        return new PublicKey(bytes);
    }

    [Fact]
    public void What_is_set_is_got()
    {
        FakeDevice device = new();
        using UapiServer server = UapiServer.Open("tb0", device, _directory);
        server.Start();
        UapiClient client = new("tb0", _directory);
        DeviceChange change = new() { PrivateKey = [.. Enumerable.Range(1, 32).Select(i => (byte)(i * 8))], ListenPort = 7, FirewallMark = 9, ReplacePeers = true };
        for (int i = 0; i < 1000; i++)
        {
            PeerChange peer = new(KeyOf(i)) { PersistentKeepalive = (ushort)i, Endpoint = new IPEndPoint(IPAddress.IPv6Loopback, 1 + i), ReplaceAllowedIps = true };
            peer.PresharedKey = i % 2 == 0 ? [.. Enumerable.Repeat((byte)(i | 1), 32)] : null;
            peer.AllowedIps.Add(new AllowedIpChange(new IPNetwork(new IPAddress([10, 0, (byte)(i >> 8), (byte)i]), 32), false));
            change.Peers.Add(peer);
        }

        change.Peers.Add(new PeerChange(KeyOf(5)) { Remove = true });
        change.Peers.Add(new PeerChange(KeyOf(5000)) { UpdateOnly = true });
        client.Set(change);
        using DeviceState state = client.Get();
        Assert.Equal((999, (ushort)7, 9u), (state.Peers.Count, state.ListenPort, state.FirewallMark));
        PeerStatus seventh = state.Peers.Single(peer => peer.PublicKey == KeyOf(6));
        Assert.Equal((7, (ushort)6, "10.0.0.6/32"), (seventh.Endpoint!.Port, seventh.PersistentKeepalive, seventh.AllowedIps.Single().ToString()));
        Assert.Equal(7, seventh.PresharedKey![31]);
        Assert.Null(state.Peers.Single(peer => peer.PublicKey == KeyOf(7)).PresharedKey);
        Assert.Equal(["tb0"], UapiClient.Interfaces(_directory));
    }

    [Theory]
    [InlineData(Errno.PortInUse, "the UDP port is taken")]
    [InlineData(Errno.OutOfMemory, "errno 12")]
    public void A_refusal_is_one_sentence(int error, string words)
    {
        FakeDevice device = new() { ApplyResult = error };
        using UapiServer server = UapiServer.Open("tb0", device, _directory);
        server.Start();
        ControlException e = Assert.Throws<ControlException>(() => new UapiClient("tb0", _directory).Set(new DeviceChange { ListenPort = 7 }));
        Assert.Contains(words, e.Message);
        Assert.DoesNotContain('\n', e.Message);
    }

    [Theory]
    [InlineData("tb9", ControlFailure.NoDaemon)]
    [InlineData("../x", ControlFailure.Wrong)]
    [InlineData("", ControlFailure.Wrong)]
    [InlineData("a-name-too-long-x", ControlFailure.Wrong)]
    public void Without_a_daemon_the_failure_says_so(string name, ControlFailure failure)
    {
        ControlException e = Assert.Throws<ControlException>(() => new UapiClient(name, _directory).Get());
        Assert.Equal(failure, e.Failure);
    }

    [Fact]
    public void Files_that_are_no_sockets_are_no_interfaces_and_stay()
    {
        string path = Path.Combine(_directory, "tb1.sock");
        File.WriteAllText(path, "x");
        Assert.Empty(UapiClient.Interfaces(_directory));
        Assert.Empty(UapiClient.Interfaces(Path.Combine(_directory, "none")));
        Assert.True(File.Exists(path));
    }
}
