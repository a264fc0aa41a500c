/* The part of SQL that no database differs in: forwarding, and reading rows into arenas. See sql.h.
 */
#include "store/sql.h"

#include <string.h>

void od_sql_close(struct od_sql *sql)
{
    if (sql)
        sql->driver->close(sql);
}

enum od_status od_sql_execute(struct od_sql *sql, const char *text, struct od_error *err)
{
    return sql->driver->execute(sql, text, err);
}

enum od_status od_sql_prepare(struct od_sql *sql, const char *text, struct od_sql_stmt **out,
                              struct od_error *err)
{
    return sql->driver->prepare(sql, text, out, err);
}

void od_sql_i64(struct od_sql_stmt *stmt, int index, int64_t value)
{
    stmt->driver->bind_i64(stmt, index, value);
}

void od_sql_double(struct od_sql_stmt *stmt, int index, double value)
{
    stmt->driver->bind_double(stmt, index, value);
}

void od_sql_text(struct od_sql_stmt *stmt, int index, struct od_str value)
{
    if (value.ptr)
        stmt->driver->bind_text(stmt, index, value);
    else
        stmt->driver->bind_null(stmt, index);
}

void od_sql_text_or_empty(struct od_sql_stmt *stmt, int index, struct od_str value)
{
    stmt->driver->bind_text(stmt, index, value.ptr ? value : OD_STR(""));
}

void od_sql_blob(struct od_sql_stmt *stmt, int index, struct od_str bytes)
{
    stmt->driver->bind_blob(stmt, index, bytes);
}

void od_sql_null(struct od_sql_stmt *stmt, int index)
{
    stmt->driver->bind_null(stmt, index);
}

enum od_status od_sql_step(struct od_sql_stmt *stmt, bool *out_row, struct od_error *err)
{
    return stmt->driver->step(stmt, out_row, err);
}

void od_sql_reset(struct od_sql_stmt *stmt)
{
    stmt->driver->reset(stmt);
}

enum od_status od_sql_run(struct od_sql_stmt *stmt, int64_t *out_changes, struct od_error *err)
{
    bool row = true;
    while (row) {
        enum od_status s = od_sql_step(stmt, &row, err);
        if (s != OD_OK)
            return s;
    }
    if (out_changes)
        *out_changes = stmt->driver->changes(stmt);
    return OD_OK;
}

enum od_status od_sql_run_i64(struct od_sql_stmt *stmt, int64_t fallback, int64_t *out,
                              struct od_error *err)
{
    int64_t value = fallback;
    bool row, taken = false;
    do {
        enum od_status s = od_sql_step(stmt, &row, err);
        if (s != OD_OK)
            return s;
        if (row && !taken) {
            value = od_sql_get_i64(stmt, 0);
            taken = true;
        }
    } while (row);
    *out = value;
    return OD_OK;
}

bool od_sql_is_null(struct od_sql_stmt *stmt, int column)
{
    return stmt->driver->is_null(stmt, column);
}

int64_t od_sql_get_i64(struct od_sql_stmt *stmt, int column)
{
    return stmt->driver->get_i64(stmt, column);
}

double od_sql_get_double(struct od_sql_stmt *stmt, int column)
{
    return stmt->driver->get_double(stmt, column);
}

struct od_str od_sql_get_text(struct od_sql_stmt *stmt, int column)
{
    return stmt->driver->get_text(stmt, column);
}

struct od_str od_sql_get_blob(struct od_sql_stmt *stmt, int column)
{
    return stmt->driver->get_blob(stmt, column);
}

struct od_str od_sql_copy(struct od_sql_copier *copier, int column)
{
    if (od_sql_is_null(copier->stmt, column))
        return OD_STR_NONE;
    struct od_str copy = od_arena_str(copier->arena, od_sql_get_text(copier->stmt, column));
    if (!copy.ptr)
        copier->out_of_memory = true;
    return copy;
}

/* Rows are not counted beforehand: the array doubles, leaving its older halves to the arena. */
static void *next_item(struct od_arena *arena, void **items, size_t count, size_t *cap, size_t size)
{
    if (count == *cap) {
        size_t more = *cap ? *cap * 2 : 16;
        void *grown = od_arena_array(arena, more, size);
        if (!grown)
            return NULL;
        if (count)
            memcpy(grown, *items, count * size);
        *items = grown;
        *cap = more;
    }
    return (char *)*items + count * size;
}

enum od_status od_sql_collect(struct od_sql_stmt *stmt, struct od_arena *arena, size_t item_size,
                              void (*fill)(struct od_sql_copier *row, void *item), void **out,
                              size_t *out_count, struct od_error *err)
{
    struct od_sql_copier copier = {stmt, arena, false};
    void *items = NULL;
    size_t count = 0, cap = 0;
    for (;;) {
        bool row;
        enum od_status s = od_sql_step(stmt, &row, err);
        if (s != OD_OK)
            return s;
        if (!row)
            break;
        void *item = next_item(arena, &items, count, &cap, item_size);
        if (item)
            fill(&copier, item);
        if (!item || copier.out_of_memory) {
            od_sql_reset(stmt);
            return od_fail(err, OD_NO_MEMORY, NULL);
        }
        count++;
    }
    if (!items && !(items = od_arena_alloc(arena, 0)))
        return od_fail(err, OD_NO_MEMORY, NULL);
    *out = items;
    *out_count = count;
    return OD_OK;
}
