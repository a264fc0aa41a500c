/* Parameters, losses and optimisers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "differences.h"
#include "math/cholesky.h"
#include "math/nn/layers.h"
#include "math/nn/optimise.h"
#include "math/nn/softmax.h"

static int before_all(void **state)
{
    (void)state;
    od_math_init();
    return 0;
}

/* --- softmax: 70 rows over 8,200 items take three blocks --- */

enum { ROWS = 70, ITEMS = 37, WIDTH = 5 };

struct loss_case {
    struct od_nn_softmax softmax;
    float h[ROWS * WIDTH], v[ITEMS * WIDTH], bias[ITEMS], offset[ITEMS], weight[ROWS];
    uint32_t target[ROWS];
    float *scratch;
};

static struct loss_case *loss_case(bool offset)
{
    static struct loss_case c;
    struct od_random rng;
    od_random_init(&rng, 1);
    fill_normal(c.h,
                offsetof(struct loss_case, target) / sizeof(float) -
                    offsetof(struct loss_case, h) / sizeof(float),
                1, &rng);
    for (size_t r = 0; r < ROWS; r++) {
        c.target[r] = (uint32_t)od_random_below(&rng, ITEMS);
        c.weight[r] = r % 3 ? fabsf(c.weight[r]) : 0;
    }
    free(c.scratch);
    c.scratch = malloc(od_nn_softmax_scratch(ITEMS) * sizeof *c.scratch);
    c.softmax = (struct od_nn_softmax){ITEMS, WIDTH, c.v, c.bias, offset ? c.offset : NULL, .8f};
    return &c;
}

/* By the definition, in double. */
static double plain_loss(void *context)
{
    struct loss_case *c = context;
    double loss = 0;
    for (size_t r = 0; r < ROWS; r++) {
        double sum = 0, own = 0;
        for (uint32_t i = 0; i < ITEMS; i++) {
            double logit =
                .8 * weighed(c->h + r * WIDTH, c->v + i * WIDTH, WIDTH) + (double)c->bias[i];
            if (i == c->target[r])
                own = logit;
            else if (c->softmax.offset)
                logit += (double)c->offset[i];
            sum += exp(logit);
        }
        loss += (double)c->weight[r] * (log(sum) - own);
    }
    return loss;
}

static void check_softmax(bool offset)
{
    struct loss_case *c = loss_case(offset);
    float dh[ROWS * WIDTH], dv[ITEMS * WIDTH] = {0}, dbias[ITEMS] = {0};
    double loss = od_nn_softmax_loss(&c->softmax, c->h, c->target, c->weight, ROWS, dh, dv, dbias,
                                     c->scratch);
    assert_float_equal(loss, plain_loss(c), 1e-3);
    check_gradient("dh", plain_loss, c, c->h, dh, ROWS * WIDTH, 1e-3);
    check_gradient("dv", plain_loss, c, c->v, dv, ITEMS * WIDTH, 1e-3);
    check_gradient("dbias", plain_loss, c, c->bias, dbias, ITEMS, 1e-3);
}

static void softmax_by_differences(void **state)
{
    (void)state;
    check_softmax(false);
    check_softmax(true);
}

static void softmax_in_blocks(void **state)
{
    (void)state;
    enum { MANY = 8201, TALL = 150, D = 3 };
    float *v = malloc(MANY * D * sizeof *v), *dv = calloc(MANY * D, sizeof *dv);
    float *sum = calloc(MANY * D, sizeof *sum);
    float *scratch = malloc(od_nn_softmax_scratch(MANY) * sizeof *scratch);
    float h[TALL * D], dh[TALL * D], row_dh[D], one = 1, weight[TALL];
    uint32_t target[TALL];
    struct od_random rng;
    od_random_init(&rng, 2);
    fill_normal(v, MANY * D, 1, &rng);
    fill_normal(h, TALL * D, 1, &rng);
    for (size_t r = 0; r < TALL; r++) {
        target[r] = (uint32_t)od_random_below(&rng, MANY);
        weight[r] = 1;
    }
    struct od_nn_softmax s = {MANY, D, v, NULL, NULL, 1};
    double whole = od_nn_softmax_loss(&s, h, target, weight, TALL, dh, dv, NULL, scratch), rows = 0;
    for (size_t r = 0; r < TALL; r++) { /* the same, a row at a time */
        rows += od_nn_softmax_loss(&s, h + r * D, target + r, &one, 1, row_dh, sum, NULL, scratch);
        for (size_t i = 0; i < D; i++)
            assert_float_equal(row_dh[i], dh[r * D + i], 1e-4);
    }
    assert_float_equal(whole, rows, 1e-2);
    for (size_t i = 0; i < MANY * D; i++)
        assert_float_equal(dv[i], sum[i], 1e-4);
    free(v);
    free(dv);
    free(sum);
    free(scratch);
}

