/* Tags: named texts on a resource (api.md section 12). A foreign key ties them to it, so that they
 * go when it goes and none is left without. How many there may be, and what they may say, is the
 * API's business. */
#include "store/internal.h"

static enum od_status check_resource(struct od_store *store, struct od_str arn,
                                     struct od_error *err)
{
    struct od_sql_stmt *stmt;
    int64_t found;
    enum od_status s =
        od_sql_prepare(store->sql, "SELECT COUNT(*) FROM resource WHERE arn = $1", &stmt, err);
    if (s != OD_OK)
        return s;
    od_sql_text_or_empty(stmt, 1, arn);
    s = od_sql_run_i64(stmt, 0, &found, err);
    if (s == OD_OK && !found)
        return od_fail(err, OD_NOT_FOUND, "Resource Arn %.*s does not exist.", OD_STR_ARG(arn));
    return s;
}

enum od_status od_tags_put(struct od_store *store, struct od_str arn, const struct od_tag *tags,
                           size_t count, struct od_error *err)
{
    enum od_status s = check_resource(store, arn, err);
    for (size_t i = 0; s == OD_OK && i < count; i++) {
        struct od_sql_stmt *stmt;
        s = od_store_change(store,
                            "INSERT INTO tag (arn, tag_key, tag_value) VALUES ($1, $2, $3) "
                            "ON CONFLICT (arn, tag_key) DO UPDATE SET "
                            "tag_value = excluded.tag_value",
                            &stmt, err);
        if (s != OD_OK)
            break;
        od_sql_text_or_empty(stmt, 1, arn);
        od_sql_text_or_empty(stmt, 2, tags[i].key);
        od_sql_text_or_empty(stmt, 3, tags[i].value);
        s = od_store_run(store, stmt, NULL, err);
    }
    return s;
}

enum od_status od_tags_remove(struct od_store *store, struct od_str arn, const struct od_str *keys,
                              size_t count, struct od_error *err)
{
    enum od_status s = check_resource(store, arn, err);
    for (size_t i = 0; s == OD_OK && i < count; i++) {
        struct od_sql_stmt *stmt;
        s = od_store_change(store, "DELETE FROM tag WHERE arn = $1 AND tag_key = $2", &stmt, err);
        if (s != OD_OK)
            break;
        od_sql_text_or_empty(stmt, 1, arn);
        od_sql_text_or_empty(stmt, 2, keys[i]);
        s = od_store_run(store, stmt, NULL, err);
    }
    return s;
}

static void fill_tag(struct od_sql_copier *row, void *item)
{
    struct od_tag *tag = item;
    tag->key = od_sql_copy(row, 0);
    tag->value = od_sql_copy(row, 1);
}

enum od_status od_tags_list(struct od_store *store, struct od_str arn, struct od_arena *arena,
                            struct od_tag **out, size_t *out_count, struct od_error *err)
{
    enum od_status s = check_resource(store, arn, err);
    struct od_sql_stmt *stmt;
    if (s == OD_OK)
        s = od_sql_prepare(store->sql,
                           "SELECT tag_key, tag_value FROM tag WHERE arn = $1 ORDER BY tag_key",
                           &stmt, err);
    if (s != OD_OK)
        return s;
    od_sql_text_or_empty(stmt, 1, arn);
    void *rows;
    size_t count;
    s = od_sql_collect(stmt, arena, sizeof **out, fill_tag, &rows, &count, err);
    if (s != OD_OK)
        return s;
    *out = rows;
    *out_count = count;
    return OD_OK;
}
