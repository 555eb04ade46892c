#include "blake2s.hh"
#include <stdint.h>
#include <string.h>

namespace {
// RFC 7693, section 2.6: the first 32 bits of the fractional parts of the square roots of the first eight primes.
const uint32_t initial[8] = {
    0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
};

// Section 2.7.
const unsigned char order[10][16] = {
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}, {14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
    {11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4}, {7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8},
    {9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13}, {2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9},
    {12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11}, {13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10},
    {6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5}, {10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0},
};

uint32_t turn(uint32_t word, int by) { return word >> by | word << (32 - by); }

void mix(uint32_t *v, int a, int b, int c, int d, uint32_t x, uint32_t y)
{
    v[a] += v[b] + x;
    v[d] = turn(v[d] ^ v[a], 16);
    v[c] += v[d];
    v[b] = turn(v[b] ^ v[c], 12);
    v[a] += v[b] + y;
    v[d] = turn(v[d] ^ v[a], 8);
    v[c] += v[d];
    v[b] = turn(v[b] ^ v[c], 7);
}

void compress(uint32_t *h, const unsigned char *block, uint64_t count, bool last)
{
    uint32_t v[16], m[16];
    for (int i = 0; i < 16; i++)
        m[i] = block[4 * i] | uint32_t(block[4 * i + 1]) << 8 | uint32_t(block[4 * i + 2]) << 16 | uint32_t(block[4 * i + 3]) << 24;
    for (int i = 0; i < 8; i++) {
        v[i] = h[i];
        v[i + 8] = initial[i];
    }
    v[12] ^= uint32_t(count);
    v[13] ^= uint32_t(count >> 32);
    if (last)
        v[14] = ~v[14];
    for (const unsigned char *s : order) {
        for (int i = 0; i < 4; i++)
            mix(v, i, i + 4, i + 8, i + 12, m[s[2 * i]], m[s[2 * i + 1]]);
        for (int i = 0; i < 4; i++)
            mix(v, i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4, m[s[8 + 2 * i]], m[s[9 + 2 * i]]);
    }
    for (int i = 0; i < 8; i++)
        h[i] ^= v[i] ^ v[i + 8];
}
}

void blake2s(unsigned char *digest, size_t size, const unsigned char *key, size_t key_size, const unsigned char *data, size_t length)
{
    uint32_t h[8];
    memcpy(h, initial, sizeof h);
    h[0] ^= 0x01010000u ^ uint32_t(key_size) << 8 ^ uint32_t(size);
    unsigned char block[64] = {};
    uint64_t count = 0;
    if (key_size > 0) {
        memcpy(block, key, key_size);
        count = 64;
        compress(h, block, count, length == 0);
    }
    for (size_t at = 0; at < length; at += 64) {
        size_t part = length - at < 64 ? length - at : 64;
        memset(block, 0, sizeof block);
        memcpy(block, data + at, part);
        count += part;
        compress(h, block, count, at + part == length);
    }
    if (key_size == 0 && length == 0)
        compress(h, block, 0, true);
    for (size_t i = 0; i < size; i++)
        digest[i] = static_cast<unsigned char>(h[i / 4] >> 8 * (i % 4));
}
