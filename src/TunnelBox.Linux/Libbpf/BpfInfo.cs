using System.Runtime.InteropServices;
using System.Text;
using TunnelBox.Linux.Libc;

namespace TunnelBox.Linux.Libbpf;

/// <summary>What the kernel tells of its programs and maps (BPF_OBJ_GET_INFO_BY_FD of linux/bpf.h).</summary>
public static unsafe class BpfInfo
{
    /// <summary>Reads a map's number in the kernel.</summary>
    /// <param name="map">The map's descriptor.</param>
    /// <returns>The number; 0 where it cannot be read.</returns>
    public static uint MapNumber(int map)
    {
        MapInfo info = default;
        uint length = (uint)sizeof(MapInfo);
        return LibBpf.bpf_obj_get_info_by_fd(map, &info, &length) < 0 ? 0 : info.Id;
    }

    /// <summary>Reads a program's name in C, of which the kernel keeps 15 characters.</summary>
    /// <param name="number">The program's number in the kernel.</param>
    /// <returns>The name; null where it cannot be read.</returns>
    public static string? ProgramName(uint number)
    {
        int descriptor = LibBpf.bpf_prog_get_fd_by_id(number);
        if (descriptor < 0)
        {
            return null;
        }

        using var owner = new FileDescriptor(descriptor);
        ProgramInfo info = default;
        uint length = (uint)sizeof(ProgramInfo);
        return LibBpf.bpf_obj_get_info_by_fd(descriptor, &info, &length) < 0 ? null : Encoding.ASCII.GetString(new ReadOnlySpan<byte>(info.Name, 16)).TrimEnd('\0');
    }

    /// <summary>Reads how many instructions the verifier walked through before it took a program (Linux 5.16); its limit is a million.</summary>
    /// <param name="program">The program's descriptor.</param>
    /// <returns>The count; 0 where it cannot be read.</returns>
    public static uint VerifiedInstructions(int program)
    {
        ProgramInfo info = default;
        uint length = (uint)sizeof(ProgramInfo);
        return LibBpf.bpf_obj_get_info_by_fd(program, &info, &length) < 0 || length < sizeof(ProgramInfo) ? 0 : info.VerifiedInstructions;
    }

    /// <summary>The head of struct bpf_map_info.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct MapInfo
    {
        internal uint Type;
        internal uint Id;
    }

    /// <summary>struct bpf_prog_info, as far as it is read here.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 224)]
    private struct ProgramInfo
    {
        [FieldOffset(64)]
        internal fixed byte Name[16];

        [FieldOffset(216)]
        internal uint VerifiedInstructions;
    }
}
