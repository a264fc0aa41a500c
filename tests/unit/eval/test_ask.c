/* Asking: baselines against brute force, lists without past items, threads, models of other items.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "eval/popular.h"
#include "eval/protocol.h"
#include "recipes/metrics.h"
#include "recipes/registry.h"
#include "recipes/toy.h"

#define DAY 86400

/* A month of events: popularity of a week differs from popularity of all time. */
static struct od_training *a_month(uint64_t seed)
{
    struct od_training_builder *b = od_training_builder_new(NULL);
    struct od_random rng;
    od_random_init(&rng, seed);
    for (unsigned u = 0; u < 150; u++) {
        int64_t t = (int64_t)od_random_below(&rng, 20 * DAY);
        for (unsigned k = 0; k < 12; k++) {
            t += (int64_t)od_random_below(&rng, 2 * DAY);
            unsigned fashion = (unsigned)(t / (4 * DAY));
            double x = od_random_double(&rng);
            toy_add(b, u, fashion * 3 + (unsigned)(x * x * 30), t);
        }
    }
    return toy_finish(b);
}

static void make_exam(const struct od_training *full, struct od_exam *out)
{
    struct od_protocol_input input = {.full = full, .seed = 1, .folds = 1};
    assert_int_equal(od_protocol_aws_external.make(&input, 0, out, NULL), OD_OK);
}

static void ask(const struct od_exam *exam, struct od_answerer who, unsigned threads,
                struct od_answers *out)
{
    struct od_asking how = {.metrics = od_metrics_aws,
                            .metric_count = 10,
                            .variants = 3,
                            .threads = threads,
                            .io = &od_io_real};
    assert_int_equal(od_ask(exam, &who, &how, out, NULL), OD_OK);
}

/* Events of an item up to now, none older than 7 days; and distinct users of all time. */
static uint32_t lately(const struct od_training *train, uint32_t item, int64_t now)
{
    uint32_t count = 0;
    for (uint64_t e = 0; e < train->event_count; e++)
        count += train->item[e] == item && train->time[e] <= now && train->time[e] > now - 7 * DAY;
    return count;
}

static uint32_t ever(const struct od_training *train, uint32_t item, int64_t *out_last)
{
    uint32_t users = 0;
    *out_last = INT64_MIN;
    for (uint32_t u = 0; u < train->user_count; u++) {
        bool had = false;
        for (uint64_t e = train->user_start[u]; e < train->user_start[u + 1]; e++)
            if (train->item[e] == item) {
                had = true;
                *out_last = train->time[e] > *out_last ? train->time[e] : *out_last;
            }
        users += had;
    }
    return users;
}

static bool before(const struct od_training *train, uint32_t a, uint32_t b, int64_t now)
{
    int64_t last_a, last_b;
    uint32_t x = lately(train, a, now), y = lately(train, b, now);
    uint32_t p = ever(train, a, &last_a), q = ever(train, b, &last_b);
    if (x != y)
        return x > y;
    if (p != q)
        return p > q;
    return last_a != last_b ? last_a > last_b : a < b;
}

static void popularity_of_the_last_days_is_what_counting_says(void **state)
{
    (void)state;
    struct od_training *full = a_month(1);
    struct od_exam exam;
    struct od_popular *popular;
    make_exam(full, &exam);
    assert_int_equal(od_popular_new(&exam, &popular, NULL), OD_OK);
    struct od_answerer who = od_popular_lately(popular);
    float *scores = malloc((exam.item_count + 1) * sizeof *scores);
    void *window;
    assert_int_equal(who.begin(who.context, &window, NULL), OD_OK);
    for (uint32_t q = 0; q < exam.question_count;
         q += 7) { /* not in order of time: goes back too */
        int64_t now = exam.questions[q].now_s;
        assert_int_equal(who.score(who.context, window, q, NULL, scores, NULL), OD_OK);
        for (uint32_t a = 0; a + 1 < exam.train->item_count; a += 3) {
            uint32_t x = od_dict_find(exam.items, od_dict_text(exam.train->items, a));
            uint32_t y = od_dict_find(exam.items, od_dict_text(exam.train->items, a + 1));
            assert_int_equal(scores[x] > scores[y], before(exam.train, a, a + 1, now));
        }
    }
    who.end(window);
    free(scores);
    od_popular_free(popular);
    od_exam_done(&exam);
    od_training_free(full);
}

