/* Finding operations, shapes and members by name, and reading and setting members through the
 * tables.
 *
 * Members of generated structs are read and written here with memcpy: the tables know a list of
 * structures only as { pointer; count }, while its own type says what the pointer points to. */
#include "wire/api_internal.h"

#include <string.h>

/* ---- operations ---- */

const struct od_operation *od_operation_by_target(struct od_str target)
{
    if (!od_str_starts(target, od_target_prefix))
        return NULL;
    struct od_str name = od_str_sub(target, od_target_prefix.len, SIZE_MAX);
    struct od_operation_range range = od_operation_ranges[OD_SERVICE_PERSONALIZE];
    size_t low = range.first, high = range.first + range.count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = od_str_cmp(name, od_str_c(od_operations[middle].name));
        if (order == 0)
            return &od_operations[middle];
        if (order > 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

static const struct od_operation *by_path_of(enum od_service service, struct od_str method,
                                             struct od_str path)
{
    struct od_operation_range range = od_operation_ranges[service];
    for (size_t i = range.first; i < range.first + range.count; i++)
        if (od_str_eq_c(path, od_operations[i].uri) && od_str_eq_c(method, od_operations[i].method))
            return &od_operations[i];
    return NULL;
}

const struct od_operation *od_operation_by_path(struct od_str method, struct od_str path)
{
    if (path.len > 1 && path.ptr[path.len - 1] == '/')
        path.len--;
    const struct od_operation *found = by_path_of(OD_SERVICE_RUNTIME, method, path);
    return found ? found : by_path_of(OD_SERVICE_EVENTS, method, path);
}

/* ---- shapes and members ---- */

const struct od_shape *od_shape_find(enum od_service service, const char *name)
{
    if ((unsigned)service >= OD_SERVICE_COUNT)
        return NULL;
    const struct od_shape_index *index = &od_shape_indexes[service];
    size_t low = 0, high = index->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(name, index->shapes[middle]->name);
        if (order == 0)
            return index->shapes[middle];
        if (order > 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

const struct od_member *od_api_member(const struct od_shape *shape, const char *member)
{
    for (size_t i = 0; i < shape->member_count; i++)
        if (od_str_eq_c(shape->members[i].name, member))
            return &shape->members[i];
    return NULL;
}

void *od_api_pointer(const void *slot)
{
    void *pointer;
    memcpy(&pointer, slot, sizeof pointer);
    return pointer;
}

void od_api_set_pointer(void *slot, const void *pointer)
{
    memcpy(slot, &pointer, sizeof pointer);
}

struct od_api_items od_api_items(const void *slot)
{
    struct od_api_items items;
    memcpy(&items, slot, sizeof items);
    return items;
}

void od_api_set_items(void *slot, struct od_api_items items)
{
    memcpy(slot, &items, sizeof items);
}

bool od_api_present(const struct od_shape *shape, const void *slot)
{
    switch (shape->kind) {
    case OD_SHAPE_INTEGER:
    case OD_SHAPE_LONG:
    case OD_SHAPE_TIMESTAMP:
        return ((const struct od_opt_i64 *)slot)->set;
    case OD_SHAPE_FLOAT:
    case OD_SHAPE_DOUBLE:
        return ((const struct od_opt_double *)slot)->set;
    case OD_SHAPE_BOOLEAN:
        return ((const struct od_opt_bool *)slot)->set;
    case OD_SHAPE_STRING:
        return ((const struct od_str *)slot)->ptr != NULL;
    case OD_SHAPE_JSON:
        return ((const struct od_api_json *)slot)->text.ptr != NULL;
    case OD_SHAPE_STRUCTURE:
    case OD_SHAPE_LIST:
    case OD_SHAPE_MAP:
        return od_api_pointer(slot) != NULL; /* a list's items come first */
    }
    return false;
}

/* ---- reading and setting by name ---- */

#define KIND(kind)   (1u << (kind))
#define I64_KINDS    (KIND(OD_SHAPE_INTEGER) | KIND(OD_SHAPE_LONG) | KIND(OD_SHAPE_TIMESTAMP))
#define NUMBER_KINDS (KIND(OD_SHAPE_INTEGER) | KIND(OD_SHAPE_LONG))

/* Where the member is inside its structure; NULL when there is none of these kinds. */
static const void *find(const struct od_shape *shape, const void *value, const char *name,
                        unsigned kinds)
{
    const struct od_member *member = od_api_member(shape, name);
    if (!member || !(KIND(member->shape->kind) & kinds))
        return NULL;
    return (const char *)value + member->offset;
}

static void *find_to_set(const struct od_shape *shape, void *value, const char *name,
                         unsigned kinds)
{
    const struct od_member *member = od_api_member(shape, name);
    if (!member || !(KIND(member->shape->kind) & kinds))
        return NULL;
    return (char *)value + member->offset;
}

bool od_api_get_str(const struct od_shape *shape, const void *value, const char *member,
                    struct od_str *out)
{
    const struct od_str *slot = find(shape, value, member, KIND(OD_SHAPE_STRING));
    if (slot)
        *out = *slot;
    return slot != NULL;
}

bool od_api_get_i64(const struct od_shape *shape, const void *value, const char *member,
                    struct od_opt_i64 *out)
{
    const struct od_opt_i64 *slot = find(shape, value, member, I64_KINDS);
    if (slot)
        *out = *slot;
    return slot != NULL;
}

bool od_api_get_bool(const struct od_shape *shape, const void *value, const char *member,
                     struct od_opt_bool *out)
{
    const struct od_opt_bool *slot = find(shape, value, member, KIND(OD_SHAPE_BOOLEAN));
    if (slot)
        *out = *slot;
    return slot != NULL;
}

bool od_api_get_struct(const struct od_shape *shape, const void *value, const char *member,
                       const void **out)
{
    const void *slot = find(shape, value, member, KIND(OD_SHAPE_STRUCTURE));
    if (slot)
        *out = od_api_pointer(slot);
    return slot != NULL;
}

bool od_api_get_list(const struct od_shape *shape, const void *value, const char *member,
                     const void **out_items, size_t *out_count)
{
    const void *slot = find(shape, value, member, KIND(OD_SHAPE_LIST));
    if (!slot)
        return false;
    struct od_api_items list = od_api_items(slot);
    *out_items = list.items;
    *out_count = list.count;
    return true;
}

bool od_api_set_str(const struct od_shape *shape, void *value, const char *member,
                    struct od_str text)
{
    struct od_str *slot = find_to_set(shape, value, member, KIND(OD_SHAPE_STRING));
    if (slot)
        *slot = text;
    return slot != NULL;
}

bool od_api_set_i64(const struct od_shape *shape, void *value, const char *member, int64_t number)
{
    struct od_opt_i64 *slot = find_to_set(shape, value, member, NUMBER_KINDS);
    if (slot)
        *slot = (struct od_opt_i64){true, number};
    return slot != NULL;
}

bool od_api_set_time(const struct od_shape *shape, void *value, const char *member, int64_t unix_ms)
{
    struct od_opt_i64 *slot = find_to_set(shape, value, member, KIND(OD_SHAPE_TIMESTAMP));
    if (slot)
        *slot = (struct od_opt_i64){true, unix_ms};
    return slot != NULL;
}

bool od_api_set_bool(const struct od_shape *shape, void *value, const char *member, bool flag)
{
    struct od_opt_bool *slot = find_to_set(shape, value, member, KIND(OD_SHAPE_BOOLEAN));
    if (slot)
        *slot = (struct od_opt_bool){true, flag};
    return slot != NULL;
}

bool od_api_set_struct(const struct od_shape *shape, void *value, const char *member, void *ptr)
{
    void *slot = find_to_set(shape, value, member, KIND(OD_SHAPE_STRUCTURE));
    if (slot)
        od_api_set_pointer(slot, ptr);
    return slot != NULL;
}

bool od_api_set_list(const struct od_shape *shape, void *value, const char *member, void *items,
                     size_t count)
{
    void *slot = find_to_set(shape, value, member, KIND(OD_SHAPE_LIST));
    if (slot)
        od_api_set_items(slot, (struct od_api_items){items, items ? count : 0});
    return slot != NULL;
}
