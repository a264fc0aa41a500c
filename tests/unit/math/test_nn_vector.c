/* The element-wise loops: accuracy, AVX2 against the reference on odd sizes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "differences.h"
#include "math/nn/vector.h"

enum { MOST = 101 };
static const size_t sizes[] = {0, 1, 3, 7, 8, 9, 15, 16, 17, 24, 31, 33, 43, 64, 100};
enum { SIZES = sizeof sizes / sizeof *sizes };

static const struct od_nn_vector *tables[2];
static size_t table_count;

static int find_tables(void **state)
{
    (void)state;
    tables[table_count++] = &od_nn_vector_reference;
    if (od_nn_vector_avx2())
        tables[table_count++] = od_nn_vector_avx2();
    return 0;
}

static void near(const char *what, size_t size, const float *a, const float *b, size_t count,
                 float bound)
{
    for (size_t i = 0; i < count; i++)
        if (!(fabsf(a[i] - b[i]) <= bound * (1 + fabsf(b[i]))))
            fail_msg("%s of %zu, entry %zu: %g against %g", what, size, i, (double)a[i],
                     (double)b[i]);
}

static void functions_are_accurate(void **state)
{
    (void)state;
    for (size_t k = 0; k < table_count; k++)
        for (double x = -87; x <= 88; x += .0137) {
            float in = (float)x, e, s, t;
            tables[k]->exp(&e, &in, 1);
            tables[k]->sigmoid(&s, &in, 1);
            tables[k]->tanh(&t, &in, 1);
            double exact = exp((double)in);
            assert_true(fabs((double)e - exact) <= 3e-7 * exact);
            assert_true(fabs((double)s - 1 / (1 + 1 / exact)) <= 3e-7);
            assert_true(fabs((double)t - tanh((double)in)) <= 3e-7);
        }
}

static void ends_of_the_range(void **state)
{
    (void)state;
    for (size_t k = 0; k < table_count; k++) {
        float x[9] = {-INFINITY, -1e30f, -88, 100, INFINITY, 0, NAN, 1e30f, -0.0f}, y[9];
        tables[k]->exp(y, x, 9);
        assert_true(y[0] == 0 && y[1] == 0 && y[2] == 0);
        assert_true(y[3] > 1e38f && isfinite(y[3]) && isfinite(y[4]) && isfinite(y[7]));
        assert_true(y[5] == 1 && isnan(y[6]) && y[8] == 1);
        tables[k]->tanh(y, x, 9);
        assert_true(y[0] == -1 && y[3] == 1 && y[4] == 1 && y[5] == 0);
        float masked[10] = {-INFINITY, 1, 2, -INFINITY, 0, 0, 0, 0, 0, 2};
        assert_true(tables[k]->largest(masked, 10) == 2);
        assert_true(tables[k]->largest(masked, 0) == -INFINITY);
        float sum = tables[k]->exp_sum(masked, 2, 10);
        assert_true(masked[0] == 0 && masked[3] == 0 && masked[9] == 1);
        assert_true(fabs((double)sum - (2 + exp(-1) + 5 * exp(-2))) < 1e-6);
    }
}

static void logarithms_are_accurate(void **state)
{
    (void)state;
    for (double x = 1e-30; x < 1e30; x *= 1.0137)
        assert_true(fabs((double)od_nn_log((float)x) - log((double)(float)x)) <=
                    2e-6 + 1e-6 * fabs(log(x)));
}

/* Blends of one model are the same wherever they are asked. */
static void logarithms_have_the_same_bits_everywhere(void **state)
{
    (void)state;
    enum { N = 1000 };
    const struct od_nn_log_shape shape = {3, .01f, .02f, .7f};
    float x[N], positive[N], y[2][N], z[2][N];
    for (int i = 0; i < N; i++) {
        x[i] = (float)(i - N / 3) * .0137f;
        positive[i] = ldexpf(1 + (float)i / N, i % 60 - 40);
    }
    for (size_t n = 0; n < N; n += 1 + n / 5)
        for (size_t k = 0; k < table_count; k++) {
            float *logs = y[k > 0], *sums = z[k > 0];
            for (int i = 0; i < N; i++)
                logs[i] = sums[i] = (float)i;
            tables[k]->log(logs, positive, 2, n);
            tables[k]->log_add(sums, x, &shape, n);
            assert_true(n == 0 || logs[n - 1] == 2 * od_nn_log(positive[n - 1]));
            assert_true(k == 0 || memcmp(y[0], y[1], sizeof y[0]) == 0);
            assert_true(k == 0 || memcmp(z[0], z[1], sizeof z[0]) == 0);
        }
}

static void scales_and_drops_the_same_bits(void **state)
{
    (void)state;
    enum { N = 70 };
    const struct od_nn_vector *both[] = {&od_nn_vector_reference, od_nn_vector_best()};
    const uint32_t limits[] = {1, 6554, 32768, 40000, 65535};
    for (int n = 0; n <= N; n++)
        for (size_t l = 0; l < sizeof limits / sizeof *limits; l++) {
            float y[2][N], z[2][N];
            int dropped = 0;
            for (size_t k = 0; k < 2; k++) {
                for (int i = 0; i < N; i++)
                    y[k][i] = z[k][i] = (float)(i % 2 ? i + 1 : -i - 1);
                both[k]->dropout(y[k], (size_t)n, limits[l], 3, 0xfedcba9876543210u + l);
                both[k]->scale(z[k], .3f, (size_t)n);
            }
            assert_memory_equal(y[0], y[1], sizeof y[0]);
            assert_memory_equal(z[0], z[1], sizeof z[0]);
            for (int i = 0; i < n; i++) {
                float x = (float)(i % 2 ? i + 1 : -i - 1);
                assert_true(y[0][i] == 0 || y[0][i] == 3 * x);
                assert_true(z[0][i] == .3f * x);
                dropped += y[0][i] == 0;
            }
            if (n == N)
                assert_true(limits[l] == 1       ? dropped == 0
                            : limits[l] == 65535 ? dropped == N
                                                 : dropped > 0 && dropped < N);
        }
}

