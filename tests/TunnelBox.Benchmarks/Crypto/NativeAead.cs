using System.Runtime.InteropServices;

namespace TunnelBox.Benchmarks.Crypto;

/// <summary>One packet as the native libraries take it: the layout of <c>struct job</c> in interop/crypto/shim.c.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct NativeJob
{
    /// <summary>First byte to read.</summary>
    public nint Source;

    /// <summary>First byte to write.</summary>
    public nint Destination;

    /// <summary>The 32 bytes of the key.</summary>
    public nint Key;

    /// <summary>The counter that the nonce is made of.</summary>
    public ulong Counter;

    /// <summary>Bytes of plaintext.</summary>
    public ulong Length;
}

/// <summary>The native libraries, each called once a batch through the library that interop/crypto/bench builds.</summary>
internal sealed unsafe class NativeAead
{
    private readonly nint _library;

    /// <summary>Loads the library.</summary>
    /// <param name="path">The file that was built of interop/crypto/shim.c.</param>
    public NativeAead(string path)
    {
        _library = NativeLibrary.Load(path);
        if (((delegate* unmanaged<int>)NativeLibrary.GetExport(_library, "start"))() != 0)
        {
            throw new InvalidOperationException("OpenSSL or libsodium could not be started.");
        }
    }

    /// <summary>Opens a manager of libipsec-mb.</summary>
    /// <param name="form">0 the best of the processor, 1 AVX-512 without IFMA, 2 AVX2.</param>
    /// <returns>The manager.</returns>
    public nint OpenMultiBuffer(int form)
    {
        nint manager = ((delegate* unmanaged<int, nint>)NativeLibrary.GetExport(_library, "imb_open"))(form);
        return manager != 0 ? manager : throw new InvalidOperationException($"libipsec-mb refused form {form} on this processor.");
    }

    /// <summary>Gives the libraries' versions and forms.</summary>
    /// <param name="manager">A manager of libipsec-mb.</param>
    /// <returns>One line.</returns>
    public string Describe(nint manager)
    {
        byte* text = stackalloc byte[256];
        ((delegate* unmanaged<nint, byte*, int, void>)NativeLibrary.GetExport(_library, "describe"))(manager, text, 256);
        return Marshal.PtrToStringUTF8((nint)text)!;
    }

    /// <summary>Gives a function that takes jobs only.</summary>
    /// <param name="name">Its name in the library.</param>
    /// <returns>What seals or opens one batch and gives the number that went wrong.</returns>
    public BatchCall Plain(string name)
    {
        nint function = NativeLibrary.GetExport(_library, name);
        return (jobs, count, sealing) => ((delegate* unmanaged<NativeJob*, int, int, int>)function)(jobs, count, sealing);
    }

    /// <summary>Gives a function that takes a manager as well.</summary>
    /// <param name="name">Its name in the library.</param>
    /// <param name="manager">The manager.</param>
    /// <returns>What seals or opens one batch and gives the number that went wrong.</returns>
    public BatchCall Managed(string name, nint manager)
    {
        nint function = NativeLibrary.GetExport(_library, name);
        return (jobs, count, sealing) => ((delegate* unmanaged<nint, NativeJob*, int, int, int>)function)(manager, jobs, count, sealing);
    }
}

/// <summary>Seals or opens one batch.</summary>
/// <param name="jobs">The packets.</param>
/// <param name="count">How many.</param>
/// <param name="sealing">1 to seal, 0 to open.</param>
/// <returns>How many went wrong.</returns>
internal unsafe delegate int BatchCall(NativeJob* jobs, int count, int sealing);
