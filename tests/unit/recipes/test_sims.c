/* aws-sims: counts against a count by hand and by brute force, every parameter, threads, serving.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "recipes/metrics.h"
#include "recipes/registry.h"
#include "recipes/sims.h"
#include "toy.h"

#define EVERYONE ((struct od_sims_keep){0, 1, 0, 1})

static struct od_sims_lists count(const struct od_training *t, struct od_sims_rule rule,
                                  unsigned threads)
{
    struct od_sims_lists lists;
    struct od_progress nobody = {0};
    assert_int_equal(od_sims_count(t, &rule, threads, &nobody, &lists, NULL), OD_OK);
    return lists;
}

/* Users 0-3 have items 0 and 1; users 0, 1 also 2; users 4-9 have 1 alone twice. */
static struct od_training *small(void)
{
    struct od_training_builder *b = od_training_builder_new(NULL);
    for (unsigned u = 0; u < 4; u++) {
        toy_add(b, u, 0, 1);
        toy_add(b, u, 1, 2);
        toy_add(b, u, 0, 3); /* again: still one user */
    }
    toy_add(b, 0, 2, 4);
    toy_add(b, 1, 2, 4);
    for (unsigned u = 4; u < 10; u++)
        toy_add(b, u, 1, 1);
    return toy_finish(b);
}

static void common_users_are_counted_once(void **state)
{
    (void)state;
    struct od_training *t = small();
    struct od_sims_rule rule = {EVERYONE, .discount = 0, .min_count = 0, .neighbours = 512};
    struct od_sims_lists l = count(t, rule, 1);
    /* item 0: 1 (4 users), 2 (2 users) */
    const uint64_t at[] = {0, 2, 4, 6};
    const uint32_t item[] = {1, 2, 0, 2, 0, 1}, common[] = {4, 2, 4, 2, 2, 2};
    assert_memory_equal(l.at, at, sizeof at);
    assert_memory_equal(l.item, item, sizeof item);
    assert_memory_equal(l.count, common, sizeof common);
    assert_true(l.sim[0] == 4 && l.sim[1] == 2);
    od_sims_lists_done(&l);
    od_training_free(t);
}

static void the_discount_turns_counts_into_cosine_and_lift(void **state)
{
    (void)state;
    struct od_training *t = small();
    struct od_sims_rule rule = {EVERYONE, .discount = 0.5, .min_count = 1, .neighbours = 512};
    struct od_sims_lists cosine = count(t, rule, 1);
    assert_int_equal(cosine.item[0], 1); /* 4 of 4 and 10 users, shrunk by 4 / (4 + 10) */
    assert_true(fabsf(cosine.sim[0] - 4 / sqrtf(4 * 10) * 4 / 14) < 1e-6f);
    assert_true(fabsf(cosine.sim[1] - 2 / sqrtf(4 * 2) * 2 / 12) < 1e-6f);
    od_sims_lists_done(&cosine);
    rule.discount = 1;
    struct od_sims_lists lift = count(t, rule, 1);
    assert_int_equal(lift.item[0], 2); /* now the rarer item is nearer */
    assert_true(fabsf(lift.sim[0] - 2 / (4.0f * 2) * 2 / 22) < 1e-6f);
    assert_true(fabsf(lift.sim[1] - 4 / (4.0f * 10) * 4 / 24) < 1e-6f);
    od_sims_lists_done(&lift);
    od_training_free(t);
}

static void pairs_below_the_minimum_are_dropped(void **state)
{
    (void)state;
    struct od_training *t = small();
    struct od_sims_rule rule = {EVERYONE, .discount = 0, .min_count = 3, .neighbours = 512};
    struct od_sims_lists l = count(t, rule, 1);
    const uint64_t at[] = {0, 1, 2, 2};
    assert_memory_equal(l.at, at, sizeof at);
    od_sims_lists_done(&l);
    od_training_free(t);
}

static void only_the_best_neighbours_are_kept(void **state)
{
    (void)state;
    struct od_training *t = small();
    struct od_sims_rule rule = {EVERYONE, .discount = 0, .min_count = 1, .neighbours = 1};
    struct od_sims_lists l = count(t, rule, 1);
    const uint64_t at[] = {0, 1, 2, 3};
    const uint32_t item[] = {1, 0, 0}; /* item 2: 0 and 1 share two users each, the lower code */
    assert_memory_equal(l.at, at, sizeof at);
    assert_memory_equal(l.item, item, sizeof item);
    od_sims_lists_done(&l);
    od_training_free(t);
}

