/* Files without deleted users: what is read, what is written again, and what is left alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "jobs/deletion.h"
#include "jobs/export.h"
#include "jobs/segment_file.h"

#define USERS                                                                                      \
    "{\"type\":\"record\",\"name\":\"Users\",\"version\":\"1.0\",\"fields\":["                     \
    "{\"name\":\"AGE\",\"type\":[\"null\",\"int\"]},"                                              \
    "{\"name\":\"USER_ID\",\"type\":\"string\"},"                                                  \
    "{\"name\":\"CITY\",\"type\":[\"null\",\"string\"],\"categorical\":true}]}"

static char folder[64];
static struct od_error err;

static int set_up(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/od-deletion-XXXXXX");
    return mkdtemp(folder) ? 0 : 1;
}

static int tear_down(void **state)
{
    (void)state;
    return od_io_remove_tree(&od_io_real, folder, NULL) == OD_OK ? 0 : 1;
}

static struct od_str path_of(const char *name)
{
    static char paths[64][160];
    static size_t next;
    char *path = paths[next++ % 64];
    snprintf(path, 160, "%s/%s", folder, name);
    return od_str_c(path);
}

static bool exists(const char *name)
{
    return access(path_of(name).ptr, F_OK) == 0;
}

static void write_file(const char *name, const char *text)
{
    assert_int_equal(od_io_write_file(&od_io_real, path_of(name).ptr, od_str_c(text), NULL), OD_OK);
}

static void assert_file(const char *name, const char *expect)
{
    struct od_buf got;
    od_buf_init(&got, 1u << 20);
    assert_int_equal(od_io_read_file(&od_io_real, path_of(name).ptr, &got, NULL), OD_OK);
    assert_string_equal(got.ptr, expect);
    od_buf_done(&got);
}

static struct od_dict *ids_of(const char *const *list)
{
    struct od_dict *ids = od_dict_new();
    uint32_t code;
    for (; *list; list++)
        assert_int_equal(od_dict_add(ids, od_str_c(*list), &code), OD_OK);
    return ids;
}

/* ---- ids ---- */

static enum od_status read_ids(const char *const *texts, size_t count, struct od_dict *ids)
{
    struct od_str files[4];
    for (size_t i = 0; i < count; i++) {
        char name[16];
        snprintf(name, sizeof name, "in-%zu.csv", i);
        write_file(name, texts[i]);
        files[i] = path_of(name);
    }
    err = (struct od_error){0};
    return od_deletion_read_ids(&od_io_real, files, count, ids, &err);
}

static void ids_come_from_a_column_of_files(void **state)
{
    (void)state;
    static const char *const texts[] = {"USER_ID\nann\n\nbob\r\nann",
                                        "A, USER_ID ,B\n1,\"x,\"\"y\",2\n"};
    struct od_dict *ids = od_dict_new();
    assert_int_equal(read_ids(texts, 2, ids), OD_OK);
    assert_int_equal(od_dict_count(ids), 3);
    assert_int_not_equal(od_dict_find(ids, OD_STR("x,\"y")), OD_NO_CODE);
    od_dict_free(ids);
}

static void a_bad_file_is_told_by_its_line_alone(void **state)
{
    (void)state;
    static const struct {
        const char *text, *part;
    } bad[] = {{"", "header"},
               {"ID\nann\n", "[USER_ID]. File: in-0.csv."},
               {"USER_ID\n", "no user"},
               {"USER_ID,A\nann,1\n,2\n", "line 3 of in-0.csv"},
               {"USER_ID\nann\nse\"cret\n", "line 3"},
               {"USER_ID\n\"secret\n\nx\"y\n", "line 2"}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct od_dict *ids = od_dict_new();
        assert_int_equal(read_ids(&bad[i].text, 1, ids), OD_INVALID_INPUT);
        if (!strstr(err.message, bad[i].part) || strstr(err.message, "cret"))
            fail_msg("%zu: %s", i, err.message);
        od_dict_free(ids);
    }
}

