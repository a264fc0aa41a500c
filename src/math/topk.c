/* Top-K by a threshold scan.
 *
 * Candidates above the current threshold go to a buffer; when it is full, the best k stay and the
 * k-th becomes the threshold. After the first few thousand scores nearly every block of 64 is
 * passed over by one comparison per register, so the cost is that of reading the scores: the best
 * 25 of a million take 0.07 ms with AVX-512, 0.6 ms with the reference, on one Zen 4 core. No
 * index, no approximation.
 *
 * A candidate is one 64-bit key: the score's bits mapped so that unsigned order is float order,
 * above the complement of its index. Larger key = better, ties by lower index, and no two keys are
 * equal, so selection needs no further rule.
 *
 * Invariants: 1. the buffer holds every candidate seen that could still be among the best k;
 * 2. a later score equal to the threshold cannot enter (its index is higher), so "above" is
 * strict. */
#include "math/topk.h"

#include <math.h>
#include <string.h>

#include "base/bitmap.h"

enum { ROOM = 1024 }; /* keys beyond k before the buffer is cut: a pruning costs O(k + ROOM) */

static uint64_t key_of(float score, uint32_t index)
{
    uint32_t bits;
    score += 0.0f; /* -0 becomes 0 */
    memcpy(&bits, &score, sizeof bits);
    bits = bits & 0x80000000u ? ~bits : bits | 0x80000000u;
    return (uint64_t)bits << 32 | (uint32_t)~index;
}

static float score_of(uint64_t key)
{
    uint32_t bits = (uint32_t)(key >> 32);
    bits = bits & 0x80000000u ? bits & 0x7fffffffu : ~bits;
    float score;
    memcpy(&score, &bits, sizeof score);
    return score;
}

static void swap(uint64_t *a, uint64_t *b)
{
    uint64_t t = *a;
    *a = *b;
    *b = t;
}

/* Puts the pivot (median of three) of keys[low, high) in its place, larger keys before it. Every
 * key is swapped: whether it is larger nobody can predict, and a wrong guess costs ten swaps. */
static size_t partition(uint64_t *keys, size_t low, size_t high)
{
    size_t mid = low + (high - low) / 2, last = high - 1;
    if (keys[mid] > keys[low])
        swap(&keys[mid], &keys[low]);
    if (keys[last] > keys[low])
        swap(&keys[last], &keys[low]);
    if (keys[last] > keys[mid])
        swap(&keys[last], &keys[mid]);
    swap(&keys[mid], &keys[last]);
    uint64_t pivot = keys[last];
    size_t put = low;
    for (size_t i = low; i < last; i++) {
        uint64_t key = keys[i];
        keys[i] = keys[put];
        keys[put] = key;
        put += key > pivot;
    }
    swap(&keys[put], &keys[last]);
    return put;
}

static void sift(uint64_t *heap, size_t root, size_t count)
{
    uint64_t key = heap[root];
    for (size_t child; (child = 2 * root + 1) < count; root = child) {
        if (child + 1 < count && heap[child + 1] < heap[child])
            child++;
        if (heap[child] >= key)
            break;
        heap[root] = heap[child];
    }
    heap[root] = key;
}

/* Largest first, by a heap of the smallest. */
static void sort_falling(uint64_t *keys, size_t count)
{
    for (size_t i = count / 2; i-- > 0;)
        sift(keys, i, count);
    for (size_t n = count; n-- > 1;) {
        swap(&keys[0], &keys[n]);
        sift(keys, 0, n);
    }
}

/* The k largest to the front, in any order: quickselect. After 64 pivots that did not settle it the
 * rest is sorted, so no order of scores costs a square. */
static void select_best(uint64_t *keys, size_t count, size_t k)
{
    size_t low = 0, high = count;
    for (unsigned round = 0; high - low > 1 && low < k; round++) {
        if (round == 64) {
            sort_falling(keys + low, high - low);
            return;
        }
        size_t pivot = partition(keys, low, high);
        if (pivot > k)
            high = pivot;
        else
            low = pivot + 1;
    }
}