static void percentiles_drop_long_histories_and_popular_items(void **state)
{
    (void)state;
    struct od_training *t = small();
    struct od_sims_rule rule = {EVERYONE, .discount = 0, .min_count = 1, .neighbours = 512};
    rule.keep.max_user = 0.8; /* lengths 1 x6, 3 x2, 4 x2: the bound is 3.2 */
    struct od_sims_lists l = count(t, rule, 1);
    assert_int_equal(l.at[3], 2); /* users 2, 3 remain: items 0 and 1 */
    assert_int_equal(l.count[0], 2);
    od_sims_lists_done(&l);
    rule.keep = EVERYONE;
    rule.keep.min_user = 0.9; /* 4: users 0, 1 */
    l = count(t, rule, 1);
    assert_int_equal(l.count[0], 2);
    assert_int_equal(l.at[3], 6);
    od_sims_lists_done(&l);
    rule.keep = EVERYONE;
    rule.keep.max_item = 0.5; /* events 8, 10, 2: the middle is 8, item 1 is nobody's neighbour */
    l = count(t, rule, 1);
    const uint32_t without_1[] = {2, 0, 2, 0};
    assert_int_equal(l.at[4 - 1], 4);
    assert_memory_equal(l.item, without_1, sizeof without_1);
    assert_int_equal(l.at[2] - l.at[1], 2); /* but has its own */
    od_sims_lists_done(&l);
    rule.keep = EVERYONE;
    rule.keep.min_item = 0.5; /* item 2 likewise */
    l = count(t, rule, 1);
    const uint32_t without_2[] = {1, 0, 0, 1};
    assert_memory_equal(l.item, without_2, sizeof without_2);
    assert_int_equal(l.at[3], 4);
    od_sims_lists_done(&l);
    od_training_free(t);
}

/* One user walks 0 1 2 3; fade ln 2 halves with each step, forward 1 halves what comes before. */
static void nearness_and_order_weigh_what_users_say(void **state)
{
    (void)state;
    struct od_training_builder *b = od_training_builder_new(NULL);
    for (unsigned k = 0; k < 4; k++)
        toy_add(b, 0, k, k);
    toy_add(b, 1, 3, 0); /* 3 has one event more than the others */
    struct od_training *t = toy_finish(b);
    struct od_sims_rule rule = {EVERYONE, .neighbours = 9, .fade = logf(2), .forward = 1};
    struct od_sims_lists l = count(t, rule, 1);
    const uint32_t of_1[] = {2, 0, 3};
    assert_memory_equal(l.item + l.at[1], of_1, sizeof of_1);
    assert_true(fabsf(l.sim[l.at[1]] - 1) < 1e-6f);        /* the next one */
    assert_true(fabsf(l.sim[l.at[1] + 1] - 0.5f) < 1e-6f); /* the one before */
    assert_true(fabsf(l.sim[l.at[1] + 2] - 0.5f) < 1e-6f); /* two on */
    assert_int_equal(l.count[l.at[1]], 1);
    od_sims_lists_done(&l);
    rule.floor = 0.2f;
    l = count(t, rule, 1);
    assert_int_equal(l.item[l.at[1] + 1], 3); /* now above the one before */
    assert_true(fabsf(l.sim[l.at[1] + 1] - (0.2f + 0.8f * 0.5f)) < 1e-6f);
    od_sims_lists_done(&l);
    rule.floor = 0;
    rule.keep.max_item = 0.5; /* item 3 is dropped: asked, its neighbours keep their distance */
    l = count(t, rule, 1);
    const uint32_t of_3[] = {2, 1, 0};
    assert_memory_equal(l.item + l.at[3], of_3, sizeof of_3);
    assert_true(fabsf(l.sim[l.at[3]] - 0.5f) < 1e-6f);
    assert_true(fabsf(l.sim[l.at[3] + 2] - 0.125f) < 1e-6f);
    od_sims_lists_done(&l);
    od_training_free(t);
}

static void percentiles_interpolate(void **state)
{
    (void)state;
    const uint32_t values[] = {40, 10, 20, 30};
    uint32_t scratch[4];
    assert_true(od_sims_percentile(values, 4, 0, scratch) == 10);
    assert_true(od_sims_percentile(values, 4, 1, scratch) == 40);
    assert_true(od_sims_percentile(values, 4, 0.5, scratch) == 25);
    assert_true(fabs(od_sims_percentile(values, 4, 0.9, scratch) - 37) < 1e-9);
    assert_true(od_sims_percentile(values, 0, 0.5, scratch) == 0);
}

