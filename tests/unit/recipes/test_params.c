/* Recipe specs and hyperparameters: what is accepted, what is refused and with which words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>

#include "recipes/recipe.h"

#define MOST 16

static const struct od_recipe_spec *spec_of(const char *name)
{
    const struct od_recipe_spec *spec = od_recipe_spec_find(od_str_c(name));
    assert_non_null(spec);
    assert_true(spec->param_count <= MOST);
    return spec;
}

static void specs_are_listed_by_name_and_found(void **state)
{
    (void)state;
    size_t count = 0, custom = 0, legacy = 0;
    for (const struct od_recipe_spec *s; (s = od_recipe_spec_at(count)); count++) {
        if (count)
            assert_true(strcmp(od_recipe_spec_at(count - 1)->name, s->name) < 0);
        assert_ptr_equal(od_recipe_spec_find(od_str_c(s->name)), s);
        assert_ptr_equal(od_recipe_spec_by_algorithm(od_str_c(s->algorithm)), s);
        assert_int_equal(s->created_s % 86400, 0);
        assert_true(s->created_s > 1500000000);
        assert_true(strlen(s->description) > 20);
        if (s->feature_transformation)
            assert_non_null(od_feature_spec_find(od_str_c(s->feature_transformation)));
        custom += s->domain == NULL && !s->extension;
        legacy += s->legacy;
    }
    assert_int_equal(count, 26);
    assert_int_equal(custom, 15);
    assert_int_equal(legacy, 3);
    assert_null(od_recipe_spec_find(OD_STR("aws-sim")));
    assert_null(od_recipe_spec_by_algorithm(OD_STR("aws-trending-now")));
    assert_string_equal(od_recipe_spec_by_algorithm(OD_STR("aws-trending-now-custom"))->name,
                        "aws-trending-now");
}

static void feature_transformations_have_their_defaults(void **state)
{
    (void)state;
    const struct od_feature_spec *f = od_feature_spec_find(OD_STR("sims"));
    assert_non_null(f);
    assert_int_equal(f->default_count, 4);
    assert_string_equal(f->defaults[0].name, "min_user_history_length_percentile");
    assert_string_equal(f->defaults[0].value, "0.005");
    assert_non_null(od_feature_spec_find(OD_STR("JSON-percentile-filtering")));
    assert_int_equal(od_feature_spec_find(OD_STR("item-affinity"))->default_count, 0);
    assert_null(od_feature_spec_find(OD_STR("Sims")));
}

static void defaults_are_those_of_the_specification(void **state)
{
    (void)state;
    struct od_param_value values[MOST];
    const struct od_recipe_spec *sims = spec_of("aws-sims");
    assert_int_equal(od_recipe_params_default(sims, values), OD_OK);
    assert_true(od_recipe_param(sims, values, "popularity_discount_factor")->number == 0.5);
    assert_true(od_recipe_param(sims, values, "min_cointeraction_count")->number == 3);
    assert_true(od_recipe_param(sims, values, "max_item_interaction_count_percentile")->number ==
                0.9);
    const struct od_recipe_spec *up = spec_of("aws-user-personalization");
    assert_int_equal(od_recipe_params_default(up, values), OD_OK);
    assert_true(od_recipe_param(up, values, "hidden_dimension")->number == 149);
    assert_true(od_recipe_param(up, values, "recency_mask")->number == 1);
    assert_true(od_recipe_param(up, values, "explorationItemAgeCutOff")->number == 30);
}

static void names_may_carry_prefixes_or_be_the_alias(void **state)
{
    (void)state;
    struct od_param_value values[MOST];
    const struct od_recipe_spec *up = spec_of("aws-user-personalization");
    assert_int_equal(od_recipe_params_default(up, values), OD_OK);
    assert_int_equal(od_recipe_params_set(up, OD_PARAM_ALGORITHM, OD_STR("training.bptt"),
                                          OD_STR("17"), values, NULL),
                     OD_OK);
    assert_true(od_recipe_param(up, values, "bptt")->number == 17);
    assert_int_equal(od_recipe_params_set(up, OD_PARAM_ALGORITHM, OD_STR("data.recency_mask"),
                                          OD_STR("fAlse"), values, NULL),
                     OD_OK);
    assert_true(od_recipe_param(up, values, "recency_mask")->number == 0);
    assert_int_equal(od_recipe_params_set(up, OD_PARAM_CAMPAIGN, OD_STR("exploration_weight"),
                                          OD_STR("1"), values, NULL),
                     OD_OK);
    assert_true(od_recipe_param(up, values, "explorationWeight")->number == 1);
    assert_int_equal(od_recipe_params_set(up, OD_PARAM_FEATURIZATION, OD_STR("bptt"), OD_STR("17"),
                                          values, NULL),
                     OD_INVALID_INPUT);
}

static void refused(const char *recipe, enum od_param_place place, const char *name,
                    const char *value, const char *message)
{
    struct od_param_value values[MOST];
    struct od_error err = {0};
    const struct od_recipe_spec *spec = spec_of(recipe);
    assert_int_equal(od_recipe_params_default(spec, values), OD_OK);
    assert_int_equal(
        od_recipe_params_set(spec, place, od_str_c(name), od_str_c(value), values, &err),
        OD_INVALID_INPUT);
    assert_string_equal(err.message, message);
}

static void bad_values_are_refused_with_their_range(void **state)
{
    (void)state;
    refused("aws-user-personalization", OD_PARAM_ALGORITHM, "bptt", "33",
            "Invalid value 33 for hyperparameter bptt; expected an integer in [2, 32].");
    refused("aws-user-personalization", OD_PARAM_ALGORITHM, "bptt", "3.5",
            "Invalid value 3.5 for hyperparameter bptt; expected an integer in [2, 32].");
    refused("aws-user-personalization", OD_PARAM_ALGORITHM, "bptt", "",
            "Invalid value  for hyperparameter bptt; expected an integer in [2, 32].");
    refused("aws-sims", OD_PARAM_ALGORITHM, "popularity_discount_factor", "nan",
            "Invalid value nan for hyperparameter popularity_discount_factor; expected a number in "
            "[0, 1].");
    refused("aws-user-personalization", OD_PARAM_CAMPAIGN, "explorationItemAgeCutOff", "0",
            "Invalid value 0 for hyperparameter explorationItemAgeCutOff; expected a number "
            "greater than 0.");
    refused("aws-hrnn-coldstart", OD_PARAM_FEATURIZATION, "cold_start_max_interactions", "0",
            "Invalid value 0 for hyperparameter cold_start_max_interactions; expected an integer "
            "of at least 1.");
    refused("aws-user-personalization", OD_PARAM_ALGORITHM, "recency_mask", "yes",
            "Invalid value yes for hyperparameter recency_mask; expected true or false.");
    refused("aws-hrnn-coldstart", OD_PARAM_FEATURIZATION, "cold_start_relative_from", "now",
            "Invalid value now for hyperparameter cold_start_relative_from; expected one of "
            "latestItem, currentTime.");
}

static void unknown_names_are_refused_with_the_known_ones(void **state)
{
    (void)state;
    refused("aws-sims", OD_PARAM_ALGORITHM, "bptt", "5",
            "Invalid value 5 for hyperparameter bptt; expected one of the names "
            "popularity_discount_factor, min_cointeraction_count.");
    refused("aws-popularity-count", OD_PARAM_ALGORITHM, "bptt", "5",
            "Invalid value 5 for hyperparameter bptt; expected none of this kind for recipe "
            "aws-popularity-count.");
    refused("aws-similar-items", OD_PARAM_ALGORITHM, "item_id_hidden_dim", "50",
            "Invalid value 50 for hyperparameter item_id_hidden_dim; expected a range in "
            "hpoConfig, its value cannot be fixed.");
}

static void long_values_are_cut_between_characters(void **state)
{
    (void)state;
    char value[400];
    value[0] = 'x';
    for (size_t i = 1; i + 3 < sizeof value; i += 3)
        memcpy(value + i, "\xEC\xA0\x9C", 3);
    struct od_param_value out;
    struct od_error err = {0};
    const struct od_recipe_spec *spec = spec_of("aws-sims");
    assert_int_equal(
        od_recipe_param_parse(&spec->params[0], (struct od_str){value, 397}, &out, &err),
        OD_INVALID_INPUT);
    struct od_str message = od_str_c(err.message);
    assert_true(message.len < 300);
    assert_int_equal(od_utf8_check(message), message.len);
    assert_non_null(strstr(err.message, "expected a number in [0, 1]."));
}

static void a_minimum_above_its_maximum_is_refused(void **state)
{
    (void)state;
    struct od_param_value values[MOST];
    struct od_error err = {0};
    const struct od_recipe_spec *spec = spec_of("aws-sims");
    assert_int_equal(od_recipe_params_default(spec, values), OD_OK);
    assert_int_equal(od_recipe_params_check(spec, values, &err), OD_OK);
    assert_int_equal(od_recipe_params_set(spec, OD_PARAM_FEATURIZATION,
                                          OD_STR("min_item_interaction_count_percentile"),
                                          OD_STR("0.95"), values, &err),
                     OD_OK);
    assert_int_equal(od_recipe_params_check(spec, values, &err), OD_INVALID_INPUT);
    assert_string_equal(err.message, "Invalid value 0.95 for hyperparameter "
                                     "min_item_interaction_count_percentile; expected at most "
                                     "max_item_interaction_count_percentile, which is 0.9.");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(specs_are_listed_by_name_and_found),
        cmocka_unit_test(feature_transformations_have_their_defaults),
        cmocka_unit_test(defaults_are_those_of_the_specification),
        cmocka_unit_test(names_may_carry_prefixes_or_be_the_alias),
        cmocka_unit_test(bad_values_are_refused_with_their_range),
        cmocka_unit_test(unknown_names_are_refused_with_the_known_ones),
        cmocka_unit_test(long_values_are_cut_between_characters),
        cmocka_unit_test(a_minimum_above_its_maximum_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
