/* Metrics: the check values of the specification, and whole evaluations worked out by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "recipes/metrics.h"
#include "toy.h"

#define CLOSE(a, b) assert_true(fabs((a) - (b)) < 5e-5)

static void check_values_of_the_specification(void **state)
{
    (void)state;
    const uint32_t ranked[] = {10, 11, 12, 13, 14};
    const uint32_t two[] = {14, 11}; /* places 2 and 5 */
    CLOSE(od_metric_ndcg(ranked, 5, two, 2, 2, 5), 0.6241);
    CLOSE(od_metric_reciprocal_rank(ranked, 5, two, 2, 25), 0.5);
    CLOSE(od_metric_precision(ranked, 5, two, 2, 5), 0.4);
    uint32_t ten[10];
    for (uint32_t i = 0; i < 10; i++)
        ten[i] = i;
    const uint32_t three[] = {0, 4, 9};
    CLOSE(od_metric_precision(ten, 10, three, 3, 10), 0.3);
    double sum = 0;
    for (uint32_t first = 2; first <= 6; first += 2) {
        const uint32_t item = first - 1;
        sum += od_metric_reciprocal_rank(ten, 10, &item, 1, 25);
    }
    CLOSE(sum / 3, 0.3056);
}

static void edges_of_the_definitions(void **state)
{
    (void)state;
    const uint32_t ranked[] = {5, 6};
    const uint32_t all[] = {5, 6, 7, 8};
    CLOSE(od_metric_precision(ranked, 2, all, 4, 5), 0.4); /* always divided by k */
    CLOSE(od_metric_ndcg(ranked, 2, all, 4, 4, 2), 1.0);   /* ideal over min(k, relevant) */
    CLOSE(od_metric_ndcg(ranked, 2, all, 0, 0, 5), 0.0);
    CLOSE(od_metric_ndcg(ranked, 0, all, 4, 4, 5), 0.0);
    CLOSE(od_metric_reciprocal_rank(ranked, 2, &all[1], 1, 1), 0.0); /* place 2 is past k */
    /* one of two relevant items is unknown to the model: the ideal still counts it */
    CLOSE(od_metric_ndcg(ranked, 2, all, 1, 2, 5), 1 / (1 + 1 / log2(3)));
}

static void metrics_are_listed_by_name(void **state)
{
    (void)state;
    struct od_metrics metrics = {0};
    assert_true(od_metrics_add(&metrics, "coverage", 0.25));
    assert_null(od_metrics_find(&metrics, "precision_at_5"));
    assert_true(*od_metrics_find(&metrics, "coverage") == 0.25);
    for (int i = 1; i < 40; i++)
        assert_true(od_metrics_add(&metrics, "x", i));
    assert_false(od_metrics_add(&metrics, "one too many", 0));
}

/* Scores item i by -i: everybody is given i00000, i00001, ... */
static enum od_status by_code(void *context, const struct od_query *query, struct od_arena *scratch,
                              float *scores, struct od_error *err)
{
    (void)query;
    (void)scratch;
    (void)err;
    for (uint32_t i = 0; i < *(const uint32_t *)context; i++)
        scores[i] = -(float)i;
    return OD_OK;
}

static void an_evaluation_worked_out_by_hand(void **state)
{
    (void)state;
    struct od_training_builder *b = od_training_builder_new(NULL);
    for (unsigned u = 0; u < 20; u++)
        for (unsigned k = 0; k < 20; k++) /* input 0..17, relevant: items 18 and 2 */
            toy_add(b, u, k == 19 ? 2 : k, k);
    for (unsigned i = 20; i < 40; i++)
        toy_add(b, 100, i, i); /* items nobody is asked about, so that 25 do not cover all */
    struct od_training *t = toy_finish(b);
    struct od_split split;
    uint64_t seed = 1;
    do { /* a split without user 100 among its two test users */
        assert_int_equal(od_split_users(t, seed++, &split, NULL), OD_OK);
        if (split.test_user[split.test_count - 1] < 20)
            break;
        od_split_done(&split);
    } while (seed < 100);
    assert_int_equal(split.test_count, 2);
    struct od_scorer scorer = od_scorer_of_part(by_code, &split.train->item_count, &split);
    struct od_metrics m = {0};
    assert_int_equal(od_evaluate(&scorer, &split, 2, &m, NULL), OD_OK);
    assert_int_equal(m.count, 8);
    CLOSE(*od_metrics_find(&m, "coverage"), 25.0 / 39);
    CLOSE(*od_metrics_find(&m, "mean_reciprocal_rank_at_25"), 1.0 / 3);
    CLOSE(*od_metrics_find(&m, "precision_at_5"), 0.2);
    CLOSE(*od_metrics_find(&m, "precision_at_10"), 0.1);
    CLOSE(*od_metrics_find(&m, "precision_at_25"), 0.08);
    double ideal = 1 + 1 / log2(3);
    CLOSE(*od_metrics_find(&m, "normalized_discounted_cumulative_gain_at_5"), 0.5 / ideal);
    CLOSE(*od_metrics_find(&m, "normalized_discounted_cumulative_gain_at_25"),
          (0.5 + 1 / log2(20)) / ideal);
    od_split_done(&split);
    od_training_free(t);
}

