/* Histories: order, bounds, and which names are one person. The oracle is a plain list. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/limits.h"
#include "base/random.h"
#include "serve/history.h"

static uint32_t name_of(struct od_histories *histories, const char *id)
{
    uint32_t name;
    assert_int_equal(od_histories_name(histories, od_str_c(id), &name), OD_OK);
    return name;
}

static void add(struct od_histories *histories, const char *id, int64_t time, uint32_t item)
{
    struct od_history_event event = {.time = time, .item_row = item};
    assert_int_equal(od_histories_add(histories, name_of(histories, id), &event), OD_OK);
}

static void join(struct od_histories *histories, const char *user, const char *session)
{
    uint32_t u = name_of(histories, user), s = name_of(histories, session);
    assert_int_equal(od_histories_link(histories, u, s), OD_OK);
}

static void expect(struct od_histories *histories, const char *id, const uint32_t *items,
                   uint32_t count)
{
    struct od_history_event events[OD_HISTORY_EVENTS];
    uint32_t name = od_histories_find(histories, od_str_c(id));
    assert_int_not_equal(name, OD_NO_CODE);
    assert_int_equal(od_histories_length(histories, name), count);
    od_histories_copy(histories, name, count, events);
    for (uint32_t i = 0; i < count; i++)
        assert_int_equal(events[i].item_row, items[i]);
}
#define EXPECT(histories, id, ...)                                                                 \
    expect(histories, id, (const uint32_t[]){__VA_ARGS__},                                         \
           sizeof((const uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t))

static void events_stay_in_order_of_time_then_arrival(void **state)
{
    (void)state;
    struct od_histories *histories = od_histories_new();
    add(histories, "u", 30, 3);
    add(histories, "u", 10, 1);
    add(histories, "u", 20, 2);
    add(histories, "u", 20, 7);
    add(histories, "u", 10, 8);
    EXPECT(histories, "u", 1, 8, 2, 7, 3);
    assert_int_equal(od_histories_events(histories), 5);
    assert_int_equal(od_histories_find(histories, OD_STR("v")), OD_NO_CODE);
    od_histories_free(histories);
}

static void the_same_event_again_is_kept_once(void **state)
{
    (void)state;
    struct od_histories *histories = od_histories_new();
    struct od_history_event event = {
        .time = 20, .item_row = 2, .type = 1, .value = od_history_value(true, 9.99)};
    uint32_t u = name_of(histories, "u");
    add(histories, "u", 20, 2);
    add(histories, "u", 20, 3);
    add(histories, "u", 30, 2);
    add(histories, "u", 20, 2);
    EXPECT(histories, "u", 2, 3, 2);
    assert_int_equal(od_histories_add(histories, u, &event), OD_OK); /* another type and value */
    assert_int_equal(od_histories_add(histories, u, &event), OD_OK);
    EXPECT(histories, "u", 2, 3, 2, 2);
    event.value = od_history_value(true, 10);
    assert_int_equal(od_histories_add(histories, u, &event), OD_OK);
    EXPECT(histories, "u", 2, 3, 2, 2, 2);
    assert_int_equal(od_histories_events(histories), 5);

    add(histories, "s", 10, 1); /* a session told with and without its user */
    add(histories, "s", 20, 3);
    add(histories, "s", 30, 4);
    join(histories, "u", "s");
    EXPECT(histories, "u", 1, 2, 3, 2, 2, 2, 4);
    assert_int_equal(od_histories_events(histories), 7);

    for (uint32_t i = 0; i < OD_HISTORY_EVENTS; i++)
        add(histories, "full", 100 + i, i);
    add(histories, "full", 100 + OD_HISTORY_EVENTS - 1, OD_HISTORY_EVENTS - 1);
    uint32_t expected[OD_HISTORY_EVENTS]; /* the oldest made no room for it */
    for (uint32_t i = 0; i < OD_HISTORY_EVENTS; i++)
        expected[i] = i;
    expect(histories, "full", expected, OD_HISTORY_EVENTS);
    od_histories_free(histories);
}

/* What filters on bookings go by: they are not pushed out by looks. The oracle goes by the words of
 * history.h. */
