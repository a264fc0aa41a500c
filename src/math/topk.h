/* The K best of an array of scores, exactly and always the same ones.
 *
 * Order: higher score first; equal scores by lower index (so two runs, two threads or two
 * instruction sets give one answer). -0 counts as 0. Scores of -INFINITY and NaN are never taken:
 * that is how a scorer says "not this one". */
#ifndef OD_MATH_TOPK_H
#define OD_MATH_TOPK_H

#include "math/kernels.h"

/* Words of scratch that od_topk needs for k. */
size_t od_topk_scratch(size_t k);

/* Writes the indexes of the best min(k, candidates) to out, best first, and returns how many.
 * keep: a bitmap of count bits, only set ones are candidates; NULL: all. scratch:
 * od_topk_scratch(k) words. Indexes are below 2^32 - 1. Reads scores about once; touches nothing
 * else. */
size_t od_topk(const struct od_kernels *kernels, const float *scores, size_t count,
               const uint64_t *keep, size_t k, uint64_t *scratch, uint32_t *out);

/* Where the best k end: *out_least is the score of the last of them, and the result how many of
 * them have just that score (the first so many by index). 0 when there is no candidate. Costs no
 * sort. */
size_t od_topk_cut(const struct od_kernels *kernels, const float *scores, size_t count, size_t k,
                   uint64_t *scratch, float *out_least);

/* od_topk by repeated scan, for tests: O(k count). */
size_t od_topk_reference(const float *scores, size_t count, const uint64_t *keep, size_t k,
                         uint32_t *out);

#endif
