namespace TunnelBox.Control;

/// <summary>The errors a UAPI answer may carry, as the negative numbers that follow <c>errno=</c> (asm-generic/errno.h).</summary>
public static class Errno
{
    /// <summary>Done.</summary>
    public const int None = 0;

    /// <summary>EPERM: the caller lacks a right.</summary>
    public const int NotPermitted = -1;

    /// <summary>EIO: a line was longer than <see cref="UapiRequest.MaxLine"/>, or the request could not be read.</summary>
    public const int InputOutput = -5;

    /// <summary>ENOMEM: out of memory or of locked memory.</summary>
    public const int OutOfMemory = -12;

    /// <summary>EINVAL: an unknown key, or a value that the key does not take.</summary>
    public const int Invalid = -22;

    /// <summary>EPROTO: a line without '=', or a request that ended before its blank line.</summary>
    public const int Protocol = -71;

    /// <summary>EMSGSIZE: more peers or allowed IPs than a request may carry.</summary>
    public const int TooLarge = -90;

    /// <summary>EADDRINUSE: the UDP port is taken.</summary>
    public const int PortInUse = -98;
}
