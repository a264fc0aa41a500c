/* The group in memory: sessions and users, replacing bulk data while events arrive, changing
 * schemas. Seen through queries wherever a query can see it. */
#include "serve/fixture.inc"
#include "serve/chunks.inc"

/* Items the user has seen, by an INCLUDE filter on its events, in item order. */
static const char *seen_by(struct fixture *f, const char *user)
{
    struct od_recommend_query query = query_of(user, 40);
    add_filter(f, FILTER2, "INCLUDE ItemID WHERE Interactions.EVENT_TYPE IN (\"*\")");
    query.filter_arn = FILTER2;
    recommend(f, &query);
    return ids(f);
}

static void popular(struct fixture *f)
{
    campaign(f, "aws-popularity-count", 40, 1, 1, 0);
}

static void sessions_join_users_in_every_order(void **state)
{
    struct fixture *f = *state;
    popular(f);
    event(f, NULL, "s1", "i001", "view", 10);
    assert_string_equal(seen_by(f, "s1"), "i001");
    event(f, "u", NULL, "i002", "view", 20);
    event(f, "u", "s1", "i003", "login", 30);
    assert_string_equal(seen_by(f, "u"), "i001 i002 i003");
    event(f, NULL, "s1", "i004", "view", 40);
    assert_string_equal(seen_by(f, "u"), "i001 i002 i003 i004");
    assert_string_equal(seen_by(f, "s1"), "i001 i002 i003 i004");
    event(f, "v", "s2", "i005", "login", 50); /* joined before it did anything */
    event(f, NULL, "s2", "i006", "view", 60);
    assert_string_equal(seen_by(f, "v"), "i005 i006");
    event(f, "v", "s1", "i007", "login", 70); /* a shared computer */
    event(f, NULL, "s1", "i008", "view", 80);
    assert_string_equal(seen_by(f, "u"), "i001 i002 i003 i004");
    assert_string_equal(seen_by(f, "v"), "i005 i006 i007 i008");
    assert_string_equal(seen_by(f, "stranger"), "");
}

static void a_session_is_no_user_of_its_id(void **state)
{
    struct fixture *f = *state;
    popular(f);
    event(f, "1", NULL, "i001", "view", 10); /* user 1 */
    event(f, "7", "1", "i002", "view", 20);  /* and a session that is called 1 */
    event(f, "9", "1", "i003", "view", 30);
    event(f, NULL, "1", "i004", "view", 40);
    assert_string_equal(seen_by(f, "7"), "i002");
    assert_string_equal(seen_by(f, "9"), "i003 i004");
    assert_string_equal(seen_by(f, "1"), "i001");
    event(f, NULL, "2", "i005", "view", 50); /* what a session does is heard by its id */
    assert_string_equal(seen_by(f, "2"), "i005");
    event(f, "2", NULL, "i006", "view", 60); /* until there is a user of that id */
    assert_string_equal(seen_by(f, "2"), "i006");
    event(f, "8", "2", "i007", "view", 70);
    assert_string_equal(seen_by(f, "8"), "i005 i007");
    assert_string_equal(seen_by(f, "2"), "i006");
}

static void events_without_a_name_or_item_or_group_are_refused(void **state)
{
    struct fixture *f = *state;
    struct od_live_event live = event_of(NULL, NULL, "i001", "view", 1);
    assert_int_equal(od_serve_event(f->serve, GROUP, &live), OD_INVALID_INPUT);
    live = event_of("u", NULL, NULL, "view", 1);
    assert_int_equal(od_serve_event(f->serve, GROUP, &live), OD_INVALID_INPUT);
    live = event_of("u", NULL, "i001", NULL, 1);
    assert_int_equal(od_serve_event(f->serve, GROUP, &live), OD_OK);
    assert_int_equal(od_serve_event(f->serve, OTHER, &live), OD_NOT_FOUND);
    struct od_value values[2] = {text_value("u"), {.kind = OD_VALUE_NULL}};
    assert_int_equal(od_serve_record(f->serve, OTHER, OD_USERS, values), OD_NOT_FOUND);
    od_serve_dataset_remove(f->serve, GROUP, OD_USERS);
    assert_int_equal(od_serve_record(f->serve, GROUP, OD_USERS, values), OD_NOT_FOUND);
    assert_int_equal(od_serve_record(f->serve, GROUP, OD_INTERACTIONS, values), OD_INVALID_INPUT);
}

