/* Every way back by finite differences, on odd sizes; recurrences over packed sequences. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "differences.h"
#include "math/cholesky.h"
#include "math/nn/layers.h"
#include "math/nn/packed.h"
#include "math/nn/vector.h"

enum { ROWS = 5, IN = 7, OUT = 9, WIDTH = 7 };

struct arrays {
    float x[ROWS * 18], y[ROWS * 18], c[ROWS * 18];
    float w[OUT * IN], bias[18], gain[18];
    float mean[ROWS], inverse[ROWS];
};

static struct arrays *fresh(uint64_t seed)
{
    static struct arrays a;
    struct od_random rng;
    od_random_init(&rng, seed);
    fill_normal(&a.x[0], sizeof a / sizeof(float), 1, &rng);
    return &a;
}

static int before_all(void **state)
{
    (void)state;
    od_math_init();
    return 0;
}

static double linear_loss(void *context)
{
    struct arrays *a = context;
    od_nn_linear(a->y, a->x, a->w, a->bias, ROWS, IN, OUT);
    return weighed(a->c, a->y, ROWS * OUT);
}

static void linear(void **state)
{
    (void)state;
    struct arrays *a = fresh(1);
    float dx[ROWS * IN], dw[OUT * IN] = {0}, dbias[OUT] = {0}, twice[ROWS * IN];
    od_nn_linear_back(dx, false, dw, dbias, a->c, a->x, a->w, ROWS, IN, OUT);
    check_gradient("dx", linear_loss, a, a->x, dx, ROWS * IN, 1e-3);
    check_gradient("dw", linear_loss, a, a->w, dw, OUT * IN, 1e-3);
    check_gradient("dbias", linear_loss, a, a->bias, dbias, OUT, 1e-3);
    memcpy(twice, dx, sizeof dx);
    od_nn_linear_back(twice, true, dw, dbias, a->c, a->x, a->w, ROWS, IN, OUT);
    for (size_t i = 0; i < ROWS * IN; i++)
        assert_float_equal(twice[i], 2 * dx[i], 1e-5);
    check_gradient("no bias", linear_loss, a, a->x, dx, ROWS * IN, 1e-3);
}

static void embeddings(void **state)
{
    (void)state;
    float table[3 * 2] = {1, 2, 3, 4, 5, 6}, y[8], grad[6] = {0};
    const uint32_t index[4] = {2, OD_NN_NO_ROW, 0, 2};
    const float dy[8] = {1, 2, 9, 9, 3, 4, 10, 20}, expected[8] = {5, 6, 0, 0, 1, 2, 5, 6};
    od_nn_gather(y, table, index, 4, 2);
    assert_memory_equal(y, expected, sizeof y);
    od_nn_scatter_add(grad, dy, index, 4, 2);
    const float sums[6] = {3, 4, 0, 0, 11, 22};
    assert_memory_equal(grad, sums, sizeof grad);
}

static double rms_loss(void *context)
{
    struct arrays *a = context;
    od_nn_rms_norm(a->y, a->inverse, a->x, a->gain, ROWS, WIDTH);
    return weighed(a->c, a->y, ROWS * WIDTH);
}

static void rms_norm(void **state)
{
    (void)state;
    struct arrays *a = fresh(2);
    float dx[ROWS * WIDTH], dgain[WIDTH] = {0};
    rms_loss(a);
    memcpy(dx, a->c, sizeof dx);
    od_nn_rms_norm_back(dx, false, dgain, dx, a->x, a->inverse, a->gain, ROWS, WIDTH);
    check_gradient("dx", rms_loss, a, a->x, dx, ROWS * WIDTH, 3e-3);
    check_gradient("dgain", rms_loss, a, a->gain, dgain, WIDTH, 1e-3);
    float sum[ROWS * WIDTH];
    memcpy(sum, dx, sizeof dx);
    od_nn_rms_norm_back(sum, true, dgain, a->c, a->x, a->inverse, a->gain, ROWS, WIDTH);
    for (size_t i = 0; i < ROWS * WIDTH; i++)
        assert_float_equal(sum[i], 2 * dx[i], 1e-4);
}

static double layer_loss(void *context)
{
    struct arrays *a = context;
    od_nn_layer_norm(a->y, a->mean, a->inverse, a->x, a->gain, a->bias, ROWS, WIDTH);
    return weighed(a->c, a->y, ROWS * WIDTH);
}

static void layer_norm(void **state)
{
    (void)state;
    struct arrays *a = fresh(3);
    float dx[ROWS * WIDTH], dgain[WIDTH] = {0}, dbias[WIDTH] = {0};
    layer_loss(a);
    memcpy(dx, a->c, sizeof dx);
    od_nn_layer_norm_back(dx, dgain, dbias, dx, a->x, a->mean, a->inverse, a->gain, ROWS, WIDTH);
    check_gradient("dx", layer_loss, a, a->x, dx, ROWS * WIDTH, 3e-3);
    check_gradient("dgain", layer_loss, a, a->gain, dgain, WIDTH, 1e-3);
    check_gradient("dbias", layer_loss, a, a->bias, dbias, WIDTH, 1e-3);
}

static double unit_loss(void *context)
{
    struct arrays *a = context;
    od_nn_unit(a->y, a->inverse, a->x, ROWS, WIDTH);
    return weighed(a->c, a->y, ROWS * WIDTH);
}

static void unit_length(void **state)
{
    (void)state;
    struct arrays *a = fresh(4);
    float dx[ROWS * WIDTH];
    unit_loss(a);
    for (size_t r = 0; r < ROWS; r++)
        assert_float_equal(weighed(a->y + r * WIDTH, a->y + r * WIDTH, WIDTH), 1, 1e-5);
    od_nn_unit_back(dx, a->c, a->y, a->inverse, ROWS, WIDTH);
    check_gradient("dx", unit_loss, a, a->x, dx, ROWS * WIDTH, 3e-3);
}

static double swiglu_loss(void *context)
{
    struct arrays *a = context;
    od_nn_swiglu(a->y, a->x, ROWS, OUT);
    return weighed(a->c, a->y, ROWS * OUT);
}

static void swiglu(void **state)
{
    (void)state;
    struct arrays *a = fresh(5);
    float dx[ROWS * 2 * OUT];
    memcpy(dx, a->x, sizeof dx);
    od_nn_swiglu_back(dx, a->c, dx, ROWS, OUT);
    check_gradient("dx", swiglu_loss, a, a->x, dx, ROWS * 2 * OUT, 1e-3);
}

static void dropout(void **state)
{
    (void)state;
    enum { MANY = 100003 };
    float *x = malloc(MANY * sizeof *x), *y = malloc(MANY * sizeof *y);
    for (size_t i = 0; i < MANY; i++)
        x[i] = y[i] = 1;
    od_nn_dropout(x, MANY, .25f, od_nn_key(1, 2, 3, 4));
    od_nn_dropout(y, MANY, .25f, od_nn_key(1, 2, 3, 4));
    assert_memory_equal(x, y, MANY * sizeof *x);
    size_t zeros = 0;
    for (size_t i = 0; i < MANY; i++) {
        assert_true(x[i] == 0 || fabsf(x[i] - 4 / 3.0f) < 1e-6f);
        zeros += x[i] == 0;
    }
    assert_true(zeros > MANY / 4 - 600 && zeros < MANY / 4 + 600); /* four deviations */
    od_nn_dropout(y, MANY, .25f, od_nn_key(1, 2, 4, 3));
    size_t both = 0;
    for (size_t i = 0; i < MANY; i++)
        both += y[i] == 0;
    assert_true(both > MANY * 7 / 16 - 700 && both < MANY * 7 / 16 + 700); /* another key */
    free(x);
    free(y);
}

