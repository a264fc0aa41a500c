/* The lodging files as files: same bytes, any size, what is refused, and disks that fail. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lodging_read.inc"

static const char *const names[] = {"users.csv", "items.csv", "interactions.csv"};

static void generate(const struct od_lodging_config *config)
{
    struct od_lodging_summary summary;
    struct od_error err;
    if (od_lodging_generate(&od_io_real, config, &summary, &err) != OD_OK)
        fail_msg("%s", err.message);
}

static bool same_file(const char *a, const char *b, const char *name)
{
    size_t len_a, len_b;
    char *text_a = read_text(a, name, &len_a), *text_b = read_text(b, name, &len_b);
    bool same = len_a == len_b && memcmp(text_a, text_b, len_a) == 0;
    free(text_a);
    free(text_b);
    return same;
}

static void same_seed_same_bytes(void **state)
{
    (void)state;
    char one[64], other[64];
    static const unsigned threads[] = {1, 2, 7};
    make_folder(one);
    make_folder(other);
    struct od_lodging_config config = config_for(one, 5000, 40000);
    config.threads = 3;
    generate(&config);
    for (size_t t = 0; t < 3; t++) {
        config.folder = other;
        config.threads = threads[t];
        generate(&config);
        for (int f = 0; f < 3; f++)
            assert_true(same_file(one, other, names[f]));
    }
    config.seed++;
    generate(&config);
    for (int f = 0; f < 3; f++)
        assert_false(same_file(one, other, names[f]));
    remove_folder(one);
    remove_folder(other);
}

/* Every size works, with exactly the users and items asked for; read_data checks each cell. */
static void every_size_works(void **state)
{
    (void)state;
    static const struct {
        int64_t users, items, days, events;
    } sizes[] = {{1, 1, 1, 1},     {1, 1, 3650, 10000}, {10, 10, 90, 30},
                 {3, 17, 1, 500},  {500, 2, 2, 5},      {50, 3000, 90, 1},
                 {7, 99, 3650, 3}, {20001, 5, 7, 1},    {100, 101, 1, 2000}};
    char folder[64];
    make_folder(folder);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct od_lodging_config config = config_for(folder, sizes[i].users, sizes[i].items);
        struct read_data data;
        config.days = sizes[i].days;
        config.events_per_user = sizes[i].events;
        generate(&config);
        read_data(folder, &data);
        assert_int_equal(data.users, sizes[i].users);
        assert_int_equal(data.item_count, sizes[i].items);
        assert_true(data.event_count >= data.users);
        for (size_t e = 0; e < data.event_count; e++) {
            int64_t time = data.events[e].time;
            assert_true(time >= END_S - config.days * 86400 && time < END_S);
            assert_true(time >= data.items[data.events[e].item].created);
        }
        free_data(&data);
    }
    remove_folder(folder);
}

static void expect_refusal(struct od_lodging_config config, const char *words)
{
    struct od_lodging_summary summary;
    struct od_error err;
    assert_int_equal(od_lodging_generate(&od_io_real, &config, &summary, &err), OD_INVALID_INPUT);
    if (!strstr(err.message, words))
        fail_msg("\"%s\" does not say \"%s\"", err.message, words);
}

static void values_out_of_range_are_refused(void **state)
{
    (void)state;
    char folder[64], long_path[5000];
    make_folder(folder);
    const struct od_lodging_config good = config_for(folder, 10, 10);
    struct od_lodging_config bad = good;
    bad.users = 0;
    expect_refusal(bad, "users is 0; it must be between 1 and 1000000000.");
    bad = good, bad.users = OD_LODGING_MAX_USERS + 1LL;
    expect_refusal(bad, "users is 1000000001");
    bad = good, bad.items = -5;
    expect_refusal(bad, "items is -5; it must be between 1 and 10000000.");
    bad = good, bad.days = 3651;
    expect_refusal(bad, "days is 3651; it must be between 1 and 3650.");
    bad = good, bad.events_per_user = 0;
    expect_refusal(bad, "events-per-user is 0;");
    bad = good, bad.end_s = 0;
    expect_refusal(bad, "end is 0 seconds after 1970; it must lie in the years 2000 to 2099.");
    bad = good, bad.end_s = INT64_MAX;
    expect_refusal(bad, "the years 2000 to 2099");
    bad = good, bad.folder = "";
    expect_refusal(bad, "out must name a folder");
    memset(long_path, 'a', sizeof long_path - 1);
    long_path[sizeof long_path - 1] = '\0';
    bad = good, bad.folder = long_path;
    expect_refusal(bad, "out must name a folder");
    assert_int_equal(rmdir(folder), 0); /* nothing was written */
}

static void folders_are_made(void **state)
{
    (void)state;
    char folder[64], deep[128];
    make_folder(folder);
    snprintf(deep, sizeof deep, "%s/a/b", folder);
    struct od_lodging_config config = config_for(deep, 10, 10);
    struct read_data data;
    generate(&config);
    read_data(deep, &data);
    assert_int_equal(data.users, 10);
    free_data(&data);
    /* a file where the folder should be */
    struct od_lodging_summary summary;
    struct od_error err;
    char blocked[160];
    snprintf(blocked, sizeof blocked, "%s/users.csv", deep);
    config.folder = blocked;
    assert_int_equal(od_lodging_generate(&od_io_real, &config, &summary, &err), OD_IO);
    assert_non_null(strstr(err.message, blocked));
    remove_folder(folder);
}

