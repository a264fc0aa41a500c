/* Reading what a Put* record says, field by field: see put_read.h. */
#include "api/put_read.h"

#include <string.h>

#include "api/puts.h"

/* Keys that properties may not have, in any case: they have members of their own. */
static const char *const forbidden[] = {"userId",    "sessionId",        "eventType",
                                        "timestamp", "recommendationId", "impression"};

enum od_status od_put_check_keys(struct od_call *call, const struct od_json *properties)
{
    for (size_t i = 0; properties && i < properties->count; i++)
        for (size_t f = 0; f < sizeof forbidden / sizeof *forbidden; f++)
            if (od_str_eq_nocase(properties->members[i].key, od_str_c(forbidden[f])))
                return od_fail(&call->err, OD_INVALID_INPUT,
                               "properties may not contain the key %s.", forbidden[f]);
    return OD_OK;
}

/* The property of a field, by the matching rule of data.md 12.1; the last of equal keys counts. */
const struct od_json *od_put_property(const struct od_schema *schema, size_t field,
                                      const struct od_json *properties)
{
    for (size_t i = properties ? properties->count : 0; i-- > 0;)
        if (od_schema_find_property(schema, properties->members[i].key) == field)
            return &properties->members[i].value;
    return NULL;
}

/* A field's value from properties, null when there is none. */
enum od_status od_put_field(struct od_call *call, const struct od_schema *schema, size_t f,
                            const struct od_json *properties, struct od_value *out)
{
    const struct od_field *field = &schema->fields[f];
    const struct od_json *json = od_put_property(schema, f, properties);
    *out = (struct od_value){.kind = OD_VALUE_NULL};
    if (json && json->kind != OD_JSON_NULL) {
        struct od_error err;
        enum od_status s = od_value_from_json(field, json, call->arena, out, &err);
        if (s != OD_OK)
            return od_fail(&call->err, s, "Invalid value for field %.*s: %s",
                           OD_STR_ARG(field->name), err.message);
    }
    if (out->kind == OD_VALUE_NULL && !field->nullable)
        return od_fail(&call->err, OD_INVALID_INPUT, "Field %.*s is required by the schema.",
                       OD_STR_ARG(field->name));
    return OD_OK;
}

/* The model sees to lengths; a NUL is refused as in files: it ends texts in too many programs. */
enum od_status od_put_check_id(struct od_call *call, const char *member, struct od_str id)
{
    if (id.ptr && memchr(id.ptr, '\0', id.len))
        return od_fail(&call->err, OD_INVALID_INPUT, "%s holds a NUL character.", member);
    return OD_OK;
}

struct od_str od_put_finish_body(struct od_call *call, struct od_buf *body)
{
    struct od_str text = OD_STR("");
    if (body->len) {
        od_buf_char(body, '}');
        text = od_buf_status(body) == OD_OK ? od_arena_str(call->arena, od_buf_view(body))
                                            : OD_STR_NONE;
    }
    od_buf_done(body);
    return text;
}

struct od_str od_put_join(struct od_call *call, const struct od_api_strings *list)
{
    struct od_buf text;
    od_buf_init(&text, OD_PUT_BODY_BYTES);
    for (size_t i = 0; i < list->count; i++) {
        od_buf_puts(&text, i ? "|" : "");
        od_buf_str(&text, list->items[i]);
    }
    struct od_str joined =
        od_buf_status(&text) == OD_OK ? od_arena_str(call->arena, od_buf_view(&text)) : OD_STR_NONE;
    od_buf_done(&text);
    return joined;
}

static bool is_among(struct od_str name, const char *const *names)
{
    for (; *names; names++)
        if (od_str_eq_c(name, *names))
            return true;
    return false;
}

enum od_status od_put_fields(struct od_call *call, const struct od_schema *schema,
                             const char *const *own, const struct od_json *properties,
                             struct od_buf *body)
{
    struct od_value value;
    enum od_status s = OD_OK;
    for (size_t f = 0; s == OD_OK && f < schema->field_count; f++) {
        if (is_among(schema->fields[f].name, own))
            continue;
        s = od_put_field(call, schema, f, properties, &value);
        if (s == OD_OK)
            od_body_add(body, schema->fields[f].name, &value);
    }
    return s;
}

/* A text with a member of its own in the request. What the schema has a field for must be a value
 * of that field: a training reads it as one, and a single event that it cannot read would fail all
 * trainings to come. */
enum od_status od_put_text(struct od_call *call, const struct od_schema *schema, const char *name,
                           struct od_str text, struct od_buf *body)
{
    size_t f = od_schema_find(schema, od_str_c(name));
    struct od_value value = {.kind = text.ptr ? OD_VALUE_TEXT : OD_VALUE_NULL, .text = text};
    struct od_error err;
    if (f != SIZE_MAX && !text.ptr && !schema->fields[f].nullable)
        return od_fail(&call->err, OD_INVALID_INPUT, "Field %s is required by the schema.", name);
    if (f != SIZE_MAX && text.ptr &&
        od_value_from_text(&schema->fields[f], text, &value, &err) != OD_OK)
        return od_fail(&call->err, OD_INVALID_INPUT, "Invalid value for field %s: %s", name,
                       err.message);
    od_body_add(body, od_str_c(name), &value);
    return OD_OK;
}
