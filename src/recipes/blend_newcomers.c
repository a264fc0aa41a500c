/* What answers those of whom nothing is known: a mixture of what everybody takes, and its shares.
 *
 * Users' first events tell how likely the popularity of the day, the week, 30 days and of all time
 * held them to be, each as it was up to a week before (od_blend_stale) and with what had happened
 * by then alone. Shares are climbed by expectation maximisation: share_k becomes the mean of
 * share_k p_k / sum over l of share_l p_l (Dempster, Laird, Rubin 1977). They serve when, fitted on
 * every other user, they make the first events of the rest likelier than popularity of all time.
 *
 * Only the later half of users are asked: the first events of data that begins at a date are no
 * first events, and what was popular before the data is not known. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "math/nn/vector.h"
#include "recipes/blend_train.h"
#include "recipes/judges.h"

enum {
    LEAST_ASKED = 100, /* users, for there to be a choice */
    STEPS = 200,
};
#define ERRORS 2 /* standard errors of the likelihood that are a gain */

void od_blend_newcomers(const struct od_blend_newcomers *newcomers, const float *popular,
                        float temperature, uint32_t items, float *scores)
{
    const size_t n = items;
    memset(scores, 0, n * sizeof *scores);
    for (size_t k = 0; k < OD_BLEND_COMMON; k++)
        for (size_t i = 0; i < n; i++)
            scores[i] += newcomers->share[k] * popular[k * n + i];
    od_nn_vector_best()->log(scores, scores, temperature, n);
}

struct newcomer {
    int64_t time; /* as of which it is asked */
    uint32_t item;
    float weight;
    double p[OD_BLEND_COMMON];
};

static int by_time(const void *a, const void *b)
{
    const struct newcomer *x = a, *y = b;
    if (x->time != y->time)
        return x->time > y->time ? 1 : -1;
    return (x->item > y->item) - (x->item < y->item);
}

/* The first events that weigh something, in order of the time they are asked at. */
static size_t gather(const struct od_training *training, struct newcomer *out)
{
    size_t count = 0;
    for (uint32_t u = 0; u < training->user_count; u++) {
        uint64_t e = training->user_start[u];
        if (e == training->user_start[u + 1])
            continue;
        float weight = od_training_weight(training, e);
        if (weight > 0)
            out[count++] = (struct newcomer){.time = od_blend_stale(training->time[e], u),
                                             .item = training->item[e],
                                             .weight = weight};
    }
    qsort(out, count, sizeof *out, by_time);
    return count;
}

/* Fills p of all but those before whom nothing had happened, who go. */
static enum od_status ask(const struct od_blend_facts *facts, struct newcomer *newcomer,
                          size_t *count)
{
    const size_t n = facts->training->item_count;
    struct od_recent_walk walk;
    size_t kept = 0;
    enum od_status st = od_recent_walk_init(&walk, facts->recent, facts->training->item_count);
    for (size_t j = 0; j < *count && st == OD_OK; j++) {
        struct newcomer *to = &newcomer[kept];
        *to = newcomer[j];
        od_recent_walk_to(&walk, to->time);
        if (walk.sum[OD_RECENT_WINDOWS] == 0)
            continue;
        const uint32_t *c = walk.counts + to->item;
        double all = ((double)c[OD_RECENT_WINDOWS * n] + .5) /
                     ((double)walk.sum[OD_RECENT_WINDOWS] + .5 * (double)n);
        for (size_t w = 0; w < OD_RECENT_WINDOWS; w++)
            to->p[w] = walk.sum[w] ? (double)c[w * n] / (double)walk.sum[w] : all;
        to->p[OD_BLEND_OF_ALL - OD_BLEND_OF_DAY] = all;
        kept++;
    }
    od_recent_walk_done(&walk);
    *count = kept;
    return st;
}

static double likelihood(const struct newcomer *of, const double share[OD_BLEND_COMMON])
{
    double p = 0;
    for (size_t k = 0; k < OD_BLEND_COMMON; k++)
        p += share[k] * of->p[k];
    return p;
}

