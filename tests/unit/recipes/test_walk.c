/* Walks: rows and scores against their definition, the same for any threads, what judges choose,
 * images made to mislead. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "recipes/registry.h"
#include "recipes/walk.h"
#include "fitted.h"
#include "toy_part.h"

enum { ITEMS = 60 };

struct walks {
    struct od_training *training;
    struct od_als_matrix matrix;
    struct od_walk_fit fit;
    bool have[400][ITEMS];
    double users[ITEMS], size[400];
};

static void walks_init(struct walks *w, uint32_t entries, unsigned threads)
{
    *w = (struct walks){.training = toy_random(400, ITEMS, 9, 5)};
    const struct od_training *t = w->training;
    assert_int_equal(t->item_count, ITEMS);
    assert_int_equal(od_als_matrix_init(&w->matrix, t, t->user_start + 1, NULL), OD_OK);
    assert_int_equal(od_walk_fit_init(&w->fit, &w->matrix, entries, threads, NULL), OD_OK);
    for (uint32_t u = 0; u < t->user_count; u++)
        for (uint64_t e = t->user_start[u]; e < t->user_start[u + 1]; e++) {
            bool *have = &w->have[u][t->item[e]];
            w->users[t->item[e]] += !*have;
            w->size[u] += !*have;
            *have = true;
        }
}

static void walks_done(struct walks *w)
{
    od_walk_fit_done(&w->fit);
    od_als_matrix_done(&w->matrix);
    od_training_free(w->training);
}

/* P(j | i) by the definition. */
static double walk_to(const struct walks *w, uint32_t i, uint32_t j)
{
    double sum = 0;
    for (uint32_t u = 0; u < w->training->user_count && i != j; u++)
        if (w->have[u][i] && w->have[u][j])
            sum += 1 / w->size[u];
    return sum / w->users[i];
}

static void scores_are_those_of_the_definition(void **state)
{
    (void)state;
    static const struct od_walk_config configs[] = {{1, 0, 0}, {.8f, .5f, .3f}, {.6f, 0, 1}};
    const struct od_past_event event[] = {
        {.item = 3}, {.item = 99}, {.item = 7}, {.item = 3}, {.item = 20}};
    const struct od_query query = {.events = event, .event_count = 5};
    struct walks w;
    walks_init(&w, OD_WALK_ENTRIES, 2);
    for (size_t c = 0; c < sizeof configs / sizeof *configs; c++) {
        const uint32_t heard[] = {20, 3, 7}; /* the newest first, each once */
        struct od_walk_scorer scorer;
        struct od_arena arena;
        float scores[ITEMS];
        bool any;
        od_arena_init(&arena, SIZE_MAX);
        assert_int_equal(od_walk_scorer_init(&scorer, &w.fit, &configs[c]), OD_OK);
        assert_int_equal(od_walk_score(&scorer, &query, &arena, scores, &any), OD_OK);
        assert_true(any);
        for (uint32_t j = 0; j < ITEMS; j++) {
            double want = 0, all = 0;
            for (uint32_t k = 0; k < 3; k++) {
                double share = pow((double)configs[c].decay, k) *
                               pow(w.users[heard[k]], (double)configs[c].source);
                want += share * walk_to(&w, heard[k], j);
                all += share;
            }
            want *= pow(w.users[j], -(double)configs[c].target) / all;
            assert_true(fabs((double)scores[j] - want) <= 2e-3 * want);
        }
        od_arena_done(&arena);
        od_walk_scorer_done(&scorer);
    }
    walks_done(&w);
}

static void walks_from_an_item_are_a_distribution(void **state)
{
    (void)state;
    const struct od_walk_config plain = {1, 0, 0};
    const struct od_past_event event = {.item = 11};
    const struct od_query query = {.events = &event, .event_count = 1};
    struct walks w;
    struct od_walk_scorer scorer;
    struct od_arena arena;
    float scores[ITEMS];
    bool any;
    double sum = 0, stays = 0;
    walks_init(&w, OD_WALK_ENTRIES, 1);
    od_arena_init(&arena, SIZE_MAX);
    assert_int_equal(od_walk_scorer_init(&scorer, &w.fit, &plain), OD_OK);
    assert_int_equal(od_walk_score(&scorer, &query, &arena, scores, &any), OD_OK);
    for (uint32_t j = 0; j < ITEMS; j++)
        sum += (double)scores[j];
    for (uint32_t u = 0; u < w.training->user_count; u++)
        stays += w.have[u][11] ? 1 / w.size[u] / w.users[11] : 0;
    assert_true(fabs(sum + stays - 1) < 1e-3);
    od_arena_done(&arena);
    od_walk_scorer_done(&scorer);
    walks_done(&w);
}

