/* Factors of the unordered matrix: the loss falls, the optimum is one, fold-in is the row that
 * training gives, EASE against its own equation, the part, images made to mislead. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "recipes/als.h"
#include "toy_part.h"

static struct od_als_matrix matrix_of(const struct od_training *t)
{
    struct od_als_matrix m;
    assert_int_equal(od_als_matrix_init(&m, t, t->user_start + 1, NULL), OD_OK);
    return m;
}

static struct od_als_config config_of(uint32_t dims, float power)
{
    return (struct od_als_config){.kind = OD_ALS_FACTORS,
                                  .dims = dims,
                                  .sweeps = 3,
                                  .unobserved = .1f,
                                  .ridge = power > 0 ? .02f : .5f,
                                  .power = power,
                                  .ease_ridge = 10};
}

static void pairs_are_distinct_and_sorted_both_ways(void **state)
{
    (void)state;
    struct od_training_builder *b = od_training_builder_new(NULL);
    toy_add(b, 0, 2, 1);
    toy_add(b, 0, 0, 2);
    toy_add(b, 0, 2, 3);
    toy_add(b, 1, 1, 1);
    toy_add(b, 1, 2, 2);
    struct od_training *t = toy_finish(b);
    struct od_als_matrix m = matrix_of(t);
    const uint64_t users_at[] = {0, 2, 4}, items_at[] = {0, 1, 2, 4};
    const uint32_t users[] = {0, 2, 1, 2}, items[] = {0, 1, 0, 1};
    assert_memory_equal(m.users.at, users_at, sizeof users_at);
    assert_memory_equal(m.users.col, users, sizeof users);
    assert_memory_equal(m.items.at, items_at, sizeof items_at);
    assert_memory_equal(m.items.col, items, sizeof items);
    od_als_matrix_done(&m);
    od_training_free(t);
}

static void every_sweep_lowers_the_loss(void **state)
{
    (void)state;
    struct od_training *t = toy_random(300, 80, 30, 4);
    struct od_als_matrix m = matrix_of(t);
    for (int p = 0; p < 3; p++) {
        struct od_als_config c = config_of(96, (float)p * .5f);
        struct od_als_fit fit;
        assert_int_equal(od_als_fit_init(&fit, &m, &c, 1, 2), OD_OK);
        double before = INFINITY, now;
        for (int s = 0; s < 8; s++) {
            assert_int_equal(od_als_sweep(&fit, &m, 2), OD_OK);
            assert_int_equal(od_als_loss(&fit, &m, &now), OD_OK);
            assert_true(now <= before * (1 + 1e-6));
            before = now;
        }
        od_als_fit_done(&fit);
    }
    od_als_matrix_done(&m);
    od_training_free(t);
}

/* The loss as its definition says, over all pairs. */
static void the_loss_is_that_of_its_definition(void **state)
{
    (void)state;
    struct od_training *t = toy_random(40, 25, 8, 4);
    struct od_als_matrix m = matrix_of(t);
    struct od_als_config c = config_of(32, .7f);
    struct od_als_fit fit;
    assert_int_equal(od_als_fit_init(&fit, &m, &c, 1, 1), OD_OK);
    assert_int_equal(od_als_sweep(&fit, &m, 1), OD_OK);
    double want = 0, got;
    for (uint32_t u = 0; u < fit.user_count; u++)
        for (uint32_t i = 0; i < fit.item_count; i++) {
            double p = 0, have = 0;
            for (uint32_t d = 0; d < 32; d++)
                p += (double)fit.user[u * 32 + d] * (double)fit.item[i * 32 + d];
            for (uint64_t k = m.users.at[u]; k < m.users.at[u + 1]; k++)
                have += m.users.col[k] == i;
            want += have * (p - 1) * (p - 1) + (double)c.unobserved * p * p;
        }
    for (int side = 0; side < 2; side++) {
        const struct od_als_side *s = side ? &m.items : &m.users;
        const float *x = side ? fit.item : fit.user;
        double others = side ? fit.user_count : fit.item_count;
        for (uint32_t r = 0; r < s->rows; r++)
            for (uint32_t d = 0; d < 32; d++)
                want += (double)c.ridge *
                        pow((double)(s->at[r + 1] - s->at[r]) + (double)c.unobserved * others,
                            (double)c.power) *
                        (double)x[r * 32 + d] * (double)x[r * 32 + d];
    }
    assert_int_equal(od_als_loss(&fit, &m, &got), OD_OK);
    assert_true(fabs(got - want) < 1e-4 * want);
    od_als_fit_done(&fit);
    od_als_matrix_done(&m);
    od_training_free(t);
}

