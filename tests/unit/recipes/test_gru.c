/* The hierarchical recurrent network: its gradients, its memory, its two ways to a state. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "math/cholesky.h"
#include "math/differences.h"
#include "math/nn/layers.h"
#include "recipes/gru_net.h"

enum { HIDDEN = 5, WIDTH = 4, ITEMS = 6, ROWS = 10, SEQUENCES = 3 };

/* Sequences of 5, 3 and 2 events; half an hour of pause in the middle of the first, at the end of
 * the second, and twice in a row in the third. */
static const uint32_t at[6] = {0, 3, 6, 8, 9, 10};
static const uint32_t last[SEQUENCES] = {9, 7, 5}, user[SEQUENCES] = {2, 0, 1};
static const uint32_t item[ROWS] = {0, 1, 2, 3, OD_NO_CODE, 1, 0, 5, 4, 3};
static const uint32_t target[ROWS] = {3, OD_NO_CODE, 1, 0, 5, 2, 4, 1, 3, 0};
static const float weight[ROWS] = {1, 0, .5f, 2, 1, 1, 1, 1, 1, 1};
static const int64_t when[ROWS] = {0, 0, 0, 10, 1, 4000, 4000, 100, 4000, 4500};
static const int64_t asked[ROWS] = {10, 1, 4000, 4000, 100, 9000, 4000, 90000, 4500, 4501};
static const uint64_t person_at[4] = {0, 2, 2, 3};
static const uint32_t person_column[3] = {0, 2, 1};
static const float person_value[3] = {.6f, .8f, 1};

struct net_case {
    struct od_gru_net net;
    struct od_features users;
    struct od_nn_params params;
    struct od_seq_rows rows;
    float v[ITEMS * WIDTH], dv[ITEMS * WIDTH];
    float *gradient, *work;
};

static void set_up(struct net_case *c, uint32_t bptt)
{
    struct od_random rng;
    memset(c, 0, sizeof *c);
    od_math_init();
    c->users = (struct od_features){.rows = 3,
                                    .columns = 3,
                                    .at = (uint64_t *)(uintptr_t)person_at,
                                    .column = (uint32_t *)(uintptr_t)person_column,
                                    .value = (float *)(uintptr_t)person_value};
    c->net = (struct od_gru_net){
        .hidden = HIDDEN, .width = WIDTH, .bptt = bptt, .user_columns = 3, .users = &c->users};
    assert_int_equal(od_gru_params_init(&c->net, 1, &c->params), OD_OK);
    od_random_init(&rng, 2);
    fill_normal(c->params.value, c->params.size, .6, &rng);
    fill_normal(c->v, ITEMS * WIDTH, 1, &rng);
    c->rows = (struct od_seq_rows){{5, at}, SEQUENCES, ROWS, item,  when,  asked, target, weight,
                                   last,    user,      c->v, ITEMS, ITEMS, NULL,  0,      NULL};
    c->gradient = od_nn_buffer(&c->params);
    size_t floats = od_gru_functions.workspace(&c->net, ROWS, SEQUENCES, ITEMS);
    c->work = malloc(floats * sizeof *c->work);
    assert_non_null(c->work);
}

static void tear_down(struct net_case *c)
{
    od_nn_params_done(&c->params);
    free(c->gradient);
    free(c->work);
}

static double loss(void *context)
{
    struct net_case *c = context;
    float *gradient = od_nn_buffer(&c->params), dv[ITEMS * WIDTH] = {0};
    double sum = od_gru_functions.learn(&c->net, &c->params, &c->rows, gradient, dv, c->work);
    free(gradient);
    return sum;
}

static void gradients_by_differences(void **state)
{
    (void)state;
    struct net_case c;
    for (uint64_t key = 0; key < 4; key++) {
        set_up(&c, 32);
        c.net.dropout = .3f;
        c.rows.key = key; /* the same entries are dropped, the same gaps unknown in every call */
        od_gru_functions.learn(&c.net, &c.params, &c.rows, c.gradient, c.dv, c.work);
        check_gradient("v", loss, &c, c.v, c.dv, ITEMS * WIDTH, 4e-3);
        for (uint32_t t = 0; t < c.params.count; t++)
            check_gradient(c.params.tensor[t].name, loss, &c,
                           od_nn_in(&c.params, c.params.value, t),
                           od_nn_in(&c.params, c.gradient, t), od_nn_size(&c.params, t), 4e-3);
        tear_down(&c);
    }
}

