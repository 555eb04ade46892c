// Prints the target's configuration for wg(8): its private key and the peers that the suite plays, all made from one seed as in Steps.ttcn.
// usage: peers SEED PORT COUNT      COUNT peers, then one that gets persistent keepalives
#include "blake2s.hh"
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string>

static std::string derive(const char *what, const std::string &seed, int number = -1)
{
    std::string input = what + seed;
    if (number >= 0) {
        input += static_cast<char>(number >> 8);
        input += static_cast<char>(number);
    }
    unsigned char digest[32];
    blake2s(digest, 32, nullptr, 0, reinterpret_cast<const unsigned char *>(input.data()), input.size());
    return std::string(reinterpret_cast<char *>(digest), 32);
}

static std::string base64(const std::string &value)
{
    char text[sodium_base64_ENCODED_LEN(32, sodium_base64_VARIANT_ORIGINAL)];
    return sodium_bin2base64(text, sizeof text, reinterpret_cast<const unsigned char *>(value.data()), value.size(), sodium_base64_VARIANT_ORIGINAL);
}

static std::string public_of(const std::string &secret)
{
    unsigned char point[32];
    crypto_scalarmult_base(point, reinterpret_cast<const unsigned char *>(secret.data()));
    return std::string(reinterpret_cast<char *>(point), 32);
}

int main(int count, char **words)
{
    if (count != 4 || sodium_init() < 0) {
        fprintf(stderr, "usage: peers SEED PORT COUNT\n");
        return 2;
    }
    std::string hex = words[1], seed;
    for (size_t i = 0; i + 1 < hex.size(); i += 2)
        seed += static_cast<char>(strtol(hex.substr(i, 2).c_str(), nullptr, 16));
    printf("[Interface]\nPrivateKey = %s\nListenPort = %s\n", base64(derive("target", seed)).c_str(), words[2]);
    for (int k = 0; k < atoi(words[3]); k++) {
        printf("\n[Peer]\nPublicKey = %s\nEndpoint = 192.0.2.2:%d\n", base64(public_of(derive("peer", seed, k))).c_str(), 20000 + k);
        printf("AllowedIPs = 10.%d.%d.0/24, fd99:0:0:%x::/64", 100 + k / 256, k % 256, k);
        int first = k - 2;
        if (k % 4 == 0)
            printf(", 10.%d.%d.0/24", 160 + k / 256, k % 256);
        if (k % 4 == 2)
            printf(", 10.%d.%d.128/25", 160 + first / 256, first % 256);
        printf("\n");
        if (k % 4 == 3)
            printf("PresharedKey = %s\n", base64(derive("preshared", seed, k)).c_str());
    }
    int last = atoi(words[3]);
    printf("\n[Peer]\nPublicKey = %s\nPersistentKeepalive = 3\n", base64(public_of(derive("peer", seed, last))).c_str());
    printf("AllowedIPs = 10.%d.%d.0/24, fd99:0:0:%x::/64\n", 100 + last / 256, last % 256, last);
    return 0;
}
