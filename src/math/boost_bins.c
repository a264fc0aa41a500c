/* Values to bins: where a feature has few distinct values each gets a bin of its own, otherwise
 * bins hold about the same number of rows. Limits lie between two values that occur, so a row of
 * the training set and the same row asked later go the same way. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "math/boost_inner.h"
#include "os/parallel.h"

enum { SAMPLE = 200000 }; /* rows that limits are chosen from, evenly spread */

struct bins_job {
    const struct od_boost_set *set;
    struct od_boost_bins *bins;
};

static int by_value(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* The sampled values that are there, sorted; returns how many. */
static size_t sample(const struct od_boost_set *set, uint32_t feature, float *out)
{
    size_t step = set->rows / SAMPLE + 1, n = 0;
    for (size_t r = 0; r < set->rows; r += step) {
        float x = set->value[r * set->features + feature];
        if (!isnan(x))
            out[n++] = x;
    }
    qsort(out, n, sizeof *out, by_value);
    return n;
}

/* Above low and below or at high: the middle, if it lies between them. */
static float between(float low, float high)
{
    float middle = low / 2 + high / 2;
    return middle >= low && middle < high ? middle : low;
}

/* Limits after each full bin; a bin is full when it has its share of the rows left, or at once when
 * every distinct value can have a bin. Returns the number of bins. */
static uint16_t choose_limits(const float *sorted, size_t n, float *limit)
{
    size_t distinct = n > 0;
    for (size_t i = 1; i < n; i++)
        distinct += sorted[i] > sorted[i - 1];
    size_t begun = 0;
    uint16_t bins = 0;
    for (size_t i = 1; i < n && bins < BOOST_BINS - 1; i++) {
        size_t share = (n - begun) / (size_t)(BOOST_BINS - bins);
        if (sorted[i] > sorted[i - 1] && (distinct <= BOOST_BINS || i - begun >= share)) {
            limit[bins++] = between(sorted[i - 1], sorted[i]);
            begun = i;
        }
    }
    return (uint16_t)(bins + (n > 0));
}

/* 1 and the number of limits below x. */
static uint8_t bin_of(const float *limit, uint16_t bins, float x)
{
    uint16_t low = 0, high = (uint16_t)(bins ? bins - 1 : 0);
    if (isnan(x))
        return 0;
    while (low < high) {
        uint16_t middle = (uint16_t)((low + high) / 2);
        if (x <= limit[middle])
            high = middle;
        else
            low = (uint16_t)(middle + 1);
    }
    return (uint8_t)(low + 1);
}

static enum od_status bin_feature(void *context, size_t feature, unsigned thread)
{
    (void)thread;
    struct bins_job *job = context;
    const struct od_boost_set *set = job->set;
    struct od_boost_bins *bins = job->bins;
    size_t most = set->rows < SAMPLE ? set->rows : SAMPLE;
    float *sorted = malloc((most + 1) * sizeof *sorted);
    if (!sorted)
        return OD_NO_MEMORY;
    float *limit = bins->limit + feature * (BOOST_BINS - 1);
    size_t n = sample(set, (uint32_t)feature, sorted);
    bins->count[feature] = choose_limits(sorted, n, limit);
    free(sorted);
    for (size_t r = 0; r < set->rows; r++)
        bins->code[feature * set->rows + r] =
            bin_of(limit, bins->count[feature], set->value[r * set->features + feature]);
    return OD_OK;
}

enum od_status od_boost_bins_init(struct od_boost_bins *out, const struct od_boost_set *set,
                                  const struct od_work *work)
{
    *out = (struct od_boost_bins){
        .rows = set->rows,
        .features = set->features,
        .code = malloc(set->rows * set->features + 1),
        .limit = calloc((size_t)set->features * (BOOST_BINS - 1) + 1, sizeof(float)),
        .count = calloc((size_t)set->features + 1, sizeof(uint16_t)),
    };
    struct bins_job job = {set, out};
    enum od_status st = OD_NO_MEMORY;
    if (out->code && out->limit && out->count)
        st = od_parallel(work->threads, set->features, bin_feature, &job);
    if (st != OD_OK)
        od_boost_bins_done(out);
    return st;
}

void od_boost_bins_done(struct od_boost_bins *bins)
{
    free(bins->code);
    free(bins->limit);
    free(bins->count);
    *bins = (struct od_boost_bins){0};
}
