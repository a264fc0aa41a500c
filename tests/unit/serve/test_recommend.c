/* GetRecommendations: order, scores, filters, promotions, metadata, and everything refused. */
#include "serve/fixture.inc"

#include "base/limits.h"

static void without_history_popular_items_come(void **state)
{
    struct fixture *f = *state;
    campaign(f, "aws-user-personalization", 40, 0.125F, 1, 0);
    struct od_recommend_query query = query_of("nobody", 5);
    recommend(f, &query);
    assert_string_equal(ids(f), "i000 i001 i002 i003 i004");
    assert_false(f->answer.short_of_results);
    query.num_results = -1;
    recommend(f, &query);
    assert_int_equal(f->answer.count, OD_DEFAULT_RESULTS);
    query.num_results = 0;
    recommend(f, &query);
    assert_int_equal(f->answer.count, 0);
    assert_non_null(f->answer.items);
}

static void an_event_changes_the_next_answer(void **state)
{
    struct fixture *f = *state;
    campaign(f, "aws-user-personalization", 40, 0.125F, 1, 0);
    event(f, "u", NULL, "i007", "view", NOW);
    struct od_recommend_query query = query_of("u", 6);
    recommend(f, &query);
    assert_string_equal(ids(f), "i003 i007 i000 i001 i002 i011");
}

/* aws-ecomm-recommended-for-you: what was bought; no other recipe here. */
static void consumed_items_are_in_no_answer(void **state)
{
    struct fixture *f = *state;
    campaign(f, "aws-ecomm-recommended-for-you", 40, 0.125F, 1, 0);
    event(f, "u", NULL, "i000", "PURCHASE", NOW);
    event(f, "u", NULL, "i002", "view", NOW + 1);
    event(f, "u", NULL, "i001", "purchase", NOW + 2);
    struct od_recommend_query query = query_of("u", 40);
    recommend(f, &query);
    assert_int_equal(f->answer.count, 38);
    for (size_t i = 0; i < f->answer.count; i++) {
        assert_false(od_str_eq(f->answer.items[i].id, OD_STR("i000")));
        assert_false(od_str_eq(f->answer.items[i].id, OD_STR("i001")));
        assert_false(f->answer.items[i].has_score);
    }
    query = query_of("other", 2);
    recommend(f, &query);
    assert_string_equal(ids(f), "i000 i001");
    campaign(f, "aws-user-personalization", 40, 0.125F, 1, 0);
    query = query_of("u", 40);
    recommend(f, &query);
    assert_int_equal(f->answer.count, 40);
}

static void equal_scores_go_by_item_id(void **state)
{
    struct fixture *f = *state;
    campaign(f, "aws-user-personalization", 20, 0, 1, 0);
    struct od_recommend_query query = query_of("u", 4);
    recommend(f, &query);
    assert_string_equal(ids(f), "i000 i001 i002 i003");
}

static void scores_are_a_softmax_over_the_catalogue(void **state)
{
    struct fixture *f = *state;
    campaign(f, "aws-user-personalization", 300, 0.01F, 0.5F, 0);
    event(f, "u", NULL, "i002", "view", NOW);
    struct od_recommend_query query = query_of("u", 300);
    recommend(f, &query);
    double sum = 0, total = 0;
    for (int i = 0; i < 300; i++)
        total += exp((-0.01 * i + (i % 4 == 2)) / 0.5);
    for (size_t i = 0; i < 300; i++) {
        assert_true(f->answer.items[i].has_score);
        assert_true(i == 0 || f->answer.items[i].score <= f->answer.items[i - 1].score);
        sum += f->answer.items[i].score;
        double scaled = f->answer.items[i].score * 1e7;
        assert_true(fabs(scaled - round(scaled)) < 1e-3);
    }
    assert_true(fabs(sum - 1) < 300 * 1e-7);
    assert_true(od_str_eq(f->answer.items[0].id, OD_STR("i002")));
    assert_true(fabs(f->answer.items[0].score - exp((-0.02 + 1) / 0.5) / total) < 2e-7);
}