static void counts_tell_what_is_held(void **state)
{
    struct fixture *f = *state;
    struct od_serve_counts counts;
    popular(f);
    event(f, "u", "s", "i001", "view", 10);
    event(f, "v", NULL, "new", "view", 10);
    od_serve_counts(f->serve, &counts);
    assert_int_equal(counts.groups, 1);
    assert_int_equal(counts.campaigns, 1);
    assert_int_equal(counts.filters, 0);
    assert_int_equal(counts.users, 3);
    assert_int_equal(counts.items, 41);
    assert_int_equal(counts.history_events, 2);
    assert_true(counts.history_bytes > 0);
}

static struct od_reload *begin(struct fixture *f, enum od_dataset_type type)
{
    struct od_reload *reload = NULL;
    if (od_reload_begin(f->serve, GROUP, type, &reload, &f->err) != OD_OK)
        fail_msg("%s", f->err.message);
    return reload;
}

static void interactions_reload_beside_and_swap(void **state)
{
    struct fixture *f = *state;
    struct od_schema schema;
    popular(f);
    event(f, "old", NULL, "i030", "view", 5);
    parse_schema(&f->arena, INTERACTIONS_SCHEMA, &schema);
    const char *cells[] = {
        "u", "i003",    "30", "view", NULL,         /* not in order of time */
        "u", "i001",    "10", NULL,   NULL,         /* no type */
        "w", "unknown", "10", "buy",  "i001|i002|", /* an item of no model, impressions */
        "u", "i002",    "20", "VIEW", "i001",
    };
    struct od_chunk chunk = chunk_of(&f->arena, &schema, cells, 4);
    struct od_reload *reload = begin(f, OD_INTERACTIONS);
    assert_int_equal(od_reload_chunk(reload, &schema, &chunk), OD_OK);
    assert_string_equal(seen_by(f, "u"), "");
    assert_string_equal(seen_by(f, "old"), "i030");
    struct od_live_event late = event_of("u", "s", "i009", "view", 40);
    assert_int_equal(od_serve_event(f->serve, GROUP, &late), OD_OK);
    assert_int_equal(od_reload_event(reload, &late), OD_OK);
    assert_int_equal(od_reload_commit(reload, &f->err), OD_OK);
    assert_string_equal(seen_by(f, "u"), "i001 i002 i003 i009");
    assert_string_equal(seen_by(f, "s"), "i001 i002 i003 i009");
    assert_string_equal(seen_by(f, "old"), "");
    struct od_live *live = od_serve_live(f->serve, GROUP);
    uint32_t first = od_table_find(live->items, OD_STR("i001"));
    assert_int_equal(live->activity->facts[first].impressions, 2);
    assert_int_equal(live->activity->facts[first].interactions, 1);
    assert_int_equal(live->activity->latest_time, 40);
    od_live_unref(live);
}

