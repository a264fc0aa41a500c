/* Optimisation objectives: what they cost stays within their level, and what they gain is measured.
 */
#include "jobs/train.inc"

#include "data/image.h"
#include "jobs/objective.h"

static void rewards_by_hand(void **state)
{
    (void)state;
    const float reward[] = {1, 2, 3, 4, 0, 9};
    const uint32_t map[] = {0, 1, 2, 3, 4, OD_NO_CODE};
    const uint32_t ranked[] = {3, 4, 0}, relevant[] = {0, 1, 3};
    assert_true(fabs(od_objective_reward(ranked, 3, relevant, 3, map, reward) - 5.0 / 7) < 1e-9);
    assert_true(od_objective_reward(ranked, 0, relevant, 3, map, reward) == 0);
    const uint32_t worthless[] = {4};
    assert_true(isnan(od_objective_reward(ranked, 3, worthless, 1, map, reward)));
    const uint32_t unknown[] = {0, 5}; /* no list can have the second */
    assert_true(fabs(od_objective_reward(ranked, 3, unknown, 2, map, reward) - .1) < 1e-9);
    uint32_t many[30], one[] = {29};
    float rewards[30];
    for (uint32_t i = 0; i < 30; i++) {
        many[i] = i;
        rewards[i] = 1;
    }
    assert_true(od_objective_reward(many, 30, one, 1, many, rewards) == 0); /* place 30 */
}

/* 40 items in four groups; PRICE rises with the number within the group. */
static void write_items(void)
{
    struct od_buf csv;
    od_buf_init(&csv, 1u << 16);
    od_buf_puts(&csv, "ITEM_ID,GENRE,PRICE\n");
    for (int g = 0; g < 4; g++)
        for (int n = 0; n < 10; n++)
            od_buf_printf(&csv, "g%d-%02d,x,%d\n", g, n, 10 + n * n);
    segment("items", ITEMS, OD_ITEMS, od_buf_view(&csv));
    od_buf_done(&csv);
}

struct outcome {
    double beta, kept, reward, ndcg;
};

static struct outcome train_with(const char *sensitivity)
{
    struct od_buf spec;
    struct trained t = {0};
    struct od_json card;
    struct od_image image;
    struct od_str text;
    struct outcome out = {0};
    char more[128];
    snprintf(more, sizeof more, ",\"objective\":{\"attribute\":\"PRICE\",\"sensitivity\":\"%s\"}",
             sensitivity);
    make_spec(&spec, "aws-sims", sensitivity, true, more);
    run_spec(&spec, &t);
    assert_int_equal(t.status, OD_OK);
    char name[64];
    snprintf(name, sizeof name, "%s.image", sensitivity);
    struct od_io_map map = map_file(name);
    assert_int_equal(od_image_open((struct od_str){map.ptr, map.bytes}, true, &image, &t.err),
                     OD_OK);
    out.reward = metric(&t, "average_rewards_at_k");
    out.ndcg = metric(&t, "normalized_discounted_cumulative_gain_at_25");
    bool has = od_image_section(&image, "objective", &text);
    assert_true(has == (strcmp(sensitivity, "OFF") != 0));
    if (has) {
        const float *added = (const float *)text.ptr;
        assert_int_equal(text.len, 40 * sizeof *added);
        assert_true(added[9] > added[0]); /* the dearer, the more */
        assert_true(od_image_section(&image, "card", &text));
        assert_int_equal(od_json_parse(&t.arena, text, &card, &t.err), OD_OK);
        const struct od_json *objective = od_json_get(&card, OD_STR("objective"));
        out.beta = od_json_get_double(objective, "beta", 0);
        out.kept = od_json_get_double(objective, "accuracyKept", NAN);
    }
    od_io_real.unmap(&od_io_real, &map);
    trained_done(&t);
    return out;
}

static void each_level_gains_and_costs_no_more_than_it_may(void **state)
{
    (void)state;
    write_walks(1200, 20);
    write_items();
    struct outcome off = train_with("OFF"), low = train_with("LOW"), medium = train_with("MEDIUM"),
                   high = train_with("HIGH");
    assert_true(isnan(off.reward));
    assert_true(low.beta > 0 && low.beta <= medium.beta && medium.beta < high.beta);
    assert_true(low.kept >= 0.99 && medium.kept >= 0.97 && high.kept >= 0.90);
    assert_true(high.kept < 0.97); /* it uses what it may */
    assert_true(low.reward > 0 && low.reward <= 1 && high.reward <= 1);
    assert_true(high.ndcg < off.ndcg && high.ndcg > off.ndcg * 0.8);
}

static void few_users_get_a_beta_by_the_level_alone(void **state)
{
    (void)state;
    write_walks(60, 20);
    write_items();
    struct outcome low = train_with("LOW"), high = train_with("HIGH");
    assert_true(fabs(low.beta - .1) < 1e-6 && fabs(high.beta - 1) < 1e-6);
    assert_true(isnan(low.kept) && isnan(high.kept));
}

static void an_attribute_that_is_not_there_fails(void **state)
{
    (void)state;
    static const char *const names[] = {"GENRE", "WEIGHT"};
    write_walks(60, 40);
    write_items();
    for (int i = 0; i < 2; i++) {
        struct od_buf spec;
        struct trained t = {0};
        char more[128];
        snprintf(more, sizeof more, ",\"objective\":{\"attribute\":\"%s\",\"sensitivity\":\"LOW\"}",
                 names[i]);
        make_spec(&spec, "aws-sims", "bad", true, more);
        run_spec(&spec, &t);
        assert_int_equal(t.status, OD_INVALID_INPUT);
        assert_non_null(strstr(t.err.message, names[i]));
        trained_done(&t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rewards_by_hand),
        cmocka_unit_test(each_level_gains_and_costs_no_more_than_it_may),
        cmocka_unit_test(few_users_get_a_beta_by_the_level_alone),
        cmocka_unit_test(an_attribute_that_is_not_there_fails),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
