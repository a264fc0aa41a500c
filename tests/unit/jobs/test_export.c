/* Exports: from segments to parts and back, without losing or mixing anything. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "jobs/export.h"
#include "jobs/import.h"

#define ITEMS_HEAD "{\"type\":\"record\",\"name\":\"Items\",\"version\":\"1.0\",\"fields\":["
#define ITEMS                                                                                      \
    ITEMS_HEAD "{\"name\":\"ITEM_ID\",\"type\":\"string\"},"                                       \
               "{\"name\":\"PRICE\",\"type\":[\"null\",\"double\"]}]}"
#define GROWN                                                                                      \
    ITEMS_HEAD "{\"name\":\"TEXT\",\"type\":[\"null\",\"string\"],\"textual\":true},"              \
               "{\"name\":\"ITEM_ID\",\"type\":\"string\"},"                                       \
               "{\"name\":\"PRICE\",\"type\":[\"null\",\"double\"]}]}"

static char folder[64];

static int set_up(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/od-export-XXXXXX");
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

static bool exists(const char *name)
{
    return access(path_of(name).ptr, F_OK) == 0;
}

static void import(const char *schema, const char *csv, const char *segment)
{
    struct od_import_result done;
    struct od_error err = {0};
    write_file("in.csv", csv);
    struct od_str file = path_of("in.csv");
    struct od_import_spec spec = {.schema_text = od_str_c(schema),
                                  .type = OD_ITEMS,
                                  .files = &file,
                                  .file_count = 1,
                                  .segment_path = path_of(segment),
                                  .report_path = path_of("report.txt"),
                                  .threads = 1};
    if (od_import_run(&spec, &od_io_real, &done, &err) != OD_OK)
        fail_msg("%s", err.message);
}

static struct od_export_result export(struct od_export_spec spec)
{
    struct od_export_result done;
    struct od_error err = {0};
    spec.folder = od_str_c(folder);
    spec.scratch = path_of("keys");
    if (od_export_run(&spec, &od_io_real, &done, &err) != OD_OK)
        fail_msg("%s", err.message);
    return done;
}

static void rows_keep_their_order_and_repeat_once(void **state)
{
    (void)state;
    import(ITEMS, "ITEM_ID,PRICE\nb,1\na,2\nb,1\n", "1.seg");
    import(ITEMS, "ITEM_ID,PRICE\na,3\nb,1.0\nc,\n", "2.seg");
    struct od_str segments[] = {path_of("1.seg"), path_of("2.seg")};
    for (size_t run_rows = 0; run_rows < 4; run_rows++) {
        struct od_export_spec spec = {.schema_text = OD_STR(ITEMS),
                                      .segments = segments,
                                      .segment_count = 2,
                                      .run_rows = run_rows};
        struct od_export_result done = export(spec);
        assert_file("part-00000.csv", "ITEM_ID,PRICE\nb,1\na,2\na,3\nc,\n");
        assert_true(done.rows == 4 && done.files == 1 && done.bytes == 29);
        spec.newest = true;
        export(spec);
        assert_file("part-00000.csv", "ITEM_ID,PRICE\na,3\nb,1\nc,\n");
    }
    assert_false(exists("keys"));
}

static void older_segments_have_nulls_in_new_fields(void **state)
{
    (void)state;
    import(ITEMS, "ITEM_ID,PRICE\na,0.1\n", "1.seg");
    import(GROWN, "ITEM_ID,PRICE,TEXT\nb,,\"x, y\"\n", "2.seg");
    struct od_str segments[] = {path_of("1.seg"), path_of("2.seg")};
    export((struct od_export_spec){
        .schema_text = OD_STR(GROWN), .segments = segments, .segment_count = 2});
    assert_file("part-00000.csv", "TEXT,ITEM_ID,PRICE\n,a,0.1\n\"x, y\",b,\n");
}

static void parts_are_whole_and_replace_older_ones(void **state)
{
    (void)state;
    import(ITEMS, "ITEM_ID,PRICE\na,1\nb,2\nc,3\nd,4\ne,5\n", "1.seg");
    struct od_str segment = path_of("1.seg");
    struct od_export_spec spec = {
        .schema_text = OD_STR(ITEMS), .segments = &segment, .segment_count = 1, .part_bytes = 20};
    write_file("part-00007.csv", "old");
    write_file("part-00007.csv.tmp", "old");
    write_file("part-7.csv", "mine");
    assert_int_equal(export(spec).files, 3);
    assert_file("part-00000.csv", "ITEM_ID,PRICE\na,1\nb,2\n");
    assert_file("part-00001.csv", "ITEM_ID,PRICE\nc,3\nd,4\n");
    assert_file("part-00002.csv", "ITEM_ID,PRICE\ne,5\n");
    assert_false(exists("part-00007.csv") || exists("part-00007.csv.tmp"));
    assert_file("part-7.csv", "mine");
    spec.part_bytes = 0;
    assert_int_equal(export(spec).files, 1);
    assert_false(exists("part-00001.csv") || exists("part-00000.csv.tmp"));
}

static void no_segments_give_a_header(void **state)
{
    (void)state;
    struct od_export_result done = export((struct od_export_spec){.schema_text = OD_STR(ITEMS)});
    assert_file("part-00000.csv", "ITEM_ID,PRICE\n");
    assert_true(done.rows == 0 && done.files == 1);
}

static void a_failure_leaves_what_was_there(void **state)
{
    (void)state;
    struct od_error err = {0};
    struct od_export_result done;
    import(ITEMS, "ITEM_ID,PRICE\na,1\n", "1.seg");
    write_file("2.seg", "no segment at all, but long enough to look at: 0123456789012345678901234");
    write_file("part-00000.csv", "old");
    struct od_str segments[] = {path_of("1.seg"), path_of("2.seg")};
    struct od_export_spec spec = {.schema_text = OD_STR(ITEMS),
                                  .segments = segments,
                                  .segment_count = 2,
                                  .folder = od_str_c(folder),
                                  .scratch = path_of("keys")};
    assert_int_equal(od_export_run(&spec, &od_io_real, &done, &err), OD_CORRUPT);
    assert_file("part-00000.csv", "old");
    assert_false(exists("part-00000.csv.tmp"));
}

static enum od_status stop_late(void *context, double fraction)
{
    (void)context;
    return fraction > 0.4 ? OD_STOPPED : OD_OK;
}

static void a_stop_removes_what_was_begun(void **state)
{
    (void)state;
    struct od_error err = {0};
    struct od_export_result done;
    import(ITEMS, "ITEM_ID,PRICE\na,1\n", "1.seg");
    struct od_str segment = path_of("1.seg");
    struct od_export_spec spec = {.schema_text = OD_STR(ITEMS),
                                  .segments = &segment,
                                  .segment_count = 1,
                                  .folder = od_str_c(folder),
                                  .scratch = path_of("keys"),
                                  .progress = stop_late};
    assert_int_equal(od_export_run(&spec, &od_io_real, &done, &err), OD_STOPPED);
    assert_false(exists("part-00000.csv") || exists("part-00000.csv.tmp"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(rows_keep_their_order_and_repeat_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(older_segments_have_nulls_in_new_fields, set_up, tear_down),
        cmocka_unit_test_setup_teardown(parts_are_whole_and_replace_older_ones, set_up, tear_down),
        cmocka_unit_test_setup_teardown(no_segments_give_a_header, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_failure_leaves_what_was_there, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_stop_removes_what_was_begun, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
