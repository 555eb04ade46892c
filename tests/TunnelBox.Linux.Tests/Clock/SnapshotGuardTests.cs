using System.Buffers.Binary;
using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text;
using TunnelBox.Linux.Clock;

namespace TunnelBox.Linux.Tests.Clock;

public sealed partial class SnapshotGuardTests
{
    private const string Uevent =
        "change@/devices/platform/VMGENCTR:00\0ACTION=change\0DEVPATH=/devices/platform/VMGENCTR:00\0SUBSYSTEM=platform\0";

    [Theory]
    [InlineData(Uevent + "NEW_VMGENID=1\0DRIVER=vmgenid\0SEQNUM=1404\0", true)]
    [InlineData(Uevent + "DRIVER=vmgenid\0SEQNUM=1404\0NEW_VMGENID=1", true)]
    [InlineData(Uevent + "DRIVER=vmgenid\0SEQNUM=1404\0", false)]
    [InlineData(Uevent + "SYNTH_ARG_NEW_VMGENID=1\0", false)]
    [InlineData(Uevent + "NEW_VMGENID=10\0", false)]
    [InlineData(Uevent + "XNEW_VMGENID=1\0", false)]
    [InlineData("NEW_VMGENID=1\0ACTION=change\0", false)]
    [InlineData("", false)]
    [InlineData("\0\0\0", false)]
    public void A_uevent_is_read_field_by_field(string uevent, bool expected) =>
        Assert.Equal(expected, SnapshotGuard.IsNewGeneration(Encoding.ASCII.GetBytes(uevent)));

    [Theory]
    [InlineData("5,412,1301162,-;random: crng reseeded due to virtual machine fork\n", true)]
    [InlineData("5,412,1301162,-,caller=T1;random: crng reseeded due to virtual machine fork\n SUBSYSTEM=x\n", true)]
    [InlineData("13,412,1301162,-;random: crng reseeded due to virtual machine fork\n", false)]
    [InlineData("9,412,1301162,-;random: crng reseeded due to virtual machine fork\n", false)]
    [InlineData("5,412,1301162,-;random: crng reseeded on system resumption\n", false)]
    [InlineData("5,412,1301162,-;x: random: crng reseeded due to virtual machine fork\n", false)]
    [InlineData("5;random: crng reseeded due to virtual machine fork\n", false)]
    [InlineData("", false)]
    [InlineData(",;", false)]
    [InlineData("5,", false)]
    public void A_log_record_counts_only_from_the_kernel(string record, bool expected) =>
        Assert.Equal(expected, SnapshotGuard.IsForkRecord(Encoding.ASCII.GetBytes(record)));

    [Fact]
    public void Random_records_never_throw()
    {
        var random = new Random(7);
        byte[] bytes = new byte[200];
        byte[][] seeds = [Encoding.ASCII.GetBytes(Uevent), "5,412,1301162,-;random: crng reseeded"u8.ToArray()];
        for (int i = 0; i < 1_000_000; i++)
        {
            byte[] seed = seeds[i & 1];
            int length = random.Next(Math.Min(bytes.Length, seed.Length) + 1);
            seed.AsSpan(0, length).CopyTo(bytes);
            for (int flips = random.Next(4); flips > 0 && length > 0; flips--)
            {
                bytes[random.Next(length)] = (byte)random.Next(256);
            }

            SnapshotGuard.IsNewGeneration(bytes.AsSpan(0, length));
            SnapshotGuard.IsForkRecord(bytes.AsSpan(0, length));
        }
    }

    [Fact]
    public void Opening_never_fails_and_says_what_it_watches()
    {
        using SnapshotGuard guard = SnapshotGuard.Open();
        Span<int> descriptors = stackalloc int[2];
        Assert.Equal(guard.IsWatching, guard.GetPollDescriptors(descriptors) > 0);
        Assert.StartsWith("snapshot guard: ", guard.Description, StringComparison.Ordinal);
    }

