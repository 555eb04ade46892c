using System.Numerics;

namespace TunnelBox.Crypto.Tests;

/// <summary>BLAKE2s written straight from RFC 7693, word by word: slow, and sharing nothing with the code under test.</summary>
internal static class SlowBlake2s
{
    private static readonly uint[] Iv =
        [0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A, 0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19];

    private static readonly int[][] Sigma =
    [
        [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
        [14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3],
        [11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4],
        [7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8],
        [9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13],
        [2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9],
        [12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11],
        [13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10],
        [6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5],
        [10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0],
    ];

    public static byte[] Compute(byte[] data, int outputSize, byte[]? key = null)
    {
        key ??= [];
        uint[] h = (uint[])Iv.Clone();
        h[0] ^= 0x01010000u ^ ((uint)key.Length << 8) ^ (uint)outputSize;
        byte[] all = key.Length == 0 ? data : [.. key, .. new byte[64 - key.Length], .. data];
        int blocks = Math.Max(1, (all.Length + 63) / 64);
        for (int block = 0; block < blocks; block++)
        {
            int taken = Math.Min(64, all.Length - (64 * block));
            byte[] bytes = new byte[64];
            Array.Copy(all, 64 * block, bytes, 0, taken);
            uint[] m = new uint[16];
            for (int i = 0; i < 16; i++)
            {
                m[i] = (uint)(bytes[4 * i] | (bytes[(4 * i) + 1] << 8) | (bytes[(4 * i) + 2] << 16) | (bytes[(4 * i) + 3] << 24));
            }

            uint[] v = [.. h, .. Iv];
            v[12] ^= (uint)((64 * block) + taken);
            if (block == blocks - 1)
            {
                v[14] = ~v[14];
            }

            foreach (int[] s in Sigma)
            {
                Mix(v, 0, 4, 8, 12, m[s[0]], m[s[1]]);
                Mix(v, 1, 5, 9, 13, m[s[2]], m[s[3]]);
                Mix(v, 2, 6, 10, 14, m[s[4]], m[s[5]]);
                Mix(v, 3, 7, 11, 15, m[s[6]], m[s[7]]);
                Mix(v, 0, 5, 10, 15, m[s[8]], m[s[9]]);
                Mix(v, 1, 6, 11, 12, m[s[10]], m[s[11]]);
                Mix(v, 2, 7, 8, 13, m[s[12]], m[s[13]]);
                Mix(v, 3, 4, 9, 14, m[s[14]], m[s[15]]);
            }

            for (int i = 0; i < 8; i++)
            {
                h[i] ^= v[i] ^ v[i + 8];
            }
        }

        byte[] output = new byte[32];
        for (int i = 0; i < 32; i++)
        {
            output[i] = (byte)(h[i / 4] >> (8 * (i % 4)));
        }

        return output[..outputSize];
    }

    public static byte[] Hmac(byte[] key, params byte[][] parts)
    {
        byte[] inner = new byte[64];
        byte[] outer = new byte[64];
        key.CopyTo(inner, 0);
        key.CopyTo(outer, 0);
        for (int i = 0; i < 64; i++)
        {
            inner[i] ^= 0x36;
            outer[i] ^= 0x5C;
        }

        return Compute([.. outer, .. Compute([.. inner, .. parts.SelectMany(p => p)], 32)], 32);
    }

    private static void Mix(uint[] v, int a, int b, int c, int d, uint x, uint y)
    {
        v[a] += v[b] + x;
        v[d] = BitOperations.RotateRight(v[d] ^ v[a], 16);
        v[c] += v[d];
        v[b] = BitOperations.RotateRight(v[b] ^ v[c], 12);
        v[a] += v[b] + y;
        v[d] = BitOperations.RotateRight(v[d] ^ v[a], 8);
        v[c] += v[d];
        v[b] = BitOperations.RotateRight(v[b] ^ v[c], 7);
    }
}
