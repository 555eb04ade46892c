using System.Runtime.InteropServices;

namespace TunnelBox.Linux.Libpcap;

/// <summary>
/// pcap/pcap.h of libpcap 1.x, under its own names. The library is loaded by the first call, which throws
/// <see cref="DllNotFoundException"/> where it is missing.
/// </summary>
internal static unsafe partial class LibPcap
{
    /// <summary>Packets begin with their IPv4 or IPv6 header (pcap/dlt.h; the number on Linux).</summary>
    internal const int DLT_RAW = 12;

    /// <summary>The network mask is not known: "ip broadcast" is refused.</summary>
    internal const uint PCAP_NETMASK_UNKNOWN = 0xFFFF_FFFF;

    private const string Library = "libpcap.so.0.8";

    [LibraryImport(Library)]
    internal static partial nint pcap_open_dead(int linkType, int snapshotLength);

    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int pcap_compile(nint pcap, bpf_program* program, string expression, int optimize, uint netmask);

    [LibraryImport(Library)]
    internal static partial int pcap_offline_filter(bpf_program* program, pcap_pkthdr* header, byte* packet);

    [LibraryImport(Library)]
    internal static partial byte* pcap_geterr(nint pcap);

    [LibraryImport(Library)]
    internal static partial void pcap_freecode(bpf_program* program);

    [LibraryImport(Library)]
    internal static partial void pcap_close(nint pcap);

    /// <summary>struct bpf_program.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal struct bpf_program
    {
        internal uint bf_len;
        internal void* bf_insns;
    }

    /// <summary>struct pcap_pkthdr on 64-bit Linux.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal struct pcap_pkthdr
    {
        internal long ts_sec;
        internal long ts_usec;
        internal uint caplen;
        internal uint len;
    }
}
