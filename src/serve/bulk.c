/* Bulk data: each distinct text of a chunk is looked up once, then rows are numbers.
 *
 * A chunk has at most 65,536 rows and as many distinct texts, so the maps below take at most 256 KB
 * each and live only while the chunk is read. */
#include "serve/bulk.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/bitmap.h"
#include "base/limits.h"

#define AHEAD 16u /* rows whose items' facts are fetched before they are due */

/* The column of a field; NULL when the schema lacks it. */
static const struct od_chunk_column *find_column(const struct od_schema *schema,
                                                 const struct od_chunk *chunk, const char *name)
{
    size_t at = od_schema_find(schema, od_str_c(name));
    return at < chunk->column_count ? &chunk->columns[at] : NULL;
}

/* The same of a reserved field, checked for its type. */
static const struct od_chunk_column *
column_of(const struct od_schema *schema, const struct od_chunk *chunk, const char *name, bool text)
{
    const struct od_chunk_column *column = find_column(schema, chunk, name);
    bool fits = column && (text ? column->type == OD_FIELD_STRING && column->codes
                                : column->integers != NULL);
    return fits ? column : NULL;
}

static bool is_null(const struct od_chunk_column *column, uint32_t row)
{
    return column->nulls && od_bitmap_get(column->nulls, row);
}

/* Every code of a text column names a text. */
static bool in_bounds(const struct od_chunk_column *column, uint32_t row_count)
{
    for (uint32_t row = 0; row < row_count; row++) {
        if (column->codes[row] >= column->dict_count && !is_null(column, row))
            return false;
    }
    return true;
}

/* The ids of a type's catalogue. */
static const char *id_field(enum od_dataset_type type)
{
    return type == OD_ITEMS || type == OD_INTERACTIONS ? "ITEM_ID" : "ACTION_ID";
}

/* Live rows of every text in a column's dictionary. */
static enum od_status rows_of(struct od_live *live, enum od_dataset_type type,
                              const struct od_chunk_column *column, struct od_arena *arena,
                              uint32_t **out)
{
    struct od_str *ids = OD_NEW_ARRAY(arena, struct od_str, column->dict_count);
    uint32_t *rows = OD_NEW_ARRAY(arena, uint32_t, column->dict_count);
    if (!ids || !rows)
        return OD_NO_MEMORY;
    for (uint32_t i = 0; i < column->dict_count; i++)
        ids[i] = od_chunk_text(column, i);
    *out = rows;
    return od_live_rows(live, type, ids, column->dict_count, rows);
}

static enum od_status names_of(struct od_histories *histories, const struct od_chunk_column *column,
                               struct od_arena *arena, uint32_t **out)
{
    struct od_str *ids = OD_NEW_ARRAY(arena, struct od_str, column->dict_count);
    *out = OD_NEW_ARRAY(arena, uint32_t, column->dict_count);
    if (!ids || !*out)
        return OD_NO_MEMORY;
    for (uint32_t i = 0; i < column->dict_count; i++)
        ids[i] = od_chunk_text(column, i);
    return od_histories_name_many(histories, ids, column->dict_count, *out);
}

/* Type codes; a schema without EVENT_TYPE gives none. */
static enum od_status types_of(struct od_live *live, const struct od_chunk_column *column,
                               struct od_arena *arena, uint16_t **out)
{
    uint32_t count = column ? column->dict_count : 0;
    uint16_t *codes = OD_NEW_ARRAY(arena, uint16_t, count);
    enum od_status status = codes ? OD_OK : OD_NO_MEMORY;
    pthread_rwlock_wrlock(&live->lock);
    for (uint32_t i = 0; i < count && status == OD_OK; i++)
        status = od_live_type(live, od_chunk_text(column, i), &codes[i]);
    pthread_rwlock_unlock(&live->lock);
    *out = codes;
    return status;
}