/* Whoever puts events and imports the log of them at night. */
static void what_was_put_and_imported_is_there_once(void **state)
{
    static const char with_value[] =
        "{\"type\":\"record\",\"name\":\"Interactions\",\"namespace\":\"x\",\"version\":\"1.0\","
        "\"fields\":[{\"name\":\"USER_ID\",\"type\":\"string\"},"
        "{\"name\":\"ITEM_ID\",\"type\":\"string\"},{\"name\":\"TIMESTAMP\",\"type\":\"long\"},"
        "{\"name\":\"EVENT_TYPE\",\"type\":\"string\"},"
        "{\"name\":\"EVENT_VALUE\",\"type\":[\"null\",\"float\"]}]}";
    struct fixture *f = *state;
    struct od_schema schema;
    parse_schema(&f->arena, with_value, &schema);
    const char *cells[] = {"u", "i001", "10", "view", "9.9", "u", "i001", "10", "view", NULL,
                           "u", "i001", "10", "view", "9.9", "u", "i001", "10", "buy",  "9.9"};
    struct od_chunk chunk = chunk_of(&f->arena, &schema, cells, 4);
    struct od_reload *reload = begin(f, OD_INTERACTIONS);
    assert_int_equal(od_reload_chunk(reload, &schema, &chunk), OD_OK);
    struct od_live_event put = event_of("u", NULL, "i001", "view", 10), other = put;
    put.has_value = other.has_value = true;
    put.value = 9.9;
    other.value = 9.8;
    assert_int_equal(od_reload_event(reload, &put), OD_OK);
    assert_int_equal(od_reload_event(reload, &other), OD_OK);
    assert_int_equal(od_reload_commit(reload, &f->err), OD_OK);
    struct od_serve_counts counts;
    od_serve_counts(f->serve, &counts);
    assert_int_equal(counts.history_events, 4);
    event(f, "u", NULL, "i001", "view", 10); /* without a value, as one of the file */
    od_serve_counts(f->serve, &counts);
    assert_int_equal(counts.history_events, 4);
}

static void items_keep_their_rows_through_a_reload(void **state)
{
    struct fixture *f = *state;
    struct od_schema schema;
    popular(f);
    add_filter(f, FILTER, "INCLUDE ItemID WHERE Items.GENRE IN (\"new\")");
    put_item(f, "i004", "new", 1, 0, NULL);
    event(f, "u", NULL, "before", "view", 1);
    parse_schema(&f->arena, ITEMS_SCHEMA, &schema);
    struct od_reload *reload = begin(f, OD_ITEMS);
    const char *cells[] = {
        "loaded", "new", NULL, NULL, NULL, /* both sides meet new ids, in another order */
        "i002",   "new", NULL, NULL, NULL, "late", "old", NULL, NULL, NULL,
    };
    struct od_chunk chunk = chunk_of(&f->arena, &schema, cells, 3);
    event(f, "u", NULL, "meanwhile", "view", 2);
    assert_int_equal(od_reload_chunk(reload, &schema, &chunk), OD_OK);
    event(f, "u", NULL, "late", "view", 3);
    event(f, "u", NULL, "last", "view", 3);
    struct od_value values[5];
    item_values(values, "i007", "new", NAN, 0, NULL);
    assert_int_equal(od_serve_record(f->serve, GROUP, OD_ITEMS, values), OD_OK);
    assert_int_equal(od_reload_record(reload, values), OD_OK);
    item_values(values, "recorded", "new", NAN, 0, NULL);
    assert_int_equal(od_reload_record(reload, values), OD_OK);
    struct od_recommend_query query = query_of("u", 40);
    query.filter_arn = FILTER;
    recommend(f, &query);
    assert_string_equal(ids(f), "i004 i007");

    struct od_live *live = od_serve_live(f->serve, GROUP);
    char before[64][16];
    uint32_t rows = od_table_row_count(live->items);
    assert_true(rows < 64);
    for (uint32_t row = 0; row < rows; row++)
        snprintf(before[row], sizeof before[row], "%.*s",
                 OD_STR_ARG(od_table_id(live->items, row)));
    assert_int_equal(od_reload_commit(reload, &f->err), OD_OK);
    assert_int_equal(od_table_row_count(live->items), rows);
    for (uint32_t row = 0; row < rows; row++)
        assert_true(od_str_eq_c(od_table_id(live->items, row), before[row]));
    od_live_unref(live);
    recommend(f, &query);
    assert_string_equal(ids(f), "i002 i007"); /* i004 was not in the replacement */
    assert_string_equal(seen_by(f, "u"), "");
}

