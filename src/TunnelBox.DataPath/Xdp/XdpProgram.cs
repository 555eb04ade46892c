using TunnelBox.Linux.Libbpf;
using TunnelBox.Linux.Libc;
using TunnelBox.Linux.Processes;

namespace TunnelBox.DataPath.Xdp;

/// <summary>A program of native/xdp in the kernel, attached to one device by a link, so that it never outlives the process.</summary>
internal sealed class XdpProgram : IDisposable
{
    private const uint GenericMode = 1 << 1;
    private const uint NativeMode = 1 << 2;

    // Every program of native/xdp that takes frames, by its name in C.
    private static readonly string[] s_ours = ["outer", "outer_bound", "inner", "inner_bound"];

    private readonly BpfObject _loaded;
    private readonly FileDescriptor _link;

    private XdpProgram(BpfObject loaded, FileDescriptor link, string name, string? genericReason)
    {
        _loaded = loaded;
        _link = link;
        Name = name;
        Descriptor = loaded.Program(name);
        GenericReason = genericReason;
    }

    /// <summary>Gets its name in C.</summary>
    public string Name { get; }

    /// <summary>Gets why the program runs in the slower generic mode, or null when the driver runs it.</summary>
    public string? GenericReason { get; }

    /// <summary>Gets the program's descriptor, valid until this object is disposed.</summary>
    public int Descriptor { get; }

    /// <summary>Loads a program and attaches it; another program that is there stays and is named.</summary>
    /// <param name="file">The embedded file.</param>
    /// <param name="bound">The name in C of the program that is bound to the device and asks it for what it knows; null not to try that.</param>
    /// <param name="name">The name in C of the program that does without, for an older kernel or a driver that runs no programs.</param>
    /// <param name="device">The device's name, for messages.</param>
    /// <param name="ifindex">The device's number in the calling thread's network namespace.</param>
    /// <param name="instead">What to do instead, for messages: "use the UDP port".</param>
    /// <returns>The attached program.</returns>
    /// <exception cref="PortException">It cannot be loaded or attached; the message says what to do.</exception>
    public static XdpProgram Attach(string file, string? bound, string name, string device, int ifindex, string instead)
    {
        byte[] image = Image(file);
        if (bound is not null && BpfObject.Load(image, bound, ifindex, out _) is { } asking)
        {
            if (BpfObject.AttachXdp(asking.Program(bound), ifindex, NativeMode, out int refused) is { } first)
            {
                return new XdpProgram(asking, first, bound, null);
            }

            asking.Dispose();
            if (IsOccupied(refused))
            {
                throw new PortException(AttachProblem(device, ifindex, refused, instead), refused);
            }
        }

        BpfObject loaded = BpfObject.Load(image, name, 0, out int error) ?? throw new PortException(LoadProblem(device, error, instead), error);
        int program = loaded.Program(name);
        FileDescriptor? link = BpfObject.AttachXdp(program, ifindex, NativeMode, out error);
        string? reason = null;
        if (link is null && !IsOccupied(error))
        {
            reason = $"the driver of {device} does not run XDP programs: {Errno.Describe(error)}";
            _ = BpfMap.Set(loaded.Map("generic"), 0u, 1u);
            link = BpfObject.AttachXdp(program, ifindex, GenericMode, out error);
        }

        if (link is not null)
        {
            return new XdpProgram(loaded, link, name, reason);
        }

        string problem = AttachProblem(device, ifindex, error, instead);
        loaded.Dispose();
        throw new PortException(problem, error);
    }

    /// <summary>Finds a map of the program.</summary>
    /// <param name="name">Its name in C.</param>
    /// <returns>Its descriptor, valid until this object is disposed.</returns>
    public int Map(string name) => _loaded.Map(name);

    /// <summary>Gives the device back; maps can still be read.</summary>
    public void Detach() => _link.Dispose();

    /// <inheritdoc/>
    public void Dispose()
    {
        _link.Dispose();
        _loaded.Dispose();
    }

    private static bool IsOccupied(int error) => error is -Definitions.EBUSY or -Definitions.EEXIST;

    internal static byte[] Image(string file)
    {
        using Stream stream = typeof(XdpProgram).Assembly.GetManifestResourceStream(file)!;
        byte[] image = new byte[stream.Length];
        stream.ReadExactly(image);
        return image;
    }

    private static string LoadProblem(string device, int error, string instead) => error switch
    {
        -Definitions.ENOENT => $"no XDP on {device}: libbpf.so.1 is missing; install libbpf1",
        -Definitions.EPERM when Capabilities.OfThisProcess() is { } held && held.Has(Capability.Bpf) && held.Has(Capability.NetAdmin) =>
            $"no XDP on {device}: the capabilities are there, but bpf(2) is forbidden, as container runtimes' profiles of system calls do; "
            + "start it without one (securityContext.seccompProfile: {type: Unconfined} in the manifest; docker run --security-opt seccomp=unconfined): the launcher's own filter stays",
        -Definitions.EPERM => $"no XDP on {device}: loading a program needs the capabilities CAP_BPF and CAP_NET_ADMIN; run as root or grant them",
        _ => $"no XDP on {device}: the kernel does not take the program: {Errno.Describe(error)}; {instead}",
    };

    private static string AttachProblem(string device, int ifindex, int error, string instead)
    {
        uint foreign = BpfObject.XdpProgramOf(ifindex, NativeMode);
        string verb = "xdp";
        if (foreign == 0)
        {
            foreign = BpfObject.XdpProgramOf(ifindex, GenericMode);
            verb = "xdpgeneric";
        }

        string whose = foreign != 0 && BpfInfo.ProgramName(foreign) is { } name && s_ours.Contains(name, StringComparer.Ordinal)
            ? $", the one of another tunnel ({name}), and a device serves one process"
            : string.Empty;
        return foreign == 0
            ? $"no XDP on {device}: the program cannot be attached: {Errno.Describe(error)}; {instead}"
            : $"no XDP on {device}: XDP program {foreign} is attached there already{whose}; end its owner, or detach it with 'ip link set dev {device} {verb} off'";
    }
}
