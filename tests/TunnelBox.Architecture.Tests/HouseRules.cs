using System.Text.RegularExpressions;
using System.Xml.Linq;

namespace TunnelBox.Architecture.Tests;

/// <summary>The rules of src/README.md that files can break. Each answers with one sentence a violation.</summary>
internal static partial class HouseRules
{
    /// <summary>Lines that a page holds.</summary>
    public const int PageLines = 60;

    /// <summary>Lines that a source file may have.</summary>
    public const int FileLines = 400;

    /// <summary>Each project's floor; a project may import floors below its own.</summary>
    public static readonly IReadOnlyDictionary<string, int> Floors = new Dictionary<string, int>(StringComparer.Ordinal)
    {
        ["tunnelbox"] = 5,
        ["tunnelctl"] = 5,
        ["TunnelBox.Service"] = 4,
        ["TunnelBox.DataPath"] = 3,
        ["TunnelBox.Control"] = 3,
        ["TunnelBox.Protocol"] = 2,
        ["TunnelBox.Configuration"] = 2,
        ["TunnelBox.Crypto"] = 1,
        ["TunnelBox.Visibility"] = 1,
        ["TunnelBox.Linux"] = 0,
    };

    private static readonly string[] s_topLevel =
    [
        "src", "native", "configs", "tests", "interop", "TunnelBox.sln", "README.md", "LICENSE", "Makefile", "global.json", "NuGet.config",
    ];

    private static readonly string[] s_madeByBuilds = ["artifacts", "out", "TestResults"];

    // Tests of no single source file.
    private static readonly string[] s_unmirrored = ["TunnelBox.Architecture.Tests", "TunnelBox.EndToEnd.Tests", "TunnelBox.Benchmarks"];

    // Tests whose subject is no single file. A new line here needs as good a reason as these.
    private static readonly Dictionary<string, string> s_spanning = new(StringComparer.Ordinal)
    {
        ["tests/TunnelBox.Control.Tests/CompletionTests.cs"] = "completions in their real shells",
        ["tests/TunnelBox.Control.Tests/MannersTests.cs"] = "what every verb of tunnelctl owes its user",
        ["tests/TunnelBox.Control.Tests/ParserFuzzTests.cs"] = "every parser of files, arguments and replies on mutated input",
        ["tests/TunnelBox.Control.Tests/WgQuickSideBySideTests.cs"] = "wg-quick(8) and tunnelctl on one file",
        ["tests/TunnelBox.Control.Tests/WgSideBySideTests.cs"] = "wg(8) and tunnelctl on one daemon",
        ["tests/TunnelBox.Crypto.Tests/Batch/ConstantTimeTests.cs"] = "the time of every kernel",
        ["tests/TunnelBox.Crypto.Tests/Batch/ForcedWidthTests.cs"] = "all batch tests again on narrower processors",
        ["tests/TunnelBox.Crypto.Tests/Batch/Generator/KernelGeneratorTests.cs"] = "the generator of the kernels stands with the tests",
        ["tests/TunnelBox.Crypto.Tests/Batch/GuardPageTests.cs"] = "every kernel against the ends of memory",
        ["tests/TunnelBox.Crypto.Tests/Batch/Rfc8439Tests.cs"] = "the RFC's vectors through every kernel",
        ["tests/TunnelBox.Linux.Tests/Libc/ResourceTests.cs"] = "priorities of threads, over a file named like its header",
        ["tests/TunnelBox.DataPath.Tests/EveryReasonTests.cs"] = "every drop reason that the whole pipeline can give",
        ["tests/TunnelBox.DataPath.Tests/RetiredKeysTests.cs"] = "a session's keys, from handshake to the wiped arena",
        ["tests/TunnelBox.DataPath.Tests/Tun/TunTrafficTests.cs"] = "real traffic through all of Tun/",
        ["tests/TunnelBox.DataPath.Tests/Udp/UdpPathTests.cs"] = "real datagrams through all of Udp/",
        ["tests/TunnelBox.Linux.Tests/Libc/AbiTests.cs"] = "every struct of Libc/ against the C compiler",
        ["tests/TunnelBox.Protocol.Tests/CookieTests.cs"] = "a cookie's way through maker and checker",
        ["tests/TunnelBox.Service.Tests/ManualTests.cs"] = "the manuals of both programs",
        ["tests/TunnelBox.Service.Tests/ManifestTests.cs"] = "the manifests for containers",
        ["tests/TunnelBox.Service.Tests/DaemonProcessTests.cs"] = "the program as it runs",
    };

