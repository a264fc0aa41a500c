/* LinAR's parts against their definitions: positions, normal equations, the two routes, tail, rows,
 * plan. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "recipes/linar_fit.h"
#include "toy.h"

static const struct od_work alone = {.threads = 1};

/* Everything a fit needs. */
struct setting {
    struct od_training *training;
    struct od_linar_events events;
    struct od_linar_shape shape;
    uint64_t *end;
};

/* toy_random with gaps between events: none, just not a pause, just a pause, a long one. */
static struct od_training *with_pauses(unsigned users, unsigned items, unsigned spread)
{
    static const int64_t gaps[] = {1, OD_LINAR_SESSION_GAP_S, OD_LINAR_SESSION_GAP_S + 1, 500000};
    struct od_training_builder *b = od_training_builder_new(NULL);
    struct od_random rng;
    od_random_init(&rng, 5);
    for (unsigned u = 0; u < users; u++) {
        unsigned n = 2 + (unsigned)od_random_below(&rng, spread);
        int64_t time = u;
        for (unsigned k = 0; k < n; k++, time += gaps[od_random_below(&rng, 4)]) {
            double x = od_random_double(&rng);
            toy_add(b, u, (unsigned)(x * x * items), time);
        }
    }
    return toy_finish(b);
}

static void setting_init(struct setting *s, unsigned users, unsigned items, unsigned spread,
                         enum od_linar_fade fade, uint32_t rest)
{
    *s = (struct setting){.training = rest ? with_pauses(users, items, spread)
                                           : toy_random(users, items, spread, 5)};
    s->shape = (struct od_linar_shape){.window = 6, .keep = 10000};
    s->end = malloc((s->training->user_count + 1) * sizeof *s->end);
    struct od_linar_rule everybody = {0, 1};
    assert_int_equal(od_linar_ends(s->training, &everybody, s->end, NULL), OD_OK);
    assert_int_equal(od_linar_events_init(&s->events, s->training, s->end, fade, rest, NULL),
                     OD_OK);
    assert_int_equal(s->events.count > s->training->event_count, rest > 0);
}

static void setting_done(struct setting *s)
{
    od_linar_events_done(&s->events);
    od_training_free(s->training);
    free(s->end);
}

/* G and C by the definition: h is built anew for every prediction. An empty position is a step
 * without an item. */
static void naive(const struct setting *s, const struct od_linar_kernels *k, double *g, double *c)
{
    const struct od_linar_events *e = &s->events;
    size_t items = e->item_count, f = items * k->count + 1;
    double *h = malloc(f * sizeof *h);
    for (uint64_t t = 0, first = 0; t < e->count; t++) {
        if (t > 0 && e->left[t - 1] == 0)
            first = t;
        if (!(e->weight[t] > 0))
            continue;
        memset(h, 0, f * sizeof *h);
        h[f - 1] = 1;
        for (uint32_t a = 0; a < k->count; a++)
            for (uint64_t p = first; p <= t; p++)
                if (t - p < k->reach[a] && e->item[p] != OD_NO_CODE)
                    h[e->item[p] * k->count + a] += pow((double)k->gamma[a], (double)(t - p));
        for (size_t i = 0; i < f; i++) {
            for (size_t j = 0; j < f; j++)
                g[i * f + j] += (double)e->weight[t] * h[i] * h[j];
            c[i * items + e->item[t + 1]] += (double)e->weight[t] * h[i];
        }
    }
    free(h);
}

