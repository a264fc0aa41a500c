/* Who judges a blend: held-out last events, and returns. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "recipes/blend_train.h"
#include "toy.h"

static void judges_hold_out_their_last_events(void **state)
{
    (void)state;
    struct od_training *t = toy_random(300, 40, 9, 5);
    uint64_t *end = malloc(t->user_count * sizeof *end);
    struct od_judge *judges = NULL;
    size_t count = 0, at = 0;
    for (uint32_t u = 0; u < t->user_count; u++)
        end[u] = u % 5 ? t->user_start[u + 1] : t->user_start[u]; /* every fifth is left out */
    assert_int_equal(od_blend_judges(t, end, &judges, &count, NULL), OD_OK);
    for (uint32_t u = 0; u < t->user_count; u++) {
        uint64_t n = t->user_start[u + 1] - t->user_start[u];
        bool judge = u % 5 && n >= 3;
        if (judge) {
            assert_int_equal(judges[at].start, t->user_start[u]);
            assert_int_equal(judges[at].end, t->user_start[u + 1] - 1);
            assert_int_equal(end[u], judges[at++].end);
        } else {
            assert_int_equal(end[u], u % 5 ? t->user_start[u + 1] : t->user_start[u]);
        }
    }
    assert_int_equal(at, count);
    free(judges);
    free(end);
    od_training_free(t);
}

/* Three visits of four events each, a day apart: every third judge is asked when the last visit
 * begins. */
static void some_judges_are_asked_when_somebody_returns(void **state)
{
    (void)state;
    enum { USERS = 3600, VISIT = 4, EVENTS = 3 * VISIT };
    struct od_training_builder *b = od_training_builder_new(NULL);
    for (unsigned u = 0; u < USERS; u++)
        for (unsigned k = 0; k < EVENTS; k++)
            toy_add(b, u, (u + k) % 50, 86400 * (int64_t)(k / VISIT) + 60 * k);
    struct od_training *t = toy_finish(b);
    uint64_t end[USERS];
    struct od_judge *judges = NULL;
    size_t count = 0, returns = 0;
    memcpy(end, t->user_start + 1, sizeof end);
    assert_int_equal(od_blend_judges(t, end, &judges, &count, NULL), OD_OK);
    assert_true(count > USERS / 2);
    for (size_t j = 0; j < count; j++) {
        uint64_t place = judges[j].end - judges[j].start;
        assert_true(place == EVENTS - 1 || place == EVENTS - VISIT);
        assert_int_equal(end[judges[j].start / EVENTS], judges[j].end);
        returns += place == EVENTS - VISIT;
    }
    assert_int_equal(returns, count / 3);
    /* every second judge, and every third, is asked about a return as often as the others */
    for (size_t step = 2; step <= 3; step++)
        for (size_t first = 0; first < step; first++) {
            size_t some = 0, all = 0;
            for (size_t j = first; j < count; j += step, all++)
                some += judges[j].end - judges[j].start == EVENTS - VISIT;
            assert_true(some * 4 > all && some * 5 < all * 2);
        }
    free(judges);
    od_training_free(t);
}

/* Four visits, the third after a long pause: every other judge who comes back is asked then. */
static void some_returns_are_those_after_the_longest_pause(void **state)
{
    (void)state;
    enum { USERS = 3600, VISIT = 4, EVENTS = 4 * VISIT };
    static const int64_t day[] = {0, 1, 31, 33};
    struct od_training_builder *b = od_training_builder_new(NULL);
    for (unsigned u = 0; u < USERS; u++)
        for (unsigned k = 0; k < EVENTS; k++)
            toy_add(b, u, (u + k) % 50, 86400 * day[k / VISIT] + 60 * k);
    struct od_training *t = toy_finish(b);
    uint64_t end[USERS];
    struct od_judge *judges = NULL;
    size_t count = 0, last = 0, longest = 0;
    memcpy(end, t->user_start + 1, sizeof end);
    assert_int_equal(od_blend_judges(t, end, &judges, &count, NULL), OD_OK);
    for (size_t j = 0; j < count; j++) {
        last += judges[j].end - judges[j].start == 3 * VISIT;
        longest += judges[j].end - judges[j].start == 2 * VISIT;
    }
    assert_true(count > USERS / 2 && last + longest == count / 3);
    assert_true(last == longest || last == longest + 1);
    free(judges);
    od_training_free(t);
}

static void no_pause_is_too_long(void **state)
{
    (void)state;
    enum { USERS = 400, EVENTS = 6 };
    struct od_training_builder *b = od_training_builder_new(NULL);
    for (unsigned u = 0; u < USERS; u++)
        for (unsigned k = 0; k < EVENTS; k++)
            toy_add(b, u, (u + k) % 50, (k < 4 ? -1 : 1) * (int64_t)9e18 + 60 * k);
    struct od_training *t = toy_finish(b);
    uint64_t end[USERS];
    struct od_judge *judges = NULL;
    size_t count = 0, returns = 0;
    assert_true(od_training_pause(t, 3) == 60 && od_training_pause(t, 4) == INT64_MAX);
    memcpy(end, t->user_start + 1, sizeof end);
    assert_int_equal(od_blend_judges(t, end, &judges, &count, NULL), OD_OK);
    for (size_t j = 0; j < count; j++)
        returns += judges[j].end - judges[j].start == 4;
    assert_true(returns > 0 && returns == count / 3);
    free(judges);
    od_training_free(t);
}

