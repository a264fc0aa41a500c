/* The model card: the learning curve told by stages, what a training was made of, comparisons. */
#include "jobs/train.inc"

#include "data/image.h"
#include "jobs/card.h"
#include "recipes/metrics.h"

/* --- the curve --- */

static void stages_become_a_curve(void **state)
{
    (void)state;
    struct od_run run = {0};
    od_arena_init(&run.arena, SIZE_MAX);
    od_card_note_stage(&run, "counting");
    assert_int_equal(run.curve.count, 0);
    od_card_note_stage(&run, "training for metrics: epoch 1 of 3");
    od_card_note_stage(&run, "training for metrics: epoch 1 of 3, loss 4.5, NDCG 0.10.");
    od_card_note_stage(&run, "epoch 2 of 3, loss 4.25");
    od_card_note_stage(&run, "epoch 1, loss 3");
    od_card_note_stage(&run, "epochs are fun");
    assert_int_equal(run.curve.count, 3);
    const struct od_card_point *p = run.curve.points;
    assert_true(p[0].pass == 1 && p[0].epoch == 1 && p[0].loss == 4.5 && p[0].ndcg == 0.1);
    assert_true(p[1].pass == 1 && p[1].epoch == 2 && p[1].loss == 4.25 && isnan(p[1].ndcg));
    assert_true(p[2].pass == 2 && p[2].epoch == 1 && p[2].loss == 3);
    for (int i = 0; i < 2 * OD_CARD_POINTS; i++) {
        char stage[64];
        snprintf(stage, sizeof stage, "epoch %d, loss 1", i + 2);
        od_card_note_stage(&run, stage);
    }
    assert_int_equal(run.curve.count, OD_CARD_POINTS);
    od_arena_done(&run.arena);
}

/* --- a whole training's card --- */

static void read_card(const char *name, struct od_arena *arena, struct od_json *out)
{
    struct od_io_map map = map_file(name);
    struct od_error err;
    struct od_str copy = od_arena_str(arena, (struct od_str){map.ptr, map.bytes});
    if (od_json_parse(arena, copy, out, &err) != OD_OK)
        fail_msg("%s: %.*s", err.message, OD_STR_ARG(copy));
    od_io_real.unmap(&od_io_real, &map);
}

static void a_training_leaves_its_card(void **state)
{
    (void)state;
    struct od_buf spec;
    struct trained t = {0};
    struct od_json card, lasting;
    struct od_image image;
    struct od_str section;
    write_walks(200, 40);
    make_spec(&spec, "aws-sims", "carded", false, "");
    run_spec(&spec, &t);
    assert_int_equal(t.status, OD_OK);
    read_card("carded.card.json", &t.arena, &card);
    assert_true(od_str_eq_c(od_json_get_str(&card, "recipe", OD_STR("")), "aws-sims"));
    const struct od_json *data = od_json_get(&card, OD_STR("data"));
    assert_int_equal(od_json_get_i64(data, "interactions", 0), 8000);
    assert_int_equal(od_json_get_i64(data, "users", 0), 200);
    assert_int_equal(od_json_get_i64(od_json_get(data, OD_STR("eventTypes")), "book", 0), 1600);
    assert_int_equal(od_json_get_i64(data, "fromSeconds", 0), 1700000000);
    const struct od_json *fields = od_json_get(&card, OD_STR("fields"));
    assert_true(od_str_eq_c(od_json_get(fields, OD_STR("INTERACTIONS"))->items[0].text, "DEVICE"));
    struct od_str count = od_json_get_str(od_json_get(&card, OD_STR("parameters")),
                                          "min_cointeraction_count", OD_STR(""));
    assert_true(od_str_eq_c(count, "3"));
    assert_true(od_json_get_i64(od_json_get(&card, OD_STR("sections")), "neighbour", 0) > 0);
    const char *mrr = "mean_reciprocal_rank_at_25";
    double mine = od_json_get_double(od_json_get(&card, OD_STR("metrics")), mrr, -1);
    double popular = od_json_get_double(od_json_get(&card, OD_STR("popularity")), mrr, -1);
    assert_true(mine == metric(&t, mrr));
    assert_true(popular > 0 && mine > popular);          /* walks are not popular */
    assert_null(od_json_get(&card, OD_STR("ablation"))); /* sims uses no fields */
    /* the image holds what does not depend on the machine */
    struct od_io_map map = map_file("carded.image");
    assert_int_equal(od_image_open((struct od_str){map.ptr, map.bytes}, true, &image, &t.err),
                     OD_OK);
    assert_true(od_image_section(&image, "card", &section));
    assert_int_equal(od_json_parse(&t.arena, section, &lasting, &t.err), OD_OK);
    assert_non_null(od_json_get(&lasting, OD_STR("metrics")));
    assert_null(od_json_get(&lasting, OD_STR("trainingSeconds")));
    assert_non_null(od_json_get(&card, OD_STR("trainingSeconds")));
    od_io_real.unmap(&od_io_real, &map);
    trained_done(&t);
}