/* C's sparse rows, the items' own blocks and the constant's row against the naive g and c. */
static void check_targets(const struct od_linar_problem *p, const double *g, const double *c)
{
    size_t f = od_linar_features(p), items = p->events->item_count, k = p->kernels->count;
    struct od_linar_sparse *rows = calloc(items, sizeof *rows);
    float *constant = malloc(items * sizeof *constant);
    assert_int_equal(od_linar_targets(p, false, 1000, rows, NULL), OD_OK);
    for (size_t i = 0; i < items; i++)
        for (uint32_t a = 0; a < k; a++) {
            double sum = 0, all = 0;
            for (uint32_t n = 0; n < rows[i].count; n++) {
                double v = (double)rows[i].value[a * rows[i].count + n];
                assert_true(fabs(v - c[(i * k + a) * items + rows[i].column[n]]) < 1e-3);
                sum += v;
            }
            for (size_t j = 0; j < items; j++)
                all += c[(i * k + a) * items + j];
            assert_true(fabs(sum - all) < 1e-3); /* no entry is missing */
            assert_true(fabs(rows[i].mass[a] - all) < 1e-3);
            for (uint32_t b = 0; b < k; b++)
                assert_true(fabs(rows[i].own[a][b] - g[(i * k + a) * f + i * k + b]) < 1e-3);
        }
    double total = od_linar_constant(p->events, constant);
    assert_true(fabs(total - g[f * f - 1]) < 1e-3);
    for (size_t j = 0; j < items; j++)
        assert_true(fabs((double)constant[j] - c[(f - 1) * items + j]) < 1e-3);
    od_linar_sparse_free(rows, (uint32_t)items);
    free(rows);
    free(constant);
}

/* share: of a sum that rounding may take. */
static void
check_sums(struct setting *s, const float *gamma, uint32_t k, uint32_t items, double share,
           void (*more)(const struct od_linar_problem *problem, const double *g, const double *c))
{
    struct od_linar_kernels kernels;
    struct od_linar_head head;
    struct od_linar_sums sums;
    od_linar_kernels_init(&kernels, gamma, k, s->shape.window, 0);
    assert_int_equal(od_linar_head_init(&head, &s->events, items, NULL), OD_OK);
    assert_int_equal(od_linar_sums_init(&sums, &s->events, &kernels, &alone, NULL), OD_OK);
    struct od_linar_problem p = {&s->events, &kernels, &head, &sums, &alone};
    size_t f = od_linar_features(&p);
    double *g = calloc(f * f, sizeof *g), *c = calloc(f * items, sizeof *c);
    struct od_matrix fg = od_matrix_new(f, f), fc = od_matrix_new(f, items);
    naive(s, &kernels, g, c);
    assert_int_equal(od_linar_gram(&p, &fg, &fc, NULL), OD_OK);
    for (size_t i = 0; i < f; i++) {
        for (size_t j = i; j < f; j++)
            assert_true(fabs((double)fg.at[i * fg.ld + j] - g[i * f + j]) <
                        1e-3 + share * g[i * f + j]);
        for (size_t j = 0; j < items; j++)
            assert_true(fabs((double)fc.at[i * fc.ld + j] - c[i * items + j]) <
                        1e-3 + share * c[i * items + j]);
    }
    if (more)
        more(&p, g, c);
    free(g);
    free(c);
    od_matrix_free(&fg);
    od_matrix_free(&fc);
    od_linar_sums_done(&sums);
    od_linar_head_done(&head);
}

static void check_gram(const float *gamma, uint32_t k, enum od_linar_fade fade, uint32_t rest)
{
    struct setting s;
    setting_init(&s, 12, 9, 14, fade, rest);
    check_sums(&s, gamma, k, s.events.item_count, 0, check_targets);
    setting_done(&s);
}

static void gram_is_the_sum_of_outer_products(void **state)
{
    (void)state;
    static const float gammas[][3] = {{.8f}, {.5f, .95f}, {0, .7f, .95f}};
    static const uint32_t rests[] = {0, 1, 3, 8}; /* 8: beyond the window */
    for (uint32_t k = 1; k <= 3; k++)
        for (enum od_linar_fade fade = OD_LINAR_EVEN; fade < OD_LINAR_FADES; fade++)
            for (size_t r = 0; r < sizeof rests / sizeof *rests; r++)
                check_gram(gammas[k - 1], k, fade, rests[r]);
}

