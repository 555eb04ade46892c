using System.Diagnostics;

namespace TunnelBox.Service.Tests;

public sealed class ConfigurationWatchTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("tbwatch").FullName;
    private int _seen;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    [InlineData("write")]
    [InlineData("replace")]
    [InlineData("swap")]
    public async Task A_changed_file_is_seen_however_it_is_changed(string way)
    {
        string path = Mounted("one");
        using ConfigurationWatch watch = ConfigurationWatch.Start([path], () => Interlocked.Increment(ref _seen), sentence => Assert.Fail(sentence));
        switch (way)
        {
            case "write":
                File.WriteAllText(Path.Combine(_folder, "plain.conf"), "not ours");
                File.WriteAllText(Path.Combine(_folder, "other"), "not ours");
                await Task.Delay(600);
                Assert.Equal(0, Volatile.Read(ref _seen));
                File.Delete(path);
                File.WriteAllText(path, "two");
                break;
            case "replace":
                File.WriteAllText(path + ".new", "two");
                File.Move(path + ".new", path, overwrite: true);
                break;
            default:
                Swap("two");
                break;
        }

        await HeartbeatTests.Until(() => Volatile.Read(ref _seen) > 0);
        Assert.Equal("two", File.ReadAllText(path));
    }

    [Fact]
    public void A_directory_that_is_missing_is_told()
    {
        List<string> told = [];
        using ConfigurationWatch watch = ConfigurationWatch.Start(["/nowhere/wg0.conf"], () => { }, told.Add);
        Assert.Contains("send SIGHUP after a change", Assert.Single(told), StringComparison.Ordinal);
    }

    // As the kubelet writes a volume: files are links through ..data, which is a link to a folder of its own.
    private string Mounted(string text)
    {
        Swap(text);
        string path = Path.Combine(_folder, "wg0.conf");
        File.CreateSymbolicLink(path, "..data/wg0.conf");
        return path;
    }

    private void Swap(string text)
    {
        string version = $"..{Guid.NewGuid():N}";
        Directory.CreateDirectory(Path.Combine(_folder, version));
        File.WriteAllText(Path.Combine(_folder, version, "wg0.conf"), text);
        string fresh = Path.Combine(_folder, "..data_tmp");
        File.CreateSymbolicLink(fresh, version);
        using Process move = Process.Start("mv", ["-T", fresh, Path.Combine(_folder, "..data")]);
        move.WaitForExit();
        Assert.Equal(0, move.ExitCode);
    }
}
