using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace TunnelBox.Linux.Clock;

/// <summary>
/// Tells when this virtual machine was restored from a snapshot, so that sessions can be dropped before a nonce is used twice.
/// The kernel learns of it from the hypervisor's generation device (vmgenid) and tells user space in two ways, of which
/// either may be missing: a uevent with <c>NEW_VMGENID=1</c> (drivers/virt/vmgenid.c), and a line in the kernel log
/// (<c>add_vmfork_randomness</c> in drivers/char/random.c, Linux 5.18 and newer).
/// </summary>
/// <remarks>
/// Uevents reach network namespaces of the initial user namespace only; the kernel log needs CAP_SYSLOG where
/// <c>kernel.dmesg_restrict</c> is set. What user space writes into the kernel log carries another facility and is not believed.
/// Where a record got lost, the answer is "restored": a needless handshake costs nothing, a repeated nonce everything.
/// Between the restore and the kernel's report some packets can leave; no user-space program can close that gap.
/// </remarks>
public sealed unsafe class SnapshotGuard : IDisposable
{
    private const int BufferSize = 16 * 1024;
    private const int ReceiveBufferBytes = 1 << 20;
    private const int RecordsPerPoll = 4096;

    private readonly SafeFileHandle? _events;
    private readonly SafeFileHandle? _log;
    private readonly byte[] _buffer = new byte[BufferSize];

    private SnapshotGuard(SafeFileHandle? events, SafeFileHandle? log)
    {
        _events = events;
        _log = log;
    }

    /// <summary>Gets a value indicating whether at least one of the two ways is open.</summary>
    public bool IsWatching => _events is not null || _log is not null;

    /// <summary>Gets what status output says, such as <c>snapshot guard: uevents, kernel log; generation device present</c>.</summary>
    public string Description
    {
        get
        {
            string ways = (_events, _log) switch
            {
                (not null, not null) => "uevents, kernel log",
                (not null, null) => "uevents only (the kernel log needs CAP_SYSLOG)",
                (null, not null) => "kernel log only (no uevent socket)",
                _ => "none (a restored snapshot goes unnoticed; grant CAP_SYSLOG)",
            };
            return $"snapshot guard: {ways}; generation device {(HasGenerationDevice() ? "present" : "absent")}";
        }
    }

    /// <summary>Gets how many records of either kind were read so far.</summary>
    internal long RecordsRead { get; private set; }

    /// <summary>Opens what the machine and our rights allow; never fails.</summary>
    /// <returns>The guard.</returns>
    public static SnapshotGuard Open() => new(OpenEvents(), OpenLog());

    /// <summary>Tells whether the kernel drives a generation device; without one no restore can be noticed, or none can happen.</summary>
    /// <returns>Whether there is one.</returns>
    public static bool HasGenerationDevice()
    {
        foreach (string driver in (ReadOnlySpan<string>)["/sys/bus/platform/drivers/vmgenid", "/sys/bus/acpi/drivers/vmgenid"])
        {
            // Devices are links named after their bus address; the driver's own files have no colon.
            if (Directory.Exists(driver) && Directory.EnumerateFileSystemEntries(driver, "*:*").Any())
            {
                return true;
            }
        }

        // A device-tree machine names the device by its address, such as 80000000.vmgenid.
        return Directory.Exists("/sys/bus/platform/drivers/vmgenid")
            && Directory.EnumerateFileSystemEntries("/sys/bus/platform/drivers/vmgenid", "*.*").Any();
    }

    /// <summary>Writes the descriptors that become readable when <see cref="Poll"/> has work.</summary>
    /// <param name="descriptors">Room for 2.</param>
    /// <returns>How many were written.</returns>
    public int GetPollDescriptors(Span<int> descriptors)
    {
        int count = 0;
        if (_events is not null)
        {
            descriptors[count++] = (int)_events.DangerousGetHandle();
        }

        if (_log is not null)
        {
            descriptors[count++] = (int)_log.DangerousGetHandle();
        }

        return count;
    }

    /// <summary>Reads what the kernel has said since the last call; never blocks.</summary>
    /// <returns>Whether a snapshot was restored, or may have been.</returns>
    public bool Poll()
    {
        bool restored = false;
        if (_events is not null)
        {
            restored = PollEvents(_events);
        }

        if (_log is not null)
        {
            restored |= PollLog(_log);
        }

        return restored;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _events?.Dispose();
        _log?.Dispose();
    }

