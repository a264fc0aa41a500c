/* Settings: small named texts of the server's own, such as the account id. */
#include "store/internal.h"

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
