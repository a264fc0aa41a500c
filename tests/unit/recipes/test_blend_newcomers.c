/* What answers those of whom nothing is known: which popularity, and when it is all time's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "recipes/blend_train.h"
#include "recipes/linar.h"
#include "toy.h"

enum { DAY = 86400, ITEMS = 60, USERS = 2000, PARAMS = 16 };

/* 90 days in which users come one by one, take something and something else some minutes later.
 * Where things move on it is most often of the four items of the week, else any of twenty. */
static struct od_training *world(bool moving, unsigned users)
{
    struct od_training_builder *b = od_training_builder_new(NULL);
    struct od_random rng;
    od_random_init(&rng, 3);
    for (unsigned u = 0; u < users; u++) {
        int64_t time = (int64_t)u * 90 * DAY / users;
        for (unsigned k = 0; k < 2; k++) {
            unsigned week = (unsigned)(time / (7 * DAY)), any = (unsigned)od_random_below(&rng, 20);
            bool follows = moving && od_random_below(&rng, 5);
            unsigned item = follows ? week * 4 + (unsigned)od_random_below(&rng, 4) : any;
            toy_add(b, u, item, time += 60 + (int64_t)od_random_below(&rng, 300));
        }
    }
    return toy_finish(b);
}

static void counts_that_go_along_are_those_of_any_time(void **state)
{
    (void)state;
    struct od_training *t = world(true, 500);
    struct od_recent recent;
    struct od_recent_walk walk;
    assert_int_equal(od_recent_make(t, &recent, NULL), OD_OK);
    assert_int_equal(od_recent_walk_init(&walk, &recent, t->item_count), OD_OK);
    const size_t n = t->item_count;
    uint32_t *want = calloc(n * OD_RECENT_WINDOWS, sizeof *want);
    for (int64_t time = -5000; time < 100 * DAY; time += time < 9 * DAY ? 3333 : DAY + 7) {
        uint64_t before = 0, sum = 0;
        od_recent_walk_to(&walk, time);
        od_recent_count(&recent, time, t->item_count, want);
        if (time <= t->last_time + 1) /* a time after the data asks as of its end */
            assert_memory_equal(walk.counts, want, n * OD_RECENT_WINDOWS * sizeof *want);
        for (uint64_t e = 0; e < t->event_count; e++)
            before += t->time[e] < time;
        for (size_t i = 0; i < n; i++)
            sum += walk.counts[OD_RECENT_WINDOWS * n + i];
        assert_int_equal(walk.sum[OD_RECENT_WINDOWS], before);
        assert_int_equal(sum, before);
        for (size_t w = 0; w < OD_RECENT_WINDOWS && time <= t->last_time + 1; w++) {
            uint64_t of = 0;
            for (size_t i = 0; i < n; i++)
                of += want[w * n + i];
            assert_int_equal(walk.sum[w], of);
        }
    }
    free(want);
    od_recent_walk_done(&walk);
    od_recent_done(&recent);
    od_training_free(t);
}

static struct od_blend_newcomers fit(const struct od_training *t)
{
    struct od_recent recent;
    struct od_blend_newcomers out;
    assert_int_equal(od_recent_make(t, &recent, NULL), OD_OK);
    const struct od_blend_facts facts = {.training = t, .recent = &recent};
    assert_int_equal(od_blend_newcomers_fit(&facts, &out, NULL), OD_OK);
    od_recent_done(&recent);
    return out;
}

static void what_is_popular_now_answers_where_things_move_on(void **state)
{
    (void)state;
    struct od_training *t = world(true, USERS);
    struct od_blend_newcomers moving = fit(t);
    assert_int_equal(moving.asked, USERS / 2);
    assert_true(moving.gain > .1f);
    /* a version that is days old does not know the week's yet: then any of twenty is as good */
    assert_true(moving.share[0] + moving.share[OD_BLEND_OF_WEEK - OD_BLEND_OF_DAY] > .3f);
    float sum = 0;
    for (size_t k = 0; k < OD_BLEND_COMMON; k++)
        sum += moving.share[k];
    assert_true(fabsf(sum - 1) < 1e-4f);
    od_training_free(t);
}

static void else_what_always_was(void **state)
{
    (void)state;
    for (int k = 0; k < 2; k++) { /* nothing moves; too few to tell */
        struct od_training *t = world(k == 1, k == 1 ? 150 : USERS);
        struct od_blend_newcomers still = fit(t);
        assert_int_equal(still.asked, k == 1 ? 0 : USERS / 2);
        for (size_t s = 0; s < OD_BLEND_COMMON; s++)
            assert_true(fabsf(still.share[s] - (s == OD_BLEND_COMMON - 1)) < 1e-6f);
        od_training_free(t);
    }
}