static void the_newest_of_each_type_stay(void **state)
{
    (void)state;
    enum { N = 2000, HALF = OD_HISTORY_EVENTS / 2 };
    struct od_random rng;
    od_random_init(&rng, 11);
    for (uint32_t rare = 2; rare < 60; rare = rare * 3 + 1)
        for (uint32_t types = 2; types < 5; types++) {
            struct od_histories *histories = od_histories_new();
            uint16_t type[N];
            uint32_t name = name_of(histories, "u"), order[N];
            for (uint32_t i = 0; i < N; i++) {
                bool is_rare = od_random_below(&rng, rare) == 0;
                type[i] = (uint16_t)(is_rare ? 1 + od_random_below(&rng, types - 1) : 0);
                order[i] = i;
            }
            for (uint32_t i = N - 1; i > 0 && rare % 2; i--) {
                uint32_t j = (uint32_t)od_random_below(&rng, i + 1), swap = order[i];
                order[i] = order[j];
                order[j] = swap;
            }
            for (uint32_t i = 0; i < N; i++) {
                struct od_history_event e = {
                    .time = order[i], .item_row = order[i], .type = type[order[i]]};
                assert_int_equal(od_histories_add(histories, name, &e), OD_OK);
            }
            bool kept[N] = {false};
            uint32_t count[5] = {0}, held = 0, expected[OD_HISTORY_EVENTS];
            for (uint32_t i = N; i-- > 0 && held < OD_HISTORY_EVENTS;) {
                kept[i] = count[type[i]]++ < HALF;
                held += kept[i];
            }
            for (uint32_t i = N; i-- > 0 && held < OD_HISTORY_EVENTS;)
                if (!kept[i]) {
                    kept[i] = true;
                    held++;
                }
            for (uint32_t i = 0, at = 0; i < N; i++)
                if (kept[i])
                    expected[at++] = i;
            expect(histories, "u", expected, OD_HISTORY_EVENTS);
            od_histories_free(histories);
        }
}

/* Values that are one number for training are one here, and none is not 0. */
static void values_are_told_apart_as_in_training(void **state)
{
    (void)state;
    assert_int_equal(od_history_value(false, 3), 0);
    assert_int_equal(od_history_value(true, NAN), 0);
    assert_int_not_equal(od_history_value(true, 0), 0);
    assert_int_equal(od_history_value(true, -0.0), od_history_value(true, 0));
    assert_int_not_equal(od_history_value(true, 1), od_history_value(true, 2));
    assert_int_equal(od_history_value(true, 0.1), od_history_value(true, (double)0.1f));
    assert_int_equal(od_history_value(true, 1e300), od_history_value(true, (double)FLT_MAX));
    assert_int_not_equal(od_history_value(true, 1e300), od_history_value(true, -1e300));
}

static void a_ring_keeps_the_newest_in_any_order_of_arrival(void **state)
{
    (void)state;
    enum { N = 1000 };
    struct od_random rng;
    od_random_init(&rng, 5);
    for (int round = 0; round < 4; round++) {
        struct od_histories *histories = od_histories_new();
        uint32_t order[N], expected[OD_HISTORY_EVENTS];
        for (uint32_t i = 0; i < N; i++)
            order[i] = i;
        for (uint32_t i = N - 1; i > 0 && round > 1; i--) {
            uint32_t j = (uint32_t)od_random_below(&rng, i + 1), swap = order[i];
            order[i] = order[j];
            order[j] = swap;
        }
        for (uint32_t i = 0; i < N; i++)
            add(histories, "u", round == 1 ? N - order[i] : order[i],
                round == 1 ? N - order[i] : order[i]);
        for (uint32_t i = 0; i < OD_HISTORY_EVENTS; i++)
            expected[i] = N - OD_HISTORY_EVENTS + i + (round == 1);
        expect(histories, "u", expected, OD_HISTORY_EVENTS);
        assert_int_equal(od_histories_events(histories), OD_HISTORY_EVENTS);
        od_histories_free(histories);
    }
}

static void copying_fewer_gives_the_newest_oldest_first(void **state)
{
    (void)state;
    struct od_histories *histories = od_histories_new();
    struct od_history_event events[3];
    for (int i = 0; i < 250; i++)
        add(histories, "u", i, (uint32_t)i);
    od_histories_copy(histories, od_histories_find(histories, OD_STR("u")), 3, events);
    assert_int_equal(events[0].item_row, 247);
    assert_int_equal(events[2].item_row, 249);
    od_histories_free(histories);
}

static void a_session_joins_its_user_with_what_it_did(void **state)
{
    (void)state;
    struct od_histories *histories = od_histories_new();
    add(histories, "s", 10, 1);
    add(histories, "u", 15, 2);
    add(histories, "s", 20, 3);
    join(histories, "u", "s");
    EXPECT(histories, "u", 1, 2, 3);
    EXPECT(histories, "s", 1, 2, 3);
    add(histories, "s", 25, 4);
    EXPECT(histories, "u", 1, 2, 3, 4);
    assert_int_equal(od_histories_owner(histories, name_of(histories, "s")),
                     name_of(histories, "u"));
    assert_int_equal(od_histories_owner(histories, name_of(histories, "u")),
                     name_of(histories, "u"));
    od_histories_free(histories);
}

static void equal_times_put_the_user_before_the_session(void **state)
{
    (void)state;
    for (int user_first = 0; user_first < 2; user_first++) {
        struct od_histories *histories = od_histories_new();
        add(histories, user_first ? "u" : "s", 10, user_first ? 1 : 2);
        add(histories, user_first ? "s" : "u", 10, user_first ? 2 : 1);
        join(histories, "u", "s");
        EXPECT(histories, "u", 1, 2);
        od_histories_free(histories);
    }
}

