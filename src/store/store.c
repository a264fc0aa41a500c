/* The store: opening, closing, transactions. The tables each have their own file beside this.
 *
 * Invariants
 * 1. Only the holder of <folder>/lock has the writing connection (lock.c, sql_sqlite.c).
 * 2. A change happens inside a transaction or not at all: od_store_change refuses it outside, since
 *    the database would commit it alone.
 * 3. A transaction in which a change broke off half-way is never committed. A row refused whole (it
 *    exists, it does not) breaks nothing: the caller may go on and commit what went well.
 *
 * Everything here runs on the thread that owns the store. */
#include "store/internal.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct od_sql_driver *const driver = &od_sql_sqlite;

/* ---- opening and closing ---- */

static enum od_status database_path(const char *folder, char out[PATH_MAX], struct od_error *err)
{
    if (snprintf(out, PATH_MAX, "%s/ondol.db", folder) >= PATH_MAX)
        return od_fail(err, OD_INVALID_INPUT, "The data folder's path is too long: %s.", folder);
    return OD_OK;
}

/* SQLite would make the file readable to others, and its log with it: it holds secrets. An existing
 * file is not opened here, since closing it again would drop SQLite's locks of this process. */
static enum od_status make_file(const struct od_io *io, const char *folder, const char *path,
                                struct od_error *err)
{
    if (access(path, F_OK) == 0 || errno != ENOENT)
        return OD_OK; /* there, or in a state that opening it will tell */
    int fd;
    enum od_status s = io->open(io, path, OD_OPEN_EXCLUSIVE, &fd, err);
    if (s != OD_OK)
        return s;
    io->close(io, fd);
    s = io->open(io, folder, OD_OPEN_READ, &fd, err);
    if (s != OD_OK)
        return s;
    s = io->sync(io, fd, err); /* the new name is on the disk before anything relies on it */
    io->close(io, fd);
    return s;
}

/* Inside a transaction, so that no other program writes the log meanwhile. */
static enum od_status log_again(struct od_store *store, const char *path, struct od_error *err)
{
    enum od_status s = driver->begin(store->sql, err);
    if (s != OD_OK)
        return s;
    s = od_store_log_again(store->io, path, err);
    driver->rollback(store->sql);
    return s;
}

static enum od_status open_database(struct od_store *store, struct od_error *err)
{
    char path[PATH_MAX];
    enum od_status s = database_path(store->folder, path, err);
    if (s == OD_OK)
        s = make_file(store->io, store->folder, path, err);
    if (s == OD_OK)
        s = driver->open(path, OD_SQL_WRITE, &store->sql, err);
    if (s == OD_OK)
        s = log_again(store, path, err);
    if (s == OD_OK)
        s = od_store_migrate(store->sql, store->folder, store->io->now_ms(store->io), err);
    if (s == OD_OK) /* SQLite syncs the log's name when it makes it, and ignores what comes of it */
        s = od_io_sync_folder(store->io, store->folder, err);
    return s;
}

enum od_status od_store_open(const struct od_io *io, const char *folder, struct od_store **out,
                             struct od_error *err)
{
    enum od_status s = io->make_folder(io, folder, err);
    if (s != OD_OK)
        return s;
    struct od_store *store = calloc(1, sizeof *store);
    if (!store)
        return od_fail(err, OD_NO_MEMORY, NULL);
    store->io = io;
    store->lock_fd = -1;
    store->folder = realpath(folder, NULL);
    store->identity = od_identity_new();
    if (!store->folder)
        s = od_fail_errno(err, "cannot resolve %s", folder);
    else if (!store->identity)
        s = od_fail(err, OD_NO_MEMORY, NULL);
    if (s == OD_OK)
        s = od_store_lock(io, store->folder, &store->lock_fd, err);
    if (s == OD_OK)
        s = open_database(store, err);
    if (s != OD_OK) {
        od_store_close(store);
        return s;
    }
    store->reader.sql = store->sql;
    *out = store;
    return OD_OK;
}

void od_store_close(struct od_store *store)
{
    if (!store)
        return;
    od_sql_close(store->sql);
    od_store_unlock(store->io, store->lock_fd);
    od_identity_free(store->identity);
    free(store->folder);
    free(store);
}

/* ---- health ---- */

/* Passes s on. err: what was said of it; may be NULL. */
static enum od_status note_disk(struct od_store *store, enum od_status s,
                                const struct od_error *err)
{
    if (s == OD_IO) {
        if (err)
            snprintf(store->disk_error, sizeof store->disk_error, "%.255s", err->message);
        atomic_fetch_add(&store->disk_failures, 1);
        atomic_store(&store->disk_failing, true);
    }
    return s;
}

