/* What affinity models are made of: histories, the subspace, the regression, rates, the mixture. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "math/cholesky.h"
#include "recipes/affinity.h"
#include "toy.h"

#define DAY 86400

static uint64_t *whole(const struct od_training *t)
{
    uint64_t *end = malloc(((size_t)t->user_count + 1) * sizeof *end);
    assert_non_null(end);
    for (uint32_t u = 0; u < t->user_count; u++)
        end[u] = t->user_start[u + 1];
    return end;
}

static void histories_are_decayed_distributions(void **state)
{
    (void)state;
    struct od_training_builder *b = od_training_builder_new(NULL);
    toy_add(b, 0, 2, 1);
    toy_add(b, 0, 1, 2);
    toy_add(b, 0, 2, 3);
    toy_add(b, 1, 0, 1);
    struct od_training *t = toy_finish(b);
    uint64_t *end = whole(t);
    end[1]--; /* nothing of user 1 */
    struct od_affinity_states s;
    assert_int_equal(od_affinity_states_init(&s, t, end, 2), OD_OK);
    assert_int_equal(s.at[1], 2);
    assert_int_equal(s.at[2], 2);
    assert_int_equal(s.item[0], 1);
    assert_int_equal(s.item[1], 2);
    double sum = 1 + 0.8 + 0.64;
    assert_true(fabs((double)s.weight[0][0] - 0.8 / sum) < 1e-6);
    assert_true(fabs((double)s.weight[0][1] - 1.64 / sum) < 1e-6);
    assert_true(fabs((double)s.size[0][0] - sqrt(sum)) < 1e-6);
    assert_true(fabs((double)(s.weight[1][0] + s.weight[1][1]) - 1) < 1e-6);
    od_affinity_states_done(&s);
    free(end);
    od_training_free(t);
}

/* Items 0-9 and 10-19 are liked by different users. */
static struct od_training *two_tastes(unsigned users, unsigned events, uint64_t seed)
{
    struct od_training_builder *b = od_training_builder_new(NULL);
    struct od_random rng;
    od_random_init(&rng, seed);
    for (unsigned u = 0; u < users; u++)
        for (unsigned k = 0; k < events; k++)
            toy_add(b, u, (unsigned)od_random_below(&rng, 10) + 10 * (u % 2), k * DAY);
    return toy_finish(b);
}

static void the_subspace_is_orthonormal_and_finds_the_tastes(void **state)
{
    (void)state;
    struct od_training *t = two_tastes(300, 12, 3);
    uint64_t *end = whole(t);
    struct od_affinity_states s;
    float *p = NULL, *again = NULL;
    assert_int_equal(od_affinity_states_init(&s, t, end, 1), OD_OK);
    assert_int_equal(od_affinity_subspace(&s, 20, 2, 7, 1, &p), OD_OK);
    assert_int_equal(od_affinity_subspace(&s, 20, 2, 7, 4, &again), OD_OK);
    assert_memory_equal(p, again, 40 * sizeof *p);
    /* in two dimensions items of a taste point one way, those of the other elsewhere */
    double same = 0, other = 0;
    for (int i = 1; i < 10; i++) {
        double n = hypot((double)p[0], (double)p[1]);
        double a = hypot((double)p[2 * i], (double)p[2 * i + 1]);
        double c = hypot((double)p[20 + 2 * i], (double)p[21 + 2 * i]);
        same += (double)(p[0] * p[2 * i] + p[1] * p[2 * i + 1]) / (n * a);
        other += (double)(p[0] * p[20 + 2 * i] + p[1] * p[21 + 2 * i]) / (n * c);
    }
    assert_true(same / 9 > 0.9);
    assert_true(fabs(other / 9) < 0.3);
    free(p);
    free(again);
    od_affinity_states_done(&s);
    free(end);
    od_training_free(t);
}

/* z of the events [start, at) by the definition. */
static void slow_z(const struct od_training *t, uint64_t start, uint64_t at, const float *p,
                   uint32_t dim, double *z)
{
    z[0] = 1;
    for (int k = 0; k < OD_AFFINITY_KERNELS; k++) {
        double mass = 0;
        for (uint32_t d = 0; d < dim; d++)
            z[1 + (uint32_t)k * dim + d] = 0;
        for (uint64_t e = start; e < at; e++) {
            double w = pow(od_affinity_decay[k], (double)(at - 1 - e));
            mass += w;
            for (uint32_t d = 0; d < dim; d++)
                z[1 + (uint32_t)k * dim + d] += w * (double)p[t->item[e] * dim + d];
        }
        for (uint32_t d = 0; d < dim; d++)
            z[1 + (uint32_t)k * dim + d] /= sqrt(mass);
    }
}