    [Fact]
    [Trait("Needs", "root")]
    public void What_user_space_writes_into_the_kernel_log_is_not_believed()
    {
        using SnapshotGuard guard = SnapshotGuard.Open();
        File.WriteAllText("/dev/kmsg", "<5>random: crng reseeded due to virtual machine fork\n");
        Assert.False(guard.Poll());
        Assert.True(guard.RecordsRead > 0, "the record did not arrive");
    }

    [Fact]
    [Trait("Needs", "root")]
    public void An_ordinary_uevent_arrives_and_is_no_restore()
    {
        using SnapshotGuard guard = SnapshotGuard.Open();
        File.WriteAllText("/sys/class/mem/null/uevent", "change 00000000-0000-0000-0000-000000000001 VMGENID=1");
        WaitForRecord(guard, out bool restored);
        Assert.False(restored);
    }

    [Fact]
    [Trait("Needs", "root")]
    public void The_kernels_uevent_is_noticed_and_that_of_a_process_is_not()
    {
        // The kernel forwards an event that root gives it to the group of the same network namespace as one of its own; in a
        // namespace of its own nobody else is told. A thread that unshared must not return to the pool.
        Exception? failure = null;
        var thread = new Thread(() =>
        {
            try
            {
                Assert.Equal(0, Unshare(0x40000000));
                using SnapshotGuard guard = SnapshotGuard.Open();
                Send(Uevent + "NEW_VMGENID=1\0", group: 1);
                WaitForRecord(guard, out bool restored);
                Assert.False(restored, "an event of another process was believed");

                Send(Uevent + "NEW_VMGENID=1\0", group: 0);
                WaitForRecord(guard, out restored);
                Assert.True(restored, "the kernel's event was not noticed");
                Assert.False(guard.Poll());
            }
            catch (Exception e)
            {
                failure = e;
            }
        });
        thread.Start();
        thread.Join();
        Assert.True(failure is null, failure?.ToString());
    }

    private static void WaitForRecord(SnapshotGuard guard, out bool restored)
    {
        long before = guard.RecordsRead;
        var watch = Stopwatch.StartNew();
        restored = guard.Poll();
        while (guard.RecordsRead == before && watch.Elapsed < TimeSpan.FromSeconds(5))
        {
            Thread.Sleep(1);
            restored |= guard.Poll();
        }

        Assert.True(guard.RecordsRead > before, "no event arrived");
    }

    private static unsafe void Send(string uevent, uint group)
    {
        // To the kernel (group 0) the event travels as a netlink message, to a group as it is.
        byte[] payload = Encoding.ASCII.GetBytes(uevent);
        byte[] message = payload;
        if (group == 0)
        {
            message = new byte[16 + payload.Length];
            BinaryPrimitives.WriteInt32LittleEndian(message, message.Length);
            BinaryPrimitives.WriteUInt16LittleEndian(message.AsSpan(4), 16);
            BinaryPrimitives.WriteUInt16LittleEndian(message.AsSpan(6), 1); // NLM_F_REQUEST
            payload.CopyTo(message, 16);
        }

        int fd = ClockNative.Socket(ClockNative.AF_NETLINK, ClockNative.SOCK_DGRAM, ClockNative.NETLINK_KOBJECT_UEVENT);
        Assert.True(fd >= 0);
        using var socket = new Microsoft.Win32.SafeHandles.SafeFileHandle(fd, ownsHandle: true);
        var to = new ClockNative.SockaddrNl { Family = ClockNative.AF_NETLINK, Groups = group };
        fixed (byte* bytes = message)
        {
            nint sent = SendTo(fd, bytes, (nuint)message.Length, 0, &to, (uint)sizeof(ClockNative.SockaddrNl));
            Assert.True(sent == message.Length, $"sendto: errno {Marshal.GetLastPInvokeError()}");
        }
    }

    [LibraryImport("libc", EntryPoint = "unshare", SetLastError = true)]
    private static partial int Unshare(int flags);

    [LibraryImport("libc", EntryPoint = "sendto", SetLastError = true)]
    private static unsafe partial nint SendTo(
        int socket, byte* buffer, nuint length, int flags, ClockNative.SockaddrNl* to, uint toLength);
}
