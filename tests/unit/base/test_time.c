/* Civil time there and back, and the formats. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>

#include "base/time.h"

static void parses_basic_form_and_refuses_others(void **state)
{
    (void)state;
    int64_t t = 0;
    assert_true(od_time_parse_basic(OD_STR("20240131T235959Z"), &t));
    assert_int_equal(t, 1706745599);
    assert_true(od_time_parse_basic(OD_STR("20240229T000000Z"), &t));
    assert_false(od_time_parse_basic(OD_STR("20230229T000000Z"), &t));
    assert_false(od_time_parse_basic(OD_STR("20240131T235959"), &t));
    assert_false(od_time_parse_basic(OD_STR("20241331T235959Z"), &t));
    assert_false(od_time_parse_basic(OD_STR("20240131 235959Z"), &t));
}

static void civil_and_back_over_eight_centuries(void **state)
{
    (void)state;
    for (int64_t t = -12219292800; t < 12219292800; t += 86400 * 13 + 12345) {
        struct od_civil c;
        od_time_civil(t, &c);
        assert_int_equal(od_time_unix(&c), t);
    }
    struct od_civil c;
    od_time_civil(0, &c);
    assert_int_equal(c.weekday, 4); /* 1 January 1970 was a Thursday */
}

static void iso_with_fraction_and_offset(void **state)
{
    (void)state;
    int64_t t = 0;
    assert_true(od_time_parse_iso(OD_STR("2024-01-31T23:59:59.5+09:00"), &t));
    assert_int_equal(t, (1706745599LL - 9 * 3600) * 1000 + 500);
    assert_false(od_time_parse_iso(OD_STR("2024-01-31T23:59:59"), &t));
    assert_false(od_time_parse_iso(OD_STR("2024-02-30T23:59:59Z"), &t));
}

static void formats(void **state)
{
    (void)state;
    char text[OD_TIME_TEXT];
    od_time_format_iso(1706745599123, text);
    assert_string_equal(text, "2024-01-31T23:59:59.123Z");
    od_time_format_http(1706745599, text);
    assert_string_equal(text, "Wed, 31 Jan 2024 23:59:59 GMT");
    od_time_format_basic(1706745599, text);
    assert_string_equal(text, "20240131T235959Z");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parses_basic_form_and_refuses_others),
        cmocka_unit_test(civil_and_back_over_eight_centuries),
        cmocka_unit_test(iso_with_fraction_and_offset),
        cmocka_unit_test(formats),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
