/* Actions: the second catalogue of a group, and GetActionRecommendations over it. */
#include "serve/fixture.inc"
#include "serve/actor.inc"
#include "serve/chunks.inc"

#include "base/limits.h"

static int setup_actions(void **state)
{
    setup(state);
    struct fixture *f = *state;
    first_unknown = ACTIONS - UNKNOWN;
    actor_notes = true;
    f->serve->find_recipe = find_actor;
    dataset(f, GROUP, OD_ACTIONS, ACTIONS_SCHEMA);
    dataset(f, GROUP, OD_ACTION_INTERACTIONS, ACTION_EVENTS_SCHEMA);
    action_campaign(f, CAMPAIGN);
    return 0;
}

static const char *answer(struct fixture *f, const struct od_recommend_query *query)
{
    if (od_serve_actions(f->serve, query, &f->arena, &f->answer, &f->err) != OD_OK)
        fail_msg("%s", f->err.message);
    return ids(f);
}

static void refuse_actions(struct fixture *f, const struct od_recommend_query *query,
                           const char *words)
{
    assert_int_equal(od_serve_actions(f->serve, query, &f->arena, &f->answer, &f->err),
                     OD_INVALID_INPUT);
    if (!strstr(f->err.message, words))
        fail_msg("\"%s\" lacks \"%s\"", f->err.message, words);
}

/* Actions the user has done something with. */
static const char *done_by(struct fixture *f, const char *user)
{
    struct od_recommend_query query = query_of(user, 100);
    add_filter(f, FILTER2, "INCLUDE ActionID WHERE Action_Interactions.EVENT_TYPE IN (\"*\")");
    query.filter_arn = FILTER2;
    return answer(f, &query);
}

/* ---- answers ---- */

static void actions_come_by_score_and_what_is_unknown_prints_0(void **state)
{
    struct fixture *f = *state;
    struct od_recommend_query query = query_of("u", -1);
    assert_string_equal(answer(f, &query), "a1 a2 a3 a4 a5"); /* five, and never a0 */
    const double printed[] = {0.5, 0.4, 0.3, 0, 0};
    for (size_t i = 0; i < 5; i++) {
        assert_true(f->answer.items[i].has_score);
        assert_true(f->answer.items[i].score == printed[i]);
    }
    query.num_results = 2;
    assert_string_equal(answer(f, &query), "a1 a2");
    query.num_results = 0;
    assert_string_equal(answer(f, &query), "");
    assert_int_equal(strncmp(f->answer.recommendation_id, "RID-", 4), 0);
}

static void each_answer_explores_with_a_seed_of_its_own(void **state)
{
    struct fixture *f = *state;
    struct od_recommend_query query = query_of("u", 1);
    answer(f, &query);
    uint64_t first = asked.seed;
    answer(f, &query);
    assert_true(first != 0 && asked.seed != 0 && first != asked.seed);
}

/* a1 and a2 have high draws, a3 to a5 lower probabilities. */
static void new_actions_take_a_share_of_the_places(void **state)
{
    struct fixture *f = *state;
    struct od_recommend_query query = query_of("u", 2);
    int explored = 0, first = 0;
    first_unknown = 1;
    for (int i = 0; i < 400; i++) {
        const char *got = answer(f, &query);
        bool has = strstr(got, "a1") != NULL;
        explored += has;
        first += strcmp(got, "a1 a3") == 0;
        assert_true(has || strcmp(got, "a3 a4") == 0);
        assert_null(strstr(got, "a2"));
    }
    assert_true(explored > 400 * 0.3 && explored < 400 * 0.5); /* 2 places, 0.2 each */
    assert_true(first > 400 * 0.1 && first < explored);
    query.num_results = 5;
    for (int i = 0; i < 50; i++) {
        const char *got = answer(f, &query);
        assert_int_equal(f->answer.count, 5); /* what is left comes after the known ones */
        assert_true(strcmp(got + strlen(got) - 2, "a2") == 0 ||
                    strcmp(got + strlen(got) - 2, "a5") == 0);
    }
    add_filter(f, FILTER, "INCLUDE ActionID WHERE Actions.ACTION_ID IN (\"a1\", \"a2\", \"a5\")");
    for (int a = 0; a < ACTIONS; a++) {
        char id[3] = {'a', (char)('0' + a), '\0'};
        put_action(f, id, 1, 0, 0);
    }
    query.filter_arn = FILTER;
    answer(f, &query);
    assert_int_equal(f->answer.count, 3);
}