static void recipes_without_scores_print_none(void **state)
{
    struct fixture *f = *state;
    campaign(f, "aws-popularity-count", 40, 1, 1, 0);
    struct od_recommend_query query = query_of("u", 3);
    recommend(f, &query);
    assert_string_equal(ids(f), "i000 i001 i002");
    assert_false(f->answer.items[0].has_score);
}

static void related_items_leave_out_the_item_itself(void **state)
{
    struct fixture *f = *state;
    campaign(f, "aws-similar-items", 40, 1, 1, 0);
    struct od_recommend_query query = query_of(NULL, 4);
    query.item = OD_STR("i010");
    recommend(f, &query);
    assert_string_equal(ids(f), "i009 i011 i008 i012");
    query.item = OD_STR("unheard-of");
    recommend(f, &query);
    assert_string_equal(ids(f), "i000 i001 i002 i003");
}

static void recommendation_ids_are_new_each_time_and_remember_the_list(void **state)
{
    struct fixture *f = *state;
    struct od_impression_list list;
    char first[41];
    campaign(f, "aws-user-personalization", 40, 0.1F, 1, 0);
    struct od_recommend_query query = query_of("u", 3);
    recommend(f, &query);
    memcpy(first, f->answer.recommendation_id, sizeof first);
    assert_int_equal(strlen(first), 40);
    assert_int_equal(first[18], '4');
    recommend(f, &query);
    assert_string_not_equal(first, f->answer.recommendation_id);
    assert_int_equal(od_serve_impressions(f->serve, GROUP, od_str_c(first), &f->arena, &list),
                     OD_OK);
    assert_int_equal(list.count, 3);
    assert_true(od_str_eq(list.items[2], OD_STR("i002")));
    assert_true(od_str_eq(list.campaign_arn, CAMPAIGN));
    assert_int_equal(
        od_serve_impressions(f->serve, OD_STR("arn:other"), od_str_c(first), &f->arena, &list),
        OD_NOT_FOUND);
    first[39] = first[39] == '0' ? '1' : '0';
    assert_int_equal(od_serve_impressions(f->serve, GROUP, od_str_c(first), &f->arena, &list),
                     OD_NOT_FOUND);
    assert_int_equal(od_serve_impressions(f->serve, GROUP, OD_STR("RID-x"), &f->arena, &list),
                     OD_NOT_FOUND);
}

/* ---- filters ---- */

static void stock(struct fixture *f)
{
    char id[16];
    for (int i = 0; i < 40; i++) {
        snprintf(id, sizeof id, "i%03d", i);
        put_item(f, id, i % 2 ? "odd|any" : "even|any", i, NOW - 100 * DAY, NULL);
    }
    campaign(f, "aws-user-personalization", 40, 0.125F, 1, 0);
}

static void filters_let_the_next_best_move_up(void **state)
{
    struct fixture *f = *state;
    stock(f);
    add_filter(f, FILTER, "INCLUDE ItemID WHERE Items.GENRE IN (\"odd\")");
    struct od_recommend_query query = query_of("u", 4);
    query.filter_arn = FILTER;
    recommend(f, &query);
    assert_string_equal(ids(f), "i001 i003 i005 i007");
    query.num_results = 30;
    recommend(f, &query);
    assert_int_equal(f->answer.count, 20);
    assert_true(f->answer.short_of_results);
}

