/* The table of items or users: rows by id, columns by schema field. See table.h.
 *
 * Rows: the dictionary of ids gives out rows, so row and id code are one number and never change.
 * Columns: one per schema field in schema order, the id field included (table_column.c).
 *
 * Invariants
 * 1. Every column has room for row_cap rows, from the start on, so its arrays are there even in an
 *    empty table; rows from row_count on are untouched memory.
 * 2. A row has a record exactly when the id column is not null there.
 * 3. A put that fails changes no cell. It may leave a new id behind, null everywhere.
 *
 * One writer or many readers; the owner locks. */
#include "data/table.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/bitmap.h"
#include "data/table_inner.h"

#define FIRST_ROWS 64u

static const char *id_name(enum od_dataset_type type)
{
    switch (type) {
    case OD_ITEMS:
        return "ITEM_ID";
    case OD_USERS:
        return "USER_ID";
    case OD_ACTIONS:
        return "ACTION_ID";
    default:
        return NULL;
    }
}

static bool copy_schema(struct od_table *table, const struct od_schema *schema)
{
    struct od_schema *copy = OD_NEW(&table->arena, struct od_schema);
    struct od_field *fields = OD_NEW_ARRAY(&table->arena, struct od_field, schema->field_count);
    if (!copy || !fields)
        return false;
    *copy = *schema;
    copy->fields = fields;
    copy->name = od_arena_str(&table->arena, schema->name);
    for (size_t i = 0; i < schema->field_count; i++) {
        fields[i] = schema->fields[i];
        fields[i].name = od_arena_str(&table->arena, schema->fields[i].name);
        if (!fields[i].name.ptr)
            return false;
    }
    table->schema = copy;
    return true;
}

static bool add_columns(struct od_table *table, const struct od_schema *schema)
{
    const char *id = id_name(schema->type);
    if (!copy_schema(table, schema))
        return false;
    table->id_field = SIZE_MAX;
    for (size_t i = 0; i < schema->field_count; i++) {
        if (id && od_str_eq_c(schema->fields[i].name, id))
            table->id_field = i;
    }
    if (table->id_field == SIZE_MAX || schema->fields[table->id_field].type != OD_FIELD_STRING)
        return false;
    table->columns = calloc(schema->field_count, sizeof *table->columns);
    for (size_t i = 0; table->columns && i < schema->field_count; i++) {
        struct od_dict *ids = i == table->id_field ? table->ids : NULL;
        if (!od_column_init(&table->columns[i], &table->schema->fields[i], ids))
            return false;
        table->column_count++;
    }
    return table->columns != NULL;
}

static enum od_status grow(struct od_table *table)
{
    uint32_t cap = table->row_cap ? table->row_cap : FIRST_ROWS / 2;
    cap = cap > OD_NO_ROW / 2 ? OD_NO_ROW : cap * 2;
    for (size_t i = 0; i < table->column_count; i++) {
        if (!od_column_reserve(&table->columns[i], table->row_cap, cap))
            return OD_NO_MEMORY;
    }
    table->row_cap = cap;
    return OD_OK;
}

struct od_table *od_table_new(const struct od_schema *schema)
{
    struct od_table *table = calloc(1, sizeof *table);
    if (!table)
        return NULL;
    od_arena_init(&table->arena, SIZE_MAX);
    table->ids = od_dict_new();
    if (!table->ids || (schema && !add_columns(table, schema)) || grow(table) != OD_OK) {
        od_table_free(table);
        return NULL;
    }
    return table;
}

void od_table_free(struct od_table *table)
{
    if (!table)
        return;
    for (size_t i = 0; i < table->column_count; i++)
        od_column_done(&table->columns[i]);
    free(table->columns);
    od_dict_free(table->ids);
    od_arena_done(&table->arena);
    free(table);
}

/* --- rows --- */

enum od_status od_table_row(struct od_table *table, struct od_str id, uint32_t *out_row)
{
    uint32_t count = od_dict_count(table->ids), row;
    if (count == table->row_cap) {
        row = od_dict_find(table->ids, id);
        enum od_status status = row == OD_NO_CODE ? grow(table) : OD_OK;
        if (status != OD_OK)
            return status;
    }
    enum od_status status = od_dict_add(table->ids, id, &row);
    if (status != OD_OK)
        return status;
    if (row == count) {
        for (size_t i = 0; i < table->column_count; i++)
            od_column_add_row(&table->columns[i], row);
        table->version++;
    }
    *out_row = row;
    return OD_OK;
}

uint32_t od_table_find(const struct od_table *table, struct od_str id)
{
    return od_dict_find(table->ids, id);
}

void od_table_find_many(const struct od_table *table, const struct od_str *ids, uint32_t count,
                        uint32_t *out_rows)
{
    od_dict_find_many(table->ids, ids, count, out_rows);
}

struct od_str od_table_id(const struct od_table *table, uint32_t row)
{
    return od_dict_text(table->ids, row);
}

uint32_t od_table_row_count(const struct od_table *table)
{
    return od_dict_count(table->ids);
}

bool od_table_has_record(const struct od_table *table, uint32_t row)
{
    return table->column_count && !od_bitmap_get(table->columns[table->id_field].nulls, row);
}

