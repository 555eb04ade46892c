using TunnelBox.DataPath.Xdp;

namespace TunnelBox.DataPath.Tests.Xdp;

/// <summary>What is written and put back, at a loopback device of a namespace; that a killed daemon's is put back is tested end to end.</summary>
[Trait("Needs", "root")]
public sealed class DeferredInterruptsTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("tb-napi").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void A_device_that_is_not_there_is_none_and_leaves_no_file()
    {
        Assert.Null(DeferredInterrupts.Begin("nothing0", _folder));
        Assert.Empty(Directory.GetFiles(_folder));
    }

    [Fact]
    public void A_file_is_kept_while_interrupts_are_off_and_a_living_owners_is_left_alone()
    {
        // In the namespace of the test run: sysfs shows the devices of the namespace it was mounted in.
        string device = Directory.GetDirectories("/sys/class/net").Select(path => Path.GetFileName(path)!).First(name => name != "lo");
        string before = Read(device);
        using (DeferredInterrupts? held = DeferredInterrupts.Begin(device, _folder))
        {
            Assert.NotNull(held);
            Assert.Single(Directory.GetFiles(_folder));
            Assert.Equal("2 200000", Read(device));
            Assert.Empty(DeferredInterrupts.RestoreLeft(_folder));
            Assert.Equal("2 200000", Read(device));
        }

        Assert.Empty(Directory.GetFiles(_folder));
        Assert.Equal(before, Read(device));
    }

    [Theory]
    [InlineData("")]
    [InlineData("../../x\n1\n2\n")]
    [InlineData("lo\n1\n")]
    [InlineData("lo\n-1\nx\n")]
    public void A_damaged_file_is_thrown_away(string text)
    {
        string inode = string.Concat(new FileInfo("/proc/thread-self/ns/net").LinkTarget!.Where(char.IsAsciiDigit));
        File.WriteAllText(Path.Combine(_folder, $"napi-{inode}-1"), text);
        string before = Read("lo");
        _ = DeferredInterrupts.RestoreLeft(_folder);
        Assert.Empty(Directory.GetFiles(_folder));
        Assert.Equal(before, Read("lo"));
    }

    private static string Read(string device) =>
        $"{File.ReadAllText($"/sys/class/net/{device}/napi_defer_hard_irqs").Trim()} {File.ReadAllText($"/sys/class/net/{device}/gro_flush_timeout").Trim()}";
}
