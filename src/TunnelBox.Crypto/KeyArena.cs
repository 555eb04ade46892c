using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;

namespace TunnelBox.Crypto;

/// <summary>
/// The one place where long-lived secrets are kept: slots of 32 secret bytes in memory that is locked, left out of core
/// dumps and wiped on return. Safe for use by several threads.
/// </summary>
/// <remarks>
/// Slots are 64 bytes, one cache line: the secret, then a state word and the free list's link. Slabs double from 64 KiB to
/// 4 MiB, so that an idle tunnel locks little and a million keys need few mappings. Reading through a handle takes no lock,
/// so a handle must not be used after it was returned: the owner of a key sees to that.
/// </remarks>
public sealed unsafe class KeyArena : IDisposable
{
    /// <summary>Bytes in a secret.</summary>
    public const int KeySize = 32;

    private const int SlotSize = 64;
    private const int FirstSlabSize = 64 * 1024;
    private const int LargestSlabSize = 4 * 1024 * 1024;
    private const ulong Rented = 0x5245_4E54_4544_0001;
    private const ulong Free = 0x4652_4545_0000_0001;

    private readonly Lock _lock = new();
    private readonly List<KeySlab> _slabs = [];
    private nint _firstFree;
    private int _count;
    private int _lockError;
    private bool _disposed;

    /// <summary>Gets the number of secrets kept now.</summary>
    public int Count
    {
        get
        {
            lock (_lock)
            {
                return _count;
            }
        }
    }

    /// <summary>Gets a value indicating whether every slab is locked in memory, so that no secret can reach swap.</summary>
    public bool IsLocked => Volatile.Read(ref _lockError) == 0;

    /// <summary>Gets a sentence for log and status where the kernel refused to lock memory; otherwise null.</summary>
    public string? LockWarning => Volatile.Read(ref _lockError) is int error and not 0
        ? $"Keys are not locked in memory and could reach swap (mlock: errno {error}); raise the limit with 'ulimit -l' or LimitMEMLOCK=."
        : null;

    /// <summary>Takes a slot that holds zeros.</summary>
    /// <returns>The handle; give it back with <see cref="Return"/>.</returns>
    /// <exception cref="ObjectDisposedException">The arena is gone.</exception>
    /// <exception cref="CryptoUnavailableException">The kernel gives no memory.</exception>
    public KeyHandle Rent()
    {
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            if (_firstFree == 0)
            {
                Grow();
            }

            nint slot = _firstFree;
            _firstFree = NextOf(slot);
            StateOf(slot) = Rented;
            NextOf(slot) = 0;
            _count++;
            return new KeyHandle(slot);
        }
    }

    /// <summary>Takes a slot and copies a secret into it.</summary>
    /// <param name="key">Exactly 32 bytes; the caller wipes its own copy.</param>
    /// <returns>The handle; give it back with <see cref="Return"/>.</returns>
    /// <exception cref="ArgumentException">The secret is not 32 bytes long.</exception>
    public KeyHandle Rent(ReadOnlySpan<byte> key)
    {
        RequireKeySize(key);
        KeyHandle handle = Rent();
        key.CopyTo(DangerousGetSpan(handle));
        return handle;
    }

    /// <summary>Overwrites a slot's secret.</summary>
    /// <param name="handle">A slot of this arena.</param>
    /// <param name="key">Exactly 32 bytes; the caller wipes its own copy.</param>
    /// <exception cref="ArgumentException">The secret is not 32 bytes long, or the handle is not a rented slot of this arena.</exception>
    public void Store(KeyHandle handle, ReadOnlySpan<byte> key)
    {
        RequireKeySize(key);
        lock (_lock)
        {
            RequireRented(handle);
            key.CopyTo(DangerousGetSpan(handle));
        }
    }

    /// <summary>Wipes a slot and takes it back. The default handle is ignored, so that a return needs no question first.</summary>
    /// <param name="handle">The slot.</param>
    /// <exception cref="ArgumentException">The handle is not a rented slot of this arena; returning twice is such a case.</exception>
    public void Return(KeyHandle handle)
    {
        if (handle.IsNone)
        {
            return;
        }

        lock (_lock)
        {
            if (_disposed)
            {
                return;
            }

            RequireRented(handle);
            CryptographicOperations.ZeroMemory(DangerousGetSpan(handle));
            StateOf(handle.Address) = Free;
            NextOf(handle.Address) = _firstFree;
            _firstFree = handle.Address;
            _count--;
        }
    }

    /// <summary>
    /// Gives the 32 secret bytes themselves. Dangerous: the span is valid only until the slot is returned or the arena is
    /// disposed, and nothing checks that.
    /// </summary>
    /// <param name="handle">A rented slot; not the default handle.</param>
    /// <returns>The slot's bytes.</returns>
    /// <exception cref="ArgumentException">The handle names no key.</exception>
    public static Span<byte> DangerousGetSpan(KeyHandle handle)
    {
        if (handle.IsNone)
        {
            ThrowNoKey(nameof(handle));
        }

        return new Span<byte>((void*)handle.Address, KeySize);
    }

    /// <summary>Wipes and unmaps everything; every handle becomes invalid.</summary>
    public void Dispose()
    {
        lock (_lock)
        {
            _disposed = true;
            _firstFree = 0;
            _count = 0;
            foreach (KeySlab slab in _slabs)
            {
                slab.Dispose();
            }

            _slabs.Clear();
        }
    }

    private static ref ulong StateOf(nint slot) => ref *(ulong*)(slot + KeySize);

    private static ref nint NextOf(nint slot) => ref *(nint*)(slot + KeySize + sizeof(ulong));

    private static void RequireKeySize(ReadOnlySpan<byte> key)
    {
        if (key.Length != KeySize)
        {
            throw new ArgumentException("A key is 32 bytes.", nameof(key));
        }
    }

    [DoesNotReturn]
    private static void ThrowNoKey(string parameter) => throw new ArgumentException("The handle names no key.", parameter);

    private void RequireRented(KeyHandle handle)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        foreach (KeySlab slab in _slabs)
        {
            if (slab.Contains(handle.Address))
            {
                if ((handle.Address - slab.Start) % SlotSize == 0 && StateOf(handle.Address) == Rented)
                {
                    return;
                }

                break;
            }
        }

        throw new ArgumentException("The handle is not a rented slot of this arena.", nameof(handle));
    }

    private void Grow()
    {
        int size = _slabs.Count == 0 ? FirstSlabSize : Math.Min(_slabs[^1].Length * 2, LargestSlabSize);
        KeySlab slab = new(size);
        _slabs.Add(slab);
        if (slab.LockError != 0)
        {
            Volatile.Write(ref _lockError, slab.LockError);
        }

        // Linked from the end, so that slots are handed out in the order of their addresses.
        for (nint slot = slab.Start + size - SlotSize; slot >= slab.Start; slot -= SlotSize)
        {
            StateOf(slot) = Free;
            NextOf(slot) = _firstFree;
            _firstFree = slot;
        }
    }
}
