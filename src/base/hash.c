/* Multiply-and-fold hashing: two 64-bit words are multiplied to 128 bits and folded, 32 bytes a
 * step over two lanes (the construction of wyhash and its kin). */
#include "base/hash.h"

#include <string.h>

#define K0 0x9E3779B97F4A7C15ULL
#define K1 0xD6E8FEB86659FD93ULL
#define K2 0xA0761D6478BD642FULL
#define K3 0xE7037ED1A0B428DBULL

uint64_t od_hash_mix(uint64_t a, uint64_t b)
{
    __uint128_t m = (__uint128_t)(a ^ K0) * (b ^ K1);
    return (uint64_t)m ^ (uint64_t)(m >> 64);
}

static uint64_t fold(uint64_t a, uint64_t b)
{
    __uint128_t m = (__uint128_t)a * b;
    return (uint64_t)m ^ (uint64_t)(m >> 64);
}

static uint64_t word(const unsigned char *p)
{
    uint64_t v;
    memcpy(&v, p, 8);
    return v;
}

/* Up to 16 last bytes as two words; overlapping reads, length is mixed in by the caller. */
static void tail(const unsigned char *p, size_t len, uint64_t *a, uint64_t *b)
{
    *a = *b = 0;
    if (len >= 8) {
        *a = word(p);
        *b = word(p + len - 8);
    } else {
        memcpy(a, p, len);
    }
}

uint64_t od_hash(const void *bytes, size_t len, uint64_t seed)
{
    const unsigned char *p = bytes;
    uint64_t x = seed ^ K0, y = seed ^ K1;
    size_t left = len;
    while (left > 32) {
        x = fold(word(p) ^ K2, word(p + 8) ^ x);
        y = fold(word(p + 16) ^ K3, word(p + 24) ^ y);
        p += 32;
        left -= 32;
    }
    if (left > 16) {
        x = fold(word(p) ^ K2, word(p + 8) ^ x);
        p += 16;
        left -= 16;
    }
    uint64_t a, b;
    if (left)
        tail(p, left, &a, &b);
    else
        a = b = 0;
    return od_hash_mix(fold(a ^ K2 ^ x, b ^ K3 ^ y), (uint64_t)len);
}
