namespace TunnelBox.Linux.Libc;

/// <content>errno.h, as on every architecture that .NET runs on.</content>
public static partial class Definitions
{
    /// <summary>Operation not permitted.</summary>
    public const int EPERM = 1;

    /// <summary>No such file or directory.</summary>
    public const int ENOENT = 2;

    /// <summary>No such process.</summary>
    public const int ESRCH = 3;

    /// <summary>Interrupted by a signal.</summary>
    public const int EINTR = 4;

    /// <summary>Input/output error.</summary>
    public const int EIO = 5;

    /// <summary>No such device or address.</summary>
    public const int ENXIO = 6;

    /// <summary>Argument list too long.</summary>
    public const int E2BIG = 7;

    /// <summary>Not an open file descriptor.</summary>
    public const int EBADF = 9;

    /// <summary>No child process.</summary>
    public const int ECHILD = 10;

    /// <summary>Try again: the call would block.</summary>
    public const int EAGAIN = 11;

    /// <summary>Not enough memory.</summary>
    public const int ENOMEM = 12;

    /// <summary>Permission denied.</summary>
    public const int EACCES = 13;

    /// <summary>Bad address.</summary>
    public const int EFAULT = 14;

    /// <summary>Device or resource busy.</summary>
    public const int EBUSY = 16;

    /// <summary>Exists already.</summary>
    public const int EEXIST = 17;

    /// <summary>Across devices.</summary>
    public const int EXDEV = 18;

    /// <summary>No such device.</summary>
    public const int ENODEV = 19;

    /// <summary>Not a directory.</summary>
    public const int ENOTDIR = 20;

    /// <summary>Is a directory.</summary>
    public const int EISDIR = 21;

    /// <summary>Invalid argument.</summary>
    public const int EINVAL = 22;

    /// <summary>Too many open files in the system.</summary>
    public const int ENFILE = 23;

    /// <summary>Too many open files in the process.</summary>
    public const int EMFILE = 24;

    /// <summary>The descriptor does not know this ioctl.</summary>
    public const int ENOTTY = 25;

    /// <summary>File too large.</summary>
    public const int EFBIG = 27;

    /// <summary>No space left.</summary>
    public const int ENOSPC = 28;

    /// <summary>Not seekable.</summary>
    public const int ESPIPE = 29;

    /// <summary>Read-only file system.</summary>
    public const int EROFS = 30;

    /// <summary>Broken pipe.</summary>
    public const int EPIPE = 32;

    /// <summary>Result too large.</summary>
    public const int ERANGE = 34;

    /// <summary>Name too long.</summary>
    public const int ENAMETOOLONG = 36;

    /// <summary>Not implemented by this kernel.</summary>
    public const int ENOSYS = 38;

    /// <summary>Directory not empty.</summary>
    public const int ENOTEMPTY = 39;

    /// <summary>Too many symbolic links.</summary>
    public const int ELOOP = 40;

    /// <summary>File descriptor in bad state; a TUN descriptor whose interface is gone.</summary>
    public const int EBADFD = 77;

    /// <summary>Destination address required.</summary>
    public const int EDESTADDRREQ = 89;

    /// <summary>Message too long.</summary>
    public const int EMSGSIZE = 90;

    /// <summary>Option not available.</summary>
    public const int ENOPROTOOPT = 92;

    /// <summary>Protocol not supported.</summary>
    public const int EPROTONOSUPPORT = 93;

    /// <summary>Operation not supported.</summary>
    public const int EOPNOTSUPP = 95;

    /// <summary>Address family not supported.</summary>
    public const int EAFNOSUPPORT = 97;

    /// <summary>Address in use.</summary>
    public const int EADDRINUSE = 98;

    /// <summary>Address not available.</summary>
    public const int EADDRNOTAVAIL = 99;

    /// <summary>Network is down.</summary>
    public const int ENETDOWN = 100;

    /// <summary>Network is unreachable.</summary>
    public const int ENETUNREACH = 101;

    /// <summary>Connection aborted.</summary>
    public const int ECONNABORTED = 103;

    /// <summary>Connection reset.</summary>
    public const int ECONNRESET = 104;

    /// <summary>No buffer space.</summary>
    public const int ENOBUFS = 105;

    /// <summary>Connected already.</summary>
    public const int EISCONN = 106;

    /// <summary>Not connected.</summary>
    public const int ENOTCONN = 107;

    /// <summary>Timed out.</summary>
    public const int ETIMEDOUT = 110;

    /// <summary>Connection refused.</summary>
    public const int ECONNREFUSED = 111;

    /// <summary>Host is down.</summary>
    public const int EHOSTDOWN = 112;

    /// <summary>No route to host.</summary>
    public const int EHOSTUNREACH = 113;

    /// <summary>Already in progress.</summary>
    public const int EALREADY = 114;

    /// <summary>In progress.</summary>
    public const int EINPROGRESS = 115;
}