static void a_cached_filter_sees_the_next_put(void **state)
{
    struct fixture *f = *state;
    stock(f);
    add_filter(f, FILTER, "INCLUDE ItemID WHERE Items.PRICE <= $P");
    struct od_filter_value value = {OD_STR("P"), OD_STR("1")};
    struct od_recommend_query query = query_of("u", 4);
    query.filter_arn = FILTER;
    query.filter_values = &value;
    query.filter_value_count = 1;
    for (int i = 0; i < 3; i++) {
        recommend(f, &query);
        assert_string_equal(ids(f), "i000 i001");
    }
    struct od_campaign *opened = campaign_of(f);
    assert_int_equal(opened->keeps.hits, 2);
    assert_int_equal(opened->keeps.misses, 1);
    put_item(f, "i009", "odd", 0.5, 0, NULL);
    put_item(f, "i000", "even", 70, 0, NULL);
    recommend(f, &query);
    assert_string_equal(ids(f), "i001 i009");
    value.text = OD_STR("0.7");
    recommend(f, &query);
    assert_string_equal(ids(f), "i009");
    assert_int_equal(opened->keeps.count, 2);
    event(f, "u", NULL, "never-seen-before", "view", NOW);
    recommend(f, &query);
    assert_string_equal(ids(f), "i009");
    assert_int_equal(opened->keeps.count, 1);
    od_campaign_unref(opened);
}

static void the_cache_is_bounded(void **state)
{
    struct fixture *f = *state;
    stock(f);
    add_filter(f, FILTER, "INCLUDE ItemID WHERE Items.PRICE <= $P");
    char text[16];
    struct od_filter_value value = {OD_STR("P"), OD_STR_NONE};
    struct od_recommend_query query = query_of("u", 1);
    query.filter_arn = FILTER;
    query.filter_values = &value;
    query.filter_value_count = 1;
    for (int i = 0; i < 2 * OD_KEEP_CACHE_ENTRIES; i++) {
        snprintf(text, sizeof text, "%d", i);
        value.text = od_str_c(text);
        recommend(f, &query);
        assert_string_equal(ids(f), "i000");
    }
    struct od_campaign *opened = campaign_of(f);
    assert_int_equal(opened->keeps.count, OD_KEEP_CACHE_ENTRIES);
    assert_true(opened->keeps.bytes <= OD_KEEP_CACHE_BYTES);
    od_campaign_unref(opened);
}

static void events_count_in_filters_at_once_whatever_their_case(void **state)
{
    struct fixture *f = *state;
    stock(f);
    add_filter(f, FILTER, "EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN (\"Buy\")");
    struct od_recommend_query query = query_of("u", 3);
    query.filter_arn = FILTER;
    event(f, "u", NULL, "i000", "view", NOW);
    event(f, "v", NULL, "i002", "buy", NOW);
    recommend(f, &query);
    assert_string_equal(ids(f), "i000 i004 i008");
    event(f, "u", NULL, "i000", "BUY", NOW + 1);
    recommend(f, &query);
    assert_string_equal(ids(f), "i004 i008 i012");
}

/* One result a second, kept for all requests of that second. */
static void a_filter_by_the_clock_is_made_anew_as_time_goes(void **state)
{
    struct fixture *f = *state;
    stock(f);
    put_item(f, "i003", "odd", 3, NOW - 5, NULL);
    put_item(f, "i004", "even", 4, NOW - 10, NULL);
    add_filter(f, FILTER,
               "INCLUDE ItemID WHERE Items.CREATION_TIMESTAMP >= $NOW - 10 SECONDS AND "
               "Items.CREATION_TIMESTAMP <= $NOW + 0 DAYS");
    struct od_recommend_query query = query_of("u", 4);
    query.filter_arn = FILTER;
    static const struct {
        int64_t ms;
        const char *ids;
    } moments[] = {{0, "i003 i004"},     {999, "i003 i004"}, {1000, "i003"},
                   {5999, "i003"},       {6000, ""},         {0, "i003 i004"},
                   {-5000, "i003 i004"}, {-5001, "i004"},    {-11000, ""}};
    for (size_t i = 0; i < sizeof moments / sizeof *moments; i++) {
        query.now_ms = NOW * 1000 + moments[i].ms;
        recommend(f, &query);
        assert_string_equal(ids(f), moments[i].ids);
    }
    struct od_campaign *opened = campaign_of(f);
    assert_int_equal(opened->keeps.hits, 1);
    assert_int_equal(opened->keeps.count, 1);
    od_campaign_unref(opened);
}

