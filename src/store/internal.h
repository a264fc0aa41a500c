/* What the files of the store share: the store's own structure and the guards of its calls. */
#ifndef OD_STORE_INTERNAL_H
#define OD_STORE_INTERNAL_H

#include <stdatomic.h>

#include "store/sql.h"
#include "store/store.h"

struct od_store_reader {
    struct od_sql *sql; /* its own, or the store's */
};

struct od_identity; /* identity.c: names events */

struct od_store {
    const struct od_io *io;
    struct od_sql *sql;
    char *folder;             /* absolute */
    int lock_fd;              /* -1: not locked */
    bool begun;               /* between begin and commit or rollback */
    atomic_bool disk_failing; /* od_store_health */
    atomic_ullong disk_failures;
    char disk_error[256]; /* the last one's message */
    bool failed; /* a write inside the transaction failed half-way: it must not be committed */
    struct od_identity *identity;
    struct od_store_reader reader; /* what od_store_as_reader gives */
};

/* Takes <folder>/lock; OD_IN_USE when another server has it. */
enum od_status od_store_lock(const struct od_io *io, const char *folder, int *out_fd,
                             struct od_error *err) OD_MUST_USE;
void od_store_unlock(const struct od_io *io, int fd);

/* Writes what is in the log (SQLite's -wal file) of the database at path onto itself and syncs it.
 * Nobody writes the log meanwhile; nothing was written behind it since the start. */
enum od_status od_store_log_again(const struct od_io *io, const char *path,
                                  struct od_error *err) OD_MUST_USE;

/* Brings the tables to this program's version, in one transaction. */
enum od_status od_store_migrate(struct od_sql *sql, const char *folder, int64_t now_ms,
                                struct od_error *err) OD_MUST_USE;
/* For a connection that may not write: are the tables of this program's version? */
enum od_status od_store_check_version(struct od_sql *sql, const char *folder,
                                      struct od_error *err) OD_MUST_USE;

/* Prepares a change. Refused outside a transaction, and in one that already failed. */
enum od_status od_store_change(struct od_store *store, const char *text, struct od_sql_stmt **out,
                               struct od_error *err) OD_MUST_USE;
/* Runs a change prepared so. A failure other than a refused row spoils the transaction. */
enum od_status od_store_run(struct od_store *store, struct od_sql_stmt *stmt, int64_t *out_changes,
                            struct od_error *err) OD_MUST_USE;
/* The same for a change with RETURNING: takes its number, or fallback without a row. */
enum od_status od_store_run_i64(struct od_store *store, struct od_sql_stmt *stmt, int64_t fallback,
                                int64_t *out, struct od_error *err) OD_MUST_USE;

/* The small number that stands for a dataset's ARN in the event tables; 0 when it has none. */
enum od_status od_store_dataset_find(struct od_sql *sql, struct od_str arn, int64_t *out,
                                     struct od_error *err) OD_MUST_USE;
/* Gives it one when it has none. */
enum od_status od_store_dataset_add(struct od_store *store, struct od_str arn, int64_t *out,
                                    struct od_error *err) OD_MUST_USE;

struct od_identity *od_identity_new(void); /* NULL when out of memory */
void od_identity_free(struct od_identity *identity);
/* The event's name in its dataset; valid until the next call. */
enum od_status od_identity_of(struct od_identity *identity, const struct od_event *event,
                              struct od_str *out, struct od_error *err) OD_MUST_USE;
/* The event id in an identity, a view of it; absent when the event had none. */
struct od_str od_identity_event_id(struct od_str identity);

#endif
