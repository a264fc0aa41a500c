/* Writing CSV: see csv_write.h. */
#include "data/csv_write.h"

#include <string.h>

static bool needs_quotes(struct od_str text)
{
    for (size_t i = 0; i < text.len; i++)
        if (strchr(",\"\\\n\r", text.ptr[i])) /* NUL is in no cell: imports and Put* refuse it */
            return true;
    return false;
}

static void put_quoted(struct od_buf *out, struct od_str text)
{
    size_t from = 0;
    od_buf_char(out, '"');
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] != '"' && text.ptr[i] != '\\')
            continue;
        od_buf_put(out, text.ptr + from, i - from);
        od_buf_char(out, '\\');
        from = i;
    }
    od_buf_put(out, text.ptr + from, text.len - from);
    od_buf_char(out, '"');
}

/* As printf would, without reading a format for each of millions of cells. */
static void put_integer(struct od_buf *out, int64_t value)
{
    char text[24], *at = text + sizeof text;
    uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    do {
        *--at = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest);
    if (value < 0)
        *--at = '-';
    od_buf_put(out, at, (size_t)(text + sizeof text - at));
}

static void put_cell(struct od_buf *out, const struct od_field *field, const struct od_value *value)
{
    switch (value->kind) {
    case OD_VALUE_NULL:
        return;
    case OD_VALUE_INTEGER:
        put_integer(out, value->integer);
        return;
    case OD_VALUE_REAL:
        od_buf_double(out, value->real);
        return;
    case OD_VALUE_BOOLEAN:
        od_buf_puts(out, value->integer ? "true" : "false");
        return;
    case OD_VALUE_TEXT:
        break;
    }
    if (field->textual || needs_quotes(value->text))
        put_quoted(out, value->text);
    else
        od_buf_str(out, value->text);
}

void od_csv_put_header(struct od_buf *out, const struct od_schema *schema)
{
    for (size_t f = 0; f < schema->field_count; f++) {
        od_buf_puts(out, f ? "," : "");
        od_buf_str(out, schema->fields[f].name);
    }
    od_buf_char(out, '\n');
}

void od_csv_put_row(struct od_buf *out, const struct od_schema *schema,
                    const struct od_value *values)
{
    for (size_t f = 0; f < schema->field_count; f++) {
        if (f)
            od_buf_char(out, ',');
        put_cell(out, &schema->fields[f], &values[f]);
    }
    od_buf_char(out, '\n');
}
