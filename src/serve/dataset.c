/* Schemas and event types of a dataset group: the parts of struct od_live that only grow or are
 * replaced whole. */
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "serve/types.h"

/* A schema of OD_MAX_SCHEMA_CHARS parses into far less. */
#define SCHEMA_BYTES (1u << 22)

enum od_status od_dataset_new(struct od_str schema_text, enum od_domain domain,
                              struct od_dataset **out, struct od_error *err)
{
    struct od_dataset *dataset = calloc(1, sizeof *dataset);
    if (!dataset)
        return od_fail(err, OD_NO_MEMORY, NULL);
    atomic_init(&dataset->refs, 1);
    od_arena_init(&dataset->arena, SCHEMA_BYTES);
    struct od_str text = od_arena_str(&dataset->arena, schema_text);
    enum od_status status =
        text.ptr ? od_schema_parse(&dataset->arena, text, domain, &dataset->schema, err)
                 : od_fail(err, OD_NO_MEMORY, NULL);
    if (status == OD_OK)
        *out = dataset;
    else
        od_dataset_unref(dataset);
    return status;
}

struct od_dataset *od_dataset_ref(struct od_dataset *dataset)
{
    if (dataset)
        atomic_fetch_add_explicit(&dataset->refs, 1, memory_order_relaxed);
    return dataset;
}

void od_dataset_unref(struct od_dataset *dataset)
{
    if (!dataset || atomic_fetch_sub_explicit(&dataset->refs, 1, memory_order_acq_rel) != 1)
        return;
    od_arena_done(&dataset->arena);
    free(dataset);
}

enum od_status od_event_types_init(struct od_event_types *types)
{
    uint16_t code;
    *types = (struct od_event_types){.folded = od_dict_new()};
    od_arena_init(&types->bytes, SIZE_MAX);
    if (!types->folded)
        return OD_NO_MEMORY;
    return od_event_types_code(types, OD_STR(""), &code);
}

void od_event_types_done(struct od_event_types *types)
{
    od_dict_free(types->folded);
    free(types->texts);
    od_arena_done(&types->bytes);
}

/* Code of a new type: its folded text goes last, when nothing can fail any more. */
static enum od_status add(struct od_event_types *types, struct od_str folded, struct od_str type,
                          uint16_t *out_code)
{
    if (types->count == OD_MAX_EVENT_TYPES)
        return OD_LIMIT;
    if (types->count == types->cap) {
        uint32_t cap = types->cap ? types->cap * 2 : 16;
        struct od_str *texts = realloc(types->texts, cap * sizeof *texts);
        if (!texts)
            return OD_NO_MEMORY;
        types->texts = texts;
        types->cap = cap;
    }
    struct od_str text = od_arena_str(&types->bytes, type);
    uint32_t code;
    if (!text.ptr)
        return OD_NO_MEMORY;
    enum od_status status = od_dict_add(types->folded, folded, &code);
    if (status != OD_OK)
        return status;
    types->texts[types->count++] = text;
    *out_code = (uint16_t)code;
    return OD_OK;
}

enum od_status od_event_types_code(struct od_event_types *types, struct od_str type,
                                   uint16_t *out_code)
{
    char small[256], *bytes = type.len <= sizeof small ? small : malloc(type.len);
    if (!bytes)
        return OD_NO_MEMORY;
    for (size_t i = 0; i < type.len; i++) {
        char c = type.ptr[i];
        bytes[i] = c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
    }
    struct od_str folded = {bytes, type.len};
    uint32_t code = od_dict_find(types->folded, folded);
    enum od_status status = OD_OK;
    if (code != OD_NO_CODE)
        *out_code = (uint16_t)code;
    else
        status = add(types, folded, type.ptr ? type : OD_STR(""), out_code);
    if (bytes != small)
        free(bytes);
    return status;
}
