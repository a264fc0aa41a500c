/* Data without an order: how it is told, and what is done with it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "recipes/unordered.h"
#include "toy.h"

enum { USERS = 60, EVENTS = 8, ITEMS = 1500 };

static struct od_training *pairs(bool sorted, bool numbers)
{
    struct od_training_builder *b = od_training_builder_new(NULL);
    struct od_random rng;
    od_random_init(&rng, 4);
    for (unsigned u = 0; u < USERS; u++) {
        unsigned item = (unsigned)od_random_below(&rng, 90);
        for (unsigned k = 0; k < EVENTS; k++) {
            char user[16], name[16];
            item = sorted ? item + 1 + (unsigned)od_random_below(&rng, 150)
                          : (unsigned)od_random_below(&rng, ITEMS);
            snprintf(user, sizeof user, "u%05u", u);
            snprintf(name, sizeof name, numbers ? "%u" : "i%05u", item);
            assert_int_equal(od_training_add_event(b, od_str_c(user), od_str_c(name), OD_STR_NONE,
                                                   1000, true, (float)item),
                             OD_OK);
        }
    }
    return toy_finish(b);
}

/* Lessons in the order of their numbers, each user's at times of their own. */
static struct od_training *lessons(void)
{
    struct od_training_builder *b = od_training_builder_new(NULL);
    struct od_random rng;
    od_random_init(&rng, 5);
    for (unsigned u = 0; u < USERS; u++) {
        unsigned time = (unsigned)od_random_below(&rng, 1000000);
        for (unsigned k = 0; k < EVENTS; k++)
            toy_add(b, u, k, time += 60 + (unsigned)od_random_below(&rng, 100000));
    }
    return toy_finish(b);
}

static void sorted_items_are_no_order(void **state)
{
    (void)state;
    for (int numbers = 0; numbers < 2; numbers++)
        for (int sorted = 0; sorted < 2; sorted++) {
            struct od_training *t = pairs(sorted, numbers);
            assert_true(od_unordered(t) == sorted);
            od_training_free(t);
        }
    struct od_training *course = lessons();
    assert_false(od_unordered(course)); /* taken one after another, as their times tell */
    od_training_free(course);
    struct od_training *few = toy_random(3, 40, 4, 1);
    assert_false(od_unordered(few));
    od_training_free(few);
}

static int by_item(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static void shuffling_keeps_who_had_what(void **state)
{
    (void)state;
    struct od_training *t = pairs(true, true);
    struct od_shuffled s, again;
    assert_int_equal(od_shuffled_init(&s, t, 7), OD_OK);
    assert_int_equal(od_shuffled_init(&again, t, 7), OD_OK);
    assert_memory_equal(s.item, again.item, t->event_count * sizeof *s.item);
    assert_true(s.training.dealt && od_unordered(&s.training));
    struct od_training *part;
    uint64_t *keep = malloc(t->user_count * sizeof *keep);
    assert_non_null(keep);
    for (uint32_t u = 0; u < t->user_count; u++)
        keep[u] = EVENTS - 1;
    assert_int_equal(od_training_subset(&s.training, keep, &part, NULL, NULL), OD_OK);
    assert_true(part->dealt); /* and is not dealt again */
    s.training.dealt = false;
    assert_false(od_unordered(&s.training));
    od_training_free(part);
    free(keep);
    assert_true(s.training.time == t->time && s.training.hash == t->hash);
    unsigned first = 0;
    for (uint32_t u = 0; u < t->user_count; u++) {
        uint32_t before[EVENTS], after[EVENTS];
        memcpy(before, t->item + t->user_start[u], sizeof before);
        memcpy(after, s.training.item + t->user_start[u], sizeof after);
        first += before[0] == after[0];
        for (uint64_t e = t->user_start[u]; e < t->user_start[u + 1]; e++) {
            double name;
            assert_true(od_str_to_double(od_dict_text(t->items, s.training.item[e]), &name));
            assert_float_equal(s.training.value[e], (float)name, 0); /* values go with items */
        }
        qsort(before, EVENTS, sizeof *before, by_item);
        qsort(after, EVENTS, sizeof *after, by_item);
        assert_memory_equal(before, after, sizeof before);
    }
    assert_true(first < USERS / 2);
    od_shuffled_done(&s);
    od_shuffled_done(&again);
    od_training_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sorted_items_are_no_order),
        cmocka_unit_test(shuffling_keeps_who_had_what),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
