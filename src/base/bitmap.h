/* Bitmaps over dense codes, as arrays of 64-bit words owned by the caller. */
#ifndef OD_BASE_BITMAP_H
#define OD_BASE_BITMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

size_t od_bitmap_words(size_t bits);
void od_bitmap_fill(uint64_t *words, size_t bits, bool value); /* bits past the end become 0 */
void od_bitmap_set(uint64_t *words, size_t bit);
void od_bitmap_clear(uint64_t *words, size_t bit);
bool od_bitmap_get(const uint64_t *words, size_t bit);
void od_bitmap_and(uint64_t *to, const uint64_t *from, size_t bits);
void od_bitmap_or(uint64_t *to, const uint64_t *from, size_t bits);
void od_bitmap_andnot(uint64_t *to, const uint64_t *from, size_t bits); /* to &= ~from */
void od_bitmap_not(uint64_t *words, size_t bits);
size_t od_bitmap_count(const uint64_t *words, size_t bits);

#endif
