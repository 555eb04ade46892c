// The external functions of Noise.ttcn: libsodium's primitives, and BLAKE2s (RFC 7693), which libsodium lacks.
#include "Noise.hh"
#include "blake2s.hh"
#include <sodium.h>
#include <time.h>
#include <string>
#include <vector>

namespace {
using Bytes = std::vector<unsigned char>;

Bytes bytes(const OCTETSTRING &value)
{
    const unsigned char *at = value;
    return Bytes(at, at + value.lengthof());
}

OCTETSTRING octets(const Bytes &value) { return OCTETSTRING(static_cast<int>(value.size()), value.data()); }

void need(bool holds, const char *what)
{
    if (!holds)
        TTCN_error("%s", what);
}

Bytes hmac(const Bytes &key, const Bytes &data)
{
    unsigned char inner[64] = {}, outer[64] = {};
    need(key.size() <= 64, "an HMAC key is at most a block long");
    for (size_t i = 0; i < 64; i++) {
        unsigned char byte = i < key.size() ? key[i] : 0;
        inner[i] = byte ^ 0x36;
        outer[i] = byte ^ 0x5c;
    }
    Bytes first(inner, inner + 64), second(outer, outer + 64), digest(32);
    first.insert(first.end(), data.begin(), data.end());
    blake2s(digest.data(), 32, nullptr, 0, first.data(), first.size());
    second.insert(second.end(), digest.begin(), digest.end());
    blake2s(digest.data(), 32, nullptr, 0, second.data(), second.size());
    return digest;
}

Bytes nonce12(const OCTETSTRING &counter)
{
    Bytes nonce(4), tail = bytes(counter);
    need(tail.size() == 8, "a counter has 8 bytes");
    nonce.insert(nonce.end(), tail.begin(), tail.end());
    return nonce;
}

void put16(Bytes &to, size_t at, unsigned value)
{
    to[at] = static_cast<unsigned char>(value >> 8);
    to[at + 1] = static_cast<unsigned char>(value);
}

unsigned sum(const Bytes &data, size_t from, unsigned long total = 0)
{
    for (size_t i = from; i < data.size(); i += 2)
        total += static_cast<unsigned>(data[i] << 8) + (i + 1 < data.size() ? data[i + 1] : 0u);
    while (total >> 16)
        total = (total & 0xffff) + (total >> 16);
    return static_cast<unsigned>(~total & 0xffff);
}

// Type, code, checksum, identifier, sequence number, then size bytes that count up.
void echo(Bytes &packet, size_t at, int kind, int id, int size)
{
    packet[at] = static_cast<unsigned char>(kind);
    put16(packet, at + 4, static_cast<unsigned>(id));
    for (int i = 0; i < size; i++)
        packet[at + 8 + static_cast<size_t>(i)] = static_cast<unsigned char>(i);
}
}

