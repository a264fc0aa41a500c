/* Whole evaluations: baselines, recipes, reports; and segments of users. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/bitmap.h"
#include "base/json.h"
#include "eval/report.h"
#include "eval/segments.h"
#include "recipes/registry.h"
#include "recipes/toy.h"

static void add_recipe(struct od_eval_recipe *out, const char *name)
{
    *out = (struct od_eval_recipe){.recipe = od_recipe_find(od_str_c(name)),
                                   .spec = od_recipe_spec_find(od_str_c(name))};
    assert_non_null(out->recipe);
    assert_int_equal(od_recipe_params_default(out->spec, out->params), OD_OK);
}

static struct od_eval_plan plan_of(const struct od_training *full,
                                   const struct od_protocol *protocol,
                                   const struct od_eval_recipe *recipes, size_t count,
                                   unsigned threads)
{
    return (struct od_eval_plan){.protocol = protocol,
                                 .input = {.full = full, .seed = 3, .folds = 2, .cut = 0.8},
                                 .recipes = recipes,
                                 .recipe_count = count,
                                 .threads = threads,
                                 .io = &od_io_real};
}

static const struct od_eval_figure *figure(const struct od_eval_row *row, enum od_list_variant v,
                                           enum od_exam_group group, const char *metric)
{
    for (size_t f = 0; f < row->figure_count; f++)
        if (row->figures[f].variant == v && row->figures[f].group == group &&
            strcmp(row->figures[f].metric->name, metric) == 0)
            return &row->figures[f];
    fail_msg("there is no figure %s", metric);
    return NULL;
}

static void every_row_has_its_figures_and_popularity_is_its_own_baseline(void **state)
{
    (void)state;
    struct od_training *full = toy_random(200, 60, 25, 1);
    struct od_eval_recipe recipe;
    struct od_eval_result result;
    add_recipe(&recipe, "aws-popularity-count");
    struct od_eval_plan plan = plan_of(full, &od_protocol_aws_internal, &recipe, 1, 2);
    assert_int_equal(od_eval_run(&plan, &result, NULL), OD_OK);
    assert_int_equal(result.row_count, 3);
    assert_int_equal(result.folds, 2);
    assert_int_equal(result.questions + result.skipped, 40);
    for (size_t f = 0; f < result.rows[2].figure_count; f++) {
        const struct od_eval_figure *a = &result.rows[OD_EVAL_EVER].figures[f];
        const struct od_eval_figure *b = &result.rows[2].figures[f];
        assert_true(a->value.mean == b->value.mean && a->value.low == b->value.low);
        assert_true(b->times == 1 || isnan(b->times));
        assert_int_equal(b->value.count, result.questions);
    }
    assert_true(isnan(result.rows[OD_EVAL_LATELY].figures[0].above.mean));
    assert_true(result.rows[2].image_bytes > 0);
    assert_int_equal(result.rows[2].answers.exams, 2);
    od_eval_done(&result);
    od_training_free(full);
}

static void groups_part_the_questions(void **state)
{
    (void)state;
    struct od_training_builder *b = od_training_builder_new(NULL);
    struct od_random rng;
    od_random_init(&rng, 2);
    for (int64_t t = 0; t < 2000; t++)
        toy_add(b, (unsigned)(t / 20 + od_random_below(&rng, 50)),
                (unsigned)od_random_below(&rng, 30), t * 3600);
    struct od_training *full = toy_finish(b);
    struct od_eval_result result;
    struct od_eval_plan plan = plan_of(full, &od_protocol_time, NULL, 0, 2);
    assert_int_equal(od_eval_run(&plan, &result, NULL), OD_OK);
    const struct od_eval_row *row = &result.rows[OD_EVAL_LATELY];
    const struct od_interval *all = &figure(row, OD_LISTS_RAW, OD_GROUP_ALL, "recall_at_25")->value;
    const struct od_interval *known =
        &figure(row, OD_LISTS_RAW, OD_GROUP_KNOWN, "recall_at_25")->value;
    const struct od_interval *cold =
        &figure(row, OD_LISTS_RAW, OD_GROUP_COLD, "recall_at_25")->value;
    assert_true(known->count > 0 && cold->count > 0);
    assert_int_equal(known->count + cold->count, all->count);
    double whole = known->mean * known->count + cold->mean * cold->count;
    assert_true(fabs(whole / all->count - all->mean) < 1e-9);
    od_eval_done(&result);
    od_training_free(full);
}

static void same_interval(const struct od_interval *a, const struct od_interval *b)
{
    assert_memory_equal(&a->mean, &b->mean, sizeof a->mean); /* NAN equals NAN */
    assert_memory_equal(&a->low, &b->low, sizeof a->low);
    assert_memory_equal(&a->high, &b->high, sizeof a->high);
    assert_int_equal(a->count, b->count);
}