static void events_grow_too_old_for_a_filter(void **state)
{
    struct fixture *f = *state;
    stock(f);
    add_filter(f, FILTER,
               "EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN (\"Buy\") WITHIN 2 HOURS OR "
               "(Items.GENRE IN (\"odd\") AND NOT CurrentUser.AGE > 3)");
    struct od_recommend_query query = query_of("u", 40);
    query.filter_arn = FILTER;
    event(f, "u", NULL, "i000", "buy", NOW - 7200);
    event(f, "u", NULL, "i004", "buy", NOW - 60);
    recommend(f, &query);
    assert_int_equal(f->answer.count, 18); /* of 20 even ones */
    assert_null(strstr(ids(f), "i000"));
    assert_null(strstr(ids(f), "i004"));
    query.now_ms += 1000;
    recommend(f, &query);
    assert_int_equal(f->answer.count, 19);
    assert_non_null(strstr(ids(f), "i000"));
    query.now_ms += 7200000;
    recommend(f, &query);
    assert_int_equal(f->answer.count, 20);
}

static void filters_know_the_current_item_and_user(void **state)
{
    struct fixture *f = *state;
    stock(f);
    campaign(f, "aws-similar-items", 40, 0.125F, 1, 0);
    add_filter(f, FILTER, "INCLUDE ItemID WHERE Items.PRICE < CurrentItem.PRICE");
    struct od_recommend_query query = query_of(NULL, 3);
    query.item = OD_STR("i010");
    query.filter_arn = FILTER;
    recommend(f, &query);
    assert_string_equal(ids(f), "i009 i008 i007");
    add_filter(f, FILTER2, "EXCLUDE ItemID WHERE Items.GENRE IN (\"odd\") IF CurrentUser.AGE < 18");
    put_user(f, "child", 9);
    put_user(f, "adult", 30);
    query.filter_arn = FILTER2;
    query.user = OD_STR("child");
    recommend(f, &query);
    assert_string_equal(ids(f), "i008 i012 i006");
    query.user = OD_STR("adult");
    recommend(f, &query);
    assert_string_equal(ids(f), "i009 i011 i008");
    event(f, "child", "tablet", "i039", "view", NOW);
    query.user = OD_STR("tablet");
    recommend(f, &query);
    assert_string_equal(ids(f), "i008 i012 i006");
}

static void a_filter_follows_the_schema_and_ends_with_its_dataset(void **state)
{
    struct fixture *f = *state;
    stock(f);
    add_filter(f, FILTER, "INCLUDE ItemID WHERE Items.PRICE <= 1");
    struct od_recommend_query query = query_of("u", 4);
    query.filter_arn = FILTER;
    recommend(f, &query);
    dataset(f, GROUP, OD_ITEMS, ITEMS_SCHEMA_GROWN);
    recommend(f, &query);
    assert_string_equal(ids(f), "i000 i001");
    od_serve_dataset_remove(f->serve, GROUP, OD_ITEMS);
    refuse(f, &query, OD_INVALID_INPUT, "Could not create filter");
    query.filter_arn = OD_STR_NONE;
    recommend(f, &query);
    assert_string_equal(ids(f), "i000 i001 i002 i003");
    query.filter_arn = FILTER;
    od_serve_filter_remove(f->serve, FILTER);
    refuse(f, &query, OD_NOT_FOUND, "filter/f does not exist");
}

/* ---- promotions ---- */

