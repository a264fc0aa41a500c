/* The catalogue: one row a resource, in order of creation.
 *
 * Paging is stable because it goes by seq, which is given once, grows, and is never used again: a
 * page that starts after a seq neither repeats nor skips what was there all along, whatever was
 * created or deleted in between (api.md section 13). Refusals are found out with ON CONFLICT and
 * row counts, never by a failing statement, so that the transaction around them stays usable in
 * every database. */
#include "store/internal.h"

#define COLUMNS                                                                                    \
    "seq, arn, kind, name, parent, dataset_group, status, failure_reason, created_ms, updated_ms," \
    " body, extra"

static enum od_status fail_absent(struct od_str arn, struct od_error *err)
{
    return od_fail(err, OD_NOT_FOUND, "Resource Arn %.*s does not exist.", OD_STR_ARG(arn));
}

/* "dataset-group" is read as "dataset group". */
static enum od_status fail_exists(const struct od_resource *resource, struct od_error *err)
{
    char kind[64];
    size_t len = 0;
    for (; len < resource->kind.len && len + 1 < sizeof kind; len++)
        kind[len] = resource->kind.ptr[len] == '-' ? ' ' : resource->kind.ptr[len];
    kind[len] = '\0';
    return od_fail(err, OD_EXISTS, "Another %s with Arn %.*s already exists.", kind,
                   OD_STR_ARG(resource->arn));
}

enum od_status od_catalog_insert(struct od_store *store, const struct od_resource *resource,
                                 struct od_error *err)
{
    struct od_sql_stmt *stmt;
    enum od_status s =
        od_store_change(store,
                        "INSERT INTO resource (arn, kind, name, parent, dataset_group, status, "
                        "failure_reason, created_ms, updated_ms, body, extra) "
                        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) "
                        "ON CONFLICT (arn) DO NOTHING",
                        &stmt, err);
    if (s != OD_OK)
        return s;
    od_sql_text_or_empty(stmt, 1, resource->arn);
    od_sql_text_or_empty(stmt, 2, resource->kind);
    od_sql_text_or_empty(stmt, 3, resource->name);
    od_sql_text_or_empty(stmt, 4, resource->parent);
    od_sql_text_or_empty(stmt, 5, resource->group);
    od_sql_text_or_empty(stmt, 6, resource->status);
    od_sql_text_or_empty(stmt, 7, resource->failure_reason);
    od_sql_i64(stmt, 8, resource->created_ms);
    od_sql_i64(stmt, 9, resource->updated_ms);
    od_sql_text_or_empty(stmt, 10, resource->body);
    od_sql_text_or_empty(stmt, 11, resource->extra);
    int64_t changes;
    s = od_store_run(store, stmt, &changes, err);
    if (s == OD_OK && changes == 0)
        return fail_exists(resource, err);
    return s;
}

static void fill_resource(struct od_sql_copier *row, void *item)
{
    struct od_resource *r = item;
    r->seq = od_sql_get_i64(row->stmt, 0);
    r->arn = od_sql_copy(row, 1);
    r->kind = od_sql_copy(row, 2);
    r->name = od_sql_copy(row, 3);
    r->parent = od_sql_copy(row, 4);
    r->group = od_sql_copy(row, 5);
    r->status = od_sql_copy(row, 6);
    r->failure_reason = od_sql_copy(row, 7);
    r->created_ms = od_sql_get_i64(row->stmt, 8);
    r->updated_ms = od_sql_get_i64(row->stmt, 9);
    r->body = od_sql_copy(row, 10);
    r->extra = od_sql_copy(row, 11);
}

enum od_status od_catalog_get(struct od_store *store, struct od_str arn, struct od_arena *arena,
                              struct od_resource *out, struct od_error *err)
{
    struct od_sql_stmt *stmt;
    enum od_status s =
        od_sql_prepare(store->sql, "SELECT " COLUMNS " FROM resource WHERE arn = $1", &stmt, err);
    if (s != OD_OK)
        return s;
    od_sql_text_or_empty(stmt, 1, arn);
    void *rows;
    size_t count;
    s = od_sql_collect(stmt, arena, sizeof(struct od_resource), fill_resource, &rows, &count, err);
    if (s != OD_OK)
        return s;
    if (count == 0)
        return fail_absent(arn, err);
    *out = *(struct od_resource *)rows;
    return OD_OK;
}