/* Counts of all pairs the slow way. */
static uint32_t *brute_force(const struct od_training *t)
{
    uint32_t n = t->item_count, *c = calloc((size_t)n * n, sizeof *c);
    bool *has = malloc(n);
    for (uint32_t u = 0; u < t->user_count; u++) {
        memset(has, 0, n);
        for (uint64_t e = t->user_start[u]; e < t->user_start[u + 1]; e++)
            has[t->item[e]] = true;
        for (uint32_t i = 0; i < n; i++)
            for (uint32_t j = 0; has[i] && j < n; j++)
                c[(size_t)i * n + j] += has[j];
    }
    free(has);
    return c;
}

static void check_against_brute_force(const struct od_training *t)
{
    struct od_sims_rule rule = {EVERYONE, .discount = 0.5, .min_count = 2, .neighbours = 100000};
    struct od_sims_lists l = count(t, rule, 3);
    uint32_t n = t->item_count, *c = brute_force(t);
    uint64_t expected = 0;
    for (uint32_t i = 0; i < n; i++) {
        for (uint32_t j = 0; j < n; j++)
            expected += i != j && c[(size_t)i * n + j] >= 2;
        for (uint64_t k = l.at[i]; k < l.at[i + 1]; k++) {
            uint32_t j = l.item[k];
            assert_int_equal(l.count[k], c[(size_t)i * n + j]);
            double common = l.count[k];
            double sim = common / sqrt((double)c[(size_t)i * n + i] * c[(size_t)j * n + j]) *
                         common / (common + 10);
            assert_true(fabs(l.sim[k] - sim) < 1e-6);
            if (k > l.at[i])
                assert_true(l.sim[k - 1] > l.sim[k] ||
                            (l.sim[k - 1] == l.sim[k] && l.item[k - 1] < j));
        }
    }
    assert_int_equal(l.at[n], expected);
    free(c);
    od_sims_lists_done(&l);
}

static void random_histories_match_brute_force_dense_and_sparse(void **state)
{
    (void)state;
    struct od_training *dense = toy_random(300, 70, 40, 9);
    struct od_training *sparse = toy_random(1500, 1200, 4, 9);
    struct od_training *long_rows = toy_random(60, 1300, 900, 9); /* sorted by radix */
    check_against_brute_force(dense);
    check_against_brute_force(sparse);
    check_against_brute_force(long_rows);
    od_training_free(dense);
    od_training_free(sparse);
    od_training_free(long_rows);
}

static void a_robot_pairs_its_newest_items_alone(void **state)
{
    (void)state;
    struct od_training_builder *b = od_training_builder_new(NULL);
    for (unsigned k = 0; k < OD_SIMS_HISTORY + 100; k++)
        toy_add(b, 0, k, k);
    struct od_training *t = toy_finish(b);
    struct od_sims_rule rule = {EVERYONE, .discount = 0, .min_count = 1, .neighbours = 2};
    struct od_sims_lists l = count(t, rule, 2);
    assert_int_equal(l.at[100], 0);
    assert_int_equal(l.at[t->item_count], 2 * OD_SIMS_HISTORY);
    od_sims_lists_done(&l);
    od_training_free(t);
}

/* --- through the recipe --- */

static struct od_param_value values[16];

static struct od_train_input input_of(const struct od_training *t, unsigned threads)
{
    const struct od_recipe_spec *spec = od_recipe_spec_find(OD_STR("aws-sims"));
    assert_int_equal(od_recipe_params_default(spec, values), OD_OK);
    return (struct od_train_input){
        .training = t, .spec = spec, .params = values, .seed = 1, .threads = threads};
}

static void set(const char *name, enum od_param_place place, const char *value)
{
    assert_int_equal(od_recipe_params_set(od_recipe_spec_find(OD_STR("aws-sims")), place,
                                          od_str_c(name), od_str_c(value), values, NULL),
                     OD_OK);
}

static struct od_metrics trained;

static enum od_status fit_all(const struct od_train_input *input, struct od_image_writer *image,
                              struct od_error *err)
{
    trained = (struct od_metrics){0};
    return od_recipe_sims.train(input, image, &trained, err);
}

