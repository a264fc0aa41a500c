/* What a ranking knows of each item: counts, age, numbers and categories, frozen at training.
 *
 * Columns are the first OD_RANKING_COLUMNS numbers (but CREATION_TIMESTAMP, which is the age) and
 * as many categorical strings of the Items schema. An item without a record has nulls. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/bitmap.h"
#include "recipes/feature_fields.h"
#include "recipes/ranking.h"

enum { DAY_S = 86400 };

static void count_events(const struct od_training *t, uint32_t *count, int64_t *first)
{
    uint32_t *all = count + (size_t)OD_RANKING_ALL * t->item_count;
    uint32_t *week = count + (size_t)OD_RANKING_WEEK * t->item_count;
    uint32_t *day = count + (size_t)OD_RANKING_DAY * t->item_count;
    for (uint64_t e = 0; e < t->event_count; e++) {
        uint32_t i = t->item[e];
        int64_t age;
        bool fits = !__builtin_sub_overflow(t->last_time, t->time[e], &age);
        all[i]++;
        week[i] += fits && age < 7 * DAY_S;
        day[i] += fits && age < DAY_S;
        first[i] = t->time[e] < first[i] ? t->time[e] : first[i];
    }
}

static void count_lists(const struct od_training *t, uint32_t *count)
{
    uint32_t *shown = count + (size_t)OD_RANKING_SHOWN * t->item_count;
    uint32_t *taken = count + (size_t)OD_RANKING_TAKEN * t->item_count;
    for (uint64_t e = 0; t->lists && e < t->event_count; e++) {
        uint32_t list = t->lists->of_event[e];
        if (list == OD_NO_CODE)
            continue;
        for (uint64_t i = t->lists->start[list]; i < t->lists->start[list + 1]; i++) {
            shown[t->lists->item[i]]++;
            taken[t->lists->item[i]] += t->lists->item[i] == t->item[e];
        }
    }
}

/* The table's columns of a kind, at most OD_RANKING_COLUMNS. */
static uint32_t find_columns(const struct od_table *table, bool categories, size_t *out)
{
    uint32_t n = 0;
    size_t columns = table ? od_table_column_count(table) : 0;
    for (size_t c = 0; c < columns && n < OD_RANKING_COLUMNS; c++) {
        struct od_table_column cells;
        od_table_column(table, c, &cells);
        bool number = cells.integers || cells.reals;
        if (od_str_eq_c(cells.field->name, "CREATION_TIMESTAMP"))
            continue;
        if (categories ? cells.field->categorical && cells.codes : number)
            out[n++] = c;
    }
    return n;
}

static void fill_numbers(const struct od_table *table, const uint32_t *row, size_t column,
                         uint32_t items, float *out)
{
    struct od_table_column cells;
    od_table_column(table, column, &cells);
    for (uint32_t i = 0; i < items; i++) {
        double x;
        out[i] = row[i] != OD_NO_ROW && od_feature_number(&cells, row[i], &x) ? (float)x : NAN;
    }
}

