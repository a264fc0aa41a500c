/* Trends: intervals and scores by hand, choosing a half-life, threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>

#include "recipes/trend.h"
#include "toy.h"

static struct od_trend_series series_of(const struct od_training *t, int64_t interval_s)
{
    struct od_trend_series s;
    assert_int_equal(od_trend_series_make(t, interval_s, &s, NULL), OD_OK);
    return s;
}

static void intervals_end_at_the_last_event(void **state)
{
    (void)state;
    struct od_training_builder *b = od_training_builder_new(NULL);
    toy_add(b, 0, 0, 1000); /* (900, 1000] */
    toy_add(b, 1, 1, 901);
    toy_add(b, 2, 1, 900); /* the interval before */
    toy_add(b, 3, 2, 650);
    struct od_training *t = toy_finish(b);
    struct od_trend_series s = series_of(t, 100);
    assert_int_equal(s.count, 4);
    const uint64_t at[] = {0, 1, 1, 2, 4};
    assert_memory_equal(s.at, at, sizeof at);
    assert_int_equal(s.item[0], 2);
    assert_int_equal(s.item[1], 1);
    assert_int_equal(od_trend_interval_at(&s, 0.5), 2);
    assert_int_equal(od_trend_interval_at(&s, 1), 3);
    od_trend_series_done(&s);
    od_training_free(t);
}

static void distant_times_fall_into_the_first_interval(void **state)
{
    (void)state;
    struct od_training_builder *b = od_training_builder_new(NULL);
    toy_add(b, 0, 0, INT64_MIN / 2);
    toy_add(b, 1, 1, INT64_MAX / 2);
    struct od_training *t = toy_finish(b);
    struct od_trend_series s = series_of(t, 1800);
    assert_int_equal(s.count, OD_TREND_INTERVALS);
    assert_int_equal(s.at[1], 1);
    assert_int_equal(s.at[s.count - 1], 1);
    assert_int_equal(s.at[s.count], 2);
    od_trend_series_done(&s);
    od_training_free(t);
    t = toy_finish(od_training_builder_new(NULL));
    s = series_of(t, 1800);
    assert_true(s.count == 1 && s.at[1] == 0);
    od_trend_series_done(&s);
    od_training_free(t);
}

static void pace_and_rate_are_counted_by_hand(void **state)
{
    (void)state;
    /* Item 0: once in each of 4 intervals. Item 1: twice in the last one. Item 2: once, first. */
    struct od_training_builder *b = od_training_builder_new(NULL);
    for (unsigned k = 0; k < 4; k++)
        toy_add(b, k, 0, 100 * (k + 1));
    toy_add(b, 5, 1, 399);
    toy_add(b, 6, 1, 400);
    toy_add(b, 7, 2, 100);
    struct od_training *t = toy_finish(b);
    struct od_trend_series s = series_of(t, 100);
    float heat[3], total[3], z[3];
    assert_int_equal(od_trend_count(&s, 4, 1, heat, total), OD_OK);
    assert_true(heat[0] == 1.875f && heat[1] == 2 && heat[2] == 0.125f);
    assert_true(total[0] == 4 && total[1] == 2 && total[2] == 1);
    od_trend_scores(3, heat, total, 1, 4, z);
    double n = 1.875;
    assert_true(fabs(z[0]) < 1e-6); /* steady: pace 1, rate 1 */
    assert_true(fabs(z[1] - (2 / n - 0.5) / sqrt(2 / n + 0.5 + 1 / n)) < 1e-6);
    assert_true(z[2] < 0);
    assert_int_equal(od_trend_count(&s, 2, 1, heat, total), OD_OK);
    assert_true(heat[0] == 1.5f && heat[1] == 0 && heat[2] == 0.5f);
    od_trend_series_done(&s);
    od_training_free(t);
}

/* Each interval has a base of events on 50 items, and a wave: one of them has
 * `height` more for `length` intervals. */
static struct od_training *waves(unsigned intervals, unsigned length, unsigned height)
{
    struct od_training_builder *b = od_training_builder_new(NULL);
    struct od_random rng;
    od_random_init(&rng, 3);
    unsigned user = 0, loud = 0;
    for (unsigned i = 0; i < intervals; i++) {
        if (i % length == 0)
            loud = (unsigned)od_random_below(&rng, 50);
        for (unsigned k = 0; k < 40; k++)
            toy_add(b, user++ % 1000, (unsigned)od_random_below(&rng, 50), 100 * i + 1 + k);
        for (unsigned k = 0; k < height; k++)
            toy_add(b, user++ % 1000, loud, 100 * i + 50 + k);
    }
    return toy_finish(b);
}

static void long_waves_are_foretold_by_long_memory(void **state)
{
    (void)state;
    struct od_training *t = waves(400, 20, 3);
    struct od_trend_series s = series_of(t, 100);
    double accuracy[OD_TREND_CHOICES];
    uint32_t cuts;
    assert_int_equal(od_trend_judge(&s, 100, s.count, 1, accuracy, &cuts), OD_OK);
    assert_int_equal(cuts, OD_TREND_CUTS);
    assert_true(accuracy[3] > accuracy[0]); /* one interval is mostly chance */
    assert_true(od_trend_choose(accuracy, cuts) >= 4);
    for (size_t i = 0; i < OD_TREND_CHOICES; i++)
        assert_true(accuracy[i] >= 0 && accuracy[i] <= 1);
    od_trend_series_done(&s);
    od_training_free(t);
}

static void the_first_of_the_best_half_lives_is_chosen(void **state)
{
    (void)state;
    const double accuracy[OD_TREND_CHOICES] = {0.1, 0.3, 0.2, 0.3, 0, 0};
    assert_true(od_trend_choose(accuracy, 5) == 2);
}

static void nothing_to_judge_chooses_the_middle(void **state)
{
    (void)state;
    struct od_training_builder *b = od_training_builder_new(NULL);
    toy_add(b, 0, 0, 10);
    struct od_training *t = toy_finish(b);
    struct od_trend_series s = series_of(t, 100);
    double accuracy[OD_TREND_CHOICES];
    uint32_t cuts;
    assert_int_equal(od_trend_judge(&s, 0, s.count, 1, accuracy, &cuts), OD_OK);
    assert_int_equal(cuts, 0);
    assert_true(od_trend_choose(accuracy, cuts) == 8);
    od_trend_series_done(&s);
    od_training_free(t);
}

static void threads_do_not_change_a_figure(void **state)
{
    (void)state;
    struct od_training *t = waves(200, 5, 3);
    struct od_trend_series s = series_of(t, 100);
    double one[OD_TREND_CHOICES], two[OD_TREND_CHOICES];
    uint32_t cuts;
    assert_int_equal(od_trend_judge(&s, 50, s.count, 1, one, &cuts), OD_OK);
    assert_int_equal(od_trend_judge(&s, 50, s.count, 2, two, &cuts), OD_OK);
    assert_memory_equal(one, two, sizeof one);
    od_trend_series_done(&s);
    od_training_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(intervals_end_at_the_last_event),
        cmocka_unit_test(distant_times_fall_into_the_first_interval),
        cmocka_unit_test(pace_and_rate_are_counted_by_hand),
        cmocka_unit_test(long_waves_are_foretold_by_long_memory),
        cmocka_unit_test(the_first_of_the_best_half_lives_is_chosen),
        cmocka_unit_test(nothing_to_judge_chooses_the_middle),
        cmocka_unit_test(threads_do_not_change_a_figure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
