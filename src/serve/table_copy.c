/* Carrying records over to a table with another schema (UpdateDataset adds fields). Cells are taken
 * as values and put again, so that codes, lists and bitmaps are those of the new table. */
#include <stdlib.h>

#include "base/bitmap.h"
#include "base/limits.h"
#include "serve/bulk.h"

#define SLICE     256u
#define ROW_BYTES (64u << 20) /* more than OD_MAX_SCHEMA_FIELDS of the longest texts */

/* The column of from that holds field; SIZE_MAX when there is none of the same type. */
static size_t place_of(const struct od_table *from, const struct od_field *field)
{
    struct od_table_column column;
    for (size_t i = 0, n = od_table_column_count(from); i < n; i++) {
        od_table_column(from, i, &column);
        if (column.field->type == field->type && od_str_eq(column.field->name, field->name))
            return i;
    }
    return SIZE_MAX;
}

static enum od_status take_cell(const struct od_table *from, size_t place, uint32_t row,
                                struct od_arena *arena, struct od_buf *text, struct od_value *out)
{
    struct od_table_column column;
    *out = (struct od_value){.kind = OD_VALUE_NULL};
    if (place == SIZE_MAX)
        return OD_OK;
    od_table_column(from, place, &column);
    if (od_bitmap_get(column.nulls, row))
        return OD_OK;
    switch (column.field->type) {
    case OD_FIELD_STRING:
        od_buf_clear(text);
        if (!od_table_cell_text(from, place, row, text))
            return od_buf_status(text);
        out->kind = OD_VALUE_TEXT;
        out->text = od_arena_str(arena, text->ptr ? od_buf_view(text) : OD_STR(""));
        return out->text.ptr && od_buf_status(text) == OD_OK ? OD_OK : OD_NO_MEMORY;
    case OD_FIELD_INT:
    case OD_FIELD_LONG:
        out->kind = OD_VALUE_INTEGER;
        out->integer = column.integers[row];
        return OD_OK;
    case OD_FIELD_BOOLEAN:
        out->kind = OD_VALUE_BOOLEAN;
        out->integer = column.integers[row];
        return OD_OK;
    case OD_FIELD_FLOAT:
    case OD_FIELD_DOUBLE:
        out->kind = OD_VALUE_REAL;
        out->real = column.reals[row];
        return OD_OK;
    }
    return OD_INTERNAL;
}

struct copy {
    const struct od_schema *schema; /* of to */
    size_t places[OD_MAX_SCHEMA_FIELDS];
    struct od_value values[OD_MAX_SCHEMA_FIELDS];
    struct od_arena arena; /* texts of one row */
    struct od_buf text;
};

static enum od_status copy_row(struct copy *copy, const struct od_table *from, uint32_t row,
                               struct od_table *to)
{
    enum od_status status = OD_OK;
    od_arena_reset(&copy->arena);
    for (size_t i = 0; i < copy->schema->field_count && status == OD_OK; i++)
        status = take_cell(from, copy->places[i], row, &copy->arena, &copy->text, &copy->values[i]);
    return status == OD_OK ? od_table_put(to, copy->values) : status;
}

static enum od_status copy_rows(struct copy *copy, struct od_live *live, enum od_dataset_type type,
                                struct od_table *to)
{
    enum od_status status = OD_OK;
    for (uint32_t row = 0, more = 1; more && status == OD_OK;) {
        pthread_rwlock_rdlock(&live->lock);
        const struct od_table *from = od_live_table(live, type);
        uint32_t count = from ? od_table_row_count(from) : 0, all = count;
        /* A row's number is the same in both, and ids may have come meanwhile. */
        if (type != OD_USERS) {
            status = od_live_follow_locked(live, type, to, SLICE);
            count = od_table_row_count(to);
        }
        for (size_t i = 0; from && row == 0 && i < copy->schema->field_count; i++)
            copy->places[i] = place_of(from, &copy->schema->fields[i]);
        for (uint32_t i = 0; i < SLICE && row < count && status == OD_OK; i++, row++) {
            if (od_table_has_record(from, row))
                status = copy_row(copy, from, row, to);
        }
        more = row < all;
        pthread_rwlock_unlock(&live->lock);
    }
    return status;
}

enum od_status od_bulk_copy(struct od_live *live, enum od_dataset_type type, struct od_table *to)
{
    struct copy *copy = calloc(1, sizeof *copy);
    if (!copy)
        return OD_NO_MEMORY;
    copy->schema = od_table_schema(to);
    od_arena_init(&copy->arena, ROW_BYTES);
    od_buf_init(&copy->text, ROW_BYTES);
    enum od_status status = copy->schema->field_count <= OD_MAX_SCHEMA_FIELDS
                                ? copy_rows(copy, live, type, to)
                                : OD_LIMIT;
    od_buf_done(&copy->text);
    od_arena_done(&copy->arena);
    free(copy);
    return status;
}
