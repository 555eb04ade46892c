using System.Diagnostics;
using System.Text;
using System.Text.RegularExpressions;
using k8s;
using k8s.Models;
using TunnelBox.Configuration;
using YamlDotNet.RepresentationModel;

namespace TunnelBox.Service.Tests;

/// <summary>The manifests of configs/kubernetes and configs/compose.yaml: read strictly by the API's own types, whole, and in step with what the daemon understands.</summary>
public sealed class ManifestTests
{
    private static readonly string s_folder = Path.Combine(Root(), "configs/kubernetes");

    [Fact]
    public void Every_manifest_is_what_the_api_knows_and_nothing_more()
    {
        List<object> all = [.. All()];
        Assert.Equal(4, all.Count);
        Assert.Equal(
            ["ConfigMap", "DaemonSet", "Deployment", "NetworkPolicy"],
            all.Cast<IKubernetesObject>().Select(one => one.Kind).Order(StringComparer.Ordinal));
    }

    [Theory]
    [InlineData("restartPolicy: Always\n          args", "restartpolicy: Always\n          args")]
    [InlineData("            httpGet:\n              path: /startupz", "            httpget:\n              path: /startupz")]
    [InlineData("            failureThreshold: 60", "            failureThreshold: often")]
    [InlineData("  replicas: 1\n", "  replicas: 1\n  replicas: 2\n")]
    public void The_validator_finds_a_mistake(string right, string wrong)
    {
        string text = File.ReadAllText(Path.Combine(s_folder, "base/sidecar.yaml"));
        Assert.Contains(right, text, StringComparison.Ordinal);
        Assert.ThrowsAny<Exception>(() => KubernetesYaml.LoadAllFromString(text.Replace(right, wrong, StringComparison.Ordinal), null, true));
    }

    [Fact]
    public void The_sidecar_is_native_probed_and_holds_what_it_needs_only()
    {
        V1PodSpec pod = All().OfType<V1Deployment>().Single().Spec.Template.Spec;
        V1Container sidecar = Assert.Single(pod.InitContainers);
        Assert.Equal("Always", sidecar.RestartPolicy);
        Probed(sidecar);
        Confined(pod, sidecar);
        Assert.True(pod.TerminationGracePeriodSeconds >= 25);
    }

    [Fact]
    public void The_gateway_is_probed_at_its_own_address_and_its_file_is_mounted_as_a_folder()
    {
        V1PodSpec pod = All().OfType<V1DaemonSet>().Single().Spec.Template.Spec;
        V1Container gateway = Assert.Single(pod.Containers);
        Probed(gateway);
        Confined(pod, gateway);
        Assert.All(gateway.VolumeMounts, mount => Assert.Null(mount.SubPath));
        Assert.True(pod.HostNetwork);
    }

