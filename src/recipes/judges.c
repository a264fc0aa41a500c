/* What the choices of several parts do with judges: see judges.h. */
#include "recipes/judges.h"

#include <math.h>
#include <stdlib.h>

#include "math/kernels.h"
#include "os/parallel.h"
#include "recipes/split.h"

size_t od_judges_even(const struct od_judge *judges, size_t count, size_t most,
                      struct od_judge *out)
{
    size_t chosen = 0;
    most = count < most ? count : most;
    for (size_t j = 0; j < count; j++)
        if (j * most / count != (j + 1) * most / count)
            out[chosen++] = judges[j];
    return chosen;
}

static bool is_return(const struct od_training *training, const struct od_judge *judge)
{
    for (uint64_t e = judge->start; e < judge->end; e++)
        if (training->item[e] == training->item[judge->end])
            return true;
    return false;
}

bool od_judges_return(const struct od_training *training, const struct od_judge *judges,
                      size_t count)
{
    size_t returns = 0;
    for (size_t j = 0; j < count; j++)
        returns += is_return(training, &judges[j]);
    return returns * 100 >= count;
}

struct od_paired od_paired(const double *now, size_t stride, const double *before, size_t count)
{
    double sum = 0, square = 0, base = 0, n = (double)count;
    for (size_t j = 0; j < count; j++) {
        double d = now[j * stride] - before[j];
        sum += d;
        square += d * d;
        base += before[j];
    }
    double mean = sum / n;
    return (struct od_paired){mean, sqrt(fmax(square / n - mean * mean, 0) / n), base / n};
}

/* --- asking --- */

enum { BLOCK = 16 }; /* judges of a part */

struct asking {
    const struct od_judging *judging;
    const struct od_kernels *vector;
    size_t first, last;
    double *gain;
};

/* A thread's room for a part. */
struct desk {
    struct od_arena arena;
    float *scores; /* [items] and up to a whole block */
    struct od_past_event *events;
};

static double gain_of(const struct asking *asking, float *scores, uint32_t target)
{
    size_t n = asking->judging->training->item_count;
    size_t blocks = (n + OD_SCAN_BLOCK - 1) / OD_SCAN_BLOCK, place = 0;
    float mine = scores[target];
    uint64_t mask = 0;
    if (!(mine > asking->judging->nothing))
        return 0;
    for (size_t i = n; i < blocks * OD_SCAN_BLOCK; i++)
        scores[i] = -INFINITY;
    for (size_t b = 0; (b = asking->vector->above(scores, b, blocks, nextafterf(mine, -INFINITY),
                                                  NULL, &mask)) < blocks;
         b++)
        for (; mask; mask &= mask - 1) {
            size_t i = b * OD_SCAN_BLOCK + (size_t)__builtin_ctzll(mask);
            place += scores[i] > mine || (scores[i] >= mine && i < target);
        }
    return place < OD_JUDGES_TOP ? 1 / log2((double)place + 2) : 0;
}

static enum od_status ask(const struct asking *asking, const struct od_judge *judge,
                          struct desk *desk, double *out)
{
    const struct od_judging *g = asking->judging;
    const struct od_training *t = g->training;
    uint32_t target = t->item[judge->end];
    uint64_t count = judge->end - judge->start;
    uint64_t first = count > g->newest ? judge->end - g->newest : judge->start;
    bool any;
    for (uint64_t e = first; e < judge->end; e++)
        desk->events[e - first] = (struct od_past_event){t->item[e], t->type[e], t->time[e]};
    struct od_query query = {
        .events = desk->events, .event_count = judge->end - first, .now_s = t->time[judge->end]};
    od_arena_reset(&desk->arena);
    enum od_status st = OD_OK;
    if (g->facts)
        st = od_query_at(t, od_training_user_of(t, judge->end), judge->end, &desk->arena, &query);
    if (st == OD_OK)
        st = g->score(g->model, &query, &desk->arena, desk->scores, &any);
    for (uint64_t e = judge->start; st == OD_OK && e < judge->end && !g->returns; e++)
        if (t->item[e] != target)
            desk->scores[t->item[e]] = -INFINITY;
    *out = st == OD_OK && any ? gain_of(asking, desk->scores, target) : 0;
    return st;
}

static enum od_status ask_block(void *context, size_t index, unsigned thread)
{
    (void)thread;
    struct asking *asking = context;
    const struct od_judging *g = asking->judging;
    size_t from = asking->first + index * BLOCK, items = g->training->item_count;
    struct desk desk = {.scores = malloc((items + OD_SCAN_BLOCK) * sizeof *desk.scores),
                        .events = malloc((g->newest + 1) * sizeof *desk.events)};
    od_arena_init(&desk.arena, SIZE_MAX);
    enum od_status st = desk.scores && desk.events ? OD_OK : OD_NO_MEMORY;
    for (size_t j = from; j < from + BLOCK && j < asking->last && st == OD_OK; j++)
        st = ask(asking, &g->judges[j], &desk, &asking->gain[j]);
    od_arena_done(&desk.arena);
    free(desk.scores);
    free(desk.events);
    return st;
}

enum od_status od_judges_ask(const struct od_judging *judging, size_t first, size_t last,
                             double *gain)
{
    struct asking asking = {judging, od_kernels_best(), first, last, gain};
    return od_parallel(judging->threads, (last - first + BLOCK - 1) / BLOCK, ask_block, &asking);
}
