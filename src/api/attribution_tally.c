/* Sums by period, metric and source: see attribution_tally.h. A table with open addressing that is
 * at most half full; a free slot has the metric UINT32_MAX. */
#include "api/attribution_tally.h"

#include <float.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

#define FREE  UINT32_MAX
#define FIRST 64u   /* slots */
#define KEPT  4096u /* slots worth keeping for the next time */

void od_tally_init(struct od_tally *tally, size_t max_cells)
{
    *tally = (struct od_tally){.max = max_cells};
}

void od_tally_done(struct od_tally *tally)
{
    free(tally->slots);
    *tally = (struct od_tally){.max = tally->max};
}

static void free_all(struct od_tally_cell *slots, size_t count)
{
    for (size_t i = 0; i < count; i++)
        slots[i] = (struct od_tally_cell){.metric = FREE};
}

void od_tally_clear(struct od_tally *tally)
{
    tally->count = 0;
    if (tally->slot_count > KEPT)
        od_tally_done(tally);
    else
        free_all(tally->slots, tally->slot_count);
}

static struct od_tally_cell *find(struct od_tally_cell *slots, size_t slot_count, int64_t period_s,
                                  uint32_t metric, uint32_t source)
{
    uint64_t hash = od_hash_mix((uint64_t)period_s, (uint64_t)metric << 32 | source);
    for (size_t at = hash & (slot_count - 1);; at = (at + 1) & (slot_count - 1)) {
        struct od_tally_cell *cell = &slots[at];
        if (cell->metric == FREE ||
            (cell->period_s == period_s && cell->metric == metric && cell->source == source))
            return cell;
    }
}

static enum od_status widen(struct od_tally *tally)
{
    if (tally->slots && (tally->count + 1) * 2 <= tally->slot_count)
        return OD_OK;
    size_t slot_count = tally->slots ? tally->slot_count * 2 : FIRST;
    struct od_tally_cell *slots = malloc(slot_count * sizeof *slots);
    if (!slots)
        return OD_NO_MEMORY;
    free_all(slots, slot_count);
    for (size_t i = 0; i < tally->slot_count; i++) {
        const struct od_tally_cell *cell = &tally->slots[i];
        if (cell->metric != FREE)
            *find(slots, slot_count, cell->period_s, cell->metric, cell->source) = *cell;
    }
    free(tally->slots);
    tally->slots = slots;
    tally->slot_count = slot_count;
    return OD_OK;
}

double od_tally_sum(double a, double b)
{
    double sum = a + b;
    if (sum > DBL_MAX)
        return DBL_MAX;
    return sum < -DBL_MAX ? -DBL_MAX : sum;
}

enum od_status od_tally_add(struct od_tally *tally, int64_t period_s, uint32_t metric,
                            uint32_t source, double value)
{
    enum od_status s = widen(tally);
    if (s != OD_OK)
        return s;
    struct od_tally_cell *cell = find(tally->slots, tally->slot_count, period_s, metric, source);
    if (cell->metric == FREE) {
        if (tally->count >= tally->max)
            return OD_LIMIT;
        *cell = (struct od_tally_cell){period_s, metric, source, 0};
        tally->count++;
    }
    cell->value = od_tally_sum(cell->value, value);
    return OD_OK;
}

static int by_key(const void *a, const void *b)
{
    const struct od_tally_cell *x = a, *y = b;
    if (x->period_s != y->period_s)
        return x->period_s < y->period_s ? -1 : 1;
    if (x->metric != y->metric)
        return x->metric < y->metric ? -1 : 1;
    return x->source < y->source ? -1 : x->source > y->source;
}

const struct od_tally_cell *od_tally_sort(struct od_tally *tally)
{
    size_t count = 0;
    for (size_t i = 0; i < tally->slot_count; i++)
        if (tally->slots[i].metric != FREE)
            tally->slots[count++] = tally->slots[i];
    if (count)
        qsort(tally->slots, count, sizeof *tally->slots, by_key);
    return tally->slots;
}
