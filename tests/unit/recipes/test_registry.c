/* The registry: every recipe trained here has its specification, and says the same as it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "recipes/registry.h"

static void every_recipe_is_found_and_agrees_with_its_specification(void **state)
{
    (void)state;
    size_t count = 0;
    for (const struct od_recipe *r; (r = od_recipe_at(count)); count++) {
        const struct od_recipe_spec *spec = od_recipe_spec_find(od_str_c(r->name));
        assert_non_null(spec);
        assert_ptr_equal(od_recipe_find(od_str_c(r->name)), r);
        bool segments = spec->type == OD_USER_SEGMENTATION;
        /* actions are scored by probabilities, which need no softmax */
        assert_int_equal(r->temperature != NULL,
                         spec->has_scores && spec->type != OD_PERSONALIZED_ACTIONS);
        assert_non_null(r->train);
        assert_non_null(r->open);
        assert_non_null(r->close);
        assert_non_null(r->items);
        assert_int_equal(r->score != NULL, !segments);
        assert_int_equal(r->segment && r->users, segments);
    }
    assert_true(count >= 7);
}

static size_t trained_params(const struct od_recipe_spec *spec)
{
    size_t count = 0;
    for (size_t i = 0; i < spec->param_count; i++)
        count += spec->params[i].place != OD_PARAM_CAMPAIGN;
    return count;
}

/* The code of a base looks its parameters up by name, in the use case's own specification. */
static void use_cases_are_trained_by_their_base_with_its_parameters(void **state)
{
    (void)state;
    size_t count = 0;
    for (size_t i = 0; od_recipe_spec_at(i); i++) {
        const struct od_recipe_spec *spec = od_recipe_spec_at(i);
        if (!spec->domain)
            continue;
        const struct od_recipe_spec *base = od_recipe_spec_find(od_str_c(spec->base));
        assert_non_null(base);
        assert_null(base->domain);
        assert_ptr_equal(od_recipe_find(od_str_c(spec->name)),
                         od_recipe_find(od_str_c(spec->base)));
        assert_true(trained_params(spec) >= trained_params(base));
        for (size_t p = 0; p < base->param_count; p++)
            if (base->params[p].place != OD_PARAM_CAMPAIGN)
                assert_int_not_equal(od_recipe_param_find(spec, base->params[p].place,
                                                          od_str_c(base->params[p].name)),
                                     SIZE_MAX);
        for (size_t p = 0; p < spec->param_count; p++)
            assert_false(spec->params[p].tunable);
        assert_false(spec->has_scores || spec->supports_hpo);
        count++;
    }
    assert_int_equal(count, 10);
}

static void recipes_without_code_are_not_found(void **state)
{
    (void)state;
    assert_null(od_recipe_find(OD_STR("aws-sims ")));
    assert_null(od_recipe_find(OD_STR("")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_recipe_is_found_and_agrees_with_its_specification),
        cmocka_unit_test(use_cases_are_trained_by_their_base_with_its_parameters),
        cmocka_unit_test(recipes_without_code_are_not_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
