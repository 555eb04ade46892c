using System.Runtime.InteropServices;

namespace TunnelBox.Linux.Libpcap;

/// <summary>A filter in the language of pcap-filter(7) on packets that begin with their IP header. For one thread.</summary>
public sealed unsafe class PacketFilter : SafeHandle
{
    private LibPcap.bpf_program* _program;

    private PacketFilter(LibPcap.bpf_program* program)
        : base(0, ownsHandle: true)
    {
        SetHandle((nint)program);
        _program = program;
    }

    /// <inheritdoc/>
    public override bool IsInvalid => handle == 0;

    /// <summary>Compiles a filter.</summary>
    /// <param name="expression">Its text.</param>
    /// <param name="error">Receives what is wrong: libpcap's own words, or that the library is missing.</param>
    /// <param name="isMissing">Receives whether the library is missing.</param>
    /// <returns>The filter, or null.</returns>
    public static PacketFilter? Compile(string expression, out string? error, out bool isMissing)
    {
        error = null;
        isMissing = false;
        nint pcap = 0;
        var program = (LibPcap.bpf_program*)NativeMemory.AllocZeroed((nuint)sizeof(LibPcap.bpf_program));
        try
        {
            pcap = LibPcap.pcap_open_dead(LibPcap.DLT_RAW, 65535);
            if (pcap != 0 && LibPcap.pcap_compile(pcap, program, expression, optimize: 1, LibPcap.PCAP_NETMASK_UNKNOWN) == 0)
            {
                var made = new PacketFilter(program);
                program = null;
                return made;
            }

            error = pcap == 0 ? "out of memory" : Marshal.PtrToStringUTF8((nint)LibPcap.pcap_geterr(pcap));
        }
        catch (Exception e) when (e is DllNotFoundException or EntryPointNotFoundException)
        {
            isMissing = true;
            error = "libpcap.so.0.8 is not installed";
        }
        finally
        {
            NativeMemory.Free(program);
            if (pcap != 0)
            {
                LibPcap.pcap_close(pcap);
            }
        }

        return null;
    }

    /// <summary>Tells whether a packet passes.</summary>
    /// <param name="captured">Its beginning.</param>
    /// <param name="length">Its whole length in bytes.</param>
    /// <returns>Whether it passes; a packet of which too little was captured does not.</returns>
    public bool Passes(ReadOnlySpan<byte> captured, int length)
    {
        var header = new LibPcap.pcap_pkthdr { caplen = (uint)captured.Length, len = (uint)length };
        fixed (byte* packet = captured)
        {
            return LibPcap.pcap_offline_filter(_program, &header, packet) != 0;
        }
    }

    /// <inheritdoc/>
    protected override bool ReleaseHandle()
    {
        LibPcap.pcap_freecode(_program);
        NativeMemory.Free(_program);
        _program = null;
        return true;
    }
}