static int by_code(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* Adds one column's cells; at[i] of its items are set, from *used on. False: out of memory. */
static bool fill_values(const struct od_table *table, const uint32_t *row, size_t column,
                        uint32_t items, uint32_t *at, uint32_t **value, uint32_t *used)
{
    struct od_table_column cells;
    od_table_column(table, column, &cells);
    uint64_t need = *used;
    for (uint32_t i = 0; i < items; i++)
        need += row[i] == OD_NO_ROW ? 0 : cells.list_len[row[i]];
    uint32_t *bigger = need < UINT32_MAX ? realloc(*value, (need + 1) * sizeof *bigger) : NULL;
    if (!bigger)
        return false;
    *value = bigger;
    for (uint32_t i = 0; i < items; i++) {
        at[i] = *used;
        uint32_t n = row[i] == OD_NO_ROW ? 0 : cells.list_len[row[i]];
        if (!n)
            continue;
        memcpy(bigger + *used, cells.codes + cells.list_at[row[i]], n * sizeof *bigger);
        qsort(bigger + *used, n, sizeof *bigger, by_code);
        *used += n;
    }
    return true;
}

static uint32_t *find_rows(const struct od_training *t)
{
    uint32_t *row = malloc(((size_t)t->item_count + 1) * sizeof *row);
    for (uint32_t i = 0; row && i < t->item_count; i++)
        row[i] =
            t->item_table ? od_table_find(t->item_table, od_dict_text(t->items, i)) : OD_NO_ROW;
    return row;
}

static void take_creation(const struct od_training *t, const uint32_t *row, int64_t *first)
{
    size_t columns = t->item_table ? od_table_column_count(t->item_table) : 0;
    for (size_t c = 0; c < columns; c++) {
        struct od_table_column cells;
        od_table_column(t->item_table, c, &cells);
        if (!od_str_eq_c(cells.field->name, "CREATION_TIMESTAMP") || !cells.integers)
            continue;
        for (uint32_t i = 0; i < t->item_count; i++)
            if (row[i] != OD_NO_ROW && !od_bitmap_get(cells.nulls, row[i]))
                first[i] = cells.integers[row[i]];
    }
}

/* Numbers and categories of all items; the arrays belong to facts afterwards. */
static enum od_status take_columns(const struct od_training *t, const uint32_t *row,
                                   struct od_ranking_facts *facts)
{
    size_t number[OD_RANKING_COLUMNS], category[OD_RANKING_COLUMNS], n = t->item_count;
    facts->numbers = find_columns(t->item_table, false, number);
    facts->categories = find_columns(t->item_table, true, category);
    float *numbers = malloc((facts->numbers * n + 1) * sizeof *numbers);
    uint32_t *at = malloc((facts->categories * n + 1) * sizeof *at), *value = NULL, used = 0;
    bool good = numbers && at;
    for (uint32_t c = 0; good && c < facts->numbers; c++)
        fill_numbers(t->item_table, row, number[c], t->item_count, numbers + c * n);
    for (uint32_t c = 0; good && c < facts->categories; c++)
        good =
            fill_values(t->item_table, row, category[c], t->item_count, at + c * n, &value, &used);
    if (good)
        at[facts->categories * n] = used;
    facts->number = facts->memory[2] = numbers;
    facts->at = facts->memory[3] = at;
    facts->value = facts->memory[4] = value;
    return good ? OD_OK : OD_NO_MEMORY;
}

enum od_status od_ranking_facts_make(const struct od_training *training,
                                     struct od_ranking_facts *out, struct od_error *err)
{
    size_t n = training->item_count;
    struct od_ranking_facts facts = {.items = training->item_count};
    uint32_t *count = calloc(OD_RANKING_COUNTS * n + 1, sizeof *count);
    int64_t *first = malloc((n + 1) * sizeof *first);
    uint32_t *row = find_rows(training);
    facts.count = facts.memory[0] = count;
    facts.first = facts.memory[1] = first;
    enum od_status st = count && first && row ? OD_OK : OD_NO_MEMORY;
    if (st == OD_OK) {
        for (size_t i = 0; i < n; i++)
            first[i] = training->last_time;
        count_events(training, count, first);
        count_lists(training, count);
        take_creation(training, row, first);
        st = take_columns(training, row, &facts);
    }
    free(row);
    if (st == OD_OK) {
        od_ranking_facts_seal(&facts);
        *out = facts;
    } else {
        od_ranking_facts_done(&facts);
    }
    return st == OD_OK ? OD_OK : od_fail(err, st, NULL);
}

void od_ranking_facts_done(struct od_ranking_facts *facts)
{
    for (size_t i = 0; i < sizeof facts->memory / sizeof *facts->memory; i++)
        free(facts->memory[i]);
    *facts = (struct od_ranking_facts){0};
}
