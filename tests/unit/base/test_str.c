/* Slices, numbers, UTF-8 and the growable buffer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>

#include <stdlib.h>

#include "base/random.h"
#include "base/str.h"

static void cutting_takes_every_part_once(void **state)
{
    (void)state;
    struct od_str rest = OD_STR("a||b"), part;
    const char *want[] = {"a", "", "b"};
    for (int i = 0; i < 3; i++) {
        assert_true(od_str_cut(&rest, '|', &part));
        assert_true(od_str_eq_c(part, want[i]));
    }
    assert_false(od_str_cut(&rest, '|', &part));
    rest = OD_STR("");
    assert_true(od_str_cut(&rest, '|', &part));
    assert_int_equal(part.len, 0);
    assert_false(od_str_cut(&rest, '|', &part));
}

static void whole_numbers_at_the_edges(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool ok;
        int64_t value;
    } cases[] = {
        {"0", true, 0},
        {"-9223372036854775808", true, INT64_MIN},
        {"9223372036854775807", true, INT64_MAX},
        {"+7", true, 7},
        {"007", true, 7},
        {"9223372036854775808", false, 0},
        {"-9223372036854775809", false, 0},
        {"99999999999999999999999", false, 0},
        {"", false, 0},
        {"-", false, 0},
        {"+-1", false, 0},
        {" 1", false, 0},
        {"1 ", false, 0},
        {"1.0", false, 0},
        {"0x10", false, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t v = 42;
        assert_int_equal(od_str_to_i64(od_str_c(cases[i].text), &v), cases[i].ok);
        assert_int_equal(v, cases[i].ok ? cases[i].value : 42);
    }
}

static void real_numbers_are_finite_and_plain(void **state)
{
    (void)state;
    double v = 0;
    assert_true(od_str_to_double(OD_STR("1.5e3"), &v));
    assert_true(v == 1500);
    assert_true(od_str_to_double(OD_STR("-0.25"), &v));
    assert_true(v == -0.25);
    const char *bad[] = {"", "nan", "inf", "1e999", "0x1p3", "1,5", "1 ", "e", "1e", "--1"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(od_str_to_double(od_str_c(bad[i]), &v));
    assert_false(od_str_to_double((struct od_str){"1\0002", 3}, &v));
}

static void utf8_by_the_table_of_rfc_3629(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t good; /* bytes before the first fault */
    } cases[] = {
        {"plain ascii text", 16},
        {"\xED\x95\x9C\xEA\xB5\xAD", 6},
        {"\xF0\x9F\x8F\xA8", 4},
        {"\xC0\x80", 0},
        {"\xC1\xBF", 0},
        {"\xE0\x9F\xBF", 0},
        {"\xED\xA0\x80", 0},
        {"\xF0\x8F\xBF\xBF", 0},
        {"\xF4\x90\x80\x80", 0},
        {"\xF5\x80\x80\x80", 0},
        {"ok\x80", 2},
        {"ok\xE2\x82", 2},
        {"12345678\xFF", 8},
        {"\xF4\x8F\xBF\xBF", 4},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(od_utf8_check(od_str_c(cases[i].text)), cases[i].good);
    assert_int_equal(od_utf8_count(OD_STR("a\xED\x95\x9C\xF0\x9F\x8F\xA8")), 3);
}

static void a_buffer_stops_at_its_maximum_and_says_so(void **state)
{
    (void)state;
    struct od_buf buf;
    od_buf_init(&buf, 5);
    od_buf_puts(&buf, "abc");
    od_buf_puts(&buf, "def");
    od_buf_puts(&buf, "g");
    assert_int_equal(od_buf_status(&buf), OD_TOO_LARGE);
    assert_string_equal(buf.ptr, "abc");
    od_buf_clear(&buf);
    od_buf_printf(&buf, "%d", 12345);
    assert_int_equal(od_buf_status(&buf), OD_OK);
    assert_string_equal(buf.ptr, "12345");
    od_buf_done(&buf);
}

static void json_strings_are_escaped_and_repaired(void **state)
{
    (void)state;
    struct od_buf buf;
    od_buf_init(&buf, 200);
    od_buf_json(&buf, (struct od_str){"a\"\\\n\t\r\001\xED\x95\x9C\xFFz\0", 13});
    assert_string_equal(buf.ptr, "\"a\\\"\\\\\\n\\t\\r\\u0001\xED\x95\x9C\xEF\xBF\xBDz\\u0000\"");
    od_buf_done(&buf);
}

static void printed_doubles_read_back_the_same(void **state)
{
    (void)state;
    struct od_random rng;
    od_random_init(&rng, 1);
    for (int i = 0; i < 20000; i++) {
        union {
            uint64_t bits;
            double value;
        } any = {.bits = od_random_u64(&rng)};
        if (!(any.value - any.value == 0))
            continue; /* not finite */
        struct od_buf buf;
        od_buf_init(&buf, 64);
        od_buf_double(&buf, any.value);
        assert_true(strtod(buf.ptr, NULL) == any.value);
        od_buf_done(&buf);
    }
    static const struct {
        double value;
        const char *text;
    } as[] = {{0, "0"},
              {-0.5, "-0.5"},
              {3, "3"},
              {1.0 / 0.0, "null"},
              {0.1f, "0.10000000149011612"},
              {0.0001, "0.0001"},
              {0.00001234, "1.234e-05"},
              {999999999999999, "999999999999999"},
              {1e15, "1e+15"},
              {-1.7976931348623157e308, "-1.7976931348623157e+308"},
              {5e-324, "5e-324"},
              {-123456789012345.67, "-123456789012345.67"}};
    for (size_t i = 0; i < sizeof as / sizeof *as; i++) {
        struct od_buf buf;
        od_buf_init(&buf, 64);
        od_buf_double(&buf, as[i].value);
        assert_string_equal(buf.ptr, as[i].text);
        od_buf_done(&buf);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cutting_takes_every_part_once),
        cmocka_unit_test(whole_numbers_at_the_edges),
        cmocka_unit_test(real_numbers_are_finite_and_plain),
        cmocka_unit_test(utf8_by_the_table_of_rfc_3629),
        cmocka_unit_test(a_buffer_stops_at_its_maximum_and_says_so),
        cmocka_unit_test(json_strings_are_escaped_and_repaired),
        cmocka_unit_test(printed_doubles_read_back_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
