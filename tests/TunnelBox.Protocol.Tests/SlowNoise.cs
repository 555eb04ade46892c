using System.Buffers.Binary;
using System.Numerics;
using System.Security.Cryptography;
using System.Text;
using TunnelBox.Crypto.Tests;

namespace TunnelBox.Protocol.Tests;

/// <summary>
/// WireGuard's handshake written straight from section 5.4 of the paper, over big integers, a word-by-word BLAKE2s and the
/// framework's ChaCha20-Poly1305: slow, and sharing nothing with the code under test.
/// </summary>
internal static class SlowNoise
{
    private static readonly BigInteger Prime = BigInteger.Pow(2, 255) - 19;

    /// <summary>Both messages without macs, and the two transport keys, for given private keys.</summary>
    internal sealed record Transcript(byte[] Initiation, byte[] Response, byte[] InitiatorSends, byte[] ResponderSends);

    internal static Transcript Run(
        byte[] initiator,
        byte[] responder,
        byte[] initiatorEphemeral,
        byte[] responderEphemeral,
        byte[] presharedKey,
        byte[] timestamp,
        uint initiatorIndex,
        uint responderIndex)
    {
        byte[] chain = Hash(Encoding.ASCII.GetBytes("Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s"));
        byte[] hash = Hash(chain, Encoding.ASCII.GetBytes("WireGuard v1 zx2c4 Jason@zx2c4.com"));
        hash = Hash(hash, PublicOf(responder));

        byte[] e = PublicOf(initiatorEphemeral);
        chain = Kdf(chain, e)[0];
        hash = Hash(hash, e);
        byte[][] t = Kdf(chain, X25519(initiatorEphemeral, PublicOf(responder)));
        chain = t[0];
        byte[] sealedStatic = Seal(t[1], PublicOf(initiator), hash);
        hash = Hash(hash, sealedStatic);
        t = Kdf(chain, X25519(initiator, PublicOf(responder)));
        chain = t[0];
        byte[] sealedTimestamp = Seal(t[1], timestamp, hash);
        hash = Hash(hash, sealedTimestamp);
        byte[] initiation = [1, 0, 0, 0, .. Little(initiatorIndex), .. e, .. sealedStatic, .. sealedTimestamp, .. new byte[32]];

        e = PublicOf(responderEphemeral);
        chain = Kdf(chain, e)[0];
        hash = Hash(hash, e);
        chain = Kdf(chain, X25519(responderEphemeral, PublicOf(initiatorEphemeral)))[0];
        chain = Kdf(chain, X25519(responderEphemeral, PublicOf(initiator)))[0];
        t = Kdf(chain, presharedKey);
        chain = t[0];
        hash = Hash(hash, t[1]);
        byte[] response =
            [2, 0, 0, 0, .. Little(responderIndex), .. Little(initiatorIndex), .. e, .. Seal(t[2], [], hash), .. new byte[32]];

        t = Kdf(chain, []);
        return new Transcript(initiation, response, t[0], t[1]);
    }

    internal static byte[] PublicOf(byte[] privateKey)
    {
        byte[] nine = new byte[32];
        nine[0] = 9;
        return X25519(privateKey, nine);
    }

    // RFC 7748, section 5.
    internal static byte[] X25519(byte[] scalar, byte[] point)
    {
        byte[] clamped = (byte[])scalar.Clone();
        clamped[0] &= 248;
        clamped[31] = (byte)((clamped[31] & 127) | 64);
        byte[] masked = (byte[])point.Clone();
        masked[31] &= 127;
        BigInteger k = new(clamped, isUnsigned: true);
        BigInteger x1 = new BigInteger(masked, isUnsigned: true) % Prime;
        BigInteger x2 = 1, z2 = 0, x3 = x1, z3 = 1;
        bool swapped = false;
        for (int bit = 254; bit >= 0; bit--)
        {
            bool set = !((k >> bit) & 1).IsZero;
            if (set != swapped)
            {
                (x2, x3, z2, z3) = (x3, x2, z3, z2);
            }

            swapped = set;
            BigInteger a = x2 + z2, b = x2 - z2;
            BigInteger aa = a * a % Prime, bb = b * b % Prime;
            BigInteger difference = aa - bb;
            BigInteger da = (x3 - z3) * a % Prime, cb = (x3 + z3) * b % Prime;
            x3 = (da + cb) * (da + cb) % Prime;
            z3 = x1 * ((da - cb) * (da - cb) % Prime) % Prime;
            x2 = aa * bb % Prime;
            z2 = difference * (aa + (121665 * difference)) % Prime;
        }

        if (swapped)
        {
            (x2, z2) = (x3, z3);
        }

        BigInteger result = ((x2 * BigInteger.ModPow(((z2 % Prime) + Prime) % Prime, Prime - 2, Prime) % Prime) + Prime) % Prime;
        byte[] output = new byte[32];
        result.TryWriteBytes(output, out _, isUnsigned: true);
        return output;
    }

    internal static byte[] Mac1(byte[] message, byte[] receiverPublic)
    {
        byte[] key = Hash(Encoding.ASCII.GetBytes("mac1----"), receiverPublic);
        return SlowBlake2s.Compute(message[..^32], 16, key);
    }

    internal static byte[] Hash(params byte[][] parts) => SlowBlake2s.Compute([.. parts.SelectMany(p => p)], 32);

    internal static byte[][] Kdf(byte[] key, byte[] input)
    {
        byte[] secret = SlowBlake2s.Hmac(key, input);
        byte[] t1 = SlowBlake2s.Hmac(secret, [1]);
        byte[] t2 = SlowBlake2s.Hmac(secret, t1, [2]);
        return [t1, t2, SlowBlake2s.Hmac(secret, t2, [3])];
    }

    internal static byte[] Seal(byte[] key, byte[] plaintext, byte[] associatedData)
    {
        using ChaCha20Poly1305 cipher = new(key);
        byte[] ciphertext = new byte[plaintext.Length];
        byte[] tag = new byte[16];
        cipher.Encrypt(new byte[12], plaintext, ciphertext, tag, associatedData);
        return [.. ciphertext, .. tag];
    }

    internal static byte[] Little(uint value)
    {
        byte[] bytes = new byte[4];
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, value);
        return bytes;
    }
}
