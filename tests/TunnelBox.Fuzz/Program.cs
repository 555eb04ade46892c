using System.Globalization;
using TunnelBox.Fuzz;
using TunnelBox.Fuzz.Targets;

Dictionary<string, Func<FuzzTarget>> targets = new(StringComparer.Ordinal)
{
    ["initiation"] = () => new InitiationTarget(),
    ["response"] = () => new ResponseTarget(),
    ["cookie"] = () => new CookieTarget(),
    ["data"] = () => new DataTarget(),
    ["uapi"] = () => new UapiTarget(),
    ["wg-file"] = () => new WgFileTarget(),
    ["settings"] = () => new SettingsTarget(),
    ["netlink"] = () => new NetlinkTarget(),
    ["gso"] = () => new GsoTarget(),
    ["gro"] = () => new GroTarget(),
    ["frames"] = () => new FramesTarget(),
    ["command-line"] = () => new CommandLineTarget(),
    ["dissector"] = () => new DissectorTarget(),
    ["launcher"] = () => new LauncherTarget(),
};

switch (args)
{
    case ["list"]:
        Console.WriteLine(string.Join('\n', targets.Keys));
        return 0;
    case ["instrument", var folder]:
        Coverage.Instrument(folder);
        return 0;
    case ["run", var name, var seconds, var seed, var folder] when targets.ContainsKey(name):
        return Run(name, double.Parse(seconds, CultureInfo.InvariantCulture), int.Parse(seed, CultureInfo.InvariantCulture), folder, 5);
    case ["once", var name, var seconds, var seed, var folder] when targets.ContainsKey(name):
        return Run(name, double.Parse(seconds, CultureInfo.InvariantCulture), int.Parse(seed, CultureInfo.InvariantCulture), folder, 1);
    case ["distil", var name, var seconds, var folder] when targets.ContainsKey(name):
        Distil(name, double.Parse(seconds, CultureInfo.InvariantCulture), folder);
        return 0;
    case ["again", var name, var file] when targets.ContainsKey(name):
        _ = new Coverage();
        using (FuzzTarget target = targets[name]())
        {
            Console.WriteLine($"outcome {target.Run(File.ReadAllBytes(file))}; everything holds");
        }

        return 0;
    case ["report", var folder, var file, .. var names]:
        return FuzzReport.Join(folder, file, names.Length > 0 ? names : [.. targets.Keys], Console.Out) ? 0 : 1;
    default:
        Console.Error.WriteLine("Usage: list | instrument FOLDER | run|once TARGET SECONDS SEED FOLDER | distil TARGET SECONDS FOLDER | again TARGET FILE | report FOLDER FILE [TARGET...]");
        return 2;
}

int Run(string name, double seconds, int seed, string folder, int most)
{
    // What the product itself prints, as a command line's answer, is nobody's business here.
    using var said = new StreamWriter(Path.Combine(folder, name + ".log")) { AutoFlush = true };
    string corpus = Path.Combine(AppContext.BaseDirectory, "corpus", name);
    byte[][] inputs = Directory.Exists(corpus) ? [.. Directory.GetFiles(corpus).Order(StringComparer.Ordinal).Select(File.ReadAllBytes)] : [];
    said.WriteLine($"{name}: SEED={seed}, {inputs.Length} inputs of the corpus");
    var coverage = new Coverage();
    using FuzzTarget target = targets[name]();
    FuzzResult result = new FuzzRun(target, coverage, seed, folder, said.WriteLine, most).Run(inputs, seconds);
    FuzzReport.Write(result, Path.Combine(folder, name + ".json"));
    said.WriteLine($"{name}: {result.Inputs} inputs, {result.CpuSeconds:F1} s of processor time, {result.Branches} branches, {result.Finds.Count} finds");
    return result.Finds.Count == 0 ? 0 : 1;
}

// A small corpus: of all that a run kept, the shortest inputs that take every branch it took, or the first of them.
void Distil(string name, double seconds, string folder)
{
    const int Most = 24;
    var coverage = new Coverage();
    using FuzzTarget target = targets[name]();
    var run = new FuzzRun(target, coverage, 1, Path.GetTempPath(), Console.Error.WriteLine);
    run.Run([], seconds);
    Directory.CreateDirectory(folder);
    var again = new Coverage();
    int kept = 0;
    foreach (byte[] input in run.Pool.Except(target.Seeds).OrderBy(input => input.Length))
    {
        again.Clear();
        int outcome = target.Run(input);
        if (again.IsNew() && kept < Most)
        {
            File.WriteAllBytes(Path.Combine(folder, $"{kept++:D2}"), input);
        }
    }
}
