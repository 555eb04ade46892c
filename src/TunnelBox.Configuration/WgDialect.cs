namespace TunnelBox.Configuration;

/// <summary>Which keys a file may have.</summary>
public enum WgDialect
{
    /// <summary>What wg(8) takes.</summary>
    Wg,

    /// <summary>What wg-quick(8) takes: the same, and Address, DNS, MTU, Table, PreUp and its kin, SaveConfig.</summary>
    Quick,
}