static void few_are_asked_about_many_items(void **state)
{
    (void)state;
    assert_int_equal(od_blend_asked(0, 4000), 4000);
    assert_int_equal(od_blend_asked(99999, 4000), 2500);
    assert_int_equal(od_blend_asked(199999, 4000), 1250);
    assert_int_equal(od_blend_asked(UINT32_MAX, 4000), 1000);
}

/* So many items that few users judge: others are asked when they come back, the third visit or the
 * one after the longest pause in turn. */
static void returns_of_others_are_asked_beside_few_judges(void **state)
{
    (void)state;
    enum { USERS = 12000, VISIT = 4, EVENTS = 4 * VISIT };
    static const int64_t day[] = {0, 1, 31, 33};
    struct od_training_builder *b = od_training_builder_new(NULL);
    for (unsigned u = 0; u < USERS; u++)
        for (unsigned k = 0; k < EVENTS; k++)
            toy_add(b, u, u * EVENTS + k, 86400 * day[k / VISIT] + 60 * k);
    struct od_training *t = toy_finish(b);
    uint64_t *end = malloc(USERS * sizeof *end), before[USERS];
    struct od_judge *judges = NULL, *returns = NULL;
    size_t judge_count = 0, count = 0, at = 0, last = 0, longest = 0;
    memcpy(end, t->user_start + 1, USERS * sizeof *end);
    assert_int_equal(od_blend_judges(t, end, &judges, &judge_count, NULL), OD_OK);
    assert_int_equal(judge_count, od_blend_asked(USERS * EVENTS, OD_JUDGES));
    memcpy(before, end, sizeof before);
    assert_int_equal(
        od_blend_judges_who_return(t, end, judges, judge_count, &returns, &count, NULL), OD_OK);
    assert_int_equal(count + judge_count / 3, od_blend_asked(USERS * EVENTS, OD_RETURNS));
    for (size_t u = 0; u < USERS; u++) {
        if (at == count || returns[at].start != t->user_start[u]) {
            assert_int_equal(end[u], before[u]);
            continue;
        }
        assert_int_equal(before[u], t->user_start[u + 1]); /* judged nothing */
        assert_int_equal(end[u], returns[at].end);
        last += returns[at].end - returns[at].start == 3 * VISIT;
        longest += returns[at++].end - t->user_start[u] == 2 * VISIT;
    }
    assert_int_equal(at, count);
    assert_int_equal(last + longest, count);
    assert_true(last == longest || last == longest + 1);
    free(judges);
    free(returns);
    free(end);
    od_training_free(t);
}

/* Where everybody who can judges already, or nobody comes back, nobody is asked beside them. */
static void nobody_else_is_asked_where_judges_are_many(void **state)
{
    (void)state;
    enum { USERS = 6000, EVENTS = 8 };
    for (int rest = 0; rest < 2; rest++) {
        const unsigned items = rest ? 50 : USERS * EVENTS, users = rest ? 300 : USERS;
        struct od_training_builder *b = od_training_builder_new(NULL);
        for (unsigned u = 0; u < users; u++)
            for (unsigned k = 0; k < EVENTS; k++)
                toy_add(b, u, (u * EVENTS + k) % items, (rest ? 86400 : 60) * (int64_t)k);
        struct od_training *t = toy_finish(b);
        uint64_t *end = malloc(users * sizeof *end);
        struct od_judge *judges = NULL, *returns = NULL;
        size_t judge_count = 0, count = 1;
        memcpy(end, t->user_start + 1, users * sizeof *end);
        assert_int_equal(od_blend_judges(t, end, &judges, &judge_count, NULL), OD_OK);
        assert_true(rest ? judge_count == users : judge_count < users);
        assert_int_equal(
            od_blend_judges_who_return(t, end, judges, judge_count, &returns, &count, NULL), OD_OK);
        assert_int_equal(count, 0);
        free(judges);
        free(returns);
        free(end);
        od_training_free(t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(judges_hold_out_their_last_events),
        cmocka_unit_test(some_judges_are_asked_when_somebody_returns),
        cmocka_unit_test(some_returns_are_those_after_the_longest_pause),
        cmocka_unit_test(no_pause_is_too_long),
        cmocka_unit_test(few_are_asked_about_many_items),
        cmocka_unit_test(returns_of_others_are_asked_beside_few_judges),
        cmocka_unit_test(nobody_else_is_asked_where_judges_are_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
