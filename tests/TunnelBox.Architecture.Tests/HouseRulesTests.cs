namespace TunnelBox.Architecture.Tests;

/// <summary>Holds this repository to the house plan of src/README.md.</summary>
public sealed class HouseRulesTests
{
    [Fact]
    public void Projects_import_only_floors_below_their_own() => Holds(HouseRules.ProjectsStandOnTheirFloor);

    [Fact]
    public void Every_floor_of_the_plan_is_built() =>
        Assert.Equal(
            HouseRules.Floors.Keys.Order(StringComparer.Ordinal),
            House.Here.Projects.Where(p => p.IsSource).Select(p => p.Name).Order(StringComparer.Ordinal));

    [Fact]
    public void The_command_line_imports_neither_data_path_nor_web_server() => Holds(HouseRules.TheCommandLineStaysSmall);

    [Fact]
    public void Every_project_has_a_page_that_says_what_lives_there() => Holds(HouseRules.EveryProjectHasAShortPage);

    [Fact]
    public void Every_project_is_in_the_solution() => Holds(HouseRules.EveryProjectIsInTheSolution);

    [Fact]
    public void Package_versions_stand_in_one_place() => Holds(HouseRules.VersionsStandInOnePlace);

    [Fact]
    public void Only_Linux_and_Crypto_call_native_code() => Holds(HouseRules.NativeCallsStayBelow);

    [Fact]
    public void Nobody_uses_DllImport() => Holds(HouseRules.NobodyUsesDllImport);

    [Fact]
    public void Unsafe_code_stays_where_the_plan_allows_it() => Holds(HouseRules.UnsafeCodeStaysInItsRooms);

    [Fact]
    public void No_source_file_is_longer_than_four_hundred_lines() => Holds(HouseRules.FilesStayShort);

    [Fact]
    public void Every_test_file_mirrors_a_source_file() => Holds(HouseRules.TestsMirrorSources);

    [Fact]
    public void No_exception_outlives_its_file() => Holds(HouseRules.ExceptionsAreStillThere);

    [Fact]
    public void Nothing_else_stands_at_the_top_level() => Holds(HouseRules.NothingElseStandsAtTheTop);

    [Fact]
    public void Nothing_is_left_for_later() => Holds(HouseRules.NothingIsLeftForLater);

    [Fact]
    public void The_product_holds_no_deliberate_faults() => Holds(HouseRules.TheProductHoldsNoFaults);

    private static void Holds(Func<House, IEnumerable<string>> rule)
    {
        string[] violations = [.. rule(House.Here)];
        Assert.True(violations.Length == 0, string.Join('\n', violations));
    }
}