static void promoted_items_take_their_share_at_random_places(void **state)
{
    struct fixture *f = *state;
    stock(f);
    add_filter(f, FILTER, "INCLUDE ItemID WHERE Items.PRICE >= 30");
    struct od_promotion_query promotion = {
        .name = OD_STR("spring"), .percent = 35, .filter_arn = FILTER};
    struct od_recommend_query query = query_of("u", 10);
    query.promotion = &promotion;
    int first = 0, differ = 0;
    char last[256] = "";
    for (int round = 0; round < 200; round++) {
        od_arena_reset(&f->arena);
        recommend(f, &query);
        assert_int_equal(f->answer.count, 10);
        int promoted = 0, other = 0;
        for (size_t i = 0; i < 10; i++) {
            const struct od_ranked_item *item = &f->answer.items[i];
            char expected[16];
            bool is = item->promotion.ptr != NULL;
            snprintf(expected, sizeof expected, "i%03d", is ? 30 + promoted++ : other++);
            assert_true(od_str_eq_c(item->id, expected));
            assert_true(!is || od_str_eq(item->promotion, OD_STR("spring")));
        }
        assert_int_equal(promoted, 3); /* floor(35 % of 10) */
        first += f->answer.items[0].promotion.ptr != NULL;
        differ += strcmp(last, ids(f)) != 0;
        snprintf(last, sizeof last, "%s", ids(f));
    }
    assert_true(first > 30 && first < 90); /* 60 expected, sigma 6.5 */
    assert_true(differ > 150);
}

static void a_small_share_still_promotes_one_and_none_twice(void **state)
{
    struct fixture *f = *state;
    stock(f);
    add_filter(f, FILTER, "INCLUDE ItemID WHERE Items.PRICE <= 1");
    struct od_promotion_query promotion = {.name = OD_STR("p"), .percent = 1, .filter_arn = FILTER};
    struct od_recommend_query query = query_of("u", 5);
    query.promotion = &promotion;
    for (int round = 0; round < 20; round++) {
        recommend(f, &query);
        int seen[5] = {0}, promoted = 0;
        for (size_t i = 0; i < f->answer.count; i++) {
            seen[strtol(f->answer.items[i].id.ptr + 1, NULL, 10)]++;
            promoted += f->answer.items[i].promotion.ptr != NULL;
        }
        assert_int_equal(promoted, 1);
        for (int i = 0; i < 5; i++)
            assert_int_equal(seen[i], 1);
    }
    promotion.percent = 100; /* only two qualify: the rest is the usual */
    recommend(f, &query);
    assert_int_equal(f->answer.count, 5);
    int promoted = 0;
    for (size_t i = 0; i < 5; i++)
        promoted += f->answer.items[i].promotion.ptr != NULL;
    assert_int_equal(promoted, 2);
}

static void each_filter_rules_its_own_part(void **state)
{
    struct fixture *f = *state;
    stock(f);
    add_filter(f, FILTER, "INCLUDE ItemID WHERE Items.GENRE IN (\"odd\")");
    add_filter(f, FILTER2, "INCLUDE ItemID WHERE Items.GENRE IN (\"even\")");
    struct od_promotion_query promotion = {
        .name = OD_STR("p"), .percent = 50, .filter_arn = FILTER};
    struct od_recommend_query query = query_of("u", 8);
    query.filter_arn = FILTER2;
    query.promotion = &promotion;
    recommend(f, &query);
    assert_int_equal(f->answer.count, 8);
    for (size_t i = 0; i < 8; i++) {
        bool odd = (f->answer.items[i].id.ptr[3] - '0') % 2;
        assert_int_equal(odd, f->answer.items[i].promotion.ptr != NULL);
    }
}

/* ---- metadata ---- */

static void metadata_comes_as_text_under_property_names(void **state)
{
    struct fixture *f = *state;
    campaign(f, "aws-user-personalization", 10, 1, 1, 0);
    put_item(f, "i000", "Action|Drama", 9.5, 1600000000, "One");
    put_item(f, "i001", NULL, NAN, 0, "Two");
    const struct od_str columns[] = {OD_STR("TITLE"), OD_STR("CREATION_TIMESTAMP"), OD_STR("GENRE"),
                                     OD_STR("TITLE"), OD_STR("PRICE")};
    struct od_recommend_query query = query_of("u", 3);
    query.metadata_columns = columns;
    query.metadata_column_count = 5;
    recommend(f, &query);
    const struct od_ranked_item *items = f->answer.items;
    assert_int_equal(items[0].metadata_count, 4);
    assert_true(od_str_eq_c(items[0].metadata[0].name, "title"));
    assert_true(od_str_eq_c(items[0].metadata[0].value, "One"));
    assert_true(od_str_eq_c(items[0].metadata[1].name, "creationTimestamp"));
    assert_true(od_str_eq_c(items[0].metadata[1].value, "1600000000"));
    assert_true(od_str_eq_c(items[0].metadata[2].value, "Action|Drama"));
    assert_true(od_str_eq_c(items[0].metadata[3].value, "9.5"));
    assert_int_equal(items[1].metadata_count, 1);
    assert_true(od_str_eq_c(items[1].metadata[0].value, "Two"));
    assert_int_equal(items[2].metadata_count, 0);
}

