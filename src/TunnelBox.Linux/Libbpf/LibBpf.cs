using System.Runtime.InteropServices;

namespace TunnelBox.Linux.Libbpf;

/// <summary>
/// bpf/libbpf.h and bpf/bpf.h of libbpf 1.x, under their own names. The library is loaded by the first call, which throws
/// <see cref="DllNotFoundException"/> where it is missing. Numbers are −errno on failure, pointers null with errno set.
/// </summary>
internal static unsafe partial class LibBpf
{
    private const string Library = "libbpf.so.1";

    [LibraryImport(Library)]
    internal static partial nint libbpf_set_print(nint print);

    [LibraryImport(Library, SetLastError = true)]
    internal static partial nint bpf_object__open_mem(void* image, nuint size, void* options);

    [LibraryImport(Library)]
    internal static partial int bpf_object__load(nint bpfObject);

    [LibraryImport(Library)]
    internal static partial void bpf_object__close(nint bpfObject);

    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial nint bpf_object__find_program_by_name(nint bpfObject, string name);

    [LibraryImport(Library)]
    internal static partial nint bpf_object__next_program(nint bpfObject, nint previous);

    [LibraryImport(Library)]
    internal static partial int bpf_program__fd(nint program);

    [LibraryImport(Library)]
    internal static partial int bpf_program__set_autoload(nint program, byte load);

    [LibraryImport(Library)]
    internal static partial void bpf_program__set_ifindex(nint program, uint ifindex);

    [LibraryImport(Library)]
    internal static partial int bpf_program__set_flags(nint program, uint flags);

    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int bpf_object__find_map_fd_by_name(nint bpfObject, string name);

    [LibraryImport(Library)]
    internal static partial int bpf_map_update_elem(int map, void* key, void* value, ulong flags);

    [LibraryImport(Library)]
    internal static partial int bpf_map_delete_elem(int map, void* key);

    [LibraryImport(Library)]
    internal static partial int bpf_map_lookup_elem(int map, void* key, void* value);

    [LibraryImport(Library)]
    internal static partial int bpf_map_lookup_batch(int map, void* from, void* to, void* keys, void* values, uint* count, void* options);

    [LibraryImport(Library)]
    internal static partial int bpf_map_update_batch(int map, void* keys, void* values, uint* count, void* options);

    [LibraryImport(Library)]
    internal static partial int bpf_map_delete_batch(int map, void* keys, uint* count, void* options);

    [LibraryImport(Library)]
    internal static partial int libbpf_num_possible_cpus();

    [LibraryImport(Library)]
    internal static partial int bpf_link_create(int program, int target, int type, LinkCreateOptions* options);

    [LibraryImport(Library)]
    internal static partial int bpf_xdp_query_id(int ifindex, int flags, uint* id);

    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int bpf_raw_tracepoint_open(string name, int program);

    [LibraryImport(Library)]
    internal static partial int bpf_prog_get_fd_by_id(uint id);

    [LibraryImport(Library)]
    internal static partial int bpf_obj_get_info_by_fd(int descriptor, void* info, uint* length);

    /// <summary>The head of struct bpf_link_create_opts; the library takes what is left out as zero.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal struct LinkCreateOptions
    {
        internal nuint Size;
        internal uint Flags;
        internal uint Padding;
    }
}
