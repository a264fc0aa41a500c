/* The tables, and how an older data folder comes to have them.
 *
 * Each version is a list of statements that lead from the version before to it; a published version
 * never changes, a change of tables is a new one at the end. Table od_version keeps a row for each
 * version applied. Everything happens in one transaction: a start that is killed here starts again.
 * What the columns mean: docs/formats/store.md. */
#include "store/internal.h"

#include <string.h>

static const char *const version_1[] = {
    /* the catalogue */
    "CREATE TABLE resource (seq {key}, arn TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, "
    "name TEXT NOT NULL, parent TEXT NOT NULL, dataset_group TEXT NOT NULL, status TEXT NOT NULL, "
    "failure_reason TEXT NOT NULL, created_ms BIGINT NOT NULL, updated_ms BIGINT NOT NULL, "
    "body TEXT NOT NULL, extra TEXT NOT NULL)",
    "CREATE INDEX resource_by_kind ON resource (kind, seq)",
    "CREATE INDEX resource_by_parent ON resource (parent, kind, seq)",
    "CREATE INDEX resource_by_group ON resource (dataset_group, kind, seq)",
    "CREATE TABLE tag (arn TEXT NOT NULL REFERENCES resource (arn) ON DELETE CASCADE, "
    "tag_key TEXT NOT NULL, tag_value TEXT NOT NULL, PRIMARY KEY (arn, tag_key)) "
    "{by_primary_key}",
    "CREATE TABLE job (id {key}, kind TEXT NOT NULL, arn TEXT NOT NULL, spec TEXT NOT NULL, "
    "running BIGINT NOT NULL, attempts BIGINT NOT NULL, created_ms BIGINT NOT NULL)",
    "CREATE TABLE access_key (seq {key}, id TEXT NOT NULL UNIQUE, secret TEXT NOT NULL, "
    "note TEXT NOT NULL, created_ms BIGINT NOT NULL, revoked_ms BIGINT NOT NULL)",
    "CREATE TABLE setting (name TEXT NOT NULL PRIMARY KEY, setting_value TEXT NOT NULL) "
    "{by_primary_key}",
    "CREATE TABLE bulk (id {key}, dataset TEXT NOT NULL, path TEXT NOT NULL, "
    "row_count BIGINT NOT NULL, arrived_ms BIGINT NOT NULL, job TEXT NOT NULL)",
    "CREATE INDEX bulk_by_dataset ON bulk (dataset, id)",
    /* the log */
    "CREATE TABLE log_dataset (id {key}, arn TEXT NOT NULL UNIQUE)",
    "CREATE TABLE event (seq {key}, dataset BIGINT NOT NULL, identity {blob} NOT NULL, "
    "person TEXT, session TEXT, item TEXT, event_type TEXT, "
    "time_s BIGINT NOT NULL, arrived_ms BIGINT NOT NULL, event_value DOUBLE PRECISION, "
    "body TEXT NOT NULL, UNIQUE (dataset, identity))",
    "CREATE INDEX event_by_dataset ON event (dataset, seq)",
    "CREATE TABLE session_link (dataset BIGINT NOT NULL, session TEXT NOT NULL, "
    "person TEXT NOT NULL, PRIMARY KEY (dataset, session)) {by_primary_key}",
    "CREATE TABLE record (seq {key}, dataset BIGINT NOT NULL, id TEXT NOT NULL, "
    "arrived_ms BIGINT NOT NULL, body TEXT NOT NULL, UNIQUE (dataset, id))",
    "CREATE INDEX record_by_dataset ON record (dataset, seq)",
    NULL,
};

static const char *const version_2[] = {
    /* what metric attributions counted */
    "CREATE TABLE attribution_total (attribution BIGINT NOT NULL, metric TEXT NOT NULL, "
    "source TEXT NOT NULL, total DOUBLE PRECISION NOT NULL, "
    "PRIMARY KEY (attribution, metric, source)) {by_primary_key}",
    "CREATE TABLE attribution_report (id {key}, attribution BIGINT NOT NULL, "
    "location TEXT NOT NULL, stamp_s BIGINT NOT NULL)",
    "CREATE TABLE attribution_cell (attribution BIGINT NOT NULL, report BIGINT NOT NULL, "
    "period_s BIGINT NOT NULL, metric TEXT NOT NULL, source TEXT NOT NULL, "
    "event_type TEXT NOT NULL, math_function TEXT NOT NULL, total DOUBLE PRECISION NOT NULL, "
    "PRIMARY KEY (attribution, report, period_s, metric, source)) {by_primary_key}",
    NULL,
};

static const char *const *const versions[] = {version_1, version_2};

