/* The context and the user's record of a query, from a training set: what a request sent at the
 * moment of an event would carry. Numbers are written as requests write them. */
#include <math.h>

#include "recipes/split.h"

/* Cells of a user's record: textual ones are not in Users, so this is plenty. */
#define CELL_MAX (1u << 20)

static enum od_status add_context(const struct od_training *t, uint64_t event,
                                  struct od_arena *arena, struct od_query *query)
{
    struct od_query_value *values = OD_NEW_ARRAY(arena, struct od_query_value, t->context_count);
    if (!values)
        return OD_NO_MEMORY;
    query->context = values;
    query->context_count = 0;
    for (size_t i = 0; i < t->context_count; i++) {
        const struct od_training_column *column = &t->context[i];
        struct od_query_value *to = &values[query->context_count];
        to->name = column->name;
        if (column->number && !isnan(column->number[event]))
            to->value = od_arena_printf(arena, "%.9g", (double)column->number[event]);
        else if (column->code && column->code[event] != OD_NO_VALUE)
            to->value = od_dict_text(column->values, column->code[event]);
        else
            continue;
        if (!to->value.ptr)
            return OD_NO_MEMORY;
        query->context_count++;
    }
    return OD_OK;
}

static enum od_status add_user(const struct od_table *users, struct od_str id,
                               struct od_arena *arena, struct od_query *query)
{
    size_t columns = users ? od_table_column_count(users) : 0;
    uint32_t row = users ? od_table_find(users, id) : OD_NO_ROW;
    query->user_value_count = 0;
    if (row == OD_NO_ROW || columns == 0)
        return OD_OK;
    struct od_query_value *values = OD_NEW_ARRAY(arena, struct od_query_value, columns);
    struct od_buf text;
    enum od_status s = values ? OD_OK : OD_NO_MEMORY;
    od_buf_init(&text, CELL_MAX);
    for (size_t c = 0; s == OD_OK && c < columns; c++) {
        struct od_table_column column;
        od_table_column(users, c, &column);
        od_buf_clear(&text);
        if (od_str_eq_c(column.field->name, "USER_ID") || !od_table_cell_text(users, c, row, &text))
            continue;
        struct od_str value = od_arena_str(arena, text.ptr ? od_buf_view(&text) : OD_STR(""));
        s = value.ptr ? OD_OK : OD_NO_MEMORY;
        values[query->user_value_count++] = (struct od_query_value){column.field->name, value};
    }
    od_buf_done(&text);
    query->user = values;
    return s;
}

enum od_status od_query_at(const struct od_training *training, uint32_t user, uint64_t event,
                           struct od_arena *arena, struct od_query *query)
{
    enum od_status s = add_context(training, event, arena, query);
    return s == OD_OK
               ? add_user(training->user_table, od_dict_text(training->users, user), arena, query)
               : s;
}
