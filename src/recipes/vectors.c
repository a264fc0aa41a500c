/* Reading user-supplied vectors from a column. See vectors.h. */
#include "recipes/vectors.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/bitmap.h"

static bool is_separator(char c)
{
    return c == ' ' || c == ',' || c == ';' || c == '\t' || c == '\n' || c == '\r';
}

bool od_vectors_parse(struct od_str text, uint32_t most, float *out, uint32_t *out_count)
{
    text = od_str_trim(text);
    if (text.len >= 2 && text.ptr[0] == '[' && text.ptr[text.len - 1] == ']')
        text = od_str_sub(text, 1, text.len - 2);
    uint32_t count = 0;
    for (size_t at = 0; at < text.len;) {
        if (is_separator(text.ptr[at])) {
            at++;
            continue;
        }
        size_t end = at;
        while (end < text.len && !is_separator(text.ptr[end]))
            end++;
        double number;
        if (count == most || !od_str_to_double(od_str_sub(text, at, end - at), &number) ||
            !isfinite((float)number))
            return false;
        out[count++] = (float)number;
        at = end;
    }
    *out_count = count;
    return count > 0;
}

/* Whether a column may hold long text at all. */
static bool is_text(const struct od_field *field)
{
    return field->type == OD_FIELD_STRING && (field->textual || field->item_name);
}

static struct od_str cell(const struct od_table_column *column, uint32_t row)
{
    return column->list_len[row] ? od_dict_text(column->dict, column->codes[column->list_at[row]])
                                 : OD_STR_NONE;
}

bool od_vectors_is_column(const struct od_table *table, size_t index)
{
    struct od_table_column column;
    od_table_column(table, index, &column);
    if (!is_text(column.field))
        return false;
    float numbers[OD_VECTOR_MOST];
    uint32_t probes = 0, rows = od_table_row_count(table), count;
    for (uint32_t row = 0; row < rows && probes < OD_VECTOR_PROBES; row++) {
        struct od_str text = cell(&column, row);
        if (text.len == 0)
            continue;
        if (!od_vectors_parse(text, OD_VECTOR_MOST, numbers, &count) || count < OD_VECTOR_LEAST)
            return false;
        probes++;
    }
    return probes > 0;
}

size_t od_vectors_find(const struct od_table *table)
{
    size_t count = table && od_table_schema(table) ? od_table_column_count(table) : 0;
    for (size_t i = 0; i < count; i++)
        if (od_vectors_is_column(table, i))
            return i;
    return SIZE_MAX;
}

void od_vectors_done(struct od_vectors *vectors)
{
    free(vectors->at);
    free(vectors->present);
    *vectors = (struct od_vectors){0};
}

/* Scales to length 1; false for a vector of zeros. */
static bool normalise(float *x, uint32_t count)
{
    double square = 0;
    for (uint32_t i = 0; i < count; i++)
        square += (double)x[i] * x[i];
    if (square == 0)
        return false;
    double scale = 1 / sqrt(square);
    for (uint32_t i = 0; i < count; i++)
        x[i] = (float)(x[i] * scale);
    return true;
}

static enum od_status read_row(const struct od_table_column *column, struct od_str id,
                               struct od_str text, struct od_vectors *vectors, uint32_t row,
                               struct od_error *err)
{
    float *to = vectors->at + (size_t)row * vectors->dimension;
    uint32_t count = 0;
    bool numbers = od_vectors_parse(text, vectors->dimension, to, &count);
    if (!numbers || count != vectors->dimension) {
        const struct od_field *field = column->field;
        return od_fail(err, OD_INVALID_INPUT,
                       "Column %.*s holds vectors, but that of %.*s is not %u finite numbers, as "
                       "the first one is.",
                       OD_STR_ARG(field->name), OD_STR_ARG(id), vectors->dimension);
    }
    if (normalise(to, count))
        od_bitmap_set(vectors->present, row);
    return OD_OK;
}

/* The count of numbers in the table's first cell: the dimension of all. */
static uint32_t first_dimension(const struct od_table *table, const struct od_table_column *column)
{
    float numbers[OD_VECTOR_MOST];
    uint32_t count;
    for (uint32_t row = 0; row < od_table_row_count(table); row++)
        if (od_vectors_parse(cell(column, row), OD_VECTOR_MOST, numbers, &count))
            return count;
    return 0;
}

enum od_status od_vectors_read(const struct od_table *table, size_t index,
                               const struct od_dict *ids, struct od_vectors *out,
                               struct od_error *err)
{
    struct od_table_column column;
    od_table_column(table, index, &column);
    struct od_vectors vectors = {.rows = od_dict_count(ids),
                                 .dimension = first_dimension(table, &column)};
    vectors.at = calloc((size_t)vectors.rows * vectors.dimension + 1, sizeof *vectors.at);
    vectors.present = calloc(od_bitmap_words(vectors.rows) + 1, sizeof *vectors.present);
    enum od_status s = vectors.at && vectors.present ? OD_OK : od_fail(err, OD_NO_MEMORY, NULL);
    for (uint32_t i = 0; s == OD_OK && i < vectors.rows; i++) {
        struct od_str id = od_dict_text(ids, i);
        uint32_t row = od_table_find(table, id);
        struct od_str text = row == OD_NO_ROW ? OD_STR_NONE : cell(&column, row);
        if (text.len)
            s = read_row(&column, id, text, &vectors, i, err);
    }
    if (s == OD_OK)
        *out = vectors;
    else
        od_vectors_done(&vectors);
    return s;
}
