using System.Globalization;

namespace TunnelBox.Linux.Processes;

/// <summary>Capabilities by their number in <c>linux/capability.h</c>.</summary>
public enum Capability
{
    /// <summary>May make interfaces, set addresses and marks.</summary>
    NetAdmin = 12,

    /// <summary>May use raw and packet sockets.</summary>
    NetRaw = 13,

    /// <summary>May lock memory beyond the limit.</summary>
    IpcLock = 14,

    /// <summary>May load programs into the kernel.</summary>
    Bpf = 39,
}

/// <summary>The effective capabilities of a process (capabilities(7)).</summary>
/// <param name="Bits">One bit a capability.</param>
public readonly record struct Capabilities(ulong Bits)
{
    /// <summary>Reads this process's effective capabilities.</summary>
    /// <returns>Them, or null where /proc is missing.</returns>
    public static Capabilities? OfThisProcess()
    {
        try
        {
            return Parse(File.ReadAllText("/proc/self/status"));
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <summary>Finds the effective capabilities in the text of <c>/proc/PID/status</c>.</summary>
    /// <param name="status">The text.</param>
    /// <returns>Them, or null where the text has no such line.</returns>
    public static Capabilities? Parse(ReadOnlySpan<char> status)
    {
        foreach (ReadOnlySpan<char> line in status.EnumerateLines())
        {
            if (line.StartsWith("CapEff:")
                && ulong.TryParse(line["CapEff:".Length..].Trim(), NumberStyles.HexNumber, CultureInfo.InvariantCulture, out ulong bits))
            {
                return new Capabilities(bits);
            }
        }

        return null;
    }

    /// <summary>Tells whether a capability is there.</summary>
    /// <param name="capability">Which.</param>
    /// <returns>Whether it is there.</returns>
    public bool Has(Capability capability) => ((Bits >> (int)capability) & 1) != 0;
}
