/* How much what is known of who asks changes the answer to those without a history.
 *
 * The first event of each user kept out is asked for with the context and record it came with, and
 * nothing else: how likely p(item) rate(item)^tilt, brought to sum to 1, held its item to be. The
 * likeliest of a few tilts serves when it is likelier than none for more than chance. */
#include <math.h>
#include <stdlib.h>

#include "math/nn/vector.h"
#include "os/parallel.h"
#include "recipes/blend_train.h"

enum { TILTS = 4, LEAST_ASKED = 100, MOST_ASKED = 2000 };
#define MOST_SCORES  40000000u /* looked at */
#define ERRORS       2         /* standard errors of the likelihood that are a gain */
#define UNASKED_TILT 1.0f

static const float tilts[TILTS] = {.5f, 1, 1.5f, OD_BLEND_MOST_TILT};

struct tilt_thread {
    float *memory; /* [4][items] */
    struct od_arena arena;
    bool ready;
};

struct tilting {
    const struct od_newcomer_model *model;
    const struct od_split *split;
    uint32_t items, asked;
    struct tilt_thread *thread;
    double *gain;            /* [asked][TILTS] of log p */
    bool *counts;            /* [asked] */
    struct od_error *errors; /* of each thread */
};

static bool thread_open(struct tilt_thread *t, uint32_t items)
{
    if (t->ready)
        return t->memory;
    t->memory = malloc(((size_t)items * 4 + 1) * sizeof *t->memory);
    od_arena_init(&t->arena, SIZE_MAX);
    t->ready = true;
    return t->memory;
}

/* log sum exp */
static double total_of(const float *x, float *scratch, uint32_t n)
{
    float most = -INFINITY;
    double sum = 0;
    for (uint32_t i = 0; i < n; i++)
        most = x[i] > most ? x[i] : most;
    for (uint32_t i = 0; i < n; i++)
        scratch[i] = x[i] - most;
    od_nn_vector_best()->exp(scratch, scratch, n);
    for (uint32_t i = 0; i < n; i++)
        sum += (double)scratch[i];
    return (double)most + log(sum);
}

/* p[items]: log p but for a constant. */
static void gains(const struct tilting *g, const float *p, float *rates, float *tilted,
                  float *scratch, uint32_t target, double *out)
{
    double base = total_of(p, scratch, g->items);
    od_nn_vector_best()->log(rates, rates, 1, g->items);
    for (size_t k = 0; k < TILTS; k++) {
        for (uint32_t i = 0; i < g->items; i++)
            tilted[i] = p[i] + tilts[k] * rates[i];
        out[k] = (double)(tilts[k] * rates[target]) - (total_of(tilted, scratch, g->items) - base);
    }
}

static enum od_status ask(const struct tilting *g, struct tilt_thread *t, size_t index,
                          struct od_error *err)
{
    const struct od_split *split = g->split;
    uint32_t which = (uint32_t)((uint64_t)index * split->test_count / g->asked);
    uint32_t user = split->test_user[which];
    uint64_t event = split->full->user_start[user];
    const struct od_scorer *scorer = &g->model->scorer;
    uint32_t target = scorer->item_map[split->full->item[event]];
    float *p = t->memory, *rates = p + g->items;
    struct od_query query = {.item = OD_NO_CODE,
                             .now_s = od_blend_stale(split->full->time[event], index)};
    if (target == OD_NO_CODE || od_training_weight(split->full, event) <= 0)
        return OD_OK;
    if (od_query_at(split->full, user, event, &t->arena, &query) != OD_OK)
        return od_fail(err, OD_NO_MEMORY, NULL);
    bool any;
    if (g->model->rates(scorer->context, &query, &t->arena, rates, &any) != OD_OK)
        return od_fail(err, OD_NO_MEMORY, NULL);
    if (!any)
        return OD_OK;
    enum od_status st = scorer->score(scorer->context, &query, &t->arena, p, err);
    for (uint32_t i = 0; i < g->items && st == OD_OK; i++)
        p[i] /= g->model->temperature;
    if (st == OD_OK)
        gains(g, p, rates, rates + g->items, rates + 2 * (size_t)g->items, target,
              g->gain + index * TILTS);
    g->counts[index] = st == OD_OK;
    return st;
}

static enum od_status ask_user(void *context, size_t index, unsigned thread)
{
    struct tilting *g = context;
    struct tilt_thread *t = &g->thread[thread];
    if (!thread_open(t, g->items))
        return od_fail(&g->errors[thread], OD_NO_MEMORY, NULL);
    enum od_status st = ask(g, t, index, &g->errors[thread]);
    od_arena_reset(&t->arena);
    return st;
}

static void decide(const struct tilting *g, struct od_blend_newcomers *out)
{
    double best = 0;
    uint32_t n = 0;
    for (uint32_t j = 0; j < g->asked; j++)
        n += g->counts[j];
    out->tilt_asked = n;
    out->tilt = n < LEAST_ASKED ? UNASKED_TILT : 0;
    for (size_t k = 0; k < TILTS && n >= LEAST_ASKED; k++) {
        double sum = 0, squares = 0;
        for (uint32_t j = 0; j < g->asked; j++) {
            sum += g->gain[j * TILTS + k];
            squares += g->gain[j * TILTS + k] * g->gain[j * TILTS + k];
        }
        double mean = sum / n, error = sqrt(fmax(squares / n - mean * mean, 0) / n);
        if (mean <= best || mean <= ERRORS * error)
            continue;
        best = mean;
        out->tilt = tilts[k];
        out->tilt_gain = (float)mean;
    }
}

enum od_status od_blend_tilt_fit(const struct od_newcomer_model *model,
                                 const struct od_split *split, unsigned threads,
                                 struct od_blend_newcomers *out, struct od_error *err)
{
    uint32_t items = model->scorer.item_count, most = MOST_SCORES / (items + 1);
    uint32_t able = split ? split->test_count : 0;
    most = most < LEAST_ASKED ? LEAST_ASKED : most > MOST_ASKED ? MOST_ASKED : most;
    threads = threads ? threads : od_cpu_count();
    struct tilting g = {model,
                        split,
                        items,
                        able < most ? able : most,
                        calloc(threads, sizeof *g.thread),
                        NULL,
                        NULL,
                        calloc(threads, sizeof *g.errors)};
    g.gain = calloc((size_t)g.asked * TILTS + 1, sizeof *g.gain);
    g.counts = calloc((size_t)g.asked + 1, sizeof *g.counts);
    enum od_status st =
        g.thread && g.gain && g.counts && g.errors ? OD_OK : od_fail(err, OD_NO_MEMORY, NULL);
    if (st == OD_OK)
        st = od_parallel(threads, g.asked, ask_user, &g);
    for (unsigned t = 0; st != OD_OK && g.errors && t < threads; t++)
        if (g.errors[t].code == st)
            od_error_copy(err, &g.errors[t]);
    if (st == OD_OK)
        decide(&g, out);
    for (unsigned t = 0; g.thread && t < threads; t++)
        if (g.thread[t].ready) {
            free(g.thread[t].memory);
            od_arena_done(&g.thread[t].arena);
        }
    free(g.thread);
    free(g.gain);
    free(g.counts);
    free(g.errors);
    return st;
}