static void the_model_hears_both_histories_and_the_record(void **state)
{
    struct fixture *f = *state;
    struct od_recommend_query query = query_of("u", 1);
    put_user(f, "u", 33);
    event(f, "u", NULL, "i2", "view", 20);
    event(f, "u", NULL, "a1", "view", 30); /* an item of that name, which the model has not */
    event(f, "u", NULL, "i0", "view", 10);
    act(f, "u", NULL, "a3", "Not Taken", 40);
    act(f, "u", NULL, "a2", "TAKEN", 30);
    act(f, "u", NULL, "i1", "Taken", 20);   /* an action of that name */
    act(f, "u", NULL, "a1", "Clicked", 50); /* imported so: no training looks at it */
    answer(f, &query);
    assert_int_equal(asked.event_count, 3);
    assert_true(asked.events[0].item == 0 && asked.events[1].item == 2);
    assert_true(asked.events[2].item == OD_NO_CODE && asked.events[2].time == 30);
    assert_int_equal(asked.action_event_count, 2);
    assert_true(asked.action_events[0].item == 2 && asked.action_events[0].type == OD_ACTION_TAKEN);
    assert_true(asked.action_events[1].item == 3 && asked.action_events[1].time == 40);
    assert_int_equal(asked.action_events[1].type, OD_ACTION_NOT_TAKEN);
    assert_string_equal(asked.user, "33");
    query.user = OD_STR("stranger");
    answer(f, &query);
    assert_true(asked.event_count == 0 && asked.action_event_count == 0);
}

static void sessions_find_their_user_through_either_kind_of_event(void **state)
{
    struct fixture *f = *state;
    struct od_recommend_query query = query_of("s2", 1);
    put_user(f, "u", 33);
    act(f, NULL, "s1", "a1", "Viewed", 10);
    assert_string_equal(done_by(f, "s1"), "a1");
    act(f, "u", "s1", "a2", "Viewed", 20);
    assert_string_equal(done_by(f, "u"), "a1 a2");
    event(f, "u", "s2", "i0", "view", 30);
    assert_string_equal(done_by(f, "s2"), "a1 a2");
    answer(f, &query);
    assert_string_equal(asked.user, "33");
    act(f, "u", "s3", "a3", "Viewed", 40);
    query.user = OD_STR("s3");
    answer(f, &query);
    assert_string_equal(asked.user, "33");
}

static void what_holds_of_an_action_is_what_the_table_says_now(void **state)
{
    struct fixture *f = *state;
    struct od_recommend_query query = query_of("u", 1);
    put_action(f, "a1", 7, NOW, 3);
    answer(f, &query);
    assert_true(asked.facts[1].known && asked.facts[1].expires_s == NOW);
    assert_true(asked.facts[1].value == 7 && asked.facts[1].repeat_days == 3);
    assert_false(asked.facts[2].known);
    put_action(f, "a1", 0, 0, 0);
    answer(f, &query);
    assert_true(asked.facts[1].known && asked.facts[1].expires_s == INT64_MAX);
    assert_true(asked.facts[1].value == 0 && asked.facts[1].repeat_days == 0);
    od_serve_dataset_remove(f->serve, GROUP, OD_ACTIONS);
    answer(f, &query);
    assert_false(asked.facts[1].known);
}

/* ---- filters ---- */

static void a_cached_filter_sees_the_next_put(void **state)
{
    struct fixture *f = *state;
    struct od_recommend_query query = query_of("u", 5);
    query.filter_arn = FILTER;
    add_filter(f, FILTER, "INCLUDE ActionID WHERE Actions.VALUE > 2");
    assert_string_equal(answer(f, &query), "");
    assert_true(f->answer.short_of_results);
    put_action(f, "a5", 3, 0, 0);
    assert_string_equal(answer(f, &query), "a5");
    assert_string_equal(answer(f, &query), "a5");
    struct od_campaign *campaign = campaign_of(f);
    assert_int_equal(campaign->keeps.hits, 1);
    od_campaign_unref(campaign);
    dataset(f, GROUP, OD_ACTIONS, ACTIONS_SCHEMA); /* another table with the same records */
    put_action(f, "a2", 9, 0, 0);
    assert_string_equal(answer(f, &query), "a2 a5");
}

static void a_filter_ends_with_its_dataset(void **state)
{
    struct fixture *f = *state;
    struct od_recommend_query query = query_of("u", 5);
    query.filter_arn = FILTER;
    add_filter(f, FILTER, "INCLUDE ActionID WHERE Action_Interactions.EVENT_TYPE IN (\"Taken\")");
    od_serve_dataset_remove(f->serve, GROUP, OD_ACTION_INTERACTIONS);
    refuse_actions(f, &query, "no Action_Interactions dataset");
}

