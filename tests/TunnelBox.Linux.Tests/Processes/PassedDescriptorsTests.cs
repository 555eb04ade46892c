using TunnelBox.Linux.Libc;
using TunnelBox.Linux.Processes;

namespace TunnelBox.Linux.Tests.Processes;

/// <summary>Descriptors over a Unix socket.</summary>
public sealed unsafe class PassedDescriptorsTests
{
    [Fact]
    public void Descriptors_arrive_with_the_first_bytes()
    {
        int* pair = stackalloc int[2];
        Assert.Equal(0, LibC.socketpair(Definitions.AF_UNIX, Definitions.SOCK_STREAM, 0, pair));
        using FileDescriptor near = new(pair[0]);
        using FileDescriptor far = new(pair[1]);
        Assert.Equal(0, LibC.pipe2(pair, Definitions.O_CLOEXEC));
        using FileDescriptor reading = new(pair[0]);
        using FileDescriptor writing = new(pair[1]);

        Assert.Equal(0, PassedDescriptors.Send(near.Value, "hello\n"u8, [reading.Value, writing.Value]));
        Span<byte> buffer = stackalloc byte[16];
        List<FileDescriptor> received = [];
        Assert.Equal(6, PassedDescriptors.Receive(far.Value, buffer, received));
        Assert.Equal("hello\n"u8, buffer[..6]);
        Assert.Equal(2, received.Count);
        Assert.All(received, descriptor => Assert.NotEqual(0, LibC.fcntl(descriptor.Value, 1, 0) & 1)); // FD_CLOEXEC

        // They are the same pipe.
        byte sent = 42;
        byte seen = 0;
        Assert.Equal(1, LibC.write(received[1].Value, &sent, 1));
        Assert.Equal(1, LibC.read(reading.Value, &seen, 1));
        Assert.Equal(42, seen);
        received.ForEach(descriptor => descriptor.Dispose());

        near.Dispose();
        Assert.Equal(0, PassedDescriptors.Receive(far.Value, buffer, received));
    }
}
