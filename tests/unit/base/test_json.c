/* Reading JSON into a tree. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>

#include "base/json.h"
#include "base/limits.h"

static struct od_arena arena;

static int setup(void **state)
{
    (void)state;
    od_arena_init(&arena, 1 << 20);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    od_arena_done(&arena);
    return 0;
}

static enum od_status parse(const char *text, struct od_json *out)
{
    return od_json_parse(&arena, od_str_c(text), out, NULL);
}

static void every_kind_of_value(void **state)
{
    (void)state;
    struct od_json root;
    assert_int_equal(
        parse(" {\"s\":\"\\uD55C\\uAD6D\\ud83c\\udfe8\",\"i\":-5,\"d\":1.5e2,\"t\":true,\"n\":null,"
              "\"a\":[1,[],{}],\"big\":18446744073709551615} ",
              &root),
        OD_OK);
    assert_int_equal(root.count, 7);
    assert_true(od_str_eq_c(od_json_get_str(&root, "s", OD_STR("")),
                            "\xED\x95\x9C\xEA\xB5\xAD\xF0\x9F\x8F\xA8"));
    assert_int_equal(od_json_get_i64(&root, "i", 0), -5);
    assert_true(od_json_get_double(&root, "d", 0) == 150);
    assert_int_equal(od_json_get_i64(&root, "d", 7), 7);
    assert_true(od_json_get_bool(&root, "t", false));
    assert_int_equal(od_json_get(&root, OD_STR("n"))->kind, OD_JSON_NULL);
    assert_int_equal(od_json_get(&root, OD_STR("a"))->count, 3);
    assert_false(od_json_get(&root, OD_STR("big"))->is_integer);
    assert_null(od_json_get(&root, OD_STR("absent")));
}

static void the_last_of_equal_keys_counts(void **state)
{
    (void)state;
    struct od_json root;
    assert_int_equal(parse("{\"a\":1,\"a\":2}", &root), OD_OK);
    assert_int_equal(od_json_get_i64(&root, "a", 0), 2);
    assert_int_equal(root.count, 2);
}

static void what_is_no_json_is_refused(void **state)
{
    (void)state;
    struct od_json root;
    const char *bad[] = {"",    "{",     "[1,]",     "{\"a\":}",    "nul", "01",  "1 2",
                         "'a'", "{a:1}", "\"\xFF\"", "\"\\ud800\"", "[1}", "\"a", "1e999"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(parse(bad[i], &root), OD_SERIALIZATION);
}

static void depth_is_bounded(void **state)
{
    (void)state;
    struct od_json root;
    char text[4 * OD_MAX_JSON_DEPTH];
    memset(text, '[', OD_MAX_JSON_DEPTH * 2);
    memset(text + OD_MAX_JSON_DEPTH * 2, ']', OD_MAX_JSON_DEPTH * 2);
    assert_int_equal(od_json_parse(&arena, (struct od_str){text, sizeof text}, &root, NULL),
                     OD_SERIALIZATION);
    size_t fine = OD_MAX_JSON_DEPTH / 2;
    assert_int_equal(od_json_parse(&arena,
                                   (struct od_str){text + OD_MAX_JSON_DEPTH * 2 - fine, 2 * fine},
                                   &root, NULL),
                     OD_OK);
}

static void a_full_arena_is_a_status(void **state)
{
    (void)state;
    struct od_arena small;
    struct od_json root;
    od_arena_init(&small, 64);
    assert_int_equal(od_json_parse(&small, OD_STR("[1,2,3,4,5,6,7,8,9]"), &root, NULL),
                     OD_TOO_LARGE);
    assert_true(small.full);
    od_arena_done(&small);
}

static void what_was_read_is_written_again(void **state)
{
    (void)state;
    static const char text[] =
        "{\"a\":[1,-2.5,true,null,\"x\\n\\\"y\"],\"b\":{},\"c\":false,\"d\":[]}";
    struct od_json root;
    struct od_buf out;
    od_buf_init(&out, 4096);
    assert_int_equal(od_json_parse(&arena, od_str_c(text), &root, NULL), OD_OK);
    od_json_write(&root, &out);
    assert_true(od_str_eq_c(od_buf_view(&out), text));
    od_buf_done(&out);
}

static void members_are_written_without_some(void **state)
{
    (void)state;
    struct od_json root;
    struct od_buf out;
    static const char *const without[] = {"b", "nothing", NULL};
    od_buf_init(&out, 1000);
    assert_int_equal(parse("{\"a\":1,\"b\":[2],\"c\":{\"b\":3}}", &root), OD_OK);
    od_json_write_others(&root, without, &out);
    assert_true(od_str_eq_c(od_buf_view(&out), ",\"a\":1,\"c\":{\"b\":3}"));
    od_buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_of_value),
        cmocka_unit_test(the_last_of_equal_keys_counts),
        cmocka_unit_test(what_is_no_json_is_refused),
        cmocka_unit_test(depth_is_bounded),
        cmocka_unit_test(a_full_arena_is_a_status),
        cmocka_unit_test(what_was_read_is_written_again),
        cmocka_unit_test(members_are_written_without_some),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
