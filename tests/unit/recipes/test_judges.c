/* Even choices, returns, and paired comparisons. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "recipes/judges.h"
#include "toy.h"

static void choices_are_even_and_in_order(void **state)
{
    (void)state;
    struct od_judge all[10], some[10];
    for (uint64_t j = 0; j < 10; j++)
        all[j] = (struct od_judge){j, j + 1};
    assert_int_equal(od_judges_even(all, 10, 20, some), 10);
    assert_int_equal(od_judges_even(all, 0, 20, some), 0);
    assert_int_equal(od_judges_even(all, 10, 5, some), 5);
    for (uint64_t k = 0; k < 5; k++)
        assert_int_equal(some[k].start, 2 * k + 1);
}

static void one_return_in_a_hundred_counts(void **state)
{
    (void)state;
    struct od_training_builder *b = od_training_builder_new(NULL);
    for (unsigned u = 0; u < 200; u++)
        for (unsigned k = 0; k < 3; k++)
            toy_add(b, u, u < 2 && k == 2 ? 0 : k, k); /* two of 200 come back to item 0 */
    struct od_training *t = toy_finish(b);
    struct od_judge judges[200];
    for (uint32_t u = 0; u < 200; u++)
        judges[u] = (struct od_judge){t->user_start[u], t->user_start[u] + 2};
    assert_true(od_judges_return(t, judges, 200));
    assert_false(od_judges_return(t, judges + 1, 199));
    od_training_free(t);
}

static void differences_are_paired(void **state)
{
    (void)state;
    const double now[] = {1, 9, 3, 9, 5, 9, 5, 9}, before[] = {0, 2, 2, 4};
    struct od_paired d = od_paired(now, 2, before, 4); /* 1, 1, 3, 1 */
    assert_true(fabs(d.mean - 1.5) < 1e-12);
    assert_true(fabs(d.error * d.error - .75 / 4) < 1e-12);
    assert_true(fabs(d.before - 2) < 1e-12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(choices_are_even_and_in_order),
        cmocka_unit_test(one_return_in_a_hundred_counts),
        cmocka_unit_test(differences_are_paired),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