static void moments_are_those_of_the_definition(void **state)
{
    (void)state;
    enum { DIM = 3, WIDTH = 1 + OD_AFFINITY_KERNELS * DIM };
    struct od_training *t = toy_random(40, 12, 9, 3);
    uint64_t *end = whole(t);
    struct od_random rng;
    od_random_init(&rng, 1);
    float *p = malloc(t->item_count * DIM * sizeof *p);
    for (uint32_t i = 0; i < t->item_count * DIM; i++)
        p[i] = (float)od_random_normal(&rng);
    struct od_affinity_moments m, again;
    assert_int_equal(od_affinity_moments_init(&m, t, end, p, DIM, 1), OD_OK);
    assert_int_equal(od_affinity_moments_init(&again, t, end, p, DIM, 3), OD_OK);
    assert_memory_equal(m.gram, again.gram, WIDTH * WIDTH * sizeof *m.gram);
    assert_memory_equal(m.cross, again.cross, t->item_count * WIDTH * sizeof *m.cross);
    double gram[WIDTH * WIDTH] = {0}, *cross = calloc(t->item_count * WIDTH, sizeof *cross);
    uint64_t count = 0;
    for (uint32_t u = 0; u < t->user_count; u++)
        for (uint64_t e = t->user_start[u] + 1; e < end[u]; e++, count++) {
            double z[WIDTH];
            slow_z(t, t->user_start[u], e, p, DIM, z);
            for (int i = 0; i < WIDTH; i++) {
                cross[t->item[e] * WIDTH + (uint32_t)i] += z[i];
                for (int j = 0; j < WIDTH; j++)
                    gram[i * WIDTH + j] += z[i] * z[j];
            }
        }
    assert_int_equal(m.count, count);
    for (int i = 0; i < WIDTH; i++)
        for (int j = i; j < WIDTH; j++)
            assert_true(fabs((double)m.gram[i * WIDTH + j] - gram[i * WIDTH + j]) < 1e-2);
    for (uint32_t i = 0; i < t->item_count * WIDTH; i++)
        assert_true(fabs((double)m.cross[i] - cross[i]) < 1e-3);
    /* responses of all items to any z sum to 1 as long as the constant is free */
    float *response = NULL;
    od_math_init();
    assert_int_equal(od_affinity_solve(&m, 0.5, 2, &response, NULL), OD_OK);
    for (int i = 0; i < WIDTH; i++) {
        double sum = 0;
        for (uint32_t k = 0; k < t->item_count; k++)
            sum += (double)response[k * WIDTH + (uint32_t)i];
        assert_true(fabs(sum - (i == 0)) < 1e-3);
    }
    free(response);
    free(cross);
    free(p);
    od_affinity_moments_done(&m);
    od_affinity_moments_done(&again);
    free(end);
    od_training_free(t);
}

static void features_count_spans_gaps_and_days(void **state)
{
    (void)state;
    const int64_t now = 200 * DAY;
    const int64_t time[] = {90 * DAY, 180 * DAY, 195 * DAY, 195 * DAY + 60, now - 100};
    float f[OD_AFFINITY_FEATURES];
    od_affinity_features(time, 5, now, f);
    assert_true(f[0] == 1);
    const double logs[] = {1, 3, 3, 4, 4, 5}; /* in 1, 7, 15, 30, 90 days, of all time */
    for (int i = 0; i < 6; i++)
        assert_true(fabs((double)f[1 + i] - log1p(logs[i])) < 1e-6);
    assert_true(fabs((double)f[11] - log1p(100.0 / DAY)) < 1e-6); /* gap */
    assert_true(fabs((double)f[13] - log1p(110.0)) < 1e-6);       /* age */
    assert_true(fabs((double)f[14] - log1p(4.0)) < 1e-6);         /* days */
    od_affinity_features(time, 0, now, f);
    for (int i = 1; i < OD_AFFINITY_FEATURES; i++)
        assert_true(f[i] == 0);
}

static struct od_affinity_rate rate_of(const struct od_training *t, unsigned threads)
{
    uint64_t *end = whole(t);
    struct od_affinity_rate rate;
    assert_int_equal(od_affinity_rate_fit(t, end, t->last_time, threads, &rate, NULL), OD_OK);
    free(end);
    return rate;
}