/* Sums of frequent items are moved into double on the way: in float alone 8e-4 of them is lost. */
static void frequent_items_are_summed_as_others(void **state)
{
    (void)state;
    static const float gamma[2] = {.5f, .95f};
    struct setting s;
    setting_init(&s, 30000, 2, 14, OD_LINAR_EVEN, 0);
    assert_true(s.events.at_start[1] - s.events.at_start[0] > 1 << 16);
    check_sums(&s, gamma, 2, 2, 2e-4, NULL);
    setting_done(&s);
}

/* With a horizon each prediction aims at all that follows it, discounted. */
static void a_horizon_aims_at_everything_that_follows(void **state)
{
    (void)state;
    static const float gamma[2] = {.8f, .95f}, horizon = .7f;
    struct setting s;
    struct od_linar_kernels k;
    struct od_linar_head head;
    struct od_linar_sums sums;
    setting_init(&s, 12, 9, 14, OD_LINAR_EVEN, 0);
    od_linar_kernels_init(&k, gamma, 2, OD_LINAR_REACH, horizon);
    assert_int_equal(od_linar_head_init(&head, &s.events, 9, NULL), OD_OK);
    assert_int_equal(od_linar_sums_init(&sums, &s.events, &k, &alone, NULL), OD_OK);
    struct od_linar_problem p = {&s.events, &k, &head, &sums, &alone};
    const struct od_linar_events *e = &s.events;
    size_t f = od_linar_features(&p), items = e->item_count;
    double *c = calloc(f * items, sizeof *c);
    struct od_matrix fg = od_matrix_new(f, f), fc = od_matrix_new(f, items);
    for (uint64_t t = 0, first = 0; t < e->count; t++) {
        first = t == 0 || e->left[t - 1] == 0 ? t : first;
        for (uint32_t a = 0; a < 2; a++)
            for (uint64_t from = first; from <= t; from++)
                for (uint64_t m = 0; m < e->left[t]; m++)
                    c[(e->item[from] * 2 + a) * items + e->item[t + 1 + m]] +=
                        (double)e->weight[t] * pow((double)gamma[a], (double)(t - from)) *
                        (1 - (double)horizon) * pow((double)horizon, (double)m);
    }
    assert_int_equal(od_linar_gram(&p, &fg, &fc, NULL), OD_OK);
    for (size_t i = 0; i + 1 < f; i++)
        for (size_t j = 0; j < items; j++)
            assert_true(fabs((double)fc.at[i * fc.ld + j] - c[i * items + j]) < 1e-3);
    free(c);
    od_matrix_free(&fg);
    od_matrix_free(&fc);
    od_linar_sums_done(&sums);
    od_linar_head_done(&head);
    setting_done(&s);
}

static void dense_and_sparse_routes_agree(void **state)
{
    (void)state;
    struct setting s;
    setting_init(&s, 300, 70, 20, OD_LINAR_USER, 0);
    struct od_linar_config config = {2, {.5f, .95f}, 30, .1f, 1, OD_LINAR_USER, 0};
    for (uint32_t head = 70; head > 0; head = head == 70 ? 23 : 0) { /* 23: with a tail */
        struct od_linar_fit fit[2];
        for (int route = 0; route < 2; route++) {
            struct od_linar_plan plan = {.head = head, .dense = route == 0, .most_columns = 100};
            assert_int_equal(
                od_linar_fit_init(&fit[route], &s.events, &config, &s.shape, &plan, &alone, NULL),
                OD_OK);
        }
        size_t items = s.events.item_count;
        float *y[2] = {calloc(items, 4), calloc(items, 4)}, weight = 1, factor;
        const uint16_t *pointer;
        for (uint64_t row = 0; row < items * 2; row++) {
            for (int r = 0; r < 2; r++) {
                memset(y[r], 0, items * 4);
                od_linar_rows_add(&fit[r].rows, &od_kernels_reference, &row, &weight, 1, &pointer,
                                  &factor, y[r]);
            }
            for (size_t j = 0; j < items; j++)
                assert_true(fabsf(y[0][j] - y[1][j]) < 2e-4f);
        }
        for (size_t j = 0; j < items; j++)
            assert_true(fabsf(fit[0].constant[j] - fit[1].constant[j]) < 1e-4f);
        for (int r = 0; r < 2; r++) {
            od_linar_fit_done(&fit[r]);
            free(y[r]);
        }
    }
    setting_done(&s);
}

