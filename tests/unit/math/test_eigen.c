/* Eigenvectors of symmetric matrices: they are what they are called, in order. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"
#include "math/eigen.h"

enum { MOST = 40 };

static void vectors_are_turned_into_multiples(void **state)
{
    (void)state;
    static double a[MOST * MOST], v[MOST * MOST], value[MOST];
    struct od_random rng;
    od_random_init(&rng, 5);
    for (size_t n = 1; n <= MOST; n += 13) {
        for (size_t r = 0; r < n; r++)
            for (size_t c = r; c < n; c++)
                a[r * n + c] = a[c * n + r] = od_random_normal(&rng);
        memcpy(v, a, n * n * sizeof *v);
        for (size_t r = 0; r < n; r++)
            for (size_t c = 0; c < r; c++)
                v[r * n + c] = NAN; /* the lower triangle is not read */
        assert_int_equal(od_eigen(v, n, value), OD_OK);
        for (size_t k = 0; k < n; k++) {
            double length = 0;
            for (size_t r = 0; r < n; r++) {
                double product = 0;
                for (size_t c = 0; c < n; c++)
                    product += a[r * n + c] * v[k * n + c];
                assert_true(fabs(product - value[k] * v[k * n + r]) < 1e-10 * (double)n);
                length += v[k * n + r] * v[k * n + r];
            }
            assert_true(fabs(length - 1) < 1e-12 * (double)n);
            assert_true(k == 0 || value[k] >= value[k - 1]);
        }
    }
    assert_int_equal(od_eigen(v, 0, value), OD_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(vectors_are_turned_into_multiples)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
