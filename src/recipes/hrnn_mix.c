/* See hrnn_mix.h.
 *
 * A case is a test user and a strange item of the input, for what follows is the metrics' to ask:
 * all events on items that are not strange ask, the item and SAMPLES strange ones drawn uniformly
 * are the alternatives of a conditional logit (which leaves the estimate consistent: McFadden
 * 1978). The item may be older than what asks: a cold item has no place in a history yet, so the
 * order in which users went through the others does not bear on it. A voice that gets a negative
 * weight is left out and the others are fitted again. */
#include "recipes/hrnn_mix.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/random.h"
#include "os/parallel.h"
#include "recipes/gru_model.h"
#include "recipes/similar.h"

enum {
    ONE_IN = 5,       /* items is strange */
    SAMPLES = 200,    /* alternatives to the answer */
    LEAST_ITEMS = 20, /* strange ones to draw from */
    LEAST_CASES = 50,
    MOST_CASES = 4000,
    MOST_OF_USER = 20,
    BLOCK = 8 /* cases a part */
};
#define MOST_SCORES 200000000u /* cases times items */

bool od_hrnn_strange(struct od_str id, uint64_t seed)
{
    return od_hash(id.ptr, id.len, seed ^ 0x636f6c64) % ONE_IN == 0; /* "cold" */
}

struct one {
    uint64_t start, end; /* the history: events of the split's full set */
    uint64_t answer;     /* one of them, on a strange item */
};

struct lesson {
    const struct od_split *split;
    struct od_gru_model *network;
    struct od_taste_view taste;
    uint32_t items;                   /* of the image */
    uint32_t *code;                   /* [full items] of the image */
    bool *is_strange;                 /* [full items] */
    uint32_t *strange, strange_count; /* codes of the image */
    struct one *cases;
    size_t case_count;
    uint64_t seed;
    float *x; /* [cases][1 + SAMPLES][voices] */
};

static void lesson_done(struct lesson *l)
{
    od_gru_close(l->network);
    free(l->code);
    free(l->is_strange);
    free(l->strange);
    free(l->cases);
    free(l->x);
}

static enum od_status find_strange(struct lesson *l, const struct od_image_dict *items)
{
    const struct od_training *full = l->split->full;
    l->code = malloc(((size_t)full->item_count + 1) * sizeof *l->code);
    l->is_strange = calloc((size_t)full->item_count + 1, sizeof *l->is_strange);
    l->strange = malloc(((size_t)full->item_count + 1) * sizeof *l->strange);
    if (!l->code || !l->is_strange || !l->strange)
        return OD_NO_MEMORY;
    for (uint32_t i = 0; i < full->item_count; i++) {
        struct od_str id = od_dict_text(full->items, i);
        l->code[i] = od_image_dict_find(items, id);
        l->is_strange[i] = l->code[i] != OD_NO_CODE && od_hrnn_strange(id, l->seed);
        if (l->is_strange[i])
            l->strange[l->strange_count++] = l->code[i];
    }
    return OD_OK;
}

/* A user's cases, evenly spread over the history, when there is anything to ask by. */
static size_t cases_of(const struct lesson *l, uint64_t start, uint64_t end, struct one *out)
{
    const struct od_training *full = l->split->full;
    size_t n = 0, strange = 0, seen = 0;
    for (uint64_t e = start; e < end; e++)
        strange += l->is_strange[full->item[e]];
    size_t want = strange == end - start ? 0 : strange < MOST_OF_USER ? strange : MOST_OF_USER;
    for (uint64_t e = start; e < end && want; e++) {
        if (!l->is_strange[full->item[e]])
            continue;
        if (seen * want / strange != (seen + 1) * want / strange)
            out[n++] = (struct one){start, end, e};
        seen++;
    }
    return n;
}

static enum od_status find_cases(struct lesson *l)
{
    const struct od_split *s = l->split;
    size_t most = (size_t)s->test_count * MOST_OF_USER, count = 0, put = 0;
    l->cases = malloc((most + 1) * sizeof *l->cases);
    if (!l->cases)
        return OD_NO_MEMORY;
    for (uint32_t i = 0; i < s->test_count; i++) {
        uint32_t u = s->test_user[i];
        count += cases_of(l, s->full->user_start[u], s->input_end[i], l->cases + count);
    }
    size_t able = MOST_SCORES / ((size_t)l->items + 1);
    able = able < LEAST_CASES ? LEAST_CASES : able < MOST_CASES ? able : MOST_CASES;
    size_t want = count < able ? count : able;
    for (size_t c = 0; c < count; c++)
        if (c * want / count != (c + 1) * want / count)
            l->cases[put++] = l->cases[c];
    l->case_count = put;
    return OD_OK;
}