/* Counts an impression cell ("a|b|c") for each row it stands in. */
static enum od_status add_impression(struct od_live *live, enum od_dataset_type type,
                                     struct od_activity *activity, struct od_str cell,
                                     uint32_t times)
{
    struct od_str id, rest = cell;
    enum od_status status = OD_OK;
    pthread_rwlock_rdlock(&live->lock);
    while (status == OD_OK && od_str_cut(&rest, '|', &id)) {
        uint32_t row = od_table_find(od_live_table(live, type), id);
        if (row == OD_NO_ROW)
            continue;
        status = od_activity_reserve(activity, row);
        if (status == OD_OK)
            od_activity_shown(activity, row, times);
    }
    pthread_rwlock_unlock(&live->lock);
    return status;
}

static enum od_status add_impressions(struct od_live *live, enum od_dataset_type type,
                                      struct od_activity *activity,
                                      const struct od_chunk_column *column, uint32_t row_count,
                                      struct od_arena *arena)
{
    uint32_t *times = OD_NEW_ARRAY(arena, uint32_t, column->dict_count);
    enum od_status status = times ? OD_OK : OD_NO_MEMORY;
    for (uint32_t row = 0; row < row_count && status == OD_OK; row++) {
        if (!is_null(column, row))
            times[column->codes[row]]++;
    }
    for (uint32_t i = 0; i < column->dict_count && status == OD_OK; i++) {
        if (times[i])
            status = add_impression(live, type, activity, od_chunk_text(column, i), times[i]);
    }
    return status;
}

static bool lists(struct od_str cell, struct od_str item)
{
    struct od_str id, rest = cell;
    while (od_str_cut(&rest, '|', &id))
        if (od_str_eq(id, item))
            return true;
    return false;
}

struct interaction_columns {
    enum od_dataset_type of;
    const struct od_chunk_column *user, *item, *time, *type, *value, *impression;
};

static uint16_t value_of(const struct od_chunk_column *value, uint32_t row)
{
    if (!value || is_null(value, row) || (!value->reals && !value->integers))
        return 0;
    return od_history_value(true, value->reals ? value->reals[row] : (double)value->integers[row]);
}

static enum od_status add_rows(struct od_live *live, struct od_activity *activity,
                               const struct interaction_columns *columns, uint32_t row_count,
                               struct od_arena *arena)
{
    uint32_t *rows = NULL, *names = NULL;
    uint16_t *types = NULL;
    enum od_status status = rows_of(live, columns->of, columns->item, arena, &rows);
    if (status == OD_OK)
        status = names_of(activity->histories, columns->user, arena, &names);
    if (status == OD_OK)
        status = types_of(live, columns->type, arena, &types);
    for (uint32_t i = 0; rows && status == OD_OK && i < columns->item->dict_count; i++)
        status = od_activity_reserve(activity, rows[i]);
    for (uint32_t i = 0; i < row_count && status == OD_OK; i++) {
        uint32_t soon = columns->item->codes[i + AHEAD < row_count ? i + AHEAD : i];
        if (soon < columns->item->dict_count) /* a null may have any code */
            __builtin_prefetch(&activity->facts[rows[soon]], 1);
        if (is_null(columns->user, i) || is_null(columns->item, i) || is_null(columns->time, i))
            continue; /* no such row is imported: data.md section 16 */
        bool typed = columns->type && !is_null(columns->type, i);
        struct od_history_event event = {
            .time = columns->time->integers[i],
            .item_row = rows[columns->item->codes[i]],
            .type = typed ? types[columns->type->codes[i]] : 0,
            .value = value_of(columns->value, i),
        };
        status =
            od_histories_add_later(activity->histories, names[columns->user->codes[i]], &event);
        if (status == OD_OK)
            od_activity_interaction(activity, event.item_row, event.time);
        const struct od_chunk_column *shown = columns->impression;
        if (status == OD_OK && shown && !is_null(shown, i) &&
            lists(od_chunk_text(shown, shown->codes[i]),
                  od_chunk_text(columns->item, columns->item->codes[i])))
            od_activity_chosen(activity, event.item_row);
    }
    if (status == OD_OK && columns->impression)
        status =
            add_impressions(live, columns->of, activity, columns->impression, row_count, arena);
    return status;
}

