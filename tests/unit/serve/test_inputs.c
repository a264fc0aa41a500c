/* What a model hears of a query: event types in its own codes, context, the user's record. */
#include "serve/fixture.inc"

static void events_carry_the_types_of_training(void **state)
{
    struct fixture *f = *state;
    f->types = "Book,view";
    campaign(f, "aws-user-personalization-v2", 20, 1, 1, 0);
    event(f, "u", NULL, "i001", "VIEW", NOW); /* the group's spelling of view from now on */
    event(f, "u", NULL, "i002", "Book", NOW + 1);
    event(f, "u", NULL, "i003", "click", NOW + 2);
    event(f, "u", NULL, "i004", "", NOW + 3);
    event(f, "u", NULL, "i005", "view", NOW + 4);
    struct od_recommend_query query = query_of("u", 3);
    recommend(f, &query);
    assert_int_equal(heard.events, 5);
    const uint16_t want[] = {2, 1, OD_NO_TYPE, 0, 2};
    assert_memory_equal(heard.types, want, sizeof want);
}

static void events_of_types_not_trained_on_are_not_heard(void **state)
{
    struct fixture *f = *state;
    f->types = "book,view|book";
    campaign(f, "aws-user-personalization-v2", 20, 1, 1, 0);
    event(f, "u", NULL, "i001", "view", NOW);
    event(f, "u", NULL, "i002", "book", NOW + 1);
    event(f, "u", NULL, "i003", "click", NOW + 2);
    event(f, "u", NULL, "i003", "", NOW + 3);
    struct od_recommend_query query = query_of("u", 3);
    recommend(f, &query);
    assert_int_equal(heard.events, 1);
    assert_int_equal(heard.types[0], 1);
}

static const char WITH_DEVICE[] =
    "{\"type\":\"record\",\"name\":\"Interactions\",\"namespace\":\"x\",\"version\":\"1.0\","
    "\"fields\":[{\"name\":\"USER_ID\",\"type\":\"string\"},"
    "{\"name\":\"ITEM_ID\",\"type\":\"string\"},{\"name\":\"TIMESTAMP\",\"type\":\"long\"},"
    "{\"name\":\"DEVICE_KIND\",\"type\":[\"null\",\"string\"]}]}";

static void context_and_record_reach_the_model(void **state)
{
    struct fixture *f = *state;
    f->types = "view";
    dataset(f, GROUP, OD_INTERACTIONS, WITH_DEVICE);
    campaign(f, "aws-user-personalization", 20, 1, 1, 0);
    put_user(f, "u", 41);
    const struct od_name_value context[] = {{OD_STR("WEATHER"), OD_STR("rain")},
                                            {OD_STR("DEVICE_KIND"), OD_STR("phone")}};
    struct od_recommend_query query = query_of("u", 3);
    query.context = context;
    query.context_count = 2;
    recommend(f, &query);
    assert_int_equal(heard.context, 1); /* WEATHER is no column of Interactions */
    assert_string_equal(heard.first_context, "DEVICE_KIND=phone");
    assert_int_equal(heard.user, 1);
    assert_string_equal(heard.first_user, "AGE=41");
    query = query_of("stranger", 3);
    recommend(f, &query);
    assert_int_equal(heard.context, 0);
    assert_int_equal(heard.user, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(events_carry_the_types_of_training, setup, teardown),
        cmocka_unit_test_setup_teardown(events_of_types_not_trained_on_are_not_heard, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(context_and_record_reach_the_model, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
