/* Lists of the past as groups of rows, asked of a base that has not seen what happened to them.
 *
 * A user's events after the cut are walked in order; each list is one group, described by what the
 * user had done before it. Events that share the list just before them took further items of it
 * and grade those. A group needs a taken item and another one that the base knows. When there are
 * more than MOST_LISTS, every n-th is used. Users are dealt to training and validation in turn. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "os/parallel.h"
#include "recipes/ranking.h"
#include "recipes/split.h"

enum { MOST_LISTS = 40000, BLOCK = 64, MOST_EVENTS = 200 };

struct list {
    uint32_t user;
    uint64_t event; /* that came with it first */
    uint64_t last;  /* the last event that shares it */
    uint32_t count; /* rows, once described; 0: of no use */
    uint32_t *item;
    float *rows;
    uint8_t *grade;
};

struct making {
    const struct od_training *full;
    const uint32_t *item_map;
    const struct od_ranking_facts *facts;
    const struct od_recipe *base;
    const struct od_model *model;
    struct list *list;
    size_t count;
};

/* The lists after the cut; list NULL: only counts them. */
static size_t find_lists(const struct od_training *full, const uint64_t *keep, struct list *list)
{
    size_t n = 0;
    for (uint32_t u = 0; u < full->user_count; u++) {
        uint32_t before = OD_NO_CODE;
        for (uint64_t e = full->user_start[u] + keep[u]; e < full->user_start[u + 1]; e++) {
            uint32_t now = full->lists->of_event[e];
            if (now != OD_NO_CODE && now != before) {
                if (list)
                    list[n] = (struct list){.user = u, .event = e, .last = e};
                n++;
            } else if (now != OD_NO_CODE && list) {
                list[n - 1].last = e;
            }
            before = now;
        }
    }
    return n;
}

/* Every n-th of too many, in place. */
static size_t thin(struct list *list, size_t count)
{
    if (count <= MOST_LISTS)
        return count;
    for (size_t i = 0; i < MOST_LISTS; i++)
        list[i] = list[i * count / MOST_LISTS];
    return MOST_LISTS;
}

static bool is_taken(const struct making *m, const struct list *list, uint32_t item)
{
    const struct od_training *full = m->full;
    for (uint64_t e = list->event; e <= list->last; e++)
        if (full->item[e] == item && full->lists->of_event[e] == full->lists->of_event[list->event])
            return true;
    return false;
}

static int by_code(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* The list's items and what was taken, in the full set's codes, each once. */
static uint32_t gather_items(const struct making *m, const struct list *list, uint32_t *out)
{
    const struct od_training_lists *lists = m->full->lists;
    uint32_t of = lists->of_event[list->event], n = 0;
    for (uint64_t i = lists->start[of]; i < lists->start[of + 1] && n < OD_RANKING_LIST; i++)
        out[n++] = lists->item[i];
    for (uint64_t e = list->event; e <= list->last && n < 2 * OD_RANKING_LIST; e++)
        if (lists->of_event[e] == of)
            out[n++] = m->full->item[e];
    qsort(out, n, sizeof *out, by_code);
    uint32_t put = 0;
    for (uint32_t i = 0; i < n; i++)
        if (put == 0 || out[i] != out[put - 1])
            out[put++] = out[i];
    return put;
}

static enum od_status ask_base(const struct making *m, const struct list *list,
                               struct od_arena *arena, struct od_query *query, float **out)
{
    const struct od_training *full = m->full;
    uint64_t start = full->user_start[list->user];
    uint64_t from = list->event - start > MOST_EVENTS ? list->event - MOST_EVENTS : start;
    struct od_past_event *events =
        OD_NEW_ARRAY(arena, struct od_past_event, (size_t)(list->event - from));
    float *scores = OD_NEW_ARRAY(arena, float, m->facts->items);
    bool personal;
    if (!events || !scores)
        return OD_NO_MEMORY;
    for (uint64_t e = from; e < list->event; e++)
        events[e - from] =
            (struct od_past_event){m->item_map[full->item[e]], full->type[e], full->time[e]};
    *query = (struct od_query){.events = events,
                               .event_count = (size_t)(list->event - from),
                               .item = OD_NO_CODE,
                               .now_s = full->time[list->event]};
    enum od_status st = od_query_at(full, list->user, list->event, arena, query);
    if (st == OD_OK)
        st = m->base->score(m->model, query, arena, scores, &personal, NULL);
    *out = scores;
    return st;
}

/* Items, logits of the base and grades of one list; false when it teaches nothing. */
static bool fill_list(const struct making *m, struct list *list, const uint32_t *item,
                      uint32_t count, const float *scores, float *logit)
{
    float heat = m->base->temperature(m->model);
    uint32_t n = 0, taken = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t code = m->item_map[item[i]];
        if (code == OD_NO_CODE || !(scores[code] > -INFINITY))
            continue;
        list->item[n] = code;
        logit[n] = scores[code] / heat;
        list->grade[n] = is_taken(m, list, item[i]);
        taken += list->grade[n++];
    }
    list->count = taken > 0 && taken < n ? n : 0;
    return list->count > 0;
}

