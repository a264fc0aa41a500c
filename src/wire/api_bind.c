/* Binding: a JSON body into the C struct of its shape, checked against the whole model.
 *
 * One walk does both. A member of the wrong JSON kind ends it at once (OD_SERIALIZATION); a broken
 * constraint is noted and the walk goes on, so that a client learns all of them from one answer.
 *
 * Work and memory stay in proportion to what the model allows, not to what a client sends: a list
 * or map with more elements than allowed is reported without looking at them. Recursion is as deep
 * as the model's shapes nest, whatever the body's depth. */
#include "wire/api_internal.h"
#include "base/limits.h"

#include <assert.h>
#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define MAX_MEMBERS 32 /* the largest structure of the model has 18; asserted below */

struct bind {
    struct od_arena *arena;
    struct od_error *err;
    bool checked; /* constraints count */
    struct od_api_report report;
};

static enum od_status bind_value(struct bind *b, const struct od_shape *shape,
                                 const struct od_json *json, const struct od_api_place *place,
                                 void *out);

static const char *kind_text(const struct od_json *json)
{
    static const char *const texts[] = {"null",     "a boolean", "a number",
                                        "a string", "an array",  "an object"};
    return texts[json->kind];
}

static enum od_status wrong_kind(struct bind *b, const struct od_api_place *place,
                                 const struct od_json *json, const char *expected)
{
    char path[OD_API_PATH_TEXT];
    od_api_path(place, path);
    if (!place->up)
        return od_fail(b->err, OD_SERIALIZATION, "The request body must be %s, not %s.", expected,
                       kind_text(json));
    return od_fail(b->err, OD_SERIALIZATION, "Member '%s' must be %s, not %s.", path, expected,
                   kind_text(json));
}

static enum od_status no_memory(struct bind *b)
{
    return od_fail(b->err, OD_NO_MEMORY, NULL);
}

/* ---- scalars ---- */

static enum od_status bind_string(struct bind *b, const struct od_shape *shape,
                                  const struct od_json *json, const struct od_api_place *place,
                                  struct od_str *out)
{
    if (json->kind != OD_JSON_STRING)
        return wrong_kind(b, place, json, "a string");
    *out = json->text;
    if (b->checked)
        od_api_check_string(&b->report, shape, place, json->text);
    return OD_OK;
}

/* 5 may be written 5.0 or 5e0: SDKs of languages with one number type do. */
static bool whole_number(const struct od_json *json, int64_t *out)
{
    if (json->is_integer) {
        *out = json->integer;
        return true;
    }
    if (json->number != trunc(json->number) || fabs(json->number) > 9007199254740992.0)
        return false;
    *out = (int64_t)json->number;
    return true;
}

static enum od_status bind_integer(struct bind *b, const struct od_shape *shape,
                                   const struct od_json *json, const struct od_api_place *place,
                                   struct od_opt_i64 *out)
{
    bool wide = shape->kind == OD_SHAPE_LONG;
    int64_t number;
    if (json->kind != OD_JSON_NUMBER)
        return wrong_kind(b, place, json, "a whole number");
    if (!whole_number(json, &number) || (!wide && (number < INT32_MIN || number > INT32_MAX))) {
        char path[OD_API_PATH_TEXT];
        od_api_path(place, path);
        return od_fail(b->err, OD_SERIALIZATION,
                       "Member '%s' must be a whole number of %d bits, not %.15g.", path,
                       wide ? 64 : 32, json->number);
    }
    *out = (struct od_opt_i64){true, number};
    if (b->checked)
        od_api_check_number(&b->report, shape, place, (double)number);
    return OD_OK;
}

static enum od_status bind_double(struct bind *b, const struct od_shape *shape,
                                  const struct od_json *json, const struct od_api_place *place,
                                  double *out)
{
    if (json->kind != OD_JSON_NUMBER)
        return wrong_kind(b, place, json, "a number");
    if (shape->kind == OD_SHAPE_FLOAT && fabs(json->number) > (double)FLT_MAX) {
        char path[OD_API_PATH_TEXT];
        od_api_path(place, path);
        return od_fail(b->err, OD_SERIALIZATION,
                       "Member '%s' must fit a 32-bit floating point number, not %.15g.", path,
                       json->number);
    }
    *out = json->number;
    if (b->checked)
        od_api_check_number(&b->report, shape, place, json->number);
    return OD_OK;
}

static enum od_status bind_time(struct bind *b, const struct od_json *json,
                                const struct od_api_place *place, struct od_opt_i64 *out)
{
    int64_t ms;
    bool in_range;
    if (!od_api_time(json, &ms, &in_range))
        return wrong_kind(b, place, json, "a time (seconds since 1970, or ISO 8601)");
    *out = (struct od_opt_i64){true, ms};
    if (in_range)
        return OD_OK;
    char shown[40] = "";
    if (json->kind == OD_JSON_NUMBER)
        snprintf(shown, sizeof shown, "%.15g", json->number);
    od_api_violation(&b->report, place, json->kind == OD_JSON_STRING ? json->text : od_str_c(shown),
                     "Member must be a time in seconds between the years 1 and 9999");
    return OD_OK;
}