/* ---- what is refused ---- */

static void requests_are_checked(void **state)
{
    struct fixture *f = *state;
    struct od_recommend_query query = query_of("u", 5), bad;
    const struct od_str columns[11] = {OD_STR("TITLE"), OD_STR("title")};
    struct od_name_value context[151] = {{OD_STR("DEVICE"), OD_STR("phone")}};
    refuse(f, &query, OD_NOT_FOUND,
           "Resource Arn arn:aws:personalize:us-east-1:1:campaign/c does not exist.");
    campaign(f, "aws-user-personalization", 600, 1, 1, 0);
    bad = query;
    bad.user = OD_STR_NONE;
    refuse(f, &bad, OD_INVALID_INPUT, "userId is required for this recipe.");
    bad.user = OD_STR("");
    refuse(f, &bad, OD_INVALID_INPUT, "userId must have at least 1");
    char longer[300];
    memset(longer, 'x', sizeof longer);
    bad.user = (struct od_str){longer, 257};
    refuse(f, &bad, OD_INVALID_INPUT, "at most 256");
    bad = query;
    bad.num_results = 501;
    refuse(f, &bad, OD_INVALID_INPUT, "numResults must be at most 500.");
    bad.num_results = 500;
    recommend(f, &bad);
    assert_int_equal(f->answer.count, 500);
    bad.metadata_columns = columns;
    bad.metadata_column_count = 1;
    refuse(f, &bad, OD_INVALID_INPUT, "numResults must be at most 50");
    bad.num_results = 50;
    recommend(f, &bad);
    bad.metadata_column_count = 2;
    refuse(f, &bad, OD_INVALID_INPUT, "no column title");
    bad.metadata_column_count = 11;
    refuse(f, &bad, OD_INVALID_INPUT, "at most 10 columns");
    bad = query;
    bad.context = context;
    bad.context_count = 1;
    recommend(f, &bad);
    context[0].name = OD_STR("not a key");
    refuse(f, &bad, OD_INVALID_INPUT, "context");
    bad.context_count = 151;
    refuse(f, &bad, OD_INVALID_INPUT, "at most 150");
}

static void metadata_needs_a_campaign_that_allows_it(void **state)
{
    struct fixture *f = *state;
    const struct od_str columns[] = {OD_STR("TITLE")};
    struct od_recommend_query query = query_of("u", 5);
    campaign(f, "aws-user-personalization", 10, 1, 1, 0);
    struct od_campaign_setup setup = {
        .campaign_arn = CAMPAIGN, .group_arn = GROUP, .image_path = f->image};
    assert_int_equal(od_serve_campaign_set(f->serve, &setup, &f->err), OD_OK);
    query.metadata_columns = columns;
    query.metadata_column_count = 1;
    refuse(f, &query, OD_INVALID_INPUT, "enableMetadataWithRecommendations");
}

