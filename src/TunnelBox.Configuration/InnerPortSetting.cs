namespace TunnelBox.Configuration;

/// <summary>What the setting InnerPort asks for.</summary>
/// <param name="Device">The Ethernet device of a local network whose packets to the peers go past the kernel (AF_XDP), or null: the TUN device alone.</param>
/// <param name="Forced">Whether AF_XDP is wanted in any mode, not only where the device does it without a copy.</param>
public sealed record InnerPortSetting(string? Device, bool Forced)
{
    private const string Tun = "tun";
    private const string Auto = "auto";
    private const string Xdp = "xdp";

    /// <summary>Reads <c>tun</c>, <c>auto:DEVICE</c> or <c>xdp:DEVICE</c>.</summary>
    /// <param name="text">The setting.</param>
    /// <returns>What it asks for, or null where it is none of these.</returns>
    public static InnerPortSetting? Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        if (text == Tun)
        {
            return new InnerPortSetting(null, Forced: false);
        }

        int colon = text.IndexOf(':', StringComparison.Ordinal);
        string device = text[(colon + 1)..];
        return colon > 0 && text[..colon] is Auto or Xdp && OuterPortSetting.IsName(device) ? new InnerPortSetting(device, text[..colon] == Xdp) : null;
    }
}