static void sample_holds_targets_and_unbiased_offsets(void **state)
{
    (void)state;
    enum { N = 50, R = 6, MOST = 12, ROUNDS = 20000 };
    uint32_t place[N], target[MOST], item[N];
    float offset[N], p[N], logit[N];
    double exact = 0, mean = 0;
    struct od_random rng;
    od_random_init(&rng, 3);
    memset(place, 0xff, sizeof place);
    double total = 0;
    for (size_t i = 0; i < N; i++) {
        p[i] = (float)(i + 1);
        total += (double)p[i];
        logit[i] = (float)od_random_normal(&rng);
        exact += exp((double)logit[i]);
    }
    for (size_t i = 0; i < N; i++)
        p[i] = (float)((double)p[i] / total);
    for (uint64_t round = 0; round < ROUNDS; round++) {
        for (size_t r = 0; r < R; r++) { /* targets by their share */
            double x = od_random_double(&rng) * total;
            uint32_t i = 0;
            while ((x -= (double)i + 1) > 0 && i + 1 < N)
                i++;
            target[r] = i;
        }
        uint32_t n = od_nn_sample(target, R, N, MOST, p, round, place, item, offset);
        assert_int_equal(n, MOST);
        for (size_t r = 0; r < R; r++)
            assert_true(place[target[r]] < R && item[place[target[r]]] == target[r]);
        for (uint32_t c = 0; c < n; c++)
            mean += exp((double)logit[item[c]] + (double)offset[c]) / ROUNDS;
        od_nn_sample_forget(item, n, place);
        for (size_t i = 0; i < N; i++)
            assert_int_equal(place[i], OD_NN_NO_ROW);
    }
    assert_true(fabs(mean / exact - 1) < .02);
    assert_int_equal(od_nn_sample(target, R, N, N + 5, p, 1, place, item, offset), N);
    for (size_t i = 0; i < N; i++)
        assert_float_equal(offset[i], 0, 1e-6); /* all there: nothing to correct */
    memset(place, 0xff, sizeof place);
    for (uint32_t r = 0; r < MOST; r++) /* targets are a sample by themselves */
        target[r] = r;
    uint32_t n = od_nn_sample(target, MOST, N, MOST, p, 1, place, item, offset);
    assert_true(n > MOST && n == od_nn_sample_most(MOST, MOST, N)); /* still some are drawn */
}

/* --- parameters --- */

static const struct od_nn_tensor tensors[] = {
    {"table", 1001, 33, false}, {"w", 7, 5, true}, {"bias", 1, 3, false}};