static void a_short_span_has_one_popularity(void **state)
{
    (void)state;
    struct od_training *full = toy_random(60, 30, 25, 1); /* 17 hours */
    struct od_exam exam;
    struct od_popular *popular;
    struct od_answers a, b;
    make_exam(full, &exam);
    assert_int_equal(od_popular_new(&exam, &popular, NULL), OD_OK);
    ask(&exam, od_popular_ever(popular), 1, &a);
    ask(&exam, od_popular_lately(popular), 1, &b);
    assert_memory_equal(a.value[0], b.value[0], a.question_count * 10 * sizeof(float));
    od_answers_done(&a);
    od_answers_done(&b);
    od_popular_free(popular);
    od_exam_done(&exam);
    od_training_free(full);
}

static void threads_change_nothing(void **state)
{
    (void)state;
    struct od_training *full = a_month(2);
    struct od_exam exam;
    struct od_popular *popular;
    make_exam(full, &exam);
    assert_int_equal(od_popular_new(&exam, &popular, NULL), OD_OK);
    struct od_chance chance = {&exam, 5};
    struct od_answerer all[] = {od_popular_ever(popular), od_popular_lately(popular),
                                od_chance_of(&chance)};
    for (size_t i = 0; i < 3; i++) {
        struct od_answers one, many;
        ask(&exam, all[i], 1, &one);
        ask(&exam, all[i], 5, &many);
        for (int v = 0; v < 2; v++) {
            assert_memory_equal(one.value[v], many.value[v],
                                one.question_count * 10 * sizeof(float));
            assert_true(one.coverage[v] == many.coverage[v]);
        }
        assert_int_equal(one.repeats, many.repeats);
        od_answers_done(&one);
        od_answers_done(&many);
    }
    od_popular_free(popular);
    od_exam_done(&exam);
    od_training_free(full);
}

/* --- a scorer of our own --- */

static enum od_status score_past(void *context, void *state, uint32_t question,
                                 struct od_arena *scratch, float *scores, struct od_error *err)
{
    (void)state;
    (void)scratch;
    (void)err;
    const struct od_exam *exam = context;
    const struct od_question *q = &exam->questions[question];
    for (uint32_t i = 0; i < exam->item_count; i++)
        scores[i] = -(float)i;
    for (uint32_t e = 0; e < q->event_count; e++)
        scores[exam->events[q->event_at + e].item] = 1;
    return OD_OK;
}

static void past_items_are_removed_from_one_kind_of_lists_alone(void **state)
{
    (void)state;
    /* every user sees items 0..8 and then 3 again: a repeat */
    struct od_training_builder *b = od_training_builder_new(NULL);
    for (unsigned u = 0; u < 50; u++) {
        for (unsigned i = 0; i < 9; i++)
            toy_add(b, u, i, i);
        toy_add(b, u, 3, 9);
    }
    struct od_training *full = toy_finish(b);
    struct od_exam exam;
    struct od_answers answers;
    make_exam(full, &exam);
    ask(&exam, (struct od_answerer){.score = score_past, .context = &exam}, 2, &answers);
    assert_int_equal(answers.repeats, 50);
    enum { P5, P10, P25, MRR };
    /* all nine are past and tie: the relevant one counts as the last of them */
    assert_true(answers.value[OD_LISTS_RAW][MRR] == (float)(1.0 / 9));
    assert_true(answers.value[OD_LISTS_RAW][P10] == 0.1f);
    assert_true(answers.value[OD_LISTS_RAW][P5] == 0);
    assert_true(answers.value[OD_LISTS_REMOVED][MRR] == 0);
    assert_true(answers.coverage[OD_LISTS_RAW] == 1);
    assert_true(answers.coverage[OD_LISTS_REMOVED] == 0);
    od_answers_done(&answers);
    od_exam_done(&exam);
    od_training_free(full);
}

