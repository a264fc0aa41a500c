/* Writing a read JSON value again: see json.h. */
#include "base/str.h"
#include "base/json.h"

static void write_members(const struct od_json *value, struct od_buf *out)
{
    od_buf_char(out, '{');
    for (size_t i = 0; i < value->count; i++) {
        od_buf_puts(out, i ? "," : "");
        od_buf_json(out, value->members[i].key);
        od_buf_char(out, ':');
        od_json_write(&value->members[i].value, out);
    }
    od_buf_char(out, '}');
}

static void write_items(const struct od_json *value, struct od_buf *out)
{
    od_buf_char(out, '[');
    for (size_t i = 0; i < value->count; i++) {
        od_buf_puts(out, i ? "," : "");
        od_json_write(&value->items[i], out);
    }
    od_buf_char(out, ']');
}

void od_json_write(const struct od_json *value, struct od_buf *out)
{
    switch (value->kind) {
    case OD_JSON_NULL:
        od_buf_puts(out, "null");
        break;
    case OD_JSON_BOOL:
        od_buf_puts(out, value->boolean ? "true" : "false");
        break;
    case OD_JSON_NUMBER:
        if (value->is_integer)
            od_buf_printf(out, "%lld", (long long)value->integer);
        else
            od_buf_double(out, value->number);
        break;
    case OD_JSON_STRING:
        od_buf_json(out, value->text);
        break;
    case OD_JSON_ARRAY:
        write_items(value, out);
        break;
    case OD_JSON_OBJECT:
        write_members(value, out);
        break;
    }
}

void od_json_write_others(const struct od_json *object, const char *const *without,
                          struct od_buf *out)
{
    for (size_t i = 0; i < object->count; i++) {
        struct od_str key = object->members[i].key;
        bool skipped = false;
        for (size_t w = 0; without[w]; w++)
            skipped |= od_str_eq_c(key, without[w]);
        if (skipped)
            continue;
        od_buf_char(out, ',');
        od_buf_json(out, key);
        od_buf_char(out, ':');
        od_json_write(&object->members[i].value, out);
    }
}
