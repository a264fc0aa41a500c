/* Resampling. A resample is how often each question was drawn; a series' mean is then a product of
 * two arrays. Missing figures are zeros with a second array that says which count. */
#include "eval/bootstrap.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/random.h"
#include "math/kernels.h"
#include "os/parallel.h"

struct whole {
    float *value; /* [n] 0 where missing */
    float *has;   /* [n] 1 or 0; NULL: as many are drawn as there are, and nothing is missing */
};
struct bootstrap {
    const struct od_series *series;
    size_t count;
    uint32_t n;
    const uint32_t *asker; /* NULL: everybody asked one */
    uint32_t askers;
    uint64_t seed;
    struct whole *whole;
    double *means; /* [resample * count + series] */
};

static double mean_of(const struct bootstrap *b, size_t s, const float *times)
{
    const struct od_kernels *kernels = od_kernels_best();
    const struct whole *w = &b->whole[s];
    double sum = (double)kernels->dot(times, w->value, b->n);
    double drawn = w->has ? (double)kernels->dot(times, w->has, b->n) : (double)b->n;
    return drawn > 0 ? sum / drawn : NAN;
}

static enum od_status resample(void *context, size_t index, unsigned thread)
{
    (void)thread;
    const struct bootstrap *b = context;
    struct od_random rng;
    float *drawn = calloc((size_t)b->askers + 1, sizeof *drawn);
    float *times = b->asker ? malloc(((size_t)b->n + 1) * sizeof *times) : drawn;
    if (!drawn || !times) {
        free(drawn);
        return OD_NO_MEMORY;
    }
    od_random_init2(&rng, b->seed, index);
    for (uint32_t i = 0; i < b->askers; i++)
        drawn[od_random_below(&rng, b->askers)] += 1;
    for (uint32_t q = 0; b->asker && q < b->n; q++)
        times[q] = drawn[b->asker[q]];
    for (size_t s = 0; s < b->count; s++)
        b->means[index * b->count + s] = mean_of(b, s, times);
    free(drawn);
    if (b->asker)
        free(times);
    return OD_OK;
}

static enum od_status fill(struct whole *whole, const float *value, uint32_t n, bool uneven)
{
    bool missing = uneven;
    for (uint32_t i = 0; i < n; i++)
        missing = missing || isnan(value[i]);
    whole->value = malloc(((size_t)n + 1) * sizeof *whole->value);
    if (missing)
        whole->has = malloc(((size_t)n + 1) * sizeof *whole->has);
    if (!whole->value || (missing && !whole->has))
        return OD_NO_MEMORY;
    for (uint32_t i = 0; i < n; i++) {
        whole->value[i] = isnan(value[i]) ? 0 : value[i];
        if (missing)
            whole->has[i] = isnan(value[i]) ? 0.0f : 1.0f;
    }
    return OD_OK;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Percentile of sorted values, linear between two. */
static double percentile(const double *sorted, size_t count, double p)
{
    double at = p * (double)(count - 1);
    size_t low = (size_t)at, high = low + 1 < count ? low + 1 : low;
    return sorted[low] + (at - (double)low) * (sorted[high] - sorted[low]);
}

/* The exact mean over all questions, in doubles. */
static struct od_interval plain_mean(const struct od_series *series, uint32_t n)
{
    struct od_interval out = {NAN, NAN, NAN, 0};
    double sum = 0;
    for (uint32_t i = 0; i < n; i++)
        if (!isnan(series->value[i])) {
            sum += (double)series->value[i];
            out.count++;
        }
    if (out.count)
        out.mean = sum / out.count;
    return out;
}

static void set_bounds(struct od_interval *interval, double *means, size_t count)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++)
        if (!isnan(means[i]))
            means[kept++] = means[i];
    if (kept == 0)
        return;
    qsort(means, kept, sizeof *means, ascending);
    interval->low = percentile(means, kept, 0.025);
    interval->high = percentile(means, kept, 0.975);
}

static enum od_status read_off(const struct bootstrap *b, struct od_interval *out_interval,
                               struct od_interval *out_difference)
{
    double column[OD_BOOTSTRAP_RESAMPLES];
    for (size_t s = 0; s < b->count; s++) {
        size_t against = b->series[s].against;
        out_interval[s] = plain_mean(&b->series[s], b->n);
        for (size_t i = 0; i < OD_BOOTSTRAP_RESAMPLES; i++)
            column[i] = b->means[i * b->count + s];
        set_bounds(&out_interval[s], column, OD_BOOTSTRAP_RESAMPLES);
        out_difference[s] = (struct od_interval){NAN, NAN, NAN, out_interval[s].count};
        if (against == SIZE_MAX)
            continue;
        out_difference[s].mean = out_interval[s].mean - plain_mean(&b->series[against], b->n).mean;
        for (size_t i = 0; i < OD_BOOTSTRAP_RESAMPLES; i++)
            column[i] = b->means[i * b->count + s] - b->means[i * b->count + against];
        set_bounds(&out_difference[s], column, OD_BOOTSTRAP_RESAMPLES);
    }
    return OD_OK;
}

enum od_status od_bootstrap(const struct od_series *series, size_t series_count,
                            uint32_t question_count, const uint32_t *asker, uint32_t asker_count,
                            uint64_t seed, unsigned threads, struct od_interval *out_interval,
                            struct od_interval *out_difference, struct od_error *err)
{
    struct bootstrap b = {.series = series,
                          .count = series_count,
                          .n = question_count,
                          .asker = asker,
                          .askers = asker ? asker_count : question_count,
                          .seed = seed,
                          .whole = calloc(series_count + 1, sizeof *b.whole),
                          .means =
                              calloc(OD_BOOTSTRAP_RESAMPLES * series_count + 1, sizeof *b.means)};
    enum od_status s = b.whole && b.means ? OD_OK : OD_NO_MEMORY;
    for (size_t i = 0; s == OD_OK && i < series_count; i++)
        s = fill(&b.whole[i], series[i].value, question_count, asker != NULL);
    if (s == OD_OK && question_count)
        s = od_parallel(threads, OD_BOOTSTRAP_RESAMPLES, resample, &b);
    if (s == OD_OK)
        s = read_off(&b, out_interval, out_difference);
    for (size_t i = 0; b.whole && i < series_count; i++) {
        free(b.whole[i].value);
        free(b.whole[i].has);
    }
    free(b.whole);
    free(b.means);
    return s == OD_OK ? OD_OK : od_fail(err, s, NULL);
}