static void operations_fit_recipe_types(void **state)
{
    struct fixture *f = *state;
    struct od_recommend_query query = query_of("u", 5);
    campaign(f, "aws-personalized-ranking", 10, 1, 1, 0);
    refuse(f, &query, OD_INVALID_INPUT, "PERSONALIZED_RANKING");
    campaign(f, "aws-item-affinity", 10, 1, 1, 0);
    refuse(f, &query, OD_INVALID_INPUT, "USER_SEGMENTATION");
    campaign(f, "aws-similar-items", 10, 1, 1, 0);
    refuse(f, &query, OD_INVALID_INPUT, "itemId is required for this recipe.");
    campaign(f, "aws-popularity-count", 10, 1, 1, 0);
    query.user = OD_STR_NONE;
    refuse(f, &query, OD_INVALID_INPUT, "userId is required");
    campaign(f, "aws-trending-now", 10, 1, 1, 0);
    recommend(f, &query);
}

static void filters_are_checked(void **state)
{
    struct fixture *f = *state;
    struct od_recommend_query query = query_of("u", 5);
    struct od_filter_value value = {OD_STR("P"), OD_STR("1")};
    campaign(f, "aws-user-personalization", 10, 1, 1, 0);
    query.filter_values = &value;
    query.filter_value_count = 1;
    refuse(f, &query, OD_INVALID_INPUT, "filterArn");
    query.filter_arn = FILTER;
    refuse(f, &query, OD_NOT_FOUND, "filter/f does not exist.");
    add_filter(f, FILTER, "INCLUDE ItemID WHERE Items.PRICE <= $P");
    recommend(f, &query);
    value.text = OD_STR("\"cheap\"");
    refuse(f, &query, OD_INVALID_INPUT, "");
    query.filter_value_count = 0;
    refuse(f, &query, OD_INVALID_INPUT, "P");
    query.filter_value_count = 1;
    value.name = OD_STR("no-word");
    refuse(f, &query, OD_INVALID_INPUT, "no-word");
    query.filter_value_count = 0;
    add_filter(f, FILTER, "INCLUDE UserID WHERE Users.AGE > 3");
    refuse(f, &query, OD_INVALID_INPUT, "ItemID");
    add_filter(f, FILTER, "INCLUDE ItemID WHERE Items.PRICE < CurrentItem.PRICE");
    refuse(f, &query, OD_INVALID_INPUT, "CurrentItem");
    assert_int_equal(od_serve_group_add(f->serve, OTHER, &f->err), OD_OK);
    dataset(f, OTHER, OD_ITEMS, ITEMS_SCHEMA);
    assert_int_equal(od_serve_filter_add(f->serve, FILTER2, OTHER,
                                         OD_STR("INCLUDE ItemID WHERE Items.PRICE <= 3"), true,
                                         &f->err),
                     OD_OK);
    query.filter_arn = FILTER2;
    refuse(f, &query, OD_INVALID_INPUT, "another dataset group");
    assert_int_equal(
        od_serve_filter_add(f->serve, FILTER2, OTHER, OD_STR("INCLUDE nonsense"), true, &f->err),
        OD_INVALID_INPUT);
    assert_non_null(strstr(f->err.message, "Could not create filter."));
    campaign(f, "aws-similar-items", 10, 1, 1, 0);
    add_filter(f, FILTER, "EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN (\"*\")");
    query.filter_arn = FILTER;
    query.user = OD_STR_NONE;
    query.item = OD_STR("i001");
    refuse(f, &query, OD_INVALID_INPUT, "userId is required");
}

static void promotions_are_checked(void **state)
{
    struct fixture *f = *state;
    struct od_promotion_query promotion = {
        .name = OD_STR("p"), .percent = 10, .filter_arn = FILTER};
    struct od_recommend_query query = query_of("u", 5);
    query.promotion = &promotion;
    campaign(f, "aws-user-personalization", 10, 1, 1, 0);
    refuse(f, &query, OD_NOT_FOUND, "filter/f does not exist.");
    add_filter(f, FILTER, "INCLUDE ItemID WHERE Items.PRICE <= 3");
    recommend(f, &query);
    promotion.percent = 0;
    refuse(f, &query, OD_INVALID_INPUT, "percentPromotedItems must be from 1 to 100, not 0");
    promotion.percent = 101;
    refuse(f, &query, OD_INVALID_INPUT, "not 101");
    promotion.percent = 10;
    promotion.name = OD_STR_NONE;
    refuse(f, &query, OD_INVALID_INPUT, "name");
    promotion.name = OD_STR("p");
    promotion.filter_arn = OD_STR_NONE;
    refuse(f, &query, OD_INVALID_INPUT, "needs a filterArn");
    promotion.filter_arn = FILTER;
    campaign(f, "aws-hrnn", 10, 1, 1, 0);
    refuse(f, &query, OD_INVALID_INPUT, "not supported");
}