namespace Noise {
OCTETSTRING xHash(const OCTETSTRING &data)
{
    Bytes in = bytes(data), out(32);
    blake2s(out.data(), 32, nullptr, 0, in.data(), in.size());
    return octets(out);
}

OCTETSTRING xMac(const OCTETSTRING &key, const OCTETSTRING &data)
{
    Bytes in = bytes(data), k = bytes(key), out(16);
    need(k.size() == 16 || k.size() == 32, "a MAC key has 16 or 32 bytes");
    blake2s(out.data(), 16, k.data(), k.size(), in.data(), in.size());
    return octets(out);
}

OCTETSTRING xKdf(const OCTETSTRING &key, const OCTETSTRING &data, const INTEGER &n)
{
    Bytes secret = hmac(bytes(key), bytes(data)), previous, out;
    for (int i = 1; i <= static_cast<int>(n); i++) {
        previous.push_back(static_cast<unsigned char>(i));
        previous = hmac(secret, previous);
        out.insert(out.end(), previous.begin(), previous.end());
    }
    return octets(out);
}

OCTETSTRING xPublic(const OCTETSTRING &secret)
{
    Bytes k = bytes(secret), out(32);
    need(k.size() == 32, "a private key has 32 bytes");
    crypto_scalarmult_base(out.data(), k.data());
    return octets(out);
}

OCTETSTRING xDh(const OCTETSTRING &secret, const OCTETSTRING &point)
{
    Bytes k = bytes(secret), p = bytes(point), out(32);
    need(k.size() == 32 && p.size() == 32, "keys have 32 bytes");
    if (crypto_scalarmult(out.data(), k.data(), p.data()) != 0)
        out.assign(32, 0);
    return octets(out);
}

OCTETSTRING xSeal(const OCTETSTRING &key, const OCTETSTRING &counter, const OCTETSTRING &ad, const OCTETSTRING &plain)
{
    Bytes k = bytes(key), n = nonce12(counter), a = bytes(ad), in = bytes(plain), out(in.size() + 16);
    need(k.size() == 32, "a key has 32 bytes");
    crypto_aead_chacha20poly1305_ietf_encrypt(out.data(), nullptr, in.data(), in.size(), a.data(), a.size(), nullptr, n.data(), k.data());
    return octets(out);
}

BOOLEAN xOpen(const OCTETSTRING &key, const OCTETSTRING &counter, const OCTETSTRING &ad, const OCTETSTRING &sealed, OCTETSTRING &plain)
{
    Bytes k = bytes(key), n = nonce12(counter), a = bytes(ad), in = bytes(sealed);
    plain = OCTETSTRING(0, nullptr);
    if (k.size() != 32 || in.size() < 16)
        return false;
    Bytes out(in.size() - 16);
    if (crypto_aead_chacha20poly1305_ietf_decrypt(out.data(), nullptr, nullptr, in.data(), in.size(), a.data(), a.size(), n.data(), k.data()) != 0)
        return false;
    plain = octets(out);
    return true;
}

OCTETSTRING xSealX(const OCTETSTRING &key, const OCTETSTRING &nonce, const OCTETSTRING &ad, const OCTETSTRING &plain)
{
    Bytes k = bytes(key), n = bytes(nonce), a = bytes(ad), in = bytes(plain), out(in.size() + 16);
    need(k.size() == 32 && n.size() == 24, "a key has 32 bytes and a nonce 24");
    crypto_aead_xchacha20poly1305_ietf_encrypt(out.data(), nullptr, in.data(), in.size(), a.data(), a.size(), nullptr, n.data(), k.data());
    return octets(out);
}

BOOLEAN xOpenX(const OCTETSTRING &key, const OCTETSTRING &nonce, const OCTETSTRING &ad, const OCTETSTRING &sealed, OCTETSTRING &plain)
{
    Bytes k = bytes(key), n = bytes(nonce), a = bytes(ad), in = bytes(sealed);
    plain = OCTETSTRING(0, nullptr);
    if (k.size() != 32 || n.size() != 24 || in.size() < 16)
        return false;
    Bytes out(in.size() - 16);
    if (crypto_aead_xchacha20poly1305_ietf_decrypt(out.data(), nullptr, nullptr, in.data(), in.size(), a.data(), a.size(), n.data(), k.data()) != 0)
        return false;
    plain = octets(out);
    return true;
}

OCTETSTRING xRandom(const INTEGER &n)
{
    Bytes out(static_cast<size_t>(static_cast<int>(n)));
    randombytes_buf(out.data(), out.size());
    return octets(out);
}

namespace {
timespec read(clockid_t clock)
{
    timespec at;
    clock_gettime(clock, &at);
    return at;
}
}

INTEGER xSeconds() { return INTEGER(static_cast<int>(read(CLOCK_REALTIME).tv_sec)); }
INTEGER xNanoseconds() { return INTEGER(static_cast<int>(read(CLOCK_REALTIME).tv_nsec)); }

FLOAT xNow()
{
    timespec at = read(CLOCK_MONOTONIC);
    return FLOAT(static_cast<double>(at.tv_sec) + static_cast<double>(at.tv_nsec) / 1e9);
}

OCTETSTRING xIcmp4(const OCTETSTRING &source, const OCTETSTRING &target, const INTEGER &kind, const INTEGER &id, const INTEGER &size, const INTEGER &tos)
{
    Bytes from = bytes(source), to = bytes(target), packet(28 + static_cast<size_t>(static_cast<int>(size)));
    need(from.size() == 4 && to.size() == 4, "an IPv4 address has 4 bytes");
    packet[0] = 0x45;
    packet[1] = static_cast<unsigned char>(static_cast<int>(tos));
    put16(packet, 2, static_cast<unsigned>(packet.size()));
    packet[8] = 64;
    packet[9] = 1;
    std::copy(from.begin(), from.end(), packet.begin() + 12);
    std::copy(to.begin(), to.end(), packet.begin() + 16);
    put16(packet, 10, sum(Bytes(packet.begin(), packet.begin() + 20), 0));
    echo(packet, 20, kind, id, size);
    put16(packet, 22, sum(packet, 20));
    return octets(packet);
}

OCTETSTRING xIcmp6(const OCTETSTRING &source, const OCTETSTRING &target, const INTEGER &kind, const INTEGER &id, const INTEGER &size, const INTEGER &tos)
{
    size_t payload = 8 + static_cast<size_t>(static_cast<int>(size));
    Bytes from = bytes(source), to = bytes(target), packet(40 + payload);
    need(from.size() == 16 && to.size() == 16, "an IPv6 address has 16 bytes");
    int traffic = tos;
    packet[0] = static_cast<unsigned char>(0x60 | traffic >> 4);
    packet[1] = static_cast<unsigned char>(traffic << 4);
    put16(packet, 4, static_cast<unsigned>(payload));
    packet[6] = 58;
    packet[7] = 64;
    std::copy(from.begin(), from.end(), packet.begin() + 8);
    std::copy(to.begin(), to.end(), packet.begin() + 24);
    echo(packet, 40, kind, id, size);
    // The pseudo-header: both addresses, which stand before the payload, its length and the protocol.
    put16(packet, 42, sum(packet, 8, payload + 58));
    return octets(packet);
}
}
