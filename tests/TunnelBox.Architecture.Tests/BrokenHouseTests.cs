namespace TunnelBox.Architecture.Tests;

/// <summary>Shows that every rule notices its violation, on a small house that breaks all of them.</summary>
public sealed class BrokenHouseTests : IDisposable
{
    private readonly string _root = Directory.CreateTempSubdirectory("tb-house-").FullName;

    public BrokenHouseTests()
    {
        Write("TunnelBox.sln", "Project(\"{X}\") = \"TunnelBox.Linux\", \"src\\TunnelBox.Linux\\TunnelBox.Linux.csproj\", \"{Y}\"\n");
        Write("Directory.Packages.props", "<Project><ItemGroup><PackageVersion Include=\"good\" Version=\"1.0\" /></ItemGroup></Project>");
        Project("TunnelBox.Linux", string.Empty);
        Write("src/TunnelBox.Linux/README.md", "# TunnelBox.Linux\n");
    }

    [Fact]
    public void A_sound_house_breaks_no_rule()
    {
        Write("src/TunnelBox.Linux/Thing.cs", "// DllImport in a comment, \"unsafe\" in a string: \nclass Thing { string s = \"DllImport\"; }\n");
        Write("tests/TunnelBox.Linux.Tests/ThingTests.cs", "class ThingTests;\n");
        var house = new House(_root);
        Assert.Empty(HouseRules.ProjectsStandOnTheirFloor(house));
        Assert.Empty(HouseRules.EveryProjectHasAShortPage(house));
        Assert.Empty(HouseRules.EveryProjectIsInTheSolution(house));
        Assert.Empty(HouseRules.NobodyUsesDllImport(house));
        Assert.Empty(HouseRules.TestsMirrorSources(house));
        Assert.Empty(HouseRules.NothingElseStandsAtTheTop(house));
    }

    [Theory]
    [InlineData("TunnelBox.Linux", "TunnelBox.Crypto")]
    [InlineData("TunnelBox.Crypto", "TunnelBox.Visibility")]
    [InlineData("TunnelBox.Protocol", "TunnelBox.DataPath")]
    [InlineData("TunnelBox.Protocol", "TunnelBox.Protocol")]
    [InlineData("TunnelBox.Service", "Strangers.Library")]
    public void An_import_that_does_not_lie_below_is_noticed(string from, string to)
    {
        Project(from, $"<ProjectReference Include=\"../{to}/{to}.csproj\" />");
        Assert.Single(HouseRules.ProjectsStandOnTheirFloor(new House(_root)));
    }

    [Fact]
    public void A_project_without_floor_page_or_place_in_the_solution_is_noticed()
    {
        Project("TunnelBox.Attic", string.Empty);
        var house = new House(_root);
        Assert.Single(HouseRules.ProjectsStandOnTheirFloor(house));
        Assert.Single(HouseRules.EveryProjectHasAShortPage(house));
        Assert.Single(HouseRules.EveryProjectIsInTheSolution(house));
    }

    [Fact]
    public void A_page_that_is_too_long_is_noticed()
    {
        Write("src/TunnelBox.Linux/README.md", string.Concat(Enumerable.Repeat("line\n", HouseRules.PageLines + 1)));
        Assert.Single(HouseRules.EveryProjectHasAShortPage(new House(_root)));
    }

    [Fact]
    public void A_command_line_that_imports_too_much_is_noticed()
    {
        Project("tunnelctl", "<ProjectReference Include=\"../TunnelBox.Control/TunnelBox.Control.csproj\" />");
        Project(
            "TunnelBox.Control",
            "<ProjectReference Include=\"..\\TunnelBox.DataPath\\TunnelBox.DataPath.csproj\" /><FrameworkReference Include=\"Microsoft.AspNetCore.App\" />");
        Assert.Equal(2, HouseRules.TheCommandLineStaysSmall(new House(_root)).Count());
    }