/* Scores depend on the whole query, so that a mix-up between threads would show. */
static enum od_status by_history(void *context, const struct od_query *query,
                                 struct od_arena *scratch, float *scores, struct od_error *err)
{
    (void)err;
    uint32_t items = *(const uint32_t *)context;
    float *weight = OD_NEW_ARRAY(scratch, float, items);
    for (size_t e = 0; e < query->event_count; e++)
        if (query->events[e].item != OD_NO_CODE)
            weight[query->events[e].item] += 1;
    for (uint32_t i = 0; i < items; i++)
        scores[i] = weight[(i * 7 + 3) % items] - weight[i] * 0.5f;
    return OD_OK;
}

static void threads_do_not_change_the_figures(void **state)
{
    (void)state;
    struct od_training *t = toy_random(2000, 150, 30, 5);
    struct od_split split;
    assert_int_equal(od_split_users(t, 3, &split, NULL), OD_OK);
    struct od_metrics one = {0}, four = {0};
    struct od_scorer scorer = od_scorer_of_part(by_history, &split.train->item_count, &split);
    assert_int_equal(od_evaluate(&scorer, &split, 1, &one, NULL), OD_OK);
    assert_int_equal(od_evaluate(&scorer, &split, 4, &four, NULL), OD_OK);
    assert_int_equal(one.count, 8);
    assert_memory_equal(&one, &four, sizeof one);
    od_split_done(&split);
    od_training_free(t);
}

static void gains_weigh_places(void **state)
{
    (void)state;
    const struct od_gain gains[] = {{7, 1.5f}, {3, 0.5f}, {OD_NO_CODE, 0.5f}};
    const uint32_t ranked[] = {3, 1, 7, 2};
    double ideal = 1.5 + 0.5 / log2(3) + 0.5 / 2;
    CLOSE(od_metric_gain_ndcg(ranked, 4, gains, 3, 4), (0.5 + 1.5 / 2) / ideal);
    CLOSE(od_metric_gain_ndcg(ranked, 4, gains, 3, 1), 0.5 / 1.5);
    const struct od_gain none[] = {{3, 0}};
    CLOSE(od_metric_gain_ndcg(ranked, 4, none, 1, 4), 0);
}

/* Ten users see item 0 and book item 1 in the end; item 0 comes first in every list. */
static void weighted_figures_follow_the_rule(void **state)
{
    (void)state;
    const struct od_event_rule rules[] = {{.type = OD_STR("book"), .weight = 0.3},
                                          {.type = OD_STR("view"), .weight = 0.1}};
    struct od_training_rule rule = {.events = rules, .event_count = 2, .weighted = true};
    struct od_training_builder *b = od_training_builder_new(&rule);
    char id[16];
    for (int u = 0; u < 10; u++)
        for (int k = 0; k < 20; k++) {
            snprintf(id, sizeof id, "u%d", u);
            const char *item = k < 18 ? "c" : k == 18 ? "a" : "b";
            struct od_str type = k == 19 ? OD_STR("book") : OD_STR("view");
            assert_int_equal(
                od_training_add_event(b, od_str_c(id), od_str_c(item), type, k, false, 0), OD_OK);
        }
    struct od_training *t = toy_finish(b);
    struct od_split split;
    struct od_metrics metrics = {0};
    assert_int_equal(od_split_users(t, 3, &split, NULL), OD_OK);
    assert_int_equal(split.test_count, 1);
    struct od_scorer scorer = od_scorer_of_part(by_code, &split.train->item_count, &split);
    assert_int_equal(od_evaluate(&scorer, &split, 1, &metrics, NULL), OD_OK);
    /* codes: a 0, b 1, c 2; by_code ranks a, b, c; gains: b 1.5, a 0.5 */
    const double *got =
        od_metrics_find(&metrics, "normalized_discounted_cumulative_gain_with_event_weights_at_10");
    assert_non_null(got);
    CLOSE(*got, (0.5 + 1.5 / log2(3)) / (1.5 + 0.5 / log2(3)));
    assert_non_null(od_metrics_find(
        &metrics, "normalized_discounted_cumulative_gain_with_event_weights_at_25"));
    od_split_done(&split);
    od_training_free(t);
}