enum od_status od_catalog_update(struct od_store *store, const struct od_resource *resource,
                                 struct od_error *err)
{
    struct od_sql_stmt *stmt;
    enum od_status s =
        od_store_change(store,
                        "UPDATE resource SET name = $1, parent = $2, dataset_group = $3, "
                        "status = $4, failure_reason = $5, updated_ms = $6, body = $7, extra = $8 "
                        "WHERE arn = $9",
                        &stmt, err);
    if (s != OD_OK)
        return s;
    od_sql_text_or_empty(stmt, 1, resource->name);
    od_sql_text_or_empty(stmt, 2, resource->parent);
    od_sql_text_or_empty(stmt, 3, resource->group);
    od_sql_text_or_empty(stmt, 4, resource->status);
    od_sql_text_or_empty(stmt, 5, resource->failure_reason);
    od_sql_i64(stmt, 6, resource->updated_ms);
    od_sql_text_or_empty(stmt, 7, resource->body);
    od_sql_text_or_empty(stmt, 8, resource->extra);
    od_sql_text_or_empty(stmt, 9, resource->arn);
    int64_t changes;
    s = od_store_run(store, stmt, &changes, err);
    if (s == OD_OK && changes == 0)
        return fail_absent(resource->arn, err);
    return s;
}

enum od_status od_catalog_delete(struct od_store *store, struct od_str arn, struct od_error *err)
{
    struct od_sql_stmt *stmt;
    enum od_status s = od_store_change(store, "DELETE FROM resource WHERE arn = $1", &stmt, err);
    if (s != OD_OK)
        return s;
    od_sql_text_or_empty(stmt, 1, arn);
    int64_t changes;
    s = od_store_run(store, stmt, &changes, err);
    if (s == OD_OK && changes == 0)
        return fail_absent(arn, err);
    return s;
}

/* ---- queries ---- */

#define QUERY_BYTES 1024 /* the longest is about 300 */

struct condition {
    const char *column;
    struct od_str value;
};

/* Writes "WHERE seq > $1 AND kind = $2 ... ORDER BY seq LIMIT $n" after head: only the conditions
 * asked for, so that each combination is a statement with an index of its own. */
static enum od_status prepare_query(struct od_store *store, const char *head, const char *tail,
                                    const struct od_catalog_query *query, struct od_sql_stmt **out,
                                    struct od_error *err)
{
    const struct condition all[] = {
        {"kind", query->kind},
        {"parent", query->parent},
        {"dataset_group", query->group},
        {"status", query->status},
    };
    struct od_buf text;
    od_buf_init(&text, QUERY_BYTES);
    od_buf_printf(&text, "%s WHERE seq %c $1", head, query->newest_first ? '<' : '>');
    int parameter = 1;
    for (size_t i = 0; i < 4; i++)
        if (all[i].value.len)
            od_buf_printf(&text, " AND %s = $%d", all[i].column, ++parameter);
    od_buf_printf(&text, " ORDER BY seq%s LIMIT $%d%s", query->newest_first ? " DESC" : "",
                  ++parameter, tail);
    struct od_sql_stmt *stmt = NULL;
    enum od_status s = od_buf_status(&text);
    s = s == OD_OK ? od_sql_prepare(store->sql, text.ptr, &stmt, err) : od_fail(err, s, NULL);
    od_buf_done(&text);
    if (s != OD_OK)
        return s;
    bool from_end = query->newest_first && query->after_seq == 0;
    od_sql_i64(stmt, 1, from_end ? INT64_MAX : query->after_seq);
    parameter = 1;
    for (size_t i = 0; i < 4; i++)
        if (all[i].value.len)
            od_sql_text(stmt, ++parameter, all[i].value);
    bool some = query->limit > 0 && query->limit < INT64_MAX;
    od_sql_i64(stmt, ++parameter, some ? (int64_t)query->limit : INT64_MAX);
    *out = stmt;
    return OD_OK;
}

enum od_status od_catalog_list(struct od_store *store, const struct od_catalog_query *query,
                               struct od_arena *arena, struct od_resource **out, size_t *out_count,
                               struct od_error *err)
{
    struct od_sql_stmt *stmt;
    enum od_status s =
        prepare_query(store, "SELECT " COLUMNS " FROM resource", "", query, &stmt, err);
    void *rows;
    size_t count;
    if (s == OD_OK)
        s = od_sql_collect(stmt, arena, sizeof **out, fill_resource, &rows, &count, err);
    if (s != OD_OK)
        return s;
    *out = rows;
    *out_count = count;
    return OD_OK;
}

enum od_status od_catalog_count(struct od_store *store, const struct od_catalog_query *query,
                                size_t *out, struct od_error *err)
{
    struct od_sql_stmt *stmt;
    int64_t count;
    enum od_status s = prepare_query(store, "SELECT COUNT(*) FROM (SELECT seq FROM resource",
                                     ") AS found", query, &stmt, err);
    if (s == OD_OK)
        s = od_sql_run_i64(stmt, 0, &count, err);
    if (s == OD_OK)
        *out = (size_t)count;
    return s;
}
