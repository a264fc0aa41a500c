/* Finding the young items. Creation of an item (data.md section 16): CREATION_TIMESTAMP; else its
 * first interaction; else, when it has a record, now: the latest interaction of the group. Items
 * that are only ids (no record, no interaction) are not offered.
 *
 * Doubt falls with what was learnt: 1 / sqrt(1 + (interactions + impressions) / 10), as the
 * standard error of a mean does; an item shown often and not chosen loses it as well as a popular
 * one.
 *
 * Appeal: of n lists that showed the item (those its interactions came without counted as lists in
 * which it was not chosen: what the next model learns by itself needs no exploring) it was chosen
 * in k. With b the rate at which shown items are chosen, k is Poisson(appeal b n), and a priori
 * appeal is exponential with mean 1; so a posteriori it is Gamma(1 + k, 1 + b n). */
#include "serve/young.h"

#include <math.h>
#include <stdlib.h>

#include "base/bitmap.h"
#include "base/limits.h"

#define LEARNT_PER_DOUBT 10.0
#define PRIOR_SHOWN      200.0 /* lists' worth of belief in PRIOR_RATE */
#define PRIOR_RATE       0.05
#define LEAST_RATE       0.01 /* where nobody ever chooses from lists, ignoring must still count */
#define MOST_RATE        0.5

bool od_young_init(struct od_young_place *place)
{
    *place = (struct od_young_place){.current = NULL};
    return pthread_mutex_init(&place->lock, NULL) == 0;
}

void od_young_unref(struct od_young *young)
{
    if (young && atomic_fetch_sub_explicit(&young->refs, 1, memory_order_acq_rel) == 1)
        free(young);
}

void od_young_done(struct od_young_place *place)
{
    od_young_unref(place->current);
    pthread_mutex_destroy(&place->lock);
}

/* False: the table has no such column. */
static bool creation_column(const struct od_table *items, struct od_table_column *out)
{
    for (size_t i = 0, n = od_table_column_count(items); i < n; i++) {
        od_table_column(items, i, out);
        if (od_str_eq_c(out->field->name, "CREATION_TIMESTAMP") && out->integers)
            return true;
    }
    return false;
}

struct facts {
    const struct od_live *live;
    bool has_creation;
    struct od_table_column creation;
    double base;  /* rate at which shown items are chosen */
    double now_s; /* an event of the future counts as of its arrival at the latest */
};

static double base_rate(const struct od_activity *activity)
{
    double rate = ((double)activity->chosen + PRIOR_RATE * PRIOR_SHOWN) /
                  ((double)activity->impressions + PRIOR_SHOWN);
    return rate < LEAST_RATE ? LEAST_RATE : rate > MOST_RATE ? MOST_RATE : rate;
}

static bool is_young(const struct facts *facts, uint32_t row, int64_t cutoff_s,
                     struct od_young_item *out)
{
    const struct od_activity *activity = facts->live->activity;
    struct od_item_facts item = {0};
    if (row < activity->fact_count)
        item = activity->facts[row];
    bool recorded = od_table_has_record(facts->live->items, row);
    if (!recorded && item.interactions == 0)
        return false;
    double latest = fmin((double)activity->latest_time, facts->now_s), created = latest;
    if (facts->has_creation && !od_bitmap_get(facts->creation.nulls, row))
        created = (double)facts->creation.integers[row];
    else if (item.interactions > 0)
        created = (double)item.first_time;
    if (latest - created > (double)cutoff_s)
        return false;
    double learnt = (double)item.interactions + (double)item.impressions;
    double shown = learnt - (double)item.chosen;
    *out = (struct od_young_item){.row = row,
                                  .doubt = (float)(1 / sqrt(1 + learnt / LEARNT_PER_DOUBT)),
                                  .shape = (float)(1 + (double)item.chosen),
                                  .rate = (float)(1 + facts->base * (shown > 0 ? shown : 0))};
    return true;
}

static struct od_young *build(const struct od_live *live, int64_t cutoff_s, int64_t now_ms)
{
    struct facts facts = {
        .live = live, .base = base_rate(live->activity), .now_s = (double)now_ms / 1000};
    facts.has_creation = creation_column(live->items, &facts.creation);
    uint32_t row_count = live->activity->any ? od_table_row_count(live->items) : 0;
    uint32_t cap = 64;
    struct od_young *young = malloc(sizeof *young + cap * sizeof young->list[0]);
    if (!young)
        return NULL;
    young->count = 0;
    for (uint32_t row = 0; row < row_count; row++) {
        struct od_young_item item;
        if (!is_young(&facts, row, cutoff_s, &item))
            continue;
        if (young->count == cap) {
            cap = cap < UINT32_MAX / 2 ? cap * 2 : UINT32_MAX;
            struct od_young *more =
                realloc(young, sizeof *young + (size_t)cap * sizeof young->list[0]);
            if (!more) {
                free(young);
                return NULL;
            }
            young = more;
        }
        young->list[young->count++] = item;
    }
    atomic_init(&young->refs, 1);
    return young;
}

static bool is_current(const struct od_young *young, const struct od_live *live, int64_t now_ms)
{
    if (now_ms >= young->built_ms && now_ms - young->built_ms < OD_YOUNG_REFRESH_MS)
        return true;
    return !young->ahead && young->items_epoch == live->items_epoch &&
           young->items_version == od_table_version(live->items) &&
           young->activity_epoch == live->activity_epoch &&
           young->activity_changes == live->activity->changes;
}

static struct od_young *renew(const struct od_live *live, int64_t cutoff_s, int64_t now_ms)
{
    struct od_young *young = build(live, cutoff_s, now_ms);
    if (!young)
        return NULL;
    young->items_epoch = live->items_epoch;
    young->items_version = od_table_version(live->items);
    young->activity_epoch = live->activity_epoch;
    young->activity_changes = live->activity->changes;
    young->built_ms = now_ms;
    young->ahead = live->activity->any && live->activity->latest_time > now_ms / 1000;
    return young;
}

struct od_young *od_young_get(struct od_young_place *place, const struct od_live *live,
                              int64_t cutoff_s, int64_t now_ms)
{
    pthread_mutex_lock(&place->lock);
    bool build_it =
        !place->building && (!place->current || !is_current(place->current, live, now_ms));
    if (build_it) {
        place->building = true;
        pthread_mutex_unlock(&place->lock);
        struct od_young *young = renew(live, cutoff_s, now_ms);
        pthread_mutex_lock(&place->lock);
        place->building = false;
        if (young) {
            od_young_unref(place->current);
            place->current = young;
        }
    }
    struct od_young *current = place->current;
    if (current)
        atomic_fetch_add_explicit(&current->refs, 1, memory_order_relaxed);
    pthread_mutex_unlock(&place->lock);
    return current;
}