/* --- records --- */

static bool kind_fits(const struct od_field *field, const struct od_value *value)
{
    switch (value->kind) {
    case OD_VALUE_NULL:
        return true;
    case OD_VALUE_INTEGER:
        return field->type == OD_FIELD_INT || field->type == OD_FIELD_LONG;
    case OD_VALUE_REAL:
        return field->type == OD_FIELD_FLOAT || field->type == OD_FIELD_DOUBLE;
    case OD_VALUE_TEXT:
        return field->type == OD_FIELD_STRING && value->text.ptr;
    case OD_VALUE_BOOLEAN:
        return field->type == OD_FIELD_BOOLEAN;
    }
    return false;
}

enum od_status od_table_put(struct od_table *table, const struct od_value *values)
{
    if (!table->column_count)
        return OD_INVALID_INPUT;
    const struct od_value *id = &values[table->id_field];
    for (size_t i = 0; i < table->column_count; i++) {
        if (!kind_fits(table->columns[i].field, &values[i]))
            return OD_INVALID_INPUT;
    }
    if (id->kind != OD_VALUE_TEXT || id->text.len == 0)
        return OD_INVALID_INPUT;
    uint32_t row;
    enum od_status status = od_table_row(table, id->text, &row);
    for (size_t i = 0; i < table->column_count && status == OD_OK; i++)
        status = od_column_stage(&table->columns[i], &values[i]);
    if (status != OD_OK)
        return status;
    for (size_t i = 0; i < table->column_count; i++) {
        od_column_commit(&table->columns[i], row, &values[i]);
        od_column_tidy(&table->columns[i], od_table_row_count(table));
    }
    table->version++;
    return OD_OK;
}

enum od_status od_table_set_integer(struct od_table *table, size_t index, uint32_t row,
                                    int64_t value)
{
    const struct od_value number = {.kind = OD_VALUE_INTEGER, .integer = value};
    if (row >= od_table_row_count(table) || !od_table_has_record(table, row) ||
        !kind_fits(table->columns[index].field, &number))
        return OD_INVALID_INPUT;
    enum od_status status = od_column_stage(&table->columns[index], &number);
    if (status != OD_OK)
        return status;
    od_column_commit(&table->columns[index], row, &number);
    table->version++;
    return OD_OK;
}

void od_table_clear(struct od_table *table)
{
    for (size_t i = 0; i < table->column_count; i++)
        od_column_clear(&table->columns[i], od_table_row_count(table));
    table->version++;
}

/* --- reading --- */

size_t od_table_column_count(const struct od_table *table)
{
    return table->column_count;
}

void od_table_column(const struct od_table *table, size_t index, struct od_table_column *out)
{
    const struct od_column *column = &table->columns[index];
    *out = (struct od_table_column){
        .field = column->field,
        .nulls = column->nulls,
        .integers = column->integers,
        .reals = column->reals,
        .list_at = column->list_at,
        .list_len = column->list_len,
        .codes = column->codes,
        .dict = column->dict,
    };
}

const struct od_schema *od_table_schema(const struct od_table *table)
{
    return table->schema;
}

uint64_t od_table_version(const struct od_table *table)
{
    return table->version;
}

/* The shortest decimal that reads back as the same float: a float cell may hold the double nearest
 * to the text or that rounded to a float, and both were written as "0.1". */
static void put_float(struct od_buf *out, double value)
{
    char text[40];
    double read = value;
    for (int digits = 6; digits <= 9; digits++) {
        (void)snprintf(text, sizeof text, "%.*g", digits, value);
        if (od_str_to_double(od_str_c(text), &read) && (float)read == (float)value)
            break;
    }
    od_buf_double(out, read);
}

static void put_texts(const struct od_column *column, uint32_t row, struct od_buf *out)
{
    for (uint32_t i = 0; i < column->list_len[row]; i++) {
        if (i)
            od_buf_char(out, '|');
        od_buf_str(out, od_dict_text(column->dict, column->codes[column->list_at[row] + i]));
    }
}

bool od_table_cell_text(const struct od_table *table, size_t index, uint32_t row,
                        struct od_buf *out)
{
    const struct od_column *column = &table->columns[index];
    if (od_bitmap_get(column->nulls, row))
        return false;
    switch (column->field->type) {
    case OD_FIELD_STRING:
        put_texts(column, row, out);
        break;
    case OD_FIELD_INT:
    case OD_FIELD_LONG:
        od_buf_printf(out, "%lld", (long long)column->integers[row]);
        break;
    case OD_FIELD_BOOLEAN:
        od_buf_puts(out, column->integers[row] ? "true" : "false");
        break;
    case OD_FIELD_FLOAT:
        put_float(out, column->reals[row]);
        break;
    case OD_FIELD_DOUBLE:
        od_buf_double(out, column->reals[row]);
        break;
    }
    return true;
}

size_t od_table_bytes(const struct od_table *table)
{
    size_t bytes = sizeof *table + table->arena.used + od_dict_bytes(table->ids);
    for (size_t i = 0; i < table->column_count; i++)
        bytes += sizeof table->columns[i] + od_column_bytes(&table->columns[i], table->row_cap);
    return bytes;
}