static void without_a_known_item_nothing_is_said(void **state)
{
    (void)state;
    const struct od_walk_config config = od_walk_config_default();
    const struct od_past_event event = {.item = ITEMS};
    struct od_query query = {.events = &event, .event_count = 1};
    struct walks w;
    struct od_walk_scorer scorer;
    struct od_arena arena;
    float scores[ITEMS];
    bool any = true;
    walks_init(&w, OD_WALK_ENTRIES, 1);
    od_arena_init(&arena, SIZE_MAX);
    assert_int_equal(od_walk_scorer_init(&scorer, &w.fit, &config), OD_OK);
    assert_int_equal(od_walk_score(&scorer, &query, &arena, scores, &any), OD_OK);
    assert_false(any);
    query.event_count = 0;
    any = true;
    assert_int_equal(od_walk_score(&scorer, &query, &arena, scores, &any), OD_OK);
    assert_false(any);
    od_arena_done(&arena);
    od_walk_scorer_done(&scorer);
    walks_done(&w);
}

/* A user of very many items says next to nothing of each pair, and would cost the square of them.
 */
static void users_beyond_the_bound_are_left_out(void **state)
{
    (void)state;
    enum { ROBOT = 63300 }; /* its square alone is above OD_WALK_PAIRS */
    struct od_training_builder *b = od_training_builder_new(NULL);
    for (unsigned i = 0; i < ROBOT; i++)
        toy_add(b, 0, i, i);
    for (unsigned u = 1; u < 4; u++)
        for (unsigned i = 0; i < 2; i++)
            toy_add(b, u, i, i);
    struct od_training *t = toy_finish(b);
    struct od_als_matrix matrix;
    struct od_walk_fit fit;
    assert_true((double)ROBOT * ROBOT > OD_WALK_PAIRS);
    assert_int_equal(od_als_matrix_init(&matrix, t, t->user_start + 1, NULL), OD_OK);
    assert_int_equal(od_walk_fit_init(&fit, &matrix, 1000, 2, NULL), OD_OK);
    assert_int_equal(fit.rows.sparse[0].count, 1);
    assert_int_equal(fit.rows.sparse[0].column[0], 1);
    assert_int_equal(fit.rows.sparse[2].count, 0);
    assert_int_equal(fit.users[0], 4);
    od_walk_fit_done(&fit);
    od_als_matrix_done(&matrix);
    od_training_free(t);
}

/* However many equal histories there are, no more are heard than the bound allows. */
static void of_equal_histories_the_first_are_heard(void **state)
{
    (void)state;
    enum { USERS = 90, EACH = 7000 }; /* 81 of them are 4e9 pairs */
    struct od_training_builder *b = od_training_builder_new(NULL);
    for (unsigned u = 0; u < USERS; u++)
        for (unsigned i = 0; i < EACH; i++)
            toy_add(b, u, i, i);
    struct od_training *t = toy_finish(b);
    struct od_als_matrix matrix;
    struct od_walk_fit fit;
    assert_int_equal(od_als_matrix_init(&matrix, t, t->user_start + 1, NULL), OD_OK);
    for (uint32_t i = 1; i < EACH; i++) /* one row is enough to see it */
        matrix.items.at[i + 1] = matrix.items.at[1];
    assert_int_equal(od_walk_fit_init(&fit, &matrix, 1000, 2, NULL), OD_OK);
    float value = od_f16_decode(fit.rows.sparse[0].value[0]) * fit.rows.scale[0];
    assert_true(fabs((double)value - 81. / USERS / EACH) < 1e-3 * 81 / USERS / EACH);
    od_walk_fit_done(&fit);
    od_als_matrix_done(&matrix);
    od_training_free(t);
}

