namespace TunnelBox.Configuration;

/// <summary>What the setting OuterPort asks for.</summary>
/// <param name="Device">The Ethernet device whose frames may go past the kernel (AF_XDP), or null: no device is ever touched that is not named.</param>
/// <param name="Forced">Whether AF_XDP is wanted in any mode, not only where the device does it without a copy.</param>
public sealed record OuterPortSetting(string? Device, bool Forced)
{
    private const string Auto = "auto";
    private const string Udp = "udp";
    private const string Xdp = "xdp";
    private const int LongestName = 15;

    /// <summary>Reads <c>auto</c>, <c>udp</c>, <c>auto:DEVICE</c> or <c>xdp:DEVICE</c>.</summary>
    /// <param name="text">The setting.</param>
    /// <returns>What it asks for, or null where it is none of these.</returns>
    public static OuterPortSetting? Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        if (text is Auto or Udp)
        {
            return new OuterPortSetting(null, Forced: false);
        }

        int colon = text.IndexOf(':', StringComparison.Ordinal);
        string device = text[(colon + 1)..];
        return colon > 0 && text[..colon] is Auto or Xdp && IsName(device) ? new OuterPortSetting(device, text[..colon] == Xdp) : null;
    }

    // As the kernel has it (dev_valid_name).
    internal static bool IsName(string device) =>
        device.Length is > 0 and <= LongestName && device is not ("." or "..") && device.All(c => c is > ' ' and < '\x7f' and not ('/' or ':'));
}
