/* Cold items: see hrnn_cold.h. */
#include "recipes/hrnn_cold.h"

#include <stdlib.h>

#include "base/bitmap.h"

#define DAY_S 86400.0

struct sight {
    int64_t first;
    uint64_t count;
};

static void see_events(const struct od_training *t, struct sight *sight)
{
    for (uint64_t e = 0; e < t->event_count; e++) {
        struct sight *s = &sight[t->item[e]];
        if (!s->count++ || t->time[e] < s->first)
            s->first = t->time[e];
    }
    for (uint32_t i = 0; i < t->item_count; i++)
        if (!sight[i].count)
            sight[i].first = t->last_time;
}

/* The column of creation times, false when there is none. */
static bool creation_column(const struct od_table *table, struct od_table_column *out)
{
    for (size_t c = 0; table && c < od_table_column_count(table); c++) {
        od_table_column(table, c, out);
        if (od_str_eq_c(out->field->name, "CREATION_TIMESTAMP") && out->integers)
            return true;
    }
    return false;
}

static void see_records(const struct od_training *t, struct sight *sight)
{
    struct od_table_column column;
    if (!creation_column(t->item_table, &column))
        return;
    for (uint32_t i = 0; i < t->item_count; i++) {
        uint32_t row = od_table_find(t->item_table, od_dict_text(t->items, i));
        if (row != OD_NO_ROW && !od_bitmap_get(column.nulls, row))
            sight[i].first = column.integers[row];
    }
}

static enum od_status all_sights(const struct od_training *t, struct sight **out)
{
    struct sight *sight = calloc((size_t)t->item_count + 1, sizeof *sight);
    if (!sight)
        return OD_NO_MEMORY;
    see_events(t, sight);
    see_records(t, sight);
    *out = sight;
    return OD_OK;
}

static double reference(const struct od_train_input *input, const struct od_training *t,
                        const struct sight *sight)
{
    struct od_str from =
        od_recipe_param(input->spec, input->params, "cold_start_relative_from")->text;
    if (od_str_eq_c(from, "currentTime"))
        return (double)(input->now_s ? input->now_s : t->last_time);
    int64_t latest = INT64_MIN;
    for (uint32_t i = 0; i < t->item_count; i++)
        latest = sight[i].first > latest ? sight[i].first : latest;
    return (double)latest;
}

enum od_status od_hrnn_find_cold(const struct od_train_input *input,
                                 const struct od_training *training, uint64_t *bits,
                                 uint32_t *out_count, struct od_error *err)
{
    double most =
        od_recipe_param(input->spec, input->params, "cold_start_max_interactions")->number;
    double days = od_recipe_param(input->spec, input->params, "cold_start_max_duration")->number;
    struct sight *sight;
    enum od_status st = all_sights(training, &sight);
    if (st != OD_OK)
        return od_fail(err, st, NULL);
    double now = reference(input, training, sight);
    uint32_t count = 0;
    for (uint32_t i = 0; i < training->item_count; i++)
        if ((double)sight[i].count < most && now - (double)sight[i].first <= days * DAY_S) {
            od_bitmap_set(bits, i);
            count++;
        }
    free(sight);
    *out_count = count;
    return OD_OK;
}
