namespace TunnelBox.Crypto;

/// <summary>
/// One packet to seal or open with ChaCha20-Poly1305 (RFC 8439) without associated data and with WireGuard's nonce:
/// four zero bytes, then the counter in little-endian order (WireGuard paper, section 5.4.6).
/// </summary>
public struct AeadJob
{
    /// <summary>
    /// First byte to read: <see cref="Length"/> bytes of plaintext when sealing, <see cref="Length"/> bytes of
    /// ciphertext and then 16 of tag when opening.
    /// </summary>
    public nint Source;

    /// <summary>
    /// First byte to write: ciphertext and 16 bytes of tag when sealing, plaintext when opening. Equal to
    /// <see cref="Source"/> for work in place; any other overlap is forbidden.
    /// </summary>
    public nint Destination;

    /// <summary>The key.</summary>
    public KeyHandle Key;

    /// <summary>The packet's counter, used as nonce.</summary>
    public ulong Counter;

    /// <summary>Bytes of plaintext, 0 to 65,535, without the tag.</summary>
    public int Length;

    /// <summary>
    /// Set by <see cref="IPacketAead.Open"/>: whether the tag was right. Where it was not, the destination holds no
    /// plaintext (it is zeroed, or was never written).
    /// </summary>
    public bool Opened;
}

/// <summary>Seals and opens packets in batches: the one way in which the data path meets its cipher.</summary>
public interface IPacketAead
{
    /// <summary>Bytes that sealing adds to a packet.</summary>
    const int TagSize = 16;

    /// <summary>Gets the engine's name as status output shows it.</summary>
    string Name { get; }

    /// <summary>Seals every job. Jobs may differ in key and length. Allocates nothing.</summary>
    /// <param name="jobs">The packets; at most one burst at a time is expected, any count is allowed.</param>
    void Seal(Span<AeadJob> jobs);

    /// <summary>Opens every job and sets <see cref="AeadJob.Opened"/> of each. Allocates nothing.</summary>
    /// <param name="jobs">The packets.</param>
    void Open(Span<AeadJob> jobs);
}