    [Fact]
    public void Variables_of_the_manifests_are_ones_that_the_daemon_knows()
    {
        string text = string.Join('\n', Directory.GetFiles(s_folder, "*.yaml", SearchOption.AllDirectories).Append(Path.Combine(Root(), "configs/compose.yaml")).Select(File.ReadAllText));
        string[] names = [.. Regex.Matches(text, "TUNNELBOX__[A-Z0-9_]+", RegexOptions.None, TimeSpan.FromSeconds(5)).Select(match => match.Value).Distinct()];
        Assert.NotEmpty(names);
        foreach (string name in names.Where(name => !TunnelVariables.AreGiven(new Dictionary<string, string> { [name] = string.Empty })))
        {
            Assert.NotNull(SettingDefinition.Find(name["TUNNELBOX__".Length..]));
        }

        Dictionary<string, string> ours = names.Where(name => TunnelVariables.AreGiven(new Dictionary<string, string> { [name] = string.Empty })).ToDictionary(name => name, _ => "x");
        ConfigurationFaultsException refused = Assert.Throws<ConfigurationFaultsException>(() => TunnelVariables.Read(ours, new Dictionary<(int, string), string>(), []));
        Assert.DoesNotContain("there is no such key", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Kustomizations_list_every_file_beside_them_and_the_monitor_finds_the_ports()
    {
        foreach (string path in Directory.GetFiles(s_folder, "kustomization.yaml", SearchOption.AllDirectories))
        {
            YamlMappingNode root = Yaml(path);
            string[] listed = [.. ((YamlSequenceNode)root["resources"]).Select(node => node.ToString())];
            Assert.Equal(
                Directory.GetFiles(Path.GetDirectoryName(path)!, "*.yaml").Select(Path.GetFileName).Where(name => name != "kustomization.yaml").Order(StringComparer.Ordinal),
                listed.Order(StringComparer.Ordinal));
        }

        YamlMappingNode spec = (YamlMappingNode)Yaml(Path.Combine(s_folder, "monitoring/podmonitor.yaml"))["spec"];
        string[] ports = [.. ((YamlSequenceNode)spec["podMetricsEndpoints"]).Select(endpoint => endpoint["port"].ToString())];
        string[] there =
        [
            .. All().OfType<V1Deployment>().Single().Spec.Template.Spec.InitContainers.SelectMany(one => one.Ports).Select(port => port.Name),
            .. All().OfType<V1DaemonSet>().Single().Spec.Template.Spec.Containers.SelectMany(one => one.Ports).Select(port => port.Name),
        ];
        Assert.All(ports, port => Assert.Contains(port, there));
    }

    [Fact]
    public void Compose_gives_the_device_the_capability_and_a_health_check()
    {
        YamlMappingNode services = (YamlMappingNode)Yaml(Path.Combine(Root(), "configs/compose.yaml"))["services"];
        YamlMappingNode tunnel = (YamlMappingNode)services["tunnelbox"];
        Assert.Equal("/dev/net/tun:/dev/net/tun", Assert.Single((YamlSequenceNode)tunnel["devices"]).ToString());
        Assert.Equal("NET_ADMIN", Assert.Single((YamlSequenceNode)tunnel["cap_add"]).ToString());
        Assert.Contains("--probe", tunnel["healthcheck"]["test"].ToString(), StringComparison.Ordinal);
        Assert.Equal("service:tunnelbox", services["application"]["network_mode"].ToString());
    }

    private static void Probed(V1Container container)
    {
        Assert.Equal("/startupz", container.StartupProbe.HttpGet.Path);
        Assert.Equal("/readyz", container.ReadinessProbe.HttpGet.Path);
        Assert.Equal("/livez", container.LivenessProbe.HttpGet.Path);
    }

    private static void Confined(V1PodSpec pod, V1Container container)
    {
        Assert.True(pod.SecurityContext.RunAsNonRoot);
        Assert.Equal("RuntimeDefault", pod.SecurityContext.SeccompProfile.Type);
        Assert.False(pod.AutomountServiceAccountToken);
        Assert.Equal(["ALL"], container.SecurityContext.Capabilities.Drop);
        Assert.Equal(["NET_ADMIN"], container.SecurityContext.Capabilities.Add);
        Assert.True(container.SecurityContext.ReadOnlyRootFilesystem);
        Assert.NotEqual(true, container.SecurityContext.Privileged);
        Assert.Contains(pod.Volumes, volume => volume.HostPath is { Path: "/dev/net/tun", Type: "CharDevice" });
    }

    private static IEnumerable<object> All() => Directory.GetFiles(Path.Combine(s_folder, "base"), "*.yaml")
        .Where(path => !path.EndsWith("kustomization.yaml", StringComparison.Ordinal))
        .SelectMany(path => KubernetesYaml.LoadAllFromString(File.ReadAllText(path), null, true));

    private static YamlMappingNode Yaml(string path)
    {
        YamlStream stream = [];
        using StringReader reader = new(File.ReadAllText(path, Encoding.UTF8));
        stream.Load(reader);
        return (YamlMappingNode)stream.Documents[0].RootNode;
    }

    private static string Root()
    {
        DirectoryInfo? here = new(AppContext.BaseDirectory);
        while (here is not null && !File.Exists(Path.Combine(here.FullName, "TunnelBox.sln")))
        {
            here = here.Parent;
        }

        return here?.FullName ?? throw new UnreachableException("The tests run inside the repository.");
    }
}