static void a_tail_row_is_shrunk_cooccurrence(void **state)
{
    (void)state;
    struct setting s;
    setting_init(&s, 40, 15, 8, OD_LINAR_EVEN, 0);
    struct od_linar_config config = {1, {.8f}, 30, .1f, 1, OD_LINAR_EVEN, 0};
    struct od_linar_plan plan = {.head = 0, .dense = true, .most_columns = 100};
    struct od_linar_kernels kernels;
    struct od_linar_fit fit;
    size_t items = s.events.item_count, f = items + 1;
    od_linar_kernels_init(&kernels, config.gamma, 1, s.shape.window, 0);
    double *g = calloc(f * f, sizeof *g), *c = calloc(f * items, sizeof *c);
    naive(&s, &kernels, g, c);
    assert_int_equal(od_linar_fit_init(&fit, &s.events, &config, &s.shape, &plan, &alone, NULL),
                     OD_OK);
    for (uint64_t i = 0; i < items; i++) {
        float y[64] = {0}, weight = 1, factor;
        const uint16_t *pointer;
        od_linar_rows_add(&fit.rows, &od_kernels_reference, &i, &weight, 1, &pointer, &factor, y);
        for (size_t j = 0; j < items; j++)
            assert_true(fabs((double)y[j] -
                             c[i * items + j] / (g[i * f + i] + OD_LINAR_TAIL_LAMBDA)) < 1e-4);
    }
    free(g);
    free(c);
    od_linar_fit_done(&fit);
    setting_done(&s);
}

static void head_is_the_most_frequent_then_lowest_codes(void **state)
{
    (void)state;
    struct setting s;
    setting_init(&s, 200, 50, 9, OD_LINAR_EVEN, 0);
    const uint64_t *at = s.events.at_start;
    for (uint32_t most = 0; most <= s.events.item_count; most++) {
        struct od_linar_head head;
        assert_int_equal(od_linar_head_init(&head, &s.events, most, NULL), OD_OK);
        assert_int_equal(head.count, most);
        for (uint32_t i = 0; i < s.events.item_count; i++)
            for (uint32_t j = 0; j < s.events.item_count; j++) {
                uint64_t ni = at[i + 1] - at[i], nj = at[j + 1] - at[j];
                if (head.of[i] != OD_NO_CODE && head.of[j] == OD_NO_CODE)
                    assert_true(ni > nj || (ni == nj && i < j));
            }
        for (uint32_t h = 0; h < most; h++)
            assert_int_equal(head.of[head.item[h]], h);
        od_linar_head_done(&head);
    }
    setting_done(&s);
}

static void rows_keep_the_largest_entries(void **state)
{
    (void)state;
    struct od_random rng;
    od_random_init(&rng, 3);
    for (uint32_t items = 10; items <= 400; items += 390) { /* dense, then sparse */
        struct od_linar_rows rows;
        float value[400], y[400] = {0}, weight = 2, factor;
        const uint16_t *pointer;
        assert_int_equal(od_linar_rows_init(&rows, items, 1, 7, NULL), OD_OK);
        assert_int_equal(rows.dense, items == 10);
        struct od_linar_scratch *scratch = od_linar_scratch_new(&rows);
        for (uint32_t i = 0; i < items; i++)
            value[i] = (float)od_random_normal(&rng) * 1e-6f; /* below half precision's range */
        assert_int_equal(od_linar_rows_put(&rows, 0, NULL, value, items, scratch), OD_OK);
        uint64_t row = 0;
        od_linar_rows_add(&rows, &od_kernels_reference, &row, &weight, 1, &pointer, &factor, y);
        uint32_t kept = 0;
        float least = INFINITY, dropped = 0;
        for (uint32_t i = 0; i < items; i++) {
            kept += y[i] != 0;
            if (y[i] != 0) {
                assert_true(fabsf(y[i] - 2 * value[i]) < 1e-3f * fabsf(2 * value[i]));
                least = fminf(least, fabsf(value[i]));
            } else {
                dropped = fmaxf(dropped, fabsf(value[i]));
            }
        }
        assert_int_equal(kept, 7);
        assert_true(least >= dropped);
        value[3] = NAN;
        assert_int_equal(od_linar_rows_put(&rows, 1 % items, NULL, value, items, scratch),
                         OD_INVALID_INPUT);
        free(scratch);
        od_linar_rows_done(&rows);
    }
}