/* --- comparing, with a recipe whose one use of records is known --- */

struct od_model {
    struct od_image_dict items;
    bool knows; /* items have a GENRE */
};

static enum od_status known_train(const struct od_train_input *input, struct od_image_writer *image,
                                  struct od_metrics *metrics, struct od_error *err)
{
    assert_null(metrics);
    const struct od_table *table = input->training->item_table;
    uint8_t knows = table && od_schema_find(od_table_schema(table), OD_STR("GENRE")) != SIZE_MAX;
    enum od_status s = od_progress_report(&input->progress, 0.5, "epoch 7, loss 1", err);
    if (s == OD_OK)
        s = od_image_add_dict(image, "items", input->training->items);
    return s == OD_OK ? od_image_add(image, "knows", &knows, 1, false) : s;
}

static enum od_status known_open(const struct od_image *image, struct od_model **out,
                                 struct od_error *err)
{
    struct od_str knows;
    *out = calloc(1, sizeof **out);
    assert_true(od_image_section(image, "knows", &knows));
    (*out)->knows = knows.ptr[0];
    return od_image_dict_open(image, "items", &(*out)->items, err);
}

static void known_close(struct od_model *model)
{
    free(model);
}

static const struct od_image_dict *known_items(const struct od_model *model)
{
    return &model->items;
}

/* With GENRE: the item after the last, else the last itself. */
static enum od_status known_score(const struct od_model *model, const struct od_query *query,
                                  struct od_arena *scratch, float *scores, bool *out_personal,
                                  struct od_error *err)
{
    (void)scratch;
    (void)err;
    uint32_t last = query->events[query->event_count - 1].item;
    uint32_t best = model->knows ? last / 10 * 10 + (last + 1) % 10 : last;
    for (uint32_t i = 0; i < model->items.count; i++)
        scores[i] = i == best;
    *out_personal = true;
    return OD_OK;
}

static const struct od_recipe known = {.name = "aws-item-affinity",
                                       .train = known_train,
                                       .open = known_open,
                                       .close = known_close,
                                       .items = known_items,
                                       .score = known_score};