static void figures_of_cold_items_exist_where_there_are_some(void **state)
{
    (void)state;
    struct od_training_builder *b = od_training_builder_new(NULL);
    for (unsigned u = 0; u < 40; u++)
        for (unsigned i = 0; i < 10; i++)
            toy_add(b, u, i < 9 ? i : u ? 3 : 77, i);
    struct od_training *full = toy_finish(b);
    struct od_exam exam;
    struct od_answers answers;
    static const struct od_list_metric metrics[] = {{OD_LIST_RECALL, 25, true, "cold", "cold"}};
    struct od_asking how = {
        .metrics = metrics, .metric_count = 1, .variants = 1, .threads = 1, .io = &od_io_real};
    make_exam(full, &exam);
    struct od_answerer who = {.score = score_past, .context = &exam};
    assert_int_equal(od_ask(&exam, &who, &how, &answers, NULL), OD_OK);
    for (uint32_t q = 0; q < exam.question_count; q++)
        if (exam.questions[q].user == 0)
            assert_true(answers.value[0][q] == 1); /* ten items: all are listed */
        else
            assert_true(isnan(answers.value[0][q]));
    od_answers_done(&answers);
    od_exam_done(&exam);
    od_training_free(full);
}

static enum od_status refuse(void *context, void *state, uint32_t question,
                             struct od_arena *scratch, float *scores, struct od_error *err)
{
    (void)context;
    (void)state;
    (void)scratch;
    (void)scores;
    return question == 70 ? od_fail(err, OD_CORRUPT, "question %u", question)
                          : score_past(context, state, question, scratch, scores, err);
}

static void a_failing_answerer_fails_the_asking_with_its_words(void **state)
{
    (void)state;
    struct od_training *full = a_month(3);
    struct od_exam exam;
    struct od_answers answers;
    struct od_error err = {0};
    struct od_asking how = {.metrics = od_metrics_aws,
                            .metric_count = 10,
                            .variants = 1,
                            .threads = 2,
                            .io = &od_io_real};
    make_exam(full, &exam);
    struct od_answerer who = {.score = refuse, .context = &exam};
    assert_int_equal(od_ask(&exam, &who, &how, &answers, &err), OD_CORRUPT);
    assert_string_equal(err.message, "question 70");
    od_exam_done(&exam);
    od_training_free(full);
}

/* --- recipes --- */

static void train(const struct od_recipe *recipe, const struct od_training *training,
                  struct od_memory_model *out)
{
    struct od_param_value params[40];
    const struct od_recipe_spec *spec = od_recipe_spec_find(od_str_c(recipe->name));
    assert_int_equal(od_recipe_params_default(spec, params), OD_OK);
    struct od_train_input input = {
        .training = training, .spec = spec, .params = params, .seed = 1, .threads = 1};
    assert_int_equal(od_memory_model_train(recipe, &input, out, NULL), OD_OK);
}

static void the_popularity_recipe_is_the_popularity_baseline(void **state)
{
    (void)state;
    struct od_training *full = a_month(4);
    struct od_exam exam;
    struct od_popular *popular;
    struct od_memory_model model;
    struct od_recipe_answerer answerer;
    struct od_answers a, b;
    make_exam(full, &exam);
    assert_int_equal(od_popular_new(&exam, &popular, NULL), OD_OK);
    train(&od_recipe_popularity, exam.train, &model);
    assert_int_equal(od_recipe_answerer_init(&answerer, &exam, &od_recipe_popularity,
                                             od_recipe_spec_find(OD_STR("aws-popularity-count")),
                                             model.model, NULL),
                     OD_OK);
    ask(&exam, od_popular_ever(popular), 2, &a);
    ask(&exam, od_recipe_answerer_of(&answerer), 2, &b);
    for (int v = 0; v < 2; v++)
        assert_memory_equal(a.value[v], b.value[v], a.question_count * 10 * sizeof(float));
    od_answers_done(&a);
    od_answers_done(&b);
    od_recipe_answerer_done(&answerer);
    od_memory_model_done(&model);
    od_popular_free(popular);
    od_exam_done(&exam);
    od_training_free(full);
}