static void params_there_and_back(void **state)
{
    (void)state;
    struct od_nn_params a, b;
    struct od_error err;
    struct od_buf bytes;
    struct od_random rng;
    od_random_init(&rng, 4);
    od_buf_init(&bytes, 1 << 20);
    assert_int_equal(od_nn_params_init(&a, tensors, 3), OD_OK);
    assert_int_equal(od_nn_params_init(&b, tensors, 3), OD_OK);
    od_nn_fill_normal(&a, 0, .1, &rng);
    od_nn_fill_uniform(&a, 1, 2, &rng);
    od_nn_fill(&a, 2, 1);
    for (size_t i = 0; i < od_nn_size(&a, 1); i++)
        assert_true(fabsf(od_nn_of(&a, 1)[i]) <= 2);
    assert_int_equal(a.at[1] % OD_NN_ALIGN, 0);
    od_nn_params_write(&a, &bytes);
    assert_int_equal(od_nn_params_read(&b, od_buf_view(&bytes), &err), OD_OK);
    assert_memory_equal(a.value, b.value, a.size * sizeof(float));
    struct od_str cut = {bytes.ptr, bytes.len - 1};
    assert_int_equal(od_nn_params_read(&b, cut, &err), OD_CORRUPT);
    od_nn_in(&a, a.value, 2)[1] = NAN;
    od_buf_clear(&bytes);
    od_nn_params_write(&a, &bytes);
    assert_int_equal(od_nn_params_read(&b, od_buf_view(&bytes), &err), OD_CORRUPT);
    od_nn_params_done(&b);
    assert_int_equal(od_nn_params_init(&b, tensors, 2), OD_OK); /* another network */
    assert_int_equal(od_nn_params_read(&b, od_buf_view(&bytes), &err), OD_CORRUPT);
    od_nn_params_done(&a);
    od_nn_params_done(&b);
    od_buf_done(&bytes);
}

/* --- optimisers --- */

static void adam_by_hand(void **state)
{
    (void)state;
    const struct od_nn_tensor one[] = {{"w", 1, 1, true}};
    struct od_nn_params p;
    struct od_nn_state s;
    assert_int_equal(od_nn_params_init(&p, one, 1), OD_OK);
    assert_int_equal(od_nn_state_init(&s, &p, OD_NN_ADAM), OD_OK);
    float *g[1] = {od_nn_buffer(&p)};
    struct od_nn_step step = {OD_NN_ADAM, .1f, .9f, .99f, .5f, 2, 0, 1};
    double w = 1, m = 0, v = 0, norm;
    p.value[0] = 1;
    for (int t = 1; t <= 5; t++) {
        double grad = 2 * (t - 2.5);
        g[0][0] = (float)(t - 2.5);
        assert_int_equal(od_nn_step(&p, &s, g, 1, &step, &norm), OD_OK);
        m = .9 * m + .1 * grad;
        v = .99 * v + .01 * grad * grad;
        w -= .1 * (m / (1 - pow(.9, t)) / (sqrt(v / (1 - pow(.99, t))) + 1e-8) + .5 * w);
        assert_float_equal(p.value[0], w, 1e-5);
        assert_float_equal(norm, fabs(grad), 1e-5);
        assert_true(g[0][0] == 0);
    }
    g[0][0] = NAN;
    assert_int_equal(od_nn_step(&p, &s, g, 1, &step, &norm), OD_OK);
    assert_true(isnan(norm) && g[0][0] == 0);
    assert_float_equal(p.value[0], w, 1e-5);
    assert_int_equal(s.steps, 5);
    free(g[0]);
    od_nn_state_done(&s);
    od_nn_params_done(&p);
}

static void step_parts(float *out, unsigned threads, enum od_nn_rule rule, double *out_norm)
{
    enum { PARTS = 3 };
    struct od_nn_params p;
    struct od_nn_state s;
    struct od_random rng;
    float *g[PARTS];
    od_random_init(&rng, 6);
    assert_int_equal(od_nn_params_init(&p, tensors, 3), OD_OK);
    assert_int_equal(od_nn_state_init(&s, &p, rule), OD_OK);
    for (int i = 0; i < PARTS; i++)
        assert_non_null(g[i] = od_nn_buffer(&p));
    struct od_nn_step step = {rule, .01f, .9f, .98f, .1f, .25f, 3, threads};
    for (int t = 0; t < 4; t++) {
        for (int i = 0; i < PARTS; i++)
            fill_normal(g[i], p.size, 1, &rng);
        assert_int_equal(od_nn_step(&p, &s, g, PARTS, &step, out_norm), OD_OK);
    }
    memcpy(out, p.value, p.size * sizeof *out);
    for (int i = 0; i < PARTS; i++) {
        for (size_t k = 0; k < od_nn_size(&p, 0); k++)
            assert_true(g[i][k] == 0);
        free(g[i]);
    }
    od_nn_state_done(&s);
    od_nn_params_done(&p);
}