static void threads_give_the_same_image(void **state)
{
    (void)state;
    struct od_training *t = toy_random(800, 200, 30, 11);
    struct od_memory_model one, four;
    struct od_train_input input = input_of(t, 1);
    assert_int_equal(od_memory_model_fit(&od_recipe_sims, fit_all, &input, &one, NULL), OD_OK);
    struct od_metrics metrics = trained;
    input.threads = 4;
    assert_int_equal(od_memory_model_fit(&od_recipe_sims, fit_all, &input, &four, NULL), OD_OK);
    assert_int_equal(one.image.bytes.len, four.image.bytes.len);
    assert_memory_equal(one.image.bytes.ptr, four.image.bytes.ptr, one.image.bytes.len);
    assert_memory_equal(&metrics, &trained, sizeof trained);
    assert_int_equal(trained.count, 8);
    od_memory_model_done(&one);
    od_memory_model_done(&four);
    od_training_free(t);
}

static uint64_t pairs_with(const struct od_training *t, const char *name, enum od_param_place place,
                           const char *value)
{
    struct od_train_input input = input_of(t, 2);
    if (name)
        set(name, place, value);
    struct od_memory_model m;
    assert_int_equal(od_memory_model_fit(&od_recipe_sims, fit_all, &input, &m, NULL), OD_OK);
    struct od_str bytes;
    assert_true(od_image_section(&m.image, "neighbour.item", &bytes));
    uint64_t pairs = bytes.len / 4;
    od_memory_model_done(&m);
    return pairs;
}

static void every_parameter_has_its_effect(void **state)
{
    (void)state;
    struct od_training *t = toy_random(900, 150, 30, 12);
    uint64_t base = pairs_with(t, NULL, OD_PARAM_ALGORITHM, NULL);
    double mrr = *od_metrics_find(&trained, "mean_reciprocal_rank_at_25");
    assert_true(pairs_with(t, "min_cointeraction_count", OD_PARAM_ALGORITHM, "8") < base);
    const enum od_param_place f = OD_PARAM_FEATURIZATION;
    assert_true(pairs_with(t, "min_user_history_length_percentile", f, "0.5") < base);
    assert_true(pairs_with(t, "max_user_history_length_percentile", f, "0.5") < base);
    assert_true(pairs_with(t, "min_item_interaction_count_percentile", f, "0.5") < base);
    assert_true(pairs_with(t, "max_item_interaction_count_percentile", f, "1.0") > base);
    assert_int_equal(pairs_with(t, "popularity_discount_factor", OD_PARAM_ALGORITHM, "1"), base);
    assert_true(*od_metrics_find(&trained, "mean_reciprocal_rank_at_25") != mrr);
    od_training_free(t);
}

static void serving_gives_neighbours_then_popular_items(void **state)
{
    (void)state;
    struct od_training *t = small();
    struct od_train_input input = input_of(t, 1);
    set("min_cointeraction_count", OD_PARAM_ALGORITHM, "3");
    set("max_item_interaction_count_percentile", OD_PARAM_FEATURIZATION, "1");
    set("max_user_history_length_percentile", OD_PARAM_FEATURIZATION, "1");
    set("min_user_history_length_percentile", OD_PARAM_FEATURIZATION, "0");
    struct od_memory_model m;
    assert_int_equal(od_memory_model_fit(&od_recipe_sims, fit_all, &input, &m, NULL), OD_OK);
    float scores[3];
    bool personal = false;
    struct od_query query = {.item = 0};
    assert_int_equal(od_recipe_sims.score(m.model, &query, NULL, scores, &personal, NULL), OD_OK);
    assert_true(personal);
    assert_true(scores[0] == -INFINITY);
    assert_true(scores[1] > 0);
    assert_true(scores[2] < 0);
    query.item = 2; /* known, but without neighbours */
    assert_int_equal(od_recipe_sims.score(m.model, &query, NULL, scores, &personal, NULL), OD_OK);
    assert_false(personal);
    assert_true(scores[1] > scores[0] && scores[2] == -INFINITY);
    query.item = OD_NO_CODE;
    assert_int_equal(od_recipe_sims.score(m.model, &query, NULL, scores, &personal, NULL), OD_OK);
    assert_false(personal);
    assert_true(scores[1] > scores[0] && scores[0] > scores[2] && scores[2] > -INFINITY);
    od_memory_model_done(&m);
    od_training_free(t);
}

static void contradicting_percentiles_are_refused(void **state)
{
    (void)state;
    struct od_training *t = small();
    struct od_train_input input = input_of(t, 1);
    set("min_item_interaction_count_percentile", OD_PARAM_FEATURIZATION, "0.95");
    struct od_memory_model m;
    struct od_error err = {0};
    assert_int_equal(od_memory_model_fit(&od_recipe_sims, fit_all, &input, &m, &err),
                     OD_INVALID_INPUT);
    assert_non_null(strstr(err.message, "min_item_interaction_count_percentile"));
    od_training_free(t);
}

