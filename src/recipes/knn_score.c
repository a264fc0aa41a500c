/* One query against the session index: see knn.h for the formula.
 *
 * (1) The newest distinct items of the query get their weights. (2) The postings of each are run
 * through a hash table that adds up sim per session; a million sessions cost a query nothing, only
 * those it meets do. (3) Of these the `neighbours` largest are selected by (sim, number): sim is
 * positive, so its bits order like the number they stand for, and one 64-bit key per session makes
 * the order total. (4) Each neighbour is walked once forwards and once backwards; a running sum
 * that decays by step_decay a step is near(s, p) without looking at pairs.
 *
 * Order of additions is fixed by the index and the query, so the same query gives the same bytes.
 * Everything is on the caller's thread; the index is only read. */
#include "recipes/knn.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define NEGLIGIBLE                                                                                 \
    .02f /* an item whose decay is below this is not looked up: changes no rank seen */

struct entry {
    uint32_t session; /* number + 1; 0: free */
    float sim;
};

struct ask {
    const struct od_knn_scorer *scorer;
    uint32_t item[OD_KNN_WINDOW];
    float weight[OD_KNN_WINDOW];
    uint32_t count;
    uint8_t *place; /* [items] place in item and weight, from 1; 0: not in the query */
    float least;    /* a near below this counts as nothing */
    struct entry *table;
    uint32_t mask;
    uint64_t *keys; /* [met] bits of sim, session */
    uint32_t *places;
    size_t met;
    uint32_t *touched; /* items with a score */
    size_t touched_count;
};

/* The best of none of the sets measured, and near the best of all: sessions of a shop, ratings and
 * reviews alike. */
struct od_knn_config od_knn_config_default(void)
{
    return (struct od_knn_config){.cut = 0,
                                  .rest = 0,
                                  .sample = 1000,
                                  .neighbours = 300,
                                  .closeness = 1,
                                  .query_decay = .7f,
                                  .step_decay = .8f,
                                  .back = .5f,
                                  .source_power = .25f,
                                  .target_power = .1f,
                                  .length_power = .3f,
                                  .fade = 1,
                                  .repeat = 1.5f};
}

enum od_status od_knn_scorer_init(struct od_knn_scorer *out, const struct od_knn_index *index,
                                  const struct od_knn_config *config)
{
    struct od_knn_scorer s = {.index = index, .config = *config};
    s.source = malloc(((size_t)index->items * 2 + 1) * sizeof *s.source);
    if (!s.source)
        return OD_NO_MEMORY;
    s.target = s.source + index->items;
    for (uint32_t i = 0; i < index->items; i++) {
        float n = index->count[i] ? (float)index->count[i] : 1;
        s.source[i] = powf(n, -config->source_power);
        s.target[i] = powf(n, -config->target_power);
    }
    for (uint32_t n = 1; n <= OD_KNN_LONGEST; n++)
        s.length[n] = powf((float)n, -config->length_power);
    for (uint32_t a = 0; a < OD_KNN_FADES; a++)
        s.fade[a] = exp2f(-config->fade * (float)(OD_KNN_FADES - 1 - a) / OD_KNN_FADES);
    for (uint32_t d = 0; d < OD_KNN_REACH; d++) {
        s.decay[d] = powf(config->query_decay, (float)d);
        s.reach += s.decay[d] >= NEGLIGIBLE;
    }
    *out = s;
    return OD_OK;
}

void od_knn_scorer_done(struct od_knn_scorer *scorer)
{
    free(scorer->source);
    *scorer = (struct od_knn_scorer){0};
}

/* --- the query's items --- */

static bool paused(int64_t earlier, int64_t later)
{
    int64_t gap;
    return __builtin_sub_overflow(later, earlier, &gap) || gap > OD_KNN_PAUSE_S;
}

