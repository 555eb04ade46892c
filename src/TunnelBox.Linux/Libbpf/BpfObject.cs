using System.Runtime.InteropServices;
using TunnelBox.Linux.Libc;

namespace TunnelBox.Linux.Libbpf;

/// <summary>Owns the programs and maps of one compiled file, loaded into the kernel.</summary>
public sealed unsafe partial class BpfObject : SafeHandle
{
    /// <summary>Attach type BPF_XDP of linux/bpf.h.</summary>
    private const int BpfXdp = 37;

    /// <summary>BPF_F_XDP_DEV_BOUND_ONLY of linux/bpf.h (6.3).</summary>
    private const uint DeviceBoundOnly = 1 << 6;

    /// <summary>BPF_F_XDP_HAS_FRAGS of linux/bpf.h (5.18): the program knows that a frame may go on in other buffers.</summary>
    private const uint HasFragments = 1 << 5;

    private BpfObject(nint handle)
        : base(0, ownsHandle: true) => SetHandle(handle);

    /// <inheritdoc/>
    public override bool IsInvalid => handle == 0;

    /// <summary>Loads a compiled file into the kernel, with all its programs.</summary>
    /// <param name="image">The ELF file that clang made, with BTF.</param>
    /// <param name="error">0, or −errno as below.</param>
    /// <returns>The object, or null on error.</returns>
    public static BpfObject? Load(ReadOnlySpan<byte> image, out int error) => Load(image, null, 0, out error);

    /// <summary>Loads a compiled file into the kernel.</summary>
    /// <param name="image">The ELF file that clang made, with BTF.</param>
    /// <param name="only">The name in C of the one XDP program to load, which takes frames in several buffers; or null for all, which do not.</param>
    /// <param name="boundTo">The device that this program is bound to, so that it may ask it for metadata; 0 for none.</param>
    /// <param name="error">0, or −errno: EPERM without CAP_BPF and CAP_NET_ADMIN, ENOENT where libbpf.so.1 is not installed.</param>
    /// <returns>The object, or null on error.</returns>
    public static BpfObject? Load(ReadOnlySpan<byte> image, string? only, int boundTo, out int error)
    {
        try
        {
            // The library talks to standard error by itself; what is wrong is said by whoever called.
            _ = LibBpf.libbpf_set_print(0);
            fixed (byte* bytes = image)
            {
                nint opened = LibBpf.bpf_object__open_mem(bytes, (nuint)image.Length, null);
                if (opened == 0)
                {
                    error = -Marshal.GetLastPInvokeError();
                    return null;
                }

                var loaded = new BpfObject(opened);
                if (only is not null)
                {
                    Choose(opened, only, boundTo);
                }

                error = LibBpf.bpf_object__load(opened);
                if (error >= 0)
                {
                    return loaded;
                }

                loaded.Dispose();
                return null;
            }
        }
        catch (DllNotFoundException)
        {
            error = -Definitions.ENOENT;
            return null;
        }
    }

    /// <summary>Finds a program.</summary>
    /// <param name="name">Its name in C.</param>
    /// <returns>Its descriptor, owned by this object, or −errno.</returns>
    public int Program(string name)
    {
        nint program = LibBpf.bpf_object__find_program_by_name(handle, name);
        return program == 0 ? -Definitions.ENOENT : LibBpf.bpf_program__fd(program);
    }

    /// <summary>Finds a map.</summary>
    /// <param name="name">Its name in C.</param>
    /// <returns>Its descriptor, owned by this object, or −errno.</returns>
    public int Map(string name) => LibBpf.bpf_object__find_map_fd_by_name(handle, name);

    /// <summary>Attaches an XDP program to a device by a link: the kernel detaches it when the descriptor closes, a killed process's too.</summary>
    /// <param name="program">The program's descriptor.</param>
    /// <param name="ifindex">The device.</param>
    /// <param name="flags">XDP_FLAGS_* of linux/if_link.h.</param>
    /// <param name="error">0, or −errno: EBUSY or EEXIST beside another program.</param>
    /// <returns>The link, or null on error.</returns>
    public static FileDescriptor? AttachXdp(int program, int ifindex, uint flags, out int error)
    {
        var options = new LibBpf.LinkCreateOptions { Size = (nuint)sizeof(LibBpf.LinkCreateOptions), Flags = flags };
        int link = LibBpf.bpf_link_create(program, ifindex, BpfXdp, &options);
        error = Math.Min(link, 0);
        return link < 0 ? null : new FileDescriptor(link);
    }

    /// <summary>Has a program run whenever the kernel passes a tracepoint, until the descriptor closes.</summary>
    /// <param name="program">The descriptor of a program of the kind raw_tp.</param>
    /// <param name="tracepoint">The tracepoint's name, without its group.</param>
    /// <param name="error">0, or −errno: EPERM without CAP_PERFMON.</param>
    /// <returns>The link, or null on error.</returns>
    public static FileDescriptor? AttachTracepoint(int program, string tracepoint, out int error)
    {
        int link = LibBpf.bpf_raw_tracepoint_open(tracepoint, program);
        error = Math.Min(link, 0);
        return link < 0 ? null : new FileDescriptor(link);
    }

    /// <summary>Reads which XDP program a device has.</summary>
    /// <param name="ifindex">The device.</param>
    /// <param name="flags">XDP_FLAGS_* of linux/if_link.h: the mode in which it runs.</param>
    /// <returns>The program's number in the kernel; 0 for none, or where it cannot be read.</returns>
    public static uint XdpProgramOf(int ifindex, uint flags)
    {
        uint id = 0;
        return LibBpf.bpf_xdp_query_id(ifindex, (int)flags, &id) < 0 ? 0 : id;
    }

    /// <inheritdoc/>
    protected override bool ReleaseHandle()
    {
        LibBpf.bpf_object__close(handle);
        return true;
    }

    private static void Choose(nint opened, string only, int boundTo)
    {
        nint chosen = LibBpf.bpf_object__find_program_by_name(opened, only);
        for (nint program = LibBpf.bpf_object__next_program(opened, 0); program != 0; program = LibBpf.bpf_object__next_program(opened, program))
        {
            _ = LibBpf.bpf_program__set_autoload(program, program == chosen ? (byte)1 : (byte)0);
        }

        if (chosen != 0 && boundTo != 0)
        {
            LibBpf.bpf_program__set_ifindex(chosen, (uint)boundTo);
        }

        _ = LibBpf.bpf_program__set_flags(chosen, HasFragments | (boundTo != 0 ? DeviceBoundOnly : 0));
    }
}