/* Gauss in double on n + 1 columns. */
static void solve_plainly(double *a, size_t n)
{
    for (size_t k = 0; k < n; k++)
        for (size_t i = 0; i < n; i++) {
            double f = i == k ? 0 : a[i * (n + 1) + k] / a[k * (n + 1) + k];
            for (size_t j = k; j <= n && i != k; j++)
                a[i * (n + 1) + j] -= f * a[k * (n + 1) + j];
        }
}

/* The row of a user from all items' factors, by its normal equations. */
static void direct_row(const struct od_als_fit *fit, const struct od_als_matrix *m, uint32_t u,
                       double *out)
{
    size_t d = fit->config.dims;
    double *a = calloc(d * (d + 1), sizeof *a);
    assert_non_null(a);
    double pairs = (double)(m->users.at[u + 1] - m->users.at[u]);
    double ridge =
        (double)fit->config.ridge *
        pow(pairs + (double)fit->config.unobserved * fit->item_count, (double)fit->config.power);
    for (uint32_t i = 0; i < fit->item_count; i++) {
        const float *v = fit->item + i * d;
        double have = 0;
        for (uint64_t k = m->users.at[u]; k < m->users.at[u + 1]; k++)
            have += m->users.col[k] == i;
        for (size_t x = 0; x < d; x++) {
            for (size_t y = 0; y < d; y++)
                a[x * (d + 1) + y] +=
                    (have + (double)fit->config.unobserved) * (double)v[x] * (double)v[y];
            a[x * (d + 1) + d] += have * (double)v[x];
        }
    }
    for (size_t x = 0; x < d; x++)
        a[x * (d + 1) + x] += ridge;
    solve_plainly(a, d);
    for (size_t x = 0; x < d; x++)
        out[x] = a[x * (d + 1) + d] / a[x * (d + 1) + x];
    free(a);
}

static void one_block_solves_a_row_directly(void **state)
{
    (void)state;
    struct od_training *t = toy_random(30, 40, 10, 9);
    struct od_als_matrix m = matrix_of(t);
    struct od_als_config c = config_of(OD_ALS_BLOCK, 1);
    struct od_als_fit fit, before;
    assert_int_equal(od_als_fit_init(&fit, &m, &c, 5, 1), OD_OK);
    assert_int_equal(od_als_fit_init(&before, &m, &c, 5, 1), OD_OK);
    assert_int_equal(od_als_sweep(&fit, &m, 1), OD_OK);
    for (uint32_t u = 0; u < fit.user_count; u++) {
        double want[OD_ALS_BLOCK];
        direct_row(&before, &m, u, want); /* users were solved against the first items */
        for (uint32_t d = 0; d < OD_ALS_BLOCK; d++)
            assert_true(fabs((double)fit.user[u * OD_ALS_BLOCK + d] - want[d]) < 1e-3);
    }
    od_als_fit_done(&fit);
    od_als_fit_done(&before);
    od_als_matrix_done(&m);
    od_training_free(t);
}

