/* Popularity. Items are numbered by their place in the order of all time ("place"); a window's
 * order is then a counting sort by events whose equal counts keep that order. Questions reach one
 * state in order of time, so a window moves by the events that enter and leave it. */
#include "eval/popular.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "recipes/popularity.h"

struct event {
    int64_t time;
    uint32_t place;
};

struct od_popular {
    const struct od_exam *exam;
    uint32_t count;       /* items with events */
    uint32_t *at_place;   /* [count] catalogue code */
    struct event *events; /* of the training part by time; NULL when all are within a window */
    uint64_t event_count;
};

void od_popular_free(struct od_popular *popular)
{
    if (!popular)
        return;
    free(popular->at_place);
    free(popular->events);
    free(popular);
}

static int by_time(const void *a, const void *b)
{
    const struct event *x = a, *y = b;
    if (x->time != y->time)
        return x->time < y->time ? -1 : 1;
    return (x->place > y->place) - (x->place < y->place);
}

static enum od_status fill(struct od_popular *popular, const struct od_training *train,
                           const uint32_t *rank, struct od_error *err)
{
    const struct od_exam *exam = popular->exam;
    popular->count = train->item_count;
    popular->at_place = malloc(((size_t)train->item_count + 1) * sizeof *popular->at_place);
    if (!popular->at_place)
        return od_fail(err, OD_NO_MEMORY, NULL);
    for (uint32_t i = 0; i < train->item_count; i++)
        popular->at_place[rank[i]] = od_dict_find(exam->items, od_dict_text(train->items, i));
    if ((uint64_t)train->last_time - (uint64_t)train->first_time <= OD_POPULAR_WINDOW_S)
        return OD_OK;
    popular->events = malloc((train->event_count + 1) * sizeof *popular->events);
    if (!popular->events)
        return od_fail(err, OD_NO_MEMORY, NULL);
    for (uint64_t e = 0; e < train->event_count; e++)
        popular->events[e] = (struct event){train->time[e], rank[train->item[e]]};
    qsort(popular->events, train->event_count, sizeof *popular->events, by_time);
    popular->event_count = train->event_count;
    return OD_OK;
}

enum od_status od_popular_new(const struct od_exam *exam, struct od_popular **out,
                              struct od_error *err)
{
    struct od_popularity ever = {0};
    struct od_popular *popular = calloc(1, sizeof *popular);
    if (!popular)
        return od_fail(err, OD_NO_MEMORY, NULL);
    popular->exam = exam;
    enum od_status s = od_popularity_count(exam->train, &ever, err);
    if (s == OD_OK)
        s = fill(popular, exam->train, ever.rank, err);
    od_popularity_done(&ever);
    if (s == OD_OK)
        *out = popular;
    else
        od_popular_free(popular);
    return s;
}

/* --- of all time --- */

static void score_order(const struct od_popular *popular, float *scores)
{
    for (uint32_t i = 0; i < popular->exam->item_count; i++)
        scores[i] = -INFINITY;
    for (uint32_t p = 0; p < popular->count; p++)
        scores[popular->at_place[p]] = -1.0f - (float)p;
}

static enum od_status score_ever(void *context, void *state, uint32_t question,
                                 struct od_arena *scratch, float *scores, struct od_error *err)
{
    (void)state;
    (void)question;
    (void)scratch;
    (void)err;
    score_order(context, scores);
    return OD_OK;
}

struct od_answerer od_popular_ever(struct od_popular *popular)
{
    return (struct od_answerer){.score = score_ever, .context = popular};
}

/* --- of the last 7 days --- */

struct window {
    uint64_t first, end; /* events in it */
    uint32_t *count;     /* [place] */
    uint32_t *with;      /* [events a place has]: places with so many, then where they go */
    uint64_t with_cap;
};