static void the_plan_shrinks_with_memory(void **state)
{
    (void)state;
    struct setting s;
    setting_init(&s, 400, 300, 30, OD_LINAR_EVEN, 0);
    struct od_linar_config config = {2, {.5f, .95f}, 100, .1f, 1, OD_LINAR_EVEN, 0};
    struct od_linar_plan plan, smaller;
    struct od_error err = {0};
    s.shape.keep = 100;
    assert_int_equal(
        od_linar_plan_make(&s.events, &config, &s.shape, UINT32_MAX, UINT64_MAX, &plan, NULL),
        OD_OK);
    assert_int_equal(plan.head, s.events.item_count);
    uint64_t allowed = plan.bytes * 2 / 3;
    assert_int_equal(
        od_linar_plan_make(&s.events, &config, &s.shape, UINT32_MAX, allowed, &smaller, NULL),
        OD_OK);
    assert_true(smaller.head < plan.head && smaller.head > 0 && smaller.bytes <= allowed);
    assert_int_equal(
        od_linar_plan_make(&s.events, &config, &s.shape, UINT32_MAX, 1000, &plan, &err),
        OD_INVALID_INPUT);
    assert_non_null(strstr(err.message, "memory"));
    config.least_count = 40;
    assert_int_equal(
        od_linar_plan_make(&s.events, &config, &s.shape, UINT32_MAX, UINT64_MAX, &plan, NULL),
        OD_OK);
    uint32_t frequent = 0;
    for (uint32_t i = 0; i < s.events.item_count; i++)
        frequent += s.events.at_start[i + 1] - s.events.at_start[i] >= 40;
    assert_int_equal(plan.head, frequent);
    setting_done(&s);
}

/* Ten thousand items that all are frequent enough take minutes, which few events are not worth. */
static void the_plan_shrinks_with_the_events(void **state)
{
    (void)state;
    struct setting s;
    setting_init(&s, 20000, 12000, 20, OD_LINAR_EVEN, 0);
    struct od_linar_config config = {2, {.5f, .95f}, 100, .1f, 1, OD_LINAR_EVEN, 0};
    struct od_linar_plan plan;
    assert_int_equal(
        od_linar_plan_make(&s.events, &config, &s.shape, UINT32_MAX, UINT64_MAX, &plan, NULL),
        OD_OK);
    double most =
        fmax(OD_LINAR_EVENT_OPERATIONS * (double)s.events.count, OD_LINAR_LEAST_OPERATIONS);
    assert_true(most < 2e12 && plan.operations <= most && plan.operations > most / 2);
    assert_true(plan.head < s.events.item_count);
    setting_done(&s);
}

static void percentiles_drop_users_and_refuse_nonsense(void **state)
{
    (void)state;
    struct od_training_builder *b = od_training_builder_new(NULL);
    for (unsigned u = 0; u < 11; u++) /* user u has u + 2 events */
        for (unsigned k = 0; k < u + 2; k++)
            toy_add(b, u, k, 100 * u + k);
    struct od_training *t = toy_finish(b);
    uint64_t end[12];
    struct od_error err = {0};
    struct od_linar_rule rule = {.2, .85};
    assert_int_equal(od_linar_ends(t, &rule, end, NULL), OD_OK);
    for (unsigned u = 0; u < 11; u++) /* places 2 to 8 stay */
        assert_int_equal(end[u], u >= 2 && u <= 8 ? t->user_start[u + 1] : t->user_start[u]);
    rule = (struct od_linar_rule){.9, .1};
    assert_int_equal(od_linar_ends(t, &rule, end, &err), OD_INVALID_INPUT);
    assert_non_null(strstr(err.message, "max_user_history_length_percentile"));
    od_training_free(t);
}

