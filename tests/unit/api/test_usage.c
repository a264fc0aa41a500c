/* Token buckets, TPS-hours by the five-minute rule, and the last five minutes. */
#include "api/bucket.h"
#include "api/usage.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#define SECOND 1000000000LL
#define MINUTE 60000LL
#define WINDOW OD_USAGE_WINDOW_MS
#define NOON   1750000200000LL /* a multiple of the window */

static void assert_close(double value, double expected)
{
    if (fabs(value - expected) > 1e-9)
        fail_msg("%.12g is not %.12g", value, expected);
}

/* --- buckets --- */

static unsigned take_all(struct od_bucket *bucket, int64_t now_ns)
{
    unsigned count = 0;
    while (od_bucket_has(bucket, now_ns)) {
        assert_true(od_bucket_take(bucket, now_ns));
        count++;
    }
    assert_false(od_bucket_take(bucket, now_ns));
    return count;
}

static void a_bucket_holds_one_second_and_no_more(void **state)
{
    (void)state;
    static const int64_t rates[] = {1, 2, 3, 7, 100, 999, 12345};
    for (size_t i = 0; i < sizeof rates / sizeof *rates; i++) {
        struct od_bucket bucket;
        od_bucket_init(&bucket, rates[i]);
        assert_int_equal(take_all(&bucket, 0), rates[i]);
        assert_int_equal(take_all(&bucket, SECOND), rates[i]);
        assert_int_equal(take_all(&bucket, 100 * SECOND), rates[i]);
        assert_int_equal(take_all(&bucket, 100 * SECOND), 0);
        assert_int_equal(take_all(&bucket, 99 * SECOND),
                         0); /* a clock never goes back; if it did */
    }
}

static void a_bucket_is_refilled_at_its_rate(void **state)
{
    (void)state;
    struct od_bucket bucket;
    uint64_t count = 0;
    od_bucket_init(&bucket, 10);
    (void)take_all(&bucket, 0);
    for (int64_t ms = 1; ms <= 10000; ms++)
        count += take_all(&bucket, ms * 1000000);
    assert_int_equal(count, 100);
    od_bucket_set_rate(&bucket, 0);
    assert_int_equal(take_all(&bucket, 20 * SECOND), 0);
    od_bucket_set_rate(&bucket, 5);
    assert_int_equal(take_all(&bucket, 20 * SECOND), 5);
}

/* --- TPS-hours --- */

struct step {
    int64_t at_ms; /* since noon */
    uint64_t count;
};

static double worth(int64_t floor, int64_t from_ms, const struct step *steps, size_t count,
                    int64_t until_ms)
{
    struct od_tps_hours hours = {.until_ms = NOON + from_ms, .floor = floor};
    for (size_t i = 0; i < count; i++) {
        (void)od_tps_hours_advance(&hours, NOON + steps[i].at_ms);
        hours.count += steps[i].count;
    }
    (void)od_tps_hours_advance(&hours, NOON + until_ms);
    return od_tps_hours_now(&hours, NOON + until_ms);
}

