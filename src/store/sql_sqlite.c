/* The SQLite driver: see sql.h.
 *
 * Invariants
 * 1. WAL with synchronous=FULL: a commit that returned OD_OK is on the disk.
 * 2. One connection (OD_SQL_WRITE) does all writes and all checkpoints. SQLite before 3.51.3 can
 *    lose a commit when one connection resets the log while another checkpoints it; with a single
 *    one there is no other. Readers therefore open read-only, set query_only, and are told not to
 *    checkpoint when they happen to close last.
 * 3. The file is distrusted: no triggers, no views, no functions called from the schema, cell sizes
 *    checked. A damaged file gives OD_CORRUPT, never a wrong answer taken for a right one.
 * 4. SQLite rolls a transaction back by itself when the disk is full or fails. in_transaction
 * tells, so that a caller never goes on in autocommit mode without knowing.
 *
 * SQLite opens its files itself, through its own VFS and not through struct od_io. A VFS of ours
 * would add nothing but risk: the unix one is what everybody runs, with its locks against other
 * programs and the log's index in shared memory. Tests put a VFS around it (tests/unit/sim/vfs.h),
 * or a bad disk below the whole process (tests/faults). */
#include "store/sql.h"

#include <assert.h>
#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/dict.h"

#define BUSY_TIMEOUT_MS 5000 /* readers wait while the writer recovers the log after a crash */
/* 32 MiB of log between checkpoints: fewer sorted write-backs of the same pages than SQLite's 4 MiB
 * default, at the cost of a longer recovery (well under a second). */
#define CHECKPOINT_PAGES "8192"
/* A log that grew while a reader kept it from being reset is cut back to this many bytes. */
#define LOG_KEEP_BYTES   "67108864"
#define WRITER_CACHE_KIB "65536" /* the event identities' index is touched at random */
#define READER_CACHE_KIB "8192"
#define FULL_TEXT                                                                                  \
    OD_DISK_TEXT " is full: the database cannot grow. Nothing was stored; try again when "         \
                 "there is room."
#define READ_ONLY_TEXT                                                                             \
    OD_DISK_TEXT " is read-only: the database cannot be written. Nothing was stored; try "         \
                 "again when it can."

struct lite_stmt {
    struct od_sql_stmt head;
    struct lite *owner;
    sqlite3_stmt *handle;
    int bind_rc; /* first failed bind since the last step */
    bool busy;   /* stepped, and neither ended nor reset */
    int64_t changes;
};

struct lite {
    struct od_sql head;
    sqlite3 *db;
    char *path;
    bool writes;
    struct od_dict *texts;    /* statement text -> place in stmts */
    struct lite_stmt **stmts; /* [count], in order of first use */
    uint32_t count, cap;
};

static struct lite *of(struct od_sql *sql)
{
    return (struct lite *)sql;
}

static struct lite_stmt *stmt_of(struct od_sql_stmt *stmt)
{
    return (struct lite_stmt *)stmt;
}

/* ---- errors ---- */

/* These sentences reach clients: they name the trouble and not the place. SQLite's own note of
 * errno (sqlite3_system_errno) is not taken at every failure, a COMMIT's for one, and would be an
 * older failure's; so errno is cleared before whatever may touch the disk, and read here. */
static enum od_status fail_io(struct lite *lite, const char *what, struct od_error *err)
{
    int system = errno;
    char text[128] = "";
    if (system == ENOSPC || system == EDQUOT)
        return od_fail(err, OD_IO, FULL_TEXT);
    if (system == EROFS)
        return od_fail(err, OD_IO, READ_ONLY_TEXT);
    if (system)
        return od_fail(err, OD_IO, OD_DISK_TEXT " failed: the database could not be %s (%s).", what,
                       strerror_r(system, text, sizeof text));
    return od_fail(err, OD_IO, OD_DISK_TEXT " failed: the database could not be %s (%s).", what,
                   sqlite3_errmsg(lite->db));
}

static enum od_status fail_constraint(struct lite *lite, struct od_error *err)
{
    switch (sqlite3_extended_errcode(lite->db)) {
    case SQLITE_CONSTRAINT_UNIQUE:
    case SQLITE_CONSTRAINT_PRIMARYKEY:
    case SQLITE_CONSTRAINT_ROWID:
        return od_fail(err, OD_EXISTS, NULL);
    case SQLITE_CONSTRAINT_FOREIGNKEY:
        return od_fail(err, OD_NOT_FOUND, NULL);
    default:
        return od_fail(err, OD_INTERNAL, "%s: %s.", lite->path, sqlite3_errmsg(lite->db));
    }
}