static void a_memory_cap_keeps_fewer_neighbours(void **state)
{
    (void)state;
    struct od_training *t = toy_random(400, 200, 60, 4);
    struct od_train_input input = input_of(t, 2);
    set("min_cointeraction_count", OD_PARAM_ALGORITHM, "0");
    struct od_memory_model m;
    struct od_str at;
    uint64_t longest[2] = {0};
    for (int capped = 0; capped < 2; capped++) {
        input.memory_bytes = capped ? 1000 : 0;
        assert_int_equal(od_memory_model_fit(&od_recipe_sims, fit_all, &input, &m, NULL), OD_OK);
        assert_true(od_image_section(&m.image, "neighbour.at", &at));
        const uint64_t *starts = (const void *)at.ptr;
        for (uint32_t i = 0; i < t->item_count; i++)
            if (starts[i + 1] - starts[i] > longest[capped])
                longest[capped] = starts[i + 1] - starts[i];
        od_memory_model_done(&m);
    }
    assert_true(longest[0] > 100);
    assert_int_equal(longest[1], 64);
    od_training_free(t);
}

static enum od_status write_wild(const struct od_train_input *input, struct od_image_writer *image,
                                 struct od_error *err)
{
    static const uint32_t zeros[4], wild[] = {1, 3};
    static const uint64_t at[] = {0, 1, 2, 2};
    (void)err;
    assert_int_equal(input->training->item_count, 3);
    assert_int_equal(od_image_add_dict(image, "items", input->training->items), OD_OK);
    assert_int_equal(od_image_add(image, "popularity", zeros, 12, true), OD_OK);
    assert_int_equal(od_image_add(image, "rank", zeros, 12, true), OD_OK);
    assert_int_equal(od_image_add(image, "neighbour.at", at, sizeof at, true), OD_OK);
    assert_int_equal(od_image_add(image, "neighbour.item", wild, sizeof wild, true), OD_OK);
    assert_int_equal(od_image_add(image, "neighbour.count", zeros, 8, true), OD_OK);
    return od_image_add(image, "neighbour.sim", zeros, 8, true);
}

static void wild_neighbours_are_corrupt(void **state)
{
    (void)state;
    struct od_training *t = small();
    struct od_train_input input = input_of(t, 1);
    struct od_memory_model m;
    assert_int_equal(od_memory_model_fit(&od_recipe_sims, write_wild, &input, &m, NULL),
                     OD_CORRUPT);
    od_training_free(t);
}

static enum od_status stop_in_the_middle(void *context, double fraction, const char *stage)
{
    (void)stage;
    *(double *)context = fraction;
    return fraction > 0.6 ? OD_STOPPED : OD_OK;
}

static void training_reports_and_stops_in_the_middle(void **state)
{
    (void)state;
    struct od_training *t = toy_random(300, 100, 10, 3);
    struct od_train_input input = input_of(t, 2);
    double reached = 0;
    input.progress = (struct od_progress){stop_in_the_middle, &reached};
    struct od_memory_model m;
    assert_int_equal(od_memory_model_fit(&od_recipe_sims, fit_all, &input, &m, NULL), OD_STOPPED);
    assert_true(reached > 0.6 && reached < 0.7);
    od_training_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(common_users_are_counted_once),
        cmocka_unit_test(the_discount_turns_counts_into_cosine_and_lift),
        cmocka_unit_test(pairs_below_the_minimum_are_dropped),
        cmocka_unit_test(only_the_best_neighbours_are_kept),
        cmocka_unit_test(percentiles_drop_long_histories_and_popular_items),
        cmocka_unit_test(nearness_and_order_weigh_what_users_say),
        cmocka_unit_test(percentiles_interpolate),
        cmocka_unit_test(random_histories_match_brute_force_dense_and_sparse),
        cmocka_unit_test(a_robot_pairs_its_newest_items_alone),
        cmocka_unit_test(threads_give_the_same_image),
        cmocka_unit_test(every_parameter_has_its_effect),
        cmocka_unit_test(serving_gives_neighbours_then_popular_items),
        cmocka_unit_test(contradicting_percentiles_are_refused),
        cmocka_unit_test(a_memory_cap_keeps_fewer_neighbours),
        cmocka_unit_test(wild_neighbours_are_corrupt),
        cmocka_unit_test(training_reports_and_stops_in_the_middle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
