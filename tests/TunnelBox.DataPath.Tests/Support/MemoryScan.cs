using System.Globalization;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace TunnelBox.DataPath.Tests.Support;

/// <summary>Looks for secrets in everything that this process can write to, through /proc/self/mem, as a reader from outside does.</summary>
/// <remarks>The secrets looked for are kept masked, so that a search does not find the searcher.</remarks>
internal static unsafe class MemoryScan
{
    private const byte Mask = 0xA5;
    private const int Block = 1 << 20;

    /// <summary>A copy that does not look like the secret.</summary>
    public static byte[] Masked(ReadOnlySpan<byte> secret)
    {
        byte[] masked = new byte[secret.Length];
        for (int i = 0; i < masked.Length; i++)
        {
            masked[i] = (byte)(secret[i] ^ Mask);
        }

        return masked;
    }

    /// <summary>How often each secret is there.</summary>
    /// <param name="secrets">Masked; all of the same length.</param>
    public static int[] Count(params byte[][] secrets)
    {
        int[] found = new int[secrets.Length];
        int overlap = secrets[0].Length - 1;
        byte* block = (byte*)NativeMemory.Alloc(Block);
        try
        {
            using SafeFileHandle memory = File.OpenHandle("/proc/self/mem");
            foreach (string line in File.ReadAllLines("/proc/self/maps").Where(line => line.Split(' ')[1].StartsWith("rw", StringComparison.Ordinal)))
            {
                string[] ends = line.Split(' ')[0].Split('-');
                long first = long.Parse(ends[0], NumberStyles.HexNumber, CultureInfo.InvariantCulture);
                long last = long.Parse(ends[1], NumberStyles.HexNumber, CultureInfo.InvariantCulture);
                for (long at = first; at < last; at += Block - overlap)
                {
                    Search(memory, at, (int)Math.Min(Block, last - at), block, secrets, found);
                }
            }
        }
        finally
        {
            NativeMemory.Clear(block, Block);
            NativeMemory.Free(block);
        }

        return found;
    }

    private static void Search(SafeFileHandle memory, long at, int length, byte* block, byte[][] secrets, int[] found)
    {
        int read;
        try
        {
            read = RandomAccess.Read(memory, new Span<byte>(block, length), at);
        }
        catch (IOException)
        {
            // A guard page.
            return;
        }

        var copy = new Span<byte>(block, read);
        for (int i = 0; i < copy.Length; i++)
        {
            copy[i] ^= Mask;
        }

        for (int i = 0; i < secrets.Length; i++)
        {
            ReadOnlySpan<byte> rest = copy;
            for (int place; (place = rest.IndexOf(secrets[i])) >= 0; rest = rest[(place + 1)..])
            {
                // The managed copies of the searcher are masked once, so what is masked twice is the secret itself.
                found[i]++;
            }
        }
    }
}
