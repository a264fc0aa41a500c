/* Campaigns that nobody asks sleep, and nobody notices. */
#include "serve/fixture.inc"

#include <pthread.h>

#include "base/limits.h"

#define HOUR_NS (3600 * 1000000000LL)

static uint64_t asleep(struct fixture *f)
{
    struct od_serve_counts counts;
    od_serve_counts(f->serve, &counts);
    assert_int_equal(counts.campaigns, 1);
    return counts.asleep;
}

static void a_campaign_that_sleeps_answers_as_before(void **state)
{
    struct fixture *f = *state;
    campaign(f, "aws-user-personalization", 40, 0.125F, 1, 0);
    event(f, "u", NULL, "i007", "view", NOW);
    struct od_recommend_query query = query_of("u", 6);
    recommend(f, &query);
    assert_string_equal(ids(f), "i003 i007 i000 i001 i002 i011");
    double score = f->answer.items[0].score;
    od_serve_rest(f->serve, HOUR_NS); /* it was asked within the hour */
    assert_int_equal(asleep(f), 0);
    for (int i = 0; i < 3; i++) {
        od_serve_rest(f->serve, 0);
        assert_int_equal(asleep(f), 1);
        recommend(f, &query);
        assert_string_equal(ids(f), "i003 i007 i000 i001 i002 i011");
        assert_true(f->answer.items[0].score == score);
        assert_int_equal(asleep(f), 0);
    }
}

static void it_hears_what_happened_while_it_slept(void **state)
{
    struct fixture *f = *state;
    campaign(f, "aws-user-personalization", 40, 0.125F, 1, 0);
    od_serve_rest(f->serve, 0);
    event(f, "u", NULL, "i007", "view", NOW);
    put_item(f, "new", "g", 1, NOW, NULL);
    struct od_recommend_query query = query_of("u", 6);
    recommend(f, &query);
    assert_string_equal(ids(f), "i003 i007 i000 i001 i002 i011");
}

static void settings_are_kept(void **state)
{
    struct fixture *f = *state;
    campaign(f, "aws-user-personalization", 40, 0.125F, 1, 0.5);
    struct od_campaign *before = campaign_of(f);
    od_serve_rest(f->serve, 0);
    struct od_campaign *after = campaign_of(f);
    assert_ptr_not_equal(before, after);
    assert_true(before->explore_share == after->explore_share && after->explore_share > 0);
    assert_true(before->explore_cutoff_s == after->explore_cutoff_s);
    assert_true(before->metadata == after->metadata);
    assert_true(od_str_eq(before->arn, after->arn));
    od_campaign_unref(before); /* it had been in use all the while */
    od_campaign_unref(after);
}

static void one_that_cannot_be_opened_again_says_why(void **state)
{
    struct fixture *f = *state;
    campaign(f, "aws-user-personalization", 40, 0.125F, 1, 0);
    od_serve_rest(f->serve, 0);
    char moved[80];
    snprintf(moved, sizeof moved, "%s-moved", f->image);
    assert_int_equal(rename(f->image, moved), 0);
    struct od_recommend_query query = query_of("u", 6);
    assert_int_equal(od_serve_recommend(f->serve, &query, &f->arena, &f->answer, &f->err), OD_IO);
    assert_non_null(strstr(f->err.message, f->image));
    assert_int_equal(asleep(f), 1);
    assert_int_equal(rename(moved, f->image), 0);
    recommend(f, &query);
    assert_int_equal(asleep(f), 0);
}

static void an_update_or_its_end_may_meet_it_asleep(void **state)
{
    struct fixture *f = *state;
    campaign(f, "aws-user-personalization", 40, 0.125F, 1, 0);
    od_serve_rest(f->serve, 0);
    campaign(f, "aws-user-personalization", 8, 0.125F, 1, 0);
    assert_int_equal(asleep(f), 0);
    struct od_recommend_query query = query_of("nobody", 40);
    recommend(f, &query);
    assert_int_equal(f->answer.count, 8);
    od_serve_rest(f->serve, 0);
    od_serve_campaign_remove(f->serve, CAMPAIGN);
    assert_int_equal(od_serve_recommend(f->serve, &query, &f->arena, &f->answer, &f->err),
                     OD_NOT_FOUND);
}

static void one_that_takes_long_to_open_stays_and_answers_as_before(void **state)
{
    struct fixture *f = *state;
    campaign(f, "aws-user-personalization", 40, 0.125F, 1, 0);
    struct od_campaign *before = campaign_of(f);
    assert_true(before->wake_ns > 0 && before->wake_ns < OD_MAX_WAKE_NS);
    before->wake_ns = OD_MAX_WAKE_NS + 1;
    struct od_recommend_query query = query_of("nobody", 3);
    for (int i = 0; i < 3; i++) {
        recommend(f, &query);
        assert_string_equal(ids(f), "i000 i001 i002");
        od_serve_rest(f->serve, 0);
        od_serve_rest(f->serve, 0);
        assert_int_equal(asleep(f), 0);
    }
    struct od_campaign *after = campaign_of(f);
    assert_ptr_equal(before, after);
    od_campaign_unref(before);
    od_campaign_unref(after);
}

struct waker {
    struct fixture *f;
    pthread_t thread;
    struct od_campaign *campaign;
};

static void *wake(void *context)
{
    struct waker *waker = context;
    struct od_error err;
    if (od_serve_campaign(waker->f->serve, CAMPAIGN, &waker->campaign, &err) != OD_OK)
        waker->campaign = NULL;
    return NULL;
}

static void many_who_want_it_at_once_open_it_once(void **state)
{
    struct fixture *f = *state;
    struct waker wakers[8];
    campaign(f, "aws-user-personalization", 2000, 0.125F, 1, 0);
    for (int round = 0; round < 10; round++) {
        od_serve_rest(f->serve, 0);
        for (int i = 0; i < 8; i++) {
            wakers[i] = (struct waker){.f = f};
            assert_int_equal(pthread_create(&wakers[i].thread, NULL, wake, &wakers[i]), 0);
        }
        for (int i = 0; i < 8; i++)
            pthread_join(wakers[i].thread, NULL);
        for (int i = 0; i < 8; i++) {
            assert_non_null(wakers[i].campaign);
            assert_ptr_equal(wakers[i].campaign, wakers[0].campaign);
        }
        for (int i = 0; i < 8; i++)
            od_campaign_unref(wakers[i].campaign);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_campaign_that_sleeps_answers_as_before, setup, teardown),
        cmocka_unit_test_setup_teardown(it_hears_what_happened_while_it_slept, setup, teardown),
        cmocka_unit_test_setup_teardown(settings_are_kept, setup, teardown),
        cmocka_unit_test_setup_teardown(one_that_cannot_be_opened_again_says_why, setup, teardown),
        cmocka_unit_test_setup_teardown(an_update_or_its_end_may_meet_it_asleep, setup, teardown),
        cmocka_unit_test_setup_teardown(one_that_takes_long_to_open_stays_and_answers_as_before,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(many_who_want_it_at_once_open_it_once, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