static void threads_and_runs_give_the_same_figures(void **state)
{
    (void)state;
    struct od_training *full = toy_random(150, 40, 25, 4);
    struct od_eval_recipe recipes[2];
    struct od_eval_result a, b;
    add_recipe(&recipes[0], "aws-sims");
    add_recipe(&recipes[1], "aws-popularity-count");
    struct od_eval_plan one = plan_of(full, &od_protocol_loo, recipes, 2, 1);
    struct od_eval_plan two = plan_of(full, &od_protocol_loo, recipes, 2, 2);
    assert_int_equal(od_eval_run(&one, &a, NULL), OD_OK);
    assert_int_equal(od_eval_run(&two, &b, NULL), OD_OK);
    for (size_t r = 0; r < a.row_count; r++)
        for (size_t f = 0; f < a.rows[r].figure_count; f++)
            same_interval(&a.rows[r].figures[f].value, &b.rows[r].figures[f].value);
    od_eval_done(&a);
    od_eval_done(&b);
    od_training_free(full);
}

static void a_recipe_of_the_wrong_kind_is_refused_by_name(void **state)
{
    (void)state;
    struct od_training *full = toy_random(50, 40, 25, 4);
    struct od_eval_recipe recipe;
    struct od_eval_result result;
    struct od_error err = {0};
    add_recipe(&recipe, "aws-sims");
    struct od_eval_plan plan = plan_of(full, &od_protocol_segment, &recipe, 1, 1);
    assert_int_equal(od_eval_run(&plan, &result, &err), OD_INVALID_INPUT);
    assert_non_null(strstr(err.message, "aws-sims"));
    assert_null(result.rows);
    const char *const others[] = {"aws-item-affinity", "aws-next-best-action"};
    for (size_t i = 0; i < 2; i++) {
        add_recipe(&recipe, others[i]);
        plan = plan_of(full, &od_protocol_loo, &recipe, 1, 1);
        assert_int_equal(od_eval_run(&plan, &result, &err), OD_INVALID_INPUT);
        assert_non_null(strstr(err.message, others[i]));
    }
    od_training_free(full);
}

/* --- reports --- */

static void reports_say_what_the_result_says(void **state)
{
    (void)state;
    struct od_training *full = toy_random(150, 40, 25, 4);
    struct od_eval_recipe recipe;
    struct od_eval_result result;
    struct od_arena arena;
    struct od_json json;
    struct od_buf text;
    add_recipe(&recipe, "aws-sims");
    struct od_eval_plan plan = plan_of(full, &od_protocol_aws_external, &recipe, 1, 1);
    assert_int_equal(od_eval_run(&plan, &result, NULL), OD_OK);
    od_buf_init(&text, 1u << 20);
    od_arena_init(&arena, SIZE_MAX);
    od_report_json(&result, &text);
    assert_int_equal(od_json_parse(&arena, od_buf_view(&text), &json, NULL), OD_OK);
    const struct od_json *rows = od_json_get(&json, OD_STR("rows"));
    assert_int_equal(rows->count, 3);
    const struct od_json *row = &rows->items[2];
    assert_true(od_str_eq_c(od_json_get_str(row, "name", OD_STR_NONE), "aws-sims"));
    const struct od_json *first = &od_json_get(row, OD_STR("figures"))->items[0];
    assert_true(od_str_eq_c(od_json_get_str(first, "metric", OD_STR_NONE), "precision_at_5"));
    assert_true(od_json_get_double(od_json_get(first, OD_STR("value")), "mean", -1) ==
                result.rows[2].figures[0].value.mean);
    od_buf_clear(&text);
    od_report_text(&result, &text);
    char mean[32];
    snprintf(mean, sizeof mean, " %.4f", result.rows[2].figures[0].value.mean);
    memmove(mean + 1, mean + 2, strlen(mean + 1)); /* ".1234" */
    assert_non_null(strstr(text.ptr, mean));
    assert_non_null(strstr(text.ptr, "popularity, last 7 days"));
    od_buf_clear(&text);
    od_report_svg(&result, &text);
    assert_non_null(strstr(text.ptr, "aws-sims"));
    assert_true(od_str_starts(od_buf_view(&text), OD_STR("<svg ")));
    assert_true(od_str_ends(od_buf_view(&text), OD_STR("</svg>\n")));
    assert_null(strstr(text.ptr, "nan"));
    od_buf_done(&text);
    od_arena_done(&arena);
    od_eval_done(&result);
    od_training_free(full);
}