    // The two programs have no test project of their own: their few files are tested with the floor that does their work.
    private static readonly Dictionary<string, string> s_programs = new(StringComparer.Ordinal)
    {
        ["TunnelBox.Service"] = "tunnelbox",
        ["TunnelBox.Control"] = "tunnelctl",
    };

    public static IEnumerable<string> ProjectsStandOnTheirFloor(House house)
    {
        foreach (ProjectFile project in house.Projects.Where(p => p.IsSource))
        {
            if (!Floors.TryGetValue(project.Name, out int floor))
            {
                yield return $"{project.Path}: the house plan has no floor for this project.";
                continue;
            }

            foreach (string reference in project.References)
            {
                if (!Floors.TryGetValue(reference, out int below) || below >= floor)
                {
                    yield return $"{project.Path}: imports {reference}, which does not lie on a floor below.";
                }
            }
        }
    }

    public static IEnumerable<string> TheCommandLineStaysSmall(House house)
    {
        var seen = new HashSet<string>(StringComparer.Ordinal);
        var waiting = new Queue<string>(["tunnelctl"]);
        while (waiting.TryDequeue(out string? name))
        {
            if (!seen.Add(name) || house.Projects.Find(p => p.Name == name) is not { } project)
            {
                continue;
            }

            if (project.Includes("FrameworkReference").Any(f => f.StartsWith("Microsoft.AspNetCore", StringComparison.Ordinal))
                || ((string?)project.Document.Root?.Attribute("Sdk") ?? string.Empty).Contains("Web", StringComparison.Ordinal))
            {
                yield return $"{project.Path}: tunnelctl would import ASP.NET.";
            }

            foreach (string reference in project.References)
            {
                waiting.Enqueue(reference);
            }
        }

        foreach (string forbidden in seen.Intersect(["TunnelBox.DataPath", "TunnelBox.Service"]))
        {
            yield return $"src/tunnelctl: imports {forbidden}.";
        }
    }

    public static IEnumerable<string> EveryProjectHasAShortPage(House house)
    {
        foreach (ProjectFile project in house.Projects.Where(p => p.IsSource))
        {
            string page = Path.GetDirectoryName(project.Path) + "/README.md";
            if (!house.Has(page))
            {
                yield return $"{page}: is missing; say what lives there and what does not.";
            }
            else if (CountLines(house.Read(page)) is > PageLines and int lines)
            {
                yield return $"{page}: has {lines} lines, a page has {PageLines}.";
            }
        }
    }

    public static IEnumerable<string> EveryProjectIsInTheSolution(House house)
    {
        string solution = house.Read("TunnelBox.sln").Replace('\\', '/');
        return house.Projects.Where(p => !solution.Contains($"\"{p.Path}\"", StringComparison.Ordinal))
            .Select(p => $"{p.Path}: is not in TunnelBox.sln.");
    }

    public static IEnumerable<string> VersionsStandInOnePlace(House house)
    {
        var known = XDocument.Parse(house.Read("Directory.Packages.props")).Descendants("PackageVersion")
            .Select(e => (string?)e.Attribute("Include")).ToHashSet();
        foreach (ProjectFile project in house.Projects)
        {
            foreach (XElement reference in project.Elements("PackageReference"))
            {
                string name = (string?)reference.Attribute("Include") ?? (string?)reference.Attribute("Update") ?? "?";
                if (!known.Contains(name))
                {
                    yield return $"{project.Path}: package {name} is not in Directory.Packages.props.";
                }

                if (reference.Attributes().Any(a => a.Name.LocalName.StartsWith("Version", StringComparison.Ordinal))
                    || reference.Elements().Any(e => e.Name.LocalName.StartsWith("Version", StringComparison.Ordinal)))
                {
                    yield return $"{project.Path}: package {name} has a version of its own.";
                }
            }

            if (project.Elements("PackageVersion").Any())
            {
                yield return $"{project.Path}: package versions belong into Directory.Packages.props.";
            }
        }
    }

    public static IEnumerable<string> NativeCallsStayBelow(House house) => house.Sources
        .Where(s => s.Path.StartsWith("src/", StringComparison.Ordinal) && s.Project is not ("TunnelBox.Linux" or "TunnelBox.Crypto"))
        .Where(s => LibraryImportWord().IsMatch(s.Code))
        .Select(s => $"{s.Path}: LibraryImport belongs into TunnelBox.Linux or TunnelBox.Crypto.");

    public static IEnumerable<string> NobodyUsesDllImport(House house) => house.Sources
        .Where(s => DllImportWord().IsMatch(s.Code))
        .Select(s => $"{s.Path}: use LibraryImport instead of DllImport.");

