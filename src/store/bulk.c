/* Which segment files make up each dataset. The files hold the rows (docs/formats/segment.md); a
 * row here makes one visible, so an import is seen whole or not at all. FULL replaces every earlier
 * segment in the same transaction; what came by Put* lies elsewhere and stays (data.md section 7).
 * Files no row names are left over from a broken import and may be removed. */
#include "store/internal.h"

static enum od_status check_dataset(struct od_str dataset, struct od_error *err)
{
    if (dataset.len)
        return OD_OK;
    return od_fail(err, OD_INVALID_INPUT, "dataset: the ARN of a dataset is needed.");
}

enum od_status od_bulk_delete(struct od_store *store, struct od_str dataset, struct od_error *err)
{
    struct od_sql_stmt *stmt;
    enum od_status s = check_dataset(dataset, err);
    if (s == OD_OK)
        s = od_store_change(store, "DELETE FROM bulk WHERE dataset = $1", &stmt, err);
    if (s != OD_OK)
        return s;
    od_sql_text(stmt, 1, dataset);
    return od_store_run(store, stmt, NULL, err);
}

enum od_status od_bulk_add(struct od_store *store, const struct od_bulk *bulk, bool replace_all,
                           struct od_error *err)
{
    struct od_sql_stmt *stmt;
    enum od_status s = check_dataset(bulk->dataset, err);
    if (s == OD_OK && bulk->rows > INT64_MAX)
        s = od_fail(err, OD_INVALID_INPUT, "rows: %llu is more than a segment can hold.",
                    (unsigned long long)bulk->rows);
    if (s == OD_OK && replace_all)
        s = od_bulk_delete(store, bulk->dataset, err);
    if (s == OD_OK)
        s = od_store_change(store,
                            "INSERT INTO bulk (dataset, path, row_count, arrived_ms, job) "
                            "VALUES ($1, $2, $3, $4, $5)",
                            &stmt, err);
    if (s != OD_OK)
        return s;
    od_sql_text(stmt, 1, bulk->dataset);
    od_sql_text_or_empty(stmt, 2, bulk->path);
    od_sql_i64(stmt, 3, (int64_t)bulk->rows);
    od_sql_i64(stmt, 4, bulk->arrived_ms);
    od_sql_text_or_empty(stmt, 5, bulk->job);
    return od_store_run(store, stmt, NULL, err);
}

enum od_status od_bulk_replace(struct od_store *store, int64_t id, struct od_str path,
                               uint64_t rows, struct od_error *err)
{
    struct od_sql_stmt *stmt;
    int64_t changes;
    enum od_status s =
        od_store_change(store,
                        rows ? "UPDATE bulk SET path = $1, row_count = $2 WHERE id = $3"
                             : "DELETE FROM bulk WHERE id = $1",
                        &stmt, err);
    if (s != OD_OK)
        return s;
    if (rows) {
        od_sql_text(stmt, 1, path);
        od_sql_i64(stmt, 2, (int64_t)rows);
    }
    od_sql_i64(stmt, rows ? 3 : 1, id);
    s = od_store_run(store, stmt, &changes, err);
    if (s == OD_OK && changes == 0)
        return od_fail(err, OD_NOT_FOUND, "Segment %lld does not exist.", (long long)id);
    return s;
}

static void fill_bulk(struct od_sql_copier *row, void *item)
{
    struct od_bulk *bulk = item;
    bulk->id = od_sql_get_i64(row->stmt, 0);
    bulk->dataset = od_sql_copy(row, 1);
    bulk->path = od_sql_copy(row, 2);
    bulk->rows = (uint64_t)od_sql_get_i64(row->stmt, 3);
    bulk->arrived_ms = od_sql_get_i64(row->stmt, 4);
    bulk->job = od_sql_copy(row, 5);
}

#define COLUMNS "id, dataset, path, row_count, arrived_ms, job"

enum od_status od_bulk_list(struct od_store *store, struct od_str dataset, struct od_arena *arena,
                            struct od_bulk **out, size_t *out_count, struct od_error *err)
{
    struct od_sql_stmt *stmt;
    enum od_status s =
        od_sql_prepare(store->sql,
                       dataset.len ? "SELECT " COLUMNS " FROM bulk WHERE dataset = $1 ORDER BY id"
                                   : "SELECT " COLUMNS " FROM bulk ORDER BY id",
                       &stmt, err);
    if (s != OD_OK)
        return s;
    if (dataset.len)
        od_sql_text(stmt, 1, dataset);
    void *rows;
    size_t count;
    s = od_sql_collect(stmt, arena, sizeof **out, fill_bulk, &rows, &count, err);
    if (s != OD_OK)
        return s;
    *out = rows;
    *out_count = count;
    return OD_OK;
}
