using System.Security.Cryptography;
using TunnelBox.Crypto.Sodium;

namespace TunnelBox.Crypto;

/// <summary>
/// Reads and writes 32-byte secrets as text in a time that does not depend on the secret: base64 as in wg files (44
/// characters, canonical) and hexadecimal as in the UAPI (64 digits, any case).
/// </summary>
public static unsafe class SecretText
{
    /// <summary>Characters of a secret in base64.</summary>
    public const int Base64Length = 44;

    /// <summary>Characters of a secret in hexadecimal.</summary>
    public const int HexLength = 64;

    private const int KeySize = 32;

    /// <summary>Reads base64.</summary>
    /// <param name="text">The text.</param>
    /// <param name="key">Exactly 32 bytes; receives the secret, or zeros where the text is none.</param>
    /// <returns>Whether the text was a secret in its one canonical spelling.</returns>
    public static bool TryParseBase64(ReadOnlySpan<char> text, Span<byte> key)
    {
        RequireKeySize(key.Length);
        Span<byte> ascii = stackalloc byte[Base64Length];
        bool right = text.Length == Base64Length && Narrow(text, ascii) && TryParseBase64(ascii, key);
        CryptographicOperations.ZeroMemory(ascii);
        if (!right)
        {
            CryptographicOperations.ZeroMemory(key);
        }

        return right;
    }

    /// <summary>Reads base64 in ASCII bytes.</summary>
    /// <param name="text">The text.</param>
    /// <param name="key">Exactly 32 bytes; receives the secret, or zeros where the text is none.</param>
    /// <returns>Whether the text was a secret in its one canonical spelling.</returns>
    public static bool TryParseBase64(ReadOnlySpan<byte> text, Span<byte> key)
    {
        RequireKeySize(key.Length);
        Libsodium.EnsureInitialised();
        bool right = false;
        if (text.Length == Base64Length)
        {
            fixed (byte* b64 = text, bin = key)
            {
                nuint written = 0;
                right = Libsodium.sodium_base642bin(
                    bin, KeySize, b64, Base64Length, null, &written, null, Libsodium.sodium_base64_VARIANT_ORIGINAL) == 0 && written == KeySize;
            }
        }

        if (!right)
        {
            CryptographicOperations.ZeroMemory(key);
        }

        return right;
    }

    /// <summary>Reads hexadecimal digits.</summary>
    /// <param name="text">The text.</param>
    /// <param name="key">Exactly 32 bytes; receives the secret, or zeros where the text is none.</param>
    /// <returns>Whether the text was a secret.</returns>
    public static bool TryParseHex(ReadOnlySpan<char> text, Span<byte> key)
    {
        RequireKeySize(key.Length);
        Span<byte> ascii = stackalloc byte[HexLength];
        bool right = text.Length == HexLength && Narrow(text, ascii) && TryParseHex(ascii, key);
        CryptographicOperations.ZeroMemory(ascii);
        if (!right)
        {
            CryptographicOperations.ZeroMemory(key);
        }

        return right;
    }

    /// <summary>Reads hexadecimal digits in ASCII bytes.</summary>
    /// <param name="text">The text.</param>
    /// <param name="key">Exactly 32 bytes; receives the secret, or zeros where the text is none.</param>
    /// <returns>Whether the text was a secret.</returns>
    public static bool TryParseHex(ReadOnlySpan<byte> text, Span<byte> key)
    {
        RequireKeySize(key.Length);
        Libsodium.EnsureInitialised();
        bool right = false;
        if (text.Length == HexLength)
        {
            fixed (byte* hex = text, bin = key)
            {
                nuint written = 0;
                byte* end = null;
                right = Libsodium.sodium_hex2bin(bin, KeySize, hex, HexLength, null, &written, &end) == 0
                    && written == KeySize && end == hex + HexLength;
            }
        }

        if (!right)
        {
            CryptographicOperations.ZeroMemory(key);
        }

        return right;
    }

    /// <summary>Writes base64.</summary>
    /// <param name="key">Exactly 32 bytes.</param>
    /// <param name="text">At least 44 characters; the caller wipes them after use.</param>
    /// <returns>Characters written: 44.</returns>
    public static int FormatBase64(ReadOnlySpan<byte> key, Span<char> text)
    {
        RequireKeySize(key.Length);
        Libsodium.EnsureInitialised();
        // libsodium ends the text with a zero byte.
        Span<byte> ascii = stackalloc byte[Base64Length + 1];
        fixed (byte* bin = key, b64 = ascii)
        {
            _ = Libsodium.sodium_bin2base64(b64, Base64Length + 1, bin, KeySize, Libsodium.sodium_base64_VARIANT_ORIGINAL);
        }

        return Widen(ascii, Base64Length, text);
    }

    /// <summary>Writes lower-case hexadecimal digits.</summary>
    /// <param name="key">Exactly 32 bytes.</param>
    /// <param name="text">At least 64 characters; the caller wipes them after use.</param>
    /// <returns>Characters written: 64.</returns>
    public static int FormatHex(ReadOnlySpan<byte> key, Span<char> text)
    {
        RequireKeySize(key.Length);
        Libsodium.EnsureInitialised();
        Span<byte> ascii = stackalloc byte[HexLength + 1];
        fixed (byte* bin = key, hex = ascii)
        {
            _ = Libsodium.sodium_bin2hex(hex, HexLength + 1, bin, KeySize);
        }

        return Widen(ascii, HexLength, text);
    }

    private static bool Narrow(ReadOnlySpan<char> text, Span<byte> ascii)
    {
        // One question for the whole text: which character was outside ASCII is not told by time.
        int outside = 0;
        for (int i = 0; i < ascii.Length; i++)
        {
            outside |= text[i] >> 7;
            ascii[i] = (byte)text[i];
        }

        return outside == 0;
    }

    private static int Widen(Span<byte> ascii, int length, Span<char> text)
    {
        for (int i = 0; i < length; i++)
        {
            text[i] = (char)ascii[i];
        }

        CryptographicOperations.ZeroMemory(ascii);
        return length;
    }

    private static void RequireKeySize(int length) => ArgumentOutOfRangeException.ThrowIfNotEqual(length, KeySize);
}
