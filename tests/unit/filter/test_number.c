/* Comparisons as ranges, against the comparison itself in exact arithmetic; and the scans. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/bitmap.h"
#include "base/random.h"
#include "filter/compiled.h"

static const enum od_filter_op ops[] = {OD_OP_EQ, OD_OP_LT, OD_OP_LE, OD_OP_GT, OD_OP_GE, OD_OP_IN};

static bool holds(int order, enum od_filter_op op)
{
    switch (op) {
    case OD_OP_LT:
        return order < 0;
    case OD_OP_LE:
        return order <= 0;
    case OD_OP_GT:
        return order > 0;
    case OD_OP_GE:
        return order >= 0;
    default:
        return order == 0;
    }
}

/* x86's long double has 64 bits of mantissa: every int64 and every double is exact in it. */
static int order_of(long double a, long double b)
{
    return (a > b) - (a < b);
}

static void reads_numbers_exactly(void **state)
{
    (void)state;
    struct od_filter_number n;
    assert_true(od_filter_number(OD_STR(" 9223372036854775807\t"), &n));
    assert_true(n.is_integer && n.integer == INT64_MAX);
    assert_true(od_filter_number(OD_STR("9223372036854775808"), &n));
    assert_true(!n.is_integer && n.real == 9223372036854775808.0);
    assert_true(od_filter_number(OD_STR("-1.5e1"), &n));
    assert_true(!n.is_integer && n.real == -15.0);
    assert_true(od_filter_number(OD_STR("+7"), &n));
    assert_true(n.is_integer && n.integer == 7 && n.real == 7.0);
    static const char *const bad[] = {"", " ", "abc", "1 2", "0x10", "inf", "nan", "1e999", "--1"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(od_filter_number(od_str_c(bad[i]), &n));
}

static void integer_ranges_are_exact(void **state)
{
    (void)state;
    static const char *const numbers[] = {"0",
                                          "-0",
                                          "-0.0",
                                          "1",
                                          "-1",
                                          "0.5",
                                          "-0.5",
                                          "2.999999",
                                          "1e3",
                                          "9007199254740993",
                                          "9007199254740993.0",
                                          "9223372036854775807",
                                          "-9223372036854775808",
                                          "9223372036854775808",
                                          "-9223372036854775809",
                                          "9.3e18",
                                          "-9.3e18",
                                          "9223372036854774784.0",
                                          "-9223372036854774784.0",
                                          "1e300",
                                          "-1e300",
                                          "1e18",
                                          "1e-300"};
    static const int64_t values[] = {INT64_MIN,
                                     INT64_MIN + 1,
                                     INT64_MIN + 1024,
                                     INT64_MIN + 1025,
                                     -1000,
                                     -2,
                                     -1,
                                     0,
                                     1,
                                     2,
                                     3,
                                     999,
                                     1000,
                                     1001,
                                     9007199254740992,
                                     9007199254740993,
                                     9007199254740994,
                                     1000000000000000000,
                                     INT64_MAX - 1024,
                                     INT64_MAX - 1023,
                                     INT64_MAX - 1,
                                     INT64_MAX};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        struct od_filter_number number;
        assert_true(od_filter_number(od_str_c(numbers[i]), &number));
        long double exact = number.is_integer ? (long double)number.integer : number.real;
        for (size_t k = 0; k < sizeof values / sizeof values[0]; k++) {
            for (size_t o = 0; o < sizeof ops / sizeof ops[0]; o++) {
                struct od_filter_range range = od_filter_range(OD_FIELD_LONG, ops[o], &number);
                bool in = !range.empty && range.low <= values[k] && values[k] <= range.high;
                assert_int_equal(in, holds(order_of((long double)values[k], exact), ops[o]));
            }
        }
    }
}

static void real_ranges_compare_in_the_type_of_the_column(void **state)
{
    (void)state;
    static const double values[] = {
        0,      -0.0,    0.1,  (double)0.1F,          0.5,   -0.1,   1,       16777216, 16777217,
        1e-310, -1e-310, 1e38, 3.4028234663852886e38, 1e300, -1e300, DBL_MAX, -DBL_MAX, 89.99999,
        90,     90.00001};
    static const char *const numbers[] = {
        "0",      "0.1", "-0.1",   "16777217",     "1e300",
        "-1e300", "90",  "1e-310", "3.4028235e38", "1.7976931348623157e308"};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        struct od_filter_number number;
        assert_true(od_filter_number(od_str_c(numbers[i]), &number));
        for (size_t k = 0; k < sizeof values / sizeof values[0]; k++) {
            for (size_t o = 0; o < sizeof ops / sizeof ops[0]; o++) {
                uint64_t bit = 0;
                struct od_filter_range r = od_filter_range(OD_FIELD_DOUBLE, ops[o], &number);
                if (!r.empty)
                    od_scan_reals(&values[k], 1, false, r.real_low, r.real_high, &bit);
                assert_int_equal(bit, holds(order_of(values[k], number.real), ops[o]));
                bit = 0;
                r = od_filter_range(OD_FIELD_FLOAT, ops[o], &number);
                if (!r.empty)
                    od_scan_reals(&values[k], 1, true, r.real_low, r.real_high, &bit);
                float a = (float)values[k], b = (float)number.real;
                assert_int_equal(bit, holds((a > b) - (a < b), ops[o]));
            }
        }
    }
}

#define MOST 200
static void scans_agree_with_plain_loops_on_odd_sizes(void **state)
{
    (void)state;
    struct od_random rng;
    od_random_init(&rng, 7);
    int64_t integers[MOST], members[5] = {-3, 0, 2, 5, 9};
    double reals[MOST], real_members[5] = {-3, 0, 2, 5, 9};
    uint64_t out[MOST / 64 + 2];
    for (size_t count = 0; count <= MOST; count++) {
        for (size_t i = 0; i < count; i++) {
            integers[i] = (int64_t)od_random_below(&rng, 15) - 5;
            reals[i] = (double)integers[i];
        }
        for (int scan = 0; scan < 5; scan++) {
            memset(out, 0xAA, sizeof out);
            switch (scan) {
            case 0:
                od_scan_integers(integers, count, -2, 4, out);
                break;
            case 1:
            case 2:
                od_scan_reals(reals, count, scan == 1, -2, 4, out);
                break;
            case 3:
                od_scan_integer_set(integers, count, members, 5, out);
                break;
            default:
                od_scan_real_set(reals, count, true, real_members, 5, out);
                break;
            }
            for (size_t i = 0; i < od_bitmap_words(count) * 64; i++) {
                bool want = i < count && integers[i] >= -2 && integers[i] <= 4;
                if (scan >= 3)
                    want = i < count && (integers[i] == -3 || integers[i] == 0 ||
                                         integers[i] == 2 || integers[i] == 5 || integers[i] == 9);
                assert_int_equal(od_bitmap_get(out, i), want);
            }
            assert_int_equal(out[od_bitmap_words(count)], 0xAAAAAAAAAAAAAAAAULL);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_numbers_exactly),
        cmocka_unit_test(integer_ranges_are_exact),
        cmocka_unit_test(real_ranges_compare_in_the_type_of_the_column),
        cmocka_unit_test(scans_agree_with_plain_loops_on_odd_sizes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
