using TunnelBox.Control.Diagnosis;

namespace TunnelBox.Control.Tests.Diagnosis;

/// <summary>Checks of processors on trees that stand in for /proc and /sys: no namespace has a governor or interrupts of its own.</summary>
public sealed class HostChecksTests : IDisposable
{
    private readonly string _root = Directory.CreateTempSubdirectory("tbhost").FullName;

    public void Dispose() => Directory.Delete(_root, recursive: true);

    [Fact]
    public void Processors_that_crawl_and_interrupts_that_all_go_to_one_are_found()
    {
        Write("/sys/devices/system/cpu/cpu0/topology/core_id", "0\n");
        Write("/sys/devices/system/cpu/cpu1/topology/core_id", "1\n");
        Write("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "schedutil\n");
        Write("/proc/interrupts", "     CPU0  CPU1\n 40:  7  0  PCI-MSI  0-edge  eth0-rx-0\n 41:  7  0  PCI-MSI  1-edge  eth0-rx-1\n 9:  1  0  IO-APIC  acpi\n");
        Write("/proc/irq/40/smp_affinity_list", "0\n");
        Write("/proc/irq/41/smp_affinity_list", "1\n");
        Assert.Equal(CheckStatus.Pass, Assert.Single(Run()).Status);

        Write("/proc/irq/41/smp_affinity_list", "0\n");
        Assert.Contains("All 2 interrupts of eth0 go to processor 0", Assert.Single(Run()).Message, StringComparison.Ordinal);
        Write("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "powersave\n");
        Assert.Equal([CheckStatus.Warn, CheckStatus.Warn], Run().Select(finding => finding.Status));

        // These drivers call it powersave, and scale all the same.
        Write("/sys/devices/system/cpu/cpu0/cpufreq/scaling_driver", "intel_pstate\n");
        Assert.Single(Run());
    }

    private List<Finding> Run() => [.. Doctor.Find("processors").Run(DiagnosisContexts.Healthy() with { Root = _root }, CancellationToken.None)];

    private void Write(string path, string text)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(_root + path)!);
        File.WriteAllText(_root + path, text);
    }
}