static enum od_status bind_json(struct bind *b, const struct od_shape *shape,
                                const struct od_json *json, const struct od_api_place *place,
                                struct od_api_json *out)
{
    if (json->kind != OD_JSON_STRING && json->kind != OD_JSON_OBJECT)
        return wrong_kind(b, place, json, "a string that holds a JSON object");
    bool found;
    enum od_status status = od_api_unwrap(json, b->arena, out, &found);
    if (status != OD_OK)
        return no_memory(b);
    if (found) {
        if (b->checked)
            od_api_check_string(&b->report, shape, place, out->text);
        return OD_OK;
    }
    b->report.bad_json = true;
    od_api_violation(&b->report, place, json->text, "Member must be a JSON object");
    return OD_OK;
}

/* ---- lists and maps ---- */

static enum od_status bind_list(struct bind *b, const struct od_shape *shape,
                                const struct od_json *json, const struct od_api_place *place,
                                void *out)
{
    if (json->kind != OD_JSON_ARRAY)
        return wrong_kind(b, place, json, "an array");
    if (b->checked && !od_api_check_count(&b->report, shape, place, json->count))
        return OD_OK;
    char *items = od_arena_array(b->arena, json->count, shape->element_size);
    if (!items)
        return no_memory(b);
    struct od_api_place element = {.up = place,
                                   .step = OD_API_ELEMENT,
                                   .sensitive = place->sensitive || shape->element->sensitive};
    for (size_t i = 0; i < json->count; i++) {
        element.index = i;
        if (json->items[i].kind == OD_JSON_NULL) {
            if (b->checked)
                od_api_violation(&b->report, &element, OD_STR_NONE, "Member must not be null");
            continue;
        }
        enum od_status status = bind_value(b, shape->element, &json->items[i], &element,
                                           items + i * shape->element_size);
        if (status != OD_OK)
            return status;
    }
    od_api_set_items(out, (struct od_api_items){items, json->count});
    return OD_OK;
}

/* A map's double is never absent, so its entry holds it bare. */
static enum od_status bind_entry_value(struct bind *b, const struct od_shape *shape,
                                       const struct od_json *json, const struct od_api_place *place,
                                       void *out)
{
    if (shape->kind == OD_SHAPE_DOUBLE || shape->kind == OD_SHAPE_FLOAT)
        return bind_double(b, shape, json, place, out);
    return bind_value(b, shape, json, place, out);
}

static enum od_status bind_entries(struct bind *b, const struct od_shape *shape,
                                   const struct od_json_member *const *entries, size_t count,
                                   const struct od_api_place *place, void *out)
{
    char *items = od_arena_array(b->arena, count, shape->element_size);
    if (!items)
        return no_memory(b);
    struct od_api_place value = {.up = place,
                                 .step = OD_API_ENTRY,
                                 .sensitive = place->sensitive || shape->element->sensitive};
    for (size_t i = 0; i < count; i++) {
        char *entry = items + i * shape->element_size;
        struct od_str key = entries[i]->key;
        memcpy(entry, &key, sizeof key);
        if (b->checked)
            od_api_check_key(&b->report, shape->key, place, key);
        value.name = key;
        enum od_status status = bind_entry_value(b, shape->element, &entries[i]->value, &value,
                                                 entry + shape->value_offset);
        if (status != OD_OK)
            return status;
    }
    od_api_set_items(out, (struct od_api_items){items, count});
    return OD_OK;
}

/* More members than duplicates could excuse: told without sorting them out. */
static bool far_too_many(struct bind *b, const struct od_shape *shape,
                         const struct od_api_place *place, size_t count)
{
    if (!b->checked)
        return false;
    if (shape->has_max)
        return (int64_t)count > 8 * shape->max &&
               !od_api_check_count(&b->report, shape, place, count);
    if (count <= OD_MAX_MAP_ENTRIES)
        return false;
    od_api_violation(&b->report, place, OD_STR("[too many elements]"),
                     "Member must have length less than or equal to %d", OD_MAX_MAP_ENTRIES);
    return true;
}

static enum od_status bind_map(struct bind *b, const struct od_shape *shape,
                               const struct od_json *json, const struct od_api_place *place,
                               void *out)
{
    if (json->kind != OD_JSON_OBJECT)
        return wrong_kind(b, place, json, "an object");
    if (far_too_many(b, shape, place, json->count))
        return OD_OK;
    const struct od_json_member **entries;
    size_t count;
    if (od_api_entries(json, b->arena, &entries, &count) != OD_OK)
        return no_memory(b);
    if (b->checked && !od_api_check_count(&b->report, shape, place, count))
        return OD_OK;
    return bind_entries(b, shape, entries, count, place, out);
}

