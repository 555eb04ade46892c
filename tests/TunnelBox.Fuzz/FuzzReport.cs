using System.Globalization;
using System.Text.Json;

namespace TunnelBox.Fuzz;

/// <summary>The results of all targets, as a table and as JSON.</summary>
internal static class FuzzReport
{
    private static readonly JsonSerializerOptions s_indented = new() { WriteIndented = true };

    /// <summary>Writes one result.</summary>
    /// <param name="result">The result.</param>
    /// <param name="path">The file.</param>
    public static void Write(FuzzResult result, string path) => File.WriteAllText(path, JsonSerializer.Serialize(result) + "\n");

    /// <summary>Joins the results of a folder.</summary>
    /// <param name="folder">Where they stand, one a target.</param>
    /// <param name="path">The file for all of them.</param>
    /// <param name="names">The targets that must have one.</param>
    /// <param name="output">Takes the table.</param>
    /// <returns>Whether every target ended, and none found anything.</returns>
    public static bool Join(string folder, string path, IReadOnlyList<string> names, TextWriter output)
    {
        List<FuzzResult> results = [];
        bool good = true;
        output.WriteLine(Line("target", "inputs", "inputs/s", "cpu s", "branches", "finds"));
        foreach (string name in names)
        {
            string one = Path.Combine(folder, name + ".json");
            if (!File.Exists(one))
            {
                output.WriteLine(Line(name, "-", "-", "-", "-", "did not end"));
                good = false;
                continue;
            }

            FuzzResult result = JsonSerializer.Deserialize<FuzzResult>(File.ReadAllText(one))!;
            results.Add(result);
            good &= result.Finds.Count == 0;
            output.WriteLine(Line(name, Number(result.Inputs), Number(result.Inputs / Math.Max(result.Seconds, 0.001)), Number(result.CpuSeconds), Number(result.Branches), Number(result.Finds.Count)));
        }

        output.WriteLine(Line("all", Number(results.Sum(r => r.Inputs)), string.Empty, Number(results.Sum(r => r.CpuSeconds)), string.Empty, Number(results.Sum(r => r.Finds.Count))));
        File.WriteAllText(path, JsonSerializer.Serialize(results, s_indented) + "\n");
        return good;
    }

    private static string Line(string name, string inputs, string rate, string cpu, string branches, string finds) =>
        $"{name,-14}{inputs,12}{rate,12}{cpu,9}{branches,10}  {finds}";

    private static string Number(double value) => value.ToString("N0", CultureInfo.InvariantCulture);
}
