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

enum { MOST = 96, TABLES = 3 };

/* Those of this machine, the best one again where it has not all. */
static void all_tables(const struct od_small **tables)
{
    tables[0] = &od_small_reference;
    tables[1] = od_small_avx2() ? od_small_avx2() : od_small_best();
    tables[2] = od_small_best();
}

static void fill(struct od_random *rng, float *x, size_t count)
{
    for (size_t i = 0; i < count; i++)
        x[i] = (float)od_random_normal(rng);
}

static void gram_adds_products_of_columns(void **state)
{
    (void)state;
    const struct od_small *tables[TABLES];
    all_tables(tables);
    struct od_random rng;
    od_random_init(&rng, 1);
    for (size_t n = 16; n <= MOST; n += 16)
        for (size_t rows = 0; rows < 40; rows += 13) {
            float x[40 * MOST], h[MOST * MOST];
            fill(&rng, x, rows * n);
            for (size_t t = 0; t < TABLES; t++) {
                for (size_t k = 0; k < n * n; k++)
                    h[k] = (float)k;
                tables[t]->gram(h, x, n, rows, n);
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

static void products_from_both_sides_equal_their_sums(void **state)
{
    (void)state;
    const struct od_small *tables[TABLES];
    all_tables(tables);
    struct od_random rng;
    od_random_init(&rng, 3);
    for (size_t n = 16; n <= MOST; n += 16)
        for (size_t rows = 0; rows < 12; rows++) {
            size_t ld = n + 5; /* a part of wider rows */
            float x[12 * (MOST + 5)], w[MOST], v[12];
            fill(&rng, x, rows * ld);
            fill(&rng, w, n);
            fill(&rng, v, rows);
            for (size_t t = 0; t < TABLES; t++) {
                float down[MOST], across[13];
                for (size_t j = 0; j < n; j++)
                    down[j] = (float)j;
                for (size_t r = 0; r < 13; r++)
                    across[r] = (float)r;
                tables[t]->weigh(down, x, ld, rows, n, v);
                tables[t]->project(across, x, ld, rows, n, w);
                for (size_t j = 0; j < n; j++) {
                    double want = (double)j;
                    for (size_t r = 0; r < rows; r++)
                        want += (double)v[r] * (double)x[r * ld + j];
                    assert_true(fabs((double)down[j] - want) < 1e-4);
                }
                for (size_t r = 0; r < rows; r++) {
                    double want = (double)r;
                    for (size_t j = 0; j < n; j++)
                        want += (double)w[j] * (double)x[r * ld + j];
                    assert_true(fabs((double)across[r] - want) < 1e-4);
                }
                assert_true(across[rows] == (float)rows); /* nothing behind the last row */
            }
        }
}

static void solve_undoes_a_product(void **state)
{
    (void)state;
    const struct od_small *tables[TABLES];
    all_tables(tables);
    struct od_random rng;
    od_random_init(&rng, 2);
    for (size_t n = 16; n <= MOST; n += 16)
        for (size_t t = 0; t < TABLES; t++) {
            float x[2 * MOST * MOST], want[MOST], g[MOST];
            float *h = calloc(n * n, sizeof *h);
            assert_non_null(h);
            fill(&rng, x, 2 * n * n);
            fill(&rng, want, n);
            tables[t]->gram(h, x, n, 2 * n, n);
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

/* Each lane's system as if it were alone, whatever lies below the diagonals. */
static void lanes_are_systems_of_their_own(void **state)
{
    (void)state;
    const struct od_small *tables[TABLES];
    all_tables(tables);
    struct od_random rng;
    od_random_init(&rng, 6);
    float x[OD_SMALL_LANES][20 * 16], first[OD_SMALL_LANES][256], g[OD_SMALL_LANES][16];
    memset(first, 0, sizeof first);
    fill(&rng, x[0], sizeof x / sizeof(float));
    fill(&rng, g[0], sizeof g / sizeof(float));
    for (size_t l = 0; l < OD_SMALL_LANES; l++) {
        od_small_reference.gram(first[l], x[l], 16, 20, 16);
        for (size_t i = 0; i < 16; i++)
            first[l][i * 17] += 1;
        for (size_t i = 0; i < 16; i++)
            for (size_t j = 0; j < i; j++)
                first[l][i * 16 + j] = j % 2 ? NAN : INFINITY;
    }
    for (size_t t = 0; t < TABLES; t++) {
        float h[OD_SMALL_LANES][256], got[OD_SMALL_LANES][16], alone[256], want[16];
        memcpy(h, first, sizeof h);
        memcpy(got, g, sizeof got);
        assert_true(tables[t]->solve_lanes(h[0], got[0]));
        for (size_t l = 0; l < OD_SMALL_LANES; l++) {
            memcpy(alone, first[l], sizeof alone);
            memcpy(want, g[l], sizeof want);
            assert_true(od_small_reference.solve(alone, want, 16));
            for (size_t i = 0; i < 16; i++)
                assert_true(fabsf(got[l][i] - want[i]) < 1e-4f);
        }
        for (size_t bad = 0; bad < OD_SMALL_LANES; bad++) {
            memcpy(h, first, sizeof h);
            memcpy(got, g, sizeof got);
            h[bad][17 * bad] = bad % 2 ? -1 : NAN;
            assert_false(tables[t]->solve_lanes(h[0], got[0]));
        }
    }
}

static void lanes_are_weighed_as_if_alone(void **state)
{
    (void)state;
    const struct od_small *tables[TABLES];
    all_tables(tables);
    struct od_random rng;
    od_random_init(&rng, 7);
    for (size_t rows = 0; rows < 50; rows += 7) {
        enum { LD = 21 };
        float x[50 * LD], w[50 * OD_SMALL_LANES], first[OD_SMALL_LANES * 16];
        fill(&rng, x, sizeof x / sizeof *x);
        fill(&rng, w, sizeof w / sizeof *w);
        fill(&rng, first, sizeof first / sizeof *first);
        for (size_t t = 0; t < TABLES; t++) {
            float out[OD_SMALL_LANES * 16];
            memcpy(out, first, sizeof out);
            tables[t]->weigh_lanes(out, x, LD, rows, w);
            for (size_t l = 0; l < OD_SMALL_LANES; l++)
                for (size_t j = 0; j < 16; j++) {
                    double want = (double)first[l * 16 + j];
                    for (size_t r = 0; r < rows; r++)
                        want += (double)w[r * OD_SMALL_LANES + l] * (double)x[r * LD + j];
                    assert_true(fabs((double)out[l * 16 + j] - want) < 1e-4);
                }
        }
    }
}

static void an_indefinite_system_is_told(void **state)
{
    (void)state;
    const struct od_small *tables[TABLES];
    all_tables(tables);
    for (size_t bad = 0; bad < 16; bad += 5)
        for (size_t t = 0; t < TABLES; t++) {
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
        cmocka_unit_test(products_from_both_sides_equal_their_sums),
        cmocka_unit_test(solve_undoes_a_product),
        cmocka_unit_test(lanes_are_systems_of_their_own),
        cmocka_unit_test(lanes_are_weighed_as_if_alone),
        cmocka_unit_test(an_indefinite_system_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
