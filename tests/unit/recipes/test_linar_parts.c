/* LinAR's parts against their definitions: normal equations, the two routes, tail, rows, plan. */
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

/* Everything a fit needs, over toy_random data. */
struct setting {
    struct od_training *training;
    struct od_linar_events events;
    struct od_linar_shape shape;
    uint64_t *end;
};

static void setting_init(struct setting *s, unsigned users, unsigned items, unsigned spread,
                         enum od_linar_fade fade)
{
    *s = (struct setting){.training = toy_random(users, items, spread, 5)};
    s->shape = (struct od_linar_shape){.rule = {0, 1}, .window = 6, .keep = 10000};
    s->end = malloc((s->training->user_count + 1) * sizeof *s->end);
    assert_int_equal(od_linar_ends(s->training, &s->shape.rule, s->end, NULL), OD_OK);
    assert_int_equal(od_linar_events_init(&s->events, s->training, s->end, fade, 0, NULL), OD_OK);
}

static void setting_done(struct setting *s)
{
    od_linar_events_done(&s->events);
    od_training_free(s->training);
    free(s->end);
}

/* G and C by the definition: h is built anew for every prediction. */
static void naive(const struct setting *s, const struct od_linar_kernels *k, double *g, double *c)
{
    const struct od_linar_events *e = &s->events;
    size_t items = e->item_count, f = items * k->count + 1;
    double *h = malloc(f * sizeof *h);
    for (uint64_t t = 0, first = 0; t < e->count; t++) {
        if (t > 0 && e->left[t - 1] == 0)
            first = t;
        if (e->left[t] == 0)
            continue;
        memset(h, 0, f * sizeof *h);
        h[f - 1] = 1;
        for (uint32_t a = 0; a < k->count; a++)
            for (uint64_t p = first; p <= t; p++)
                if (t - p < k->reach[a])
                    h[e->item[p] * k->count + a] += pow((double)k->gamma[a], (double)(t - p));
        for (size_t i = 0; i < f; i++) {
            for (size_t j = 0; j < f; j++)
                g[i * f + j] += (double)e->weight[t] * h[i] * h[j];
            c[i * items + e->item[t + 1]] += (double)e->weight[t] * h[i];
        }
    }
    free(h);
}

static void gram_is_the_sum_of_outer_products(void **state)
{
    (void)state;
    static const float gammas[][3] = {{.8f}, {.5f, .95f}, {0, .7f, .95f}};
    for (uint32_t k = 1; k <= 3; k++)
        for (enum od_linar_fade fade = OD_LINAR_EVEN; fade < OD_LINAR_FADES; fade++) {
            struct setting s;
            struct od_linar_kernels kernels;
            struct od_linar_head head;
            struct od_linar_sums sums;
            setting_init(&s, 12, 9, 14, fade);
            od_linar_kernels_init(&kernels, gammas[k - 1], k, s.shape.window);
            assert_int_equal(od_linar_head_init(&head, &s.events, 9, NULL), OD_OK);
            assert_int_equal(od_linar_sums_init(&sums, &s.events, &kernels, &alone, NULL), OD_OK);
            struct od_linar_problem p = {&s.events, &kernels, &head, &sums, &alone};
            size_t f = od_linar_features(&p), items = s.events.item_count;
            double *g = calloc(f * f, sizeof *g), *c = calloc(f * items, sizeof *c);
            struct od_matrix fg = od_matrix_new(f, f), fc = od_matrix_new(f, items);
            struct od_linar_sparse *rows = calloc(items, sizeof *rows);
            naive(&s, &kernels, g, c);
            assert_int_equal(od_linar_gram(&p, &fg, &fc, NULL), OD_OK);
            assert_int_equal(od_linar_targets(&p, false, 1000, rows, NULL), OD_OK);
            for (size_t i = 0; i < f; i++) {
                for (size_t j = i; j < f; j++)
                    assert_true(fabs((double)fg.at[i * fg.ld + j] - g[i * f + j]) < 1e-3);
                for (size_t j = 0; j < items; j++)
                    assert_true(fabs((double)fc.at[i * fc.ld + j] - c[i * items + j]) < 1e-3);
            }
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
                    for (uint32_t b = 0; b < k; b++)
                        assert_true(fabs(rows[i].own[a][b] - g[(i * k + a) * f + i * k + b]) <
                                    1e-3);
                }
            free(g);
            free(c);
            od_linar_sparse_free(rows, (uint32_t)items);
            free(rows);
            od_matrix_free(&fg);
            od_matrix_free(&fc);
            od_linar_sums_done(&sums);
            od_linar_head_done(&head);
            setting_done(&s);
        }
}

static void dense_and_sparse_routes_agree(void **state)
{
    (void)state;
    struct setting s;
    setting_init(&s, 300, 70, 20, OD_LINAR_USER);
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
    setting_init(&s, 40, 15, 8, OD_LINAR_EVEN);
    struct od_linar_config config = {1, {.8f}, 30, .1f, 1, OD_LINAR_EVEN, 0};
    struct od_linar_plan plan = {.head = 0, .dense = true, .most_columns = 100};
    struct od_linar_kernels kernels;
    struct od_linar_fit fit;
    size_t items = s.events.item_count, f = items + 1;
    od_linar_kernels_init(&kernels, config.gamma, 1, s.shape.window);
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
    setting_init(&s, 200, 50, 9, OD_LINAR_EVEN);
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
    setting_init(&s, 400, 300, 30, OD_LINAR_EVEN);
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

static int start(void **state)
{
    (void)state;
    od_math_init();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gram_is_the_sum_of_outer_products),
        cmocka_unit_test(dense_and_sparse_routes_agree),
        cmocka_unit_test(a_tail_row_is_shrunk_cooccurrence),
        cmocka_unit_test(head_is_the_most_frequent_then_lowest_codes),
        cmocka_unit_test(rows_keep_the_largest_entries),
        cmocka_unit_test(the_plan_shrinks_with_memory),
        cmocka_unit_test(percentiles_drop_users_and_refuse_nonsense),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
