using System.Globalization;

namespace TunnelBox.DataPath.Xdp;

/// <summary>
/// Puts a device's interrupts off (napi_defer_hard_irqs, gro_flush_timeout) and back at the end, where nobody has set something else
/// meanwhile. What was there before also stands in a file that is locked while the process lives: after a kill, the next start finds the
/// file without its lock and puts the values back. The folder is emptied at boot, as the values are.
/// </summary>
internal sealed class DeferredInterrupts : IDisposable
{
    // Empty polls until interrupts come back, and the nanoseconds after which the kernel polls by itself: longer than a worker's
    // pass over full bursts, shorter than anybody notices (Documentation/networking/napi.rst of the kernel).
    private static readonly (string Name, string Value)[] s_wanted = [("napi_defer_hard_irqs", "2"), ("gro_flush_timeout", "200000")];

    private const string Devices = "/sys/class/net";
    private const string Prefix = "napi-";
    private const int LargestFile = 1024;

    private readonly string _device;
    private readonly List<(string Name, string Before)> _changed = [];
    private FileStream? _note;

    private DeferredInterrupts(string device) => _device = device;

    /// <summary>Puts a device's interrupts off.</summary>
    /// <param name="device">The device's name.</param>
    /// <param name="directory">Where to keep what was there before; null keeps it nowhere.</param>
    /// <returns>What puts them back; null, with everything as it was, where they cannot be put off.</returns>
    public static DeferredInterrupts? Begin(string device, string? directory)
    {
        var begun = new DeferredInterrupts(device);
        if (directory is not null)
        {
            _ = RestoreLeft(directory);
            begun.Keep(directory);
        }

        foreach ((string name, string value) in s_wanted)
        {
            if (Read(device, name) is not { } before || !Write(device, name, value))
            {
                begun.Dispose();
                return null;
            }

            begun._changed.Add((name, before));
        }

        return begun;
    }

    /// <summary>Puts back what processes changed that are gone, at devices of the calling thread's network namespace.</summary>
    /// <param name="directory">Where they kept it.</param>
    /// <returns>The names of the devices.</returns>
    public static IReadOnlyList<string> RestoreLeft(string directory)
    {
        List<string> restored = [];
        foreach (string path in Notes(directory))
        {
            using FileStream? note = Open(path, FileMode.Open);
            if (note is null)
            {
                // Its process lives.
                continue;
            }

            if (Restore(note, path) is { } device)
            {
                restored.Add(device);
            }

            Delete(path);
        }

        return restored;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach ((string name, string before) in _changed)
        {
            Revert(_device, name, before);
        }

        _changed.Clear();
        if (_note is not null)
        {
            Delete(_note.Name);
            _note.Dispose();
            _note = null;
        }
    }

    private static string[] Notes(string directory)
    {
        try
        {
            return Directory.GetFiles(directory, $"{Prefix}{Namespace()}-*");
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }

    // A name that is used again is another device: its number tells.
    private static string? Restore(FileStream note, string path)
    {
        if (note.Length > LargestFile)
        {
            return null;
        }

        string[] lines = new StreamReader(note).ReadToEnd().Split('\n', StringSplitOptions.RemoveEmptyEntries);
        if (lines.Length != 1 + s_wanted.Length || lines[0].Contains('/', StringComparison.Ordinal) || !path.EndsWith($"-{Read(lines[0], "ifindex")}", StringComparison.Ordinal))
        {
            return null;
        }

        for (int i = 0; i < s_wanted.Length; i++)
        {
            if (lines[1 + i].Length > 0 && lines[1 + i].All(char.IsAsciiDigit))
            {
                Revert(lines[0], s_wanted[i].Name, lines[1 + i]);
            }
        }

        return lines[0];
    }

    private static void Revert(string device, string name, string before)
    {
        if (Read(device, name) == s_wanted.First(each => each.Name == name).Value)
        {
            _ = Write(device, name, before);
        }
    }

    // The file is locked for as long as it is open (flock), so for as long as its process lives.
    private static FileStream? Open(string path, FileMode mode)
    {
        try
        {
            return new FileStream(path, mode, FileAccess.ReadWrite, FileShare.None);
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    private static void Delete(string path)
    {
        try
        {
            File.Delete(path);
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            // What stays there is found to be done with at the next start.
        }
    }

    private static string Namespace() =>
        string.Concat((new FileInfo("/proc/thread-self/ns/net").LinkTarget ?? string.Empty).Where(char.IsAsciiDigit));

    private static string? Read(string device, string name)
    {
        try
        {
            return File.ReadAllText(Path.Combine(Devices, device, name)).Trim();
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    private static bool Write(string device, string name, string value)
    {
        try
        {
            File.WriteAllText(Path.Combine(Devices, device, name), value);
            return true;
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    // Before anything is changed.
    private void Keep(string directory)
    {
        if (Read(_device, "ifindex") is not { } number || s_wanted.Any(each => Read(_device, each.Name) is null))
        {
            return;
        }

        _note = Open(Path.Combine(directory, string.Create(CultureInfo.InvariantCulture, $"{Prefix}{Namespace()}-{number}")), FileMode.OpenOrCreate);
        if (_note is not null)
        {
            _note.SetLength(0);
            _note.Write(System.Text.Encoding.ASCII.GetBytes($"{_device}\n{string.Concat(s_wanted.Select(each => Read(_device, each.Name) + "\n"))}"));
            _note.Flush();
        }
    }
}
