/* Copying between structures by member name: see od_api_copy in api.h. */
#include "wire/api_internal.h"

#include <string.h>

/* Do both shapes have one C type and one meaning? Structures only when they are the same: a
 * structure of another service or name is another struct. */
static bool same_type(const struct od_shape *a, const struct od_shape *b)
{
    if (a == b)
        return true;
    switch (a->kind) {
    case OD_SHAPE_STRUCTURE:
        return false;
    case OD_SHAPE_LIST:
    case OD_SHAPE_MAP:
        return b->kind == a->kind && same_type(a->element, b->element);
    case OD_SHAPE_INTEGER:
    case OD_SHAPE_LONG:
        return b->kind == OD_SHAPE_INTEGER || b->kind == OD_SHAPE_LONG;
    case OD_SHAPE_FLOAT:
    case OD_SHAPE_DOUBLE:
        return b->kind == OD_SHAPE_FLOAT || b->kind == OD_SHAPE_DOUBLE;
    default:
        return b->kind == a->kind;
    }
}

void od_api_copy(const struct od_shape *to_shape, void *to, const struct od_shape *from_shape,
                 const void *from)
{
    for (size_t i = 0; i < to_shape->member_count; i++) {
        const struct od_member *into = &to_shape->members[i];
        for (size_t k = 0; k < from_shape->member_count; k++) {
            const struct od_member *source = &from_shape->members[k];
            if (!od_str_eq(into->name, source->name))
                continue;
            const void *slot = (const char *)from + source->offset;
            size_t size =
                into->shape->kind == OD_SHAPE_STRUCTURE ? sizeof(void *) : into->shape->size;
            if (same_type(into->shape, source->shape) && od_api_present(source->shape, slot))
                memcpy((char *)to + into->offset, slot, size);
            break;
        }
    }
}
