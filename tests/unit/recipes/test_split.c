/* Splits: who is held out, what is input, what training may see. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "recipes/split.h"
#include "toy.h"

static void a_tenth_of_the_users_is_held_out_whole(void **state)
{
    (void)state;
    struct od_training *t = toy_random(500, 60, 40, 1);
    struct od_split split;
    assert_int_equal(od_split_users(t, 7, &split, NULL), OD_OK);
    assert_int_equal(split.test_count, 50);
    assert_int_equal(split.skipped, 0);
    assert_int_equal(split.train->user_count, 450);
    for (uint32_t i = 0; i < split.test_count; i++) {
        struct od_str id = od_dict_text(t->users, split.test_user[i]);
        assert_int_equal(od_dict_find(split.train->users, id), OD_NO_CODE);
        uint64_t start = t->user_start[split.test_user[i]];
        uint64_t n = t->user_start[split.test_user[i] + 1] - start;
        assert_int_equal(split.input_end[i] - start, n * 9 / 10);
        assert_true(n <= split.most_events);
    }
    od_split_done(&split);
    od_training_free(t);
}

static void the_choice_depends_on_the_seed_alone(void **state)
{
    (void)state;
    struct od_training *t = toy_random(300, 40, 10, 2);
    struct od_split a, b, c;
    assert_int_equal(od_split_users(t, 7, &a, NULL), OD_OK);
    assert_int_equal(od_split_users(t, 7, &b, NULL), OD_OK);
    assert_int_equal(od_split_users(t, 8, &c, NULL), OD_OK);
    assert_true(a.train->hash == b.train->hash);
    assert_memory_equal(a.test_user, b.test_user, a.test_count * sizeof *a.test_user);
    assert_true(a.train->hash != c.train->hash);
    od_split_done(&a);
    od_split_done(&b);
    od_split_done(&c);
    od_training_free(t);
}

static void users_with_one_event_are_skipped(void **state)
{
    (void)state;
    struct od_training_builder *b = od_training_builder_new(NULL);
    for (unsigned u = 0; u < 40; u++)
        toy_add(b, u, u % 5, u);
    struct od_training *t = toy_finish(b);
    struct od_split split;
    assert_int_equal(od_split_users(t, 1, &split, NULL), OD_OK);
    assert_int_equal(split.test_count, 0);
    assert_int_equal(split.skipped, 4);
    assert_int_equal(split.train->user_count, 36);
    od_split_done(&split);
    od_training_free(t);
}

static void few_users_still_give_one_and_one_user_gives_none(void **state)
{
    (void)state;
    struct od_training *two = toy_random(2, 10, 3, 1), *one = toy_random(1, 10, 3, 1);
    struct od_split split;
    assert_int_equal(od_split_users(two, 1, &split, NULL), OD_OK);
    assert_int_equal(split.test_count, 1);
    assert_int_equal(split.train->user_count, 1);
    od_split_done(&split);
    assert_int_equal(od_split_users(one, 1, &split, NULL), OD_OK);
    assert_int_equal(split.test_count, 0);
    assert_int_equal(split.train->user_count, 1);
    od_split_done(&split);
    od_training_free(two);
    od_training_free(one);
}

static void a_query_does_not_know_the_target_and_its_time_unless_asked_to(void **state)
{
    (void)state;
    struct od_training_builder *b = od_training_builder_new(NULL);
    const unsigned seen[] = {1, 2, 3, 9, 4};
    for (unsigned k = 0; k < 5; k++)
        toy_add(b, 0, seen[k], 10 + k);
    toy_add(b, 1, 1, 5);
    toy_add(b, 1, 2, 6); /* two events: all trained on, not tested */
    struct od_training *t = toy_finish(b);
    struct od_split split;
    toy_leave_one_out(t, &split);
    assert_int_equal(od_dict_find(split.train->items, OD_STR("i00009")), OD_NO_CODE);
    struct od_past_event events[8];
    struct od_query query;
    assert_true(split.most_events <= 8);
    od_split_query(&split, split.item_map, 0, events, &query);
    assert_int_equal(query.event_count, 4);
    assert_int_equal(query.events[0].item, od_dict_find(split.train->items, OD_STR("i00001")));
    assert_int_equal(query.events[0].time, 10);
    assert_int_equal(query.events[3].item, OD_NO_CODE); /* only the left out events have it */
    assert_int_equal(query.item, OD_NO_CODE);
    assert_int_equal(query.now_s, 13); /* the last input's time, not the target's */
    split.clock = OD_CLOCK_TARGET;
    od_split_query(&split, split.item_map, 0, events, &query);
    assert_int_equal(query.now_s, 14);
    od_split_done(&split);
    od_training_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_tenth_of_the_users_is_held_out_whole),
        cmocka_unit_test(the_choice_depends_on_the_seed_alone),
        cmocka_unit_test(users_with_one_event_are_skipped),
        cmocka_unit_test(few_users_still_give_one_and_one_user_gives_none),
        cmocka_unit_test(a_query_does_not_know_the_target_and_its_time_unless_asked_to),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
