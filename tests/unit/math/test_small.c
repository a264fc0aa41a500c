/* Small systems: each table against the reference and the reference against arithmetic. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "math/small.h"

enum { MOST = 96 };

static void fill(struct od_random *rng, float *x, size_t count)
{
    for (size_t i = 0; i < count; i++)
        x[i] = (float)od_random_normal(rng);
}

static void gram_adds_products_of_columns(void **state)
{
    (void)state;
    const struct od_small *tables[] = {&od_small_reference, od_small_best()};
    struct od_random rng;
    od_random_init(&rng, 1);
    for (size_t n = 16; n <= MOST; n += 16)
        for (size_t rows = 0; rows < 40; rows += 13) {
            float x[40 * MOST], h[MOST * MOST];
            fill(&rng, x, rows * n);
            for (size_t t = 0; t < 2; t++) {
                for (size_t k = 0; k < n * n; k++)
                    h[k] = (float)k;
                tables[t]->gram(h, x, rows, n);
                for (size_t i = 0; i < n; i++)
                    for (size_t j = i; j < n; j++) {
                        double want = (double)(i * n + j);
                        for (size_t r = 0; r < rows; r++)
                            want += (double)x[r * n + i] * (double)x[r * n + j];
                        assert_true(fabs((double)h[i * n + j] - want) <= 1e-6 * want + 1e-4);
                    }
            }
        }
}

static void solve_undoes_a_product(void **state)
{
    (void)state;
    const struct od_small *tables[] = {&od_small_reference, od_small_best()};
    struct od_random rng;
    od_random_init(&rng, 2);
    for (size_t n = 16; n <= MOST; n += 16)
        for (size_t t = 0; t < 2; t++) {
            float x[2 * MOST * MOST], want[MOST], g[MOST];
            float *h = calloc(n * n, sizeof *h);
            assert_non_null(h);
            fill(&rng, x, 2 * n * n);
            fill(&rng, want, n);
            tables[t]->gram(h, x, 2 * n, n);
            for (size_t i = 0; i < n; i++)
                h[i * n + i] += 1;
            for (size_t i = 0; i < n; i++) {
                double sum = 0;
                for (size_t j = 0; j < n; j++)
                    sum += (double)(i < j ? h[i * n + j] : h[j * n + i]) * (double)want[j];
                g[i] = (float)sum;
            }
            assert_true(tables[t]->solve(h, g, n));
            for (size_t i = 0; i < n; i++)
                assert_true(fabsf(g[i] - want[i]) < 1e-3f);
            free(h);
        }
}

static void an_indefinite_system_is_told(void **state)
{
    (void)state;
    const struct od_small *tables[] = {&od_small_reference, od_small_best()};
    for (size_t bad = 0; bad < 16; bad += 5)
        for (size_t t = 0; t < 2; t++) {
            float h[256] = {0}, g[16] = {0};
            for (size_t i = 0; i < 16; i++)
                h[i * 17] = i == bad ? -1 : 1;
            assert_false(tables[t]->solve(h, g, 16));
            h[bad * 17] = NAN;
            assert_false(tables[t]->solve(h, g, 16));
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gram_adds_products_of_columns),
        cmocka_unit_test(solve_undoes_a_product),
        cmocka_unit_test(an_indefinite_system_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
