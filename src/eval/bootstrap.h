/* Intervals by the bootstrap (Efron, Tibshirani 1993, chapter 13: percentiles of resampled means).
 *
 * Each resample draws as many users as there are, with replacement, by seed, each with all of his
 * or her questions; all series use the same draws, so that differences are paired: question by
 * question, as they were asked. */
#ifndef OD_EVAL_BOOTSTRAP_H
#define OD_EVAL_BOOTSTRAP_H

#include <stddef.h>

#include "base/error.h"

#define OD_BOOTSTRAP_RESAMPLES 1000

struct od_interval {
    double mean, low, high; /* 95 %: percentiles 2.5 and 97.5; NAN without a question */
    uint32_t count;         /* questions that have the figure */
};

struct od_series {
    const float *value; /* one figure a question; NAN: the question has none */
    size_t against;     /* index of the series to subtract; SIZE_MAX: none */
};
/* asker[q]: who asked question q, below asker_count; NULL: everybody asked one.
 * out_interval and out_difference (against series[against]) have an entry a series; the difference
 * of a series without `against` is NAN. Same result for any number of threads (0: all cores). */
enum od_status od_bootstrap(const struct od_series *series, size_t series_count,
                            uint32_t question_count, const uint32_t *asker, uint32_t asker_count,
                            uint64_t seed, unsigned threads, struct od_interval *out_interval,
                            struct od_interval *out_difference, struct od_error *err) OD_MUST_USE;

#endif
