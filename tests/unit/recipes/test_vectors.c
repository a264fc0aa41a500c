/* Vectors in a text column: what is one, what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <math.h>

#include "base/bitmap.h"
#include "recipes/vectors.h"
#include "shelf.h"

#define TEXT ",{\"name\":\"EMBEDDING\",\"type\":[\"null\",\"string\"],\"textual\":true}"

static void numbers_are_read_in_any_punctuation(void **state)
{
    (void)state;
    float x[4];
    uint32_t n;
    assert_true(od_vectors_parse(OD_STR(" [0.5, -1e-2;3\t4 ] "), 4, x, &n));
    assert_true(n == 4 && x[0] == 0.5f && x[1] == -1e-2f && x[2] == 3 && x[3] == 4);
    assert_false(od_vectors_parse(OD_STR("1 2 3 4 5"), 4, x, &n));
    assert_false(od_vectors_parse(OD_STR("1 two 3"), 4, x, &n));
    assert_false(od_vectors_parse(OD_STR("1 NaN 3"), 4, x, &n));
    assert_false(od_vectors_parse(OD_STR("1 inf"), 4, x, &n));
    assert_false(od_vectors_parse(OD_STR("1 1e300"), 4, x, &n));
    assert_false(od_vectors_parse(OD_STR("[]"), 4, x, &n));
    assert_false(od_vectors_parse(OD_STR(""), 4, x, &n));
}

static void a_column_is_read_to_unit_length(void **state)
{
    (void)state;
    struct shelf s;
    shelf_init(&s, TEXT);
    const char *cells[] = {"3 4 0 0 0 0 0 0", "0 0 0 0 0 0 0 0", NULL};
    shelf_put(&s, "i00002", &cells[0]);
    shelf_put(&s, "i00001", &cells[1]);
    shelf_put(&s, "i00000", &cells[2]);
    assert_int_equal(od_vectors_find(s.table), 1);
    struct od_dict *ids = shelf_ids(4);
    struct od_vectors v;
    assert_int_equal(od_vectors_read(s.table, 1, ids, &v, NULL), OD_OK);
    assert_true(v.rows == 4 && v.dimension == 8);
    assert_true(fabsf(v.at[16] - .6f) < 1e-6f && fabsf(v.at[17] - .8f) < 1e-6f);
    assert_int_equal(v.present[0], 4); /* a vector of zeros has no direction */
    od_vectors_done(&v);
    od_dict_free(ids);
    shelf_done(&s);
}

static void prose_and_short_lists_are_no_vectors(void **state)
{
    (void)state;
    struct shelf s;
    shelf_init(&s, TEXT);
    assert_int_equal(od_vectors_find(s.table), SIZE_MAX); /* nothing at all */
    const char *years = "1995 1996", *prose = "1 2 3 4 5 6 7 8 o'clock rock";
    shelf_put(&s, "i00000", &years);
    assert_int_equal(od_vectors_find(s.table), SIZE_MAX);
    shelf_put(&s, "i00000", &prose);
    assert_int_equal(od_vectors_find(s.table), SIZE_MAX);
    assert_int_equal(od_vectors_find(NULL), SIZE_MAX);
    shelf_done(&s);
}

static void another_length_is_refused_by_name(void **state)
{
    (void)state;
    struct shelf s;
    shelf_init(&s, TEXT);
    const char *good = "1 2 3 4 5 6 7 8", *bad[] = {"1 2 3 4 5 6 7 8 9", "1 2 3", "hello"};
    for (unsigned i = 0; i < OD_VECTOR_PROBES; i++) {
        char id[8];
        snprintf(id, sizeof id, "i%05u", i);
        shelf_put(&s, id, &good);
    }
    struct od_dict *ids = shelf_ids(OD_VECTOR_PROBES + 1);
    for (int i = 0; i < 3; i++) {
        shelf_put(&s, "i00100", &bad[i]);
        struct od_vectors v;
        struct od_error err;
        assert_int_equal(od_vectors_read(s.table, 1, ids, &v, &err), OD_INVALID_INPUT);
        assert_non_null(strstr(err.message, "EMBEDDING"));
        assert_non_null(strstr(err.message, "i00100"));
        assert_non_null(strstr(err.message, "8 finite numbers"));
    }
    od_dict_free(ids);
    shelf_done(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_read_in_any_punctuation),
        cmocka_unit_test(a_column_is_read_to_unit_length),
        cmocka_unit_test(prose_and_short_lists_are_no_vectors),
        cmocka_unit_test(another_length_is_refused_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