/* --- segments --- */

#define DAY 86400

/* Users 0..199 with an event each on day 0; users 0..4 have more; in the horizon users 0, 1 and 7
 * come for item 3, user 7 twice, and a new user. */
static struct od_training *returning(void)
{
    struct od_training_builder *b = od_training_builder_new(NULL);
    for (unsigned u = 0; u < 200; u++)
        toy_add(b, u, u % 10, 0);
    for (unsigned u = 0; u < 5; u++)
        toy_add(b, u, 9, 5 * DAY + (int64_t)u);
    toy_add(b, 1, 8, 6 * DAY);
    toy_add(b, 0, 3, 30 * DAY);
    toy_add(b, 1, 3, 31 * DAY);
    toy_add(b, 7, 3, 32 * DAY);
    toy_add(b, 7, 3, 33 * DAY);
    toy_add(b, 500, 3, 33 * DAY);
    toy_add(b, 500, 3, 33 * DAY + 1);
    toy_add(b, 501, 77, 33 * DAY); /* for nothing that is asked about */
    toy_add(b, 7, 4, 34 * DAY);
    toy_add(b, 2, 77, 35 * DAY); /* an item training does not know */
    return toy_finish(b);
}

static void a_segment_exam_asks_for_those_who_came_back(void **state)
{
    (void)state;
    struct od_training *full = returning();
    struct od_segment_exam exam;
    struct od_answers active;
    assert_int_equal(od_segment_exam_make(full, OD_STR_NONE, 0, &exam, NULL), OD_OK);
    assert_int_equal(exam.train->event_count, 206);
    assert_int_equal(exam.question_count, 2); /* items 3 and 4 */
    assert_int_equal(exam.unknown_users, 1);
    assert_int_equal(exam.most, 2);
    const struct od_segment_question *q = &exam.questions[0];
    assert_int_equal(q->item_count, 1);
    assert_true(od_str_eq_c(od_dict_text(exam.train->items, exam.items[q->item_at]), "i00003"));
    const uint32_t users[] = {0, 1, 7};
    assert_int_equal(q->user_count, 3);
    assert_memory_equal(exam.users + q->user_at, users, sizeof users);
    /* most active: user 1 with three events, then 0 with two */
    assert_int_equal(od_segment_ask_active(&exam, 0, &active, NULL), OD_OK);
    assert_true(active.value[0][0] == 1);     /* recall: 2 of min(3, 2) */
    assert_true(active.value[0][1] == 2);     /* hits */
    assert_true(active.value[0][2] == 1);     /* precision */
    assert_true(active.value[0][3 + 1] == 0); /* user 7 is not among them */
    od_answers_done(&active);
    od_segment_exam_done(&exam);
    od_training_free(full);
}

static void values_of_a_column_are_asked_for_with_all_their_items(void **state)
{
    (void)state;
    struct od_training *full = returning();
    struct od_field fields[] = {
        {.name = OD_STR("ITEM_ID"), .type = OD_FIELD_STRING},
        {.name = OD_STR("KIND"), .type = OD_FIELD_STRING, .nullable = true, .categorical = true}};
    struct od_schema schema = {
        .name = OD_STR("Items"), .type = OD_ITEMS, .field_count = 2, .fields = fields};
    struct od_table *table = od_table_new(&schema);
    const char *kinds[][2] = {{"i00003", "red|big"},
                              {"i00004", "red"},
                              {"i00005", "blue"},
                              {"i00077", "red"},
                              {"i00099", "big"}};
    for (int i = 0; i < 5; i++) {
        struct od_value values[] = {{.kind = OD_VALUE_TEXT, .text = od_str_c(kinds[i][0])},
                                    {.kind = OD_VALUE_TEXT, .text = od_str_c(kinds[i][1])}};
        assert_int_equal(od_table_put(table, values), OD_OK);
    }
    full->item_table = table;
    struct od_segment_exam exam;
    struct od_error err = {0};
    assert_int_equal(od_segment_exam_make(full, OD_STR("KIND"), 0, &exam, NULL), OD_OK);
    assert_int_equal(exam.question_count, 2);          /* red, big; nobody came for blue */
    assert_int_equal(exam.questions[0].item_count, 3); /* 77 is new, but has a record */
    assert_int_equal(exam.questions[0].user_count, 4); /* 0, 1, 7, and 2 for item 77 */
    assert_int_equal(exam.questions[1].item_count, 2); /* all that carry it are asked for */
    assert_int_equal(exam.questions[1].user_count, 3);
    assert_int_equal(exam.unknown_users, 2);
    od_segment_exam_done(&exam);
    assert_int_equal(od_segment_exam_make(full, OD_STR("SIZE"), 0, &exam, &err), OD_INVALID_INPUT);
    assert_non_null(strstr(err.message, "SIZE"));
    od_training_free(full);
    od_table_free(table);
}

