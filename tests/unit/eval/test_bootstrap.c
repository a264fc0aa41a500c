/* Intervals: reproducible, paired, and as wide as the normal approximation says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/random.h"
#include "eval/bootstrap.h"

#define N 2000

/* Figures of a good and a bad model on the same questions: the question matters more than they. */
static void figures(float *bad, float *good)
{
    struct od_random rng;
    od_random_init(&rng, 3);
    for (int i = 0; i < N; i++) {
        double ease = od_random_double(&rng);
        bad[i] = (float)ease;
        good[i] = (float)(ease + 0.01 + 0.02 * od_random_normal(&rng));
    }
}

static void run(const struct od_series *series, size_t count, uint32_t n, uint64_t seed,
                unsigned threads, struct od_interval *value, struct od_interval *difference)
{
    assert_int_equal(
        od_bootstrap(series, count, n, NULL, 0, seed, threads, value, difference, NULL), OD_OK);
}

static void an_interval_is_as_wide_as_the_normal_approximation(void **state)
{
    (void)state;
    float bad[N], good[N];
    struct od_interval v[2], d[2];
    figures(bad, good);
    struct od_series series[] = {{bad, SIZE_MAX}, {good, 0}};
    run(series, 2, N, 1, 2, v, d);
    double sd = sqrt(1.0 / 12); /* of a uniform number */
    assert_true(fabs(v[0].mean - 0.5) < 0.02);
    assert_true(v[0].low < v[0].mean && v[0].mean < v[0].high);
    double wanted = 2 * 1.96 * sd / sqrt(N);
    assert_true(fabs((v[0].high - v[0].low) / wanted - 1) < 0.1);
    assert_int_equal(v[0].count, N);
    /* paired: ten times narrower, and away from 0 */
    wanted = 2 * 1.96 * 0.02 / sqrt(N);
    assert_true(fabs((d[1].high - d[1].low) / wanted - 1) < 0.1);
    assert_true(d[1].low > 0);
    assert_true(fabs(d[1].mean - (v[1].mean - v[0].mean)) < 1e-12);
    assert_true(isnan(d[0].mean));
}

static void the_same_seed_gives_the_same_interval_with_any_threads(void **state)
{
    (void)state;
    float bad[N], good[N];
    struct od_interval a[2], b[2], c[2], da[2], db[2], dc[2];
    figures(bad, good);
    struct od_series series[] = {{bad, SIZE_MAX}, {good, 0}};
    run(series, 2, N, 9, 1, a, da);
    run(series, 2, N, 9, 4, b, db);
    run(series, 2, N, 10, 4, c, dc);
    for (int i = 0; i < 2; i++) {
        assert_true(a[i].low == b[i].low && a[i].high == b[i].high);
        assert_true(a[i].low != c[i].low);
    }
    assert_true(da[1].low == db[1].low && da[1].high == db[1].high);
}

/* The same users asked twice tell no more than once. */
static void users_are_drawn_with_all_their_questions(void **state)
{
    (void)state;
    static float bad[N], good[N], twice[2 * N];
    static uint32_t asker[2 * N];
    struct od_interval once, both, alone;
    struct od_interval d;
    figures(bad, good);
    for (uint32_t i = 0; i < 2 * N; i++) {
        twice[i] = bad[i % N];
        asker[i] = i % N;
    }
    const struct od_series series = {bad, SIZE_MAX}, again = {twice, SIZE_MAX};
    run(&series, 1, N, 5, 2, &once, &d);
    run(&again, 1, 2 * N, 5, 2, &alone, &d);
    assert_int_equal(od_bootstrap(&again, 1, 2 * N, asker, N, 5, 2, &both, &d, NULL), OD_OK);
    assert_true(fabs(both.mean - once.mean) < 1e-12);
    assert_true(fabs(both.low - once.low) < 1e-6 && fabs(both.high - once.high) < 1e-6);
    assert_true(alone.high - alone.low < 0.8 * (both.high - both.low));
    /* users with more questions weigh more, as they do in the mean */
    for (uint32_t i = 0; i < N; i++)
        asker[i] = i < N / 2 ? 0 : i - N / 2 + 1;
    assert_int_equal(od_bootstrap(&series, 1, N, asker, N / 2 + 1, 5, 2, &both, &d, NULL), OD_OK);
    assert_true(both.low < both.mean && both.mean < both.high);
}

static void equal_series_differ_by_nothing(void **state)
{
    (void)state;
    float bad[N], good[N];
    struct od_interval v[2], d[2];
    figures(bad, good);
    struct od_series series[] = {{bad, SIZE_MAX}, {bad, 0}};
    run(series, 2, N, 1, 2, v, d);
    assert_true(d[1].mean == 0 && d[1].low == 0 && d[1].high == 0);
}

static void missing_figures_count_nowhere(void **state)
{
    (void)state;
    float some[N], none[N];
    struct od_interval v[2], d[2];
    for (int i = 0; i < N; i++) {
        some[i] = i % 2 ? 1 : NAN;
        none[i] = NAN;
    }
    struct od_series series[] = {{some, SIZE_MAX}, {none, 0}};
    run(series, 2, N, 1, 2, v, d);
    assert_int_equal(v[0].count, N / 2);
    assert_true(v[0].mean == 1 && v[0].low == 1 && v[0].high == 1);
    assert_int_equal(v[1].count, 0);
    assert_true(isnan(v[1].mean) && isnan(v[1].low) && isnan(d[1].mean));
    run(series, 2, 0, 1, 2, v, d);
    assert_true(isnan(v[0].mean));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(users_are_drawn_with_all_their_questions),
        cmocka_unit_test(an_interval_is_as_wide_as_the_normal_approximation),
        cmocka_unit_test(the_same_seed_gives_the_same_interval_with_any_threads),
        cmocka_unit_test(equal_series_differ_by_nothing),
        cmocka_unit_test(missing_figures_count_nowhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