/* A recipe whose model lacks the items nobody but one user has, and so codes the others anew. */
static enum od_status write_frequent(const struct od_train_input *input,
                                     struct od_image_writer *image, struct od_error *err)
{
    const struct od_training *t = input->training;
    uint32_t *users = calloc(t->item_count, sizeof *users), code;
    struct od_dict *kept = od_dict_new();
    for (uint64_t e = 0; e < t->event_count; e++)
        users[t->item[e]]++;
    for (uint32_t i = 0; i < t->item_count; i++)
        if (users[i] > 1)
            assert_int_equal(od_dict_add(kept, od_dict_text(t->items, i), &code), OD_OK);
    enum od_status s = od_image_add_dict(image, "items", kept);
    free(users);
    od_dict_free(kept);
    return s == OD_OK ? s : od_fail(err, s, NULL);
}

static enum od_status open_dict(const struct od_image *image, struct od_model **out,
                                struct od_error *err)
{
    struct od_image_dict *dict = malloc(sizeof *dict);
    *out = (struct od_model *)dict;
    return od_image_dict_open(image, "items", dict, err);
}

static void close_dict(struct od_model *model)
{
    free(model);
}

static const struct od_image_dict *dict_of(const struct od_model *model)
{
    return (const struct od_image_dict *)model;
}

/* The next item after the last one of the query is best: codes must be the model's own. */
static enum od_status next_item(const struct od_model *model, const struct od_query *query,
                                struct od_arena *scratch, float *scores, bool *out_personal,
                                struct od_error *err)
{
    (void)scratch;
    (void)err;
    uint32_t count = dict_of(model)->count, last = query->events[query->event_count - 1].item;
    assert_int_equal(query->item, last);
    for (uint32_t i = 0; i < count; i++)
        scores[i] = last == OD_NO_CODE ? 0 : -(float)((i + count - last - 1) % count);
    *out_personal = true;
    return OD_OK;
}

static const struct od_recipe frequent = {
    .name = "frequent",
    .open = open_dict,
    .close = close_dict,
    .items = dict_of,
    .score = next_item,
};

static void a_model_with_fewer_items_is_asked_in_its_own_codes(void **state)
{
    (void)state;
    struct od_training_builder *b = od_training_builder_new(NULL);
    for (unsigned u = 0; u < 10; u++) {
        toy_add(b, u, 50 + u, 0); /* items of one user alone, between the others by id */
        toy_add(b, u, u % 2 ? 30 : 90, 1);
        toy_add(b, u, u % 2 ? 90 : 95, 2); /* what comes next among the frequent items */
        toy_add(b, u, u % 2 ? 95 : 30, 3);
    }
    struct od_training *t = toy_finish(b);
    struct od_split split;
    toy_leave_one_out(t, &split);
    for (uint32_t i = 0; i < split.test_count; i++) /* the query ends one before the last */
        assert_int_equal(split.input_end[i] + 1, t->user_start[split.test_user[i] + 1]);
    struct od_train_input input = {.training = split.train};
    struct od_memory_model m;
    struct od_recipe_scorer scorer;
    assert_int_equal(od_memory_model_fit(&frequent, write_frequent, &input, &m, NULL), OD_OK);
    assert_int_equal(dict_of(m.model)->count, 2); /* 30 and 90; 95 is never trained on */
    assert_int_equal(od_recipe_scorer_init(&scorer, &frequent, m.model, &split, NULL), OD_OK);
    assert_non_null(scorer.to_model);
    struct od_scorer ask = od_recipe_scorer_of(&scorer);
    struct od_arena arena;
    od_arena_init(&arena, 1 << 20);
    float scores[16];
    struct od_past_event events[8];
    struct od_query query;
    od_split_query(&split, split.item_map, 1, events, &query); /* user 1: 51, 30, 90 */
    assert_int_equal(ask.score(ask.context, &query, &arena, scores, NULL), OD_OK);
    uint32_t i30 = od_dict_find(split.train->items, OD_STR("i00030"));
    uint32_t i51 = od_dict_find(split.train->items, OD_STR("i00051"));
    uint32_t i90 = od_dict_find(split.train->items, OD_STR("i00090"));
    assert_true(scores[i30] == 0 && scores[i90] == -1);
    assert_true(scores[i51] == -INFINITY);
    od_arena_done(&arena);
    od_recipe_scorer_done(&scorer);
    od_memory_model_done(&m);
    od_split_done(&split);
    od_training_free(t);
}

