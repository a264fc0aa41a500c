/* Any text as a schema: it is refused with a reason, or what was understood can be written and
 * read back. */
#include <stdlib.h>
#include <string.h>

#include "data/schema_inner.h"

static void same_schema(const struct od_schema *a, const struct od_schema *b)
{
    if (a->type != b->type || a->field_count != b->field_count)
        abort();
    for (size_t i = 0; i < a->field_count; i++) {
        const struct od_field *x = &a->fields[i], *y = &b->fields[i];
        if (!od_str_eq(x->name, y->name) || x->type != y->type || x->nullable != y->nullable ||
            x->categorical != y->categorical || x->textual != y->textual ||
            x->item_name != y->item_name)
            abort();
    }
}

static void check(struct od_arena *arena, const struct od_schema *schema)
{
    struct od_buf text;
    struct od_schema again;
    od_buf_init(&text, 1u << 20);
    od_schema_write(schema, &text);
    if (od_schema_read(arena, od_buf_view(&text), &again, NULL) != OD_OK)
        abort();
    same_schema(schema, &again);
    for (size_t i = 0; i < schema->field_count; i++) {
        struct od_str key = od_schema_property_name(arena, schema->fields[i].name);
        if (od_schema_find_property(schema, key) != i)
            abort();
    }
    od_buf_done(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct od_arena arena;
    od_arena_init(&arena, 1u << 26);
    for (int domain = OD_DOMAIN_NONE; domain <= OD_VIDEO_ON_DEMAND; domain++) {
        struct od_schema schema;
        struct od_error err = {0};
        enum od_status s = od_schema_parse(&arena, (struct od_str){(const char *)data, size},
                                           (enum od_domain)domain, &schema, &err);
        if (s == OD_OK)
            check(&arena, &schema);
        else if (s != OD_INVALID_INPUT || strncmp(err.message, "Invalid schema: ", 16) != 0)
            abort();
    }
    od_arena_done(&arena);
    return 0;
}