static void the_list_of_ids_reads_back(void **state)
{
    (void)state;
    static const char *const list[] = {"ann", "b\no\nb", "\xEA\xB0\x80", NULL};
    struct od_dict *ids = ids_of(list);
    struct od_buf bytes;
    od_buf_init(&bytes, 1000);
    assert_int_equal(od_deletion_write_ids(&od_io_real, path_of("ids"), ids, &err), OD_OK);
    assert_int_equal(od_io_read_file(&od_io_real, path_of("ids").ptr, &bytes, NULL), OD_OK);
    struct od_str rest = od_buf_view(&bytes), id;
    for (size_t i = 0; i < 3; i++) {
        assert_true(od_deletion_next_id(&rest, &id));
        assert_true(od_str_eq_c(id, list[i]));
    }
    assert_false(od_deletion_next_id(&rest, &id));
    for (size_t cut = 0; cut < 7; cut++) { /* a list that broke off ends before it */
        rest = od_str_sub(od_buf_view(&bytes), 0, cut);
        assert_false(od_deletion_next_id(&rest, &id));
    }
    od_buf_done(&bytes);
    od_dict_free(ids);
}

/* ---- segments ---- */

static void write_segment(const char *name, const char *const *users, size_t rows)
{
    struct od_arena arena;
    struct od_schema schema;
    struct od_segment_file *file;
    uint64_t written;
    size_t user_count = 0;
    while (users[user_count])
        user_count++;
    od_arena_init(&arena, 1u << 20);
    assert_int_equal(od_schema_parse(&arena, OD_STR(USERS), OD_DOMAIN_NONE, &schema, &err), OD_OK);
    assert_int_equal(od_segment_file_begin(&od_io_real, &schema, path_of(name), &file, &err),
                     OD_OK);
    for (size_t i = 0; i < rows; i++) {
        struct od_value values[] = {
            {.kind = i % 5 ? OD_VALUE_INTEGER : OD_VALUE_NULL, .integer = (int64_t)i},
            {.kind = OD_VALUE_TEXT, .text = od_str_c(users[i % user_count])},
            {.kind = OD_VALUE_TEXT, .text = i % 2 ? OD_STR("a|b") : OD_STR("c")}};
        assert_int_equal(od_segment_file_add(file, values, &err), OD_OK);
    }
    assert_int_equal(od_segment_file_end(file, OD_OK, &written, &err), OD_OK);
    assert_int_equal(written, rows);
    od_arena_done(&arena);
}

static struct od_deletion_rows delete_in(const char *from, const char *to, const char *const *list)
{
    struct od_dict *ids = ids_of(list);
    struct od_deletion_rows rows;
    if (od_deletion_segment(&od_io_real, path_of(from), to ? path_of(to) : OD_STR_NONE, ids, &rows,
                            &err) != OD_OK)
        fail_msg("%s", err.message);
    od_dict_free(ids);
    return rows;
}

static void rows_of_users_go_and_the_others_keep_their_order(void **state)
{
    (void)state;
    static const char *const users[] = {"ann", "bob", "annabel", NULL}, *const gone[] = {"ann",
                                                                                         NULL};
    write_segment("1.seg", users, 7);
    struct od_deletion_rows rows = delete_in("1.seg", "2.seg", gone);
    assert_true(rows.found && rows.removed == 3 && rows.left == 4);
    struct od_str segment = path_of("2.seg");
    struct od_export_spec spec = {.schema_text = OD_STR(USERS),
                                  .segments = &segment,
                                  .segment_count = 1,
                                  .folder = od_str_c(folder),
                                  .scratch = path_of("keys")};
    struct od_export_result done;
    assert_int_equal(od_export_run(&spec, &od_io_real, &done, &err), OD_OK);
    assert_file("part-00000.csv",
                "AGE,USER_ID,CITY\n1,bob,a|b\n2,annabel,c\n4,bob,c\n,annabel,a|b\n");
}

static void many_chunks_are_written_again(void **state)
{
    (void)state;
    static const char *const users[] = {"ann", "bob", "cid", NULL}, *const gone[] = {"bob", NULL};
    write_segment("1.seg", users, 200000);
    struct od_deletion_rows rows = delete_in("1.seg", "2.seg", gone);
    assert_true(rows.removed == 66667 && rows.left == 133333);
    assert_false(delete_in("2.seg", "3.seg", gone).found);
    assert_false(exists("3.seg"));
}

static void a_segment_without_the_users_is_left_alone(void **state)
{
    (void)state;
    static const char *const users[] = {"ann", NULL}, *const gone[] = {"an", "anna", "", NULL};
    write_segment("1.seg", users, 3);
    assert_false(delete_in("1.seg", "2.seg", gone).found);
    assert_false(exists("2.seg") || exists("2.seg.tmp"));
}

static void a_segment_of_these_users_alone_has_no_successor(void **state)
{
    (void)state;
    static const char *const users[] = {"ann", "bob", NULL};
    write_segment("1.seg", users, 5);
    struct od_deletion_rows rows = delete_in("1.seg", "2.seg", users);
    assert_true(rows.found && rows.removed == 5 && rows.left == 0);
    assert_false(exists("2.seg") || exists("2.seg.tmp"));
}

