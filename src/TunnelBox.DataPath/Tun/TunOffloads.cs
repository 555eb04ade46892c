using TunnelBox.Linux.Libc;

namespace TunnelBox.DataPath.Tun;

/// <summary>Which offloads the queues of one TUN device use, and what to say when one is switched off.</summary>
/// <param name="report">Takes one sentence for the log; called from any worker.</param>
internal sealed class TunOffloads(Action<string>? report)
{
    private int _tcp4;
    private int _tcp6;
    private int _udp4;
    private int _udp6;

    /// <summary>Gets or sets a value indicating whether reads and writes carry a virtio header.</summary>
    public bool Header { get; set; }

    /// <summary>Gets or sets the TUN_F_* that the kernel may use towards us.</summary>
    public uint Inward { get; set; }

    /// <summary>Gets a value indicating whether TCP over IPv4 may be written unsegmented.</summary>
    public bool Tcp4 => Volatile.Read(ref _tcp4) != 0;

    /// <summary>Gets a value indicating whether TCP over IPv6 may be written unsegmented.</summary>
    public bool Tcp6 => Volatile.Read(ref _tcp6) != 0;

    /// <summary>Gets a value indicating whether UDP over IPv4 may be written unsegmented.</summary>
    public bool Udp4 => Volatile.Read(ref _udp4) != 0;

    /// <summary>Gets a value indicating whether UDP over IPv6 may be written unsegmented.</summary>
    public bool Udp6 => Volatile.Read(ref _udp6) != 0;

    /// <summary>Allows unsegmented writes.</summary>
    /// <param name="tcp">Of TCP.</param>
    /// <param name="udp">Of UDP.</param>
    public void EnableWrites(bool tcp, bool udp)
    {
        Volatile.Write(ref _tcp4, tcp ? 1 : 0);
        Volatile.Write(ref _tcp6, tcp ? 1 : 0);
        Volatile.Write(ref _udp4, udp ? 1 : 0);
        Volatile.Write(ref _udp6, udp ? 1 : 0);
    }

    /// <summary>Switches one kind of unsegmented write off for good and says so once.</summary>
    /// <param name="gsoType">VIRTIO_NET_HDR_GSO_* of the refused write.</param>
    /// <param name="isIPv6">Its family.</param>
    /// <param name="error">−errno.</param>
    public void Disable(byte gsoType, bool isIPv6, int error)
    {
        bool udp = gsoType == Definitions.VIRTIO_NET_HDR_GSO_UDP_L4;
        ref int flag = ref udp ? ref isIPv6 ? ref _udp6 : ref _udp4 : ref isIPv6 ? ref _tcp6 : ref _tcp4;
        if (Interlocked.Exchange(ref flag, 0) != 0)
        {
            report?.Invoke(
                $"TUN accepted {(udp ? "UDP" : "TCP")} segmentation offload for {(isIPv6 ? "IPv6" : "IPv4")} but a write failed with "
                + $"{Errno.Describe(error)}, so it stays off: packets enter one by one.");
        }
    }

    /// <summary>Says something once, such as an offload the kernel does not offer.</summary>
    /// <param name="sentence">The sentence.</param>
    public void Report(string sentence) => report?.Invoke(sentence);

    /// <summary>Lists the offloads in force, each after a blank.</summary>
    /// <returns>For example <c> vnet_hdr csum tso4 tso6 uso4 uso6 gro-tcp gro-udp</c>.</returns>
    public string Describe()
    {
        var text = new System.Text.StringBuilder();
        void Add(bool condition, string word)
        {
            if (condition)
            {
                text.Append(' ').Append(word);
            }
        }

        Add(Header, "vnet_hdr");
        Add((Inward & Definitions.TUN_F_CSUM) != 0, "csum");
        Add((Inward & Definitions.TUN_F_TSO4) != 0, "tso4");
        Add((Inward & Definitions.TUN_F_TSO6) != 0, "tso6");
        Add((Inward & Definitions.TUN_F_USO4) != 0, "uso4");
        Add((Inward & Definitions.TUN_F_USO6) != 0, "uso6");
        Add(Tcp4, "gro-tcp4");
        Add(Tcp6, "gro-tcp6");
        Add(Udp4, "gro-udp4");
        Add(Udp6, "gro-udp6");
        return text.ToString();
    }
}