static enum od_status begin_window(void *context, void **out_state, struct od_error *err)
{
    const struct od_popular *popular = context;
    struct window *w = calloc(1, sizeof *w);
    if (w)
        w->count = calloc((size_t)popular->count + 1, sizeof *w->count);
    if (!w || !w->count) {
        free(w);
        return od_fail(err, OD_NO_MEMORY, NULL);
    }
    *out_state = w;
    return OD_OK;
}

static void end_window(void *state)
{
    struct window *w = state;
    free(w->count);
    free(w->with);
    free(w);
}

/* The first event with a time above that. */
static uint64_t first_above(const struct od_popular *popular, int64_t time)
{
    uint64_t low = 0, high = popular->event_count;
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        if (popular->events[middle].time > time)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

static void move_window(const struct od_popular *popular, struct window *w, int64_t now)
{
    int64_t from;
    if (__builtin_sub_overflow(now, (int64_t)OD_POPULAR_WINDOW_S, &from))
        from = INT64_MIN;
    uint64_t first = first_above(popular, from), end = first_above(popular, now);
    if (first > w->end || end < w->end) { /* nothing in common, or back in time */
        memset(w->count, 0, popular->count * sizeof *w->count);
        w->first = w->end = first;
    }
    for (; w->end < end; w->end++)
        w->count[popular->events[w->end].place]++;
    for (; w->first < first; w->first++)
        w->count[popular->events[w->first].place]--;
}

/* Places by falling count, equal counts by place: scores by a counting sort. */
static enum od_status score_window(const struct od_popular *popular, struct window *w,
                                   float *scores)
{
    uint32_t most = 0;
    for (uint32_t p = 0; p < popular->count; p++)
        most = w->count[p] > most ? w->count[p] : most;
    if (most >= w->with_cap) {
        uint32_t *bigger = realloc(w->with, ((size_t)most + 1) * sizeof *bigger);
        if (!bigger)
            return OD_NO_MEMORY;
        w->with = bigger;
        w->with_cap = (uint64_t)most + 1;
    }
    memset(w->with, 0, ((size_t)most + 1) * sizeof *w->with);
    for (uint32_t p = 0; p < popular->count; p++)
        w->with[w->count[p]]++;
    uint32_t before = 0;
    for (uint64_t c = (uint64_t)most + 1; c-- > 0;) {
        uint32_t here = w->with[c];
        w->with[c] = before;
        before += here;
    }
    for (uint32_t i = 0; i < popular->exam->item_count; i++)
        scores[i] = -INFINITY;
    for (uint32_t p = 0; p < popular->count; p++)
        scores[popular->at_place[p]] = -1.0f - (float)w->with[w->count[p]]++;
    return OD_OK;
}

static enum od_status score_lately(void *context, void *state, uint32_t question,
                                   struct od_arena *scratch, float *scores, struct od_error *err)
{
    const struct od_popular *popular = context;
    const struct od_training *train = popular->exam->train;
    int64_t now = popular->exam->questions[question].now_s;
    if (!popular->events)
        return score_ever(context, state, question, scratch, scores, err);
    move_window(popular, state, now < train->last_time ? now : train->last_time);
    enum od_status s = score_window(popular, state, scores);
    return s == OD_OK ? OD_OK : od_fail(err, s, NULL);
}

struct od_answerer od_popular_lately(struct od_popular *popular)
{
    return (struct od_answerer){begin_window, end_window, score_lately, popular};
}

/* --- chance --- */

static enum od_status score_chance(void *context, void *state, uint32_t question,
                                   struct od_arena *scratch, float *scores, struct od_error *err)
{
    (void)state;
    (void)scratch;
    (void)err;
    const struct od_chance *chance = context;
    uint64_t stream = od_hash_mix(chance->seed, question);
    for (uint32_t i = 0; i < chance->exam->item_count; i++)
        scores[i] = (float)(od_hash_mix(stream, i) >> 40);
    return OD_OK;
}

struct od_answerer od_chance_of(struct od_chance *chance)
{
    return (struct od_answerer){.score = score_chance, .context = chance};
}