/* ---- structures ---- */

/* The JSON value of each member, NULL when absent; the last of duplicates counts. */
static void match_members(const struct od_shape *shape, const struct od_json *json,
                          const struct od_json *found[MAX_MEMBERS])
{
    memset(found, 0, MAX_MEMBERS * sizeof *found);
    for (size_t i = 0; i < json->count; i++) {
        const struct od_json_member *member = &json->members[i];
        for (size_t k = 0; k < shape->member_count; k++) {
            if (od_str_eq(shape->members[k].name, member->key)) {
                found[k] = &member->value;
                break;
            }
        }
    }
}

static enum od_status bind_member(struct bind *b, const struct od_member *member,
                                  const struct od_json *json, const struct od_api_place *place,
                                  void *structure)
{
    char *slot = (char *)structure + member->offset;
    if (member->shape->kind != OD_SHAPE_STRUCTURE)
        return bind_value(b, member->shape, json, place, slot);
    void *inner = od_arena_alloc(b->arena, member->shape->size);
    if (!inner)
        return no_memory(b);
    od_api_set_pointer(slot, inner);
    return bind_value(b, member->shape, json, place, inner);
}

static enum od_status bind_structure(struct bind *b, const struct od_shape *shape,
                                     const struct od_json *json, const struct od_api_place *place,
                                     void *out)
{
    const struct od_json *found[MAX_MEMBERS];
    if (json->kind != OD_JSON_OBJECT)
        return wrong_kind(b, place, json, "an object");
    assert(shape->member_count <= MAX_MEMBERS);
    match_members(shape, json, found);
    for (size_t i = 0; i < shape->member_count; i++) {
        const struct od_member *member = &shape->members[i];
        struct od_api_place at = {.up = place,
                                  .step = OD_API_MEMBER,
                                  .name = member->name,
                                  .sensitive = place->sensitive || member->shape->sensitive};
        if (!found[i] || found[i]->kind == OD_JSON_NULL) {
            if (b->checked && member->required)
                od_api_violation(&b->report, &at, OD_STR_NONE, "Member must not be null");
            continue;
        }
        enum od_status status = bind_member(b, member, found[i], &at, out);
        if (status != OD_OK)
            return status;
    }
    return OD_OK;
}

static enum od_status bind_value(struct bind *b, const struct od_shape *shape,
                                 const struct od_json *json, const struct od_api_place *place,
                                 void *out)
{
    switch (shape->kind) {
    case OD_SHAPE_STRING:
        return bind_string(b, shape, json, place, out);
    case OD_SHAPE_INTEGER:
    case OD_SHAPE_LONG:
        return bind_integer(b, shape, json, place, out);
    case OD_SHAPE_FLOAT:
    case OD_SHAPE_DOUBLE: {
        struct od_opt_double *slot = out;
        slot->set = true;
        return bind_double(b, shape, json, place, &slot->value);
    }
    case OD_SHAPE_BOOLEAN:
        if (json->kind != OD_JSON_BOOL)
            return wrong_kind(b, place, json, "true or false");
        *(struct od_opt_bool *)out = (struct od_opt_bool){true, json->boolean};
        return OD_OK;
    case OD_SHAPE_TIMESTAMP:
        return bind_time(b, json, place, out);
    case OD_SHAPE_JSON:
        return bind_json(b, shape, json, place, out);
    case OD_SHAPE_STRUCTURE:
        return bind_structure(b, shape, json, place, out);
    case OD_SHAPE_LIST:
        return bind_list(b, shape, json, place, out);
    case OD_SHAPE_MAP:
        return bind_map(b, shape, json, place, out);
    }
    return od_fail(b->err, OD_INTERNAL, NULL);
}

/* ---- the two entries ---- */

static enum od_status run(const struct od_shape *shape, const struct od_json *json,
                          struct od_arena *arena, bool checked, void *out, struct od_error *err)
{
    struct bind b = {.arena = arena, .err = err, .checked = checked};
    struct od_api_place request = {.sensitive = shape->sensitive};
    assert(shape->kind == OD_SHAPE_STRUCTURE);
    void *value = od_arena_alloc(arena, shape->size);
    if (!value)
        return no_memory(&b);
    enum od_status status = bind_structure(&b, shape, json, &request, value);
    if (status == OD_OK)
        status = od_api_report_end(&b.report, err);
    if (status == OD_OK)
        memcpy(out, value, shape->size);
    return status;
}

enum od_status od_api_bind(const struct od_shape *shape, const struct od_json *json,
                           struct od_arena *arena, void *out, struct od_error *err)
{
    return run(shape, json, arena, true, out, err);
}

enum od_status od_api_load(const struct od_shape *shape, const struct od_json *json,
                           struct od_arena *arena, void *out, struct od_error *err)
{
    return run(shape, json, arena, false, out, err);
}