static void an_empty_session_or_user_can_be_joined(void **state)
{
    (void)state;
    struct od_histories *histories = od_histories_new();
    join(histories, "u", "s");
    add(histories, "s", 1, 1);
    EXPECT(histories, "u", 1);
    add(histories, "t", 2, 2);
    join(histories, "v", "t");
    EXPECT(histories, "v", 2);
    od_histories_free(histories);
}

static void many_sessions_join_one_user(void **state)
{
    (void)state;
    struct od_histories *histories = od_histories_new();
    char session[16];
    for (int i = 0; i < 50; i++) {
        snprintf(session, sizeof session, "s%d", i);
        for (int j = 0; j < 10; j++)
            add(histories, session, i * 10 + j, (uint32_t)(i * 10 + j));
        join(histories, "u", session);
    }
    uint32_t expected[OD_HISTORY_EVENTS];
    for (uint32_t i = 0; i < OD_HISTORY_EVENTS; i++)
        expected[i] = 300 + i;
    expect(histories, "u", expected, OD_HISTORY_EVENTS);
    expect(histories, "s7", expected, OD_HISTORY_EVENTS);
    assert_int_equal(od_histories_events(histories), OD_HISTORY_EVENTS);
    od_histories_free(histories);
}

static void a_session_that_changes_hands_leaves_its_past_behind(void **state)
{
    (void)state;
    struct od_histories *histories = od_histories_new();
    add(histories, "s", 1, 1);
    join(histories, "u", "s");
    join(histories, "v", "s");
    add(histories, "s", 2, 2);
    EXPECT(histories, "u", 1);
    EXPECT(histories, "v", 2);
    EXPECT(histories, "s", 2);
    od_histories_free(histories);
}

static void joining_in_circles_and_twice_changes_nothing(void **state)
{
    (void)state;
    struct od_histories *histories = od_histories_new();
    add(histories, "a", 1, 1);
    add(histories, "b", 2, 2);
    add(histories, "c", 3, 3);
    join(histories, "a", "a");
    join(histories, "a", "b");
    join(histories, "a", "b");
    join(histories, "b", "a");
    join(histories, "b", "c");
    join(histories, "c", "a");
    EXPECT(histories, "a", 1, 2, 3);
    EXPECT(histories, "b", 1, 2, 3);
    EXPECT(histories, "c", 1, 2, 3);
    od_histories_free(histories);
}

/* A chain of a hundred thousand names, each a session of the next: were trees not balanced, the
 * loop below would take minutes. */
static void long_chains_stay_shallow(void **state)
{
    (void)state;
    enum { N = 100000 };
    struct od_histories *histories = od_histories_new();
    char user[24], session[16];
    add(histories, "n0", 1, 42);
    for (int i = 1; i < N; i++) {
        snprintf(session, sizeof session, "n%d", i - 1);
        snprintf(user, sizeof user, "n%d", i);
        join(histories, user, session);
    }
    for (int i = 0; i < N; i++) {
        snprintf(user, sizeof user, "n%d", i);
        assert_int_equal(od_histories_length(histories, name_of(histories, user)), 1);
    }
    assert_int_equal(od_histories_events(histories), 1);
    od_histories_free(histories);
}

static void memory_is_counted(void **state)
{
    (void)state;
    struct od_histories *histories = od_histories_new();
    char user[24];
    for (int i = 0; i < 1000; i++) {
        snprintf(user, sizeof user, "user-%d", i);
        for (int j = 0; j < 24; j++)
            add(histories, user, j, 0);
    }
    uint64_t bytes = od_histories_bytes(histories);
    assert_int_equal(od_histories_count(histories), 1000);
    assert_int_equal(od_histories_events(histories), 24000);
    assert_true(bytes >= 1000 * (32 * 16 + 24));
    assert_true(bytes <= 1000 * (32 * 16 + 24 + 200));
    od_histories_free(histories);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_stay_in_order_of_time_then_arrival),
        cmocka_unit_test(the_same_event_again_is_kept_once),
        cmocka_unit_test(the_newest_of_each_type_stay),
        cmocka_unit_test(values_are_told_apart_as_in_training),
        cmocka_unit_test(a_ring_keeps_the_newest_in_any_order_of_arrival),
        cmocka_unit_test(copying_fewer_gives_the_newest_oldest_first),
        cmocka_unit_test(a_session_joins_its_user_with_what_it_did),
        cmocka_unit_test(equal_times_put_the_user_before_the_session),
        cmocka_unit_test(an_empty_session_or_user_can_be_joined),
        cmocka_unit_test(many_sessions_join_one_user),
        cmocka_unit_test(a_session_that_changes_hands_leaves_its_past_behind),
        cmocka_unit_test(joining_in_circles_and_twice_changes_nothing),
        cmocka_unit_test(long_chains_stay_shallow),
        cmocka_unit_test(memory_is_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
