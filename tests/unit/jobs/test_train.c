/* Training jobs: which events count, what the image tells of them, and what is too little. */
#include "jobs/train.inc"

#include "data/image.h"

static void every_event_counts_without_rules(void **state)
{
    (void)state;
    struct od_buf spec;
    struct trained t = {0};
    write_walks(60, 40);
    make_spec(&spec, "aws-popularity-count", "all", false, "");
    run_spec(&spec, &t);
    assert_int_equal(t.status, OD_OK);
    assert_int_equal(t.result.events, 2400);
    assert_true(
        isnan(metric(&t, "normalized_discounted_cumulative_gain_with_event_weights_at_10")));
    struct od_io_map map = map_file("all.image");
    struct od_image image;
    struct od_image_dict types;
    struct od_str section;
    assert_int_equal(od_image_open((struct od_str){map.ptr, map.bytes}, true, &image, &t.err),
                     OD_OK);
    assert_int_equal(od_image_dict_open(&image, "types", &types, &t.err), OD_OK);
    assert_int_equal(types.count, 3);
    assert_int_equal(od_image_dict_find(&types, OD_STR("book")), 1);
    assert_false(od_image_section(&image, "types.counted", &section));
    od_io_real.unmap(&od_io_real, &map);
    trained_done(&t);
}

static void listed_events_count_and_are_weighed(void **state)
{
    (void)state;
    struct od_buf spec;
    struct trained t = {0};
    write_walks(200, 40);
    make_spec(&spec, "aws-popularity-count", "some", false,
              ",\"weighted\":true,\"events\":[{\"type\":\"book\",\"weight\":0.5},"
              "{\"type\":\"never\",\"weight\":0.1}]");
    run_spec(&spec, &t);
    assert_int_equal(t.status, OD_OK);
    assert_int_equal(t.result.events, 200 * 8);
    /* every relevant item is had by the same type: gains cancel, whatever they are */
    double plain = metric(&t, "normalized_discounted_cumulative_gain_at_10");
    double weighed = metric(&t, "normalized_discounted_cumulative_gain_with_event_weights_at_10");
    assert_true(plain > 0 && fabs(plain - weighed) < 1e-6);
    struct od_io_map map = map_file("some.image");
    struct od_image image;
    struct od_str counted;
    assert_int_equal(od_image_open((struct od_str){map.ptr, map.bytes}, true, &image, &t.err),
                     OD_OK);
    assert_true(od_image_section(&image, "types.counted", &counted));
    assert_int_equal(counted.len, 2);
    assert_int_equal(counted.ptr[0], 0);
    assert_int_equal(counted.ptr[1], 1);
    od_io_real.unmap(&od_io_real, &map);
    trained_done(&t);
}

static void too_few_events_of_the_types_asked_for(void **state)
{
    (void)state;
    struct od_buf spec;
    struct trained t = {0};
    write_walks(60, 40);
    make_spec(&spec, "aws-popularity-count", "few", false,
              ",\"events\":[{\"type\":\"book\",\"weight\":1},{\"type\":\"pay\",\"weight\":1}]");
    run_spec(&spec, &t);
    assert_int_equal(t.status, OD_INVALID_INPUT);
    assert_string_equal(
        t.err.message,
        "Dataset has fewer than 1000 interactions after filtering by event type: book, pay");
    assert_false(file_exists("few.image"));
    assert_false(file_exists("few.image.tmp"));
    trained_done(&t);
}

/* --- what recipes cannot do without --- */

static void read_csv_items(const char *csv)
{
    segment("items", ITEMS, OD_ITEMS, od_str_c(csv));
}

static void needs(const char *recipe, bool items, enum od_status want, const char *words)
{
    struct od_buf text;
    struct od_json json;
    struct od_error err = {0};
    struct trained t = {0};
    struct od_progress progress = {note_progress, &t};
    struct od_run run = {.io = &od_io_real, .progress = &progress, .err = &err};
    od_arena_init(&run.arena, SIZE_MAX);
    make_spec(&text, recipe, "x", items, "");
    assert_int_equal(od_json_parse(&run.arena, od_buf_view(&text), &json, &err), OD_OK);
    run.spec = &json;
    run.recipe_spec = od_recipe_spec_find(od_str_c(recipe));
    assert_non_null(run.recipe_spec);
    assert_int_equal(od_run_read_inputs(&run), OD_OK);
    enum od_status got = od_run_check_inputs(&run);
    if (got != want || (words && !strstr(err.message, words)))
        fail_msg("%s: %d \"%s\"", recipe, got, err.message);
    od_run_free_inputs(&run);
    od_arena_done(&run.arena);
    od_buf_done(&text);
}

