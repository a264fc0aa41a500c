/* Item metadata in answers (serving.md section 5): the requested columns as text, under the keys
 * that Put* calls use (CREATION_TIMESTAMP gives creationTimestamp); nulls are left out. */
#include "base/limits.h"
#include "serve/ask.h"

struct column {
    size_t place; /* in the table */
    struct od_str key;
};

/* A column of the table by its exact name; SIZE_MAX when it is gone since the request was checked.
 */
static size_t find_column(const struct od_table *items, struct od_str name)
{
    struct od_table_column column;
    for (size_t i = 0, n = od_table_column_count(items); i < n; i++) {
        od_table_column(items, i, &column);
        if (od_str_eq(column.field->name, name))
            return i;
    }
    return SIZE_MAX;
}

/* The distinct columns asked for, in the order asked. */
static enum od_status find_columns(const struct od_ask *ask, struct column *out, size_t *out_count)
{
    const struct od_recommend_query *query = ask->query;
    size_t count = 0;
    for (size_t i = 0; i < query->metadata_column_count; i++) {
        size_t place = find_column(ask->campaign->group->items, query->metadata_columns[i]);
        bool seen = place == SIZE_MAX;
        for (size_t j = 0; j < count && !seen; j++)
            seen = out[j].place == place;
        if (seen)
            continue;
        out[count].place = place;
        out[count].key = od_schema_property_name(ask->arena, query->metadata_columns[i]);
        if (!out[count++].key.ptr)
            return OD_NO_MEMORY;
    }
    *out_count = count;
    return OD_OK;
}

static enum od_status fill_item(const struct od_ask *ask, const struct column *columns,
                                size_t column_count, uint32_t row, struct od_buf *text,
                                struct od_ranked_item *item)
{
    struct od_name_value *pairs = OD_NEW_ARRAY(ask->arena, struct od_name_value, column_count);
    if (!pairs)
        return OD_NO_MEMORY;
    item->metadata = pairs;
    for (size_t i = 0; i < column_count; i++) {
        od_buf_clear(text);
        if (!od_table_cell_text(ask->campaign->group->items, columns[i].place, row, text))
            continue;
        if (od_buf_status(text) != OD_OK)
            return od_buf_status(text);
        struct od_str value = od_arena_str(ask->arena, text->ptr ? od_buf_view(text) : OD_STR(""));
        if (!value.ptr)
            return OD_NO_MEMORY;
        pairs[item->metadata_count++] = (struct od_name_value){columns[i].key, value};
    }
    return OD_OK;
}

enum od_status od_metadata_fill(const struct od_ask *ask, const struct od_pick *picks, size_t count,
                                struct od_ranked_item *items)
{
    struct column columns[OD_MAX_METADATA_COLUMNS];
    size_t column_count;
    enum od_status status = find_columns(ask, columns, &column_count);
    struct od_buf text;
    od_buf_init(&text, OD_MAX_METADATA_BYTES);
    for (size_t i = 0; i < count && status == OD_OK; i++) {
        if (picks[i].row != OD_NO_ROW)
            status = fill_item(ask, columns, column_count, picks[i].row, &text, &items[i]);
    }
    od_buf_done(&text);
    return status;
}