/* As many users with one interaction as the percentile and more: those with two still teach. */
static void who_comes_once_does_not_set_the_percentile(void **state)
{
    (void)state;
    enum { ONCE = 297, MORE = 3 };
    struct od_training_builder *b = od_training_builder_new(NULL);
    for (unsigned u = 0; u < ONCE + MORE; u++) /* the last three have 2, 3 and 4 */
        for (unsigned k = 0; k < (u < ONCE ? 1 : u - ONCE + 2); k++)
            toy_add(b, u, k, 100 * u + k);
    struct od_training *t = toy_finish(b);
    uint64_t end[ONCE + MORE];
    struct od_error err = {0};
    const struct od_linar_rule usual = {0, .985};
    assert_int_equal(od_linar_ends(t, &usual, end, NULL), OD_OK);
    for (unsigned u = ONCE; u < ONCE + MORE; u++)
        assert_int_equal(end[u], u == ONCE ? t->user_start[u + 1] : t->user_start[u]);
    od_training_free(t);
    struct od_training_builder *ones = od_training_builder_new(NULL);
    for (unsigned u = 0; u < ONCE; u++)
        toy_add(ones, u, u % 5, 100 * u);
    t = toy_finish(ones);
    assert_int_equal(od_linar_ends(t, &usual, end, &err), OD_INVALID_INPUT);
    od_training_free(t);
}

static void a_pause_is_longer_than_the_gap(void **state)
{
    (void)state;
    const int64_t gap = OD_LINAR_SESSION_GAP_S;
    assert_int_equal(od_linar_pause(7, 7, 5), 0);
    assert_int_equal(od_linar_pause(7, 7 + gap, 5), 0);
    assert_int_equal(od_linar_pause(7, 8 + gap, 5), 5);
    assert_int_equal(od_linar_pause(7, 8 + gap, 0), 0);
    assert_int_equal(od_linar_pause(8 + gap, 7, 5), 0); /* time runs backwards */
    assert_int_equal(od_linar_pause(-gap - 1, 0, 5), 5);
    assert_int_equal(od_linar_pause(INT64_MAX - gap - 1, INT64_MAX, 5), 5);
    assert_int_equal(od_linar_pause(INT64_MIN, INT64_MIN + gap, 5), 0);
    assert_int_equal(od_linar_pause(INT64_MIN, -1, 5), 5);
    assert_int_equal(od_linar_pause(INT64_MAX, INT64_MIN, 5), 0); /* the differences overflow */
    assert_int_equal(od_linar_pause(INT64_MIN, INT64_MAX, 5), 0);
}

/* Three users: two pauses and one gap just too short; one event; a pause before an unused event. */
static struct od_training *few_pauses(void)
{
    const int64_t gap = OD_LINAR_SESSION_GAP_S;
    struct od_training_builder *b = od_training_builder_new(NULL);
    toy_add(b, 0, 0, 100);
    toy_add(b, 0, 1, 101 + gap);
    toy_add(b, 0, 2, 101 + 2 * gap);
    toy_add(b, 0, 0, 900000);
    toy_add(b, 1, 2, 50);
    toy_add(b, 2, 1, 0);
    toy_add(b, 2, 1, 10);
    toy_add(b, 2, 2, 900000);
    return toy_finish(b);
}