static void recipes_say_what_they_lack(void **state)
{
    (void)state;
    write_walks(60, 40);
    read_csv_items("ITEM_ID,GENRE,PRICE\ng0-00,a,\ng0-01,a,\ng0-02,b,\n");
    needs("aws-item-affinity", false, OD_OK, NULL);
    needs("aws-item-attribute-affinity", false, OD_INVALID_INPUT, "needs an Items dataset");
    needs("aws-item-attribute-affinity", true, OD_OK, NULL);
    needs("aws-hrnn-coldstart", false, OD_INVALID_INPUT, "needs an Items dataset");
    needs("aws-hrnn-metadata", false, OD_INVALID_INPUT, "Did not find any attribute");
    needs("aws-hrnn-metadata", true, OD_OK, NULL);
    needs("aws-semantic-similarity", false, OD_INVALID_INPUT, "needs an Items dataset");
    needs("aws-next-best-action", true, OD_INVALID_INPUT, "needs an Actions dataset");
    /* one value for all, or one for each, tells nothing */
    read_csv_items("ITEM_ID,GENRE,PRICE\ng0-00,a,1\ng0-01,a,2\ng0-02,a,3\n");
    needs("aws-item-attribute-affinity", true, OD_INVALID_INPUT, "Did not find any attribute");
}

static void too_little_is_told(void **state)
{
    (void)state;
    read_csv_items("ITEM_ID,GENRE,PRICE\ng0-00,a,\n");
    write_walks(24, 50);
    needs("aws-sims", true, OD_INVALID_INPUT, "fewer than 25 users with at least 2 interactions");
    needs("aws-semantic-similarity", true, OD_OK, NULL);
    write_walks(30, 33);
    needs("aws-sims", true, OD_INVALID_INPUT, "fewer than 1000 interactions");
}

static void actions_come_as_training_set_and_table(void **state)
{
    (void)state;
    static const char ACTIONS[] =
        RECORD("Actions", FIELD("ACTION_ID", "string") "," OPTIONAL("VALUE", "long"));
    static const char TAKEN[] = RECORD(
        "ActionInteractions", FIELD("USER_ID", "string") "," FIELD("ACTION_ID", "string") "," FIELD(
                                  "EVENT_TYPE", "string") "," FIELD("TIMESTAMP", "long"));
    struct od_buf text;
    struct od_json json;
    struct od_error err = {0};
    struct trained t = {0};
    struct od_progress progress = {note_progress, &t};
    struct od_run run = {.io = &od_io_real, .progress = &progress, .err = &err};
    write_walks(60, 40);
    segment("actions", ACTIONS, OD_ACTIONS, OD_STR("ACTION_ID,VALUE\njoin,5\ncall,1\n"));
    segment("action_interactions", TAKEN, OD_ACTION_INTERACTIONS,
            OD_STR("USER_ID,ACTION_ID,EVENT_TYPE,TIMESTAMP\nu1,join,Taken,10\nu1,call,Viewed,9\n"
                   "u2,join,Not Taken,3\n"));
    od_arena_init(&run.arena, SIZE_MAX);
    make_spec(&text, "aws-next-best-action", "x", false, "");
    text.len--; /* open the object again */
    add_source(&text, "actions", ACTIONS);
    add_source(&text, "action_interactions", TAKEN);
    od_buf_char(&text, '}');
    assert_int_equal(od_json_parse(&run.arena, od_buf_view(&text), &json, &err), OD_OK);
    run.spec = &json;
    run.recipe_spec = od_recipe_spec_find(OD_STR("aws-next-best-action"));
    assert_int_equal(od_run_read_inputs(&run), OD_OK);
    assert_int_equal(od_run_check_inputs(&run), OD_OK);
    assert_int_equal(od_table_row_count(run.action_table), 2);
    assert_int_equal(run.actions->event_count, 3);
    assert_true(od_str_eq_c(od_dict_text(run.actions->items, 0), "call"));
    assert_true(od_str_eq_c(od_dict_text(run.actions->types, run.actions->type[1]), "Taken"));
    assert_int_equal(run.actions->context_count, 0);
    od_run_free_inputs(&run);
    od_arena_done(&run.arena);
    od_buf_done(&text);
}

/* --- tuning --- */

