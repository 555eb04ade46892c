using System.Runtime.InteropServices;

namespace TunnelBox.Linux.Netlink;

/// <summary>The kernel refused a netlink request.</summary>
/// <param name="operation">What was asked, as the middle of a sentence, such as "adding the route 10.0.0.0/8".</param>
/// <param name="errno">The positive errno.</param>
/// <param name="reason">The kernel's own words (NLMSGERR_ATTR_MSG), or null.</param>
public sealed class NetlinkException(string operation, int errno, string? reason)
    : IOException($"{operation} failed: {reason ?? Marshal.GetPInvokeErrorMessage(errno)} (errno {errno})")
{
    /// <summary>EPERM.</summary>
    public const int NotPermitted = 1;

    /// <summary>ENOENT.</summary>
    public const int NoEntry = 2;

    /// <summary>ESRCH: no such route.</summary>
    public const int NoSuchRoute = 3;

    /// <summary>EEXIST.</summary>
    public const int Exists = 17;

    /// <summary>ENODEV.</summary>
    public const int NoDevice = 19;

    /// <summary>EINVAL.</summary>
    public const int Invalid = 22;

    /// <summary>EPROTONOSUPPORT: the kernel has no such netlink family.</summary>
    public const int NoProtocol = 93;

    /// <summary>EOPNOTSUPP.</summary>
    public const int NotSupported = 95;

    /// <summary>ENETUNREACH.</summary>
    public const int Unreachable = 101;

    /// <summary>Gets the positive errno.</summary>
    public int Errno { get; } = errno;
}