struct od_store_health od_store_health(const struct od_store *store)
{
    return (struct od_store_health){
        .failing = atomic_load(&((struct od_store *)store)->disk_failing),
        .failures = atomic_load(&((struct od_store *)store)->disk_failures),
        .memory_bytes = driver->memory_bytes(),
    };
}

const char *od_store_disk_error(const struct od_store *store)
{
    return store->disk_error;
}

enum od_status od_store_probe(struct od_store *store, int64_t now_ms, struct od_error *err)
{
    char text[32];
    snprintf(text, sizeof text, "%lld", (long long)now_ms);
    enum od_status s = od_store_begin(store, err);
    if (s != OD_OK)
        return s;
    s = od_settings_set(store, OD_STR("disk_probed_ms"), od_str_c(text), err);
    if (s == OD_OK)
        return od_store_commit(store, err);
    od_store_rollback(store);
    return s;
}

/* ---- transactions ---- */

enum od_status od_store_begin(struct od_store *store, struct od_error *err)
{
    if (store->begun)
        return od_fail(err, OD_INTERNAL, "A transaction has already begun.");
    enum od_status s = note_disk(store, store->sql->driver->begin(store->sql, err), err);
    if (s == OD_OK) {
        store->begun = true;
        store->failed = false;
    }
    return s;
}

void od_store_rollback(struct od_store *store)
{
    store->sql->driver->rollback(store->sql);
    store->begun = false;
    store->failed = false;
}

static enum od_status check_begun(struct od_store *store, struct od_error *err)
{
    if (!store->begun)
        return od_fail(err, OD_INTERNAL, "The change is outside a transaction.");
    if (store->failed || !store->sql->driver->in_transaction(store->sql))
        return od_fail(err, OD_IO,
                       "The transaction was given up because an earlier change in it failed.");
    return OD_OK;
}

enum od_status od_store_commit(struct od_store *store, struct od_error *err)
{
    enum od_status s = check_begun(store, err);
    if (s == OD_OK)
        s = note_disk(store, store->sql->driver->commit(store->sql, err), err);
    if (s == OD_OK)
        atomic_store(&store->disk_failing, false);
    else
        od_store_rollback(store);
    store->begun = false;
    return s;
}

/* A refused row leaves the transaction as it was. */
static enum od_status spoil(struct od_store *store, enum od_status s, const struct od_error *err)
{
    if (s != OD_OK && s != OD_EXISTS && s != OD_NOT_FOUND)
        store->failed = true;
    return note_disk(store, s, err);
}

enum od_status od_store_change(struct od_store *store, const char *text, struct od_sql_stmt **out,
                               struct od_error *err)
{
    enum od_status s = check_begun(store, err);
    return s == OD_OK ? spoil(store, od_sql_prepare(store->sql, text, out, err), err) : s;
}

enum od_status od_store_run(struct od_store *store, struct od_sql_stmt *stmt, int64_t *out_changes,
                            struct od_error *err)
{
    return spoil(store, od_sql_run(stmt, out_changes, err), err);
}

enum od_status od_store_run_i64(struct od_store *store, struct od_sql_stmt *stmt, int64_t fallback,
                                int64_t *out, struct od_error *err)
{
    return spoil(store, od_sql_run_i64(stmt, fallback, out, err), err);
}

/* ---- readers ---- */

enum od_status od_store_reader_open(const struct od_io *io, const char *folder,
                                    struct od_store_reader **out, struct od_error *err)
{
    (void)io; /* the driver opens its own files: sql_sqlite.c */
    char path[PATH_MAX];
    struct od_store_reader *reader = calloc(1, sizeof *reader);
    char *absolute = realpath(folder, NULL);
    enum od_status s = OD_OK;
    if (!absolute)
        s = od_fail_errno(err, "cannot open the data folder %s", folder);
    else if (!reader)
        s = od_fail(err, OD_NO_MEMORY, NULL);
    if (s == OD_OK)
        s = database_path(absolute, path, err);
    if (s == OD_OK)
        s = driver->open(path, OD_SQL_READ, &reader->sql, err);
    if (s == OD_OK)
        s = od_store_check_version(reader->sql, absolute, err);
    free(absolute);
    if (s != OD_OK) {
        od_store_reader_close(reader);
        return s;
    }
    *out = reader;
    return OD_OK;
}

void od_store_reader_close(struct od_store_reader *reader)
{
    if (!reader)
        return;
    od_sql_close(reader->sql);
    free(reader);
}

struct od_store_reader *od_store_as_reader(struct od_store *store)
{
    return &store->reader;
}
