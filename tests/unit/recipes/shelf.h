/* Tables of items or users for tests, from a schema's fields and rows of text. */
#ifndef OD_TESTS_RECIPES_SHELF_H
#define OD_TESTS_RECIPES_SHELF_H

#include <stdio.h>
#include <string.h>

#include "base/dict.h"
#include "data/table.h"

struct shelf {
    struct od_arena arena;
    struct od_schema schema;
    struct od_table *table;
};

/* of: "Items", "Users"; id: its column; fields: the Avro fields after it, as JSON, each with a
 * comma before it. */
static inline void shelf_init_of(struct shelf *shelf, const char *of, const char *id,
                                 const char *fields)
{
    char text[4096];
    snprintf(text, sizeof text,
             "{\"type\":\"record\",\"name\":\"%s\",\"namespace\":\"com.amazonaws.personalize."
             "schema\",\"fields\":[{\"name\":\"%s\",\"type\":\"string\"}%s],\"version\":\"1.0\"}",
             of, id, fields);
    struct od_error err = {0};
    od_arena_init(&shelf->arena, 1u << 20);
    if (od_schema_parse(&shelf->arena, od_str_c(text), OD_DOMAIN_NONE, &shelf->schema, &err) !=
        OD_OK)
        fail_msg("%s", err.message);
    shelf->table = od_table_new(&shelf->schema);
    assert_non_null(shelf->table);
}

static inline void shelf_init(struct shelf *shelf, const char *fields)
{
    shelf_init_of(shelf, "Items", "ITEM_ID", fields);
}

static inline void shelf_done(struct shelf *shelf)
{
    od_table_free(shelf->table);
    od_arena_done(&shelf->arena);
}

/* One record; cells after the id as text, NULL for null. Numbers are converted, and text is taken
 * as it is, ill-formed or not. */
static inline void shelf_put(struct shelf *shelf, const char *id, const char *const *cells)
{
    struct od_value values[16] = {{.kind = OD_VALUE_TEXT, .text = od_str_c(id)}};
    for (size_t f = 1; f < shelf->schema.field_count; f++) {
        struct od_str cell = od_str_c(cells[f - 1]);
        values[f] = (struct od_value){.kind = OD_VALUE_NULL};
        if (!cell.ptr)
            continue;
        if (shelf->schema.fields[f].type == OD_FIELD_STRING)
            values[f] = (struct od_value){.kind = OD_VALUE_TEXT, .text = cell};
        else
            assert_int_equal(od_value_from_text(&shelf->schema.fields[f], cell, &values[f], NULL),
                             OD_OK);
    }
    assert_int_equal(od_table_put(shelf->table, values), OD_OK);
}

/* A dictionary of count ids "i00000", ... */
static inline struct od_dict *shelf_ids(unsigned count)
{
    struct od_dict *ids = od_dict_new();
    for (unsigned i = 0; i < count; i++) {
        char id[16];
        uint32_t code;
        snprintf(id, sizeof id, "i%05u", i);
        assert_int_equal(od_dict_add(ids, od_str_c(id), &code), OD_OK);
    }
    return ids;
}

#endif