static void gather(struct ask *ask, const struct od_query *query)
{
    const struct od_knn_scorer *scorer = ask->scorer;
    const struct od_knn_index *index = scorer->index;
    int64_t later = query->now_s;
    uint32_t d = 0;
    for (size_t e = query->event_count; e-- > 0 && ask->count < OD_KNN_WINDOW; d++) {
        const struct od_past_event *event = &query->events[e];
        d += scorer->config.rest && paused(event->time, later) ? scorer->config.rest : 0;
        later = event->time;
        if (d >= scorer->reach)
            return;
        if (event->item >= index->items)
            continue;
        if (ask->place[event->item])
            continue;
        float weight = scorer->decay[d] * scorer->source[event->item];
        ask->item[ask->count] = event->item;
        ask->weight[ask->count++] = weight;
        ask->place[event->item] = (uint8_t)ask->count;
        ask->least = weight * NEGLIGIBLE > ask->least ? weight * NEGLIGIBLE : ask->least;
    }
}

/* --- sessions met --- */

static uint32_t posts_of(const struct ask *ask, uint32_t item)
{
    const struct od_knn_index *index = ask->scorer->index;
    uint32_t n = index->post_at[item + 1] - index->post_at[item];
    return n < ask->scorer->config.sample ? n : ask->scorer->config.sample;
}

static void add_session(struct ask *ask, uint32_t session, float weight)
{
    uint32_t p = session * 2654435761u & ask->mask;
    while (ask->table[p].session != session + 1 && ask->table[p].session)
        p = (p + 1) & ask->mask;
    struct entry *entry = &ask->table[p];
    if (!entry->session) {
        entry->session = session + 1;
        ask->places[ask->met++] = p;
    }
    entry->sim += weight;
}

static enum od_status meet(struct ask *ask, struct od_arena *scratch)
{
    const struct od_knn_index *index = ask->scorer->index;
    size_t most = 0, slots = 16;
    for (uint32_t q = 0; q < ask->count; q++)
        most += posts_of(ask, ask->item[q]);
    while (slots < most * 3 / 2)
        slots *= 2;
    ask->table = OD_NEW_ARRAY(scratch, struct entry, slots);
    ask->keys = OD_NEW_ARRAY(scratch, uint64_t, most);
    ask->places = OD_NEW_ARRAY(scratch, uint32_t, most);
    if (!ask->table || !ask->keys || !ask->places)
        return OD_NO_MEMORY;
    ask->mask = (uint32_t)slots - 1;
    for (uint32_t q = 0; q < ask->count; q++) {
        const uint32_t *post = index->post + index->post_at[ask->item[q]];
        uint32_t n = posts_of(ask, ask->item[q]);
        for (uint32_t k = 0; k < n; k++)
            add_session(ask, post[k], ask->weight[q]);
    }
    for (size_t m = 0; m < ask->met; m++) {
        const struct entry *entry = &ask->table[ask->places[m]];
        uint32_t bits;
        memcpy(&bits, &entry->sim, sizeof bits);
        ask->keys[m] = (uint64_t)bits << 32 | (entry->session - 1);
    }
    return OD_OK;
}

/* Moves the k < count largest of distinct keys to the front (Hoare 1961, FIND). The pivot is the
 * key at the place sought: keys that come already sorted, as those of one item's sessions do, cost
 * one pass. */
static void select_largest(uint64_t *key, size_t count, size_t k)
{
    size_t low = 0, high = count - 1;
    while (low < high) {
        uint64_t pivot = key[k];
        size_t i = low, j = high + 1; /* one past the place looked at, so that it stays unsigned */
        while (i < j) {
            while (key[i] > pivot)
                i++;
            while (key[j - 1] < pivot)
                j--;
            if (i < j) {
                uint64_t swap = key[i];
                key[i++] = key[j - 1];
                key[--j] = swap;
            }
        }
        /* [low, j) >= pivot >= [i, high], and at most the pivot's own place between */
        if (k < i)
            high = i - 1;
        if (k >= j)
            low = j;
        if (k < i && k >= j)
            return;
    }
}

/* --- neighbours --- */