static void rows_are_cut_to_their_largest_entries(void **state)
{
    (void)state;
    struct od_training *t = toy_random(3000, 600, 12, 5); /* at least 50 are kept of a row */
    struct od_als_matrix matrix;
    struct od_walk_fit whole, cut;
    assert_int_equal(od_als_matrix_init(&matrix, t, t->user_start + 1, NULL), OD_OK);
    assert_int_equal(od_walk_fit_init(&whole, &matrix, OD_WALK_ENTRIES, 1, NULL), OD_OK);
    assert_int_equal(od_walk_fit_init(&cut, &matrix, 1, 2, NULL), OD_OK);
    assert_true(whole.rows.dense);
    assert_false(cut.rows.dense);
    const uint16_t *all = whole.rows.rectangle;
    float least = INFINITY;
    for (uint32_t k = 0; k < cut.rows.sparse[0].count; k++)
        least = fminf(least, od_f16_decode(cut.rows.sparse[0].value[k]) * cut.rows.scale[0]);
    size_t above = 0;
    for (uint32_t j = 0; j < t->item_count; j++)
        above += od_f16_decode(all[j]) * whole.rows.scale[0] > least;
    assert_int_equal(cut.rows.sparse[0].count, 50);
    assert_true(above < 50 && above > 40);
    od_walk_fit_done(&whole);
    od_walk_fit_done(&cut);
    od_als_matrix_done(&matrix);
    od_training_free(t);
}

/* --- the part --- */

static void the_part_is_the_same_for_threads_and_lessons(void **state)
{
    (void)state;
    struct od_training *t = toy_groups();
    free(toy_fit_steadily(&od_part_walk, t).ptr);
    od_training_free(t);
}

static void a_foreign_lesson_is_refused(void **state)
{
    (void)state;
    static const char *const lesson[] = {"nonsense", "1 0",    "1 0 0 0",
                                         "2 0 0",    "1 -1 0", "1 0 nan"};
    toy_refuses_lessons(&od_part_walk, lesson, sizeof lesson / sizeof *lesson);
}

/* What held-out events follow is learnt: where every next item is one that goes with the newest
 * alone, old ones are not heard. */
static void judges_choose_what_they_follow(void **state)
{
    (void)state;
    struct od_training_builder *b = od_training_builder_new(NULL);
    struct od_random rng;
    od_random_init(&rng, 4);
    for (unsigned u = 0; u < 900; u++)
        for (unsigned k = 0; k < 4; k++) { /* two pairs: 2 x and 2 x + 1 always go together */
            static unsigned pair;
            pair = k % 2 ? pair : (unsigned)od_random_below(&rng, 30);
            toy_add(b, u, 2 * pair + k % 2, k);
        }
    struct od_training *t = toy_finish(b);
    bool same;
    struct toy_bytes bytes = toy_fit_twice(&od_part_walk, t, 2, &same);
    struct od_image image;
    struct od_walk_scorer scorer;
    assert_int_equal(od_image_open((struct od_str){bytes.ptr, bytes.len}, true, &image, NULL),
                     OD_OK);
    assert_true(od_part_walk.present(&image));
    assert_int_equal(od_walk_read(&image, t->item_count, &scorer, NULL), OD_OK);
    assert_true(scorer.decay < 1);
    assert_int_equal(od_walk_read(&image, t->item_count + 1, &scorer, NULL), OD_CORRUPT);
    free(bytes.ptr);
    od_training_free(t);
}

/* Pairs without times: what is asked for lies near the history, and no part that decays histories
 * takes part. */
