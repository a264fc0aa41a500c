/* Features of the items of a list. NAN stands for "not known": trees send it to a side of its own.
 *
 * Everything is relative to the request's time and the user's history up to it, so a held-out list
 * of the past and a request of now are described alike. What only the whole list knows (places,
 * gaps to the best) is made after each item's own. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "recipes/ranking.h"

enum feature {
    BASE_GAP = OD_RANKING_BASE,
    BASE_PLACE, /* share of the list placed before it */
    POPULAR,    /* log(1 + interactions) of all time, the last week, the last day */
    POPULAR_WEEK,
    POPULAR_DAY,
    POPULAR_PLACE,
    SHOWN,      /* log(1 + lists it was in) */
    TAKEN_RATE, /* log of the smoothed share of them that it was taken from */
    AGE,        /* log2(1 + days) */
    OWN_COUNT,  /* events of the user on it */
    OWN_HOURS,  /* log2(1 + hours) since the last of them */
    OWN_STEPS,  /* log2(1 + events) since then */
    LIST_LENGTH,
    HISTORY, /* log2(1 + events of the user) */
    HOUR,    /* of the day, UTC */
    WEEKDAY,
    FIXED
};
enum number_feature { VALUE, PLACE, HISTORY_GAP, PER_NUMBER }; /* for each number of the item */

#define PRIOR_SHOWN 20.0 /* lists that an item's rate is shrunk by towards that of all items */

uint32_t od_ranking_features(const struct od_ranking_facts *facts)
{
    return FIXED + PER_NUMBER * facts->numbers + facts->categories;
}

struct table {
    const struct od_ranking_facts *facts;
    const struct od_query *query;
    const uint32_t *item;
    uint32_t count, features;
    float *rows;
    uint32_t recent[OD_RANKING_RECENT]; /* newest first */
    uint32_t recent_count;
};

static float *cell(const struct table *t, uint32_t row, uint32_t feature)
{
    return t->rows + (size_t)row * t->features + feature;
}

static uint32_t count_of(const struct od_ranking_facts *f, enum od_ranking_count what, uint32_t i)
{
    return f->count[(size_t)what * f->items + i];
}

static float log_count(const struct od_ranking_facts *f, enum od_ranking_count what, uint32_t i)
{
    return (float)log1p(count_of(f, what, i));
}

/* Hours (or days) from earlier to later; NAN when later is before it. */
static float since(int64_t earlier, int64_t later, double unit_s)
{
    double gap = (double)later - (double)earlier;
    return gap >= 0 ? (float)log2(1 + gap / unit_s) : NAN;
}

void od_ranking_facts_seal(struct od_ranking_facts *facts)
{
    double shown = 1, taken = .05; /* a list of 20 before any is seen */
    for (uint32_t i = 0; i < facts->items; i++) {
        shown += count_of(facts, OD_RANKING_SHOWN, i);
        taken += count_of(facts, OD_RANKING_TAKEN, i);
    }
    facts->rate = taken / shown;
}

static void own_dealings(const struct table *t, uint32_t row)
{
    uint32_t n = 0;
    *cell(t, row, OWN_HOURS) = *cell(t, row, OWN_STEPS) = NAN;
    for (size_t e = t->query->event_count; e-- > 0;) {
        const struct od_past_event *event = &t->query->events[e];
        if (event->item != t->item[row])
            continue;
        if (n++ == 0) {
            *cell(t, row, OWN_HOURS) = since(event->time, t->query->now_s, 3600);
            *cell(t, row, OWN_STEPS) = (float)log2((double)(t->query->event_count - e));
        }
    }
    *cell(t, row, OWN_COUNT) = (float)n;
}

static void describe_item(const struct table *t, uint32_t row)
{
    const struct od_ranking_facts *f = t->facts;
    uint32_t i = t->item[row];
    double shown = count_of(f, OD_RANKING_SHOWN, i), taken = count_of(f, OD_RANKING_TAKEN, i);
    int64_t day_s = ((t->query->now_s % 86400) + 86400) % 86400;
    int64_t week_s = (t->query->now_s % 604800 + 604800 + 3 * 86400) % 604800; /* from Monday */
    *cell(t, row, POPULAR) = log_count(f, OD_RANKING_ALL, i);
    *cell(t, row, POPULAR_WEEK) = log_count(f, OD_RANKING_WEEK, i);
    *cell(t, row, POPULAR_DAY) = log_count(f, OD_RANKING_DAY, i);
    *cell(t, row, SHOWN) = (float)log1p(shown);
    *cell(t, row, TAKEN_RATE) = (float)log((taken + PRIOR_SHOWN * f->rate) / (shown + PRIOR_SHOWN));
    *cell(t, row, AGE) = since(f->first[i], t->query->now_s, 86400);
    *cell(t, row, LIST_LENGTH) = (float)t->count;
    *cell(t, row, HISTORY) = (float)log2(1 + (double)t->query->event_count);
    *cell(t, row, HOUR) = (float)(day_s / 3600);
    *cell(t, row, WEEKDAY) = (float)(week_s / 86400);
    own_dealings(t, row);
}

