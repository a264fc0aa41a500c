/* Decayed pairs by hand, against brute force, and for any threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>

#include "recipes/pairs.h"
#include "toy.h"

static struct od_pairs count(const struct od_training *t, const uint64_t *end,
                             struct od_pairs_rule rule, unsigned threads)
{
    struct od_pairs p;
    assert_int_equal(od_pairs_count(t, end, &rule, threads, &p, NULL), OD_OK);
    return p;
}

static float weight(const struct od_pairs *p, uint32_t i, uint32_t j)
{
    for (uint64_t k = p->at[i]; k < p->at[i + 1]; k++)
        if (p->item[k] == j)
            return p->weight[k];
    return 0;
}

static void order_and_distance_weigh(void **state)
{
    (void)state;
    struct od_training_builder *b = od_training_builder_new(NULL);
    const unsigned items[] = {0, 1, 2, 0};
    for (unsigned k = 0; k < 4; k++)
        toy_add(b, 0, items[k], k);
    toy_add(b, 1, 1, 0); /* another user: no pair across */
    struct od_training *t = toy_finish(b);
    struct od_pairs_rule rule = {.decay = 0.5f, .back = 0.25f, .window = 2, .neighbours = 9};
    struct od_pairs p = count(t, NULL, rule, 1);
    /* 0 is followed by 1 and, one later, 2; it is preceded by 2, and by 1 one earlier */
    assert_true(weight(&p, 0, 1) == 1 + 0.25f * 0.5f);
    assert_true(weight(&p, 0, 2) == 0.5f + 0.25f);
    assert_true(weight(&p, 2, 0) == 1 + 0.25f * 0.5f);
    assert_true(weight(&p, 0, 0) == 0);
    assert_true(p.total[0] == 1.875f);
    assert_int_equal(p.item[p.at[0]], 1); /* best first */
    od_pairs_done(&p);
    rule.back = 0;
    rule.window = 1;
    p = count(t, NULL, rule, 1);
    assert_true(weight(&p, 0, 1) == 1 && weight(&p, 0, 2) == 0);
    od_pairs_done(&p);
    uint64_t end[] = {t->user_start[0] + 2, t->user_start[1]};
    p = count(t, end, rule, 1);
    assert_true(weight(&p, 0, 1) == 1 && p.at[3] == 1);
    od_pairs_done(&p);
    od_training_free(t);
}

static void the_discounted_best_are_kept_and_the_sum_is_of_all(void **state)
{
    (void)state;
    struct od_training_builder *b = od_training_builder_new(NULL);
    for (unsigned u = 0; u < 9; u++) { /* 0 is followed by 1 nine times, by 2 three times */
        toy_add(b, u, 0, 1);
        toy_add(b, u, 1, 2);
        if (u < 3)
            toy_add(b, u, 2, 2);
    }
    struct od_training *t = toy_finish(b);
    struct od_pairs_rule rule = {.decay = 1, .back = 0, .window = 2, .neighbours = 1};
    struct od_pairs p = count(t, NULL, rule, 1);
    assert_true(p.at[1] == 1 && p.item[0] == 1 && p.total[0] == 12);
    od_pairs_done(&p);
    rule.discount = 1; /* both lifts are 1: the first touched stays */
    p = count(t, NULL, rule, 1);
    assert_true(p.weight[0] == 9);
    od_pairs_done(&p);
    rule.discount = 1.5f;
    p = count(t, NULL, rule, 1);
    assert_true(p.item[0] == 2 && p.weight[0] == 3);
    od_pairs_done(&p);
    od_training_free(t);
}

static void equal_to_brute_force_for_any_threads(void **state)
{
    (void)state;
    struct od_training *t = toy_random(300, 70, 30, 4);
    struct od_pairs_rule rule = {
        .decay = 0.8f, .back = 0.5f, .window = 5, .discount = 0.3f, .neighbours = 100};
    struct od_pairs one = count(t, NULL, rule, 1), two = count(t, NULL, rule, 2);
    double *brute = calloc((size_t)t->item_count * t->item_count, sizeof *brute);
    for (uint32_t u = 0; u < t->user_count; u++)
        for (uint64_t a = t->user_start[u]; a < t->user_start[u + 1]; a++)
            for (uint64_t c = a + 1; c < t->user_start[u + 1] && c <= a + 5; c++)
                if (t->item[a] != t->item[c]) {
                    double w = pow(0.8, (double)(c - a - 1));
                    brute[t->item[a] * t->item_count + t->item[c]] += w;
                    brute[t->item[c] * t->item_count + t->item[a]] += 0.5 * w;
                }
    for (uint32_t i = 0; i < t->item_count; i++)
        for (uint32_t j = 0; j < t->item_count; j++)
            assert_true(fabs(weight(&one, i, j) - brute[i * t->item_count + j]) < 1e-4);
    free(brute);
    uint64_t pairs = one.at[t->item_count];
    assert_memory_equal(one.at, two.at, (t->item_count + 1) * sizeof *one.at);
    assert_memory_equal(one.item, two.item, pairs * sizeof *one.item);
    assert_memory_equal(one.weight, two.weight, pairs * sizeof *one.weight);
    assert_memory_equal(one.total, two.total, t->item_count * sizeof *one.total);
    od_pairs_done(&one);
    od_pairs_done(&two);
    od_training_free(t);
}

static void no_event_gives_no_pair(void **state)
{
    (void)state;
    struct od_training *t = toy_finish(od_training_builder_new(NULL));
    struct od_pairs_rule rule = {.decay = 1, .back = 1, .window = 5, .neighbours = 3};
    struct od_pairs p = count(t, NULL, rule, 2);
    assert_int_equal(p.at[0], 0);
    od_pairs_done(&p);
    od_training_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(order_and_distance_weigh),
        cmocka_unit_test(the_discounted_best_are_kept_and_the_sum_is_of_all),
        cmocka_unit_test(equal_to_brute_force_for_any_threads),
        cmocka_unit_test(no_event_gives_no_pair),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
