namespace TunnelBox.Configuration.Tests;

public sealed class TunnelConfigurationTests : IDisposable
{
    private const string Key = "YAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk=";
    private const string Other = "gJlmpLp/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAEA=";
    private const string Peer = "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=";
    private readonly string _folder = Directory.CreateTempSubdirectory("tbconf").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void The_file_wins_over_variables_key_by_key_and_the_sources_are_told_without_secrets()
    {
        string path = Write("wg0.conf", $"[Interface]\nPrivateKey = {Key}\nTable = auto\n[Peer]\nPublicKey = {Peer}\nAllowedIPs = 10.1.0.0/16\n[Peer]\nPublicKey = {Other}\n");
        using TunnelConfiguration configuration = TunnelConfiguration.Load(path, new Dictionary<string, string>
        {
            ["TUNNELBOX__INTERFACE__PRIVATEKEY"] = Other,
            ["TUNNELBOX__INTERFACE__LISTENPORT"] = "51000",
            ["TUNNELBOX__INTERFACE__TABLE"] = "off",
            ["TUNNELBOX__PEERS__0__PUBLICKEY"] = Peer,
            ["TUNNELBOX__PEERS__0__ALLOWEDIPS"] = "0.0.0.0/0",
            ["TUNNELBOX__PEERS__0__ENDPOINT"] = "192.0.2.1:51820",
            ["TUNNELBOX__PEERS__0__PRESHAREDKEY"] = Key,
        });
        Assert.Equal(Convert.FromBase64String(Key), configuration.File.Interface.PrivateKey);
        Assert.Equal((ushort)51000, configuration.File.Interface.ListenPort);
        Assert.Equal(RouteTable.Auto, configuration.File.Interface.Table);
        Assert.Equal(2, configuration.File.Peers.Count);
        WgPeer merged = configuration.File.Peers[0];
        Assert.Equal("10.1.0.0/16", Assert.Single(merged.AllowedIps).Network.ToString());
        Assert.Equal(new HostPort("192.0.2.1", 51820), merged.Endpoint);
        Assert.NotNull(merged.PresharedKey);

        string[] told = [.. configuration.Values.Select(value => value.ToString())];
        Assert.Contains($"Interface PrivateKey = (hidden) (from {path})", told);
        Assert.Contains("Interface ListenPort = 51000 (from TUNNELBOX__INTERFACE__LISTENPORT)", told);
        Assert.Contains("Peer 0 PresharedKey = (hidden) (from TUNNELBOX__PEERS__0__PRESHAREDKEY)", told);
        Assert.Contains($"Peer 0 AllowedIPs = 10.1.0.0/16 (from {path})", told);
        Assert.DoesNotContain(told, line => line.Contains(Key, StringComparison.Ordinal));
    }

    [Fact]
    public void Faults_of_all_sources_are_told_together()
    {
        string path = Write("wg0.conf", "[Interface]\nPrivateKey = nonsense\n");
        ConfigurationFaultsException refused = Assert.Throws<ConfigurationFaultsException>(
            () => TunnelConfiguration.Load(path, new Dictionary<string, string> { ["TUNNELBOX__INTERFACE__MTU"] = "x" }));
        Assert.Equal(["TUNNELBOX__INTERFACE__MTU", path], refused.Faults.Select(fault => fault.Source));
    }

    [Fact]
    public void A_tunnel_without_a_private_key_is_refused_with_the_variable_that_gives_one()
    {
        ConfigurationFaultsException refused = Assert.Throws<ConfigurationFaultsException>(
            () => TunnelConfiguration.Load(null, new Dictionary<string, string> { ["TUNNELBOX__INTERFACE__MTU"] = "1400" }));
        Assert.Equal("TUNNELBOX__INTERFACE__PRIVATEKEY_FILE: it is missing; name the file that holds the private key.", refused.Message);
    }

    private string Write(string name, string text)
    {
        string path = Path.Combine(_folder, name);
        File.WriteAllText(path, text);
        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        return path;
    }
}
