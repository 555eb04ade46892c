using TunnelBox.Linux.Libc;

namespace TunnelBox.DataPath.Tests.Support;

/// <summary>Memory that ends at an unmapped page: one byte too far ends the test run.</summary>
internal sealed unsafe class GuardedMemory : IDisposable
{
    private const int Page = 4096;
    private readonly nint _address;
    private readonly nuint _length;

    public GuardedMemory(int bytes)
    {
        _length = (nuint)((bytes + Page - 1) / Page * Page);
        _address = LibC.mmap(
            null, _length + Page, Definitions.PROT_READ | Definitions.PROT_WRITE, Definitions.MAP_PRIVATE | Definitions.MAP_ANONYMOUS, -1, 0);
        Assert.True(_address > 0);
        Assert.Equal(0, LibC.mprotect(End, Page, Definitions.PROT_NONE));
    }

    /// <summary>Gets the first byte that may not be touched.</summary>
    public byte* End => (byte*)_address + _length;

    public void Dispose() => LibC.munmap((void*)_address, _length + Page);
}