static void touch(struct ask *ask, float *scores, uint32_t item, float x)
{
    if (scores[item] == 0)
        ask->touched[ask->touched_count++] = item;
    scores[item] += x;
}

/* The running sum one position on. */
static float step(const struct ask *ask, float run, float weight)
{
    run *= ask->scorer->config.step_decay;
    return (run >= ask->least ? run : 0) + weight;
}

/* Adds what a neighbour says; returns the sum of it. */
static float walk(struct ask *ask, uint64_t key, float *scores)
{
    const struct od_knn_scorer *scorer = ask->scorer;
    const struct od_knn_config *config = &scorer->config;
    uint32_t session = (uint32_t)key, bits = (uint32_t)(key >> 32), matched = 0;
    const uint32_t *item = scorer->index->item + scorer->index->start[session];
    uint32_t n = scorer->index->start[session + 1] - scorer->index->start[session];
    float sim, near[OD_KNN_LONGEST], weight[OD_KNN_LONGEST], run = 0, all = 0;
    memcpy(&sim, &bits, sizeof sim);
    float amp = scorer->length[n] *
                scorer->fade[(uint64_t)session * OD_KNN_FADES / scorer->index->sessions];
    for (uint32_t c = 0; c < config->closeness; c++)
        amp *= sim;
    for (uint32_t p = 0; p < n; p++) {
        uint8_t place = ask->place[item[p]];
        weight[p] = place ? ask->weight[place - 1] : 0;
        matched += place > 0;
        near[p] = run;
        run = step(ask, run, weight[p]);
    }
    if (matched == n)
        return 0;
    run = 0;
    for (uint32_t p = n; p-- > 0;) {
        float x = amp * (near[p] + config->back * run) * scorer->target[item[p]];
        if (x > 0)
            touch(ask, scores, item[p], x);
        all += x;
        run = step(ask, run, weight[p]);
    }
    return all;
}

/* The sessions that count come first in keys; room for all that they can touch. */
static enum od_status choose(struct ask *ask, struct od_arena *scratch, size_t *out_count)
{
    const struct od_knn_index *index = ask->scorer->index;
    size_t n = ask->met, most = ask->scorer->config.neighbours, events = 0;
    if (most && n > most) {
        select_largest(ask->keys, n, most);
        n = most;
    }
    for (size_t k = 0; k < n; k++) {
        uint32_t session = (uint32_t)ask->keys[k];
        events += index->start[session + 1] - index->start[session];
    }
    ask->touched = OD_NEW_ARRAY(scratch, uint32_t, events + ask->count);
    *out_count = n;
    return ask->touched ? OD_OK : OD_NO_MEMORY;
}

enum od_status od_knn_score(const struct od_knn_scorer *scorer, const struct od_query *query,
                            struct od_arena *scratch, float *scores, bool *out_any)
{
    struct ask ask = {.scorer = scorer};
    ask.place = OD_NEW_ARRAY(scratch, uint8_t, scorer->index->items);
    if (!ask.place)
        return OD_NO_MEMORY;
    memset(scores, 0, scorer->index->items * sizeof *scores);
    gather(&ask, query);
    size_t neighbours = 0;
    enum od_status st = meet(&ask, scratch);
    if (st == OD_OK)
        st = choose(&ask, scratch, &neighbours);
    if (st != OD_OK)
        return st;
    float said = 0, all = 0;
    for (size_t k = 0; k < neighbours; k++)
        said += walk(&ask, ask.keys[k], scores);
    float unit = (said > 0 ? said : 1) * scorer->config.repeat;
    for (uint32_t q = 0; q < ask.count; q++) {
        float x = unit * scorer->index->returns[q] * scorer->target[ask.item[q]];
        if (x > 0)
            touch(&ask, scores, ask.item[q], x);
    }
    for (size_t k = 0; k < ask.touched_count; k++)
        all += scores[ask.touched[k]];
    for (size_t k = 0; k < ask.touched_count && all > 0; k++)
        scores[ask.touched[k]] /= all;
    *out_any = all > 0;
    return OD_OK;
}