static void fields_contribute_what_they_do(void **state)
{
    (void)state;
    struct od_recipe_spec uses = {.name = "known", .uses_fields = true};
    struct od_buf text, out;
    struct od_json spec, card;
    struct od_error err = {0};
    struct trained t = {0};
    struct od_progress progress = {note_progress, &t};
    struct od_run run = {.io = &od_io_real, .progress = &progress, .err = &err};
    write_walks(200, 40);
    segment("items", ITEMS, OD_ITEMS, OD_STR("ITEM_ID,GENRE,PRICE\ng0-00,a,1\n"));
    od_arena_init(&run.arena, SIZE_MAX);
    od_buf_init(&out, 1u << 20);
    make_spec(&text, "aws-item-affinity", "x", true, "");
    assert_int_equal(od_json_parse(&run.arena, od_buf_view(&text), &spec, &err), OD_OK);
    run.spec = &spec;
    run.recipe = &known;
    run.recipe_spec = &uses;
    assert_int_equal(od_run_read_inputs(&run), OD_OK);
    struct od_train_input input = {.training = run.training, .seed = 1, .threads = 1};
    od_buf_char(&out, '{');
    od_buf_puts(&out, "\"x\":0");
    assert_int_equal(od_card_compare(&run, &input, 1, &out), OD_OK);
    od_buf_char(&out, '}');
    assert_int_equal(od_json_parse(&run.arena, od_buf_view(&out), &card, &err), OD_OK);
    const struct od_json *ablation = od_json_get(&card, OD_STR("ablation"));
    const struct od_json *fields = od_json_get(ablation, OD_STR("fields"));
    double whole = od_json_get_double(ablation, "with", 0);
    assert_true(whole > 0.15);
    assert_int_equal(fields->count, 3);
    assert_int_equal(od_json_get(ablation, OD_STR("notMeasured"))->count, 0);
    static const char *const names[] = {"GENRE", "PRICE", "DEVICE"};
    for (int i = 0; i < 3; i++) {
        assert_true(od_str_eq_c(od_json_get_str(&fields->items[i], "field", OD_STR("")), names[i]));
        double gives = od_json_get_double(&fields->items[i], "contribution", -1);
        assert_true(i == 0 ? gives > whole / 3 : gives == 0);
    }
    assert_int_equal(run.curve.count, 0); /* comparisons are no part of the curve */
    assert_non_null(strstr(t.stages, "card: without GENRE"));
    /* a long training: the fields are named, not measured */
    od_buf_clear(&out);
    assert_int_equal(od_card_compare(&run, &input, 61, &out), OD_OK);
    od_buf_char(&out, '\0');
    assert_null(strstr(out.ptr, "contribution"));
    assert_non_null(
        strstr(out.ptr, "\"fields\":[],\"notMeasured\":[\"GENRE\",\"PRICE\",\"DEVICE\"]"));
    /* unless the spec gives it the time */
    od_buf_done(&text);
    od_buf_clear(&out);
    make_spec(&text, "aws-item-affinity", "x", true, ",\"card_seconds\":100");
    assert_int_equal(od_json_parse(&run.arena, od_buf_view(&text), &spec, &err), OD_OK);
    assert_int_equal(od_card_compare(&run, &input, 61, &out), OD_OK);
    od_buf_char(&out, '\0');
    assert_non_null(strstr(out.ptr, "contribution"));
    assert_non_null(strstr(out.ptr, "\"notMeasured\":[]"));
    od_run_free_inputs(&run);
    od_arena_done(&run.arena);
    od_buf_done(&text);
    od_buf_done(&out);
}

static void the_serving_version_is_compared_on_later_events(void **state)
{
    (void)state;
    struct od_buf spec;
    struct trained old = {0}, new = {0};
    struct od_json card;
    char more[512];
    write_walks(300, 10);
    make_spec(&spec, "aws-sims", "old", false, "");
    run_spec(&spec, &old);
    assert_int_equal(old.status, OD_OK);
    write_walks(300, 60); /* the same walks go on */
    snprintf(more, sizeof more,
             ",\"serving\":{\"arn\":\"arn:old\",\"image\":\"%s/"
             "old.image\",\"metrics\":{\"coverage\":0.5}}",
             folder);
    make_spec(&spec, "aws-sims", "new", false, more);
    run_spec(&spec, &new);
    assert_int_equal(new.status, OD_OK);
    read_card("new.card.json", &new.arena, &card);
    const struct od_json *serving = od_json_get(&card, OD_STR("serving"));
    assert_true(od_str_eq_c(od_json_get_str(serving, "solutionVersionArn", OD_STR("")), "arn:old"));
    assert_int_equal(od_json_get_i64(serving, "usersWithLaterEvents", 0), 30);
    const struct od_json *later = od_json_get(serving, OD_STR("onLaterEvents"));
    const char *ndcg = "normalized_discounted_cumulative_gain_at_25";
    assert_true(od_json_get_double(od_json_get(later, OD_STR("serving")), ndcg, -1) > 0);
    assert_true(od_json_get_double(od_json_get(later, OD_STR("this")), ndcg, -1) > 0);
    /* the same data again: it has seen every event, so nothing can be said */
    snprintf(more, sizeof more, ",\"serving\":{\"arn\":\"arn:new\",\"image\":\"%s/new.image\"}",
             folder);
    make_spec(&spec, "aws-sims", "again", false, more);
    trained_done(&old);
    run_spec(&spec, &old);
    read_card("again.card.json", &old.arena, &card);
    serving = od_json_get(&card, OD_STR("serving"));
    assert_int_equal(od_json_get_i64(serving, "usersWithLaterEvents", -1), 0);
    assert_null(od_json_get(serving, OD_STR("onLaterEvents")));
    trained_done(&old);
    trained_done(&new);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stages_become_a_curve),
        cmocka_unit_test(a_training_leaves_its_card),
        cmocka_unit_test(fields_contribute_what_they_do),
        cmocka_unit_test(the_serving_version_is_compared_on_later_events),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