static void segments_need_more_than_their_horizon(void **state)
{
    (void)state;
    struct od_training *full = toy_random(50, 40, 25, 4); /* less than a day */
    struct od_segment_exam exam;
    struct od_error err = {0};
    assert_int_equal(od_segment_exam_make(full, OD_STR_NONE, 0, &exam, &err), OD_INVALID_INPUT);
    assert_non_null(strstr(err.message, "15 days"));
    od_training_free(full);
}

/* A recipe that lists the users whose code equals the first item's, and its follower. */
static struct od_image_dict dict_items, dict_users;
static const struct od_image_dict *fake_items(const struct od_model *model)
{
    (void)model;
    return &dict_items;
}
static const struct od_image_dict *fake_users(const struct od_model *model)
{
    (void)model;
    return &dict_users;
}
static enum od_status fake_segment(const struct od_model *model,
                                   const struct od_segment_query *query, struct od_arena *scratch,
                                   struct od_segment_user *out, uint32_t *out_count,
                                   struct od_error *err)
{
    (void)model;
    (void)scratch;
    (void)err;
    *out_count = 0;
    for (uint32_t i = 0; i < dict_items.count; i++)
        if (od_bitmap_get(query->items, i))
            for (uint32_t k = 0; k < 2 && *out_count < query->most; k++)
                out[(*out_count)++] = (struct od_segment_user){i + k, 1};
    return OD_OK;
}

static void a_recipes_segments_are_judged_in_its_own_codes(void **state)
{
    (void)state;
    struct od_training *full = returning();
    struct od_segment_exam exam;
    struct od_answers answers;
    assert_int_equal(od_segment_exam_make(full, OD_STR_NONE, 0, &exam, NULL), OD_OK);
    /* items 3 and 4 have codes 0 and 1; users are u1, u7 and one that training does not know */
    const uint64_t item_at[] = {0, 6, 12}, user_at[] = {0, 6, 12, 13};
    dict_items = (struct od_image_dict){item_at, "i00003i00004", 2};
    dict_users = (struct od_image_dict){user_at, "u00001u00007x", 3};
    const struct od_recipe recipe = {
        .name = "fake", .items = fake_items, .users = fake_users, .segment = fake_segment};
    assert_int_equal(od_segment_ask_recipe(&exam, &recipe, NULL, 2, &od_io_real, &answers, NULL),
                     OD_OK);
    assert_true(answers.value[0][0] == 1);     /* item 3: u1 and u7, both came */
    assert_true(answers.value[0][3 + 0] == 1); /* item 4: u7 came; the unknown one is no hit */
    assert_true(answers.value[0][3 + 1] == 1);
    assert_true(answers.value[0][3 + 2] == 0.5f);
    assert_true(fabs(answers.coverage[0] - 2.0 / 200) < 1e-12);
    od_answers_done(&answers);
    od_segment_exam_done(&exam);
    od_training_free(full);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_has_its_figures_and_popularity_is_its_own_baseline),
        cmocka_unit_test(groups_part_the_questions),
        cmocka_unit_test(threads_and_runs_give_the_same_figures),
        cmocka_unit_test(a_recipe_of_the_wrong_kind_is_refused_by_name),
        cmocka_unit_test(reports_say_what_the_result_says),
        cmocka_unit_test(a_segment_exam_asks_for_those_who_came_back),
        cmocka_unit_test(values_of_a_column_are_asked_for_with_all_their_items),
        cmocka_unit_test(segments_need_more_than_their_horizon),
        cmocka_unit_test(a_recipes_segments_are_judged_in_its_own_codes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
