/* Which columns a user's record has for next-best-action. See action.h.
 *
 * Names instead of codes, because a query brings the record as names and values: training reads
 * records through the same text, so both see the same columns. */
#include <stdlib.h>
#include <string.h>

#include "recipes/action.h"

#define NUMBERS 8 /* of the columns at most */
#define VALUES_MOST                                                                                \
    4096 /* distinct values looked at; beyond, a field is an id and says nothing                   \
          */
#define NAME_BYTES 600
#define CELL_BYTES (1u << 20) /* of one cell's text: longer than any column allows */

struct tally {
    struct od_dict *names;
    uint32_t *count; /* [VALUES_MOST] */
};

static enum od_status tally_value(struct tally *tally, struct od_str field, struct od_str value)
{
    char text[NAME_BYTES];
    uint32_t code;
    if (field.len + value.len + 1 > sizeof text)
        return OD_OK;
    memcpy(text, field.ptr, field.len);
    text[field.len] = '=';
    memcpy(text + field.len + 1, value.ptr, value.len);
    struct od_str name = {text, field.len + value.len + 1};
    if (od_dict_count(tally->names) == VALUES_MOST &&
        od_dict_find(tally->names, name) == OD_NO_CODE)
        return OD_OK;
    enum od_status s = od_dict_add(tally->names, name, &code);
    if (s == OD_OK)
        tally->count[code]++;
    return s;
}

static enum od_status tally_column(struct tally *tally, const struct od_table *table, size_t index)
{
    struct od_table_column column;
    enum od_status s = OD_OK;
    od_table_column(table, index, &column);
    for (uint32_t row = 0; s == OD_OK && row < od_table_row_count(table); row++)
        for (uint32_t k = 0; s == OD_OK && k < column.list_len[row]; k++)
            s = tally_value(tally, column.field->name,
                            od_dict_text(column.dict, column.codes[column.list_at[row] + k]));
    return s;
}

static enum od_status add_numbers(const struct od_table *table, struct od_dict *names)
{
    enum od_status s = OD_OK;
    for (size_t c = 0; s == OD_OK && c < od_table_column_count(table); c++) {
        struct od_table_column column;
        char text[NAME_BYTES];
        uint32_t code;
        od_table_column(table, c, &column);
        struct od_str field = column.field->name;
        if (column.field->type == OD_FIELD_STRING || column.field->type == OD_FIELD_BOOLEAN ||
            od_dict_count(names) == NUMBERS || field.len + 1 > sizeof text)
            continue;
        memcpy(text, field.ptr, field.len);
        text[field.len] = '#';
        s = od_dict_add(names, (struct od_str){text, field.len + 1}, &code);
    }
    return s;
}

/* The commonest values that not everybody has, most frequent first, ties by text. */
static enum od_status add_values(const struct tally *tally, uint32_t rows, struct od_dict *names)
{
    enum od_status s = OD_OK;
    while (s == OD_OK && od_dict_count(names) < OD_ACTION_RECORD) {
        uint32_t best = OD_NO_CODE, code;
        for (uint32_t i = 0; i < od_dict_count(tally->names); i++) {
            bool more =
                best == OD_NO_CODE || tally->count[i] > tally->count[best] ||
                (tally->count[i] == tally->count[best] &&
                 od_str_cmp(od_dict_text(tally->names, i), od_dict_text(tally->names, best)) < 0);
            if (tally->count[i] >= 2 && tally->count[i] < rows && more)
                best = i;
        }
        if (best == OD_NO_CODE)
            break;
        s = od_dict_add(names, od_dict_text(tally->names, best), &code);
        tally->count[best] = 0;
    }
    return s;
}

enum od_status od_action_record_init(struct od_action_record *out, const struct od_table *table)
{
    struct od_action_record record = {.names = od_dict_new()};
    struct tally tally = {od_dict_new(), calloc(VALUES_MOST, sizeof(uint32_t))};
    enum od_status s = record.names && tally.names && tally.count ? OD_OK : OD_NO_MEMORY;
    if (s == OD_OK && table) {
        s = add_numbers(table, record.names);
        for (size_t c = 0; s == OD_OK && c < od_table_column_count(table); c++) {
            struct od_table_column column;
            od_table_column(table, c, &column);
            if (column.field->categorical)
                s = tally_column(&tally, table, c);
        }
        if (s == OD_OK)
            s = add_values(&tally, od_table_row_count(table), record.names);
    }
    od_dict_free(tally.names);
    free(tally.count);
    if (s == OD_OK) {
        record.count = od_dict_count(record.names);
        *out = record;
    } else {
        od_dict_free(record.names);
    }
    return s;
}

void od_action_record_done(struct od_action_record *record)
{
    od_dict_free(record->names);
    *record = (struct od_action_record){0};
}

enum od_status od_action_record_read(const struct od_table *table, struct od_str user,
                                     struct od_arena *arena, struct od_query *query)
{
    uint32_t row = table ? od_table_find(table, user) : OD_NO_ROW;
    size_t columns = row == OD_NO_ROW ? 0 : od_table_column_count(table);
    struct od_query_value *values = OD_NEW_ARRAY(arena, struct od_query_value, columns);
    enum od_status s = values ? OD_OK : OD_NO_MEMORY;
    query->user = values;
    query->user_value_count = 0;
    for (size_t c = 0; s == OD_OK && c < columns; c++) {
        struct od_buf text;
        od_buf_init(&text, CELL_BYTES);
        if (od_table_cell_text(table, c, row, &text)) {
            struct od_str value = od_arena_str(arena, od_buf_view(&text));
            if (!value.ptr)
                s = OD_NO_MEMORY;
            values[query->user_value_count++] =
                (struct od_query_value){od_table_schema(table)->fields[c].name, value};
        }
        if (s == OD_OK)
            s = od_buf_status(&text);
        od_buf_done(&text);
    }
    return s;
}