static void steps_do_not_depend_on_threads(void **state)
{
    (void)state;
    static float a[1001 * 33 + 100], b[1001 * 33 + 100];
    double norm_a, norm_b;
    for (int rule = OD_NN_ADAM; rule <= OD_NN_ADAGRAD; rule++) {
        step_parts(a, 1, (enum od_nn_rule)rule, &norm_a);
        step_parts(b, 3, (enum od_nn_rule)rule, &norm_b);
        assert_memory_equal(a, b, sizeof a);
        assert_true(norm_a == norm_b);
        double expected = sqrt(1001 * 33 * 3) * .25; /* of three sums of unit normals */
        assert_true(fabs(norm_a / expected - 1) < .03);
    }
}

static void clipping_shortens_to_the_limit(void **state)
{
    (void)state;
    const struct od_nn_tensor two[] = {{"w", 1, 2, false}};
    struct od_nn_params p;
    struct od_nn_state s;
    double norm;
    assert_int_equal(od_nn_params_init(&p, two, 1), OD_OK);
    assert_int_equal(od_nn_state_init(&s, &p, OD_NN_ADAGRAD), OD_OK);
    float *g[1] = {od_nn_buffer(&p)};
    g[0][0] = 30;
    g[0][1] = -40;
    struct od_nn_step step = {.rule = OD_NN_ADAGRAD, .rate = 1, .scale = 1, .clip = 5};
    assert_int_equal(od_nn_step(&p, &s, g, 1, &step, &norm), OD_OK);
    assert_float_equal(norm, 50, 1e-4);
    assert_float_equal(s.second[0], 9, 1e-4); /* squares of the clipped 3 and -4 */
    assert_float_equal(s.second[1], 16, 1e-4);
    assert_float_equal(p.value[0], -1, 1e-5);
    assert_float_equal(p.value[1], 1, 1e-5);
    free(g[0]);
    od_nn_state_done(&s);
    od_nn_params_done(&p);
}

static void rows_move_alone(void **state)
{
    (void)state;
    float w[3 * 2] = {1, 1, 1, 1, 1, 1}, first[6] = {0}, second[3] = {0};
    uint32_t count[3] = {0};
    struct od_nn_rows table = {w, first, second, count, 3, 2};
    const uint32_t row[2] = {2, 0};
    const float gradient[4] = {3, 4, NAN, 0};
    struct od_nn_step step = {.rate = .1f, .beta1 = .9f, .beta2 = .99f, .scale = 1};
    od_nn_rows_step(&table, row, gradient, 2, &step);
    /* the first step is the gradient over the root of its mean square */
    assert_float_equal(w[4], .9151472f, 1e-5); /* 1 - .1 * 3 / sqrt(12.5) */
    assert_float_equal(w[5], .8868629f, 1e-5);
    for (size_t i = 0; i < 4; i++)
        assert_true(w[i] == 1);
    assert_true(count[2] == 1 && count[1] == 0 && count[0] == 0);
}

static void schedule(void **state)
{
    (void)state;
    assert_float_equal(od_nn_cosine(0, 100, 9, .1f), .1, 1e-6);
    assert_float_equal(od_nn_cosine(8, 100, 9, .1f), .9, 1e-6);
    assert_float_equal(od_nn_cosine(9, 109, 9, .1f), 1, 1e-6);
    assert_float_equal(od_nn_cosine(59, 109, 9, .1f), .55, 1e-6);
    assert_float_equal(od_nn_cosine(500, 109, 9, .1f), .1, 1e-6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(softmax_by_differences),
        cmocka_unit_test(softmax_in_blocks),
        cmocka_unit_test(sample_holds_targets_and_unbiased_offsets),
        cmocka_unit_test(params_there_and_back),
        cmocka_unit_test(adam_by_hand),
        cmocka_unit_test(steps_do_not_depend_on_threads),
        cmocka_unit_test(clipping_shortens_to_the_limit),
        cmocka_unit_test(rows_move_alone),
        cmocka_unit_test(schedule),
    };
    return cmocka_run_group_tests(tests, before_all, NULL);
}