/* --- a disk that fails at its n-th call --- */

struct fault {
    atomic_int calls_left;
    atomic_int errors;
};

static bool strikes(const struct od_io *io, struct od_error *err)
{
    struct fault *fault = io->state;
    if (atomic_fetch_sub(&fault->calls_left, 1) != 0)
        return false;
    atomic_fetch_add(&fault->errors, 1);
    errno = ENOSPC;
    od_fail_errno(err, "cannot write");
    return true;
}

static enum od_status faulty_open(const struct od_io *io, const char *path, enum od_open_mode mode,
                                  int *out, struct od_error *err)
{
    return strikes(io, err) ? OD_IO : od_io_real.open(io, path, mode, out, err);
}

static enum od_status faulty_write(const struct od_io *io, int fd, const void *from, size_t len,
                                   uint64_t at, struct od_error *err)
{
    return strikes(io, err) ? OD_IO : od_io_real.write_at(io, fd, from, len, at, err);
}

static enum od_status faulty_sync(const struct od_io *io, int fd, struct od_error *err)
{
    return strikes(io, err) ? OD_IO : od_io_real.sync(io, fd, err);
}

static enum od_status faulty_rename(const struct od_io *io, const char *from, const char *to,
                                    struct od_error *err)
{
    return strikes(io, err) ? OD_IO : od_io_real.rename(io, from, to, err);
}

static enum od_status faulty_make_folder(const struct od_io *io, const char *path,
                                         struct od_error *err)
{
    return strikes(io, err) ? OD_IO : od_io_real.make_folder(io, path, err);
}

static void assert_no_leftovers(const char *folder)
{
    struct od_arena arena;
    struct od_io_entry *entries;
    size_t count;
    od_arena_init(&arena, 1 << 20);
    assert_int_equal(od_io_real.list(&od_io_real, folder, &arena, &entries, &count, NULL), OD_OK);
    for (size_t i = 0; i < count; i++)
        assert_false(od_str_ends(entries[i].name, OD_STR(".tmp")));
    od_arena_done(&arena);
}

/* Each call fails once, with one thread and with three: an error, no leftovers, and the old data
 * whole as long as no file took its name. */
static void failing_disks_are_reported(void **state)
{
    (void)state;
    char folder[64], old[64];
    struct fault fault;
    struct od_io io = od_io_real;
    io.open = faulty_open, io.write_at = faulty_write, io.sync = faulty_sync;
    io.rename = faulty_rename, io.make_folder = faulty_make_folder, io.state = &fault;
    make_folder(folder);
    make_folder(old);
    struct od_lodging_config config = config_for(old, 5000, 20000);
    generate(&config);
    int renames = 0;
    for (int n = 0;; n++) {
        struct od_lodging_summary summary;
        struct od_error err;
        config.folder = folder;
        config.seed = 7;
        generate(&config);
        config.seed = 8;
        config.threads = n % 2 ? 3 : 1;
        atomic_store(&fault.calls_left, n);
        atomic_store(&fault.errors, 0);
        enum od_status s = od_lodging_generate(&io, &config, &summary, &err);
        assert_no_leftovers(folder);
        if (s == OD_OK) {
            assert_int_equal(atomic_load(&fault.errors), 0);
            assert_true(n > 12); /* folder; open, header, blocks, sync of three files; renames */
            break;
        }
        assert_int_equal(s, OD_IO);
        assert_non_null(strstr(err.message, "No space left on device"));
        bool all_old = true;
        for (int f = 0; f < 3; f++)
            all_old = all_old && same_file(old, folder, names[f]);
        renames += !all_old;
    }
    assert_int_equal(renames, 2); /* the second and the third rename found new names in place */
    remove_folder(folder);
    remove_folder(old);
}

static void full_disk_names_the_file(void **state)
{
    (void)state;
    char folder[64];
    struct fault fault;
    struct od_io io = od_io_real;
    struct od_lodging_summary summary;
    struct od_error err;
    io.write_at = faulty_write, io.state = &fault;
    make_folder(folder);
    struct od_lodging_config config = config_for(folder, 5000, 10);
    atomic_store(&fault.calls_left, 6); /* header and block of users and items, then a block */
    assert_int_equal(od_lodging_generate(&io, &config, &summary, &err), OD_IO);
    assert_non_null(strstr(err.message, "/interactions.csv"));
    assert_non_null(strstr(err.message, "No space left on device"));
    remove_folder(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_seed_same_bytes),
        cmocka_unit_test(every_size_works),
        cmocka_unit_test(values_out_of_range_are_refused),
        cmocka_unit_test(folders_are_made),
        cmocka_unit_test(failing_disks_are_reported),
        cmocka_unit_test(full_disk_names_the_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
