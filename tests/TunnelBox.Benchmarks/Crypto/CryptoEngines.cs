using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using TunnelBox.Crypto;

namespace TunnelBox.Benchmarks.Crypto;

/// <summary>The memory of one case and every engine bound to it: all of them read the same packets at the same places.</summary>
internal sealed unsafe class CryptoEngines : IDisposable
{
    private readonly KeyArena _arena = new();
    private readonly AeadJob[] _managed;
    private readonly NativeJob* _native;
    private readonly byte* _memory;
    private readonly int _count;
    private readonly bool _sealing;
    private readonly CryptoPlace _place;
    private readonly byte[] _asLaidOut;

    /// <summary>Lays the packets out: for opening, the sources hold what libsodium sealed.</summary>
    /// <param name="what">The case.</param>
    /// <param name="oracle">Seals the packets that are to be opened.</param>
    public CryptoEngines(CryptoCase what, BatchCall oracle)
    {
        _count = what.Lengths.Length;
        _sealing = what.Sealing;
        _place = what.Place;
        // Rows of whole cache lines and one more, so that equal packets do not meet in the same sets of the cache.
        int stride = ((what.Lengths.Max() + IPacketAead.TagSize + 63) & ~63) + 64;
        _memory = (byte*)NativeMemory.AlignedAlloc((nuint)(2 * _count * stride), 64);
        _native = (NativeJob*)NativeMemory.AllocZeroed((nuint)_count, (nuint)sizeof(NativeJob));
        new SodiumRandom().Fill(new Span<byte>(_memory, 2 * _count * stride));
        KeyHandle[] keys = new KeyHandle[what.Keys];
        for (int i = 0; i < keys.Length; i++)
        {
            keys[i] = _arena.Rent();
            new SodiumRandom().Fill(KeyArena.DangerousGetSpan(keys[i]));
        }

        _managed = new AeadJob[_count];
        for (int i = 0; i < _count; i++)
        {
            KeyHandle key = keys[i % keys.Length];
            byte* source = _memory + (2 * i * stride);
            byte* destination = _place == CryptoPlace.Apart ? source + stride : source;
            _native[i] = new NativeJob
            {
                Source = (nint)source,
                Destination = (nint)destination,
                Key = (nint)Unsafe.AsPointer(ref MemoryMarshal.GetReference(KeyArena.DangerousGetSpan(key))),
                Counter = (ulong)(1000 + i),
                Length = (ulong)what.Lengths[i],
            };
            _managed[i] = new AeadJob { Source = (nint)source, Destination = (nint)destination, Key = key, Counter = (ulong)(1000 + i), Length = what.Lengths[i] };
        }

        if (!_sealing)
        {
            _ = oracle(_native, _count, 1);
            for (int i = 0; i < _count; i++)
            {
                int length = what.Lengths[i] + IPacketAead.TagSize;
                Buffer.MemoryCopy((void*)_native[i].Destination, (void*)_native[i].Source, length, length);
            }
        }

        _asLaidOut = new Span<byte>(_memory, 2 * _count * stride).ToArray();
    }

    /// <summary>Binds a native library.</summary>
    /// <param name="call">The library.</param>
    /// <returns>What does the case once and gives the number of packets that went wrong.</returns>
    public Func<int> Bind(BatchCall call)
    {
        if (_place == CryptoPlace.ThereAndBack)
        {
            return () => call(_native, _count, 1) + call(_native, _count, 0);
        }

        int sealing = _sealing ? 1 : 0;
        return () => call(_native, _count, sealing);
    }

    /// <summary>Binds an engine of ours.</summary>
    /// <param name="aead">The engine.</param>
    /// <returns>What does the case once and gives the number of packets that went wrong.</returns>
    public Func<int> Bind(IPacketAead aead)
    {
        if (!_sealing)
        {
            return () => Open(aead);
        }

        bool back = _place == CryptoPlace.ThereAndBack;
        return () =>
        {
            aead.Seal(_managed);
            return back ? Open(aead) : 0;
        };
    }

    /// <summary>Gives a digest of all destinations, by which engines are held to the same result.</summary>
    /// <returns>The digest.</returns>
    public UInt128 Result()
    {
        UInt128 sum = 0;
        for (int i = 0; i < _count; i++)
        {
            int length = (int)_native[i].Length + (_sealing && _place != CryptoPlace.ThereAndBack ? IPacketAead.TagSize : 0);
            foreach (byte value in new ReadOnlySpan<byte>((void*)_native[i].Destination, length))
            {
                sum = unchecked((sum * 1099511628211) + value + 1);
            }
        }

        return sum;
    }

    /// <summary>Lays the packets out anew and overwrites destinations of their own, so that an engine that writes nothing is seen.</summary>
    public void Spoil()
    {
        _asLaidOut.CopyTo(new Span<byte>(_memory, _asLaidOut.Length));
        if (_place != CryptoPlace.Apart)
        {
            return;
        }

        for (int i = 0; i < _count; i++)
        {
            new Span<byte>((void*)_native[i].Destination, (int)_native[i].Length + IPacketAead.TagSize).Fill(0xA5);
        }
    }

    private int Open(IPacketAead aead)
    {
        aead.Open(_managed);
        int wrong = 0;
        foreach (ref readonly AeadJob job in _managed.AsSpan())
        {
            wrong += job.Opened ? 0 : 1;
        }

        return wrong;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        NativeMemory.AlignedFree(_memory);
        NativeMemory.Free(_native);
        _arena.Dispose();
    }
}
