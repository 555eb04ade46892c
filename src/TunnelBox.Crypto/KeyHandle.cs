namespace TunnelBox.Crypto;

/// <summary>
/// A place in the <see cref="KeyArena"/> that holds one 32-byte secret. The handle is not the secret: it may be copied,
/// compared and stored anywhere. The default handle names no key.
/// </summary>
public readonly struct KeyHandle : IEquatable<KeyHandle>
{
    internal KeyHandle(nint address) => Address = address;

    /// <summary>Gets the address of the 32 secret bytes; for the AEAD engines only.</summary>
    internal nint Address { get; }

    /// <summary>Gets a value indicating whether the handle names no key.</summary>
    public bool IsNone => Address == 0;

    /// <inheritdoc/>
    public bool Equals(KeyHandle other) => Address == other.Address;

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is KeyHandle other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode() => Address.GetHashCode();

    /// <summary>Tells whether two handles name the same place.</summary>
    public static bool operator ==(KeyHandle left, KeyHandle right) => left.Equals(right);

    /// <summary>Tells whether two handles name different places.</summary>
    public static bool operator !=(KeyHandle left, KeyHandle right) => !left.Equals(right);
}