/// <summary>Names of error numbers.</summary>
public static class Errno
{
    /// <summary>Names an error number as C does.</summary>
    /// <param name="errno">The number, or its negative as <see cref="LibC"/> returns it.</param>
    /// <returns>For example <c>EADDRINUSE</c>; the bare number where the name is not known.</returns>
    public static string Name(int errno) => Math.Abs(errno) switch
    {
        Definitions.EPERM => nameof(Definitions.EPERM),
        Definitions.ENOENT => nameof(Definitions.ENOENT),
        Definitions.ESRCH => nameof(Definitions.ESRCH),
        Definitions.EINTR => nameof(Definitions.EINTR),
        Definitions.EIO => nameof(Definitions.EIO),
        Definitions.ENXIO => nameof(Definitions.ENXIO),
        Definitions.E2BIG => nameof(Definitions.E2BIG),
        Definitions.EBADF => nameof(Definitions.EBADF),
        Definitions.ECHILD => nameof(Definitions.ECHILD),
        Definitions.EAGAIN => nameof(Definitions.EAGAIN),
        Definitions.ENOMEM => nameof(Definitions.ENOMEM),
        Definitions.EACCES => nameof(Definitions.EACCES),
        Definitions.EFAULT => nameof(Definitions.EFAULT),
        Definitions.EBUSY => nameof(Definitions.EBUSY),
        Definitions.EEXIST => nameof(Definitions.EEXIST),
        Definitions.EXDEV => nameof(Definitions.EXDEV),
        Definitions.ENODEV => nameof(Definitions.ENODEV),
        Definitions.ENOTDIR => nameof(Definitions.ENOTDIR),
        Definitions.EISDIR => nameof(Definitions.EISDIR),
        Definitions.EINVAL => nameof(Definitions.EINVAL),
        Definitions.ENFILE => nameof(Definitions.ENFILE),
        Definitions.EMFILE => nameof(Definitions.EMFILE),
        Definitions.ENOTTY => nameof(Definitions.ENOTTY),
        Definitions.EFBIG => nameof(Definitions.EFBIG),
        Definitions.ENOSPC => nameof(Definitions.ENOSPC),
        Definitions.ESPIPE => nameof(Definitions.ESPIPE),
        Definitions.EROFS => nameof(Definitions.EROFS),
        Definitions.EPIPE => nameof(Definitions.EPIPE),
        Definitions.ERANGE => nameof(Definitions.ERANGE),
        Definitions.ENAMETOOLONG => nameof(Definitions.ENAMETOOLONG),
        Definitions.ENOSYS => nameof(Definitions.ENOSYS),
        Definitions.ENOTEMPTY => nameof(Definitions.ENOTEMPTY),
        Definitions.ELOOP => nameof(Definitions.ELOOP),
        Definitions.EBADFD => nameof(Definitions.EBADFD),
        Definitions.EDESTADDRREQ => nameof(Definitions.EDESTADDRREQ),
        Definitions.EMSGSIZE => nameof(Definitions.EMSGSIZE),
        Definitions.ENOPROTOOPT => nameof(Definitions.ENOPROTOOPT),
        Definitions.EPROTONOSUPPORT => nameof(Definitions.EPROTONOSUPPORT),
        Definitions.EOPNOTSUPP => nameof(Definitions.EOPNOTSUPP),
        Definitions.EAFNOSUPPORT => nameof(Definitions.EAFNOSUPPORT),
        Definitions.EADDRINUSE => nameof(Definitions.EADDRINUSE),
        Definitions.EADDRNOTAVAIL => nameof(Definitions.EADDRNOTAVAIL),
        Definitions.ENETDOWN => nameof(Definitions.ENETDOWN),
        Definitions.ENETUNREACH => nameof(Definitions.ENETUNREACH),
        Definitions.ECONNABORTED => nameof(Definitions.ECONNABORTED),
        Definitions.ECONNRESET => nameof(Definitions.ECONNRESET),
        Definitions.ENOBUFS => nameof(Definitions.ENOBUFS),
        Definitions.EISCONN => nameof(Definitions.EISCONN),
        Definitions.ENOTCONN => nameof(Definitions.ENOTCONN),
        Definitions.ETIMEDOUT => nameof(Definitions.ETIMEDOUT),
        Definitions.ECONNREFUSED => nameof(Definitions.ECONNREFUSED),
        Definitions.EHOSTDOWN => nameof(Definitions.EHOSTDOWN),
        Definitions.EHOSTUNREACH => nameof(Definitions.EHOSTUNREACH),
        Definitions.EALREADY => nameof(Definitions.EALREADY),
        Definitions.EINPROGRESS => nameof(Definitions.EINPROGRESS),
        int other => "errno " + other.ToString(System.Globalization.CultureInfo.InvariantCulture),
    };

    /// <summary>Describes an error number as the C library does, followed by its name.</summary>
    /// <param name="errno">The number, or its negative.</param>
    /// <returns>For example <c>Address already in use (EADDRINUSE)</c>.</returns>
    public static string Describe(int errno) =>
        $"{System.Runtime.InteropServices.Marshal.GetPInvokeErrorMessage(Math.Abs(errno))} ({Name(errno)})";
}
