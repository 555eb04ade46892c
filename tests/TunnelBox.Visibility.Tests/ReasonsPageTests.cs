namespace TunnelBox.Visibility.Tests;

public sealed class ReasonsPageTests
{
    private const string PagePath = "src/TunnelBox.Visibility/REASONS.md";

    [Fact]
    public void The_page_and_the_registry_say_the_same()
    {
        DirectoryInfo? root = new(AppContext.BaseDirectory);
        while (root is not null && !File.Exists(Path.Combine(root.FullName, "TunnelBox.sln")))
        {
            root = root.Parent;
        }

        Assert.NotNull(root);
        string expected = ReasonsPage.Write();
        string made = Path.Combine(AppContext.BaseDirectory, "REASONS.md");
        File.WriteAllText(made, expected);
        string path = Path.Combine(root.FullName, PagePath);
        Assert.True(File.Exists(path) && File.ReadAllText(path) == expected, $"{PagePath} differs from the registry; copy {made} over it.");
    }

    [Fact]
    public void Every_reason_is_on_the_page_once() =>
        Assert.All(DropReasons.All, d => Assert.Equal(2, ReasonsPage.Write().Split($"| `{d.Name}` |").Length));
}