/* How far the loss of the first sequence's last event looks back. */
static void bptt_bounds_how_far_a_loss_looks_back(void **state)
{
    (void)state;
    static const uint32_t only_last[ROWS] = {OD_NO_CODE, OD_NO_CODE, OD_NO_CODE, OD_NO_CODE,
                                             OD_NO_CODE, OD_NO_CODE, OD_NO_CODE, OD_NO_CODE,
                                             OD_NO_CODE, 0};
    static const uint32_t own[ROWS] = {0, 5, 5, 1, 5, 5, 2, 5, 3, 4};
    struct net_case c;
    for (uint32_t bptt = 2; bptt <= 5; bptt++) {
        set_up(&c, bptt);
        c.rows.target = only_last;
        float *gradient = od_nn_buffer(&c.params);
        uint32_t first = 4 / bptt * bptt; /* the step nothing goes back from */
        for (uint32_t step = 0; step < 5; step++) {
            /* the input's vector as a row of its own, which is no candidate */
            float moved[(ITEMS + 1) * WIDTH], dv[(ITEMS + 1) * WIDTH] = {0};
            uint32_t inputs[ROWS];
            memcpy(moved, c.v, sizeof c.v);
            memcpy(moved + ITEMS * WIDTH, c.v + own[at[step]] * WIDTH, WIDTH * sizeof *moved);
            memcpy(inputs, own, sizeof inputs);
            inputs[at[step]] = ITEMS;
            c.rows.item = inputs;
            c.rows.v = moved;
            c.rows.v_count = ITEMS + 1;
            od_gru_functions.learn(&c.net, &c.params, &c.rows, gradient, dv, c.work);
            double length = weighed(dv + ITEMS * WIDTH, dv + ITEMS * WIDTH, WIDTH);
            if (step >= first)
                assert_true(length > 0);
            else
                assert_true(length == 0);
        }
        free(gradient);
        tear_down(&c);
    }
}

static void states_score_as_learning_does(void **state)
{
    (void)state;
    struct net_case c;
    set_up(&c, 32);
    float out[SEQUENCES * WIDTH];
    od_gru_functions.states(&c.net, &c.params, &c.rows, out, c.work);
    double expected = 0;
    for (uint32_t s = 0; s < SEQUENCES; s++) {
        double sum = 0, own = 0;
        for (uint32_t i = 0; i < ITEMS; i++) {
            double logit = weighed(out + s * WIDTH, c.v + i * WIDTH, WIDTH);
            sum += exp(logit);
            own = i == target[last[s]] ? logit : own;
        }
        expected += (double)weight[last[s]] * (log(sum) - own);
    }
    static uint32_t lasts[ROWS];
    for (uint32_t r = 0; r < ROWS; r++)
        lasts[r] = r == last[0] || r == last[1] || r == last[2] ? target[r] : OD_NO_CODE;
    c.rows.target = lasts;
    assert_float_equal(loss(&c), expected, 1e-4);
    tear_down(&c);
}

/* Asked at the very time of the last event, or before it: what is learnt of unknown pauses (the
 * first bucket) answers, not what is learnt of events within a second (the next one). */
static void no_pause_is_an_unknown_one(void **state)
{
    (void)state;
    int64_t at_once[ROWS];
    float before[SEQUENCES * WIDTH], after[SEQUENCES * WIDTH];
    struct net_case c;
    set_up(&c, 32);
    memcpy(at_once, asked, sizeof asked);
    for (uint32_t s = 0; s < SEQUENCES; s++)
        at_once[last[s]] = when[last[s]] - s;
    c.rows.asked = at_once;
    for (uint32_t t = 0; t < c.params.count; t++) {
        if (strcmp(c.params.tensor[t].name, "gap.shift") != 0)
            continue;
        float *shift = od_nn_in(&c.params, c.params.value, t);
        od_gru_functions.states(&c.net, &c.params, &c.rows, before, c.work);
        shift[WIDTH] += 1;
        od_gru_functions.states(&c.net, &c.params, &c.rows, after, c.work);
        assert_memory_equal(before, after, sizeof before);
        shift[0] += 1;
        od_gru_functions.states(&c.net, &c.params, &c.rows, after, c.work);
        for (uint32_t s = 0; s < SEQUENCES; s++)
            assert_float_equal(after[s * WIDTH], before[s * WIDTH] + 1, 1e-5);
    }
    tear_down(&c);
}

static void gaps(void **state)
{
    (void)state;
    assert_int_equal(od_gru_gap(5, 5), 1);
    assert_int_equal(od_gru_gap(5, 4), 1);
    assert_int_equal(od_gru_gap(5, 6), 2);
    assert_int_equal(od_gru_gap(0, 2), 3);
    assert_int_equal(od_gru_gap(0, 1800), 12);
    assert_int_equal(od_gru_gap(INT64_MIN, INT64_MAX), 1); /* no number of seconds */
    assert_int_equal(od_gru_gap(0, INT64_MAX), OD_GRU_GAPS - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_by_differences),
        cmocka_unit_test(bptt_bounds_how_far_a_loss_looks_back),
        cmocka_unit_test(states_score_as_learning_does),
        cmocka_unit_test(no_pause_is_an_unknown_one),
        cmocka_unit_test(gaps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
