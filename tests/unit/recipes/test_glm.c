/* Regressions by Newton: derivatives by finite differences, minima, offsets, priors, threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "recipes/glm.h"

enum { ROWS = 9000, WIDTH = 5, STRIDE = 6 };

struct data {
    float x[ROWS * STRIDE], y[ROWS], weight[ROWS], offset[ROWS];
    double ridge[WIDTH], prior[WIDTH];
    struct od_glm glm;
};

static struct data *make(enum od_glm_link link)
{
    struct data *d = calloc(1, sizeof *d);
    assert_non_null(d);
    struct od_random rng;
    od_random_init(&rng, 5);
    for (size_t r = 0; r < ROWS; r++) {
        double eta = -0.5;
        for (size_t j = 0; j < STRIDE; j++)
            d->x[r * STRIDE + j] = j ? (float)od_random_normal(&rng) : 1;
        for (size_t j = 1; j < WIDTH; j++)
            eta += (double)d->x[r * STRIDE + j] * 0.3 * (double)j;
        d->offset[r] = (float)(0.2 * od_random_normal(&rng));
        d->weight[r] = (float)(0.5 + od_random_double(&rng));
        eta += (double)d->offset[r];
        double u = od_random_double(&rng);
        d->y[r] = link == OD_GLM_LOGISTIC ? u < 1 / (1 + exp(-eta)) : (float)floor(exp(eta) + u);
    }
    for (size_t j = 0; j < WIDTH; j++) {
        d->ridge[j] = 0.5 + (double)j;
        d->prior[j] = 0.1 * (double)j;
    }
    d->glm = (struct od_glm){.link = link,
                             .count = ROWS,
                             .width = WIDTH,
                             .x = d->x,
                             .stride = STRIDE,
                             .y = d->y,
                             .weight = d->weight,
                             .offset = d->offset,
                             .ridge = d->ridge,
                             .prior = d->prior,
                             .threads = 2};
    return d;
}

static double value_at(const struct od_glm *glm, const double *beta)
{
    double value;
    assert_int_equal(od_glm_value(glm, beta, &value, NULL, NULL), OD_OK);
    return value;
}

static void check_derivatives(enum od_glm_link link)
{
    struct data *d = make(link);
    double beta[WIDTH] = {-0.3, 0.2, 0.1, -0.4, 0.5}, g[WIDTH], h[WIDTH * WIDTH], value;
    assert_int_equal(od_glm_value(&d->glm, beta, &value, g, h), OD_OK);
    for (size_t j = 0; j < WIDTH; j++) {
        const double step = 1e-5;
        double up[WIDTH], down[WIDTH], g_up[WIDTH], g_down[WIDTH], ignored;
        memcpy(up, beta, sizeof up);
        memcpy(down, beta, sizeof down);
        up[j] += step;
        down[j] -= step;
        double slope = (value_at(&d->glm, up) - value_at(&d->glm, down)) / (2 * step);
        assert_true(fabs(slope - g[j]) < 1e-4 * (1 + fabs(g[j])));
        assert_int_equal(od_glm_value(&d->glm, up, &ignored, g_up, NULL), OD_OK);
        assert_int_equal(od_glm_value(&d->glm, down, &ignored, g_down, NULL), OD_OK);
        for (size_t k = 0; k < WIDTH; k++) {
            double curve = (g_up[k] - g_down[k]) / (2 * step);
            assert_true(fabs(curve - h[j * WIDTH + k]) < 1e-4 * (1 + fabs(curve)));
        }
    }
    free(d);
}

static void derivatives_are_those_of_finite_differences(void **state)
{
    (void)state;
    check_derivatives(OD_GLM_POISSON);
    check_derivatives(OD_GLM_LOGISTIC);
}

static void the_fit_is_a_minimum_and_the_same_for_every_thread_count(void **state)
{
    (void)state;
    for (int link = OD_GLM_POISSON; link <= OD_GLM_LOGISTIC; link++) {
        struct data *d = make((enum od_glm_link)link);
        double beta[WIDTH] = {0}, again[WIDTH] = {0}, g[WIDTH], h[WIDTH * WIDTH], value;
        assert_int_equal(od_glm_fit(&d->glm, beta, h), OD_OK);
        assert_int_equal(od_glm_value(&d->glm, beta, &value, g, NULL), OD_OK);
        for (size_t j = 0; j < WIDTH; j++)
            assert_true(fabs(g[j]) < 0.05 * sqrt(h[j * WIDTH + j]));
        assert_true(fabs(beta[4] - 1.2) < 0.15); /* what the data were made with */
        d->glm.threads = 5;
        assert_int_equal(od_glm_fit(&d->glm, again, NULL), OD_OK);
        assert_memory_equal(beta, again, sizeof beta);
        free(d);
    }
}

static void separable_outcomes_end_finite(void **state)
{
    (void)state;
    float x[] = {1, 1, 1, 1}, y[] = {1, 1, 1, 1};
    double ridge = 1e-4, beta = 0;
    struct od_glm glm = {.link = OD_GLM_LOGISTIC,
                         .count = 4,
                         .width = 1,
                         .x = x,
                         .stride = 1,
                         .y = y,
                         .ridge = &ridge};
    assert_int_equal(od_glm_fit(&glm, &beta, NULL), OD_OK);
    assert_true(isfinite(beta) && beta > 5);
}

static void without_rows_the_prior_is_the_answer(void **state)
{
    (void)state;
    double ridge[] = {1, 2}, prior[] = {0.5, -3}, beta[2] = {0};
    struct od_glm glm = {
        .link = OD_GLM_POISSON, .width = 2, .stride = 2, .ridge = ridge, .prior = prior};
    assert_int_equal(od_glm_fit(&glm, beta, NULL), OD_OK);
    assert_true(fabs(beta[0] - 0.5) < 1e-9 && fabs(beta[1] + 3) < 1e-9);
}

static void small_systems_are_solved(void **state)
{
    (void)state;
    double a[] = {4, 2, 0.6, 2, 5, 1, 0.6, 1, 3}, l[9], b[] = {1, 2, 3};
    memcpy(l, a, sizeof l);
    assert_true(od_small_factor(l, 3));
    od_small_forward(l, 3, b);
    od_small_backward(l, 3, b);
    const double want[] = {1, 2, 3};
    for (size_t i = 0; i < 3; i++)
        assert_true(fabs(a[i * 3] * b[0] + a[i * 3 + 1] * b[1] + a[i * 3 + 2] * b[2] - want[i]) <
                    1e-12);
    double singular[] = {1, 1, 1, 1};
    assert_false(od_small_factor(singular, 2));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(derivatives_are_those_of_finite_differences),
        cmocka_unit_test(the_fit_is_a_minimum_and_the_same_for_every_thread_count),
        cmocka_unit_test(separable_outcomes_end_finite),
        cmocka_unit_test(without_rows_the_prior_is_the_answer),
        cmocka_unit_test(small_systems_are_solved),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
