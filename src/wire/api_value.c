/* JSON values that need more than a copy: times, objects inside strings, maps.
 *
 * Times come in five spellings (api.md section 5): botocore sends whole seconds, other SDKs
 * fractions and exponents, and people send strings. Properties come as an object inside a string,
 * inside two when a caller and its SDK both encoded it, or bare. */
#include "wire/api_internal.h"
#include "base/limits.h"
#include "base/time.h"

#include <math.h>
#include <stdlib.h>

/* ---- times ---- */

static bool seconds_to_ms(double seconds, int64_t *out_ms, bool *out_in_range)
{
    double ms = round(seconds * 1000);
    *out_in_range = ms >= (double)OD_API_TIME_MIN_MS && ms <= (double)OD_API_TIME_MAX_MS;
    *out_ms = *out_in_range ? (int64_t)ms : 0;
    return true;
}

bool od_api_time(const struct od_json *json, int64_t *out_ms, bool *out_in_range)
{
    double seconds;
    if (json->kind == OD_JSON_NUMBER)
        return seconds_to_ms(json->number, out_ms, out_in_range);
    if (json->kind != OD_JSON_STRING)
        return false;
    struct od_str text = od_str_trim(json->text);
    if (od_str_to_double(text, &seconds))
        return seconds_to_ms(seconds, out_ms, out_in_range);
    if (!od_time_parse_iso(text, out_ms))
        return false;
    *out_in_range = *out_ms >= OD_API_TIME_MIN_MS && *out_ms <= OD_API_TIME_MAX_MS;
    return true;
}

/* ---- objects inside strings ---- */

static void write_array(const struct od_json *json, struct od_buf *out)
{
    od_buf_char(out, '[');
    for (size_t i = 0; i < json->count; i++) {
        if (i > 0)
            od_buf_char(out, ',');
        od_api_write_json(&json->items[i], out);
    }
    od_buf_char(out, ']');
}

static void write_object(const struct od_json *json, struct od_buf *out)
{
    od_buf_char(out, '{');
    for (size_t i = 0; i < json->count; i++) {
        if (i > 0)
            od_buf_char(out, ',');
        od_buf_json(out, json->members[i].key);
        od_buf_char(out, ':');
        od_api_write_json(&json->members[i].value, out);
    }
    od_buf_char(out, '}');
}

void od_api_write_json(const struct od_json *json, struct od_buf *out)
{
    switch (json->kind) {
    case OD_JSON_NULL:
        od_buf_puts(out, "null");
        return;
    case OD_JSON_BOOL:
        od_buf_puts(out, json->boolean ? "true" : "false");
        return;
    case OD_JSON_NUMBER:
        if (json->is_integer)
            od_buf_printf(out, "%lld", (long long)json->integer);
        else
            od_buf_double(out, json->number);
        return;
    case OD_JSON_STRING:
        od_buf_json(out, json->text);
        return;
    case OD_JSON_ARRAY:
        write_array(json, out);
        return;
    case OD_JSON_OBJECT:
        write_object(json, out);
        return;
    }
}

static enum od_status print_json(const struct od_json *json, struct od_arena *arena,
                                 struct od_str *out)
{
    struct od_buf text;
    od_buf_init(&text, 2 * (size_t)OD_MAX_BODY_BYTES); /* escapes may spell a text longer */
    od_api_write_json(json, &text);
    enum od_status status = od_buf_status(&text);
    if (status == OD_OK) {
        *out = od_arena_str(arena, od_buf_view(&text));
        status = out->ptr ? OD_OK : OD_NO_MEMORY;
    }
    od_buf_done(&text);
    return status;
}

enum od_status od_api_unwrap(const struct od_json *json, struct od_arena *arena,
                             struct od_api_json *out, bool *out_found)
{
    struct od_str text = OD_STR_NONE;
    *out_found = false;
    while (json->kind == OD_JSON_STRING) {
        struct od_json *inner = OD_NEW(arena, struct od_json);
        if (!inner)
            return OD_NO_MEMORY;
        text = json->text;
        enum od_status status = od_json_parse(arena, text, inner, NULL);
        if (status == OD_SERIALIZATION)
            return OD_OK;
        if (status != OD_OK)
            return status;
        json = inner;
    }
    if (json->kind != OD_JSON_OBJECT)
        return OD_OK;
    if (!text.ptr) {
        enum od_status status = print_json(json, arena, &text);
        if (status != OD_OK)
            return status;
    }
    *out = (struct od_api_json){text, json};
    *out_found = true;
    return OD_OK;
}

/* ---- maps ---- */

static int by_position(const void *a, const void *b)
{
    const struct od_json_member *x = *(const struct od_json_member *const *)a;
    const struct od_json_member *y = *(const struct od_json_member *const *)b;
    return (x > y) - (x < y);
}

static int by_key(const void *a, const void *b)
{
    const struct od_json_member *x = *(const struct od_json_member *const *)a;
    const struct od_json_member *y = *(const struct od_json_member *const *)b;
    int order = od_str_cmp(x->key, y->key);
    return order ? order : by_position(a, b);
}

/* Sorting finds equal keys in n log n whatever a client sends. */
enum od_status od_api_entries(const struct od_json *json, struct od_arena *arena,
                              const struct od_json_member ***out, size_t *out_count)
{
    const struct od_json_member **kept =
        OD_NEW_ARRAY(arena, const struct od_json_member *, json->count + 1);
    if (!kept)
        return OD_NO_MEMORY;
    for (size_t i = 0; i < json->count; i++)
        kept[i] = &json->members[i];
    qsort(kept, json->count, sizeof *kept, by_key);
    size_t count = 0;
    for (size_t i = 0; i < json->count; i++) {
        bool last = i + 1 == json->count || !od_str_eq(kept[i]->key, kept[i + 1]->key);
        if (last && kept[i]->value.kind != OD_JSON_NULL)
            kept[count++] = kept[i];
    }
    qsort(kept, count, sizeof *kept, by_position);
    *out = kept;
    *out_count = count;
    return OD_OK;
}
