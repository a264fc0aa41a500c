/* Counting: each routine adds what its definition says, and still does its work. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <cblas.h>

#include "math/operations.h"

#define N 8

static void fill(float *a, float diagonal)
{
    for (int i = 0; i < N * N; i++)
        a[i] = i % (N + 1) == 0 ? diagonal : 0;
}

static void products_are_counted_and_passed_on(void **state)
{
    (void)state;
    float a[N * N], b[N * N], c[N * N];
    fill(a, 2);
    fill(b, 3);
    uint64_t before = od_operations_count();
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, 4, 5, 6, 1, a, N, b, N, 0, c, N);
    assert_int_equal(od_operations_count() - before, 2 * 4 * 5 * 6);
    assert_true(c[0] == 6 && c[N + 1] == 6 && c[1] == 0);
    before = od_operations_count();
    cblas_ssyrk(CblasRowMajor, CblasLower, CblasNoTrans, 5, 7, 1, a, N, 0, c, N);
    assert_int_equal(od_operations_count() - before, 6 * 5 * 7);
    assert_true(c[0] == 4);
    before = od_operations_count();
    cblas_strsm(CblasRowMajor, CblasLeft, CblasLower, CblasNoTrans, CblasNonUnit, 4, 5, 1, a, N, b,
                N);
    assert_int_equal(od_operations_count() - before, 4 * 4 * 5);
    assert_true(b[0] == 1.5f);
    before = od_operations_count();
    cblas_strmm(CblasRowMajor, CblasRight, CblasLower, CblasNoTrans, CblasNonUnit, 4, 5, 1, a, N, b,
                N);
    assert_int_equal(od_operations_count() - before, 4 * 5 * 5);
    assert_true(b[0] == 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(products_are_counted_and_passed_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
