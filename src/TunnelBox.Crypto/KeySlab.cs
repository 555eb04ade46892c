using System.Runtime.InteropServices;
using TunnelBox.Crypto.Libc;

namespace TunnelBox.Crypto;

/// <summary>
/// One mapping of key slots between two inaccessible pages. It stays out of core dumps and of forked children, is locked in
/// memory where the kernel allows it, and is zeroed before it goes.
/// </summary>
internal sealed unsafe class KeySlab : SafeHandle
{
    private readonly nuint _length;

    /// <summary>Maps a slab.</summary>
    /// <param name="length">Usable bytes, a multiple of the page size.</param>
    /// <exception cref="CryptoUnavailableException">The kernel gives no memory.</exception>
    internal KeySlab(int length)
        : base(0, ownsHandle: true)
    {
        nuint page = (nuint)Environment.SystemPageSize;
        _length = (nuint)length;
        nint mapping = Mman.mmap(0, _length + (2 * page), Mman.PROT_NONE, Mman.MAP_PRIVATE | Mman.MAP_ANONYMOUS, -1, 0);
        if (mapping == -1)
        {
            throw new CryptoUnavailableException($"The kernel gives no memory for keys (errno {Marshal.GetLastPInvokeError()}): raise the process's memory limit.");
        }

        SetHandle(mapping);
        Start = mapping + (nint)page;
        if (Mman.mprotect(Start, _length, Mman.PROT_READ | Mman.PROT_WRITE) != 0)
        {
            int error = Marshal.GetLastPInvokeError();
            Start = 0;
            Dispose();
            throw new CryptoUnavailableException($"The kernel gives no memory for keys (errno {error}): raise the process's memory limit.");
        }

        // Both are refinements that old kernels may lack; a secret is no less secret in this process without them.
        _ = Mman.madvise(Start, _length, Mman.MADV_DONTDUMP);
        _ = Mman.madvise(Start, _length, Mman.MADV_WIPEONFORK);
        LockError = Mman.mlock(Start, _length) == 0 ? 0 : Marshal.GetLastPInvokeError();
    }

    /// <inheritdoc/>
    public override bool IsInvalid => handle == 0;

    /// <summary>Gets the address of the first slot.</summary>
    internal nint Start { get; private set; }

    /// <summary>Gets the usable bytes.</summary>
    internal int Length => (int)_length;

    /// <summary>Gets the errno with which mlock failed, or 0.</summary>
    internal int LockError { get; }

    /// <summary>Tells whether an address lies in the slab.</summary>
    internal bool Contains(nint address) => (nuint)(address - Start) < _length;

    /// <inheritdoc/>
    protected override bool ReleaseHandle()
    {
        if (Start != 0)
        {
            System.Security.Cryptography.CryptographicOperations.ZeroMemory(new Span<byte>((void*)Start, (int)_length));
        }

        // Unmapping also unlocks.
        return Mman.munmap(handle, _length + (2 * (nuint)Environment.SystemPageSize)) == 0;
    }
}