    public static IEnumerable<string> UnsafeCodeStaysInItsRooms(House house) => house.Sources
        .Where(s => s.Path.StartsWith("src/", StringComparison.Ordinal) && !s.IsGenerated)
        .Where(s => s.Project is not ("TunnelBox.Linux" or "TunnelBox.Crypto" or "TunnelBox.DataPath")
            && !s.Path.StartsWith("src/TunnelBox.Visibility/Rings/", StringComparison.Ordinal))
        .Where(s => UnsafeWord().IsMatch(s.Code))
        .Select(s => $"{s.Path}: unsafe code belongs into Linux, Crypto, DataPath or Visibility/Rings.");

    public static IEnumerable<string> FilesStayShort(House house) => house.Sources
        .Where(s => !s.IsGenerated)
        .Select(s => (s.Path, Lines: CountLines(s.Text)))
        .Where(s => s.Lines > FileLines)
        .Select(s => $"{s.Path}: has {s.Lines} lines, {FileLines} are allowed.");

    public static IEnumerable<string> TestsMirrorSources(House house)
    {
        ILookup<string, string> sources = house.Sources
            .Where(s => s.Path.StartsWith("src/", StringComparison.Ordinal))
            .ToLookup(s => s.Project, s => House.BaseName(s.Path));
        foreach (SourceFile test in house.Sources.Where(s => s.Path.StartsWith("tests/", StringComparison.Ordinal)))
        {
            string name = House.BaseName(test.Path);
            if (s_unmirrored.Contains(test.Project) || !name.EndsWith("Tests", StringComparison.Ordinal) || s_spanning.ContainsKey(test.Path))
            {
                continue;
            }

            string project = test.Project[..^".Tests".Length];
            IEnumerable<string> known = sources[project].Concat(sources[s_programs.GetValueOrDefault(project, string.Empty)]);
            string subject = name[..^"Tests".Length];

            // A parser may have its fuzzing apart.
            string parser = subject.EndsWith("Fuzz", StringComparison.Ordinal) ? subject[..^"Fuzz".Length] : subject;
            if (!known.Contains(subject) && !known.Contains(parser))
            {
                yield return $"{test.Path}: there is no {subject}.cs in src/{project}.";
            }
        }
    }

    public static IEnumerable<string> ExceptionsAreStillThere(House house) => s_spanning.Keys
        .Where(path => !house.Has(path))
        .Select(path => $"{path}: is listed as a test of several files, but is not there.");

    public static IEnumerable<string> NothingElseStandsAtTheTop(House house) => Directory.EnumerateFileSystemEntries(house.Root)
        .Select(entry => Path.GetFileName(entry))
        .Where(name => !name.StartsWith('.') && !s_topLevel.Contains(name) && !s_madeByBuilds.Contains(name))
        .Where(name => !(name.StartsWith("Directory.", StringComparison.Ordinal) && (name.EndsWith(".props", StringComparison.Ordinal)
            || name.EndsWith(".targets", StringComparison.Ordinal))))
        .Select(name => $"{name}: nothing else stands at the top level.");

    /// <summary>Deliberate faults stand in interop/ttcn3/mutants, and are written into a copy: the product has no switch for them.</summary>
    public static IEnumerable<string> TheProductHoldsNoFaults(House house) => house.Sources
        .Where(s => s.Path.StartsWith("src/", StringComparison.Ordinal) && s.Text.Contains("MUTANT", StringComparison.OrdinalIgnoreCase))
        .Select(s => $"{s.Path}: deliberate faults stand in interop/ttcn3/mutants alone.");

    public static IEnumerable<string> NothingIsLeftForLater(House house) => house.Sources
        .Where(s => s.Project != "TunnelBox.Architecture.Tests" && LaterWord().IsMatch(s.Text))
        .Select(s => $"{s.Path}: finish it, or leave the note out.");

    private static int CountLines(string text) => text.AsSpan().TrimEnd('\n').Count('\n') + 1;

    [GeneratedRegex(@"\bLibraryImport(Attribute)?\b", RegexOptions.ExplicitCapture, 10_000)]
    private static partial Regex LibraryImportWord();

    [GeneratedRegex(@"\bDllImport(Attribute)?\b", RegexOptions.ExplicitCapture, 10_000)]
    private static partial Regex DllImportWord();

    [GeneratedRegex(@"\bunsafe\b", RegexOptions.ExplicitCapture, 10_000)]
    private static partial Regex UnsafeWord();

    [GeneratedRegex(@"\b(TODO|FIXME|XXX|HACK)\b", RegexOptions.ExplicitCapture, 10_000)]
    private static partial Regex LaterWord();
}