static void looking_alone_writes_nothing(void **state)
{
    (void)state;
    static const char *const users[] = {"ann", "bob", NULL}, *const gone[] = {"bob", NULL};
    write_segment("1.seg", users, 5);
    assert_true(delete_in("1.seg", NULL, gone).found);
    assert_false(exists("2.seg"));
}

/* ---- reports ---- */

static void reports_lose_what_they_quote(void **state)
{
    (void)state;
    bool changed;
    write_file("report.txt", "# Rows of an import\n\"a.csv\"\t2\t\"USER_ID\"\t\"secret\"\ta rule\n"
                             "\"a.csv\"\t3\t-\t\"se\\tcret\"\tanother\n# 2 bad rows in all\n");
    assert_int_equal(od_deletion_report(&od_io_real, path_of("report.txt"), &changed, &err), OD_OK);
    assert_true(changed);
    assert_file("report.txt", "# Rows of an import\n\"a.csv\"\t2\t\"USER_ID\"\t-\ta rule\n"
                              "\"a.csv\"\t3\t-\t-\tanother\n# 2 bad rows in all\n");
    assert_int_equal(od_deletion_report(&od_io_real, path_of("report.txt"), &changed, &err), OD_OK);
    assert_false(changed);
    assert_int_equal(od_deletion_report(&od_io_real, path_of("none.txt"), &changed, &err), OD_OK);
    assert_false(changed || exists("none.txt"));
}

/* ---- the whole ---- */

static void run(const char *spec, const char *expect)
{
    struct od_arena arena;
    struct od_buf text, result;
    struct od_json json;
    od_arena_init(&arena, 1u << 20);
    od_buf_init(&text, 100000);
    od_buf_init(&result, 100000);
    for (const char *at = spec; *at; at++) /* @ stands for the folder */
        if (*at == '@')
            od_buf_puts(&text, folder);
        else
            od_buf_char(&text, *at);
    assert_int_equal(od_json_parse(&arena, od_buf_view(&text), &json, &err), OD_OK);
    if (od_deletion_run(&od_io_real, &json, &result, NULL, NULL, &err) != OD_OK)
        fail_msg("%s", err.message);
    assert_string_equal(result.ptr, expect);
    od_buf_done(&result);
    od_buf_done(&text);
    od_arena_done(&arena);
}

static void a_spec_gives_a_result(void **state)
{
    (void)state;
    static const char *const both[] = {"ann", "bob", NULL}, *const one[] = {"bob", NULL};
    write_segment("1.seg", both, 5);
    write_segment("2.seg", one, 5);
    write_segment("old.seg", both, 5);
    write_segment("older.seg", one, 5);
    write_file("damaged.seg", "short");
    write_file("users.csv", "USER_ID\nann\neve\n");
    run("{\"kind\":\"deletion\",\"files\":[\"@/users.csv\"],\"ids\":\"@/ids\","
        "\"segments\":[{\"id\":1,\"from\":\"@/1.seg\",\"to\":\"@/9-1.seg\"},"
        "{\"id\":2,\"from\":\"@/2.seg\",\"to\":\"@/9-2.seg\"}],\"images\":[],"
        "\"stale\":[{\"file\":\"a\",\"path\":\"@/old.seg\"},{\"file\":\"b\",\"path\":\"@/"
        "older.seg\"},"
        "{\"file\":\"c\",\"path\":\"@/damaged.seg\"}],\"reports\":[\"@/no-report.txt\"]}",
        "{\"ids\":2,\"segments\":[{\"id\":1,\"removed\":3,\"rows\":2}],\"images\":[],"
        "\"stale\":[\"a\",\"c\"],\"reports\":0}");
    assert_true(exists("9-1.seg") && !exists("9-2.seg") && exists("ids") && exists("1.seg"));
    run("{\"kind\":\"deletion\"}",
        "{\"ids\":0,\"segments\":[],\"images\":[],\"stale\":[],\"reports\":0}");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(ids_come_from_a_column_of_files),
        T(a_bad_file_is_told_by_its_line_alone),
        T(the_list_of_ids_reads_back),
        T(rows_of_users_go_and_the_others_keep_their_order),
        T(many_chunks_are_written_again),
        T(a_segment_without_the_users_is_left_alone),
        T(a_segment_of_these_users_alone_has_no_successor),
        T(looking_alone_writes_nothing),
        T(reports_lose_what_they_quote),
        T(a_spec_gives_a_result),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
