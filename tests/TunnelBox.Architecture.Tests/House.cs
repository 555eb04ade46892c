using System.Xml.Linq;

namespace TunnelBox.Architecture.Tests;

/// <summary>One project file, as far as the house plan cares.</summary>
/// <param name="Name">The file's name without its ending.</param>
/// <param name="Path">Its path below the root.</param>
/// <param name="Document">Its content.</param>
internal sealed record ProjectFile(string Name, string Path, XDocument Document)
{
    /// <summary>Gets the names of the projects it references.</summary>
    public IEnumerable<string> References => Includes("ProjectReference").Select(include => House.BaseName(include));

    /// <summary>Gets whether it is one of the floors' projects, and not a test or benchmark.</summary>
    public bool IsSource => Path.StartsWith("src/", StringComparison.Ordinal);

    /// <summary>Gets the elements of one name.</summary>
    public IEnumerable<XElement> Elements(string name) => Document.Descendants(name);

    /// <summary>Gets what the elements of one name include.</summary>
    public IEnumerable<string> Includes(string name) =>
        Elements(name).Select(e => (string?)e.Attribute("Include") ?? (string?)e.Attribute("Update") ?? string.Empty);
}

/// <summary>One C# source file.</summary>
/// <param name="Path">Its path below the root, with forward slashes.</param>
/// <param name="Text">Its text.</param>
internal sealed record SourceFile(string Path, string Text)
{
    /// <summary>Gets the text without comments, strings and characters.</summary>
    public string Code { get; } = CodeText.Strip(Text);

    /// <summary>Gets the project folder's name: the second part of the path.</summary>
    public string Project => Path.Split('/')[1];

    /// <summary>Gets whether a generator wrote it.</summary>
    public bool IsGenerated => Path.EndsWith(".g.cs", StringComparison.Ordinal);
}

/// <summary>The repository's files, read once.</summary>
internal sealed class House
{
    private static readonly string[] s_skipped = ["artifacts", "out", "bin", "obj", ".git", ".vs", ".cache", "TestResults"];

    public House(string root)
    {
        Root = root;
        foreach (string path in Walk(root).Order(StringComparer.Ordinal))
        {
            string below = Path.GetRelativePath(root, path).Replace('\\', '/');
            if (path.EndsWith(".csproj", StringComparison.Ordinal))
            {
                Projects.Add(new ProjectFile(BaseName(path), below, XDocument.Load(path)));
            }
            else if (path.EndsWith(".cs", StringComparison.Ordinal))
            {
                Sources.Add(new SourceFile(below, File.ReadAllText(path)));
            }
        }
    }

    public string Root { get; }

    public List<ProjectFile> Projects { get; } = [];

    public List<SourceFile> Sources { get; } = [];

    /// <summary>Gets the house that these tests were built in.</summary>
    public static House Here { get; } = new(FindRoot());

    public string Read(string path) => File.ReadAllText(Path.Combine(Root, path));

    public bool Has(string path) => File.Exists(Path.Combine(Root, path));

    // Project files may be written with either separator.
    public static string BaseName(string path) => Path.GetFileNameWithoutExtension(path.Replace('\\', '/'));

    private static string FindRoot()
    {
        for (DirectoryInfo? folder = new(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "TunnelBox.sln")))
            {
                return folder.FullName;
            }
        }

        throw new InvalidOperationException($"There is no TunnelBox.sln above {AppContext.BaseDirectory}; run the tests from the repository.");
    }

    private static IEnumerable<string> Walk(string folder) =>
        Directory.EnumerateFiles(folder).Concat(Directory.EnumerateDirectories(folder)
            .Where(child => !s_skipped.Contains(Path.GetFileName(child)))
            .SelectMany(Walk));
}
