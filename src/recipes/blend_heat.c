/* Fitting the temperature by maximum likelihood.
 *
 * log p(target) = s_target / T - log sum exp(s_j / T) is concave in 1 / T for every user, so their
 * sum has one maximum. It is evaluated on a fixed grid of temperatures, half an octave apart, for
 * all at once while a user's scores are at hand, and refined by the parabola through the best three
 * points (the curve is smooth in log T; the error is below one per cent). Users' values are summed
 * in user order. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "math/nn/vector.h"
#include "os/parallel.h"
#include "recipes/blend_train.h"

enum {
    GRID = 37,         /* 2^-14 to 2^4 */
    STRIP = 1024,      /* scores that stay in the cache for all of them */
    LEAST_ASKED = 100, /* users, however large the catalogue */
    MOST_ASKED = 2000
};
#define MOST_SCORES 4000000u /* scores looked at, each for GRID exponentials: .1 s of a core */

static double temperature_at(double place)
{
    return exp2(-14 + place / 2);
}

struct heat_thread {
    float *scores;
    struct od_past_event *events;
    struct od_arena arena;
    bool ready;
};

struct heat {
    const struct od_scorer *scorer;
    const struct od_split *split;
    uint32_t asked;
    struct heat_thread *thread;
    double *likelihood; /* [asked][GRID]; 0 for a user whose target is unknown */
};

static bool thread_open(struct heat_thread *t, const struct od_split *split, uint32_t items)
{
    if (t->ready)
        return true;
    t->scores = malloc(((size_t)items + 1) * sizeof *t->scores);
    t->events = malloc((split->most_events + 1) * sizeof *t->events);
    od_arena_init(&t->arena, SIZE_MAX);
    t->ready = true;
    return t->scores && t->events;
}

static void likelihoods(const float *scores, uint32_t items, uint32_t target, double *out)
{
    const struct od_nn_vector *vector = od_nn_vector_best();
    float below[STRIP], z[STRIP], most = vector->largest(scores, items);
    double sum[GRID] = {0};
    for (uint32_t from = 0; from < items; from += STRIP) {
        uint32_t n = items - from < STRIP ? items - from : STRIP;
        for (uint32_t i = 0; i < n; i++)
            below[i] = scores[from + i] - most;
        for (size_t g = 0; g < GRID; g++) {
            memcpy(z, below, n * sizeof *z);
            vector->scale(z, (float)(1 / temperature_at((double)g)), n);
            sum[g] += (double)vector->exp_sum(z, 0, n);
        }
    }
    for (size_t g = 0; g < GRID; g++)
        out[g] = (double)(scores[target] - most) / temperature_at((double)g) - log(sum[g]);
}

static enum od_status ask_user(void *context, size_t index, unsigned thread)
{
    struct heat *heat = context;
    const struct od_split *split = heat->split;
    const struct od_scorer *scorer = heat->scorer;
    struct heat_thread *t = &heat->thread[thread];
    uint32_t user = (uint32_t)((uint64_t)index * split->test_count / heat->asked);
    uint64_t event = split->input_end[user],
             end = split->full->user_start[split->test_user[user] + 1];
    while (event < end && od_training_weight(split->full, event) <= 0)
        event++; /* what counts for nothing is not what is predicted */
    uint32_t target = event < end ? scorer->item_map[split->full->item[event]] : OD_NO_CODE;
    if (target == OD_NO_CODE)
        return OD_OK;
    if (!thread_open(t, split, scorer->item_count))
        return OD_NO_MEMORY;
    struct od_query query;
    od_split_query(split, scorer->item_map, user, t->events, &query);
    enum od_status st = od_query_at(split->full, split->test_user[user],
                                    od_split_context(split, user), &t->arena, &query);
    if (st == OD_OK)
        st = scorer->score(scorer->context, &query, &t->arena, t->scores, NULL);
    od_arena_reset(&t->arena);
    if (st == OD_OK)
        likelihoods(t->scores, scorer->item_count, target, heat->likelihood + index * GRID);
    return st;
}

/* The place of the maximum, between grid points by a parabola. */
static double peak(const double *sum)
{
    size_t best = 0;
    for (size_t g = 1; g < GRID; g++)
        if (sum[g] > sum[best])
            best = g;
    if (best == 0 || best + 1 == GRID)
        return (double)best;
    double left = sum[best - 1] - sum[best], right = sum[best + 1] - sum[best];
    double bend = left + right;
    return (double)best + (bend < 0 ? .5 * (left - right) / bend : 0);
}

static enum od_status ask_all(struct heat *heat, unsigned threads, float *out)
{
    enum od_status st = od_parallel(threads, heat->asked, ask_user, heat);
    double sum[GRID] = {0};
    for (size_t i = 0; i < (size_t)heat->asked * GRID; i++)
        sum[i % GRID] += heat->likelihood[i];
    bool any = sum[0] < 0 || sum[GRID - 1] < 0;
    *out = any ? (float)temperature_at(peak(sum)) : OD_BLEND_TEMPERATURE;
    return st;
}

enum od_status od_blend_heat(const struct od_scorer *scorer, const struct od_split *split,
                             unsigned threads, float *out, struct od_error *err)
{
    uint32_t items = scorer->item_count ? scorer->item_count : 1;
    uint32_t most = MOST_SCORES / items;
    most = most < LEAST_ASKED ? LEAST_ASKED : most > MOST_ASKED ? MOST_ASKED : most;
    threads = threads ? threads : od_cpu_count();
    struct heat heat = {scorer, split, split->test_count < most ? split->test_count : most,
                        calloc(threads, sizeof *heat.thread), NULL};
    heat.likelihood = calloc((size_t)heat.asked * GRID + 1, sizeof *heat.likelihood);
    float temperature = OD_BLEND_TEMPERATURE;
    enum od_status st = heat.thread && heat.likelihood ? OD_OK : OD_NO_MEMORY;
    if (st == OD_OK && heat.asked)
        st = ask_all(&heat, threads, &temperature);
    for (unsigned t = 0; heat.thread && t < threads; t++)
        if (heat.thread[t].ready) {
            free(heat.thread[t].scores);
            free(heat.thread[t].events);
            od_arena_done(&heat.thread[t].arena);
        }
    free(heat.thread);
    free(heat.likelihood);
    if (st != OD_OK)
        return od_fail(err, st, NULL);
    *out = temperature;
    return OD_OK;
}