/* Runs one loop of a table on x (four inputs of 3 MOST each), results to y (four of 4 MOST). */
static void run(const struct od_nn_vector *v, int which, size_t n, float (*x)[4 * MOST],
                float (*y)[4 * MOST])
{
    struct od_nn_adam step = {.01f, .9f, .98f, 1e-8f, .1f, .5f, 10, 50};
    switch (which) {
    case 0:
        v->exp(y[0], x[0], n);
        break;
    case 1:
        v->sigmoid(y[0], x[0], n);
        break;
    case 2:
        v->tanh(y[0], x[0], n);
        break;
    case 3:
        y[1][0] = v->largest(x[0], n), y[1][0] = isinf(y[1][0]) ? 0 : y[1][0];
        break;
    case 4:
        y[1][0] = v->exp_sum(y[0], .5f, n);
        break;
    case 5:
        v->silu_mul(y[0], x[0], x[1], n);
        break;
    case 6:
        v->silu_mul_back(y[0], y[1], x[0], x[1], x[2], n);
        break;
    case 7:
        v->gru(n, x[0], x[1], x[2], y[0], y[1]);
        break;
    case 8:
        v->gru_back(n, x[0], x[1], x[2], y[0], y[1], y[2]);
        break;
    case 9:
        v->scan(y[0], x[0], x[1], x[2], n);
        break;
    case 10:
        v->scan_back(y[0], y[1], x[0], x[1], x[2], n);
        break;
    case 11:
        for (size_t i = 0; i < 4 * MOST; i++)
            y[2][i] = fabsf(y[2][i]); /* a second moment */
        v->adam(y[0], y[1], y[2], x[0], n, &step);
        break;
    case 12:
        v->axpy(y[0], x[0], .7f, n);
        break;
    case 13:
        y[1][0] = v->dot(x[0], x[1], n);
        break;
    case 14:
        v->mul(y[0], x[0], x[1], n);
        break;
    case 15: {
        const float *rows[] = {x[1], x[2], x[3], x[0], x[2], x[1]};
        v->dots(y[0], x[0], rows, sizeof rows / sizeof *rows, n);
        break;
    }
    default:
        for (size_t i = 0; i < 4 * MOST; i++)
            y[1][i] = fabsf(y[1][i]);
        v->adagrad(y[0], y[1], x[0], n, .1f, 1e-8f);
    }
}

static void agree_on_odd_sizes(void **state)
{
    (void)state;
    static float x[4][4 * MOST], a[4][4 * MOST], b[4][4 * MOST];
    struct od_random rng;
    od_random_init(&rng, 5);
    for (size_t k = 1; k < table_count; k++)
        for (int which = 0; which <= 16; which++)
            for (size_t s = 0; s < SIZES; s++) {
                char what[32];
                snprintf(what, sizeof what, "loop %d", which);
                fill_normal(x[0], 16 * MOST, 1, &rng);
                fill_normal(a[0], 16 * MOST, 1, &rng);
                memcpy(b, a, sizeof a); /* entries past the size too: nothing is written there */
                run(tables[k], which, sizes[s], x, a);
                run(&od_nn_vector_reference, which, sizes[s], x, b);
                near(what, sizes[s], a[0], b[0], 16 * MOST, 3e-6f);
            }
}

struct gru_case {
    float x[21], u[21], h[7], kept[28], out[7], c[7];
};

static double gru_loss(void *context)
{
    struct gru_case *g = context;
    od_nn_vector_reference.gru(7, g->x, g->u, g->h, g->kept, g->out);
    return weighed(g->c, g->out, 7);
}

static void gru_row_by_differences(void **state)
{
    (void)state;
    struct gru_case g;
    struct od_random rng;
    od_random_init(&rng, 8);
    fill_normal(g.x, 21, 1, &rng);
    fill_normal(g.u, 21, 1, &rng);
    fill_normal(g.h, 7, 1, &rng);
    fill_normal(g.c, 7, 1, &rng);
    float dx[21], du[21], dh[7];
    gru_loss(&g);
    od_nn_vector_reference.gru_back(7, g.kept, g.h, g.c, dx, du, dh);
    check_gradient("dx", gru_loss, &g, g.x, dx, 21, 1e-3);
    check_gradient("du", gru_loss, &g, g.u, du, 21, 1e-3);
    check_gradient("dh", gru_loss, &g, g.h, dh, 7, 1e-3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(functions_are_accurate),
        cmocka_unit_test(ends_of_the_range),
        cmocka_unit_test(logarithms_are_accurate),
        cmocka_unit_test(scales_and_drops_the_same_bits),
        cmocka_unit_test(logarithms_have_the_same_bits_everywhere),
        cmocka_unit_test(agree_on_odd_sizes),
        cmocka_unit_test(gru_row_by_differences),
    };
    return cmocka_run_group_tests(tests, find_tables, NULL);
}
