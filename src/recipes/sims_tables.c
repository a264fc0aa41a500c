/* Which users and items take part, and their pairs both ways round.
 *
 * Percentiles drop users altogether. An item they drop is nobody's neighbour, but it can still be
 * asked about: its users are known, and what they share with the kept items is its answer. (Else
 * the most popular tenth of a catalogue, which most questions are about, would get popular items.)
 *
 * Percentiles are taken over all users and all items of the training set, by linear interpolation
 * between order statistics; whoever lies on a bound stays. The newest OD_SIMS_HISTORY distinct
 * items of a user are kept: the pairs of one user are that number squared at most, whatever a robot
 * clicked. Memory: 14 bytes an event and 8 a user and item. */
#include "recipes/sims_tables.h"

#include <stdlib.h>
#include <string.h>

/* --- percentiles --- */

static int compare_numbers(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

double od_sims_percentile(const uint32_t *values, size_t count, double p, uint32_t *scratch)
{
    if (count == 0)
        return 0;
    memcpy(scratch, values, count * sizeof *scratch);
    qsort(scratch, count, sizeof *scratch, compare_numbers);
    double place = p * (double)(count - 1);
    size_t below = (size_t)place;
    if (below + 1 >= count)
        return scratch[count - 1];
    double rest = place - (double)below;
    return (double)scratch[below] * (1 - rest) + (double)scratch[below + 1] * rest;
}

/* kept[i]: values[i] lies within the percentiles, both included. */
static enum od_status keep_within(const uint32_t *values, size_t count, double low, double high,
                                  bool *kept)
{
    uint32_t *scratch = malloc((count + 1) * sizeof *scratch);
    if (!scratch)
        return OD_NO_MEMORY;
    double from = od_sims_percentile(values, count, low, scratch);
    double to = od_sims_percentile(values, count, high, scratch);
    for (size_t i = 0; i < count; i++)
        kept[i] = values[i] >= from && values[i] <= to;
    free(scratch);
    return OD_OK;
}

static enum od_status keep_users_and_items(const struct od_training *t,
                                           const struct od_sims_keep *keep, bool *user_kept,
                                           bool *item_kept)
{
    size_t most = (t->user_count > t->item_count ? t->user_count : t->item_count) + (size_t)1;
    uint32_t *counts = calloc(most, sizeof *counts);
    if (!counts)
        return OD_NO_MEMORY;
    for (uint64_t e = 0; e < t->event_count; e++)
        counts[t->item[e]]++;
    enum od_status s =
        keep_within(counts, t->item_count, keep->min_item, keep->max_item, item_kept);
    for (uint32_t u = 0; u < t->user_count; u++) {
        uint64_t n = t->user_start[u + 1] - t->user_start[u];
        counts[u] = n < UINT32_MAX ? (uint32_t)n : UINT32_MAX;
    }
    if (s == OD_OK)
        s = keep_within(counts, t->user_count, keep->min_user, keep->max_user, user_kept);
    free(counts);
    return s;
}

/* --- the two tables --- */

/* The newest distinct items of one user, the kept ones when item_kept is given. seen is [items],
 * holding other users' marks. */
static uint32_t read_user(const struct od_training *t, uint32_t user, const bool *item_kept,
                          uint32_t *seen, uint32_t *out)
{
    uint32_t count = 0;
    for (uint64_t e = t->user_start[user + 1];
         e-- > t->user_start[user] && count < OD_SIMS_HISTORY;) {
        uint32_t item = t->item[e];
        if (seen[item] == user || (item_kept && !item_kept[item]))
            continue;
        seen[item] = user;
        out[count++] = item;
    }
    return count;
}

static enum od_status build_user_items(const struct od_training *t, const bool *user_kept,
                                       const bool *item_kept, struct od_sims_rows *rows)
{
    uint32_t *seen = malloc(((size_t)t->item_count + 1) * sizeof *seen);
    rows->at = malloc(((size_t)t->user_count + 1) * sizeof *rows->at);
    rows->entry = malloc((t->event_count + 1) * sizeof *rows->entry);
    if (!seen || !rows->at || !rows->entry) {
        free(seen);
        return OD_NO_MEMORY;
    }
    memset(seen, 0xFF, ((size_t)t->item_count + 1) * sizeof *seen);
    uint64_t at = 0;
    for (uint32_t u = 0; u < t->user_count; u++) {
        rows->at[u] = at;
        if (user_kept[u])
            at += read_user(t, u, item_kept, seen, rows->entry + at);
    }
    rows->at[t->user_count] = at;
    free(seen);
    return OD_OK;
}

static enum od_status build_item_users(const struct od_training *t, const struct od_sims_rows *from,
                                       const bool *item_kept, struct od_sims_rows *rows)
{
    uint64_t pairs = from->at[t->user_count];
    uint64_t *cursor = malloc(((size_t)t->item_count + 1) * sizeof *cursor);
    rows->at = calloc((size_t)t->item_count + 2, sizeof *rows->at);
    rows->entry = malloc((pairs + 1) * sizeof *rows->entry);
    rows->place = malloc((pairs + 1) * sizeof *rows->place);
    if (!cursor || !rows->at || !rows->entry || !rows->place) {
        free(cursor);
        return OD_NO_MEMORY;
    }
    for (uint64_t e = 0; e < pairs; e++)
        rows->at[from->entry[e] + 1]++;
    for (uint32_t i = 0; i < t->item_count; i++) {
        cursor[i] = rows->at[i];
        rows->at[i + 1] += rows->at[i];
    }
    for (uint32_t u = 0; u < t->user_count; u++) {
        uint16_t place = 0;
        for (uint64_t e = from->at[u]; e < from->at[u + 1]; e++) {
            uint32_t item = from->entry[e];
            rows->place[cursor[item]] = place;
            rows->entry[cursor[item]++] = u;
            place = (uint16_t)(place + item_kept[item]);
        }
    }
    free(cursor);
    return OD_OK;
}

static void rows_done(struct od_sims_rows *rows)
{
    free(rows->at);
    free(rows->entry);
    free(rows->place);
    *rows = (struct od_sims_rows){0};
}

void od_sims_tables_done(struct od_sims_tables *tables)
{
    rows_done(&tables->user_items);
    rows_done(&tables->item_users);
}

enum od_status od_sims_tables_build(const struct od_training *training,
                                    const struct od_sims_keep *keep, struct od_sims_tables *out,
                                    struct od_error *err)
{
    struct od_sims_tables tables = {0};
    struct od_sims_rows all = {0};
    bool *user_kept = calloc((size_t)training->user_count + 1, sizeof *user_kept);
    bool *item_kept = calloc((size_t)training->item_count + 1, sizeof *item_kept);
    enum od_status s = user_kept && item_kept ? OD_OK : OD_NO_MEMORY;
    if (s == OD_OK)
        s = keep_users_and_items(training, keep, user_kept, item_kept);
    if (s == OD_OK)
        s = build_user_items(training, user_kept, NULL, &all);
    if (s == OD_OK)
        s = build_item_users(training, &all, item_kept, &tables.item_users);
    rows_done(&all);
    if (s == OD_OK)
        s = build_user_items(training, user_kept, item_kept, &tables.user_items);
    free(user_kept);
    free(item_kept);
    if (s == OD_OK)
        *out = tables;
    else
        od_sims_tables_done(&tables);
    return s == OD_OK ? OD_OK : od_fail(err, s, NULL);
}