/* From newcomers first, first + stride, ... */
static void climb(const struct newcomer *newcomer, size_t count, size_t first, size_t stride,
                  double share[OD_BLEND_COMMON])
{
    for (size_t k = 0; k < OD_BLEND_COMMON; k++)
        share[k] = 1. / OD_BLEND_COMMON;
    for (int s = 0; s < STEPS; s++) {
        double next[OD_BLEND_COMMON] = {0}, sum = 0;
        for (size_t j = first; j < count; j += stride) {
            double each = (double)newcomer[j].weight / likelihood(&newcomer[j], share);
            for (size_t k = 0; k < OD_BLEND_COMMON; k++)
                next[k] += each * share[k] * newcomer[j].p[k];
        }
        for (size_t k = 0; k < OD_BLEND_COMMON; k++)
            sum += next[k];
        for (size_t k = 0; k < OD_BLEND_COMMON; k++)
            share[k] = next[k] / sum;
        share[OD_BLEND_COMMON - 1] += OD_BLEND_LEAST_SHARE; /* p of all items stays above 0 */
    }
}

static bool gains(const struct newcomer *newcomer, size_t count, float *out_gain)
{
    double of[2][OD_BLEND_COMMON], sum = 0, squares = 0, n = (double)count;
    climb(newcomer, count, 1, 2, of[0]);
    climb(newcomer, count, 0, 2, of[1]);
    for (size_t j = 0; j < count; j++) {
        double gain = (double)newcomer[j].weight *
                      log(likelihood(&newcomer[j], of[j % 2]) / newcomer[j].p[OD_BLEND_COMMON - 1]);
        sum += gain;
        squares += gain * gain;
    }
    double mean = sum / n, error = sqrt((squares / n - mean * mean) / n);
    *out_gain = (float)mean;
    return mean > ERRORS * error;
}

enum od_status od_blend_newcomers_fit(const struct od_blend_facts *facts,
                                      struct od_blend_newcomers *out, struct od_error *err)
{
    const struct od_training *training = facts->training;
    *out = OD_BLEND_NEWCOMERS_DEFAULT;
    struct newcomer *newcomer = calloc((size_t)training->user_count + 1, sizeof *newcomer);
    if (!newcomer)
        return od_fail(err, OD_NO_MEMORY, NULL);
    size_t count = od_recent_real(training) ? gather(training, newcomer) : 0;
    struct newcomer *later = newcomer + count / 2;
    count -= count / 2;
    double share[OD_BLEND_COMMON];
    enum od_status st = ask(facts, later, &count);
    if (st == OD_OK && count >= LEAST_ASKED) {
        out->asked = (uint32_t)count;
        if (gains(later, count, &out->gain)) {
            climb(later, count, 0, 1, share);
            for (size_t k = 0; k < OD_BLEND_COMMON; k++)
                out->share[k] = (float)share[k];
        }
    }
    free(newcomer);
    return st == OD_OK ? OD_OK : od_fail(err, st, NULL);
}

enum od_status od_blend_newcomers_at_end(const struct od_training *training, float temperature,
                                         float *scores, struct od_error *err)
{
    const size_t n = training->item_count;
    struct od_recent recent = {0};
    struct od_blend_newcomers newcomers;
    uint32_t *count = calloc(n * (1 + OD_RECENT_WINDOWS) + 1, sizeof *count), *lately = count + n;
    float *popular = malloc((n * OD_BLEND_COMMON + 1) * sizeof *popular);
    enum od_status st = count && popular ? od_recent_make(training, &recent, err)
                                         : od_fail(err, OD_NO_MEMORY, NULL);
    const struct od_blend_facts facts = {.training = training, .count = count, .recent = &recent};
    for (uint64_t e = 0; e < training->event_count && st == OD_OK; e++)
        count[training->item[e]]++;
    if (st == OD_OK)
        st = od_blend_newcomers_fit(&facts, &newcomers, err);
    if (st == OD_OK) {
        od_recent_count(&recent, INT64_MAX, training->item_count, lately);
        od_blend_popular_shares(count, lately, training->item_count, popular);
        od_blend_newcomers(&newcomers, popular, temperature, training->item_count, scores);
    }
    od_recent_done(&recent);
    free(count);
    free(popular);
    return st;
}