/* ---- what is remembered ---- */

static void lists_shown_are_of_actions(void **state)
{
    struct fixture *f = *state;
    struct od_impression_list shown;
    struct od_recommend_query query = query_of("u", 2);
    event(f, "u", NULL, "i0", "view", 10); /* rows of items and actions differ */
    answer(f, &query);
    assert_int_equal(od_serve_impressions(f->serve, GROUP, od_str_c(f->answer.recommendation_id),
                                          &f->arena, &shown),
                     OD_OK);
    assert_true(shown.actions && shown.count == 2);
    assert_true(od_str_eq_c(shown.items[0], "a1") && od_str_eq_c(shown.items[1], "a2"));
    struct od_live_event live = event_of("u", NULL, "a2", "Viewed", 20);
    live.action = true;
    live.impression = shown.items;
    live.impression_count = shown.count;
    assert_int_equal(od_serve_event(f->serve, GROUP, &live), OD_OK);
    struct od_live *group = od_serve_live(f->serve, GROUP);
    uint32_t row = od_table_find(group->actions, OD_STR("a2"));
    assert_int_equal(group->action_activity->facts[row].chosen, 1);
    assert_int_equal(group->action_activity->impressions, 2);
    assert_int_equal(group->activity->impressions, 0);
    od_live_unref(group);
}

/* ---- requests ---- */

static void requests_are_checked(void **state)
{
    struct fixture *f = *state;
    struct od_recommend_query query = query_of("u", OD_MAX_RESULTS_ACTIONS + 1);
    refuse_actions(f, &query, "numResults must be at most 100.");
    query = query_of(NULL, 1);
    refuse_actions(f, &query, "userId is required");
    query = query_of("", 1);
    refuse_actions(f, &query, "userId");
    query = query_of("u", 1);
    add_filter(f, FILTER, "EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN (\"view\")");
    query.filter_arn = FILTER;
    refuse_actions(f, &query, "filter on ActionID");
    query.filter_arn = OD_STR_NONE;
    refuse(f, &query, OD_INVALID_INPUT, "PERSONALIZED_ACTIONS");
    query.input_list = &query.user;
    query.input_count = 1;
    assert_int_equal(od_serve_rank(f->serve, &query, &f->arena, &f->answer, &f->err),
                     OD_INVALID_INPUT);
    campaign(f, "aws-user-personalization", 40, 1, 1, 0);
    query = query_of("u", 1);
    refuse_actions(f, &query, "PERSONALIZED_ACTIONS");
}

static void an_image_of_items_is_no_campaign_of_actions(void **state)
{
    struct fixture *f = *state;
    f->serve->find_recipe = find_fake;
    struct od_dict *items = od_dict_new();
    float base = 0;
    uint32_t code;
    assert_int_equal(od_dict_add(items, OD_STR("a"), &code), OD_OK);
    write_image(f->image, "aws-next-best-action", items, &base, 1);
    od_dict_free(items);
    struct od_campaign_setup made = {
        .campaign_arn = CAMPAIGN, .group_arn = GROUP, .image_path = f->image};
    assert_int_equal(od_serve_campaign_set(f->serve, &made, &f->err), OD_CORRUPT);
}

/* ---- replacing ---- */

static struct od_reload *begin(struct fixture *f, enum od_dataset_type type)
{
    struct od_reload *reload = NULL;
    if (od_reload_begin(f->serve, GROUP, type, &reload, &f->err) != OD_OK)
        fail_msg("%s", f->err.message);
    return reload;
}

