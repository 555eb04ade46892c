using System.Runtime.InteropServices;

namespace TunnelBox.DataPath;

/// <summary>One piece of native memory, aligned to a page; its pages cost nothing until they are touched.</summary>
internal sealed unsafe class NativeRegion : SafeHandle
{
    /// <summary>Initializes a new instance of the <see cref="NativeRegion"/> class.</summary>
    /// <param name="bytes">Size.</param>
    public NativeRegion(nuint bytes)
        : base(0, ownsHandle: true)
    {
        SetHandle((nint)NativeMemory.AlignedAlloc(bytes, 4096));
        Length = bytes;
    }

    /// <inheritdoc/>
    public override bool IsInvalid => handle == 0;

    /// <summary>Gets the first byte.</summary>
    public byte* Address => (byte*)handle;

    /// <summary>Gets the size in bytes.</summary>
    public nuint Length { get; }

    /// <inheritdoc/>
    protected override bool ReleaseHandle()
    {
        NativeMemory.AlignedFree((void*)handle);
        return true;
    }
}
