/* SQL behind a small table of functions, so that a database is one driver file.
 *
 * The store's other files speak only this. Their SQL is the common part of SQLite and PostgreSQL:
 * parameters are $1, $2, ... each first used in that order, upserts are ON CONFLICT, and the few
 * words that differ between the two (struct od_sql_dialect) are written as {tokens} in the table
 * definitions alone.
 *
 * A connection and its statements belong to one thread at a time. */
#ifndef OD_STORE_SQL_H
#define OD_STORE_SQL_H

#include "base/arena.h"

struct od_sql_driver;

/* The head of every driver's connection. */
struct od_sql {
    const struct od_sql_driver *driver;
};

/* The head of every driver's prepared statement. The connection owns and caches it. */
struct od_sql_stmt {
    const struct od_sql_driver *driver;
};

/* Words of table definitions that differ between databases. */
struct od_sql_dialect {
    const char *key;  /* {key}: column type of an ascending primary key that is never reused */
    const char *blob; /* {blob}: column type of bytes */
    const char *by_primary_key; /* {by_primary_key}: keeps a table in the order of its key */
};

enum od_sql_mode {
    OD_SQL_WRITE, /* the one connection that writes and checkpoints; creates the database */
    OD_SQL_READ   /* never writes, never checkpoints */
};

struct od_sql_driver {
    const char *name; /* "sqlite" */
    struct od_sql_dialect dialect;

    enum od_status (*open)(const char *where, enum od_sql_mode mode, struct od_sql **out,
                           struct od_error *err);
    void (*close)(struct od_sql *sql); /* rolls back, checkpoints (writer), frees statements */
    /* Statements without parameters and results, separated by ";". */
    enum od_status (*execute)(struct od_sql *sql, const char *text, struct od_error *err);

    enum od_status (*begin)(struct od_sql *sql, struct od_error *err);
    /* A failed commit has rolled back. */
    enum od_status (*commit)(struct od_sql *sql, struct od_error *err);
    void (*rollback)(struct od_sql *sql); /* nothing to do is fine */
    /* False after the database itself rolled back, as a full disk makes it do. */
    bool (*in_transaction)(struct od_sql *sql);

    /* Writes all files of the database again, without what was deleted (store.h). The writer's
     * alone, outside of transactions, with no statement in use. */
    enum od_status (*scrub)(struct od_sql *sql, struct od_error *err);
    /* Memory that the database's code holds in this process, mostly pages. Any thread. */
    uint64_t (*memory_bytes)(void);
    /* Is more than half of the database's file free? */
    enum od_status (*mostly_free)(struct od_sql *sql, bool *out, struct od_error *err);

    /* The statement for this text, prepared on first use. It must not be in use. */
    enum od_status (*prepare)(struct od_sql *sql, const char *text, struct od_sql_stmt **out,
                              struct od_error *err);
    /* index counts from 1. Bytes are borrowed until the statement is reset. A failure is kept and
     * reported by the next step. */
    void (*bind_i64)(struct od_sql_stmt *stmt, int index, int64_t value);
    void (*bind_double)(struct od_sql_stmt *stmt, int index, double value); /* finite */
    void (*bind_text)(struct od_sql_stmt *stmt, int index, struct od_str value);
    void (*bind_blob)(struct od_sql_stmt *stmt, int index, struct od_str bytes);
    void (*bind_null)(struct od_sql_stmt *stmt, int index);
    /* True in *out_row: a row is there to read. False or a failure: the statement is reset. */
    enum od_status (*step)(struct od_sql_stmt *stmt, bool *out_row, struct od_error *err);
    void (*reset)(struct od_sql_stmt *stmt);      /* ends a read before its last row */
    int64_t (*changes)(struct od_sql_stmt *stmt); /* rows the last finished change touched */

    /* Columns of the row, from 0. Text and bytes are valid until the next step or reset. */
    bool (*is_null)(struct od_sql_stmt *stmt, int column);
    int64_t (*get_i64)(struct od_sql_stmt *stmt, int column);
    double (*get_double)(struct od_sql_stmt *stmt, int column);
    struct od_str (*get_text)(struct od_sql_stmt *stmt, int column); /* NULL: OD_STR_NONE */
    struct od_str (*get_blob)(struct od_sql_stmt *stmt, int column); /* likewise */
};

extern const struct od_sql_driver od_sql_sqlite;

/* ---- convenience over the table ---- */

void od_sql_close(struct od_sql *sql); /* NULL is fine */
enum od_status od_sql_execute(struct od_sql *sql, const char *text,
                              struct od_error *err) OD_MUST_USE;
enum od_status od_sql_prepare(struct od_sql *sql, const char *text, struct od_sql_stmt **out,
                              struct od_error *err) OD_MUST_USE;
void od_sql_i64(struct od_sql_stmt *stmt, int index, int64_t value);
void od_sql_double(struct od_sql_stmt *stmt, int index, double value);
void od_sql_text(struct od_sql_stmt *stmt, int index, struct od_str value); /* absent: NULL */
void od_sql_text_or_empty(struct od_sql_stmt *stmt, int index, struct od_str value);
void od_sql_blob(struct od_sql_stmt *stmt, int index, struct od_str bytes);
void od_sql_null(struct od_sql_stmt *stmt, int index);
enum od_status od_sql_step(struct od_sql_stmt *stmt, bool *out_row,
                           struct od_error *err) OD_MUST_USE;
void od_sql_reset(struct od_sql_stmt *stmt);
/* Runs a change to its end. out_changes (may be NULL): rows it touched. */
enum od_status od_sql_run(struct od_sql_stmt *stmt, int64_t *out_changes,
                          struct od_error *err) OD_MUST_USE;
/* Runs to the end and takes column 0 of the first row, or fallback when there is none. */
enum od_status od_sql_run_i64(struct od_sql_stmt *stmt, int64_t fallback, int64_t *out,
                              struct od_error *err) OD_MUST_USE;
bool od_sql_is_null(struct od_sql_stmt *stmt, int column);
int64_t od_sql_get_i64(struct od_sql_stmt *stmt, int column);
double od_sql_get_double(struct od_sql_stmt *stmt, int column);
struct od_str od_sql_get_text(struct od_sql_stmt *stmt, int column);
struct od_str od_sql_get_blob(struct od_sql_stmt *stmt, int column);

/* Copies text columns of one row into an arena and remembers a lack of memory. */
struct od_sql_copier {
    struct od_sql_stmt *stmt;
    struct od_arena *arena;
    bool out_of_memory;
};
struct od_str od_sql_copy(struct od_sql_copier *copier, int column);

/* Runs a query to its end, giving each row to fill with a zeroed item of the size given. The items
 * lie one after another in the arena. */
enum od_status od_sql_collect(struct od_sql_stmt *stmt, struct od_arena *arena, size_t item_size,
                              void (*fill)(struct od_sql_copier *row, void *item), void **out,
                              size_t *out_count, struct od_error *err) OD_MUST_USE;

#endif