static void a_window_counts_the_larger_of_floor_and_average(void **state)
{
    (void)state;
    const struct {
        int64_t floor, from_ms;
        struct step steps[4];
        int64_t until_ms;
        double expected;
    } table[] = {
        /* nothing asked: the floor, for the time */
        {1, 0, {{0, 0}}, 12 * WINDOW, 1},
        {4, 0, {{0, 0}}, 6 * WINDOW, 2},
        /* 3,000 in a window are 10 TPS: 10 / 12 of an hour's twelfth */
        {1, 0, {{MINUTE, 3000}}, WINDOW, 10.0 / 12},
        /* fewer than the floor's 300 count as the floor */
        {1, 0, {{MINUTE, 299}}, WINDOW, 1.0 / 12},
        {1, 0, {{MINUTE, 300}}, WINDOW, 1.0 / 12},
        {1, 0, {{MINUTE, 301}}, WINDOW, 301.0 / 300 / 12},
        /* averages are of windows, not of longer: a burst is not spread over the idle hour */
        {1, 0, {{MINUTE, 3600}}, 12 * WINDOW, 12.0 / 12 + 11.0 / 12},
        /* two halves of a burst in two windows */
        {2, 0, {{WINDOW - 1, 1200}, {WINDOW, 1200}}, 2 * WINDOW, 4.0 / 12 + 4.0 / 12},
        /* becoming ACTIVE in the middle of a window: that window is short */
        {1, 4 * MINUTE, {{4 * MINUTE + 1, 600}}, WINDOW, 10.0 / 60},
        {6, 4 * MINUTE, {{0, 0}}, WINDOW + 5 * MINUTE, 6.0 / 60 + 6.0 / 12},
        /* the running window counts so far */
        {1, 0, {{MINUTE, 600}}, 2 * MINUTE, 600.0 / 3600},
        {1, 0, {{MINUTE, 60}}, 2 * MINUTE, 120.0 / 3600},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        assert_close(worth(table[i].floor, table[i].from_ms, table[i].steps, 4, table[i].until_ms),
                     table[i].expected);
}

static void only_a_window_above_its_floor_is_worth_writing_down(void **state)
{
    (void)state;
    struct od_tps_hours hours = {.until_ms = NOON, .floor = 1};
    assert_false(od_tps_hours_advance(&hours, NOON + WINDOW - 1));
    assert_false(od_tps_hours_advance(&hours, NOON + 50 * WINDOW));
    hours.count = 300;
    assert_false(od_tps_hours_advance(&hours, NOON + 51 * WINDOW));
    hours.count = 301;
    assert_true(od_tps_hours_advance(&hours, NOON + 52 * WINDOW));
    assert_false(od_tps_hours_advance(&hours, NOON + 53 * WINDOW));
}

static void a_new_floor_ends_the_window(void **state)
{
    (void)state;
    struct od_tps_hours hours = {.until_ms = NOON, .floor = 1};
    hours.count = 600;
    od_tps_hours_set_floor(&hours, 60, NOON + MINUTE); /* 10 TPS for a minute */
    assert_close(od_tps_hours_now(&hours, NOON + MINUTE), 10.0 / 60);
    assert_close(od_tps_hours_now(&hours, NOON + 2 * MINUTE), 10.0 / 60 + 1);
    od_tps_hours_set_floor(&hours, 0, NOON + 2 * MINUTE); /* stopped */
    (void)od_tps_hours_advance(&hours, NOON + 100 * WINDOW);
    assert_close(od_tps_hours_now(&hours, NOON + 100 * WINDOW), 10.0 / 60 + 1);
    assert_int_equal(hours.count, 0);
}

static void a_clock_that_steps_back_counts_nothing_twice(void **state)
{
    (void)state;
    struct od_tps_hours hours = {.until_ms = NOON, .floor = 12};
    assert_false(od_tps_hours_advance(&hours, NOON - 3 * WINDOW));
    assert_close(od_tps_hours_now(&hours, NOON - 3 * WINDOW), 0);
    od_tps_hours_set_floor(&hours, 24, NOON - WINDOW);
    assert_int_equal(hours.until_ms, NOON);
    (void)od_tps_hours_advance(&hours, NOON + WINDOW);
    assert_close(hours.total, 2);
}

/* What is written down and read back at any moment gives the same total. */
static void going_on_from_what_was_written_down_changes_nothing(void **state)
{
    (void)state;
    for (int64_t stop = 0; stop < 3 * WINDOW; stop += 7777) {
        struct od_tps_hours whole = {.until_ms = NOON + 1234, .floor = 2}, parted = whole;
        for (int64_t ms = 2000; ms < 3 * WINDOW; ms += 250) {
            if (ms >= stop && ms < stop + 250)
                parted = (struct od_tps_hours){parted.until_ms, parted.floor, parted.total,
                                               parted.count};
            (void)od_tps_hours_advance(&whole, NOON + ms);
            (void)od_tps_hours_advance(&parted, NOON + ms);
            whole.count++;
            parted.count++;
        }
        assert_close(od_tps_hours_now(&parted, NOON + 3 * WINDOW - 1),
                     od_tps_hours_now(&whole, NOON + 3 * WINDOW - 1));
    }
}

/* --- the last five minutes --- */

static void the_last_five_minutes_forget_what_is_older(void **state)
{
    (void)state;
    struct od_recent recent;
    double tps, busy;
    od_recent_init(&recent, NOON);
    od_recent_read(&recent, NOON, &tps, &busy);
    assert_close(tps, 0);
    od_recent_add(&recent, NOON + 500, 30, SECOND / 4);
    od_recent_read(&recent, NOON + 600, &tps, &busy); /* a second at least */
    assert_close(tps, 30);
    assert_close(busy, 0.25);
    od_recent_read(&recent, NOON + 10000, &tps, &busy);
    assert_close(tps, 3);
    for (int i = 1; i < 40; i++)
        od_recent_add(&recent, NOON + i * 10000, 100, SECOND);
    od_recent_read(&recent, NOON + 400000 - 1, &tps, &busy);
    assert_true(fabs(tps - 10) < 0.01);
    assert_true(fabs(busy - 0.1) < 0.001);
    od_recent_read(&recent, NOON + 2 * 3600000LL, &tps, &busy);
    assert_close(tps, 0);
    assert_close(busy, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bucket_holds_one_second_and_no_more),
        cmocka_unit_test(a_bucket_is_refilled_at_its_rate),
        cmocka_unit_test(a_window_counts_the_larger_of_floor_and_average),
        cmocka_unit_test(only_a_window_above_its_floor_is_worth_writing_down),
        cmocka_unit_test(a_new_floor_ends_the_window),
        cmocka_unit_test(a_clock_that_steps_back_counts_nothing_twice),
        cmocka_unit_test(going_on_from_what_was_written_down_changes_nothing),
        cmocka_unit_test(the_last_five_minutes_forget_what_is_older),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