static void pauses_become_empty_positions(void **state)
{
    (void)state;
    enum { REST = 2, COUNT = 11, NO = -1 };
    static const int item[COUNT] = {0, NO, NO, 1, 2, NO, NO, 0, 2, 1, 1};
    static const unsigned left[COUNT] = {7, 6, 5, 4, 3, 2, 1, 0, 0, 1, 0};
    static const unsigned predicts[COUNT] = {0, 0, 1, 1, 0, 0, 1, 0, 0, 1, 0};
    static const unsigned starts[] = {0, 2, 5, 7}, at[] = {0, 7, 3, 9, 10, 4, 8};
    struct od_training *t = few_pauses();
    struct od_linar_events e;
    uint64_t end[3] = {t->user_start[1], t->user_start[2], t->user_start[3] - 1};
    assert_int_equal(od_linar_events_init(&e, t, end, OD_LINAR_EVEN, REST, NULL), OD_OK);
    assert_int_equal(e.count, COUNT);
    for (size_t p = 0; p < COUNT; p++) {
        assert_int_equal(e.item[p], item[p] == NO ? OD_NO_CODE : (uint32_t)item[p]);
        assert_int_equal(e.left[p], left[p]);
        assert_true(e.weight[p] == (float)predicts[p]);
    }
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(e.at_start[i], starts[i]);
    for (size_t i = 0; i < starts[3]; i++)
        assert_int_equal(e.at[i], at[i]);
    od_linar_events_done(&e);
    od_training_free(t);
}

/* Rests move predictions and change nothing else; without pauses they change nothing at all. */
static void rests_leave_items_and_weights(void **state)
{
    (void)state;
    for (int paused = 0; paused < 2; paused++)
        for (enum od_linar_fade fade = OD_LINAR_EVEN; fade < OD_LINAR_FADES; fade++) {
            struct setting s;
            struct od_linar_events plain;
            setting_init(&s, 30, 9, 14, fade, paused ? 4 : 0);
            if (!paused) { /* the same data, now with a rest */
                od_linar_events_done(&s.events);
                assert_int_equal(od_linar_events_init(&s.events, s.training, s.end, fade, 4, NULL),
                                 OD_OK);
                assert_int_equal(s.events.count, s.training->event_count);
            }
            assert_int_equal(od_linar_events_init(&plain, s.training, s.end, fade, 0, NULL), OD_OK);
            assert_int_equal(plain.count, s.training->event_count);
            uint64_t q = 0, predicted = 0;
            for (uint64_t p = 0; p < s.events.count; p++) {
                if (s.events.item[p] != OD_NO_CODE)
                    assert_int_equal(s.events.item[p], plain.item[q++]);
                bool predicts = s.events.left[p] && s.events.item[p + 1] != OD_NO_CODE;
                assert_int_equal(s.events.weight[p] > 0, predicts);
                while (predicts && plain.left[predicted] == 0)
                    predicted++;
                if (predicts)
                    assert_true(s.events.weight[p] == plain.weight[predicted++]);
                if (!paused)
                    assert_int_equal(s.events.left[p], plain.left[p]);
            }
            assert_int_equal(q, plain.count);
            od_linar_events_done(&plain);
            setting_done(&s);
        }
}

static int start(void **state)
{
    (void)state;
    od_math_init();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pause_is_longer_than_the_gap),
        cmocka_unit_test(pauses_become_empty_positions),
        cmocka_unit_test(rests_leave_items_and_weights),
        cmocka_unit_test(gram_is_the_sum_of_outer_products),
        cmocka_unit_test(frequent_items_are_summed_as_others),
        cmocka_unit_test(a_horizon_aims_at_everything_that_follows),
        cmocka_unit_test(dense_and_sparse_routes_agree),
        cmocka_unit_test(a_tail_row_is_shrunk_cooccurrence),
        cmocka_unit_test(head_is_the_most_frequent_then_lowest_codes),
        cmocka_unit_test(rows_keep_the_largest_entries),
        cmocka_unit_test(the_plan_shrinks_with_memory),
        cmocka_unit_test(the_plan_shrinks_with_the_events),
        cmocka_unit_test(percentiles_drop_users_and_refuse_nonsense),
        cmocka_unit_test(who_comes_once_does_not_set_the_percentile),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