struct scan {
    uint64_t *keys;
    size_t held, k, cap;
    float limit; /* candidates are above it */
};

/* Takes the candidates of one block. */
static void take(struct scan *scan, const float *scores, size_t base, uint64_t mask)
{
    for (; mask; mask &= mask - 1) {
        size_t i = base + (size_t)__builtin_ctzll(mask);
        if (!(scores[i] > scan->limit)) /* the limit may have risen within the block */
            continue;
        scan->keys[scan->held++] = key_of(scores[i], (uint32_t)i);
        if (scan->held < scan->cap)
            continue;
        select_best(scan->keys, scan->held, scan->k);
        scan->held = scan->k;
        uint64_t least = scan->keys[0];
        for (size_t j = 1; j < scan->k; j++)
            if (scan->keys[j] < least)
                least = scan->keys[j];
        scan->limit = score_of(least);
    }
}

size_t od_topk_scratch(size_t k)
{
    return k + ROOM;
}

/* Leaves the best min(k, candidates) keys at the front of scratch, in any order; their number. */
static size_t collect(const struct od_kernels *kernels, const float *scores, size_t count,
                      const uint64_t *keep, size_t k, uint64_t *scratch)
{
    struct scan scan = {.keys = scratch, .k = k, .cap = k + ROOM, .limit = -INFINITY};
    size_t blocks = count / OD_SCAN_BLOCK;
    uint64_t mask = 0;
    for (size_t b = 0; (b = kernels->above(scores, b, blocks, scan.limit, keep, &mask)) < blocks;
         b++)
        take(&scan, scores, b * OD_SCAN_BLOCK, mask);
    mask = 0;
    for (size_t i = blocks * OD_SCAN_BLOCK; i < count; i++)
        if (scores[i] > scan.limit && (!keep || od_bitmap_get(keep, i)))
            mask |= 1ULL << (i % OD_SCAN_BLOCK);
    take(&scan, scores, blocks * OD_SCAN_BLOCK, mask);
    if (scan.held <= k)
        return scan.held;
    select_best(scratch, scan.held, k);
    return k;
}

size_t od_topk(const struct od_kernels *kernels, const float *scores, size_t count,
               const uint64_t *keep, size_t k, uint64_t *scratch, uint32_t *out)
{
    k = k < count ? k : count;
    if (k == 0)
        return 0;
    size_t n = collect(kernels, scores, count, keep, k, scratch);
    sort_falling(scratch, n);
    for (size_t i = 0; i < n; i++)
        out[i] = ~(uint32_t)scratch[i];
    return n;
}

size_t od_topk_cut(const struct od_kernels *kernels, const float *scores, size_t count, size_t k,
                   uint64_t *scratch, float *out_least)
{
    k = k < count ? k : count;
    size_t n = k ? collect(kernels, scores, count, NULL, k, scratch) : 0, equal = 0;
    if (n == 0)
        return 0;
    uint64_t least = scratch[0];
    for (size_t i = 1; i < n; i++)
        least = scratch[i] < least ? scratch[i] : least;
    for (size_t i = 0; i < n; i++)
        equal += scratch[i] >> 32 == least >> 32;
    *out_least = score_of(least);
    return equal;
}

size_t od_topk_reference(const float *scores, size_t count, const uint64_t *keep, size_t k,
                         uint32_t *out)
{
    size_t n = 0;
    uint64_t last = UINT64_MAX;
    while (n < k) {
        uint64_t best = 0;
        for (size_t i = 0; i < count; i++) {
            if (!(scores[i] > -INFINITY) || (keep && !od_bitmap_get(keep, i)))
                continue;
            uint64_t key = key_of(scores[i], (uint32_t)i);
            if (key < last && key > best)
                best = key;
        }
        if (best == 0)
            return n;
        last = best;
        out[n++] = ~(uint32_t)best;
    }
    return n;
}