    [Theory]
    [InlineData("<PackageReference Include=\"unknown\" />")]
    [InlineData("<PackageReference Include=\"good\" Version=\"2.0\" />")]
    [InlineData("<PackageReference Include=\"good\" VersionOverride=\"2.0\" />")]
    [InlineData("<PackageReference Include=\"good\"><Version>2.0</Version></PackageReference>")]
    [InlineData("<PackageVersion Include=\"other\" Version=\"2.0\" />")]
    public void A_package_on_its_own_terms_is_noticed(string item)
    {
        Project("TunnelBox.Linux", item);
        Assert.Single(HouseRules.VersionsStandInOnePlace(new House(_root)));
    }

    [Fact]
    public void Native_and_unsafe_code_in_the_wrong_room_is_noticed()
    {
        Write("src/TunnelBox.Protocol/A.cs", "unsafe class A { [LibraryImport(\"c\")] static partial void F(); }\n");
        Write("src/TunnelBox.Visibility/B.cs", "class B { unsafe int* P; }\n");
        Write("src/TunnelBox.Visibility/Rings/C.cs", "unsafe class C { [DllImport(\"c\")] static extern void F(); }\n");
        Write("src/TunnelBox.Linux/D.cs", "unsafe class D { [LibraryImport(\"c\")] static partial void F(); }\n");
        var house = new House(_root);
        Assert.Single(HouseRules.NativeCallsStayBelow(house));
        Assert.Single(HouseRules.NobodyUsesDllImport(house));
        Assert.Equal(2, HouseRules.UnsafeCodeStaysInItsRooms(house).Count());
    }

    [Fact]
    public void A_file_that_is_too_long_is_noticed_unless_generated()
    {
        string longText = string.Concat(Enumerable.Repeat("//\n", HouseRules.FileLines + 1));
        Write("src/TunnelBox.Linux/Long.cs", longText);
        Write("src/TunnelBox.Linux/Long.g.cs", longText);
        Write("src/TunnelBox.Linux/Fits.cs", longText[3..]);
        Assert.Single(HouseRules.FilesStayShort(new House(_root)));
    }

    [Fact]
    public void A_test_without_a_source_is_noticed()
    {
        Write("tests/TunnelBox.Linux.Tests/GhostTests.cs", "class GhostTests;\n");
        Write("tests/TunnelBox.Linux.Tests/Helper.cs", "class Helper;\n");
        Write("tests/TunnelBox.EndToEnd.Tests/RoamingTests.cs", "class RoamingTests;\n");
        Assert.Single(HouseRules.TestsMirrorSources(new House(_root)));
    }

    [Fact]
    public void A_stray_file_and_a_note_for_later_are_noticed()
    {
        Write("notes.txt", "x");
        Write("src/TunnelBox.Linux/Note.cs", "// TODO\n");
        Write("src/TunnelBox.Linux/Mutant.cs", "class Mutant;\n");
        var house = new House(_root);
        Assert.Single(HouseRules.NothingElseStandsAtTheTop(house));
        Assert.Single(HouseRules.NothingIsLeftForLater(house));
        Assert.Single(HouseRules.TheProductHoldsNoFaults(house));
    }

    [Theory]
    [InlineData("a // unsafe\nb", "a  \nb")]
    [InlineData("a /* unsafe */ b", "a   b")]
    [InlineData("a \"\\\"unsafe\" b", "a   b")]
    [InlineData("a @\"unsafe \"\" unsafe\\\" b", "a @  b")]
    [InlineData("a \"\"\"un\"safe\"\"\" b", "a   b")]
    [InlineData("a '\"' b '\\'' unsafe", "a   b   unsafe")]
    public void Comments_and_strings_are_no_code(string text, string code) => Assert.Equal(code, CodeText.Strip(text));

    public void Dispose() => Directory.Delete(_root, recursive: true);

    private void Project(string name, string items) =>
        Write($"src/{name}/{name}.csproj", $"<Project Sdk=\"Microsoft.NET.Sdk\"><ItemGroup>{items}</ItemGroup></Project>");

    private void Write(string path, string text)
    {
        string full = Path.Combine(_root, path);
        Directory.CreateDirectory(Path.GetDirectoryName(full)!);
        File.WriteAllText(full, text);
    }
}