/* Scores of every item by every voice, planes of l->items. */
static enum od_status listen(const struct lesson *l, const struct one *one,
                             struct od_past_event *events, struct od_arena *arena, float *scores,
                             struct od_error *err)
{
    const struct od_training *full = l->split->full;
    size_t n = 0;
    bool personal, any;
    for (uint64_t e = one->start; e < one->end; e++)
        if (!l->is_strange[full->item[e]])
            events[n++] = (struct od_past_event){
                .item = l->code[full->item[e]], .type = OD_NO_TYPE, .time = full->time[e]};
    struct od_query query = {.events = events,
                             .event_count = n,
                             .item = OD_NO_CODE,
                             .now_s = n ? events[n - 1].time : 0};
    memset(scores, 0, OD_HRNN_VOICES * (size_t)l->items * sizeof *scores);
    enum od_status st = od_gru_score(l->network, &query, arena, scores, &personal, err);
    if (st == OD_OK && od_taste_score(&l->taste, &query, arena, scores + l->items,
                                      scores + 2 * (size_t)l->items, &any) != OD_OK)
        st = od_fail(err, OD_NO_MEMORY, NULL);
    return st;
}

static void draw(const struct lesson *l, size_t c, const float *scores)
{
    struct od_random rng;
    od_random_init2(&rng, l->seed, c);
    float *x = l->x + c * (1 + SAMPLES) * OD_HRNN_VOICES;
    for (size_t s = 0; s <= SAMPLES; s++) {
        uint32_t item = s ? l->strange[od_random_below(&rng, l->strange_count)]
                          : l->code[l->split->full->item[l->cases[c].answer]];
        for (size_t v = 0; v < OD_HRNN_VOICES; v++)
            *x++ = scores[v * l->items + item];
    }
}

static enum od_status listen_block(void *context, size_t index, unsigned thread)
{
    (void)thread;
    const struct lesson *l = context;
    struct od_error err;
    struct od_arena arena;
    struct od_past_event *events = malloc((l->split->most_events + 1) * sizeof *events);
    float *scores = malloc(OD_HRNN_VOICES * ((size_t)l->items + 1) * sizeof *scores);
    enum od_status st = events && scores ? OD_OK : OD_NO_MEMORY;
    od_arena_init(&arena, SIZE_MAX);
    for (size_t c = index * BLOCK; c < (index + 1) * BLOCK && c < l->case_count && st == OD_OK;
         c++) {
        od_arena_reset(&arena);
        st = listen(l, &l->cases[c], events, &arena, scores, &err);
        if (st == OD_OK)
            draw(l, c, scores);
    }
    od_arena_done(&arena);
    free(events);
    free(scores);
    return st;
}

/* Weights of the voices; those that would be negative are 0. Where none is left, mix stays. */
static void weigh(struct lesson *l, float *mix)
{
    size_t alternatives = 1 + SAMPLES, rows = l->case_count * alternatives;
    double weight[OD_HRNN_VOICES];
    for (bool again = true; again;) {
        od_similar_logit(l->x, l->case_count, alternatives, weight);
        again = false;
        for (size_t v = 0; v < OD_HRNN_VOICES; v++) {
            for (size_t r = 0; weight[v] < 0 && r < rows; r++)
                l->x[r * OD_HRNN_VOICES + v] = 0;
            again |= weight[v] < 0;
        }
    }
    bool some = false;
    for (size_t v = 0; v < OD_HRNN_VOICES; v++)
        some |= weight[v] > 0;
    for (size_t v = 0; some && v < OD_HRNN_VOICES; v++)
        mix[v] = (float)weight[v];
}

enum od_status od_hrnn_mix(const struct od_image *image, const struct od_image_dict *items,
                           const struct od_split *split, uint64_t seed, unsigned threads,
                           float *mix, struct od_error *err)
{
    struct lesson l = {.split = split, .items = items->count, .seed = seed};
    if (split->train->item_count < OD_HRNN_MIX_ITEMS)
        return OD_OK;
    enum od_status st = od_taste_open(image, items->count, &l.taste, err);
    if (st != OD_OK || l.taste.columns == 0)
        return st;
    st = od_gru_open(image, items->count, &l.network, err);
    if (st == OD_OK && (find_strange(&l, items) != OD_OK || find_cases(&l) != OD_OK))
        st = od_fail(err, OD_NO_MEMORY, NULL);
    if (st == OD_OK && l.case_count >= LEAST_CASES && l.strange_count >= LEAST_ITEMS) {
        l.x = malloc(l.case_count * (1 + SAMPLES) * OD_HRNN_VOICES * sizeof *l.x);
        st = l.x ? od_parallel(threads, (l.case_count + BLOCK - 1) / BLOCK, listen_block, &l)
                 : OD_NO_MEMORY;
        if (st != OD_OK)
            od_fail(err, st, NULL);
        else
            weigh(&l, mix);
    }
    lesson_done(&l);
    return st;
}
