namespace TunnelBox.Configuration;

/// <summary>What the setting InnerPort asks for.</summary>
/// <param name="Device">The Ethernet device of a local network whose packets to the peers go past the kernel (AF_XDP), or null: the TUN device alone.</param>
public sealed record InnerPortSetting(string? Device)
{
    private const string Tun = "tun";
    private const string Xdp = "xdp:";

    /// <summary>Reads <c>tun</c> or <c>xdp:DEVICE</c>.</summary>
    /// <param name="text">The setting.</param>
    /// <returns>What it asks for, or null where it is none of these.</returns>
    public static InnerPortSetting? Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        if (text == Tun)
        {
            return new InnerPortSetting((string?)null);
        }

        return text.StartsWith(Xdp, StringComparison.Ordinal) && OuterPortSetting.IsName(text[Xdp.Length..]) ? new InnerPortSetting(text[Xdp.Length..]) : null;
    }
}