static void users_reload_too(void **state)
{
    struct fixture *f = *state;
    struct od_schema schema;
    popular(f);
    put_item(f, "i000", "x", 1, 0, NULL);
    add_filter(f, FILTER, "EXCLUDE ItemID WHERE Items.GENRE IN (\"x\") IF CurrentUser.AGE > 17");
    struct od_recommend_query query = query_of("u", 1);
    query.filter_arn = FILTER;
    put_user(f, "u", 40);
    recommend(f, &query);
    assert_string_equal(ids(f), "i001");
    parse_schema(&f->arena, USERS_SCHEMA, &schema);
    const char *cells[] = {"t", "3", "v", "50", "u", "10"};
    struct od_chunk chunk = chunk_of(&f->arena, &schema, cells, 3);
    struct od_reload *reload = begin(f, OD_USERS);
    assert_int_equal(od_reload_chunk(reload, &schema, &chunk), OD_OK);
    assert_int_equal(od_reload_commit(reload, &f->err), OD_OK);
    recommend(f, &query);
    assert_string_equal(ids(f), "i000");
    query.user = OD_STR("v");
    recommend(f, &query);
    assert_string_equal(ids(f), "i001");
}

static void a_reload_does_not_land_on_a_changed_dataset(void **state)
{
    struct fixture *f = *state;
    struct od_reload *reload = begin(f, OD_ITEMS);
    dataset(f, GROUP, OD_ITEMS, ITEMS_SCHEMA_GROWN);
    assert_int_equal(od_reload_commit(reload, &f->err), OD_IN_USE);
    reload = begin(f, OD_INTERACTIONS);
    od_serve_dataset_remove(f->serve, GROUP, OD_INTERACTIONS);
    assert_int_equal(od_reload_commit(reload, &f->err), OD_IN_USE);
    assert_int_equal(od_reload_begin(f->serve, GROUP, OD_INTERACTIONS, &reload, &f->err),
                     OD_NOT_FOUND);
    assert_int_equal(od_reload_begin(f->serve, OTHER, OD_ITEMS, &reload, &f->err), OD_NOT_FOUND);
    assert_int_equal(od_reload_begin(f->serve, GROUP, OD_ACTIONS, &reload, &f->err), OD_NOT_FOUND);
    reload = begin(f, OD_USERS);
    od_serve_group_remove(f->serve, GROUP);
    assert_int_equal(od_reload_commit(reload, &f->err), OD_IN_USE);
}

static void chunks_that_do_not_fit_are_refused(void **state)
{
    struct fixture *f = *state;
    struct od_schema schema;
    parse_schema(&f->arena, USERS_SCHEMA, &schema);
    const char *cells[] = {"u", "3"};
    struct od_chunk chunk = chunk_of(&f->arena, &schema, cells, 1);
    struct od_reload *reload = begin(f, OD_INTERACTIONS);
    assert_int_equal(od_reload_chunk(reload, &schema, &chunk), OD_CORRUPT);
    struct od_value values[5];
    item_values(values, "x", NULL, NAN, 0, NULL);
    assert_int_equal(od_reload_record(reload, values), OD_INVALID_INPUT);
    od_reload_abort(reload);
    reload = begin(f, OD_ITEMS);
    assert_int_equal(od_reload_chunk(reload, &schema, &chunk), OD_CORRUPT);
    struct od_live_event live = event_of("u", NULL, "i", NULL, 1);
    assert_int_equal(od_reload_event(reload, &live), OD_INVALID_INPUT);
    od_reload_abort(reload);
}

