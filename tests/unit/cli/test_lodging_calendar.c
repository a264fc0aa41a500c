/* Korean holidays and the clock of browsing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/time.h"
#include "cli/lodging_world.h"

static int64_t day(int year, int month, int date)
{
    struct od_civil civil = {.year = year, .month = month, .day = date};
    return od_time_unix(&civil) / 86400;
}

static void holidays_of_2026(void **state)
{
    (void)state;
    static const int dates[][2] = {
        {1, 1},  {2, 16}, {2, 17}, {2, 18}, {3, 1},  {3, 2},  {5, 5},  {5, 24}, {5, 25},  {6, 6},
        {8, 15}, {8, 17}, {9, 24}, {9, 25}, {9, 26}, {10, 3}, {10, 5}, {10, 9}, {12, 25},
    };
    int count = 0;
    for (size_t i = 0; i < sizeof dates / sizeof *dates; i++)
        assert_true(od_lodging_holiday(day(2026, dates[i][0], dates[i][1])));
    for (int64_t d = day(2026, 1, 1); d < day(2027, 1, 1); d++)
        count += od_lodging_holiday(d);
    assert_int_equal(count, sizeof dates / sizeof *dates);
}

static void holidays_move(void **state)
{
    (void)state;
    assert_true(od_lodging_holiday(day(2024, 2, 12)));  /* Seollal reached a Sunday */
    assert_true(od_lodging_holiday(day(2025, 5, 6)));   /* two holidays on one day */
    assert_true(od_lodging_holiday(day(2025, 10, 8)));  /* Chuseok began on a Sunday */
    assert_true(od_lodging_holiday(day(2028, 10, 5)));  /* Chuseok met 3 October */
    assert_false(od_lodging_holiday(day(2026, 9, 28))); /* a Saturday does not move Chuseok */
    assert_false(od_lodging_holiday(day(2026, 6, 8)));  /* Memorial Day stays on its Saturday */
    assert_false(od_lodging_holiday(day(2040, 9, 21))); /* no lunar table: fixed dates alone */
    assert_true(od_lodging_holiday(day(2040, 10, 9)));
}

static void days_have_weights(void **state)
{
    (void)state;
    double tuesday = od_lodging_day_weight(day(2026, 8, 11));
    double saturday = od_lodging_day_weight(day(2026, 8, 8));
    double chuseok = od_lodging_day_weight(day(2026, 9, 25));
    double eve = od_lodging_day_weight(day(2026, 9, 23)), wednesday = 0.80;
    assert_true(tuesday < saturday && saturday < chuseok);
    assert_true(eve > wednesday);
}

/* Draws lie in their part, and their hours follow the table also when the part is odd. */
static void moments_stay_inside(void **state)
{
    (void)state;
    struct od_arena arena;
    struct od_random rng;
    struct od_lodging_calendar calendar;
    od_arena_init(&arena, 1 << 20);
    /* 15:00 UTC is midnight in Korea */
    int64_t start = day(2026, 8, 10) * 86400 - OD_KST_S;
    assert_int_equal(od_lodging_calendar_init(&calendar, start, 2, &arena), OD_OK);
    assert_int_equal(calendar.hours, 48);
    od_random_init(&rng, 1);
    uint32_t evening = 0, night = 0;
    for (int i = 0; i < 20000; i++) {
        uint32_t m = od_lodging_moment(&calendar, &rng, 1234, 86400);
        assert_in_range(m, 1234, 86399);
        evening += m / 3600 == 21;
        night += m / 3600 == 3;
    }
    /* weights 1.75 and .10 of 18.15 less a third of the first hour's .45 */
    assert_in_range(evening, 20000 * 1.75 / 18.0 * 0.9, 20000 * 1.75 / 18.0 * 1.1);
    assert_in_range(night, 20000 * 0.10 / 18.0 * 0.6, 20000 * 0.10 / 18.0 * 1.4);
    assert_int_equal(od_lodging_moment(&calendar, &rng, 77, 78), 77);
    assert_int_equal(od_lodging_moment(&calendar, &rng, 77, 77), 77);
    assert_in_range(od_lodging_moment(&calendar, &rng, 172700, 172800), 172700, 172799);
    od_arena_done(&arena);
}

static void seasons_follow_the_month(void **state)
{
    (void)state;
    struct od_arena arena;
    struct od_lodging_calendar calendar;
    od_arena_init(&arena, 1 << 20);
    assert_int_equal(od_lodging_calendar_init(&calendar, day(2026, 1, 1) * 86400, 365, &arena),
                     OD_OK);
    assert_int_equal(calendar.season[0], 3);                                  /* January */
    assert_int_equal(calendar.season[day(2026, 2, 28) - day(2026, 1, 1)], 3); /* winter's end */
    assert_int_equal(calendar.season[day(2026, 3, 1) - day(2026, 1, 1)], 0);  /* spring */
    assert_int_equal(calendar.season[day(2026, 8, 31) - day(2026, 1, 1)], 1); /* summer */
    assert_int_equal(calendar.season[day(2026, 9, 1) - day(2026, 1, 1)], 2);  /* autumn */
    assert_int_equal(calendar.season[day(2026, 12, 1) - day(2026, 1, 1)], 3);
    od_arena_done(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(holidays_of_2026),         cmocka_unit_test(holidays_move),
        cmocka_unit_test(days_have_weights),        cmocka_unit_test(moments_stay_inside),
        cmocka_unit_test(seasons_follow_the_month),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
