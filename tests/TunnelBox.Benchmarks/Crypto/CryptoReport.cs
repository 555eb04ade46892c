using System.Globalization;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using TunnelBox.Crypto.Batch;

namespace TunnelBox.Benchmarks.Crypto;

/// <summary>Runs the cases of one setting and writes them as a table and as a file.</summary>
internal static class CryptoReport
{
    /// <summary>Runs <c>crypto SHIM FILE SETTING RUNS</c>.</summary>
    /// <param name="shim">The library of interop/crypto/shim.c.</param>
    /// <param name="file">Where the figures go, as JSON.</param>
    /// <param name="setting">quiet, loaded (a neighbour is busy), or narrow (AVX-512 is off in this process).</param>
    /// <param name="runs">Runs of each case.</param>
    /// <param name="output">Where the table goes.</param>
    public static void Run(string shim, string file, string setting, int runs, TextWriter output)
    {
        bool narrow = setting == "narrow";
        Regex wanted = new(Environment.GetEnvironmentVariable("CASES") ?? string.Empty, RegexOptions.NonBacktracking | RegexOptions.CultureInvariant);
        CryptoBenchmark benchmark = new(new NativeAead(shim), narrow ? 2 : 0, runs, voids: setting != "loaded");
        string widest = PacketAead.Select().Name;
        output.WriteLine($"\n{setting}: {(narrow ? "vector256" : widest)} against {benchmark.Description}");
        List<CryptoFigure> figures = [];
        if (narrow)
        {
            foreach (CryptoCase what in CryptoCase.Narrow("vector256", 1.15).Where(c => wanted.IsMatch(c.Name)))
            {
                figures.Add(benchmark.Measure(what, "vector256", static name => name.StartsWith("ipsec-mb", StringComparison.Ordinal)));
            }
        }
        else
        {
            foreach (CryptoCase what in CryptoCase.Widest().Where(c => wanted.IsMatch(c.Name)))
            {
                figures.Add(benchmark.Measure(what, widest, static _ => true));
            }

            foreach (CryptoCase what in CryptoCase.Narrow("vector128", 1.0).Where(c => wanted.IsMatch(c.Name)))
            {
                figures.Add(benchmark.Measure(what, "vector128", static name => name == "libsodium"));
            }
        }

        Write(figures, output);
        output.WriteLine();
        JsonArray rows = [.. figures.Select(figure => Row(figure, setting))];
        if (setting == "quiet")
        {
            rows.Add((JsonNode)Plain("checksum-1400", "TCP/UDP checksum of 1,400 bytes", ChecksumBenchmark.Run(copy: false, sum: true), 25, output));
            double copy = ChecksumBenchmark.Run(copy: true, sum: false);
            double both = ChecksumBenchmark.Run(copy: true, sum: true);
            rows.Add((JsonNode)Plain("copy-1400", "copying 1,400 bytes", copy, null, output));
            rows.Add((JsonNode)Plain("checksum-copy-1400", "copying and adding up in one pass, as the GSO split does", both, null, output));
            rows.Add((JsonNode)Plain("checksum-split-1400", "what the checksum adds to the split's copy", both - copy, 25, output));
        }

        File.WriteAllText(file, rows.ToJsonString());
    }

    private static JsonObject Plain(string name, string what, double time, int? wanted, TextWriter output)
    {
        output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{name}, {what}: {time:F1} ns{(wanted is { } most ? $" (wanted: at most {most})" : "")}"));
        return new JsonObject { ["name"] = name, ["ours"] = Math.Round(time, 1), ["theirs"] = null, ["ratio"] = null, ["unit"] = "ns", ["wanted"] = wanted };
    }

    private static JsonObject Row(CryptoFigure figure, string setting) => new()
    {
        ["name"] = setting == "loaded" ? $"loaded-{figure.What.Name}" : figure.What.Name,
        ["ours"] = Math.Round(figure.OursMedian, 1),
        ["theirs"] = Math.Round(figure.TheirsMedian, 1),
        ["ratio"] = Math.Round(figure.Ratio, 3),
        ["unit"] = "ns/packet",
        ["wanted"] = figure.What.Wanted,
        ["ours_best"] = Math.Round(figure.OursBest, 1),
        ["theirs_best"] = Math.Round(figure.TheirsBest, 1),
        ["reference"] = figure.Reference,
        ["ratio_without_ifma"] = figure.RatioWithoutIfma is { } ratio ? Math.Round(ratio, 3) : null,
        ["runs"] = figure.Runs.Count,
        ["void_runs"] = figure.Voided,
        ["disturbed_runs"] = figure.Disturbed,
    };

    private static void Write(List<CryptoFigure> figures, TextWriter output)
    {
        output.WriteLine("| case                  | ours best / median | best native        | best / median      | ratio | wanted | no IFMA | OpenSSL | sodium | void | disturbed |");
        output.WriteLine("|-----------------------|-------------------:|--------------------|-------------------:|------:|-------:|--------:|--------:|-------:|-----:|----------:|");
        foreach (CryptoFigure figure in figures)
        {
            output.WriteLine(string.Create(
                CultureInfo.InvariantCulture,
                $"| {figure.What.Name,-21} | {figure.OursBest,8:F1} / {figure.OursMedian,7:F1} | {figure.Reference,-18} | {figure.TheirsBest,8:F1} / {figure.TheirsMedian,7:F1} | {figure.Ratio,5:F2} | {figure.What.Wanted,6:F2} | {figure.RatioWithoutIfma,7:F2} | {figure.Time("OpenSSL"),7:F0} | {figure.Time("libsodium"),6:F0} | {figure.Voided,4} | {(figure.Disturbed == 0 ? "" : $"{figure.Disturbed} of {figure.Runs.Count}"),9} |"));
        }

        int unsound = figures.Count(figure => figure.Disturbed > 0);
        if (unsound > 0)
        {
            output.WriteLine($"\n{unsound} of these figures rest on runs in which something disturbed the machine (the reference's median more than a tenth over its best).");
        }
    }
}
