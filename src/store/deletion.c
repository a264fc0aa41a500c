/* Deleting users from the log, and what is deleted from the files (data.md section 11).
 *
 * The ids stand in a temporary table of this connection, in memory, so that one pass over a dataset
 * finds all their rows, however many they are. A user's events are those with the user, and the
 * anonymous ones of sessions that are linked to the user or named like it (section 13: user and
 * session share one name space). An event of somebody else in a session named like a deleted user
 * stays, without the session's name.
 *
 * A deleted row is still in the file: on pages that are free, in gaps of pages in use, in the log.
 * od_store_scrub writes the database again and cuts the log off; only then are the rows gone. */
#include "store/internal.h"

#define DOOMED "(SELECT id FROM doomed)"

enum od_status od_doomed_begin(struct od_store *store, struct od_error *err)
{
    static const char *const table[] = {
        "CREATE TEMP TABLE IF NOT EXISTS doomed (id TEXT NOT NULL PRIMARY KEY)",
        "DELETE FROM doomed",
    };
    if (!store->begun)
        return od_fail(err, OD_INTERNAL, "The change is outside a transaction.");
    enum od_status s = OD_OK;
    for (size_t i = 0; s == OD_OK && i < 2; i++)
        s = od_sql_execute(store->sql, table[i], err);
    if (s != OD_OK)
        store->failed = true;
    return s;
}

enum od_status od_doomed_add(struct od_store *store, struct od_str user, struct od_error *err)
{
    struct od_sql_stmt *stmt;
    enum od_status s = od_store_change(
        store, "INSERT INTO doomed (id) VALUES ($1) ON CONFLICT (id) DO NOTHING", &stmt, err);
    if (s != OD_OK)
        return s;
    od_sql_text(stmt, 1, user);
    return od_store_run(store, stmt, NULL, err);
}

static enum od_status run(struct od_store *store, const char *text, int64_t dataset,
                          int64_t *out_changes, struct od_error *err)
{
    struct od_sql_stmt *stmt;
    enum od_status s = od_store_change(store, text, &stmt, err);
    if (s != OD_OK)
        return s;
    od_sql_i64(stmt, 1, dataset);
    return od_store_run(store, stmt, out_changes, err);
}

enum od_status od_doomed_delete(struct od_store *store, struct od_str dataset, bool of_users,
                                struct od_deleted *out, struct od_error *err)
{
    int64_t id = 0, unused;
    struct od_deleted deleted = {0};
    enum od_status s = od_store_dataset_find(store->sql, dataset, &id, err);
    if (s == OD_OK)
        s = run(store,
                "DELETE FROM event WHERE dataset = $1 AND (person IN " DOOMED
                " OR (person IS NULL AND (session IN " DOOMED " OR session IN "
                "(SELECT l.session FROM session_link l WHERE l.dataset = $1 "
                "AND l.person IN " DOOMED "))))",
                id, &deleted.events, err);
    if (s == OD_OK)
        s = run(store, "UPDATE event SET session = NULL WHERE dataset = $1 AND session IN " DOOMED,
                id, &unused, err);
    if (s == OD_OK)
        s = run(store,
                "DELETE FROM session_link WHERE dataset = $1 AND (person IN " DOOMED
                " OR session IN " DOOMED ")",
                id, &deleted.links, err);
    if (s == OD_OK && of_users)
        s = run(store, "DELETE FROM record WHERE dataset = $1 AND id IN " DOOMED, id,
                &deleted.records, err);
    if (s == OD_OK)
        *out = deleted;
    return s;
}

enum od_status od_doomed_end(struct od_store *store, struct od_error *err)
{
    int64_t unused;
    struct od_sql_stmt *stmt;
    enum od_status s = od_store_change(store, "DELETE FROM doomed", &stmt, err);
    return s == OD_OK ? od_store_run(store, stmt, &unused, err) : s;
}

enum od_status od_store_scrub(struct od_store *store, struct od_error *err)
{
    if (store->begun)
        return od_fail(err, OD_INTERNAL, "The database is scrubbed outside of transactions.");
    return store->sql->driver->scrub(store->sql, err);
}

enum od_status od_store_trim(struct od_store *store, struct od_error *err)
{
    bool mostly_free;
    enum od_status s = store->sql->driver->mostly_free(store->sql, &mostly_free, err);
    return s == OD_OK && mostly_free ? od_store_scrub(store, err) : s;
}