static void fold_in_is_the_row_training_converges_to(void **state)
{
    (void)state;
    struct od_training *t = toy_random(100, 60, 40, 9);
    struct od_als_matrix m = matrix_of(t);
    struct od_als_config c = config_of(64, 1);
    struct od_als_fit fit;
    struct od_als_model model;
    assert_int_equal(od_als_fit_init(&fit, &m, &c, 5, 2), OD_OK);
    for (int s = 0; s < 5; s++)
        assert_int_equal(od_als_sweep(&fit, &m, 2), OD_OK);
    assert_int_equal(od_als_model_of_factors(&fit, 2, &model), OD_OK);
    for (uint32_t u = 0; u < fit.user_count; u += 7) {
        struct od_arena arena;
        float got[64];
        double want[64], size = 0;
        od_arena_init(&arena, 1 << 22);
        assert_int_equal(od_als_fold_in(&model, m.users.col + m.users.at[u],
                                        m.users.at[u + 1] - m.users.at[u], &arena, got),
                         OD_OK);
        direct_row(&fit, &m, u, want);
        for (int d = 0; d < 64; d++)
            size += want[d] * want[d];
        for (int d = 0; d < 64; d++) /* halves round the items' factors */
            assert_true(fabs((double)got[d] - want[d]) < 4e-3 * sqrt(size));
        od_arena_done(&arena);
    }
    od_als_model_done(&model);
    od_als_fit_done(&fit);
    od_als_matrix_done(&m);
    od_training_free(t);
}

static void scores_are_products_with_the_folded_row(void **state)
{
    (void)state;
    struct od_training *t = toy_random(100, 150, 40, 9);
    struct od_als_matrix m = matrix_of(t);
    struct od_als_config c = config_of(32, 1);
    struct od_als_fit fit;
    struct od_als_model model;
    assert_int_equal(od_als_fit_init(&fit, &m, &c, 5, 2), OD_OK);
    for (int s = 0; s < 3; s++)
        assert_int_equal(od_als_sweep(&fit, &m, 2), OD_OK);
    assert_int_equal(od_als_model_of_factors(&fit, 2, &model), OD_OK);
    struct od_past_event event[] = {{.item = 3}, {.item = 9}, {.item = 3}, {.item = OD_NO_CODE}};
    const uint32_t items[] = {3, 9};
    struct od_query query = {.events = event, .event_count = 4};
    float w[32], scores[150];
    bool any;
    struct od_arena arena;
    od_arena_init(&arena, 1 << 22);
    assert_int_equal(od_als_fold_in(&model, items, 2, &arena, w), OD_OK);
    assert_int_equal(od_als_score(&model, &query, &arena, scores, &any), OD_OK);
    assert_true(any);
    for (uint32_t i = 0; i < fit.item_count; i++) {
        double want = 0;
        for (uint32_t d = 0; d < 32; d++)
            want += (double)w[d] * (double)fit.item[i * 32 + d];
        assert_true(fabs((double)scores[i] - want) < 2e-3);
    }
    query.event_count = 0;
    assert_int_equal(od_als_score(&model, &query, &arena, scores, &any), OD_OK);
    assert_false(any);
    query.events = event + 3;
    query.event_count = 1;
    assert_int_equal(od_als_score(&model, &query, &arena, scores, &any), OD_OK);
    assert_false(any);
    od_arena_done(&arena);
    od_als_model_done(&model);
    od_als_fit_done(&fit);
    od_als_matrix_done(&m);
    od_training_free(t);
}

static void long_rows_need_no_more_than_their_chunks(void **state)
{
    (void)state;
    struct od_training_builder *b = od_training_builder_new(NULL);
    for (unsigned u = 0; u < 1300; u++) { /* item 0 has more users than a chunk holds */
        toy_add(b, u, 0, 1);
        toy_add(b, u, 1 + u % 20, 2);
    }
    struct od_training *t = toy_finish(b);
    struct od_als_matrix m = matrix_of(t);
    struct od_als_config c = config_of(64, 1);
    struct od_als_fit fit;
    double before = INFINITY, now;
    assert_int_equal(od_als_fit_init(&fit, &m, &c, 2, 2), OD_OK);
    for (int s = 0; s < 4; s++) {
        assert_int_equal(od_als_sweep(&fit, &m, 2), OD_OK);
        assert_int_equal(od_als_loss(&fit, &m, &now), OD_OK);
        assert_true(now <= before * (1 + 1e-6));
        before = now;
    }
    od_als_fit_done(&fit);
    od_als_matrix_done(&m);
    od_training_free(t);
}

