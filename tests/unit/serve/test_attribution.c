/* What a metric attribution asks of live data: the campaign behind a recommendation id, and a
 * number of an item. */
#include "serve/fixture.inc"

static struct od_str source(struct fixture *f, struct od_str group, const char *rid)
{
    return od_serve_source(f->serve, group, od_str_c(rid), &f->arena);
}

static void ids_tell_their_campaign_and_no_other(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 1000; i++) {
        uint8_t rid[OD_RID_BYTES], changed[OD_RID_BYTES];
        for (unsigned b = 0; b < OD_RID_BYTES; b++)
            rid[b] = (uint8_t)(i * 31 + b * 7 + (i >> 3));
        od_rid_sign(rid, CAMPAIGN);
        assert_true(od_rid_is_of(rid, CAMPAIGN));
        assert_false(od_rid_is_of(rid, GROUP));
        assert_false(od_rid_is_of(rid, OD_STR_NONE));
        memcpy(changed, rid, sizeof rid);
        changed[i % OD_RID_BYTES] ^= (uint8_t)(1u << (i % 4));
        assert_false(od_rid_is_of(changed, CAMPAIGN));
    }
}

static void signed_id_has_the_form_of_an_id_and_keeps_its_first_half(void **state)
{
    (void)state;
    uint8_t rid[OD_RID_BYTES] = {1, 2, 3, 4, 5, 6, 0xF7, 8}, back[OD_RID_BYTES];
    char text[41];
    od_rid_sign(rid, CAMPAIGN);
    assert_memory_equal(rid, ((uint8_t[]){1, 2, 3, 4, 5, 6, 0x47, 8}), 8);
    od_rid_format(rid, text);
    assert_true(od_rid_parse(od_str_c(text), back));
    assert_true(od_rid_is_of(back, CAMPAIGN));
}

static void answer_leads_back_to_its_campaign_whether_remembered_or_not(void **state)
{
    struct fixture *f = *state;
    campaign(f, "aws-popularity-count", 10, 1, 1, 0);
    struct od_recommend_query query = query_of("u", 3);
    recommend(f, &query);
    char rid[41];
    memcpy(rid, f->answer.recommendation_id, sizeof rid);
    assert_true(od_str_eq(source(f, GROUP, rid), CAMPAIGN));
    assert_null(source(f, OTHER, rid).ptr); /* another group's events have nothing to do with it */
    struct od_live *live = od_serve_live(f->serve, GROUP);
    od_shown_forget(&f->serve->shown, live); /* as a restart does */
    od_live_unref(live);
    assert_true(od_str_eq(source(f, GROUP, rid), CAMPAIGN));
    assert_null(source(f, OTHER, rid).ptr);
    od_serve_campaign_remove(f->serve, CAMPAIGN);
    assert_null(source(f, GROUP, rid).ptr);
    assert_null(source(f, GROUP, "RID-nonsense").ptr);
}

static void remembered_answer_names_a_deleted_campaign(void **state)
{
    struct fixture *f = *state;
    campaign(f, "aws-popularity-count", 10, 1, 1, 0);
    struct od_recommend_query query = query_of("u", 3);
    recommend(f, &query);
    od_serve_campaign_remove(f->serve, CAMPAIGN);
    assert_true(od_str_eq(source(f, GROUP, f->answer.recommendation_id), CAMPAIGN));
}

static void number_of_an_item_is_that_of_its_newest_record(void **state)
{
    struct fixture *f = *state;
    double value = -1;
    struct od_value values[5] = {{.kind = OD_VALUE_TEXT, .text = OD_STR("i001")},
                                 {.kind = OD_VALUE_NULL},
                                 {.kind = OD_VALUE_REAL, .real = 2.5},
                                 {.kind = OD_VALUE_INTEGER, .integer = 77},
                                 {.kind = OD_VALUE_TEXT, .text = OD_STR("title")}};
    assert_int_equal(od_serve_record(f->serve, GROUP, OD_ITEMS, values), OD_OK);
    assert_true(od_serve_item_number(f->serve, GROUP, OD_STR("i001"), OD_STR("Price"), &value));
    assert_true(value == 2.5);
    assert_true(od_serve_item_number(f->serve, GROUP, OD_STR("i001"), OD_STR("CREATION_TIMESTAMP"),
                                     &value));
    assert_true(value == 77);
    values[2].kind = OD_VALUE_NULL;
    assert_int_equal(od_serve_record(f->serve, GROUP, OD_ITEMS, values), OD_OK);
    assert_false(od_serve_item_number(f->serve, GROUP, OD_STR("i001"), OD_STR("PRICE"), &value));
    assert_false(od_serve_item_number(f->serve, GROUP, OD_STR("i001"), OD_STR("TITLE"), &value));
    assert_false(od_serve_item_number(f->serve, GROUP, OD_STR("i001"), OD_STR("NONE"), &value));
    assert_false(od_serve_item_number(f->serve, GROUP, OD_STR("nobody"), OD_STR("PRICE"), &value));
    assert_false(od_serve_item_number(f->serve, OTHER, OD_STR("i001"), OD_STR("PRICE"), &value));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_tell_their_campaign_and_no_other),
        cmocka_unit_test(signed_id_has_the_form_of_an_id_and_keeps_its_first_half),
        CASE(answer_leads_back_to_its_campaign_whether_remembered_or_not),
        CASE(remembered_answer_names_a_deleted_campaign),
        CASE(number_of_an_item_is_that_of_its_newest_record),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
