// BLAKE2s (RFC 7693), plain and keyed.
#ifndef TUNNELBOX_TTCN3_BLAKE2S_HH
#define TUNNELBOX_TTCN3_BLAKE2S_HH
#include <stddef.h>

// size: 1 to 32 bytes of digest; key: at most 32 bytes, may be empty.
void blake2s(unsigned char *digest, size_t size, const unsigned char *key, size_t key_size, const unsigned char *data, size_t length);

#endif
