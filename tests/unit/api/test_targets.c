/* Where Put* calls go: found by HTTP threads while the store thread changes them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "api/targets.h"
#include "base/limits.h"

#define GROUP OD_STR("arn:group")

static const struct od_str schema = OD_STR(
    "{\"type\":\"record\",\"name\":\"Users\",\"namespace\":\"n\",\"version\":\"1.0\",\"fields\":["
    "{\"name\":\"USER_ID\",\"type\":\"string\"},"
    "{\"name\":\"TIER\",\"type\":[\"null\",\"string\"],\"categorical\":true}]}");

static enum od_status put(struct od_targets *targets, const char *name, const char *dataset,
                          struct od_str schema_text)
{
    struct od_error err;
    return od_targets_put(targets, od_str_c(name), od_str_c(dataset), GROUP, OD_USERS, schema_text,
                          OD_DOMAIN_NONE, &err);
}

static void target_is_found_by_its_whole_name_with_its_schema(void **state)
{
    (void)state;
    struct od_targets *targets = od_targets_new();
    assert_int_equal(put(targets, "one", "d1", schema), OD_OK);
    assert_int_equal(put(targets, "onetwo", "d2", schema), OD_OK);
    struct od_target *found = od_targets_find(targets, OD_STR("one"));
    assert_non_null(found);
    assert_true(od_str_eq_c(found->dataset, "d1"));
    assert_int_equal(found->schema.field_count, 2);
    assert_null(od_targets_find(targets, OD_STR("on")));
    od_target_unref(found);
    od_targets_free(targets);
}

static void tracker_of_a_group_without_dataset_has_a_target_without_one(void **state)
{
    (void)state;
    struct od_targets *targets = od_targets_new();
    assert_int_equal(put(targets, "t", NULL, OD_STR_NONE), OD_OK);
    struct od_target *found = od_targets_find(targets, OD_STR("t"));
    assert_null(found->dataset.ptr);
    assert_int_equal(found->schema.field_count, 0);
    od_target_unref(found);
    od_targets_free(targets);
}

static void
replaced_target_is_gone_for_those_who_hold_it_and_its_name_finds_the_new_one(void **state)
{
    (void)state;
    struct od_targets *targets = od_targets_new();
    assert_int_equal(put(targets, "t", "old", schema), OD_OK);
    struct od_target *held = od_targets_find(targets, OD_STR("t"));
    assert_int_equal(put(targets, "t", "new", schema), OD_OK);
    assert_true(atomic_load(&held->gone));
    assert_true(od_str_eq_c(held->dataset, "old")); /* still whole */
    struct od_target *found = od_targets_find(targets, OD_STR("t"));
    assert_false(atomic_load(&found->gone));
    assert_true(od_str_eq_c(found->dataset, "new"));
    od_target_unref(held);
    od_target_unref(found);
    od_targets_free(targets);
}

static void schema_that_does_not_parse_leaves_the_target_as_it_was(void **state)
{
    (void)state;
    struct od_targets *targets = od_targets_new();
    assert_int_equal(put(targets, "t", "old", schema), OD_OK);
    assert_int_equal(put(targets, "t", "new", OD_STR("{")), OD_INVALID_INPUT);
    struct od_target *found = od_targets_find(targets, OD_STR("t"));
    assert_true(od_str_eq_c(found->dataset, "old"));
    assert_false(atomic_load(&found->gone));
    od_target_unref(found);
    od_targets_free(targets);
}

static void counts_of_events_go_on_with_a_replaced_target_and_go_with_a_removed_one(void **state)
{
    (void)state;
    struct od_targets *targets = od_targets_new();
    struct od_buf text;
    struct od_error err;
    od_buf_init(&text, 1u << 20);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(od_targets_put(targets, OD_STR("t\"1"), OD_STR_NONE, GROUP,
                                        OD_INTERACTIONS, OD_STR_NONE, OD_DOMAIN_NONE, &err),
                         OD_OK);
        struct od_target *found = od_targets_find(targets, OD_STR("t\"1"));
        od_target_count(found, OD_EVENT_ACCEPTED, 3);
        od_target_count(found, OD_EVENT_THROTTLED, 1);
        od_target_unref(found);
    }
    assert_int_equal(put(targets, "users", "d", schema), OD_OK); /* takes no events */
    od_targets_count_unknown(targets, 4);
    od_targets_write(targets, &text);
    od_buf_put(&text, "", 1);
    assert_non_null(strstr(text.ptr, "ondol_events_accepted_total{tracker=\"t\\\"1\","
                                     "dataset_group=\"arn:group\"} 6\n"));
    assert_non_null(strstr(text.ptr, "reason=\"throttled\"} 2\n"));
    assert_non_null(strstr(text.ptr, "reason=\"unknown_tracker\"} 4\n"));
    assert_null(strstr(text.ptr, "users"));
    od_targets_remove(targets, OD_STR("t\"1"));
    od_buf_clear(&text);
    od_targets_write(targets, &text);
    od_buf_put(&text, "", 1);
    assert_null(strstr(text.ptr, "arn:group"));
    od_buf_done(&text);
    od_targets_free(targets);
}

