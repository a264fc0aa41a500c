/* Files of item vectors: what is read, and what is refused with its line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>

#include "base/bitmap.h"
#include "recipes/external_file.h"
#include "shelf.h"

static struct od_vectors read_good(const char *text)
{
    struct od_dict *ids = shelf_ids(4);
    struct od_vectors v;
    struct od_error err = {0};
    if (od_external_read(od_str_c(text), ids, true, 0, &v, &err) != OD_OK)
        fail_msg("%s", err.message);
    od_dict_free(ids);
    return v;
}

static void check_bad(const char *text, uint64_t line, const char *part)
{
    struct od_dict *ids = shelf_ids(4);
    struct od_vectors v;
    struct od_error err = {0};
    assert_int_equal(od_external_read(od_str_c(text), ids, true, 0, &v, &err), OD_INVALID_INPUT);
    assert_int_equal(err.line, line);
    if (!strstr(err.message, part))
        fail_msg("%s", err.message);
    od_dict_free(ids);
}

static void lines_of_ids_and_numbers_are_read(void **state)
{
    (void)state;
    const char *files[] = {
        "i00002\t1 2 3\ni00000\t-4,5e-1;6\n", "i00002,1,2,3\r\n\r\ni00000,-4,0.5,6",
        "i00002 1 2 3\ni00000 [-4, 0.5, 6]\n\n",
        "2 3\ni00002 1 2 3\ni00000 -4 .5 6\n", /* word2vec */
    };
    for (size_t f = 0; f < sizeof files / sizeof *files; f++) {
        struct od_vectors v = read_good(files[f]);
        const float expected[] = {-4, 0.5f, 6, 0, 0, 0, 1, 2, 3, 0, 0, 0};
        assert_true(v.rows == 4 && v.dimension == 3);
        assert_memory_equal(v.at, expected, sizeof expected);
        assert_int_equal(v.present[0], 5);
        od_vectors_done(&v);
    }
    struct od_vectors v = read_good("i00001\t7\nstranger\t8\n"); /* one unknown, one known */
    assert_true(v.dimension == 1 && v.at[1] == 7 && v.present[0] == 2);
    od_vectors_done(&v);
    struct od_dict *part = shelf_ids(1); /* of all that the file is for */
    assert_int_equal(
        od_external_read(OD_STR("i00000 1\ni00001 2\ni00002 3\n"), part, false, 0, &v, NULL),
        OD_OK);
    assert_true(v.rows == 1 && v.at[0] == 1);
    od_vectors_done(&v);
    od_dict_free(part);
}

static void faults_are_named_with_their_line(void **state)
{
    (void)state;
    check_bad("", 0, "no vector");
    check_bad("\n \n", 0, "no vector");
    check_bad("i00000 1 2\n\ni00001 1 2 3\n", 3, "3 numbers; expected 2");
    check_bad("i00000 1 2\ni00001 1\n", 2, "1 numbers; expected 2");
    check_bad("i00000 1 nan\n", 1, "finite numbers");
    check_bad("i00000 1 inf\n", 1, "finite numbers");
    check_bad("i00000 1 1e99\n", 1, "finite numbers");
    check_bad("i00000 1 x2\n", 1, "finite numbers");
    check_bad("i00000\n", 1, "finite numbers");
    check_bad("i00000 1 2\ni00001 1 2\ni00000 3 4\n", 3, "second vector for the id i00000");
    check_bad("3 2\ni00000 1 2\ni00001 1 2\n", 0, "holds 2 vectors; its first line says 3");
    check_bad("2 3\ni00000 1 2\n", 2, "2 numbers; expected 3");
    check_bad("2 5000\n", 1, "5000 numbers; expected 1 to 4096");
    check_bad("2 0\n", 1, "0 numbers");
    check_bad("x 1\ny 1\ni00000 1\n", 0, "2 ids that are no items");
    check_bad("x 1\n", 0, "x, and 0 that are");
}

static void more_than_memory_allows_is_refused(void **state)
{
    (void)state;
    struct od_dict *ids = shelf_ids(1000);
    struct od_vectors v;
    struct od_error err = {0};
    const char *file = "i00000\t1 2 3 4 5 6 7 8\n";
    assert_int_equal(od_external_read(od_str_c(file), ids, true, 1000 * 8 * 4 - 1, &v, &err),
                     OD_LIMIT);
    assert_int_equal(od_external_read(od_str_c(file), ids, true, 1000 * 8 * 4, &v, &err), OD_OK);
    od_vectors_done(&v);
    od_dict_free(ids);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_of_ids_and_numbers_are_read),
        cmocka_unit_test(faults_are_named_with_their_line),
        cmocka_unit_test(more_than_memory_allows_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
