using System.Runtime.InteropServices;
using SharpFuzz.Common;

namespace TunnelBox.Fuzz;

/// <summary>Which branches of the product an input took, where its assemblies were rewritten to count them (<see cref="Instrument"/>).</summary>
internal sealed unsafe class Coverage
{
    private const int Size = 65536;
    private static readonly string[] s_known = ["TunnelBox.Configuration", "TunnelBox.Control", "TunnelBox.DataPath", "TunnelBox.Linux", "TunnelBox.Protocol", "tunnelbox", "tunnelctl"];
    private readonly byte* _map = (byte*)NativeMemory.AllocZeroed(Size);
    private readonly byte[] _seen = new byte[Size];

    public Coverage() => Trace.SharedMem = _map;

    /// <summary>Gets how many branches were taken by any input.</summary>
    public int Branches { get; private set; }

    /// <summary>Rewrites the product's assemblies in a folder, once.</summary>
    /// <param name="folder">The folder of this program's copy.</param>
    public static void Instrument(string folder)
    {
        foreach (string name in s_known)
        {
            string path = Path.Combine(folder, name + ".dll");
            _ = SharpFuzz.Fuzzer.Instrument(path, _ => true, SharpFuzz.Options.Value).Count();
        }
    }

    /// <summary>Begins an input.</summary>
    public void Clear()
    {
        new Span<byte>(_map, Size).Clear();
        Trace.PrevLocation = 0;
    }

    /// <summary>Ends an input.</summary>
    /// <returns>Whether it took a branch that none before took, or took one more often than any.</returns>
    public bool IsNew()
    {
        bool isNew = false;
        ReadOnlySpan<byte> map = new(_map, Size);
        for (int at = 0; (at = Next(map, at)) >= 0; at++)
        {
            byte bit = Bucket(map[at]);
            if ((_seen[at] & bit) == 0)
            {
                Branches += _seen[at] == 0 ? 1 : 0;
                _seen[at] |= bit;
                isNew = true;
            }
        }

        return isNew;
    }

    private static int Next(ReadOnlySpan<byte> map, int from)
    {
        int next = map[from..].IndexOfAnyExcept((byte)0);
        return next < 0 || from + next >= Size ? -1 : from + next;
    }

    // How often, in the steps of AFL: a loop that runs twice is another thing than one that runs once.
    private static byte Bucket(byte count) => count switch
    {
        1 => 1,
        2 => 2,
        3 => 4,
        < 8 => 8,
        < 16 => 16,
        < 32 => 32,
        < 128 => 64,
        _ => 128,
    };
}