static enum od_status train(const struct od_train_input *input, struct od_image_writer *image,
                            struct od_error *err)
{
    struct od_metrics metrics = {0};
    return od_blend_train(input, image, &metrics, err);
}

/* The item with the highest score, as world() numbers it. */
static unsigned best_number(const struct od_training *t, const float *score)
{
    uint32_t best = 0;
    unsigned number = 0;
    char id[16];
    for (uint32_t i = 1; i < t->item_count; i++)
        best = score[i] > score[best] ? i : best;
    struct od_str text = od_dict_text(t->items, best);
    snprintf(id, sizeof id, "%.*s", (int)text.len, text.ptr);
    assert_int_equal(sscanf(id, "i%u", &number), 1);
    return number;
}

/* For models that keep no times: an answer as of the end of the data, logarithms of shares. */
static void the_end_of_the_data_has_an_answer(void **state)
{
    (void)state;
    for (int moving = 0; moving < 2; moving++) {
        struct od_training *t = world(moving, USERS);
        float score[ITEMS], temperature = 2;
        double sum = 0, count[ITEMS] = {0};
        unsigned week = (unsigned)(t->last_time / (7 * DAY));
        assert_int_equal(od_blend_newcomers_at_end(t, temperature, score, NULL), OD_OK);
        for (uint64_t e = 0; e < t->event_count; e++)
            count[t->item[e]]++;
        for (uint32_t i = 0; i < t->item_count; i++) {
            double p = exp((double)(score[i] / temperature));
            double always = (count[i] + .5) / ((double)t->event_count + .5 * t->item_count);
            sum += p;
            assert_true(moving || fabs(p / always - 1) < 1e-4);
        }
        assert_true(fabs(sum - 1) < 1e-4);
        if (moving)
            assert_in_range(best_number(t, score), (week - 1) * 4, week * 4 + 3);
        od_training_free(t);
    }
}

/* A whole model, asked without a history, after its data and in the middle of it. */
static void a_model_answers_with_it(void **state)
{
    (void)state;
    struct od_training *t = world(true, USERS);
    const struct od_recipe *recipe = &od_recipe_user_personalization;
    const struct od_recipe_spec *spec = od_recipe_spec_find(od_str_c(recipe->name));
    struct od_param_value params[PARAMS];
    struct od_memory_model m;
    struct od_error err = {0};
    assert_int_equal(t->item_count < ITEMS, true);
    assert_int_equal(od_recipe_params_default(spec, params), OD_OK);
    struct od_train_input input = {
        .training = t, .spec = spec, .params = params, .seed = 1, .threads = 2};
    if (od_memory_model_fit(recipe, train, &input, &m, &err) != OD_OK)
        fail_msg("%s", err.message);
    int64_t times[] = {t->last_time + DAY, 45 * DAY};
    for (size_t k = 0; k < 2; k++) {
        float score[ITEMS], told[ITEMS];
        struct od_score_terms terms[ITEMS];
        uint32_t item[ITEMS];
        bool personal = true;
        struct od_arena arena;
        struct od_query query = {.now_s = times[k]};
        od_arena_init(&arena, 1 << 20);
        for (uint32_t i = 0; i < ITEMS; i++)
            score[i] = told[i] = -INFINITY, item[i] = i;
        assert_int_equal(recipe->score(m.model, &query, &arena, score, &personal, NULL), OD_OK);
        assert_false(personal);
        int64_t last = times[k] < t->last_time ? times[k] : t->last_time;
        unsigned week = (unsigned)(last / (7 * DAY));
        assert_in_range(best_number(t, score), (week - 1) * 4, week * 4 + 3);
        assert_int_equal(
            recipe->explain(m.model, &query, item, t->item_count, &arena, told, terms, NULL),
            OD_OK);
        for (uint32_t i = 0; i < t->item_count; i++) {
            assert_true(fabsf(score[i] - told[i]) < 1e-6f);
            assert_int_equal(terms[i].count, 1);
            assert_string_equal(terms[i].list[0].name, "popularShare");
            assert_true(fabsf(terms[i].list[0].contribution - score[i]) < 1e-4f);
        }
        od_arena_done(&arena);
    }
    struct od_buf text;
    od_buf_init(&text, 1 << 16);
    assert_true(od_blend_describe(&m.image, &text));
    od_buf_char(&text, 0);
    assert_non_null(strstr(text.ptr, "without a history: popular of the day"));
    od_buf_done(&text);
    od_memory_model_done(&m);
    od_training_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_that_go_along_are_those_of_any_time),
        cmocka_unit_test(what_is_popular_now_answers_where_things_move_on),
        cmocka_unit_test(else_what_always_was),
        cmocka_unit_test(the_end_of_the_data_has_an_answer),
        cmocka_unit_test(a_model_answers_with_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