/* B of EASE minimises |X - XB|^2 + ridge |B|^2 without a diagonal: its gradient off the diagonal,
 * (X'X + ridge I) B - X'X, is 0. */
static void ease_fulfils_its_equation(void **state)
{
    (void)state;
    struct od_training *t = toy_random(200, 30, 12, 6);
    struct od_als_matrix m = matrix_of(t);
    struct od_matrix b;
    assert_int_equal(od_ease_fit(&m, 20, 2, &b, NULL), OD_OK);
    size_t n = m.items.rows;
    double *g = calloc(n * n, sizeof *g);
    assert_non_null(g);
    for (uint32_t u = 0; u < m.users.rows; u++)
        for (uint64_t k = m.users.at[u]; k < m.users.at[u + 1]; k++)
            for (uint64_t l = m.users.at[u]; l < m.users.at[u + 1]; l++)
                g[m.users.col[k] * n + m.users.col[l]] += 1;
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++) {
            double gradient = 20 * (double)b.at[i * b.ld + j] - g[i * n + j];
            for (size_t k = 0; k < n; k++)
                gradient += g[i * n + k] * (double)b.at[k * b.ld + j];
            if (i != j)
                assert_true(fabs(gradient) < 1e-2);
            else
                assert_true(b.at[i * b.ld + j] == 0);
        }
    free(g);
    od_matrix_free(&b);
    od_als_matrix_done(&m);
    od_training_free(t);
}

/* --- the part --- */

static void the_part_is_the_same_for_threads_and_lessons(void **state)
{
    (void)state;
    struct od_training *t = toy_groups();
    struct toy_bytes b = toy_fit_steadily(&od_part_als, t);
    struct od_image image;
    void *part;
    assert_int_equal(od_image_open((struct od_str){b.ptr, b.len}, true, &image, NULL), OD_OK);
    assert_true(od_part_als.present(&image));
    assert_int_equal(od_part_als.open(&image, t->item_count, &part, NULL), OD_OK);
    struct od_past_event event[] = {{.item = 41}, {.item = 45}}; /* of the third group */
    struct od_query query = {.events = event, .event_count = 2};
    float scores[80];
    bool personal;
    struct od_arena arena;
    od_arena_init(&arena, 1 << 22);
    assert_int_equal(od_part_als.score(part, &query, &arena, scores, &personal, NULL), OD_OK);
    assert_true(personal);
    float own = 0, other = 0;
    for (uint32_t i = 0; i < 80; i++)
        *(i >= 40 && i < 60 ? &own : &other) += scores[i];
    assert_true(own / 20 > 5 * fabsf(other / 60));
    od_arena_done(&arena);
    od_part_als.close(part);
    free(b.ptr);
    od_training_free(t);
}

static void a_foreign_lesson_is_refused(void **state)
{
    (void)state;
    static const char *const lesson[] = {"nonsense", "0 1 1 1", "2 1 1 1 1", "0 1 1 1 1 1",
                                         "0 -1 1 1 1"};
    toy_refuses_lessons(&od_part_als, lesson, sizeof lesson / sizeof *lesson);
}

/* --- images made to mislead --- */

static enum od_status open_with(bool ease, const char *section, size_t at, const void *bytes,
                                size_t len)
{
    struct od_training *t = toy_random(60, 20, 6, 2);
    struct od_als_matrix m = matrix_of(t);
    struct od_als_config c = config_of(32, 1);
    struct od_als_model model, read;
    if (ease) {
        struct od_matrix b;
        c.kind = OD_ALS_EASE;
        assert_int_equal(od_ease_fit(&m, 10, 1, &b, NULL), OD_OK);
        assert_int_equal(od_als_model_of_ease(&b, &c, &model), OD_OK);
        od_matrix_free(&b);
    } else {
        struct od_als_fit fit;
        assert_int_equal(od_als_fit_init(&fit, &m, &c, 1, 1), OD_OK);
        assert_int_equal(od_als_model_of_factors(&fit, 1, &model), OD_OK);
        od_als_fit_done(&fit);
    }
    struct od_image_writer *writer = od_image_writer_new(OD_STR("toy"), 1);
    assert_int_equal(od_als_model_write(&model, writer), OD_OK);
    struct toy_bytes b = toy_image(writer);
    struct od_image image;
    struct od_str s;
    assert_int_equal(od_image_open((struct od_str){b.ptr, b.len}, true, &image, NULL), OD_OK);
    assert_true(od_image_section(&image, section, &s) && at + len <= s.len);
    memcpy(b.ptr + (s.ptr - b.ptr) + at, bytes, len);
    enum od_status st = od_als_model_read(&image, m.items.rows, &read, NULL);
    od_als_model_done(&model);
    free(b.ptr);
    od_als_matrix_done(&m);
    od_training_free(t);
    return st;
}

