/* Sums by period, metric and source. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <float.h>
#include <stdbool.h>

#include "api/attribution_tally.h"
#include "base/random.h"

static void add(struct od_tally *tally, int64_t period_s, uint32_t metric, uint32_t source,
                double value)
{
    assert_int_equal(od_tally_add(tally, period_s, metric, source, value), OD_OK);
}

static void values_of_one_cell_are_summed_and_cells_come_out_sorted(void **state)
{
    (void)state;
    struct od_tally tally;
    od_tally_init(&tally, 100);
    add(&tally, 900, 1, 0, 2.5);
    add(&tally, -900, 0, 7, 1);
    add(&tally, 900, 0, 3, 4);
    add(&tally, 900, 1, 0, -1);
    assert_int_equal(tally.count, 3);
    const struct od_tally_cell *cells = od_tally_sort(&tally);
    assert_int_equal(cells[0].period_s, -900);
    assert_int_equal(cells[0].source, 7);
    assert_int_equal(cells[1].metric, 0);
    assert_true(cells[1].value == 4);
    assert_int_equal(cells[2].metric, 1);
    assert_true(cells[2].value == 1.5);
    od_tally_done(&tally);
}

static void a_cell_too_many_is_refused_and_the_old_ones_go_on(void **state)
{
    (void)state;
    struct od_tally tally;
    od_tally_init(&tally, 2);
    add(&tally, 0, 0, 0, 1);
    add(&tally, 0, 0, 1, 1);
    assert_int_equal(od_tally_add(&tally, 0, 0, 2, 1), OD_LIMIT);
    add(&tally, 0, 0, 1, 1);
    assert_int_equal(tally.count, 2);
    od_tally_clear(&tally);
    assert_int_equal(tally.count, 0);
    add(&tally, 0, 0, 2, 5);
    assert_true(od_tally_sort(&tally)[0].value == 5);
    od_tally_done(&tally);
}

static void many_cells_hold_what_a_plain_table_says(void **state)
{
    (void)state;
    enum { PERIODS = 20, METRICS = 10, SOURCES = 30 };
    static double expect[PERIODS][METRICS][SOURCES];
    static bool seen[PERIODS][METRICS][SOURCES];
    struct od_tally tally;
    struct od_random random;
    size_t count = 0;
    od_tally_init(&tally, 1 << 16);
    od_random_init(&random, 1);
    for (int i = 0; i < 50000; i++) {
        uint32_t p = (uint32_t)od_random_below(&random, PERIODS);
        uint32_t m = (uint32_t)od_random_below(&random, METRICS);
        uint32_t s = (uint32_t)od_random_below(&random, SOURCES);
        double value = (double)od_random_below(&random, 100);
        add(&tally, (int64_t)p * 900, m, s, value);
        count += !seen[p][m][s];
        seen[p][m][s] = true;
        expect[p][m][s] += value;
    }
    assert_int_equal(tally.count, count);
    const struct od_tally_cell *cells = od_tally_sort(&tally);
    for (size_t i = 0; i < count; i++)
        assert_true(expect[cells[i].period_s / 900][cells[i].metric][cells[i].source] ==
                    cells[i].value);
    od_tally_done(&tally);
}

static void sums_stay_finite(void **state)
{
    (void)state;
    struct od_tally tally;
    od_tally_init(&tally, 10);
    add(&tally, 0, 0, 0, DBL_MAX);
    add(&tally, 0, 0, 0, DBL_MAX);
    add(&tally, 0, 0, 1, -DBL_MAX);
    add(&tally, 0, 0, 1, -DBL_MAX);
    const struct od_tally_cell *cells = od_tally_sort(&tally);
    assert_true(cells[0].value == DBL_MAX);
    assert_true(cells[1].value == -DBL_MAX);
    od_tally_done(&tally);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_of_one_cell_are_summed_and_cells_come_out_sorted),
        cmocka_unit_test(a_cell_too_many_is_refused_and_the_old_ones_go_on),
        cmocka_unit_test(many_cells_hold_what_a_plain_table_says),
        cmocka_unit_test(sums_stay_finite),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
