/* What a table is made of. Inner header of table.c and table_chunk.c. */
#ifndef OD_DATA_TABLE_INNER_H
#define OD_DATA_TABLE_INNER_H

#include "base/arena.h"
#include "data/table.h"
#include "data/table_column.h"

struct od_table {
    struct od_arena arena;    /* the schema's copy */
    struct od_schema *schema; /* NULL: no columns */
    size_t id_field;          /* valid when there are columns */
    struct od_dict *ids;      /* code = row */
    struct od_column *columns;
    size_t column_count;
    uint32_t row_cap;
    uint64_t version;
};

#endif