#define VERSION_COUNT ((int64_t)(sizeof versions / sizeof *versions))

/* Writes text to out with its {tokens} in the words of the database. */
static enum od_status translate(const struct od_sql_dialect *dialect, const char *text,
                                struct od_buf *out)
{
    const struct {
        const char *token, *words;
    } table[] = {
        {"{key}", dialect->key},
        {"{blob}", dialect->blob},
        {"{by_primary_key}", dialect->by_primary_key},
    };
    od_buf_clear(out);
    for (const char *at = text; *at;) {
        size_t i = 0;
        while (i < 3 && strncmp(at, table[i].token, strlen(table[i].token)) != 0)
            i++;
        if (i < 3) {
            od_buf_puts(out, table[i].words);
            at += strlen(table[i].token);
        } else {
            od_buf_char(out, *at++);
        }
    }
    return od_buf_status(out);
}

static enum od_status apply(struct od_sql *sql, const char *const *statements, struct od_error *err)
{
    struct od_buf text;
    od_buf_init(&text, 64 * 1024);
    enum od_status s = OD_OK;
    for (size_t i = 0; s == OD_OK && statements[i]; i++) {
        s = translate(&sql->driver->dialect, statements[i], &text);
        s = s == OD_OK ? od_sql_execute(sql, text.ptr, err) : od_fail(err, s, NULL);
    }
    od_buf_done(&text);
    return s;
}

static enum od_status read_version(struct od_sql *sql, int64_t *out, struct od_error *err)
{
    struct od_sql_stmt *stmt;
    enum od_status s =
        od_sql_prepare(sql, "SELECT COALESCE(MAX(version), 0) FROM od_version", &stmt, err);
    return s == OD_OK ? od_sql_run_i64(stmt, 0, out, err) : s;
}

static enum od_status note_version(struct od_sql *sql, int64_t version, int64_t now_ms,
                                   struct od_error *err)
{
    struct od_sql_stmt *stmt;
    enum od_status s = od_sql_prepare(
        sql, "INSERT INTO od_version (version, applied_ms) VALUES ($1, $2)", &stmt, err);
    if (s != OD_OK)
        return s;
    od_sql_i64(stmt, 1, version);
    od_sql_i64(stmt, 2, now_ms);
    return od_sql_run(stmt, NULL, err);
}

static enum od_status fail_newer(const char *folder, int64_t version, struct od_error *err)
{
    return od_fail(err, OD_UNAVAILABLE,
                   "The data folder %s was written by a newer ondol: its tables have version %lld, "
                   "and this program knows versions up to %lld.",
                   folder, (long long)version, (long long)VERSION_COUNT);
}

static enum od_status migrate(struct od_sql *sql, const char *folder, int64_t now_ms,
                              struct od_error *err)
{
    int64_t version = 0;
    enum od_status s = od_sql_execute(sql,
                                      "CREATE TABLE IF NOT EXISTS od_version "
                                      "(version BIGINT NOT NULL PRIMARY KEY, "
                                      "applied_ms BIGINT NOT NULL)",
                                      err);
    if (s == OD_OK)
        s = read_version(sql, &version, err);
    if (s == OD_OK && version > VERSION_COUNT)
        return fail_newer(folder, version, err);
    if (s == OD_OK && version < 0)
        return od_fail(err, OD_CORRUPT, "The data folder %s has tables of version %lld.", folder,
                       (long long)version);
    for (; s == OD_OK && version < VERSION_COUNT; version++) {
        s = apply(sql, versions[version], err);
        if (s == OD_OK)
            s = note_version(sql, version + 1, now_ms, err);
    }
    return s;
}

enum od_status od_store_migrate(struct od_sql *sql, const char *folder, int64_t now_ms,
                                struct od_error *err)
{
    enum od_status s = sql->driver->begin(sql, err);
    if (s != OD_OK)
        return s;
    s = migrate(sql, folder, now_ms, err);
    if (s == OD_OK)
        return sql->driver->commit(sql, err);
    sql->driver->rollback(sql);
    return s;
}

enum od_status od_store_check_version(struct od_sql *sql, const char *folder, struct od_error *err)
{
    int64_t version;
    enum od_status s = read_version(sql, &version, err);
    if (s != OD_OK)
        return s;
    if (version > VERSION_COUNT)
        return fail_newer(folder, version, err);
    if (version < VERSION_COUNT)
        return od_fail(err, OD_UNAVAILABLE,
                       "The data folder %s has tables of version %lld; start a server on it once "
                       "to bring them to version %lld.",
                       folder, (long long)version, (long long)VERSION_COUNT);
    return OD_OK;
}