static enum od_status fail(struct lite *lite, int rc, struct od_error *err)
{
    switch (rc & 0xFF) {
    case SQLITE_FULL:
        return od_fail(err, OD_IO, FULL_TEXT);
    case SQLITE_IOERR:
        return fail_io(lite, "read or written", err);
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
    case SQLITE_AUTH:
        return fail_io(lite, "opened", err);
    case SQLITE_READONLY:
        return od_fail(err, OD_IO, READ_ONLY_TEXT);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return od_fail(err, OD_CORRUPT, "The database %s is damaged: %s.", lite->path,
                       sqlite3_errmsg(lite->db));
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return od_fail(err, OD_UNAVAILABLE,
                       "The database %s is held by another program; only the server may open it.",
                       lite->path);
    case SQLITE_NOMEM:
        return od_fail(err, OD_NO_MEMORY, NULL);
    case SQLITE_TOOBIG:
        return od_fail(err, OD_TOO_LARGE, "A value is too large for the database %s.", lite->path);
    case SQLITE_CONSTRAINT:
        return fail_constraint(lite, err);
    default:
        return od_fail(err, OD_INTERNAL, "%s: %s.", lite->path, sqlite3_errmsg(lite->db));
    }
}

/* ---- connections ---- */

static enum od_status lite_execute(struct od_sql *sql, const char *text, struct od_error *err)
{
    struct lite *lite = of(sql);
    errno = 0;
    int rc = sqlite3_exec(lite->db, text, NULL, NULL, NULL);
    return rc == SQLITE_OK ? OD_OK : fail(lite, rc, err);
}

/* Sets a pragma and asks for it again: SQLite ignores what it does not know or cannot do. */
static enum od_status pragma(struct lite *lite, const char *name, const char *value,
                             const char *expect, struct od_error *err)
{
    char text[96], got[64] = "nothing";
    snprintf(text, sizeof text, "PRAGMA %s=%s; ", name, value);
    errno = 0;
    int rc = sqlite3_exec(lite->db, text, NULL, NULL, NULL);
    if (rc != SQLITE_OK)
        return fail(lite, rc, err);
    snprintf(text, sizeof text, "PRAGMA %s", name);
    sqlite3_stmt *stmt;
    rc = sqlite3_prepare_v2(lite->db, text, -1, &stmt, NULL);
    if (rc != SQLITE_OK)
        return fail(lite, rc, err);
    if (sqlite3_step(stmt) == SQLITE_ROW)
        snprintf(got, sizeof got, "%s", (const char *)sqlite3_column_text(stmt, 0));
    rc = sqlite3_finalize(stmt);
    if (rc != SQLITE_OK)
        return fail(lite, rc, err);
    if (strcmp(got, expect) != 0)
        return od_fail(err, OD_UNAVAILABLE, "%s: SQLite's %s must be %s, but it is %s.", lite->path,
                       name, expect, got);
    return OD_OK;
}

struct setting {
    const char *name, *value, *expect;
};

static enum od_status set_all(struct lite *lite, const struct setting *settings, size_t count,
                              struct od_error *err)
{
    enum od_status s = OD_OK;
    for (size_t i = 0; s == OD_OK && i < count; i++)
        s = pragma(lite, settings[i].name, settings[i].value, settings[i].expect, err);
    return s;
}