static void rates_tell_those_who_come_from_those_who_left(void **state)
{
    (void)state;
    struct od_training_builder *b = od_training_builder_new(NULL);
    for (unsigned u = 0; u < 300; u++) { /* a third each: daily, weekly, gone after day 100 */
        unsigned last = u % 3 == 2 ? 100 : 200, every = u % 3 == 1 ? 7 : 1;
        for (unsigned day = u % 7; day < last; day += every)
            toy_add(b, u, u % 11, day * DAY + u);
    }
    struct od_training *t = toy_finish(b);
    struct od_affinity_rate rate = rate_of(t, 1), again = rate_of(t, 3);
    assert_true(rate.timed);
    assert_memory_equal(&rate, &again, sizeof rate);
    uint64_t *end = whole(t);
    float *out = malloc(t->user_count * sizeof *out);
    assert_int_equal(od_affinity_rates(&rate, t, end, t->last_time, 2, out), OD_OK);
    double sum[3] = {0};
    for (uint32_t u = 0; u < t->user_count; u++)
        sum[u % 3] += (double)out[u] / 100;
    assert_true(fabs(sum[0] - 15) < 3);
    assert_true(fabs(sum[1] - 2.1) < 0.7);
    assert_true(sum[2] < 0.5);
    free(out);
    free(end);
    od_training_free(t);
}

static void artificial_times_leave_the_count(void **state)
{
    (void)state;
    struct od_training *minutes = toy_random(500, 30, 20, 8); /* seconds apart */
    struct od_affinity_rate rate = rate_of(minutes, 2);
    assert_false(rate.timed);
    uint64_t *end = whole(minutes);
    float *out = malloc(minutes->user_count * sizeof *out);
    assert_int_equal(od_affinity_rates(&rate, minutes, end, minutes->last_time, 2, out), OD_OK);
    for (uint32_t u = 1; u < minutes->user_count; u++) {
        uint64_t n = end[u] - minutes->user_start[u],
                 before = end[u - 1] - minutes->user_start[u - 1];
        assert_int_equal(n > before, out[u] > out[u - 1]);
    }
    free(out);
    free(end);
    od_training_free(minutes);
}

static void wild_times_do_not_overflow(void **state)
{
    (void)state;
    struct od_training_builder *b = od_training_builder_new(NULL);
    for (unsigned u = 0; u < 50; u++) {
        toy_add(b, u, u % 5, INT64_MIN);
        toy_add(b, u, u % 4, 0);
        toy_add(b, u, u % 3, INT64_MAX);
    }
    struct od_training *t = toy_finish(b);
    struct od_affinity_rate rate = rate_of(t, 1);
    assert_false(rate.timed);
    struct od_affinity_cut cut;
    assert_int_equal(od_affinity_cut_init(&cut, t, t->last_time), OD_OK);
    assert_int_equal(cut.judges.count, 50);
    od_affinity_cut_done(&cut);
    od_training_free(t);
}

static void the_cut_is_the_last_horizon_or_the_last_tenth(void **state)
{
    (void)state;
    struct od_training *t = two_tastes(300, 40, 3); /* one event a day, 40 days */
    struct od_affinity_cut cut;
    assert_int_equal(od_affinity_cut_init(&cut, t, t->last_time), OD_OK);
    assert_int_equal(cut.end[0] - t->user_start[0], 25);
    assert_int_equal(cut.judges.count, 300 * 15);
    assert_int_equal(t->time[cut.judges.event[0]], 25 * DAY);
    od_affinity_cut_done(&cut);
    od_training_free(t);
    t = two_tastes(20, 40, 3); /* too few events in the horizon */
    assert_int_equal(od_affinity_cut_init(&cut, t, t->last_time), OD_OK);
    assert_int_equal(cut.end[0] - t->user_start[0], 36);
    assert_int_equal(cut.judges.count, 80);
    od_affinity_cut_done(&cut);
    od_training_free(t);
}

/* --- the mixture --- */

struct mixing {
    struct od_training *t;
    uint64_t *end;
    struct od_affinity_cut cut;
    struct od_affinity_states states;
    struct od_affinity_shares shares;
    struct od_affinity_moments moments;
    float *projection, *response;
    struct od_affinity_parts parts;
};