static void bad_images_leave_the_campaign_as_it_was(void **state)
{
    struct fixture *f = *state;
    campaign(f, "aws-user-personalization", 10, 1, 1, 0);
    struct od_campaign_setup setup = {
        .campaign_arn = CAMPAIGN, .group_arn = GROUP, .image_path = "/nonexistent/image"};
    assert_int_equal(od_serve_campaign_set(f->serve, &setup, &f->err), OD_IO);
    char path[80];
    snprintf(path, sizeof path, "%s.bad", f->image);
    assert_int_equal(od_io_write_file(&od_io_real, path, OD_STR("not an image"), &f->err), OD_OK);
    setup.image_path = path;
    assert_int_equal(od_serve_campaign_set(f->serve, &setup, &f->err), OD_CORRUPT);
    const float base[1] = {0};
    struct od_dict *items = od_dict_new();
    uint32_t code;
    assert_int_equal(od_dict_add(items, OD_STR("i000"), &code), OD_OK);
    write_image(path, "no-such-recipe", items, base, 1);
    assert_int_equal(od_serve_campaign_set(f->serve, &setup, &f->err), OD_CORRUPT);
    assert_non_null(strstr(f->err.message, "no-such-recipe"));
    write_image(path, "aws-user-personalization", items, base, 0);
    assert_int_equal(od_serve_campaign_set(f->serve, &setup, &f->err), OD_CORRUPT);
    assert_non_null(strstr(f->err.message, "temperature 0"));
    od_dict_free(items);
    unlink(path);
    setup.group_arn = OTHER;
    assert_int_equal(od_serve_campaign_set(f->serve, &setup, &f->err), OD_NOT_FOUND);
    struct od_recommend_query query = query_of("u", 2);
    recommend(f, &query);
    assert_string_equal(ids(f), "i000 i001");
    od_serve_campaign_remove(f->serve, CAMPAIGN);
    refuse(f, &query, OD_NOT_FOUND, "does not exist.");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(without_history_popular_items_come),
        CASE(an_event_changes_the_next_answer),
        CASE(consumed_items_are_in_no_answer),
        CASE(equal_scores_go_by_item_id),
        CASE(scores_are_a_softmax_over_the_catalogue),
        CASE(recipes_without_scores_print_none),
        CASE(related_items_leave_out_the_item_itself),
        CASE(recommendation_ids_are_new_each_time_and_remember_the_list),
        CASE(filters_let_the_next_best_move_up),
        CASE(a_cached_filter_sees_the_next_put),
        CASE(the_cache_is_bounded),
        CASE(events_count_in_filters_at_once_whatever_their_case),
        CASE(a_filter_by_the_clock_is_made_anew_as_time_goes),
        CASE(events_grow_too_old_for_a_filter),
        CASE(filters_know_the_current_item_and_user),
        CASE(a_filter_follows_the_schema_and_ends_with_its_dataset),
        CASE(promoted_items_take_their_share_at_random_places),
        CASE(a_small_share_still_promotes_one_and_none_twice),
        CASE(each_filter_rules_its_own_part),
        CASE(metadata_comes_as_text_under_property_names),
        CASE(requests_are_checked),
        CASE(metadata_needs_a_campaign_that_allows_it),
        CASE(operations_fit_recipe_types),
        CASE(filters_are_checked),
        CASE(promotions_are_checked),
        CASE(bad_images_leave_the_campaign_as_it_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
