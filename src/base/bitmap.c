/* Bitmaps: see bitmap.h. Bits past the end of the last word are kept 0. */
#include "base/bitmap.h"

size_t od_bitmap_words(size_t bits)
{
    return bits / 64 + (bits % 64 != 0);
}

static void trim(uint64_t *words, size_t bits)
{
    if (bits % 64)
        words[bits / 64] &= (1ULL << (bits % 64)) - 1;
}

void od_bitmap_fill(uint64_t *words, size_t bits, bool value)
{
    for (size_t i = 0, n = od_bitmap_words(bits); i < n; i++)
        words[i] = value ? ~0ULL : 0;
    trim(words, bits);
}

void od_bitmap_set(uint64_t *words, size_t bit)
{
    words[bit / 64] |= 1ULL << (bit % 64);
}

void od_bitmap_clear(uint64_t *words, size_t bit)
{
    words[bit / 64] &= ~(1ULL << (bit % 64));
}

bool od_bitmap_get(const uint64_t *words, size_t bit)
{
    return words[bit / 64] >> (bit % 64) & 1;
}

void od_bitmap_and(uint64_t *to, const uint64_t *from, size_t bits)
{
    for (size_t i = 0, n = od_bitmap_words(bits); i < n; i++)
        to[i] &= from[i];
}

void od_bitmap_or(uint64_t *to, const uint64_t *from, size_t bits)
{
    for (size_t i = 0, n = od_bitmap_words(bits); i < n; i++)
        to[i] |= from[i];
}

void od_bitmap_andnot(uint64_t *to, const uint64_t *from, size_t bits)
{
    for (size_t i = 0, n = od_bitmap_words(bits); i < n; i++)
        to[i] &= ~from[i];
}

void od_bitmap_not(uint64_t *words, size_t bits)
{
    for (size_t i = 0, n = od_bitmap_words(bits); i < n; i++)
        words[i] = ~words[i];
    trim(words, bits);
}

size_t od_bitmap_count(const uint64_t *words, size_t bits)
{
    size_t count = 0;
    for (size_t i = 0, n = od_bitmap_words(bits); i < n; i++)
        count += (size_t)__builtin_popcountll(words[i]);
    return count;
}
