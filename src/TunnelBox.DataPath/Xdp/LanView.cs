namespace TunnelBox.DataPath.Xdp;

/// <summary>What workers see of a local network. One thread writes it, and any reads it.</summary>
internal sealed class LanView
{
    private volatile LanTables _tables = LanTables.Empty;
    private volatile int _tunnelMtu;

    /// <summary>Gets or sets what is known of the network. Tables never change; others take their place.</summary>
    public LanTables Tables
    {
        get => _tables;
        set => _tables = value;
    }

    /// <summary>Gets or sets the tunnel's MTU in bytes.</summary>
    public int TunnelMtu
    {
        get => _tunnelMtu;
        set => _tunnelMtu = value;
    }
}
