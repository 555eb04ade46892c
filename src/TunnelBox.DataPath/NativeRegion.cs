using System.Runtime.InteropServices;

namespace TunnelBox.DataPath;

/// <summary>A piece of native memory, 64-byte aligned, zeroed when it is given back: it has held plaintext.</summary>
internal sealed unsafe class NativeRegion : IDisposable
{
    private void* _memory;

    /// <summary>Allocates.</summary>
    /// <param name="size">Bytes.</param>
    public NativeRegion(int size)
    {
        Size = size;
        _memory = NativeMemory.AlignedAlloc((nuint)size, 64);
    }

    /// <summary>Gets the first byte.</summary>
    public byte* Start => (byte*)_memory;

    /// <summary>Gets the size in bytes.</summary>
    public int Size { get; }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_memory is not null)
        {
            NativeMemory.Clear(_memory, (nuint)Size);
            NativeMemory.AlignedFree(_memory);
            _memory = null;
        }
    }
}
