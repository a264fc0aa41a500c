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

static void recipes_without_code_are_not_found(void **state)
{
    (void)state;
    assert_non_null(od_recipe_spec_find(OD_STR("aws-vod-top-picks")));
    assert_null(od_recipe_find(OD_STR("aws-vod-top-picks")));
    assert_null(od_recipe_find(OD_STR("aws-sims ")));
    assert_null(od_recipe_find(OD_STR("")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_recipe_is_found_and_agrees_with_its_specification),
        cmocka_unit_test(recipes_without_code_are_not_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
