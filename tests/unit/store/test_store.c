/* Opening, the lock, versions, transactions, and a disk that fails. */
#include "store/fixture.inc"

#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

static const char *in(struct fixture *f, const char *name)
{
    return od_arena_printf(&f->arena, "%s/%s", f->folder, name).ptr;
}

static unsigned mode_of(const char *path)
{
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    return st.st_mode & 0777;
}

/* Another program changes the file while no server runs. */
static void sql_from_outside(struct fixture *f, const char *text)
{
    sqlite3 *db;
    assert_int_equal(sqlite3_open(in(f, "ondol.db"), &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void set(struct fixture *f, const char *name, const char *value)
{
    begin(f);
    ok(f, od_settings_set(f->store, str(name), str(value), &f->err));
    commit(f);
}

static struct od_str get(struct fixture *f, const char *name)
{
    struct od_str value;
    ok(f, od_settings_get(f->store, str(name), &f->arena, &value, &f->err));
    return value;
}

static void new_folder_is_made_and_closed_to_others(void **state)
{
    struct fixture *f = *state;
    mode_t before = umask(0);
    ok(f, od_store_open(io, in(f, "a/b"), &f->store, &f->err));
    set(f, "x", "1");
    umask(before);
    assert_int_equal(mode_of(in(f, "a")), 0700);
    assert_int_equal(mode_of(in(f, "a/b")), 0700);
    assert_int_equal(mode_of(in(f, "a/b/ondol.db")), 0600);
    assert_int_equal(mode_of(in(f, "a/b/ondol.db-wal")), 0600);
    assert_int_equal(mode_of(in(f, "a/b/ondol.db-shm")), 0600);
    assert_int_equal(mode_of(in(f, "a/b/lock")), 0600);
}

static int64_t pragma(struct fixture *f, const char *text)
{
    struct od_sql_stmt *stmt;
    int64_t value;
    ok(f, od_sql_prepare(f->store->sql, text, &stmt, &f->err));
    ok(f, od_sql_run_i64(stmt, -1, &value, &f->err));
    return value;
}

static void settings_of_sqlite_are_what_durability_needs(void **state)
{
    struct fixture *f = *state;
    reopen(f);
    assert_int_equal(pragma(f, "PRAGMA synchronous"), 2);
    assert_int_equal(pragma(f, "PRAGMA foreign_keys"), 1);
    assert_int_equal(pragma(f, "PRAGMA trusted_schema"), 0);
    assert_true(od_io_exists(io, in(f, "ondol.db-wal")));
}

static void closing_empties_the_log_into_the_database(void **state)
{
    struct fixture *f = *state;
    reopen(f);
    set(f, "x", "1");
    od_store_close(f->store);
    f->store = NULL;
    assert_false(od_io_exists(io, in(f, "ondol.db-wal")));
    reopen(f);
    assert_text(get(f, "x"), "1");
}

static void closing_inside_a_transaction_undoes_it(void **state)
{
    struct fixture *f = *state;
    reopen(f);
    begin(f);
    ok(f, od_settings_set(f->store, OD_STR("x"), OD_STR("1"), &f->err));
    reopen(f);
    assert_null(get(f, "x").ptr);
}

/* ---- transactions ---- */

static void change_outside_a_transaction_is_refused(void **state)
{
    struct fixture *f = *state;
    reopen(f);
    assert_int_equal(od_settings_set(f->store, OD_STR("x"), OD_STR("1"), &f->err), OD_INTERNAL);
    assert_int_equal(od_store_commit(f->store, &f->err), OD_INTERNAL);
    assert_null(get(f, "x").ptr);
    begin(f);
    assert_int_equal(od_store_begin(f->store, &f->err), OD_INTERNAL);
    ok(f, od_settings_set(f->store, OD_STR("x"), OD_STR("1"), &f->err));
    commit(f); /* the second begin did no harm */
    assert_text(get(f, "x"), "1");
}

static void rollback_undoes_and_the_store_goes_on(void **state)
{
    struct fixture *f = *state;
    reopen(f);
    set(f, "x", "1");
    begin(f);
    ok(f, od_settings_set(f->store, OD_STR("x"), OD_STR("2"), &f->err));
    assert_text(get(f, "x"), "2"); /* the owner sees its own changes */
    od_store_rollback(f->store);
    od_store_rollback(f->store); /* nothing to do is fine */
    assert_text(get(f, "x"), "1");
    set(f, "x", "3");
    assert_text(get(f, "x"), "3");
}

/* ---- the lock ---- */

static void second_server_is_refused_with_folder_and_pid(void **state)
{
    struct fixture *f = *state;
    reopen(f);
    struct od_error err = {0};
    int status, pipe_fd[2];
    assert_int_equal(pipe(pipe_fd), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct od_store *second;
        enum od_status s = od_store_open(io, f->folder, &second, &err);
        ssize_t n = write(pipe_fd[1], &err, sizeof err);
        _exit(s == OD_IN_USE && n == sizeof err ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(read(pipe_fd[0], &err, sizeof err), sizeof err);
    close(pipe_fd[0]);
    close(pipe_fd[1]);
    char expect[600];
    char *real = realpath(f->folder, NULL);
    snprintf(expect, sizeof expect,
             "The data folder %s is in use by another ondol server (pid %d).", real, (int)getpid());
    free(real);
    assert_string_equal(err.message, expect);
    set(f, "x", "still usable");
}

static void same_process_is_refused_too_and_may_come_back(void **state)
{
    struct fixture *f = *state;
    reopen(f);
    struct od_store *second;
    assert_int_equal(od_store_open(io, f->folder, &second, &f->err), OD_IN_USE);
    od_store_close(f->store);
    f->store = NULL;
    ok(f, od_store_open(io, f->folder, &f->store, &f->err));
}

static void killed_server_leaves_no_lock(void **state)
{
    struct fixture *f = *state;
    int pipe_fd[2], status;
    char byte;
    assert_int_equal(pipe(pipe_fd), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        if (od_store_open(io, f->folder, &f->store, NULL) == OD_OK)
            (void)!write(pipe_fd[1], "x", 1);
        for (;;)
            pause();
    }
    assert_int_equal(read(pipe_fd[0], &byte, 1), 1);
    assert_int_equal(od_store_open(io, f->folder, &f->store, &f->err), OD_IN_USE);
    char pid[32];
    snprintf(pid, sizeof pid, "(pid %d)", (int)child);
    assert_message(f, pid);
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    close(pipe_fd[0]);
    close(pipe_fd[1]);
    ok(f, od_store_open(io, f->folder, &f->store, &f->err));
}

static void nonsense_in_the_lock_file_does_no_harm(void **state)
{
    struct fixture *f = *state;
    ok(f, od_io_write_file(io, in(f, "lock"), OD_STR("\xFF\x00 not a pid, and rather long at that"),
                           &f->err));
    reopen(f);
    struct od_store *second;
    assert_int_equal(od_store_open(io, f->folder, &second, &f->err), OD_IN_USE);
    char pid[32];
    snprintf(pid, sizeof pid, "(pid %d)", (int)getpid());
    assert_message(f, pid);
}

/* ---- versions ---- */

static void newer_tables_are_refused_and_left_alone(void **state)
{
    struct fixture *f = *state;
    struct od_store_reader *reader;
    reopen(f);
    set(f, "x", "1");
    od_store_close(f->store);
    f->store = NULL;
    sql_from_outside(f, "INSERT INTO od_version VALUES (999, 0)");
    assert_int_equal(od_store_open(io, f->folder, &f->store, &f->err), OD_UNAVAILABLE);
    assert_message(f, "written by a newer ondol: its tables have version 999");
    assert_int_equal(od_store_reader_open(io, f->folder, &reader, &f->err), OD_UNAVAILABLE);
    assert_message(f, "version 999");
    sql_from_outside(f, "DELETE FROM od_version WHERE version = 999");
    reopen(f);
    assert_text(get(f, "x"), "1");
}

static void reader_wants_tables_of_its_own_version(void **state)
{
    struct fixture *f = *state;
    struct od_store_reader *reader;
    reopen(f);
    od_store_close(f->store);
    f->store = NULL;
    sql_from_outside(f, "DELETE FROM od_version");
    assert_int_equal(od_store_reader_open(io, f->folder, &reader, &f->err), OD_UNAVAILABLE);
    assert_message(f, "start a server on it once");
}

static void folder_of_an_older_version_gets_the_newer_tables_and_keeps_its_rows(void **state)
{
    struct fixture *f = *state;
    struct od_attribution_cell *cells;
    size_t count;
    reopen(f);
    set(f, "x", "1");
    od_store_close(f->store);
    f->store = NULL;
    sql_from_outside(f, "DROP TABLE attribution_total");
    sql_from_outside(f, "DROP TABLE attribution_report");
    sql_from_outside(f, "DROP TABLE attribution_cell");
    sql_from_outside(f, "DELETE FROM od_version WHERE version > 1");
    reopen(f);
    assert_text(get(f, "x"), "1");
    ok(f, od_attribution_totals(f->store, 1, &f->arena, &cells, &count, &f->err));
    assert_int_equal(count, 0);
}

static void database_without_tables_is_filled(void **state)
{
    struct fixture *f = *state;
    ok(f, od_io_write_file(io, in(f, "ondol.db"), OD_STR(""), &f->err)); /* killed very early */
    reopen(f);
    set(f, "x", "1");
    assert_text(get(f, "x"), "1");
}

/* ---- damage ---- */

static void file_that_is_no_database_is_told(void **state)
{
    struct fixture *f = *state;
    char junk[8192];
    memset(junk, 'j', sizeof junk);
    ok(f, od_io_write_file(io, in(f, "ondol.db"), (struct od_str){junk, sizeof junk}, &f->err));
    assert_int_equal(od_store_open(io, f->folder, &f->store, &f->err), OD_CORRUPT);
    assert_message(f, "ondol.db is damaged");
}

static void damaged_pages_are_told(void **state)
{
    struct fixture *f = *state;
    char junk[4096];
    memset(junk, 0x5A, sizeof junk);
    reopen(f);
    for (int i = 0; i < 200; i++) {
        char name[16];
        snprintf(name, sizeof name, "setting-%d", i);
        set(f, name, "a text of some length, to fill a few pages of the database");
    }
    od_store_close(f->store);
    f->store = NULL;
    int fd = open(in(f, "ondol.db"), O_RDWR);
    struct stat st;
    assert_int_equal(fstat(fd, &st), 0);
    for (off_t at = 4096; at < st.st_size; at += 4096)
        assert_int_equal(pwrite(fd, junk, sizeof junk, at), sizeof junk);
    close(fd);
    enum od_status s = od_store_open(io, f->folder, &f->store, &f->err);
    assert_int_equal(s, OD_CORRUPT);
    assert_message(f, "is damaged");
}

/* ---- a full disk ---- */

static enum od_status append_large(struct fixture *f, int n)
{
    static char body[20000];
    memset(body, 'x', sizeof body);
    struct od_event e = {.user = OD_STR("u"), .time_s = n, .body = {body, sizeof body}};
    bool fresh;
    return od_events_append(f->store, OD_STR("arn:d"), &e, 1, &fresh, &f->err);
}

static enum od_status count_one(void *context, const struct od_event *e)
{
    (void)e;
    ++*(int *)context;
    return OD_OK;
}

static int event_count(struct fixture *f)
{
    int count = 0;
    ok(f, od_events_read(od_store_as_reader(f->store), OD_STR("arn:d"), 0, 0, count_one, &count,
                         &f->err));
    return count;
}

static void full_disk_is_told_and_the_store_goes_on(void **state)
{
    struct fixture *f = *state;
    reopen(f);
    begin(f);
    ok(f, append_large(f, 0));
    commit(f);
    int64_t pages = pragma(f, "PRAGMA page_count");
    char text[64];
    snprintf(text, sizeof text, "PRAGMA max_page_count=%lld", (long long)pages + 8);
    ok(f, od_sql_execute(f->store->sql, text, &f->err));
    begin(f);
    enum od_status s = OD_OK;
    int tried = 1;
    for (; s == OD_OK && tried < 10; tried++)
        s = append_large(f, tried);
    assert_int_equal(s, OD_IO);
    assert_message(f, "disk is full");
    /* From here on the transaction is dead: nothing more goes in, and nothing of it stays. */
    assert_int_equal(append_large(f, 100), OD_IO);
    assert_message(f, "given up");
    assert_int_equal(od_store_commit(f->store, &f->err), OD_IO);
    assert_int_equal(event_count(f), 1);
    set(f, "x", "small things still fit");
    ok(f, od_sql_execute(f->store->sql, "PRAGMA max_page_count=1000000", &f->err));
    begin(f);
    for (int i = 1; i < 10; i++)
        ok(f, append_large(f, i));
    commit(f);
    reopen(f);
    assert_int_equal(event_count(f), 10);
    assert_text(get(f, "x"), "small things still fit");
}

/* In a child whose files may not grow past a limit: commits until one fails, then lifts the limit
 * and goes on. Exits with 0 when all went as it should. */
static void run_in_small_files(struct fixture *f)
{
    struct rlimit limit, small;
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &limit);
    small = limit;
    small.rlim_cur = 300 * 1024;
    if (od_store_open(io, f->folder, &f->store, &f->err) != OD_OK)
        _exit(10);
    setrlimit(RLIMIT_FSIZE, &small);
    int stored = 0;
    enum od_status s = OD_OK;
    while (s == OD_OK && stored < 1000) {
        s = od_store_begin(f->store, &f->err);
        if (s == OD_OK)
            s = append_large(f, stored);
        if (s == OD_OK)
            s = od_store_commit(f->store, &f->err);
        else
            od_store_rollback(f->store);
        stored += s == OD_OK;
    }
    if (s != OD_IO || stored < 2 || stored >= 1000)
        _exit(11);
    if (!strstr(f->err.message, "disk"))
        _exit(12);
    setrlimit(RLIMIT_FSIZE, &limit);
    if (od_store_begin(f->store, &f->err) != OD_OK || append_large(f, stored) != OD_OK ||
        od_store_commit(f->store, &f->err) != OD_OK)
        _exit(13);
    od_store_close(f->store);
    _exit(stored + 1 > 99 ? 14 : 100 + stored + 1);
}

static void failing_writes_are_told_and_lose_nothing_acknowledged(void **state)
{
    struct fixture *f = *state;
    int status;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        run_in_small_files(f);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) <= 100)
        fail_msg("the child says %d", WEXITSTATUS(status));
    reopen(f);
    assert_int_equal(event_count(f), WEXITSTATUS(status) - 100);
}

#define T(name) cmocka_unit_test_setup_teardown(name, without_store, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(new_folder_is_made_and_closed_to_others),
        T(settings_of_sqlite_are_what_durability_needs),
        T(closing_empties_the_log_into_the_database),
        T(closing_inside_a_transaction_undoes_it),
        T(change_outside_a_transaction_is_refused),
        T(rollback_undoes_and_the_store_goes_on),
        T(second_server_is_refused_with_folder_and_pid),
        T(same_process_is_refused_too_and_may_come_back),
        T(killed_server_leaves_no_lock),
        T(nonsense_in_the_lock_file_does_no_harm),
        T(newer_tables_are_refused_and_left_alone),
        T(reader_wants_tables_of_its_own_version),
        T(folder_of_an_older_version_gets_the_newer_tables_and_keeps_its_rows),
        T(database_without_tables_is_filled),
        T(file_that_is_no_database_is_told),
        T(damaged_pages_are_told),
        T(full_disk_is_told_and_the_store_goes_on),
        T(failing_writes_are_told_and_lose_nothing_acknowledged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