static void a_misleading_image_is_refused(void **state)
{
    (void)state;
    const float nan = NAN;
    const uint16_t half = 0x7c00;
    const uint32_t word[] = {1, 20, 99, 21, 2, 33, 1u << 20};
    assert_int_equal(open_with(false, "als", 0, &word[0], 4), OD_OK);
    assert_int_equal(open_with(false, "als", 0, &word[2], 4), OD_CORRUPT);  /* version */
    assert_int_equal(open_with(false, "als", 4, &word[3], 4), OD_CORRUPT);  /* items */
    assert_int_equal(open_with(false, "als", 8, &nan, 4), OD_CORRUPT);      /* scale */
    assert_int_equal(open_with(false, "als", 12, &word[4], 4), OD_CORRUPT); /* kind */
    assert_int_equal(open_with(false, "als", 16, &word[5], 4), OD_CORRUPT); /* dims */
    assert_int_equal(open_with(false, "als", 16, &word[6], 4), OD_CORRUPT);
    assert_int_equal(open_with(false, "als", 24, &nan, 4), OD_CORRUPT);
    assert_int_equal(open_with(false, "als.item", 10, &half, 2), OD_CORRUPT);
    assert_int_equal(open_with(false, "als.gram", 8, &nan, 4), OD_CORRUPT);
    assert_int_equal(open_with(true, "als", 4, &word[1], 4), OD_OK);
    assert_int_equal(open_with(true, "als.row", 10, &half, 2), OD_CORRUPT);
    assert_int_equal(open_with(true, "als.row_scale", 8, &nan, 4), OD_CORRUPT);
    const uint32_t factors = OD_ALS_FACTORS; /* whose sections are not there */
    assert_int_equal(open_with(true, "als", 12, &factors, 4), OD_CORRUPT);
}

static void size_memory_and_effort_bound_the_factors(void **state)
{
    (void)state;
    uint64_t at[2] = {0, 1000000};
    struct od_als_matrix m = {.users = {.rows = 1, .at = at}, .items = {.rows = 1000}};
    assert_int_equal(od_als_config_default(&m, 0).dims, 128);
    assert_int_equal(od_als_config_default(&m, 6 * 1001 * 64).dims, 64);
    at[1] = 3000000000;
    struct od_als_config c = od_als_config_default(&m, 0);
    assert_true(c.dims < 128);
    assert_true(c.dims == OD_ALS_BLOCK ||
                od_als_operations(&c, at[1], 1001) <= OD_ALS_MOST_OPERATIONS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pairs_are_distinct_and_sorted_both_ways),
        cmocka_unit_test(every_sweep_lowers_the_loss),
        cmocka_unit_test(the_loss_is_that_of_its_definition),
        cmocka_unit_test(one_block_solves_a_row_directly),
        cmocka_unit_test(fold_in_is_the_row_training_converges_to),
        cmocka_unit_test(scores_are_products_with_the_folded_row),
        cmocka_unit_test(long_rows_need_no_more_than_their_chunks),
        cmocka_unit_test(ease_fulfils_its_equation),
        cmocka_unit_test(the_part_is_the_same_for_threads_and_lessons),
        cmocka_unit_test(a_foreign_lesson_is_refused),
        cmocka_unit_test(a_misleading_image_is_refused),
        cmocka_unit_test(size_memory_and_effort_bound_the_factors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