    /// <summary>Tells whether a uevent reports a new generation: NUL-separated fields after a header (lib/kobject_uevent.c).</summary>
    internal static bool IsNewGeneration(ReadOnlySpan<byte> uevent)
    {
        bool header = true;
        foreach (Range field in uevent.Split((byte)0))
        {
            // The header names a path that anybody may have chosen.
            if (!header && uevent[field].SequenceEqual("NEW_VMGENID=1"u8))
            {
                return true;
            }

            header = false;
        }

        return false;
    }

    /// <summary>
    /// Tells whether a record of /dev/kmsg (Documentation/ABI/testing/dev-kmsg) is the kernel's own line about a fork.
    /// </summary>
    internal static bool IsForkRecord(ReadOnlySpan<byte> record)
    {
        // "priority,sequence,time,flags;text": the facility, priority / 8, is 0 for the kernel alone.
        int comma = record.IndexOf((byte)',');
        int semicolon = record.IndexOf((byte)';');
        if (comma != 1 || semicolon < comma || record[0] is < (byte)'0' or > (byte)'7')
        {
            return false;
        }

        ReadOnlySpan<byte> text = record[(semicolon + 1)..];
        int end = text.IndexOf((byte)'\n');
        return (end < 0 ? text : text[..end]).SequenceEqual("random: crng reseeded due to virtual machine fork"u8);
    }

    private static SafeFileHandle? OpenEvents()
    {
        int fd = ClockNative.Socket(
            ClockNative.AF_NETLINK,
            ClockNative.SOCK_DGRAM | ClockNative.SOCK_NONBLOCK | ClockNative.SOCK_CLOEXEC,
            ClockNative.NETLINK_KOBJECT_UEVENT);
        if (fd < 0)
        {
            return null;
        }

        var socket = new SafeFileHandle(fd, ownsHandle: true);
        int bytes = ReceiveBufferBytes;
        _ = ClockNative.SetSocketOption(socket, ClockNative.SOL_SOCKET, ClockNative.SO_RCVBUF, &bytes, sizeof(int));

        // Group 1 is the kernel; group 2 is udev.
        var address = new ClockNative.SockaddrNl { Family = ClockNative.AF_NETLINK, Groups = 1 };
        if (ClockNative.Bind(socket, &address, (uint)sizeof(ClockNative.SockaddrNl)) == 0)
        {
            return socket;
        }

        socket.Dispose();
        return null;
    }

    private static SafeFileHandle? OpenLog()
    {
        int fd;
        fixed (byte* path = "/dev/kmsg\0"u8)
        {
            fd = ClockNative.Open(path, ClockNative.O_RDONLY | ClockNative.O_NONBLOCK | ClockNative.O_CLOEXEC);
        }

        if (fd < 0)
        {
            return null;
        }

        // What happened before we had any session does not matter.
        var log = new SafeFileHandle(fd, ownsHandle: true);
        if (ClockNative.Seek(log, 0, ClockNative.SEEK_END) >= 0)
        {
            return log;
        }

        log.Dispose();
        return null;
    }

    private bool PollEvents(SafeFileHandle events)
    {
        bool restored = false;
        for (int i = 0; i < RecordsPerPoll; i++)
        {
            var from = default(ClockNative.SockaddrNl);
            uint fromLength = (uint)sizeof(ClockNative.SockaddrNl);
            nint length;
            fixed (byte* buffer = _buffer)
            {
                length = ClockNative.ReceiveFrom(events, buffer, BufferSize, 0, &from, &fromLength);
            }

            if (length >= 0)
            {
                RecordsRead++;

                // Port 0 is the kernel: what other processes send to the group is not believed.
                restored |= from.PortId == 0 && IsNewGeneration(_buffer.AsSpan(0, (int)length));
                continue;
            }

            int error = Marshal.GetLastPInvokeError();
            if (error == ClockNative.ENOBUFS)
            {
                // The log says it too, if we may read it.
                restored |= _log is null;
            }
            else if (error != ClockNative.EINTR)
            {
                break;
            }
        }

        return restored;
    }

    private bool PollLog(SafeFileHandle log)
    {
        bool restored = false;
        for (int i = 0; i < RecordsPerPoll; i++)
        {
            nint length;
            fixed (byte* buffer = _buffer)
            {
                length = ClockNative.Read(log, buffer, BufferSize);
            }

            if (length > 0)
            {
                RecordsRead++;
                restored |= IsForkRecord(_buffer.AsSpan(0, (int)length));
                continue;
            }

            int error = length == 0 ? ClockNative.EAGAIN : Marshal.GetLastPInvokeError();
            if (error == ClockNative.EPIPE)
            {
                // Records were overwritten before we read them; the next read goes on behind the gap.
                restored = true;
            }
            else if (error != ClockNative.EINTR)
            {
                break;
            }
        }

        return restored;
    }
}
