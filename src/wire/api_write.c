/* Writing: a generated struct as the compact JSON of its shape.
 *
 * Members that are absent are left out, but for the lists marked "always": client code indexes
 * response['campaigns'] without looking (api.md section 2). Times are seconds with three decimals,
 * plain: every SDK reads a JSON number there and nothing else. */
#include "wire/api_internal.h"

#include <math.h>

static void write_value(const struct od_shape *shape, const void *value, struct od_buf *out);

/* Scores have at most seven decimals (serving), and an answer has up to 500 of them. Such a number
 * is k / 1e7 for a whole k of at most 15 digits: the division is correctly rounded, so k's digits
 * read back as the same double, and no other text of 15 digits does. That spares the search for the
 * shortest text that od_buf_double makes for all others. */
static void write_double(double value, struct od_buf *out)
{
    double k = round(fabs(value) * 1e7);
    if (!(k < 1e15) || k == 0 || k / 1e7 != fabs(value)) {
        od_buf_double(out, value);
        return;
    }
    char text[24];
    size_t at = sizeof text;
    uint64_t left = (uint64_t)k;
    int decimals = 7;
    while (decimals > 0 && left % 10 == 0) {
        left /= 10;
        decimals--;
    }
    for (int i = 0; i < decimals; i++, left /= 10)
        text[--at] = (char)('0' + left % 10);
    if (decimals > 0)
        text[--at] = '.';
    do {
        text[--at] = (char)('0' + left % 10);
        left /= 10;
    } while (left > 0);
    if (value < 0)
        text[--at] = '-';
    od_buf_put(out, text + at, sizeof text - at);
}

static void write_time(int64_t unix_ms, struct od_buf *out)
{
    uint64_t size = unix_ms < 0 ? 0 - (uint64_t)unix_ms : (uint64_t)unix_ms;
    od_buf_printf(out, "%s%llu.%03u", unix_ms < 0 ? "-" : "", (unsigned long long)(size / 1000),
                  (unsigned)(size % 1000));
}

static void write_list(const struct od_shape *shape, const void *value, struct od_buf *out)
{
    struct od_api_items list = od_api_items(value);
    od_buf_char(out, '[');
    for (size_t i = 0; i < list.count; i++) {
        if (i > 0)
            od_buf_char(out, ',');
        write_value(shape->element, (const char *)list.items + i * shape->element_size, out);
    }
    od_buf_char(out, ']');
}

static void write_map(const struct od_shape *shape, const void *value, struct od_buf *out)
{
    struct od_api_items map = od_api_items(value);
    bool bare = shape->element->kind == OD_SHAPE_DOUBLE || shape->element->kind == OD_SHAPE_FLOAT;
    od_buf_char(out, '{');
    for (size_t i = 0; i < map.count; i++) {
        const char *entry = (const char *)map.items + i * shape->element_size;
        if (i > 0)
            od_buf_char(out, ',');
        od_buf_json(out, *(const struct od_str *)entry);
        od_buf_char(out, ':');
        if (bare)
            write_double(*(const double *)(entry + shape->value_offset), out);
        else
            write_value(shape->element, entry + shape->value_offset, out);
    }
    od_buf_char(out, '}');
}

static void write_structure(const struct od_shape *shape, const void *value, struct od_buf *out)
{
    bool first = true;
    od_buf_char(out, '{');
    for (size_t i = 0; i < shape->member_count; i++) {
        const struct od_member *member = &shape->members[i];
        const void *slot = (const char *)value + member->offset;
        bool present = od_api_present(member->shape, slot);
        if (!present && !member->always)
            continue;
        if (!first)
            od_buf_char(out, ',');
        first = false;
        od_buf_json(out, member->name);
        od_buf_char(out, ':');
        if (!present)
            od_buf_puts(out, "[]");
        else if (member->shape->kind == OD_SHAPE_STRUCTURE)
            write_value(member->shape, od_api_pointer(slot), out);
        else
            write_value(member->shape, slot, out);
    }
    od_buf_char(out, '}');
}

static void write_value(const struct od_shape *shape, const void *value, struct od_buf *out)
{
    switch (shape->kind) {
    case OD_SHAPE_STRING:
        od_buf_json(out, *(const struct od_str *)value);
        return;
    case OD_SHAPE_INTEGER:
    case OD_SHAPE_LONG:
        od_buf_printf(out, "%lld", (long long)((const struct od_opt_i64 *)value)->value);
        return;
    case OD_SHAPE_FLOAT:
    case OD_SHAPE_DOUBLE:
        write_double(((const struct od_opt_double *)value)->value, out);
        return;
    case OD_SHAPE_BOOLEAN:
        od_buf_puts(out, ((const struct od_opt_bool *)value)->value ? "true" : "false");
        return;
    case OD_SHAPE_TIMESTAMP:
        write_time(((const struct od_opt_i64 *)value)->value, out);
        return;
    case OD_SHAPE_JSON:
        od_buf_json(out, ((const struct od_api_json *)value)->text);
        return;
    case OD_SHAPE_STRUCTURE:
        write_structure(shape, value, out);
        return;
    case OD_SHAPE_LIST:
        write_list(shape, value, out);
        return;
    case OD_SHAPE_MAP:
        write_map(shape, value, out);
        return;
    }
}

void od_api_write(const struct od_shape *shape, const void *value, struct od_buf *out)
{
    write_value(shape, value, out);
}
