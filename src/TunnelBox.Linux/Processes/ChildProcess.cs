using System.Collections;
using System.Runtime.InteropServices;

namespace TunnelBox.Linux.Processes;

/// <summary>How a child is to be started.</summary>
/// <param name="Path">The program.</param>
/// <param name="Arguments">Its arguments, the name it is called by first.</param>
public sealed record ChildProcessOptions(string Path, IReadOnlyList<string> Arguments)
{
    /// <summary>Gets variables to add to, or (null) take from, this process's environment.</summary>
    public IReadOnlyDictionary<string, string?> Environment { get; init; } = new Dictionary<string, string?>();

    /// <summary>Gets a value indicating whether the child leads a session of its own, out of reach of the terminal.</summary>
    public bool NewSession { get; init; }

    /// <summary>Gets a value indicating whether standard output and error are /dev/null instead of this process's; standard input always is.</summary>
    public bool Quiet { get; init; }

    /// <summary>Gets the descriptors above 2 that the child inherits under their own numbers.</summary>
    public IReadOnlyList<int> Descriptors { get; init; } = [];
}

/// <summary>A child started by posix_spawn(3): no fork of a runtime with many threads, no copied page tables.</summary>
public sealed unsafe class ChildProcess
{
    private ChildProcess(int id) => Id = id;

    /// <summary>Gets its process id.</summary>
    public int Id { get; }

    /// <summary>Starts a child with no signal blocked or ignored, and with no descriptors but the standard streams and those named.</summary>
    /// <param name="options">How.</param>
    /// <returns>The child.</returns>
    /// <exception cref="IOException">The program cannot be started.</exception>
    public static ChildProcess Start(ChildProcessOptions options)
    {
        byte* attributes = stackalloc byte[ProcessLibc.OpaqueSize];
        byte* actions = stackalloc byte[ProcessLibc.OpaqueSize];
        byte* signals = stackalloc byte[ProcessLibc.SignalSetSize];
        Check(ProcessLibc.SpawnAttributesInit(attributes));
        Check(ProcessLibc.SpawnActionsInit(actions));
        try
        {
            short flags = ProcessLibc.POSIX_SPAWN_SETSIGDEF | ProcessLibc.POSIX_SPAWN_SETSIGMASK;
            Check(ProcessLibc.SpawnAttributesSetFlags(attributes, (short)(options.NewSession ? flags | ProcessLibc.POSIX_SPAWN_SETSID : flags)));
            _ = ProcessLibc.SignalSetFill(signals);
            Check(ProcessLibc.SpawnAttributesSetDefaultSignals(attributes, signals));
            _ = ProcessLibc.SignalSetEmpty(signals);
            Check(ProcessLibc.SpawnAttributesSetSignalMask(attributes, signals));
            AddStreams(actions, options);
            return new ChildProcess(Spawn(options, actions, attributes));
        }
        finally
        {
            _ = ProcessLibc.SpawnActionsDestroy(actions);
            _ = ProcessLibc.SpawnAttributesDestroy(attributes);
        }
    }

    /// <summary>Waits for its end.</summary>
    /// <returns>Its exit code, or 128 plus the number of the signal that ended it, as a shell counts.</returns>
    /// <exception cref="IOException">It is not a child of this process any more.</exception>
    public int Wait()
    {
        int status;
        while (ProcessLibc.WaitPid(Id, &status, 0) < 0)
        {
            if (Marshal.GetLastPInvokeError() != ProcessLibc.EINTR)
            {
                throw Descriptors.LastFault($"Cannot wait for process {Id}");
            }
        }

        int signal = status & 0x7F;
        return signal == 0 ? (status >> 8) & 0xFF : 128 + signal;
    }

    /// <summary>Ends it at once (SIGKILL).</summary>
    public void Kill() => _ = ProcessLibc.Kill(Id, ProcessLibc.SIGKILL);

    private static void AddStreams(byte* actions, ChildProcessOptions options)
    {
        fixed (byte* nowhere = "/dev/null\0"u8)
        {
            for (int stream = 0; stream <= (options.Quiet ? 2 : 0); stream++)
            {
                Check(ProcessLibc.SpawnActionsAddOpen(actions, stream, nowhere, ProcessLibc.O_RDWR, 0));
            }
        }

        // A lock file that a calling script holds open must not live on in the daemon. Where the kernel is too old to mark
        // them all, .NET's own are marked anyhow.
        _ = Linux.Processes.Descriptors.MarkCloseOnExecFrom(3);
        foreach (int descriptor in options.Descriptors)
        {
            // Onto itself: that clears close-on-exec in the child alone.
            Check(ProcessLibc.SpawnActionsAddDup2(actions, descriptor, descriptor));
        }
    }

    private static int Spawn(ChildProcessOptions options, byte* actions, byte* attributes)
    {
        byte** argv = Strings(options.Arguments);
        byte** envp = Strings(MergedEnvironment(options.Environment));
        try
        {
            fixed (byte* path = Linux.Processes.Descriptors.NullTerminated(options.Path))
            {
                int pid;
                Check(ProcessLibc.PosixSpawn(&pid, path, actions, attributes, argv, envp), $"Cannot start {options.Path}");
                return pid;
            }
        }
        finally
        {
            Free(argv);
            Free(envp);
        }
    }

    private static List<string> MergedEnvironment(IReadOnlyDictionary<string, string?> changes)
    {
        List<string> merged = [];
        foreach (DictionaryEntry entry in System.Environment.GetEnvironmentVariables())
        {
            if (!changes.ContainsKey((string)entry.Key))
            {
                merged.Add($"{entry.Key}={entry.Value}");
            }
        }

        foreach ((string name, string? value) in changes)
        {
            if (value is not null)
            {
                merged.Add($"{name}={value}");
            }
        }

        return merged;
    }

    private static byte** Strings(IReadOnlyList<string> texts)
    {
        byte** array = (byte**)NativeMemory.AllocZeroed((nuint)(texts.Count + 1), (nuint)sizeof(byte*));
        for (int i = 0; i < texts.Count; i++)
        {
            array[i] = (byte*)Marshal.StringToCoTaskMemUTF8(texts[i]);
        }

        return array;
    }

    private static void Free(byte** array)
    {
        for (int i = 0; array[i] != null; i++)
        {
            Marshal.FreeCoTaskMem((nint)array[i]);
        }

        NativeMemory.Free(array);
    }

    private static void Check(int errno, string what = "Cannot prepare a process")
    {
        if (errno != 0)
        {
            throw new IOException($"{what}: {ErrorText.Of(errno)}.");
        }
    }
}
