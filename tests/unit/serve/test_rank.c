/* GetPersonalizedRanking: order, sums, unknown items, filters, and what is refused. */
#include "serve/fixture.inc"

#include "base/limits.h"

static void rank(struct fixture *f, const struct od_recommend_query *query)
{
    if (od_serve_rank(f->serve, query, &f->arena, &f->answer, &f->err) != OD_OK)
        fail_msg("%s", f->err.message);
}

static void refuse_rank(struct fixture *f, const struct od_recommend_query *query,
                        enum od_status status, const char *words)
{
    assert_int_equal(od_serve_rank(f->serve, query, &f->arena, &f->answer, &f->err), status);
    if (!strstr(f->err.message, words))
        fail_msg("\"%s\" lacks \"%s\"", f->err.message, words);
}

static const struct od_str input[] = {OD_STR("i005"), OD_STR("nobody-knows"), OD_STR("i002"),
                                      OD_STR("i005"), OD_STR("i009"),         OD_STR("in-events"),
                                      OD_STR("i002")};

static struct od_recommend_query ranking(const struct od_str *list, size_t count)
{
    struct od_recommend_query query = query_of("u", -1);
    query.input_list = list;
    query.input_count = count;
    return query;
}

static void known_items_sum_to_one_and_unknown_ones_follow(void **state)
{
    struct fixture *f = *state;
    campaign(f, "aws-personalized-ranking", 20, 0.125F, 0.5F, 0);
    event(f, "u", NULL, "in-events", "view", NOW);
    event(f, "u", NULL, "i001", "view", NOW);
    struct od_recommend_query query = ranking(input, 7);
    rank(f, &query);
    assert_string_equal(ids(f), "i005 i009 i002 nobody-knows in-events");
    assert_false(f->answer.short_of_results);
    double sum = 0, scores[] = {(-0.625 + 1) / 0.5, (-1.125 + 1) / 0.5, -0.25 / 0.5}, total = 0;
    for (int i = 0; i < 3; i++)
        total += exp(scores[i]);
    for (int i = 0; i < 3; i++) {
        assert_true(f->answer.items[i].has_score);
        assert_true(fabs(f->answer.items[i].score - exp(scores[i]) / total) < 1e-6);
        sum += f->answer.items[i].score;
    }
    assert_true(fabs(sum - 1) < 3e-7);
    assert_false(f->answer.items[3].has_score);
    assert_false(f->answer.items[4].has_score);
    assert_int_equal(strncmp(f->answer.recommendation_id, "RID-", 4), 0);
}

static void only_unknown_items_keep_their_order(void **state)
{
    struct fixture *f = *state;
    const struct od_str list[] = {OD_STR("z"), OD_STR("a"), OD_STR("m")};
    campaign(f, "aws-personalized-ranking", 20, 0.125F, 0.5F, 0);
    struct od_recommend_query query = ranking(list, 3);
    rank(f, &query);
    assert_string_equal(ids(f), "z a m");
    struct od_impression_list shown;
    assert_int_equal(od_serve_impressions(f->serve, GROUP, od_str_c(f->answer.recommendation_id),
                                          &f->arena, &shown),
                     OD_OK);
    assert_int_equal(shown.count, 0);
}

static void filters_take_items_out(void **state)
{
    struct fixture *f = *state;
    campaign(f, "aws-personalized-ranking", 20, 0.125F, 0.5F, 0);
    put_item(f, "i005", "bad", 1, 0, NULL);
    put_item(f, "i009", "good", 1, 0, NULL);
    event(f, "v", NULL, "in-events", "view", NOW);
    struct od_recommend_query query = ranking(input, 7);
    query.filter_arn = FILTER;
    add_filter(f, FILTER, "EXCLUDE ItemID WHERE Items.GENRE IN (\"bad\")");
    rank(f, &query);
    assert_string_equal(ids(f), "i002 i009 nobody-knows in-events");
    assert_true(fabs(f->answer.items[0].score + f->answer.items[1].score - 1) < 2e-7);
    add_filter(f, FILTER, "INCLUDE ItemID WHERE Items.GENRE IN (\"good\")");
    rank(f, &query);
    assert_string_equal(ids(f), "i009");
    assert_true(f->answer.items[0].score == 1);
    add_filter(f, FILTER, "INCLUDE ItemID WHERE Items.GENRE IN (\"none\")");
    rank(f, &query);
    assert_int_equal(f->answer.count, 0);
    assert_true(f->answer.short_of_results);
}

static void metadata_comes_along(void **state)
{
    struct fixture *f = *state;
    const struct od_str columns[] = {OD_STR("TITLE")};
    campaign(f, "aws-personalized-ranking", 20, 0.125F, 0.5F, 0);
    put_item(f, "i005", NULL, NAN, 0, "Five");
    struct od_recommend_query query = ranking(input, 3);
    query.metadata_columns = columns;
    query.metadata_column_count = 1;
    rank(f, &query);
    assert_string_equal(ids(f), "i002 i005 nobody-knows");
    assert_int_equal(f->answer.items[0].metadata_count, 0);
    assert_true(od_str_eq_c(f->answer.items[1].metadata[0].value, "Five"));
    assert_int_equal(f->answer.items[2].metadata_count, 0);
}

static void rankings_are_checked(void **state)
{
    struct fixture *f = *state;
    struct od_str list[OD_MAX_RESULTS + 1];
    const struct od_str columns[] = {OD_STR("TITLE")};
    for (size_t i = 0; i <= OD_MAX_RESULTS; i++)
        list[i] = OD_STR("i001");
    campaign(f, "aws-personalized-ranking", 20, 1, 1, 0);
    struct od_recommend_query query = ranking(list, 0);
    refuse_rank(f, &query, OD_INVALID_INPUT, "inputList must have at least 1");
    query.input_count = OD_MAX_RESULTS + 1;
    refuse_rank(f, &query, OD_INVALID_INPUT, "inputList must have at most 500");
    query.input_count = OD_MAX_RESULTS;
    rank(f, &query);
    assert_string_equal(ids(f), "i001");
    query.metadata_columns = columns;
    query.metadata_column_count = 1;
    refuse_rank(f, &query, OD_INVALID_INPUT, "at most 50 items");
    query = ranking(list, 3);
    list[1] = OD_STR("");
    refuse_rank(f, &query, OD_INVALID_INPUT, "at least 1 character");
    list[1] = OD_STR("x");
    query.user = OD_STR_NONE;
    refuse_rank(f, &query, OD_INVALID_INPUT, "userId is required");
    query.user = OD_STR("u");
    struct od_promotion_query promotion = {.name = OD_STR("p"), .percent = 3};
    query.promotion = &promotion;
    refuse_rank(f, &query, OD_INVALID_INPUT, "promotions are not supported");
    query.promotion = NULL;
    campaign(f, "aws-user-personalization", 20, 1, 1, 0);
    refuse_rank(f, &query, OD_INVALID_INPUT, "GetPersonalizedRanking needs");
    query.campaign_arn = OTHER;
    refuse_rank(f, &query, OD_NOT_FOUND, "does not exist.");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(known_items_sum_to_one_and_unknown_ones_follow),
        CASE(only_unknown_items_keep_their_order),
        CASE(filters_take_items_out),
        CASE(metadata_comes_along),
        CASE(rankings_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