enum od_status od_bulk_interactions(struct od_live *live, struct od_activity *activity,
                                    const struct od_schema *schema, const struct od_chunk *chunk)
{
    uint32_t rows = chunk->row_count;
    struct interaction_columns columns = {
        .of = schema->type,
        .user = column_of(schema, chunk, "USER_ID", true),
        .item = column_of(schema, chunk, id_field(schema->type), true),
        .time = column_of(schema, chunk, "TIMESTAMP", false),
        .type = column_of(schema, chunk, "EVENT_TYPE", true),
        .value = find_column(schema, chunk, "EVENT_VALUE"),
        .impression = column_of(schema, chunk, "IMPRESSION", true),
    };
    if (!columns.user || !columns.item || !columns.time || !in_bounds(columns.user, rows) ||
        !in_bounds(columns.item, rows) || (columns.type && !in_bounds(columns.type, rows)) ||
        (columns.impression && !in_bounds(columns.impression, rows)))
        return OD_CORRUPT;
    struct od_arena arena;
    od_arena_init(&arena, SIZE_MAX);
    enum od_status status = add_rows(live, activity, &columns, rows, &arena);
    od_arena_done(&arena);
    return status;
}

enum od_status od_bulk_number(struct od_live *live, const struct od_schema *schema,
                              const struct od_chunk *chunk)
{
    const struct od_chunk_column *column = column_of(schema, chunk, id_field(schema->type), true);
    if (!column)
        return OD_CORRUPT;
    struct od_arena arena;
    uint32_t *rows;
    od_arena_init(&arena, SIZE_MAX);
    enum od_status status = rows_of(live, schema->type, column, &arena, &rows);
    od_arena_done(&arena);
    return status;
}

static bool same_field(const struct od_field *a, const struct od_field *b)
{
    return a->type == b->type && od_str_eq(a->name, b->name);
}

static bool same_fields(const struct od_schema *a, const struct od_schema *b)
{
    if (a->field_count != b->field_count)
        return false;
    for (size_t i = 0; i < a->field_count; i++) {
        if (!same_field(&a->fields[i], &b->fields[i]))
            return false;
    }
    return true;
}

/* For each field of to the place of the same field in from, SIZE_MAX where it has none. */
static size_t *match(const struct od_schema *from, const struct od_schema *to)
{
    size_t *places = malloc((to->field_count + 1) * sizeof *places);
    for (size_t i = 0; places && i < to->field_count; i++) {
        size_t at = od_schema_find(from, to->fields[i].name);
        places[i] = at != SIZE_MAX && same_field(&from->fields[at], &to->fields[i]) ? at : SIZE_MAX;
    }
    return places;
}

static enum od_status put_matched(struct od_table *table, const struct od_chunk *chunk,
                                  const size_t *places, struct od_value *values, size_t count)
{
    enum od_status status = OD_OK;
    for (uint32_t row = 0; row < chunk->row_count && status == OD_OK; row++) {
        for (size_t i = 0; i < count; i++) {
            values[i] = (struct od_value){.kind = OD_VALUE_NULL};
            if (places[i] < chunk->column_count)
                od_chunk_value(chunk, places[i], row, &values[i]);
        }
        status = od_table_put(table, values);
    }
    return status;
}

enum od_status od_bulk_records(struct od_table *table, const struct od_schema *schema,
                               const struct od_chunk *chunk)
{
    const struct od_schema *own = od_table_schema(table);
    if (same_fields(own, schema))
        return od_table_put_chunk(table, chunk);
    size_t *places = match(schema, own);
    struct od_value *values = malloc((own->field_count + 1) * sizeof *values);
    enum od_status status = OD_NO_MEMORY;
    if (places && values)
        status = put_matched(table, chunk, places, values, own->field_count);
    free(places);
    free(values);
    return status;
}