static void lines_of_many_trackers_are_bounded_and_their_sum_is_right(void **state)
{
    (void)state;
    struct od_targets *targets = od_targets_new();
    struct od_error err;
    struct od_buf text;
    od_buf_init(&text, 16u << 20);
    for (unsigned i = 0; i < OD_MAX_METRIC_SERIES + 5; i++) {
        char name[16];
        snprintf(name, sizeof name, "t%u", i);
        assert_int_equal(od_targets_put(targets, od_str_c(name), OD_STR_NONE, GROUP,
                                        OD_INTERACTIONS, OD_STR_NONE, OD_DOMAIN_NONE, &err),
                         OD_OK);
        struct od_target *found = od_targets_find(targets, od_str_c(name));
        od_target_count(found, OD_EVENT_ACCEPTED, 2);
        od_target_unref(found);
    }
    od_targets_write(targets, &text);
    od_buf_put(&text, "", 1);
    unsigned lines = 0;
    for (const char *at = text.ptr; (at = strstr(at, "ondol_events_accepted_total{")); at++)
        lines++;
    assert_int_equal(lines, OD_MAX_METRIC_SERIES + 1);
    assert_non_null(strstr(text.ptr, "ondol_events_accepted_total{tracker=\"other\","
                                     "dataset_group=\"other\"} 10\n"));
    od_buf_done(&text);
    od_targets_free(targets);
}

static void removed_target_is_found_no_more_but_lives_while_held(void **state)
{
    (void)state;
    struct od_targets *targets = od_targets_new();
    assert_int_equal(put(targets, "t", "d", schema), OD_OK);
    struct od_target *held = od_targets_find(targets, OD_STR("t"));
    od_targets_remove(targets, OD_STR("t"));
    od_targets_remove(targets, OD_STR("t")); /* twice is nothing */
    assert_null(od_targets_find(targets, OD_STR("t")));
    assert_true(atomic_load(&held->gone));
    assert_true(od_str_eq_c(held->name, "t"));
    od_target_unref(held);
    od_targets_free(targets);
}

struct finder {
    struct od_targets *targets;
    atomic_bool stop;
    atomic_uint lost;
};

static void *find_all_the_time(void *arg)
{
    struct finder *f = arg;
    while (!atomic_load(&f->stop)) {
        struct od_target *found = od_targets_find(f->targets, OD_STR("t"));
        if (!found || found->schema.field_count != 2)
            atomic_fetch_add(&f->lost, 1);
        od_target_unref(found);
    }
    return NULL;
}

static void name_is_known_at_every_moment_of_a_replacement(void **state)
{
    (void)state;
    struct finder f = {.targets = od_targets_new()};
    pthread_t threads[2];
    assert_int_equal(put(f.targets, "t", "d", schema), OD_OK);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, find_all_the_time, &f), 0);
    for (int i = 0; i < 500; i++)
        assert_int_equal(put(f.targets, "t", "d", schema), OD_OK);
    atomic_store(&f.stop, true);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(atomic_load(&f.lost), 0);
    od_targets_free(f.targets);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(target_is_found_by_its_whole_name_with_its_schema),
        cmocka_unit_test(tracker_of_a_group_without_dataset_has_a_target_without_one),
        cmocka_unit_test(
            replaced_target_is_gone_for_those_who_hold_it_and_its_name_finds_the_new_one),
        cmocka_unit_test(schema_that_does_not_parse_leaves_the_target_as_it_was),
        cmocka_unit_test(counts_of_events_go_on_with_a_replaced_target_and_go_with_a_removed_one),
        cmocka_unit_test(lines_of_many_trackers_are_bounded_and_their_sum_is_right),
        cmocka_unit_test(removed_target_is_found_no_more_but_lives_while_held),
        cmocka_unit_test(name_is_known_at_every_moment_of_a_replacement),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
