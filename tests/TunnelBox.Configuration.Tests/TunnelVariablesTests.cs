namespace TunnelBox.Configuration.Tests;

public sealed class TunnelVariablesTests : IDisposable
{
    private const string Key = "YAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk=";
    private const string Peer = "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=";
    private readonly string _folder = Directory.CreateTempSubdirectory("tbvars").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void A_tunnel_stands_in_variables_and_the_files_that_they_name()
    {
        string key = Write("key", Key + "\n");
        Dictionary<(int, string), string> origins = [];
        List<string> paths = [];
        using WgFile file = TunnelVariables.Read(
            Of(
                ("TUNNELBOX__INTERFACE__PRIVATEKEY", Peer),
                ("TUNNELBOX__INTERFACE__PRIVATEKEY_FILE", key),
                ("TUNNELBOX__INTERFACE__ADDRESS", "10.0.0.2/24, fd00::2/64"),
                ("TUNNELBOX__PEERS__10__PUBLICKEY", Key),
                ("TUNNELBOX__PEERS__2__PUBLICKEY", Peer),
                ("TUNNELBOX__PEERS__2__AllowedIPs", "10.0.0.1/32,10.1.0.0/16"),
                ("TUNNELBOX__PEERS__2__ENDPOINT", "gateway.example:51820"),
                ("TUNNELBOX__PEERS__2__NAME", "the gateway"),
                ("TUNNELBOX__MTU", "1400"),
                ("PATH", "/bin")),
            origins,
            paths);
        Assert.Equal(Convert.FromBase64String(Key), file.Interface.PrivateKey);
        Assert.Equal(2, file.Interface.Addresses.Count);
        // In the order of their numbers, not of their text.
        Assert.Equal([Peer, Key], file.Peers.Select(peer => peer.PublicKey.ToString()));
        Assert.Equal(2, file.Peers[0].AllowedIps.Count);
        Assert.Equal("the gateway", file.Peers[0].Name);
        Assert.Equal(new HostPort("gateway.example", 51820), file.Peers[0].Endpoint);
        Assert.Equal("TUNNELBOX__INTERFACE__PRIVATEKEY_FILE", origins[(-1, "PrivateKey")]);
        Assert.Equal([key], paths);
    }

    [Theory]
    [InlineData("TUNNELBOX__INTERFACE__PRIVATKEY", Key, "TUNNELBOX__INTERFACE__PRIVATKEY: there is no such key. Did you mean PrivateKey?")]
    [InlineData("TUNNELBOX__INTERFACE__COLOUR", "red", "TUNNELBOX__INTERFACE__COLOUR: there is no such key. PrivateKey, ListenPort, FwMark, Address,")]
    [InlineData("TUNNELBOX__INTERFACE__LISTENPORT", "70000", "TUNNELBOX__INTERFACE__LISTENPORT: ")]
    [InlineData("TUNNELBOX__INTERFACE__MTU", "", "TUNNELBOX__INTERFACE__MTU: the value is missing")]
    [InlineData("TUNNELBOX__INTERFACE__ADDRESS", "10.0.0.1\nPrivateKey = x", "TUNNELBOX__INTERFACE__ADDRESS: the value has a line break")]
    [InlineData("TUNNELBOX__INTERFACE__PRIVATEKEY_FILE", "/nowhere/key", "TUNNELBOX__INTERFACE__PRIVATEKEY_FILE: there is no file /nowhere/key")]
    [InlineData("TUNNELBOX__INTERFACE__SAVECONFIG", "true", "TUNNELBOX__INTERFACE__SAVECONFIG: variables cannot be saved to")]
    [InlineData("TUNNELBOX__PEERS__x__PUBLICKEY", Peer, "TUNNELBOX__PEERS__x__PUBLICKEY: a peer's variable is TUNNELBOX__PEERS__NUMBER__KEY")]
    [InlineData("TUNNELBOX__PEERS__007__PUBLICKEY", Peer, "TUNNELBOX__PEERS__007__PUBLICKEY: a peer's variable is")]
    [InlineData("TUNNELBOX__PEERS__0__ENDPOINT", "a:1", "TUNNELBOX__PEERS__0__PUBLICKEY: it is missing; every peer needs one.")]
    [InlineData("TUNNELBOX__PEERS__0__PUBLICKEY", "short", "TUNNELBOX__PEERS__0__PUBLICKEY: ")]
    public void What_is_wrong_is_one_sentence_of_its_variable(string name, string value, string begins)
    {
        ConfigurationFaultsException refused = Assert.Throws<ConfigurationFaultsException>(() => TunnelVariables.Read(Of((name, value)), new Dictionary<(int, string), string>(), []));
        string sentence = Assert.Single(refused.Message.Split('\n'));
        Assert.StartsWith(begins, sentence, StringComparison.Ordinal);
    }

    [Fact]
    public void Everything_that_is_wrong_is_told_at_once_and_no_secret_is()
    {
        ConfigurationFaultsException refused = Assert.Throws<ConfigurationFaultsException>(() => TunnelVariables.Read(
            Of(("TUNNELBOX__INTERFACE__PRIVATEKEY", Key[..43]), ("TUNNELBOX__INTERFACE__MTU", "1"), ("TUNNELBOX__PEERS__0__PRESHAREDKEY", Key + "x"), ("TUNNELBOX__PEERS__0__X", "y")),
            new Dictionary<(int, string), string>(),
            []));
        Assert.Equal(5, refused.Faults.Count);
        Assert.DoesNotContain(Key[..40], refused.Message, StringComparison.Ordinal);
    }

    private static Dictionary<string, string> Of(params (string Name, string Value)[] variables) => variables.ToDictionary(v => v.Name, v => v.Value);

    private string Write(string name, string text)
    {
        string path = Path.Combine(_folder, name);
        File.WriteAllText(path, text);
        return path;
    }
}
