using System.Runtime.InteropServices;

namespace TunnelBox.Linux.Tracing;

/// <summary>
/// The shared library with the static probes (native/probes), loaded at first need. It is optional: without it every
/// semaphore is a zero of our own, so nothing is ever attached.
/// </summary>
public static unsafe class ProbeLibrary
{
    private const string FileName = "libtunnelbox-probes.so";

    private static readonly ushort* s_nobody = (ushort*)NativeMemory.AllocZeroed(sizeof(ushort));
    private static readonly nint s_handle = Load();

    /// <summary>Gets the path of the library to attach to, or null where it is missing.</summary>
    public static string? LoadedFrom { get; private set; }

    /// <summary>Gets why there are no probes, one sentence; null where there are.</summary>
    public static string? Missing => LoadedFrom is null
        ? $"There are no tracing probes: {FileName} stands neither beside the program nor in ../lib/tunnelbox; install it there and start again."
        : null;

    /// <summary>Finds a probe's function.</summary>
    /// <param name="name">The probe.</param>
    /// <returns>Its address, or 0: then its semaphore never says that anybody is attached.</returns>
    internal static nint Function(string name) =>
        s_handle != 0 && NativeLibrary.TryGetExport(s_handle, $"tb_{name}", out nint address) ? address : 0;

    /// <summary>Finds a probe's semaphore: not 0 while somebody is attached.</summary>
    /// <param name="name">The probe.</param>
    /// <returns>Its address.</returns>
    internal static ushort* Semaphore(string name) =>
        s_handle != 0 && NativeLibrary.TryGetExport(s_handle, $"tunnelbox_{name}_semaphore", out nint address) && Function(name) != 0
            ? (ushort*)address
            : s_nobody;

    private static nint Load()
    {
        string program = Path.GetDirectoryName(Environment.ProcessPath) ?? AppContext.BaseDirectory;
        foreach (string path in (string[])[Path.Combine(program, FileName), Path.Combine(program, "..", "lib", "tunnelbox", FileName), Path.Combine(AppContext.BaseDirectory, FileName)])
        {
            if (File.Exists(path) && NativeLibrary.TryLoad(path, out nint handle))
            {
                LoadedFrom = Path.GetFullPath(path);
                return handle;
            }
        }

        return 0;
    }
}