static void action_interactions_reload_beside_and_swap(void **state)
{
    struct fixture *f = *state;
    struct od_schema schema, others;
    act(f, "old", NULL, "a1", "Viewed", 5);
    event(f, "u", NULL, "i1", "view", 5);
    parse_schema(&f->arena, ACTION_EVENTS_SCHEMA, &schema);
    parse_schema(&f->arena, INTERACTIONS_SCHEMA, &others);
    const char *cells[] = {
        "u",  "a3", "Taken", "30", "a3|a2", "u",  "a1", "Viewed",
        "10", NULL, "w",     "a9", "Taken", "10", NULL, /* an action of no model */
    };
    const char *item_cells[] = {"u", "i2", "3", "view", NULL};
    struct od_chunk chunk = chunk_of(&f->arena, &schema, cells, 3);
    struct od_chunk wrong = chunk_of(&f->arena, &others, item_cells, 1);
    struct od_reload *reload = begin(f, OD_ACTION_INTERACTIONS);
    assert_int_equal(od_reload_chunk(reload, &others, &wrong), OD_CORRUPT);
    assert_int_equal(od_reload_chunk(reload, &schema, &chunk), OD_OK);
    assert_string_equal(done_by(f, "u"), "");
    assert_string_equal(done_by(f, "old"), "a1");
    struct od_live_event late = event_of("u", "s", "a5", "Viewed", 40);
    assert_int_equal(od_reload_event(reload, &late), OD_INVALID_INPUT); /* on an item */
    late.action = true;
    assert_int_equal(od_reload_event(reload, &late), OD_OK);
    assert_int_equal(od_reload_commit(reload, &f->err), OD_OK);
    assert_string_equal(done_by(f, "u"), "a1 a3 a5");
    assert_string_equal(done_by(f, "s"), "a1 a3 a5");
    assert_string_equal(done_by(f, "old"), "");
    struct od_recommend_query query = query_of("u", 1);
    answer(f, &query);
    assert_int_equal(asked.event_count, 1); /* the interactions are as they were */
}

static void actions_keep_their_rows_through_a_reload(void **state)
{
    struct fixture *f = *state;
    struct od_schema schema;
    struct od_recommend_query query = query_of("u", 5);
    query.filter_arn = FILTER;
    add_filter(f, FILTER, "INCLUDE ActionID WHERE Actions.VALUE = 1");
    put_action(f, "a4", 1, 0, 0);
    parse_schema(&f->arena, ACTIONS_SCHEMA, &schema);
    const char *cells[] = {"a3", "1", NULL, NULL, "loaded", "1", NULL, NULL};
    struct od_chunk chunk = chunk_of(&f->arena, &schema, cells, 2);
    struct od_reload *reload = begin(f, OD_ACTIONS);
    act(f, "u", NULL, "meanwhile", "Viewed", 2);
    assert_int_equal(od_reload_chunk(reload, &schema, &chunk), OD_OK);
    act(f, "u", NULL, "late", "Viewed", 3);
    struct od_value values[4] = {text_value("a5"), {.kind = OD_VALUE_INTEGER, .integer = 1}};
    assert_int_equal(od_reload_record(reload, values), OD_OK);
    values[0] = text_value("recorded");
    assert_int_equal(od_reload_record(reload, values), OD_OK);
    assert_string_equal(answer(f, &query), "a4");
    assert_int_equal(od_reload_commit(reload, &f->err), OD_OK);
    assert_string_equal(answer(f, &query), "a3 a5");
    assert_string_equal(done_by(f, "u"), "");
    act(f, "u", NULL, "a2", "Viewed", 4);
    assert_string_equal(done_by(f, "u"), "a2");
}

static void a_removed_dataset_takes_its_events_along(void **state)
{
    struct fixture *f = *state;
    struct od_serve_counts counts;
    act(f, "u", NULL, "a1", "Viewed", 1);
    event(f, "u", NULL, "i1", "view", 1);
    od_serve_counts(f->serve, &counts);
    assert_int_equal(counts.history_events, 2);
    od_serve_dataset_remove(f->serve, GROUP, OD_ACTION_INTERACTIONS);
    od_serve_counts(f->serve, &counts);
    assert_int_equal(counts.history_events, 1);
    struct od_value values[4] = {text_value("a1")};
    od_serve_dataset_remove(f->serve, GROUP, OD_ACTIONS);
    assert_int_equal(od_serve_record(f->serve, GROUP, OD_ACTIONS, values), OD_NOT_FOUND);
    assert_int_equal(od_serve_record(f->serve, GROUP, OD_ACTION_INTERACTIONS, values),
                     OD_INVALID_INPUT);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, setup_actions, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(actions_come_by_score_and_what_is_unknown_prints_0),
        CASE(each_answer_explores_with_a_seed_of_its_own),
        CASE(new_actions_take_a_share_of_the_places),
        CASE(the_model_hears_both_histories_and_the_record),
        CASE(sessions_find_their_user_through_either_kind_of_event),
        CASE(what_holds_of_an_action_is_what_the_table_says_now),
        CASE(a_cached_filter_sees_the_next_put),
        CASE(a_filter_ends_with_its_dataset),
        CASE(lists_shown_are_of_actions),
        CASE(requests_are_checked),
        CASE(an_image_of_items_is_no_campaign_of_actions),
        CASE(action_interactions_reload_beside_and_swap),
        CASE(actions_keep_their_rows_through_a_reload),
        CASE(a_removed_dataset_takes_its_events_along),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