/* Shares of the list whose value is larger, equal ones counting half; of the known ones alone. */
static void place(const struct table *t, uint32_t from, uint32_t to, float sign)
{
    for (uint32_t r = 0; r < t->count; r++) {
        float mine = *cell(t, r, from) * sign;
        double before = 0, known = 0;
        for (uint32_t o = 0; o < t->count; o++) {
            float other = *cell(t, o, from) * sign;
            if (isnan(other))
                continue;
            known += 1;
            before += other > mine ? 1 : other < mine ? 0 : .5;
        }
        *cell(t, r, to) = isnan(mine) ? NAN : (float)(before / known);
    }
}

static void describe_number(const struct table *t, uint32_t number)
{
    const float *value = t->facts->number + (size_t)number * t->facts->items;
    uint32_t first = FIXED + PER_NUMBER * number;
    double sum = 0, known = 0;
    for (uint32_t r = 0; r < t->recent_count; r++)
        if (!isnan(value[t->recent[r]])) {
            sum += (double)value[t->recent[r]];
            known += 1;
        }
    for (uint32_t r = 0; r < t->count; r++) {
        float x = value[t->item[r]];
        *cell(t, r, first + VALUE) = x;
        *cell(t, r, first + HISTORY_GAP) = known > 0 ? (float)((double)x - sum / known) : NAN;
    }
    place(t, first + VALUE, first + PLACE, -1);
}

static bool share_value(const uint32_t *a, const uint32_t *a_end, const uint32_t *b,
                        const uint32_t *b_end)
{
    while (a < a_end && b < b_end) {
        if (*a == *b)
            return true;
        if (*a < *b)
            a++;
        else
            b++;
    }
    return false;
}

/* The share of the user's recent items that have a value of the category in common with it. */
static void describe_category(const struct table *t, uint32_t category)
{
    const struct od_ranking_facts *f = t->facts;
    const uint32_t *at = f->at + (size_t)category * f->items;
    uint32_t to = FIXED + PER_NUMBER * f->numbers + category;
    for (uint32_t r = 0; r < t->count; r++) {
        uint32_t i = t->item[r], alike = 0;
        for (uint32_t h = 0; h < t->recent_count; h++) {
            uint32_t o = t->recent[h];
            alike += share_value(f->value + at[i], f->value + at[i + 1], f->value + at[o],
                                 f->value + at[o + 1]);
        }
        *cell(t, r, to) = t->recent_count ? (float)alike / (float)t->recent_count : NAN;
    }
}

enum od_status od_ranking_rows(const struct od_ranking_facts *facts, const struct od_query *query,
                               const uint32_t *item, const float *base, uint32_t count,
                               struct od_arena *scratch, float *rows)
{
    struct table *t = OD_NEW(scratch, struct table);
    if (!t)
        return OD_NO_MEMORY;
    *t = (struct table){.facts = facts,
                        .query = query,
                        .item = item,
                        .count = count,
                        .features = od_ranking_features(facts),
                        .rows = rows};
    for (size_t e = query->event_count; e-- > 0 && t->recent_count < OD_RANKING_RECENT;)
        if (query->events[e].item < facts->items)
            t->recent[t->recent_count++] = query->events[e].item;
    float best = -INFINITY;
    for (uint32_t r = 0; r < count; r++)
        best = base[r] > best ? base[r] : best;
    for (uint32_t r = 0; r < count; r++) {
        *cell(t, r, BASE_GAP) = base[r] - best;
        describe_item(t, r);
    }
    place(t, BASE_GAP, BASE_PLACE, 1);
    place(t, POPULAR, POPULAR_PLACE, 1);
    for (uint32_t n = 0; n < facts->numbers; n++)
        describe_number(t, n);
    for (uint32_t c = 0; c < facts->categories; c++)
        describe_category(t, c);
    return OD_OK;
}