static enum od_status describe(const struct making *m, struct list *list, struct od_arena *arena)
{
    uint32_t *item = OD_NEW_ARRAY(arena, uint32_t, 2 * OD_RANKING_LIST);
    struct od_query query;
    float *scores;
    if (!item)
        return OD_NO_MEMORY;
    uint32_t count = gather_items(m, list, item);
    float *logit = OD_NEW_ARRAY(arena, float, count);
    enum od_status st = logit ? ask_base(m, list, arena, &query, &scores) : OD_NO_MEMORY;
    list->item = malloc((count + 1) * sizeof *list->item);
    list->grade = malloc(count + 1);
    if (st != OD_OK || !list->item || !list->grade)
        return st == OD_OK ? OD_NO_MEMORY : st;
    if (!fill_list(m, list, item, count, scores, logit))
        return OD_OK;
    size_t cells = (size_t)list->count * od_ranking_features(m->facts);
    list->rows = malloc(cells * sizeof *list->rows);
    if (!list->rows)
        return OD_NO_MEMORY;
    return od_ranking_rows(m->facts, &query, list->item, logit, list->count, arena, list->rows);
}

static enum od_status describe_block(void *context, size_t index, unsigned thread)
{
    (void)thread;
    struct making *m = context;
    struct od_arena arena;
    od_arena_init(&arena, SIZE_MAX);
    enum od_status st = OD_OK;
    for (size_t i = index * BLOCK; st == OD_OK && i < (index + 1) * BLOCK && i < m->count; i++) {
        st = describe(m, &m->list[i], &arena);
        od_arena_reset(&arena);
    }
    od_arena_done(&arena);
    return st;
}

/* The lists of every second user as one set; part 0 or 1. memory gets three blocks. */
static enum od_status collect(const struct making *m, unsigned part, struct od_boost_set *set,
                              void **memory)
{
    size_t rows = 0, groups = 0, features = od_ranking_features(m->facts);
    for (size_t i = 0; i < m->count; i++)
        if (m->list[i].user % 2 == part && m->list[i].count) {
            rows += m->list[i].count;
            groups++;
        }
    float *value = malloc((rows * features + 1) * sizeof *value);
    size_t *start = calloc(groups + 1, sizeof *start);
    uint8_t *grade = malloc(rows + 1);
    memory[0] = value;
    memory[1] = start;
    memory[2] = grade;
    *set = (struct od_boost_set){rows, (uint32_t)features, value, groups, start, grade};
    if (!value || !start || !grade)
        return OD_NO_MEMORY;
    size_t at = 0, group = 0;
    for (size_t i = 0; i < m->count; i++) {
        const struct list *list = &m->list[i];
        if (list->user % 2 != part || !list->count)
            continue;
        memcpy(value + at * features, list->rows, list->count * features * sizeof *value);
        memcpy(grade + at, list->grade, list->count);
        at += list->count;
        start[++group] = at;
    }
    return OD_OK;
}

enum od_status od_ranking_groups_make(const struct od_training *full, const uint64_t *keep,
                                      const uint32_t *item_map,
                                      const struct od_ranking_facts *facts,
                                      const struct od_recipe *base, const struct od_model *model,
                                      unsigned threads, struct od_ranking_groups *out,
                                      struct od_error *err)
{
    struct making m = {full, item_map, facts, base, model, NULL, 0};
    size_t found = find_lists(full, keep, NULL);
    *out = (struct od_ranking_groups){0};
    m.list = malloc((found + 1) * sizeof *m.list);
    if (!m.list)
        return od_fail(err, OD_NO_MEMORY, NULL);
    find_lists(full, keep, m.list);
    m.count = thin(m.list, found);
    enum od_status st = od_parallel(threads, (m.count + BLOCK - 1) / BLOCK, describe_block, &m);
    if (st == OD_OK)
        st = collect(&m, 0, &out->train, out->memory);
    if (st == OD_OK)
        st = collect(&m, 1, &out->validation, out->memory + 3);
    for (size_t i = 0; i < m.count; i++) {
        free(m.list[i].item);
        free(m.list[i].grade);
        free(m.list[i].rows);
    }
    free(m.list);
    if (st != OD_OK)
        od_ranking_groups_done(out);
    return st == OD_OK ? OD_OK : od_fail(err, st, NULL);
}

void od_ranking_groups_done(struct od_ranking_groups *groups)
{
    for (size_t i = 0; i < sizeof groups->memory / sizeof *groups->memory; i++)
        free(groups->memory[i]);
    *groups = (struct od_ranking_groups){0};
}