static void a_model_that_knows_more_items_is_asked_about_all(void **state)
{
    (void)state;
    struct od_training_builder *b = od_training_builder_new(NULL);
    for (unsigned u = 0; u < 10; u++) {
        toy_add(b, u, 50 + u, 0);
        toy_add(b, u, u % 2 ? 30 : 90, 1);
        toy_add(b, u, u % 2 ? 90 : 95, 2);
        toy_add(b, u, u % 2 ? 95 : 30, 3); /* each the next of the frequent ones */
    }
    struct od_training *t = toy_finish(b);
    struct od_split split;
    toy_leave_one_out(t, &split);
    struct od_train_input input = {.training = t}; /* as if 95 had a record */
    struct od_memory_model m;
    struct od_recipe_scorer scorer;
    struct od_metrics metrics = {0};
    assert_int_equal(od_memory_model_fit(&frequent, write_frequent, &input, &m, NULL), OD_OK);
    assert_int_equal(dict_of(m.model)->count, 3);
    assert_int_equal(od_recipe_scorer_init(&scorer, &frequent, m.model, &split, NULL), OD_OK);
    uint32_t part = split.train->item_count, i95 = od_dict_find(t->items, OD_STR("i00095"));
    assert_int_equal(split.item_map[i95], OD_NO_CODE);
    assert_int_equal(scorer.item_count, part + 1);
    assert_int_equal(scorer.item_map[i95], part);
    assert_string_equal(od_dict_text(scorer.items, part).ptr, "i00095");
    struct od_scorer ask = od_recipe_scorer_of(&scorer);
    assert_int_equal(od_evaluate(&ask, &split, 2, &metrics, NULL), OD_OK);
    /* the last item of the history too may be one that only the model knows */
    assert_true(*od_metrics_find(&metrics, "mean_reciprocal_rank_at_25") == 1);
    CLOSE(*od_metrics_find(&metrics, "coverage"), 3.0 / 13);
    od_recipe_scorer_done(&scorer);
    od_memory_model_done(&m);
    od_split_done(&split);
    od_training_free(t);
}

static enum od_status fails(void *context, const struct od_query *query, struct od_arena *scratch,
                            float *scores, struct od_error *err)
{
    (void)context;
    (void)query;
    (void)scratch;
    (void)scores;
    return od_fail(err, OD_CORRUPT, "Broken on purpose.");
}

static void a_failing_scorer_fails_the_evaluation_with_its_words(void **state)
{
    (void)state;
    struct od_training *t = toy_random(100, 20, 5, 5);
    struct od_split split;
    assert_int_equal(od_split_users(t, 3, &split, NULL), OD_OK);
    struct od_scorer scorer = od_scorer_of_part(fails, NULL, &split);
    struct od_metrics m = {0};
    struct od_error err = {0};
    assert_int_equal(od_evaluate(&scorer, &split, 2, &m, &err), OD_CORRUPT);
    assert_string_equal(err.message, "Broken on purpose.");
    assert_int_equal(m.count, 0);
    od_split_done(&split);
    od_training_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(check_values_of_the_specification),
        cmocka_unit_test(edges_of_the_definitions),
        cmocka_unit_test(metrics_are_listed_by_name),
        cmocka_unit_test(an_evaluation_worked_out_by_hand),
        cmocka_unit_test(threads_do_not_change_the_figures),
        cmocka_unit_test(gains_weigh_places),
        cmocka_unit_test(weighted_figures_follow_the_rule),
        cmocka_unit_test(a_model_with_fewer_items_is_asked_in_its_own_codes),
        cmocka_unit_test(a_model_that_knows_more_items_is_asked_about_all),
        cmocka_unit_test(a_failing_scorer_fails_the_evaluation_with_its_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
