using System.Diagnostics;
using System.Globalization;
using TunnelBox.DataPath.Steering;
using TunnelBox.Linux.Libbpf;
using TunnelBox.Linux.Libc;
using TunnelBox.Linux.Netlink;

namespace TunnelBox.Benchmarks;

/// <summary>What steering rules cost: changes of the XDP program's map, and of traffic control on a device, each through the ledger's backends.</summary>
public static class SteeringBenchmark
{
    private const int Sessions = 200_000;
    private const int Reconciled = 10_000;

    /// <summary>Measures sessions a second that are put into the map of native/xdp/outer.bpf.c, and taken out of it.</summary>
    /// <param name="file">The compiled program.</param>
    /// <param name="output">Where a line goes for each figure: its name and value.</param>
    public static void RunMap(string file, TextWriter output)
    {
        ArgumentNullException.ThrowIfNull(output);
        using BpfObject loaded = BpfObject.Load(File.ReadAllBytes(file), "outer", 0, out int error) ?? throw new InvalidOperationException($"{file}: {Errno.Describe(error)}");
        using var filter = new IndexFilter(loaded.Map("filter"));
        var map = new SessionMap(loaded.Map("sessions"), filter: filter);
        var answers = new SteeringAnswer[Sessions];
        SteeringOrder[] Orders(bool isRemoval) =>
        [
            .. Enumerable.Range(0, Sessions).Select(i => new SteeringOrder(i, new SteeringRule((uint)i * 2654435761u, (uint)i, SteeringRule.Any, SteeringRule.Any), isRemoval)),
        ];
        SteeringOrder[] additions = Orders(isRemoval: false);
        SteeringOrder[] removals = Orders(isRemoval: true);

        // The first round compiles the code and is not counted.
        for (int round = 0; round < 2; round++)
        {
            double added = Carry(additions);
            double updated = Carry(additions);
            double removed = Carry(removals);
            if (round == 1)
            {
                Write(output, "map-add", added);
                Write(output, "map-update", updated);
                Write(output, "map-remove", removed);
            }
        }

        double Carry(SteeringOrder[] orders)
        {
            long start = Stopwatch.GetTimestamp();
            map.Submit(orders);
            Require(map.Collect(answers) == Sessions && answers.All(answer => answer.Error == 0), "the map refused a session");
            return Sessions / Stopwatch.GetElapsedTime(start).TotalSeconds;
        }
    }

    /// <summary>Measures rules a second of traffic control, and how long a ledger takes to set 10,000 right after a resync.</summary>
    /// <param name="device">The device, in this network namespace.</param>
    /// <param name="count">Rules.</param>
    /// <param name="batch">A file to be written for <c>tc -batch</c>: the same rules in the same tables; <c>-</c> for none.</param>
    /// <param name="output">Where a line goes for each figure: its name and value.</param>
    public static void RunTrafficControl(string device, int count, string batch, TextWriter output)
    {
        ArgumentNullException.ThrowIfNull(output);
        int number = DataPath.Xdp.XdpOuter.IndexOf(device);
        IndexRuleChange[] changes = [.. Enumerable.Range(0, count).Select(i => new IndexRuleChange(IndexOf(i), (ushort)((i % 16) + 1)))];
        if (batch != "-")
        {
            File.WriteAllLines(batch, changes.Select(change => string.Create(
                CultureInfo.InvariantCulture,
                $"filter add dev {device} ingress pref 45236 protocol ip u32 ht {0x200 + ((change.Index >> 8) & 3):x}:{change.Index & 0xFF:x}: match u32 0x{System.Buffers.Binary.BinaryPrimitives.ReverseEndianness(change.Index):x8} 0xffffffff at 4 flowid 1:{change.Class:x} skip_hw")));
        }

        // The first round compiles the code and is not counted.
        for (int round = 0; round < 2; round++)
        {
            using IndexRules rules = IndexRules.Open(number, 51820, inHardware: false);
            int[] errors = new int[count];
            long start = Stopwatch.GetTimestamp();
            rules.Change(changes, errors);
            double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
            double kernel = rules.Waited.TotalSeconds;
            Require(errors.All(error => error == 0), "traffic control refused a rule");
            Require(rules.Dump().Count == count, "traffic control lost a rule");
            start = Stopwatch.GetTimestamp();
            rules.Change([.. changes.Select(change => change with { Class = 0 })], errors);
            double removal = Stopwatch.GetElapsedTime(start).TotalSeconds;
            Require(errors.All(error => error == 0), "traffic control did not remove a rule");
            if (round == 1)
            {
                Write(output, "tc-add", count / seconds);
                Write(output, "tc-kernel", count / kernel);
                Write(output, "tc-remove", count / removal);
            }
        }

        output.WriteLine($"tc-resync {Reconcile(number).ToString("F4", CultureInfo.InvariantCulture)}");
    }

    /// <summary>Makes the tables of the rules and waits for the end of the input: <c>tc -batch</c> fills them meanwhile.</summary>
    /// <param name="device">The device, in this network namespace.</param>
    public static void HoldTables(string device)
    {
        using IndexRules rules = IndexRules.Open(DataPath.Xdp.XdpOuter.IndexOf(device), 51820, inHardware: false);
        Console.WriteLine("ready");
        _ = Console.In.ReadToEnd();
        Console.WriteLine($"rules {rules.Dump().Count}");
    }

    private static uint IndexOf(int i) => (uint)i * 2654435761u;

    // A third is lost, a third leads elsewhere, and as many are there that nobody wants.
    private static double Reconcile(int device)
    {
        IndexRules rules = IndexRules.Open(device, 51820, inHardware: false);
        using BackgroundBackend backend = new(new IndexBackend(rules));
        var ledger = new RuleLedger(backend);
        for (int i = 0; i < Reconciled; i++)
        {
            ledger.Want(new SteeringRule(IndexOf(i), 0, (ushort)(i % 16), SteeringRule.Any));
        }

        Settle();
        Require(ledger.Audit() == 0 && ledger.Summarize().Counts[(int)RuleState.Verified] == Reconciled, "the ledger's rules are not there");
        IndexRuleChange[] harm =
        [
            .. Enumerable.Range(0, Reconciled).Where(i => i % 3 < 2).Select(i => new IndexRuleChange(IndexOf(i), (ushort)(i % 3 == 0 ? 0 : 99))),
            .. Enumerable.Range(Reconciled, Reconciled / 3).Select(i => new IndexRuleChange(IndexOf(i), 7)),
        ];
        rules.Change(harm, new int[harm.Length]);
        long start = Stopwatch.GetTimestamp();
        ledger.Resync();
        do
        {
            Settle();
            Require(ledger.Audit() == 0, "the rules cannot be read");
            Settle();
        }
        while (ledger.Summarize() is var now && (now.Counts[(int)RuleState.Verified] != Reconciled || now.Leaving > 0));
        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        List<HeldRule> held = [];
        Require(backend.Dump(held) == 0 && held.Count == Reconciled && held.All(each => each.Rule.Queue < 16), "the rules are not as they should be");
        return seconds;

        void Settle()
        {
            do
            {
                ledger.Pump();
            }
            while (ledger.Summarize() is var summary && (summary.Outstanding > 0 || summary.Counts[(int)RuleState.Wanted] > 0));
        }
    }

    private static void Write(TextWriter output, string name, double value) => output.WriteLine($"{name} {value.ToString("F0", CultureInfo.InvariantCulture)}");

    private static void Require(bool right, string otherwise)
    {
        if (!right)
        {
            throw new InvalidOperationException($"{otherwise}, so the figure would mean nothing.");
        }
    }
}