static void rows_of_an_older_schema_still_load(void **state)
{
    struct fixture *f = *state;
    struct od_schema old;
    popular(f);
    add_filter(f, FILTER, "INCLUDE ItemID WHERE Items.GENRE IN (\"g\")");
    put_item(f, "i005", "g|h", 2.5, 77, "Five");
    dataset(f, GROUP, OD_ITEMS, ITEMS_SCHEMA_GROWN);
    struct od_recommend_query query = query_of("u", 5);
    const struct od_str columns[] = {OD_STR("BRAND"), OD_STR("GENRE"), OD_STR("PRICE"),
                                     OD_STR("CREATION_TIMESTAMP"), OD_STR("TITLE")};
    query.filter_arn = FILTER;
    query.metadata_columns = columns;
    query.metadata_column_count = 5;
    for (int round = 0; round < 2; round++) {
        recommend(f, &query);
        assert_string_equal(ids(f), "i005");
        const struct od_ranked_item *item = &f->answer.items[0];
        const char *expected[] = {"g|h", "2.5", "77", "Five"};
        assert_int_equal(item->metadata_count, 4);
        for (size_t i = 0; i < 4; i++)
            assert_true(od_str_eq_c(item->metadata[i].value, expected[i]));
        if (round == 1)
            break;
        parse_schema(&f->arena, ITEMS_SCHEMA, &old);
        const char *cells[] = {"i005", "g|h", "2.5", "77", "Five"};
        struct od_chunk chunk = chunk_of(&f->arena, &old, cells, 1);
        struct od_reload *reload = begin(f, OD_ITEMS);
        assert_int_equal(od_reload_chunk(reload, &old, &chunk), OD_OK);
        assert_int_equal(od_reload_commit(reload, &f->err), OD_OK);
    }
}

static void schemas_are_checked(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(
        od_serve_dataset_set(f->serve, GROUP, OD_USERS, OD_STR("{"), OD_DOMAIN_NONE, &f->err),
        OD_INVALID_INPUT);
    assert_int_equal(od_serve_dataset_set(f->serve, GROUP, OD_USERS, od_str_c(ITEMS_SCHEMA),
                                          OD_DOMAIN_NONE, &f->err),
                     OD_INVALID_INPUT);
    assert_int_equal(od_serve_dataset_set(f->serve, OTHER, OD_USERS, od_str_c(USERS_SCHEMA),
                                          OD_DOMAIN_NONE, &f->err),
                     OD_NOT_FOUND);
    assert_int_equal(od_serve_group_add(f->serve, GROUP, &f->err), OD_OK);
}

static void removing_a_group_forgets_it(void **state)
{
    struct fixture *f = *state;
    struct od_impression_list list;
    popular(f);
    struct od_recommend_query query = query_of("u", 2);
    recommend(f, &query);
    struct od_str rid = od_str_c(f->answer.recommendation_id);
    assert_int_equal(od_serve_impressions(f->serve, GROUP, rid, &f->arena, &list), OD_OK);
    od_serve_group_remove(f->serve, GROUP);
    assert_int_equal(od_serve_impressions(f->serve, GROUP, rid, &f->arena, &list), OD_NOT_FOUND);
    struct od_live_event live = event_of("u", NULL, "i", NULL, 1);
    assert_int_equal(od_serve_event(f->serve, GROUP, &live), OD_NOT_FOUND);
    od_serve_group_remove(f->serve, GROUP);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(sessions_join_users_in_every_order),
        CASE(a_session_is_no_user_of_its_id),
        CASE(events_without_a_name_or_item_or_group_are_refused),
        CASE(counts_tell_what_is_held),
        CASE(interactions_reload_beside_and_swap),
        CASE(what_was_put_and_imported_is_there_once),
        CASE(items_keep_their_rows_through_a_reload),
        CASE(users_reload_too),
        CASE(a_reload_does_not_land_on_a_changed_dataset),
        CASE(chunks_that_do_not_fit_are_refused),
        CASE(rows_of_an_older_schema_still_load),
        CASE(schemas_are_checked),
        CASE(removing_a_group_forgets_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
