namespace TunnelBox.DataPath.Tests.Support;

/// <summary>Where native/xdp stands.</summary>
internal static class NativeFolder
{
    public static string Path { get; } = Find();

    private static string Find()
    {
        string root = AppContext.BaseDirectory;
        while (!File.Exists(System.IO.Path.Combine(root, "TunnelBox.sln")))
        {
            root = System.IO.Path.GetDirectoryName(root)!;
        }

        return System.IO.Path.Combine(root, "native", "xdp");
    }
}
