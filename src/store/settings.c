/* Settings: small named texts of the server's own, such as the account id. */
#include "store/internal.h"

#include <string.h>

enum od_status od_settings_get(struct od_store *store, struct od_str name, struct od_arena *arena,
                               struct od_str *out, struct od_error *err)
{
    struct od_sql_stmt *stmt;
    enum od_status s =
        od_sql_prepare(store->sql, "SELECT setting_value FROM setting WHERE name = $1", &stmt, err);
    if (s != OD_OK)
        return s;
    od_sql_text_or_empty(stmt, 1, name);
    bool row;
    s = od_sql_step(stmt, &row, err);
    if (s != OD_OK)
        return s;
    struct od_sql_copier copier = {stmt, arena, false};
    struct od_str value = row ? od_sql_copy(&copier, 0) : OD_STR_NONE;
    od_sql_reset(stmt);
    if (copier.out_of_memory)
        return od_fail(err, OD_NO_MEMORY, NULL);
    *out = value;
    return OD_OK;
}

enum od_status od_settings_set(struct od_store *store, struct od_str name, struct od_str value,
                               struct od_error *err)
{
    struct od_sql_stmt *stmt;
    enum od_status s = od_store_change(store,
                                       "INSERT INTO setting (name, setting_value) VALUES ($1, $2) "
                                       "ON CONFLICT (name) DO UPDATE SET "
                                       "setting_value = excluded.setting_value",
                                       &stmt, err);
    if (s != OD_OK)
        return s;
    od_sql_text_or_empty(stmt, 1, name);
    od_sql_text_or_empty(stmt, 2, value);
    return od_store_run(store, stmt, NULL, err);
}

enum od_status od_settings_delete(struct od_store *store, struct od_str name, struct od_error *err)
{
    struct od_sql_stmt *stmt;
    enum od_status s = od_store_change(store, "DELETE FROM setting WHERE name = $1", &stmt, err);
    if (s != OD_OK)
        return s;
    od_sql_text_or_empty(stmt, 1, name);
    return od_store_run(store, stmt, NULL, err);
}

static void fill_value(struct od_sql_copier *row, void *item)
{
    *(struct od_str *)item = od_sql_copy(row, 0);
}

enum od_status od_settings_list(struct od_store *store, struct od_str prefix, struct od_str after,
                                size_t limit, struct od_arena *arena, struct od_str **out,
                                size_t *out_count, struct od_error *err)
{
    struct od_sql_stmt *stmt;
    void *rows;
    char end[64]; /* the first text behind all that start with prefix */
    if (!prefix.len || prefix.len >= sizeof end)
        return od_fail(err, OD_INTERNAL, "A prefix of settings has %zu bytes.", prefix.len);
    memcpy(end, prefix.ptr, prefix.len);
    end[prefix.len - 1]++;
    enum od_status s = od_sql_prepare(store->sql,
                                      "SELECT setting_value FROM setting WHERE name > $1 AND "
                                      "name < $2 ORDER BY name LIMIT $3",
                                      &stmt, err);
    if (s != OD_OK)
        return s;
    od_sql_text_or_empty(stmt, 1, od_str_cmp(after, prefix) > 0 ? after : prefix);
    od_sql_text_or_empty(stmt, 2, (struct od_str){end, prefix.len});
    od_sql_i64(stmt, 3, limit ? (int64_t)limit : INT64_MAX);
    s = od_sql_collect(stmt, arena, sizeof **out, fill_value, &rows, out_count, err);
    if (s == OD_OK)
        *out = rows;
    return s;
}
