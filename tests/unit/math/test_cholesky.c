/* Factor, solve, invert and ridge: against the definition, across tile borders and thread counts.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "math/ridge.h"

static const size_t orders[] = {1, 2, 37, 511, 512, 513, 1100};
enum { ORDERS = sizeof orders / sizeof orders[0] };

/* A = sum of a few outer products + n I; below the diagonal poison, which nothing may read. */
static struct od_matrix make(size_t n, uint64_t seed, bool whole)
{
    enum { RANK = 5 };
    struct od_random rng;
    od_random_init(&rng, seed);
    float *v = malloc(n * RANK * sizeof *v);
    for (size_t i = 0; i < n * RANK; i++)
        v[i] = (float)od_random_normal(&rng);
    struct od_matrix a = od_matrix_new(n, n);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++) {
            float sum = i == j ? 20 : 0;
            for (size_t r = 0; r < RANK; r++)
                sum += v[i * RANK + r] * v[j * RANK + r];
            a.at[i * a.ld + j] = whole || j >= i ? sum : NAN;
        }
    free(v);
    return a;
}

static void solves_and_inverts(void **state)
{
    (void)state;
    struct od_work work = {.threads = 2};
    for (size_t o = 0; o < ORDERS; o++) {
        size_t n = orders[o], columns = 1 + n / 3;
        struct od_matrix a = make(n, o, true), l = make(n, o, false);
        struct od_matrix b = od_matrix_new(n, columns);
        float *ridge = calloc(n, sizeof *ridge), scale = 0;
        for (size_t i = 0; i < n; i++) { /* b = A x with x(i, c) = i - c over n */
            double sum = 0, moment = 0;
            for (size_t j = 0; j < n; j++) {
                sum += (double)a.at[i * a.ld + j];
                moment += (double)a.at[i * a.ld + j] * (double)j;
            }
            for (size_t c = 0; c < columns; c++)
                b.at[i * b.ld + c] = (float)((moment - (double)c * sum) / (double)n);
        }
        assert_int_equal(od_ridge_factor(&l, ridge, &work, &scale, NULL), OD_OK);
        assert_true(scale == 1);
        assert_int_equal(od_cholesky_solve(&l, &b, &work), OD_OK);
        for (size_t i = 0; i < n; i++)
            for (size_t c = 0; c < columns; c++)
                assert_true(fabsf(b.at[i * b.ld + c] - ((float)i - (float)c) / (float)n) < 2e-3f);
        assert_int_equal(od_cholesky_invert(&l, &work), OD_OK);
        for (size_t i = 0; i < n; i += 1 + n / 20)
            for (size_t j = 0; j < n; j++) {
                double sum = 0;
                for (size_t k = 0; k < n; k++)
                    sum += (double)l.at[i * l.ld + k] * (double)a.at[k * a.ld + j];
                assert_true(fabs(sum - (i == j)) < 1e-3);
                assert_true(l.at[i * l.ld + j] == l.at[j * l.ld + i]);
            }
        free(ridge);
        od_matrix_free(&a);
        od_matrix_free(&l);
        od_matrix_free(&b);
    }
}

static void same_bytes_for_any_thread_count(void **state)
{
    (void)state;
    size_t n = 1100;
    struct od_matrix one = make(n, 7, false), three = make(n, 7, false);
    float *ridge = calloc(n, sizeof *ridge), scale;
    struct od_work w1 = {.threads = 1}, w3 = {.threads = 3};
    assert_int_equal(od_ridge_factor(&one, ridge, &w1, &scale, NULL), OD_OK);
    assert_int_equal(od_ridge_factor(&three, ridge, &w3, &scale, NULL), OD_OK);
    assert_memory_equal(one.at, three.at, od_matrix_bytes(n, n));
    struct od_matrix b1 = make(n, 8, true), b3 = make(n, 8, true);
    assert_int_equal(od_cholesky_solve(&one, &b1, &w1), OD_OK);
    assert_int_equal(od_cholesky_solve(&three, &b3, &w3), OD_OK);
    assert_memory_equal(b1.at, b3.at, od_matrix_bytes(n, n));
    assert_int_equal(od_cholesky_invert(&one, &w1), OD_OK);
    assert_int_equal(od_cholesky_invert(&three, &w3), OD_OK);
    assert_memory_equal(one.at, three.at, od_matrix_bytes(n, n));
    free(ridge);
    od_matrix_free(&one);
    od_matrix_free(&three);
    od_matrix_free(&b1);
    od_matrix_free(&b3);
}

static void indefinite_gets_more_ridge_then_an_error(void **state)
{
    (void)state;
    size_t n = 600;
    struct od_work work = {.threads = 1};
    float *ridge = malloc(n * sizeof *ridge), scale = 0;
    for (size_t i = 0; i < n; i++)
        ridge[i] = 1;
    struct od_matrix a = od_matrix_new(n, n);
    for (size_t i = 0; i < n; i++)
        a.at[i * a.ld + i] = i == 550 ? -5 : 1; /* 1 times the ridge is not enough, 10 times is */
    assert_int_equal(od_ridge_factor(&a, ridge, &work, &scale, NULL), OD_OK);
    assert_true(scale == 10);
    for (size_t i = 0; i < n; i++)
        a.at[i * a.ld + i] = i == 550 ? -5000 : 1;
    struct od_error err = {0};
    assert_int_equal(od_ridge_factor(&a, ridge, &work, &scale, &err), OD_INVALID_INPUT);
    assert_non_null(strstr(err.message, "singular"));
    for (size_t i = 0; i < n; i++) /* G's own rounding exceeds all that the ridge can be */
        a.at[i * a.ld + i] = i == 550 ? -5000 : 1e9f;
    assert_int_equal(od_ridge_factor(&a, ridge, &work, &scale, NULL), OD_OK);
    free(ridge);
    od_matrix_free(&a);
}

static enum od_status stop_at_third(void *context, double fraction)
{
    int *calls = context;
    assert_true(fraction >= 0 && fraction <= 1);
    return ++*calls == 3 ? OD_STOPPED : OD_OK;
}

static void a_stop_is_honoured(void **state)
{
    (void)state;
    size_t n = 1100;
    int calls = 0;
    struct od_work work = {.threads = 1, .tick = stop_at_third, .context = &calls};
    struct od_matrix a = make(n, 3, false);
    float *ridge = calloc(n, sizeof *ridge), scale;
    struct od_error err = {0};
    assert_int_equal(od_ridge_factor(&a, ridge, &work, &scale, &err), OD_STOPPED);
    assert_int_equal(calls, 3);
    free(ridge);
    od_matrix_free(&a);
}

static void sizes_overflow_to_no_memory(void **state)
{
    (void)state;
    assert_true(od_matrix_bytes(SIZE_MAX / 2, SIZE_MAX / 2) == UINT64_MAX);
    struct od_matrix m = od_matrix_new(SIZE_MAX / 64, SIZE_MAX / 64);
    assert_null(m.at);
    od_matrix_free(&m);
}

static int start(void **state)
{
    (void)state;
    od_math_init();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(solves_and_inverts),
        cmocka_unit_test(same_bytes_for_any_thread_count),
        cmocka_unit_test(indefinite_gets_more_ridge_then_an_error),
        cmocka_unit_test(a_stop_is_honoured),
        cmocka_unit_test(sizes_overflow_to_no_memory),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