static void an_item_no_model_knows_is_a_miss_and_never_listed(void **state)
{
    (void)state;
    struct od_training *full = a_month(5);
    struct od_exam exam;
    struct od_memory_model model;
    struct od_recipe_answerer answerer;
    make_exam(full, &exam);
    train(&od_recipe_popularity, exam.train, &model);
    assert_int_equal(od_recipe_answerer_init(&answerer, &exam, &od_recipe_popularity,
                                             od_recipe_spec_find(OD_STR("aws-popularity-count")),
                                             model.model, NULL),
                     OD_OK);
    float *scores = malloc((exam.item_count + 1) * sizeof *scores);
    struct od_arena arena;
    od_arena_init(&arena, SIZE_MAX);
    struct od_answerer who = od_recipe_answerer_of(&answerer);
    assert_int_equal(who.score(who.context, NULL, 0, &arena, scores, NULL), OD_OK);
    uint32_t unknown = 0;
    for (uint32_t i = 0; i < exam.item_count; i++) {
        assert_int_equal(scores[i] > -INFINITY, exam.known[i]);
        unknown += !exam.known[i];
    }
    assert_true(unknown > 0);
    od_arena_done(&arena);
    free(scores);
    od_recipe_answerer_done(&answerer);
    od_memory_model_done(&model);
    od_exam_done(&exam);
    od_training_free(full);
}

static void folds_are_appended_question_by_question(void **state)
{
    (void)state;
    struct od_training *full = a_month(6);
    struct od_answers sum = {0};
    uint32_t questions = 0;
    double coverage = 0;
    for (uint32_t fold = 0; fold < 3; fold++) {
        struct od_protocol_input input = {.full = full, .seed = 1, .folds = 3};
        struct od_exam exam;
        struct od_popular *popular;
        struct od_answers answers;
        assert_int_equal(od_protocol_aws_internal.make(&input, fold, &exam, NULL), OD_OK);
        assert_int_equal(od_popular_new(&exam, &popular, NULL), OD_OK);
        ask(&exam, od_popular_ever(popular), 1, &answers);
        questions += exam.question_count;
        coverage += answers.coverage[0] / 3;
        float last = answers.value[0][answers.question_count * 10 - 1];
        assert_int_equal(od_answers_append(&sum, &answers, NULL), OD_OK);
        assert_int_equal(sum.question_count, questions);
        assert_true(sum.value[0][questions * 10 - 1] == last);
        assert_null(answers.value[0]);
        od_popular_free(popular);
        od_exam_done(&exam);
    }
    assert_int_equal(sum.exams, 3);
    assert_true(fabs(sum.coverage[0] - coverage) < 1e-12);
    od_answers_done(&sum);
    od_training_free(full);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(popularity_of_the_last_days_is_what_counting_says),
        cmocka_unit_test(a_short_span_has_one_popularity),
        cmocka_unit_test(threads_change_nothing),
        cmocka_unit_test(past_items_are_removed_from_one_kind_of_lists_alone),
        cmocka_unit_test(figures_of_cold_items_exist_where_there_are_some),
        cmocka_unit_test(a_failing_answerer_fails_the_asking_with_its_words),
        cmocka_unit_test(the_popularity_recipe_is_the_popularity_baseline),
        cmocka_unit_test(an_item_no_model_knows_is_a_miss_and_never_listed),
        cmocka_unit_test(folds_are_appended_question_by_question),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