static enum od_status configure(struct lite *lite, struct od_error *err)
{
    static const int switches[][2] = {
        {SQLITE_DBCONFIG_DEFENSIVE, 1},      {SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0},
        {SQLITE_DBCONFIG_ENABLE_TRIGGER, 0}, {SQLITE_DBCONFIG_ENABLE_VIEW, 0},
        {SQLITE_DBCONFIG_DQS_DML, 0},        {SQLITE_DBCONFIG_DQS_DDL, 0},
    };
    static const struct setting writer[] = {
        {"encoding", "'UTF-8'", "UTF-8"}, /* must come before the first table */
        {"journal_mode", "WAL", "wal"},
        {"synchronous", "FULL", "2"},
        {"foreign_keys", "ON", "1"},
        {"wal_autocheckpoint", CHECKPOINT_PAGES, CHECKPOINT_PAGES},
        {"journal_size_limit", LOG_KEEP_BYTES, LOG_KEEP_BYTES},
        {"cache_size", "-" WRITER_CACHE_KIB, "-" WRITER_CACHE_KIB},
        {"temp_store", "MEMORY", "2"},
        {"cell_size_check", "ON", "1"},
    };
    static const struct setting reader[] = {
        {"encoding", "'UTF-8'", "UTF-8"},
        {"query_only", "ON", "1"},
        {"wal_autocheckpoint", "0", "0"},
        {"cache_size", "-" READER_CACHE_KIB, "-" READER_CACHE_KIB},
        {"temp_store", "MEMORY", "2"},
        {"cell_size_check", "ON", "1"},
    };
    sqlite3_extended_result_codes(lite->db, 1);
    int rc = sqlite3_busy_timeout(lite->db, BUSY_TIMEOUT_MS);
    for (size_t i = 0; rc == SQLITE_OK && i < sizeof switches / sizeof *switches; i++)
        rc = sqlite3_db_config(lite->db, switches[i][0], switches[i][1], NULL);
    if (rc == SQLITE_OK && !lite->writes)
        rc = sqlite3_db_config(lite->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    if (rc != SQLITE_OK)
        return fail(lite, rc, err);
    return lite->writes ? set_all(lite, writer, sizeof writer / sizeof *writer, err)
                        : set_all(lite, reader, sizeof reader / sizeof *reader, err);
}

static void free_statements(struct lite *lite)
{
    for (uint32_t i = 0; i < lite->count; i++) {
        sqlite3_finalize(lite->stmts[i]->handle);
        free(lite->stmts[i]);
    }
    free(lite->stmts);
    od_dict_free(lite->texts);
}

static void lite_close(struct od_sql *sql)
{
    struct lite *lite = of(sql);
    free_statements(lite);
    if (lite->db && lite->writes) {
        if (!sqlite3_get_autocommit(lite->db))
            sqlite3_exec(lite->db, "ROLLBACK", NULL, NULL, NULL);
        /* Passive: never waits for a reader. What stays in the log is read at the next start. */
        sqlite3_wal_checkpoint_v2(lite->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    }
    int rc = sqlite3_close(lite->db);
    assert(rc == SQLITE_OK); /* every statement of this connection is in the cache */
    (void)rc;
    free(lite->path);
    free(lite);
}

static enum od_status lite_open(const char *where, enum od_sql_mode mode, struct od_sql **out,
                                struct od_error *err)
{
    struct od_error why;
    struct lite *lite = calloc(1, sizeof *lite);
    if (!lite)
        return od_fail(err, OD_NO_MEMORY, NULL);
    lite->head.driver = &od_sql_sqlite;
    lite->writes = mode == OD_SQL_WRITE;
    lite->path = strdup(where);
    lite->texts = od_dict_new();
    enum od_status s = OD_OK;
    if (!lite->path || !lite->texts) {
        s = od_fail(err, OD_NO_MEMORY, NULL);
    } else {
        int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE;
        flags |= lite->writes ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READONLY;
        errno = 0;
        int rc = sqlite3_open_v2(where, &lite->db, flags, NULL);
        s = rc == SQLITE_OK ? configure(lite, &why) : fail(lite, rc, &why);
        if (s == OD_IO) /* whoever starts the server wants to know where, too */
            (void)od_fail(err, s, "%s: %s", where, why.message);
        else if (s != OD_OK)
            od_error_copy(err, &why);
    }
    if (s != OD_OK) {
        lite_close(&lite->head);
        return s;
    }
    *out = &lite->head;
    return OD_OK;
}

/* ---- transactions ---- */

static enum od_status lite_begin(struct od_sql *sql, struct od_error *err)
{
    return lite_execute(sql, "BEGIN IMMEDIATE", err); /* takes the write lock here, not later */
}

static bool lite_in_transaction(struct od_sql *sql)
{
    return !sqlite3_get_autocommit(of(sql)->db);
}

static void lite_rollback(struct od_sql *sql)
{
    struct lite *lite = of(sql);
    for (uint32_t i = 0; i < lite->count; i++)
        if (lite->stmts[i]->busy)
            sql->driver->reset(&lite->stmts[i]->head);
    if (lite_in_transaction(sql))
        sqlite3_exec(lite->db, "ROLLBACK", NULL, NULL, NULL);
}

static enum od_status lite_commit(struct od_sql *sql, struct od_error *err)
{
    enum od_status s = lite_execute(sql, "COMMIT", err);
    if (s != OD_OK)
        lite_rollback(sql);
    return s;
}

/* VACUUM copies what is left through a temporary file, not through memory as other temporary things
 * of ours: it may be large. The new pages go through the log, which the checkpoint then empties. */
static enum od_status lite_scrub(struct od_sql *sql, struct od_error *err)
{
    struct lite *lite = of(sql);
    enum od_status s = lite_execute(sql, "PRAGMA temp_store=FILE; VACUUM", err);
    enum od_status reset = lite_execute(sql, "PRAGMA temp_store=MEMORY", s == OD_OK ? err : NULL);
    if (s == OD_OK)
        s = reset;
    if (s != OD_OK)
        return s;
    errno = 0;
    int rc = sqlite3_wal_checkpoint_v2(lite->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    return rc == SQLITE_OK ? OD_OK : fail(lite, rc, err);
}

static uint64_t lite_memory_bytes(void)
{
    sqlite3_int64 now = 0, most = 0;
    return sqlite3_status64(SQLITE_STATUS_MEMORY_USED, &now, &most, 0) == SQLITE_OK ? (uint64_t)now
                                                                                    : 0;
}

static enum od_status pragma_number(struct lite *lite, const char *text, int64_t *out,
                                    struct od_error *err)
{
    sqlite3_stmt *stmt;
    int rc = sqlite3_prepare_v2(lite->db, text, -1, &stmt, NULL);
    if (rc != SQLITE_OK)
        return fail(lite, rc, err);
    *out = sqlite3_step(stmt) == SQLITE_ROW ? sqlite3_column_int64(stmt, 0) : 0;
    rc = sqlite3_finalize(stmt);
    return rc == SQLITE_OK ? OD_OK : fail(lite, rc, err);
}

static enum od_status lite_mostly_free(struct od_sql *sql, bool *out, struct od_error *err)
{
    int64_t all, unused;
    enum od_status s = pragma_number(of(sql), "PRAGMA page_count", &all, err);
    if (s == OD_OK)
        s = pragma_number(of(sql), "PRAGMA freelist_count", &unused, err);
    if (s == OD_OK)
        *out = unused > all / 2;
    return s;
}

/* ---- statements ---- */

/* Parameters are counted by SQLite in order of first use but named by us: both must agree, or a
 * database that goes by the name would bind other values. */
static bool parameters_in_order(sqlite3_stmt *handle)
{
    int count = sqlite3_bind_parameter_count(handle);
    for (int i = 1; i <= count; i++) {
        char expect[16];
        snprintf(expect, sizeof expect, "$%d", i);
        const char *name = sqlite3_bind_parameter_name(handle, i);
        if (!name || strcmp(name, expect) != 0)
            return false;
    }
    return true;
}

static enum od_status add_statement(struct lite *lite, const char *text, struct lite_stmt **out,
                                    struct od_error *err)
{
    if (lite->count == lite->cap) {
        uint32_t cap = lite->cap ? lite->cap * 2 : 64;
        struct lite_stmt **grown = realloc(lite->stmts, cap * sizeof *grown);
        if (!grown)
            return od_fail(err, OD_NO_MEMORY, NULL);
        lite->stmts = grown;
        lite->cap = cap;
    }
    struct lite_stmt *stmt = calloc(1, sizeof *stmt);
    if (!stmt)
        return od_fail(err, OD_NO_MEMORY, NULL);
    stmt->head.driver = &od_sql_sqlite;
    stmt->owner = lite;
    errno = 0;
    int rc = sqlite3_prepare_v3(lite->db, text, -1, SQLITE_PREPARE_PERSISTENT, &stmt->handle, NULL);
    uint32_t code;
    enum od_status s = OD_OK;
    if (rc != SQLITE_OK)
        s = fail(lite, rc, err);
    else if (od_dict_add(lite->texts, od_str_c(text), &code) != OD_OK)
        s = od_fail(err, OD_NO_MEMORY, NULL);
    if (s != OD_OK) {
        sqlite3_finalize(stmt->handle);
        free(stmt);
        return s;
    }
    assert(code == lite->count);
    assert(parameters_in_order(stmt->handle));
    lite->stmts[lite->count++] = stmt;
    *out = stmt;
    return OD_OK;
}

static enum od_status lite_prepare(struct od_sql *sql, const char *text, struct od_sql_stmt **out,
                                   struct od_error *err)
{
    struct lite *lite = of(sql);
    struct lite_stmt *stmt = NULL;
    uint32_t code = od_dict_find(lite->texts, od_str_c(text));
    if (code != OD_NO_CODE) {
        stmt = lite->stmts[code];
    } else {
        enum od_status s = add_statement(lite, text, &stmt, err);
        if (s != OD_OK)
            return s;
    }
    assert(!stmt->busy);
    *out = &stmt->head;
    return OD_OK;
}

static void note(struct lite_stmt *stmt, int rc)
{
    assert(rc != SQLITE_RANGE && rc != SQLITE_MISUSE);
    if (rc != SQLITE_OK && stmt->bind_rc == SQLITE_OK)
        stmt->bind_rc = rc;
}

static void lite_bind_i64(struct od_sql_stmt *stmt, int index, int64_t value)
{
    note(stmt_of(stmt), sqlite3_bind_int64(stmt_of(stmt)->handle, index, value));
}

static void lite_bind_double(struct od_sql_stmt *stmt, int index, double value)
{
    note(stmt_of(stmt), sqlite3_bind_double(stmt_of(stmt)->handle, index, value));
}

static void lite_bind_text(struct od_sql_stmt *stmt, int index, struct od_str value)
{
    note(stmt_of(stmt), sqlite3_bind_text64(stmt_of(stmt)->handle, index, value.ptr, value.len,
                                            SQLITE_STATIC, SQLITE_UTF8));
}

static void lite_bind_blob(struct od_sql_stmt *stmt, int index, struct od_str bytes)
{
    note(stmt_of(stmt),
         sqlite3_bind_blob64(stmt_of(stmt)->handle, index, bytes.ptr, bytes.len, SQLITE_STATIC));
}

static void lite_bind_null(struct od_sql_stmt *stmt, int index)
{
    note(stmt_of(stmt), sqlite3_bind_null(stmt_of(stmt)->handle, index));
}

static void lite_reset(struct od_sql_stmt *stmt)
{
    sqlite3_reset(stmt_of(stmt)->handle);
    stmt_of(stmt)->bind_rc = SQLITE_OK;
    stmt_of(stmt)->busy = false;
}

static enum od_status lite_step(struct od_sql_stmt *stmt, bool *out_row, struct od_error *err)
{
    struct lite_stmt *me = stmt_of(stmt);
    int rc = me->bind_rc;
    if (rc != SQLITE_OK) {
        enum od_status s = fail(me->owner, rc, err);
        lite_reset(stmt);
        return s;
    }
    errno = 0;
    rc = sqlite3_step(me->handle);
    if (rc == SQLITE_ROW) {
        me->busy = true;
        *out_row = true;
        return OD_OK;
    }
    enum od_status s = rc == SQLITE_DONE ? OD_OK : fail(me->owner, rc, err);
    me->changes = sqlite3_changes64(me->owner->db);
    lite_reset(stmt);
    if (s == OD_OK)
        *out_row = false;
    return s;
}

static int64_t lite_changes(struct od_sql_stmt *stmt)
{
    return stmt_of(stmt)->changes;
}

static bool lite_is_null(struct od_sql_stmt *stmt, int column)
{
    return sqlite3_column_type(stmt_of(stmt)->handle, column) == SQLITE_NULL;
}

static int64_t lite_get_i64(struct od_sql_stmt *stmt, int column)
{
    return sqlite3_column_int64(stmt_of(stmt)->handle, column);
}

static double lite_get_double(struct od_sql_stmt *stmt, int column)
{
    return sqlite3_column_double(stmt_of(stmt)->handle, column);
}

static struct od_str lite_get_bytes(struct od_sql_stmt *stmt, int column)
{
    /* As bytes: asking for text would copy it to add a NUL, which can fail without a word. */
    sqlite3_stmt *handle = stmt_of(stmt)->handle;
    if (sqlite3_column_type(handle, column) == SQLITE_NULL)
        return OD_STR_NONE;
    const char *bytes = sqlite3_column_blob(handle, column);
    int len = sqlite3_column_bytes(handle, column);
    return bytes ? (struct od_str){bytes, (size_t)len} : OD_STR("");
}

const struct od_sql_driver od_sql_sqlite = {
    .name = "sqlite",
    .dialect = {.key = "INTEGER PRIMARY KEY AUTOINCREMENT",
                .blob = "BLOB",
                .by_primary_key = "WITHOUT ROWID"},
    .open = lite_open,
    .close = lite_close,
    .execute = lite_execute,
    .begin = lite_begin,
    .commit = lite_commit,
    .rollback = lite_rollback,
    .in_transaction = lite_in_transaction,
    .scrub = lite_scrub,
    .memory_bytes = lite_memory_bytes,
    .mostly_free = lite_mostly_free,
    .prepare = lite_prepare,
    .bind_i64 = lite_bind_i64,
    .bind_double = lite_bind_double,
    .bind_text = lite_bind_text,
    .bind_blob = lite_bind_blob,
    .bind_null = lite_bind_null,
    .step = lite_step,
    .reset = lite_reset,
    .changes = lite_changes,
    .is_null = lite_is_null,
    .get_i64 = lite_get_i64,
    .get_double = lite_get_double,
    .get_text = lite_get_bytes,
    .get_blob = lite_get_bytes,
};
