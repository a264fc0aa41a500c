/* Loading a chunk of an import into a table, column by column.
 *
 * A chunk codes its strings by its own dictionaries, so each of its distinct texts is looked up in
 * the table's dictionary once, however many rows have it. Everything that can fail happens before
 * the first cell changes; afterwards the rows are written in the chunk's order, so later ones win.
 * After a failure the table has perhaps new ids, null everywhere, and nothing else. */
#include "data/table_inner.h"

#include <stdlib.h>
#include <string.h>

#include "base/bitmap.h"

/* The codes a chunk's dictionary entry became: codes[at] .. codes[at + len - 1]. */
struct span {
    uint32_t at, len; /* len UNSEEN: not looked up yet */
};
#define UNSEEN UINT32_MAX

struct mapped {
    struct span *spans; /* one a dictionary entry; NULL for columns without one */
    struct od_code_list list;
};

static bool is_null(const struct od_chunk_column *column, uint32_t row)
{
    return column->nulls && od_bitmap_get(column->nulls, row);
}

static struct od_str text_of(const struct od_chunk_column *column, uint32_t code)
{
    uint32_t from = column->dict_offsets[code];
    return (struct od_str){column->dict_bytes + from, column->dict_offsets[code + 1] - from};
}

static enum od_status check_shape(const struct od_table *table, const struct od_chunk *chunk)
{
    if (!table->column_count || chunk->column_count != table->column_count)
        return OD_INVALID_INPUT;
    for (size_t i = 0; i < chunk->column_count; i++) {
        const struct od_chunk_column *column = &chunk->columns[i];
        if (column->type != table->columns[i].field->type)
            return OD_INVALID_INPUT;
        for (uint32_t row = 0; column->type == OD_FIELD_STRING && row < chunk->row_count; row++) {
            if (!is_null(column, row) && column->codes[row] >= column->dict_count)
                return OD_CORRUPT;
        }
    }
    return OD_OK;
}

/* The table row of each chunk row. */
static enum od_status map_rows(struct od_table *table, const struct od_chunk *chunk, uint32_t *rows)
{
    const struct od_chunk_column *ids = &chunk->columns[table->id_field];
    uint32_t *known = malloc((ids->dict_count + (size_t)1) * sizeof *known);
    if (!known)
        return OD_NO_MEMORY;
    memset(known, 0xFF, ids->dict_count * sizeof *known);
    enum od_status status = OD_OK;
    for (uint32_t i = 0; i < chunk->row_count && status == OD_OK; i++) {
        struct od_str id = is_null(ids, i) ? OD_STR("") : text_of(ids, ids->codes[i]);
        if (id.len == 0) {
            status = OD_INVALID_INPUT;
            break;
        }
        uint32_t *row = &known[ids->codes[i]];
        if (*row == OD_NO_ROW)
            status = od_table_row(table, id, row);
        rows[i] = *row;
    }
    free(known);
    return status;
}

/* Looks up every text in use and makes room for its codes. */
static enum od_status map_texts(struct od_column *column, const struct od_chunk_column *from,
                                uint32_t row_count, struct mapped *out)
{
    out->spans = malloc((from->dict_count + (size_t)1) * sizeof *out->spans);
    if (!out->spans)
        return OD_NO_MEMORY;
    for (uint32_t i = 0; i < from->dict_count; i++)
        out->spans[i] = (struct span){0, UNSEEN};
    size_t need = 0;
    for (uint32_t row = 0; row < row_count; row++) {
        if (is_null(from, row))
            continue;
        struct span *span = &out->spans[from->codes[row]];
        if (span->len == UNSEEN) {
            size_t at = out->list.count;
            enum od_status status =
                od_column_codes(column, text_of(from, from->codes[row]), &out->list);
            if (status != OD_OK)
                return status;
            if (out->list.count >= UNSEEN)
                return OD_LIMIT;
            *span = (struct span){(uint32_t)at, (uint32_t)(out->list.count - at)};
        }
        need += span->len;
    }
    return od_column_reserve_codes(column, need);
}

static void write_column(struct od_column *column, const struct od_chunk_column *from,
                         const uint32_t *rows, uint32_t row_count, const struct mapped *mapped)
{
    static const struct od_value present = {.kind = OD_VALUE_TEXT};
    for (uint32_t i = 0; i < row_count; i++) {
        if (is_null(from, i)) {
            od_column_set_null(column, rows[i]);
        } else if (column->is_id) {
            od_column_commit(column, rows[i], &present);
        } else if (column->integers) {
            od_column_set_integer(column, rows[i], from->integers[i]);
        } else if (column->reals) {
            od_column_set_real(column, rows[i], from->reals[i]);
        } else {
            struct span span = mapped->spans[from->codes[i]];
            const uint32_t *codes = span.len ? mapped->list.codes + span.at : NULL;
            od_column_set_codes(column, rows[i], codes, span.len);
        }
    }
}

static enum od_status put_columns(struct od_table *table, const struct od_chunk *chunk,
                                  const uint32_t *rows, struct mapped *mapped)
{
    enum od_status status = OD_OK;
    for (size_t i = 0; i < table->column_count && status == OD_OK; i++) {
        if (chunk->columns[i].type == OD_FIELD_STRING && i != table->id_field)
            status =
                map_texts(&table->columns[i], &chunk->columns[i], chunk->row_count, &mapped[i]);
    }
    if (status != OD_OK)
        return status;
    for (size_t i = 0; i < table->column_count; i++) {
        write_column(&table->columns[i], &chunk->columns[i], rows, chunk->row_count, &mapped[i]);
        od_column_tidy(&table->columns[i], od_table_row_count(table));
    }
    table->version++;
    return OD_OK;
}

enum od_status od_table_put_chunk(struct od_table *table, const struct od_chunk *chunk)
{
    enum od_status status = check_shape(table, chunk);
    if (status != OD_OK || chunk->row_count == 0)
        return status;
    uint32_t *rows = malloc(chunk->row_count * sizeof *rows);
    struct mapped *mapped = calloc(table->column_count, sizeof *mapped);
    status = rows && mapped ? map_rows(table, chunk, rows) : OD_NO_MEMORY;
    if (status == OD_OK)
        status = put_columns(table, chunk, rows, mapped);
    for (size_t i = 0; mapped && i < table->column_count; i++) {
        free(mapped[i].spans);
        free(mapped[i].list.codes);
    }
    free(mapped);
    free(rows);
    return status;
}