static void a_search_is_done_and_told(void **state)
{
    (void)state;
    struct od_buf spec;
    struct trained t = {0}, again = {0};
    write_walks(200, 40);
    const char *hpo =
        ",\"hpo\":{\"jobs\":4,\"ranges\":[{\"name\":\"training.min_cointeraction_count\","
        "\"min\":1,\"max\":9},{\"name\":\"popularity_discount_factor\",\"min\":0.1,"
        "\"max\":0.2}]}";
    make_spec(&spec, "aws-sims", "tuned", false, hpo);
    run_spec(&spec, &t);
    assert_int_equal(t.status, OD_OK);
    assert_non_null(strstr(t.stages, "tuning: 4 of 4 trials, best 0."));
    struct od_json tuned, search;
    assert_int_equal(od_json_parse(&t.arena, t.result.tuned, &tuned, &t.err), OD_OK);
    assert_int_equal(od_json_parse(&t.arena, t.result.search, &search, &t.err), OD_OK);
    struct od_str count = od_json_get_str(&tuned, "min_cointeraction_count", OD_STR(""));
    struct od_str factor = od_json_get_str(&tuned, "popularity_discount_factor", OD_STR(""));
    int64_t found;
    double share;
    assert_true(od_str_to_i64(count, &found) && found >= 1 && found <= 9);
    assert_true(od_str_to_double(factor, &share) && share >= 0.1 && share <= 0.2);
    assert_int_equal(od_json_get(&search, OD_STR("trials"))->count, 4);
    assert_true(t.result.metrics.count > 0);
    make_spec(&spec, "aws-sims", "tuned2", false, hpo);
    run_spec(&spec, &again);
    assert_true(od_str_eq(again.result.tuned, t.result.tuned));
    /* the values found, given as found before, make the same model */
    char more[256];
    struct trained reused = {0};
    snprintf(more, sizeof more, ",\"tuned\":%.*s", OD_STR_ARG(t.result.tuned));
    make_spec(&spec, "aws-sims", "reused", false, more);
    run_spec(&spec, &reused);
    assert_int_equal(reused.status, OD_OK);
    struct od_io_map a = map_file("tuned.image"), b = map_file("reused.image");
    assert_int_equal(a.bytes, b.bytes);
    assert_memory_equal(a.ptr, b.ptr, a.bytes);
    od_io_real.unmap(&od_io_real, &a);
    od_io_real.unmap(&od_io_real, &b);
    trained_done(&t);
    trained_done(&again);
    trained_done(&reused);
}

static void auto_ml_takes_the_best_recipe_that_can_be_trained(void **state)
{
    (void)state;
    struct od_buf spec;
    struct trained t = {0};
    write_walks(200, 40);
    make_spec(&spec, "", "auto", false,
              ",\"automl\":[\"aws-popularity-count\",\"aws-sims\"],"
              "\"hpo\":{\"jobs\":4,\"metric\":\"precision_at_5\"}");
    run_spec(&spec, &t);
    assert_int_equal(t.status, OD_OK);
    assert_true(od_str_eq_c(t.result.recipe, "aws-sims")); /* walks are not popular */
    struct od_json search;
    assert_int_equal(od_json_parse(&t.arena, t.result.search, &search, &t.err), OD_OK);
    assert_int_equal(od_json_get(&search, OD_STR("trials"))->count, 3); /* 1 and 2 */
    struct od_io_map map = map_file("auto.image");
    struct od_image image;
    assert_int_equal(od_image_open((struct od_str){map.ptr, map.bytes}, true, &image, &t.err),
                     OD_OK);
    assert_true(od_str_eq_c(image.recipe, "aws-sims"));
    od_io_real.unmap(&od_io_real, &map);
    trained_done(&t);
}

static void a_stopped_training_leaves_nothing(void **state)
{
    (void)state;
    write_walks(60, 40);
    for (int64_t after = 1; after < 40; after += 3) {
        struct od_buf spec;
        struct trained t = {.stop_after = after};
        make_spec(&spec, "aws-sims", "stopped", false, "");
        run_spec(&spec, &t);
        bool finished = t.status == OD_OK;
        assert_true(finished || t.status == OD_STOPPED);
        trained_done(&t);
        if (finished)
            break;
        assert_false(file_exists("stopped.image"));
        assert_false(file_exists("stopped.image.tmp"));
        assert_false(file_exists("stopped.card.json"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_event_counts_without_rules),
        cmocka_unit_test(listed_events_count_and_are_weighed),
        cmocka_unit_test(too_few_events_of_the_types_asked_for),
        cmocka_unit_test(recipes_say_what_they_lack),
        cmocka_unit_test(too_little_is_told),
        cmocka_unit_test(actions_come_as_training_set_and_table),
        cmocka_unit_test(a_search_is_done_and_told),
        cmocka_unit_test(auto_ml_takes_the_best_recipe_that_can_be_trained),
        cmocka_unit_test(a_stopped_training_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