/* --- recurrences over three sequences of 4, 2 and 1 steps --- */

static void packing(void **state)
{
    (void)state;
    const uint32_t length[3] = {4, 2, 1}, expected[5] = {0, 3, 5, 6, 7};
    uint32_t at[5];
    struct od_nn_packed p = od_nn_pack(length, 3, at);
    assert_int_equal(p.steps, 4);
    assert_memory_equal(at, expected, sizeof at);
    assert_int_equal(od_nn_pack(length, 0, at).steps, 0);
}

enum { TOKENS = 7, CHANNELS = 5, GRU_IN = 3, GRU = 5 };
static const uint32_t steps_at[5] = {0, 3, 5, 6, 7};
static const struct od_nn_packed three = {4, steps_at};

struct scan_case {
    float a[TOKENS * CHANNELS], b[TOKENS * CHANNELS], h[TOKENS * CHANNELS], c[TOKENS * CHANNELS];
};

static double scan_loss(void *context)
{
    struct scan_case *s = context;
    od_nn_scan(s->h, s->a, s->b, &three, CHANNELS);
    return weighed(s->c, s->h, TOKENS * CHANNELS);
}

static void scan(void **state)
{
    (void)state;
    struct scan_case s;
    struct od_random rng;
    od_random_init(&rng, 6);
    fill_normal(s.a, sizeof s / sizeof(float), 1, &rng);
    float da[TOKENS * CHANNELS], dh[TOKENS * CHANNELS];
    scan_loss(&s);
    size_t before = 3 * CHANNELS, here = 5 * CHANNELS, last = 6 * CHANNELS; /* of sequence 0 */
    assert_float_equal(s.h[here], s.a[here] * s.h[before] + s.b[here], 1e-6);
    assert_float_equal(s.h[last], s.a[last] * s.h[here] + s.b[last], 1e-6);
    memcpy(dh, s.c, sizeof dh);
    od_nn_scan_back(da, dh, s.a, s.h, &three, CHANNELS);
    check_gradient("da", scan_loss, &s, s.a, da, TOKENS * CHANNELS, 1e-3);
    check_gradient("db", scan_loss, &s, s.b, dh, TOKENS * CHANNELS, 1e-3);
}

