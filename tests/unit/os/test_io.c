/* Files and trees on the real machine. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "os/io.h"

static char folder[64];

static const char *at(const char *name)
{
    static char paths[8][256];
    static unsigned next;
    char *path = paths[next++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

static int setup(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/ondol-test-io-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    return od_io_remove_tree(&od_io_real, folder, NULL) == OD_OK ? 0 : -1;
}

static void put(const char *name, const char *text)
{
    assert_int_equal(od_io_write_file(&od_io_real, at(name), od_str_c(text), NULL), OD_OK);
}

static void a_file_comes_back_as_written(void **state)
{
    (void)state;
    struct od_buf text;
    od_buf_init(&text, 100);
    put("a", "hello");
    put("a", "world!");
    assert_int_equal(od_io_read_file(&od_io_real, at("a"), &text, NULL), OD_OK);
    assert_string_equal(text.ptr, "world!");
    assert_false(od_io_exists(&od_io_real, at("a.tmp")));
    od_buf_done(&text);
}

static void a_file_over_the_buffers_maximum_is_refused(void **state)
{
    (void)state;
    struct od_buf text;
    struct od_error err;
    od_buf_init(&text, 3);
    put("a", "hello");
    assert_int_equal(od_io_read_file(&od_io_real, at("a"), &text, &err), OD_TOO_LARGE);
    assert_non_null(strstr(err.message, "/a is too large"));
    od_buf_done(&text);
}

static void a_missing_file_is_named(void **state)
{
    (void)state;
    struct od_buf text;
    struct od_error err;
    od_buf_init(&text, 100);
    assert_int_equal(od_io_read_file(&od_io_real, at("none"), &text, &err), OD_IO);
    assert_non_null(strstr(err.message, at("none")));
}

static void listing_is_in_byte_order_and_does_not_follow_links(void **state)
{
    (void)state;
    struct od_arena arena;
    struct od_io_entry *list;
    size_t count;
    od_arena_init(&arena, 1 << 20);
    put("b", "22");
    put("a", "1");
    assert_int_equal(od_io_real.make_folder(&od_io_real, at("c/d"), NULL), OD_OK);
    assert_int_equal(symlink(at("c"), at("link")), 0);
    assert_int_equal(od_io_real.list(&od_io_real, folder, &arena, &list, &count, NULL), OD_OK);
    assert_int_equal(count, 4);
    assert_string_equal(list[0].name.ptr, "a");
    assert_int_equal(list[1].bytes, 2);
    assert_true(list[2].is_folder);
    assert_string_equal(list[3].name.ptr, "link");
    assert_false(list[3].is_folder);
    od_arena_done(&arena);
}

static void removing_a_tree_leaves_what_its_links_point_to(void **state)
{
    (void)state;
    assert_int_equal(od_io_real.make_folder(&od_io_real, at("kept"), NULL), OD_OK);
    put("kept/file", "x");
    assert_int_equal(od_io_real.make_folder(&od_io_real, at("tree/deep"), NULL), OD_OK);
    put("tree/deep/file", "x");
    assert_int_equal(symlink(at("kept"), at("tree/deep/link")), 0);
    assert_int_equal(symlink("..", at("tree/deep/up")), 0);
    assert_int_equal(od_io_remove_tree(&od_io_real, at("tree"), NULL), OD_OK);
    assert_false(od_io_exists(&od_io_real, at("tree")));
    assert_true(od_io_exists(&od_io_real, at("kept/file")));
    assert_int_equal(od_io_remove_tree(&od_io_real, at("tree"), NULL), OD_OK);
}

static void an_empty_file_maps_to_no_bytes(void **state)
{
    (void)state;
    struct od_io_map map;
    put("empty", "");
    assert_int_equal(od_io_real.map(&od_io_real, at("empty"), &map, NULL), OD_OK);
    assert_int_equal(map.bytes, 0);
    assert_non_null(map.ptr);
    od_io_real.unmap(&od_io_real, &map);
}

static void a_file_in_the_way_is_no_folder(void **state)
{
    (void)state;
    put("a", "x");
    assert_int_equal(od_io_real.make_folder(&od_io_real, at("a"), NULL), OD_IO);
    assert_int_equal(od_io_real.make_folder(&od_io_real, at("a/b"), NULL), OD_IO);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(a_file_comes_back_as_written),
        T(a_file_over_the_buffers_maximum_is_refused),
        T(a_missing_file_is_named),
        T(listing_is_in_byte_order_and_does_not_follow_links),
        T(removing_a_tree_leaves_what_its_links_point_to),
        T(an_empty_file_maps_to_no_bytes),
        T(a_file_in_the_way_is_no_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
