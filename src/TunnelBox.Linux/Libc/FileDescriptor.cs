using System.Runtime.InteropServices;
using System.Text;

namespace TunnelBox.Linux.Libc;

/// <summary>
/// Owns one file descriptor. A hot path takes one reference for its life (<see cref="SafeHandle.DangerousAddRef"/>) and then
/// works with <see cref="Value"/>.
/// </summary>
public sealed unsafe class FileDescriptor : SafeHandle
{
    /// <summary>Initializes a new instance of the <see cref="FileDescriptor"/> class.</summary>
    /// <param name="fd">An open descriptor, owned from now on.</param>
    public FileDescriptor(int fd)
        : base(-1, ownsHandle: true) => SetHandle(fd);

    /// <inheritdoc/>
    public override bool IsInvalid => handle < 0;

    /// <summary>Gets the bare descriptor; valid as long as this object is referenced and not disposed.</summary>
    public int Value => (int)handle;

    /// <summary>Opens a file.</summary>
    /// <param name="path">Its path.</param>
    /// <param name="flags">O_*; O_CLOEXEC is added.</param>
    /// <param name="error">0, or −errno.</param>
    /// <returns>The descriptor, or null on error.</returns>
    public static FileDescriptor? Open(string path, int flags, out int error)
    {
        ArgumentNullException.ThrowIfNull(path);
        byte[] bytes = Encoding.UTF8.GetBytes(path + '\0');
        fixed (byte* pointer = bytes)
        {
            int fd = LibC.open(pointer, flags | Definitions.O_CLOEXEC);
            error = Math.Min(fd, 0);
            return fd < 0 ? null : new FileDescriptor(fd);
        }
    }

    /// <inheritdoc/>
    protected override bool ReleaseHandle() => LibC.close((int)handle) == 0;
}