struct gru_case {
    float w[3 * GRU * GRU_IN], u[3 * GRU * GRU], bias_x[3 * GRU], bias_u[3 * GRU];
    float x[TOKENS * GRU_IN], c[TOKENS * GRU];
    float out[TOKENS * GRU], before[TOKENS * GRU], kept[TOKENS * 4 * GRU], xw[TOKENS * 3 * GRU];
    float hu[3 * 3 * GRU];
    const float *carried; /* [TOKENS][GRU] states a truncated run begins its later steps with */
};

static struct od_nn_gru gru_of(const struct gru_case *g)
{
    return (struct od_nn_gru){GRU_IN, GRU, g->w, g->u, g->bias_x, g->bias_u};
}

static double gru_loss(void *context)
{
    struct gru_case *g = context;
    struct od_nn_gru gru = gru_of(g);
    od_nn_gru_run(&gru, &three, g->x, g->out, g->before, g->kept, g->xw, g->hu);
    return weighed(g->c, g->out, TOKENS * GRU);
}

/* The same, steps 2 and later beginning from numbers that do not move: what truncation at 2 means.
 */
static double gru_loss_cut(void *context)
{
    struct gru_case *g = context;
    struct od_nn_gru gru = gru_of(g);
    od_nn_gru_inputs(&gru, g->xw, g->x, TOKENS);
    for (uint32_t t = 0; t < three.steps; t++) {
        size_t at = steps_at[t], rows = steps_at[t + 1] - at;
        const float *from = t == 2 ? g->carried + at * GRU
                            : t    ? g->out + steps_at[t - 1] * GRU
                                   : g->carried;
        memcpy(g->before + at * GRU, from, rows * GRU * sizeof(float));
        od_nn_gru_step(&gru, g->out + at * GRU, g->kept + at * 4 * GRU, g->xw + at * 3 * GRU,
                       g->before + at * GRU, g->hu, rows);
    }
    return weighed(g->c, g->out, TOKENS * GRU);
}

static void check_gru(uint32_t truncate)
{
    static struct gru_case g;
    struct od_random rng;
    od_random_init(&rng, 7);
    fill_normal(g.w, offsetof(struct gru_case, out) / sizeof(float), .7, &rng);
    double whole = gru_loss(&g);
    float carried[TOKENS * GRU], dw[3 * GRU * GRU_IN] = {0}, du[3 * GRU * GRU] = {0};
    memcpy(carried, g.before, sizeof carried);
    g.carried = carried;
    assert_float_equal(gru_loss_cut(&g), whole, 1e-6);
    loss_fn *loss = truncate ? gru_loss_cut : gru_loss;
    float dbias_x[3 * GRU] = {0}, dbias_u[3 * GRU] = {0}, dx[TOKENS * GRU_IN];
    float dxw[TOKENS * 3 * GRU], dhu[TOKENS * 3 * GRU], dout[TOKENS * GRU];
    memcpy(dout, g.c, sizeof dout);
    struct od_nn_gru gru = gru_of(&g);
    struct od_nn_gru_grad grad = {dw, du, dbias_x, dbias_u};
    od_nn_gru_run_back(&gru, &grad, &three, truncate, g.x, g.before, g.kept, dout, dx, dxw, dhu);
    check_gradient("dx", loss, &g, g.x, dx, TOKENS * GRU_IN, 2e-3);
    check_gradient("dw", loss, &g, g.w, dw, 3 * GRU * GRU_IN, 2e-3);
    check_gradient("du", loss, &g, g.u, du, 3 * GRU * GRU, 2e-3);
    check_gradient("dbias_x", loss, &g, g.bias_x, dbias_x, 3 * GRU, 2e-3);
    check_gradient("dbias_u", loss, &g, g.bias_u, dbias_u, 3 * GRU, 2e-3);
}

static void gru_through_time(void **state)
{
    (void)state;
    check_gru(0);
    check_gru(2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(linear),      cmocka_unit_test(embeddings),
        cmocka_unit_test(rms_norm),    cmocka_unit_test(layer_norm),
        cmocka_unit_test(unit_length), cmocka_unit_test(swiglu),
        cmocka_unit_test(dropout),     cmocka_unit_test(packing),
        cmocka_unit_test(scan),        cmocka_unit_test(gru_through_time),
    };
    return cmocka_run_group_tests(tests, before_all, NULL);
}
