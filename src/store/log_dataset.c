/* Datasets in the log go by small numbers: an ARN of 80 bytes in each row and each index would
 * double them. A number once given stays with its ARN for good, also when the dataset is emptied.
 */
#include "store/internal.h"

enum od_status od_store_dataset_find(struct od_sql *sql, struct od_str arn, int64_t *out,
                                     struct od_error *err)
{
    struct od_sql_stmt *stmt;
    enum od_status s = od_sql_prepare(sql, "SELECT id FROM log_dataset WHERE arn = $1", &stmt, err);
    if (s != OD_OK)
        return s;
    od_sql_text_or_empty(stmt, 1, arn);
    return od_sql_run_i64(stmt, 0, out, err);
}

enum od_status od_store_dataset_add(struct od_store *store, struct od_str arn, int64_t *out,
                                    struct od_error *err)
{
    if (!arn.len)
        return od_fail(err, OD_INVALID_INPUT, "dataset: the ARN of a dataset is needed.");
    int64_t id;
    enum od_status s = od_store_dataset_find(store->sql, arn, &id, err);
    struct od_sql_stmt *stmt;
    if (s == OD_OK && id == 0) {
        s = od_store_change(store, "INSERT INTO log_dataset (arn) VALUES ($1) RETURNING id", &stmt,
                            err);
        if (s != OD_OK)
            return s;
        od_sql_text(stmt, 1, arn);
        s = od_store_run_i64(store, stmt, 0, &id, err);
    }
    if (s == OD_OK)
        *out = id;
    return s;
}
