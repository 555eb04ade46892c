using System.Runtime.InteropServices;
using TunnelBox.Linux.Libc;

namespace TunnelBox.Linux.Processes;

/// <summary>Hands open descriptors to another process over a Unix socket (unix(7), SCM_RIGHTS).</summary>
public static unsafe class PassedDescriptors
{
    /// <summary>Most descriptors in one message; the kernel takes 253.</summary>
    public const int Most = 128;

    /// <summary>Sends bytes with descriptors beside the first of them.</summary>
    /// <param name="socket">A connected Unix stream socket.</param>
    /// <param name="bytes">At least one byte; all are sent.</param>
    /// <param name="descriptors">At most <see cref="Most"/>; they stay the caller's.</param>
    /// <returns>0, or −errno.</returns>
    public static int Send(int socket, ReadOnlySpan<byte> bytes, ReadOnlySpan<int> descriptors)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(descriptors.Length, Most, nameof(descriptors));
        ArgumentOutOfRangeException.ThrowIfZero(bytes.Length, nameof(bytes));
        int room = LibC.CMSG_SPACE(descriptors.Length * sizeof(int));
        Span<byte> control = stackalloc byte[room];
        control.Clear();
        MemoryMarshal.Write(control, new cmsghdr
        {
            cmsg_len = (nuint)LibC.CMSG_LEN(descriptors.Length * sizeof(int)),
            cmsg_level = Definitions.SOL_SOCKET,
            cmsg_type = Definitions.SCM_RIGHTS,
        });
        MemoryMarshal.AsBytes(descriptors).CopyTo(control[sizeof(cmsghdr)..]);
        fixed (byte* data = bytes, head = control)
        {
            for (int sent = 0; sent < bytes.Length;)
            {
                var piece = new iovec { iov_base = data + sent, iov_len = (nuint)(bytes.Length - sent) };
                var message = new msghdr { msg_iov = &piece, msg_iovlen = 1 };
                if (sent == 0 && !descriptors.IsEmpty)
                {
                    message.msg_control = head;
                    message.msg_controllen = (nuint)room;
                }

                nint result = LibC.sendmsg(socket, &message, Definitions.MSG_NOSIGNAL);
                if (result < 0)
                {
                    return (int)result;
                }

                sent += (int)result;
            }
        }

        return 0;
    }

    /// <summary>Receives bytes, and the descriptors that came with them.</summary>
    /// <param name="socket">A connected Unix stream socket.</param>
    /// <param name="buffer">Where the bytes go.</param>
    /// <param name="received">Receives the descriptors, owned by the caller.</param>
    /// <returns>Bytes, 0 at the end, or −errno; −EMSGSIZE where descriptors came that had no room.</returns>
    public static int Receive(int socket, Span<byte> buffer, ICollection<FileDescriptor> received)
    {
        ArgumentNullException.ThrowIfNull(received);
        Span<byte> control = stackalloc byte[LibC.CMSG_SPACE(Most * sizeof(int))];
        fixed (byte* data = buffer, head = control)
        {
            var piece = new iovec { iov_base = data, iov_len = (nuint)buffer.Length };
            var message = new msghdr { msg_iov = &piece, msg_iovlen = 1, msg_control = head, msg_controllen = (nuint)control.Length };
            nint result = LibC.recvmsg(socket, &message, Definitions.MSG_CMSG_CLOEXEC);
            if (result < 0)
            {
                return (int)result;
            }

            Collect(control[..(int)message.msg_controllen], received);
            return (message.msg_flags & Definitions.MSG_CTRUNC) != 0 ? -Definitions.EMSGSIZE : (int)result;
        }
    }

    private static void Collect(Span<byte> control, ICollection<FileDescriptor> received)
    {
        while (control.Length >= sizeof(cmsghdr))
        {
            cmsghdr head = MemoryMarshal.Read<cmsghdr>(control);
            int length = (int)Math.Min(head.cmsg_len, (nuint)control.Length);
            if (length < sizeof(cmsghdr))
            {
                return;
            }

            if (head.cmsg_level == Definitions.SOL_SOCKET && head.cmsg_type == Definitions.SCM_RIGHTS)
            {
                for (int at = sizeof(cmsghdr); at + sizeof(int) <= length; at += sizeof(int))
                {
                    received.Add(new FileDescriptor(MemoryMarshal.Read<int>(control[at..])));
                }
            }

            control = control[Math.Min(LibC.CMSG_SPACE(length - sizeof(cmsghdr)), control.Length)..];
        }
    }
}
