/* Jobs that are waiting or running. A row is removed by the transaction that makes the job's result
 * visible, so a server that starts again finds exactly the work that is still owed. Ids are never
 * used again: a late word about a finished job cannot be taken for one about another. */
#include "store/internal.h"

enum od_status od_jobs_insert(struct od_store *store, const struct od_job *job, int64_t *out_id,
                              struct od_error *err)
{
    struct od_sql_stmt *stmt;
    enum od_status s =
        od_store_change(store,
                        "INSERT INTO job (kind, arn, spec, running, attempts, created_ms) "
                        "VALUES ($1, $2, $3, $4, $5, $6) RETURNING id",
                        &stmt, err);
    if (s != OD_OK)
        return s;
    od_sql_text_or_empty(stmt, 1, job->kind);
    od_sql_text_or_empty(stmt, 2, job->arn);
    od_sql_text_or_empty(stmt, 3, job->spec);
    od_sql_i64(stmt, 4, job->running);
    od_sql_i64(stmt, 5, job->attempts);
    od_sql_i64(stmt, 6, job->created_ms);
    return od_store_run_i64(store, stmt, 0, out_id, err);
}

static enum od_status change_one(struct od_store *store, struct od_sql_stmt *stmt, int64_t id,
                                 struct od_error *err)
{
    int64_t changes;
    enum od_status s = od_store_run(store, stmt, &changes, err);
    if (s == OD_OK && changes == 0)
        return od_fail(err, OD_NOT_FOUND, "Job %lld does not exist.", (long long)id);
    return s;
}

enum od_status od_jobs_begin(struct od_store *store, int64_t id, struct od_error *err)
{
    struct od_sql_stmt *stmt;
    enum od_status s = od_store_change(
        store, "UPDATE job SET running = 1, attempts = attempts + 1 WHERE id = $1", &stmt, err);
    if (s != OD_OK)
        return s;
    od_sql_i64(stmt, 1, id);
    return change_one(store, stmt, id, err);
}

enum od_status od_jobs_put_back(struct od_store *store, struct od_error *err)
{
    struct od_sql_stmt *stmt;
    int64_t changes;
    enum od_status s = od_store_change(
        store, "UPDATE job SET running = 0, attempts = attempts - 1 WHERE running = 1", &stmt, err);
    return s == OD_OK ? od_store_run(store, stmt, &changes, err) : s;
}

enum od_status od_jobs_set_spec(struct od_store *store, int64_t id, struct od_str spec,
                                struct od_error *err)
{
    struct od_sql_stmt *stmt;
    enum od_status s = od_store_change(store, "UPDATE job SET spec = $1 WHERE id = $2", &stmt, err);
    if (s != OD_OK)
        return s;
    od_sql_text_or_empty(stmt, 1, spec);
    od_sql_i64(stmt, 2, id);
    return change_one(store, stmt, id, err);
}

enum od_status od_jobs_delete(struct od_store *store, int64_t id, struct od_error *err)
{
    struct od_sql_stmt *stmt;
    enum od_status s = od_store_change(store, "DELETE FROM job WHERE id = $1", &stmt, err);
    if (s != OD_OK)
        return s;
    od_sql_i64(stmt, 1, id);
    return change_one(store, stmt, id, err);
}

static void fill_job(struct od_sql_copier *row, void *item)
{
    struct od_job *job = item;
    job->id = od_sql_get_i64(row->stmt, 0);
    job->kind = od_sql_copy(row, 1);
    job->arn = od_sql_copy(row, 2);
    job->spec = od_sql_copy(row, 3);
    job->running = od_sql_get_i64(row->stmt, 4) != 0;
    job->attempts = (int)od_sql_get_i64(row->stmt, 5);
    job->created_ms = od_sql_get_i64(row->stmt, 6);
}

enum od_status od_jobs_list(struct od_store *store, struct od_arena *arena, struct od_job **out,
                            size_t *out_count, struct od_error *err)
{
    struct od_sql_stmt *stmt;
    enum od_status s = od_sql_prepare(
        store->sql,
        "SELECT id, kind, arn, spec, running, attempts, created_ms FROM job ORDER BY id", &stmt,
        err);
    void *rows;
    size_t count;
    if (s == OD_OK)
        s = od_sql_collect(stmt, arena, sizeof **out, fill_job, &rows, &count, err);
    if (s != OD_OK)
        return s;
    *out = rows;
    *out_count = count;
    return OD_OK;
}
