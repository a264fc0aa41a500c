/* Put records: the newest whole record of each item or user.
 *
 * A put replaces the one before (data.md section 12.3) and gets a new seq, so that a reader who
 * knows everything up to a seq finds the change by asking for what came after. */
#include "store/internal.h"

static enum od_status remove_older(struct od_store *store, int64_t dataset, struct od_str id,
                                   struct od_error *err)
{
    struct od_sql_stmt *stmt;
    enum od_status s =
        od_store_change(store, "DELETE FROM record WHERE dataset = $1 AND id = $2", &stmt, err);
    if (s != OD_OK)
        return s;
    od_sql_i64(stmt, 1, dataset);
    od_sql_text(stmt, 2, id);
    return od_store_run(store, stmt, NULL, err);
}

static enum od_status insert(struct od_store *store, int64_t dataset,
                             const struct od_record *record, struct od_error *err)
{
    struct od_sql_stmt *stmt;
    enum od_status s = od_store_change(store,
                                       "INSERT INTO record (dataset, id, arrived_ms, body) "
                                       "VALUES ($1, $2, $3, $4)",
                                       &stmt, err);
    if (s != OD_OK)
        return s;
    od_sql_i64(stmt, 1, dataset);
    od_sql_text(stmt, 2, record->id);
    od_sql_i64(stmt, 3, record->arrived_ms);
    od_sql_text_or_empty(stmt, 4, record->body);
    return od_store_run(store, stmt, NULL, err);
}

enum od_status od_records_put(struct od_store *store, struct od_str dataset,
                              const struct od_record *records, size_t count, struct od_error *err)
{
    for (size_t i = 0; i < count; i++)
        if (!records[i].id.len)
            return od_fail(err, OD_INVALID_INPUT, "record %zu: its id must not be empty.", i);
    int64_t id;
    enum od_status s = od_store_dataset_add(store, dataset, &id, err);
    for (size_t i = 0; s == OD_OK && i < count; i++) {
        s = remove_older(store, id, records[i].id, err);
        if (s == OD_OK)
            s = insert(store, id, &records[i], err);
    }
    return s;
}