static void without_an_order_histories_are_sets(void **state)
{
    (void)state;
    enum { RING = 30, NEAR = 10 };
    struct od_training_builder *b = od_training_builder_new(NULL);
    struct od_random rng;
    od_random_init(&rng, 9);
    for (unsigned u = 0; u < 600; u++) {
        unsigned at = (unsigned)od_random_below(&rng, RING - NEAR + 1);
        for (unsigned k = 0; k < NEAR; k++)
            if (od_random_below(&rng, 10) < 7)
                toy_add(b, u, at + k, 1000);
    }
    struct od_training *t = toy_finish(b);
    struct fitted f;
    struct od_str section;
    static const char *const decaying[] = {"linar", "far", "knn", "seq"};
    const struct od_past_event event[] = {{.item = 12}, {.item = 13}, {.item = 14}, {.item = 15}};
    const struct od_query query = {.events = event, .event_count = 4};
    struct od_arena arena;
    float scores[RING];
    bool personal;
    fitted_init(&f, "aws-user-personalization-v2", t);
    if (fitted_run(&f, false) != OD_OK)
        fail_msg("%s", f.err.message);
    for (size_t k = 0; k < sizeof decaying / sizeof *decaying; k++)
        assert_false(od_image_section(&f.model.image, decaying[k], &section));
    assert_true(od_image_section(&f.model.image, "als", &section) ||
                od_image_section(&f.model.image, "walk", &section));
    od_arena_init(&arena, 1 << 20);
    assert_int_equal(f.model.recipe->score(f.model.model, &query, &arena, scores, &personal, NULL),
                     OD_OK);
    assert_true(personal);
    for (uint32_t i = 0; i < RING; i++)
        assert_true((i > 6 && i < 21) || (scores[i] < scores[11] && scores[i] < scores[16]));
    od_arena_done(&arena);
    fitted_done(&f);
    od_training_free(t);
}

/* --- images made to mislead --- */

static enum od_status read_with(const char *section, size_t at, const void *bytes, size_t len)
{
    const struct od_walk_config config = od_walk_config_default();
    struct walks w;
    walks_init(&w, OD_WALK_ENTRIES, 1);
    struct od_image_writer *writer = od_image_writer_new(OD_STR("toy"), 1);
    assert_int_equal(od_walk_write(&w.fit, &config, writer), OD_OK);
    struct toy_bytes b = toy_image(writer);
    struct od_image image;
    struct od_str s;
    struct od_walk_scorer scorer;
    assert_int_equal(od_image_open((struct od_str){b.ptr, b.len}, true, &image, NULL), OD_OK);
    assert_true(od_image_section(&image, section, &s) && at + len <= s.len);
    memcpy(b.ptr + (s.ptr - b.ptr) + at, bytes, len);
    enum od_status st = od_walk_read(&image, ITEMS, &scorer, NULL);
    free(b.ptr);
    walks_done(&w);
    return st;
}

static void a_misleading_image_is_refused(void **state)
{
    (void)state;
    const float nan = NAN, negative = -1, two = 2, one = 1;
    const uint32_t other = 7;
    assert_int_equal(read_with("walk.target", 0, &one, sizeof one), OD_OK);
    assert_int_equal(read_with("walk", 0, &other, sizeof other), OD_CORRUPT); /* version */
    assert_int_equal(read_with("walk", 4, &other, sizeof other), OD_CORRUPT); /* items */
    assert_int_equal(read_with("walk", 8, &two, sizeof two), OD_CORRUPT);     /* decay */
    assert_int_equal(read_with("walk", 8, &nan, sizeof nan), OD_CORRUPT);
    assert_int_equal(read_with("walk.source", 8, &negative, sizeof negative), OD_CORRUPT);
    assert_int_equal(read_with("walk.source", 8, &nan, sizeof nan), OD_CORRUPT);
    assert_int_equal(read_with("walk.target", 4, &nan, sizeof nan), OD_CORRUPT);
    assert_int_equal(read_with("walk.scale", 0, &nan, sizeof nan), OD_CORRUPT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scores_are_those_of_the_definition),
        cmocka_unit_test(walks_from_an_item_are_a_distribution),
        cmocka_unit_test(without_a_known_item_nothing_is_said),
        cmocka_unit_test(users_beyond_the_bound_are_left_out),
        cmocka_unit_test(of_equal_histories_the_first_are_heard),
        cmocka_unit_test(rows_are_cut_to_their_largest_entries),
        cmocka_unit_test(the_part_is_the_same_for_threads_and_lessons),
        cmocka_unit_test(a_foreign_lesson_is_refused),
        cmocka_unit_test(judges_choose_what_they_follow),
        cmocka_unit_test(without_an_order_histories_are_sets),
        cmocka_unit_test(a_misleading_image_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