static void mixing_init(struct mixing *m, struct od_training *t)
{
    enum { DIM = 4 };
    *m = (struct mixing){.t = t};
    od_math_init();
    assert_int_equal(od_affinity_cut_init(&m->cut, t, t->last_time), OD_OK);
    m->end = m->cut.end;
    assert_int_equal(od_affinity_states_init(&m->states, t, m->end, 2), OD_OK);
    assert_int_equal(od_affinity_shares_init(&m->shares, t, m->end, m->cut.now_s), OD_OK);
    assert_int_equal(od_affinity_subspace(&m->states, t->item_count, DIM, 1, 2, &m->projection),
                     OD_OK);
    assert_int_equal(od_affinity_moments_init(&m->moments, t, m->end, m->projection, DIM, 2),
                     OD_OK);
    assert_int_equal(od_affinity_solve(&m->moments, 1, 2, &m->response, NULL), OD_OK);
    m->parts = (struct od_affinity_parts){.states = &m->states,
                                          .shares = &m->shares,
                                          .item_count = t->item_count,
                                          .dim = DIM,
                                          .width = m->moments.width,
                                          .projection = m->projection,
                                          .response = m->response};
}

static void mixing_done(struct mixing *m)
{
    od_affinity_cut_done(&m->cut);
    od_affinity_states_done(&m->states);
    od_affinity_shares_done(&m->shares);
    od_affinity_moments_done(&m->moments);
    free(m->projection);
    free(m->response);
    od_training_free(m->t);
}

static void weights_go_where_the_events_come_from(void **state)
{
    (void)state;
    struct mixing m;
    struct od_affinity_mix mix, again;
    double value;
    mixing_init(&m, two_tastes(300, 40, 5));
    assert_int_equal(od_affinity_mix_fit(&m.parts, m.t, &m.cut.judges, 1, &mix, &value), OD_OK);
    for (int g = 0; g < OD_AFFINITY_GROUPS; g++) {
        double sum = 0;
        for (int k = 0; k < OD_AFFINITY_PARTS; k++)
            sum += mix.weight[g][k];
        assert_true(fabs(sum - 1) < 1e-9);
    }
    /* ten items a taste, evenly: the best possible is log(1 / 10), popularity has log(1 / 20) */
    assert_true(value > log(0.1) - 0.05 && value < log(0.1) + 0.02);
    assert_true(mix.weight[1][OD_AFFINITY_POPULAR] + mix.weight[1][OD_AFFINITY_RECENT] < 0.1);
    assert_int_equal(od_affinity_mix_fit(&m.parts, m.t, &m.cut.judges, 4, &again, &value), OD_OK);
    assert_memory_equal(&mix, &again, sizeof mix);
    mixing_done(&m);
}

static void repeats_are_recognised(void **state)
{
    (void)state;
    struct od_training_builder *b = od_training_builder_new(NULL);
    struct od_random rng;
    od_random_init(&rng, 4);
    for (unsigned u = 0; u < 400; u++) { /* two items of 200 of one's own, again and again */
        unsigned own[2] = {(unsigned)od_random_below(&rng, 200),
                           (unsigned)od_random_below(&rng, 200)};
        for (unsigned k = 0; k < 40; k++)
            toy_add(b, u, own[od_random_below(&rng, 2)], k * DAY);
    }
    struct mixing m;
    struct od_affinity_mix mix;
    double value;
    mixing_init(&m, toy_finish(b));
    assert_int_equal(od_affinity_mix_fit(&m.parts, m.t, &m.cut.judges, 2, &mix, &value), OD_OK);
    assert_true(mix.weight[0][OD_AFFINITY_REPEAT] + mix.weight[0][OD_AFFINITY_LATEST] > 0.8);
    assert_true(value > log(0.4));
    mixing_done(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(histories_are_decayed_distributions),
        cmocka_unit_test(the_subspace_is_orthonormal_and_finds_the_tastes),
        cmocka_unit_test(moments_are_those_of_the_definition),
        cmocka_unit_test(features_count_spans_gaps_and_days),
        cmocka_unit_test(rates_tell_those_who_come_from_those_who_left),
        cmocka_unit_test(artificial_times_leave_the_count),
        cmocka_unit_test(wild_times_do_not_overflow),
        cmocka_unit_test(the_cut_is_the_last_horizon_or_the_last_tenth),
        cmocka_unit_test(weights_go_where_the_events_come_from),
        cmocka_unit_test(repeats_are_recognised),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
