/* aws-next-best-action: each rule of recipes.md section 6, live events, exploration, metrics,
 * threads, hostile images. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "recipes/action_image.h"
#include "recipes/metrics.h"
#include "recipes/registry.h"
#include "toy.h"

#define DAY 86400

/* A world: even users look at items 0-4 and take action a0; odd ones at 5-9 and take a1. a2 has
 * too few events, a3 has none. */
struct world {
    struct od_arena arena;
    struct od_schema schema;
    struct od_table *table;
    struct od_training *items, *actions;
    struct od_param_value values[4];
    struct od_train_input input;
};

static void act(struct od_training_builder *b, unsigned user, unsigned action, const char *type,
                int64_t time)
{
    char u[16], a[16];
    snprintf(u, sizeof u, "u%05u", user);
    snprintf(a, sizeof a, "a%u", action);
    assert_int_equal(
        od_training_add_event(b, od_str_c(u), od_str_c(a), od_str_c(type), time, false, 0), OD_OK);
}

static struct od_value number(int64_t x)
{
    return x < 0 ? (struct od_value){.kind = OD_VALUE_NULL}
                 : (struct od_value){.kind = OD_VALUE_INTEGER, .integer = x};
}

/* value, expiry and repeat below 0: null. */
static void put_action(struct world *w, const char *id, int64_t value, int64_t expires,
                       int64_t repeat)
{
    struct od_value values[] = {{.kind = OD_VALUE_TEXT, .text = od_str_c(id)},
                                number(value),
                                number(expires),
                                number(repeat)};
    assert_int_equal(od_table_put(w->table, values), OD_OK);
}

static void world_init(struct world *w, unsigned users, bool with_actions)
{
    *w = (struct world){0};
    od_arena_init(&w->arena, 1u << 20);
    const char *text =
        "{\"type\":\"record\",\"name\":\"Actions\",\"namespace\":\"com.amazonaws.personalize."
        "schema\",\"fields\":[{\"name\":\"ACTION_ID\",\"type\":\"string\"},{\"name\":\"VALUE\","
        "\"type\":[\"null\",\"long\"]},{\"name\":\"EXPIRATION_TIMESTAMP\",\"type\":[\"null\","
        "\"long\"]},{\"name\":\"REPEAT_FREQUENCY\",\"type\":[\"null\",\"long\"]}],\"version\":"
        "\"1.0\"}";
    assert_int_equal(od_schema_parse(&w->arena, od_str_c(text), OD_DOMAIN_NONE, &w->schema, NULL),
                     OD_OK);
    w->table = od_table_new(&w->schema);
    struct od_training_builder *items = od_training_builder_new(NULL);
    struct od_training_builder *actions = od_training_builder_new(NULL);
    struct od_random rng;
    od_random_init(&rng, 2);
    for (unsigned u = 0; u < users; u++)
        for (unsigned k = 0; k < 6; k++) {
            toy_add(items, u, (unsigned)od_random_below(&rng, 5) + 5 * (u % 2), k * DAY);
            unsigned a = (unsigned)od_random_below(&rng, 2);
            bool takes = od_random_double(&rng) < (a == u % 2 ? 0.8 : 0.1);
            act(actions, u, a, "Viewed", k * 3 * DAY + 100);
            act(actions, u, a, takes ? "Taken" : "Not Taken", k * 3 * DAY + 200);
        }
    for (unsigned u = 0; u < 49; u++)
        act(actions, u, 2, "Taken", 10 * DAY);
    for (unsigned u = 49; u < users; u++)
        act(actions, u, 2, "Not Taken", 10 * DAY);
    w->items = toy_finish(items);
    w->actions = toy_finish(actions);
    const struct od_recipe_spec *spec = od_recipe_spec_find(OD_STR("aws-next-best-action"));
    assert_int_equal(od_recipe_params_default(spec, w->values), OD_OK);
    w->input = (struct od_train_input){.training = w->items,
                                       .actions = with_actions ? w->actions : NULL,
                                       .action_table = w->table,
                                       .spec = spec,
                                       .params = w->values,
                                       .seed = 1,
                                       .threads = 2};
}

static void world_done(struct world *w)
{
    od_training_free(w->items);
    od_training_free(w->actions);
    od_table_free(w->table);
    od_arena_done(&w->arena);
}

static struct od_metrics trained;

static enum od_status fit(const struct od_train_input *input, struct od_image_writer *image,
                          struct od_error *err)
{
    trained = (struct od_metrics){0};
    return od_recipe_next_best_action.train(input, image, &trained, err);
}

static struct od_memory_model model_of(const struct world *w)
{
    struct od_memory_model m;
    struct od_error err = {0};
    if (od_memory_model_fit(&od_recipe_next_best_action, fit, &w->input, &m, &err) != OD_OK)
        fail_msg("%s", err.message);
    return m;
}

static bool ask(const struct od_memory_model *m, const struct od_query *query, float *scores)
{
    struct od_arena arena;
    bool personal = false;
    od_arena_init(&arena, 1u << 20);
    assert_int_equal(m->recipe->score(m->model, query, &arena, scores, &personal, NULL), OD_OK);
    od_arena_done(&arena);
    return personal;
}

/* A user who looked at items of one taste just now. */
static struct od_query taste(const struct od_memory_model *m, unsigned kind,
                             struct od_past_event *events)
{
    for (unsigned i = 0; i < 4; i++) {
        char id[16];
        snprintf(id, sizeof id, "i%05u", kind * 5 + i);
        uint32_t code = od_image_dict_find(m->recipe->event_items(m->model), od_str_c(id));
        assert_int_not_equal(code, OD_NO_CODE);
        events[i] = (struct od_past_event){.item = code, .time = 20 * DAY - 1};
    }
    return (struct od_query){
        .events = events, .event_count = 4, .item = OD_NO_CODE, .now_s = 20 * DAY};
}

static void live_events_on_items_and_actions_change_the_answer(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, 600, true);
    struct od_memory_model m = model_of(&w);
    struct od_past_event events[4];
    float even[4], odd[4], declined[4], nobody[4];
    struct od_query q = taste(&m, 0, events);
    assert_true(ask(&m, &q, even));
    assert_true(even[0] > even[1] + 0.3f && even[0] < 1 && even[1] > 0);
    const struct od_past_event no[] = {{0, OD_ACTION_NOT_TAKEN, 20 * DAY - 300},
                                       {0, OD_ACTION_NOT_TAKEN, 20 * DAY - 200},
                                       {0, OD_ACTION_NOT_TAKEN, 20 * DAY - 100}};
    q.action_events = no;
    q.action_event_count = 3;
    ask(&m, &q, declined);
    assert_true(declined[0] < even[0] - 0.1f);
    q = taste(&m, 1, events);
    ask(&m, &q, odd);
    assert_true(odd[1] > odd[0] + 0.3f);
    struct od_query empty = {.item = OD_NO_CODE, .now_s = 20 * DAY};
    assert_false(ask(&m, &empty, nobody));
    assert_true(nobody[0] > 0 && nobody[0] < 1);
    od_memory_model_done(&m);
    world_done(&w);
}

static void actions_with_few_events_are_not_scored(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, 600, true);
    put_action(&w, "a3", 1, -1, -1);
    struct od_memory_model m = model_of(&w);
    const struct od_recipe *r = &od_recipe_next_best_action;
    struct od_past_event events[4];
    float scores[4];
    struct od_query q = taste(&m, 0, events);
    assert_int_equal(r->items(m.model)->count, 4);
    ask(&m, &q, scores);
    assert_true(r->scored(m.model, 0) && r->scored(m.model, 1));
    assert_false(r->scored(m.model, 2)); /* 49 taken */
    assert_false(r->scored(m.model, 3)); /* of the table alone */
    assert_true(scores[2] < 0 && scores[2] > -1e-6f && scores[3] < 0 && scores[3] > -1e-6f);
    assert_true(scores[3] > scores[2]); /* by VALUE: 1 against none */
    od_memory_model_done(&m);
    world_done(&w);
}

static void events_older_than_six_weeks_do_not_count(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, 600, true);
    struct od_training_builder *b = od_training_builder_new(NULL);
    for (unsigned u = 0; u < 60; u++) {
        act(b, u, 0, "Taken", 0);
        act(b, u, 0, "Viewed", 43 * DAY);
        act(b, u, 1, "Taken", DAY);
        act(b, u, 1, "Viewed", 43 * DAY);
    }
    od_training_free(w.actions);
    w.input.actions = w.actions = toy_finish(b);
    struct od_memory_model m = model_of(&w);
    assert_false(od_recipe_next_best_action.scored(m.model, 0));
    assert_true(od_recipe_next_best_action.scored(m.model, 1));
    od_memory_model_done(&m);
    world_done(&w);
}

static void without_action_interactions_all_is_by_value(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, 100, false);
    put_action(&w, "a0", 3, -1, -1);
    put_action(&w, "a1", -1, -1, -1);
    put_action(&w, "a2", 9, -1, -1);
    put_action(&w, "a3", 3, -1, -1);
    struct od_memory_model m = model_of(&w);
    struct od_past_event events[4];
    float scores[4];
    struct od_query q = taste(&m, 0, events);
    q.seed = 7; /* nothing to explore with either */
    assert_false(ask(&m, &q, scores));
    assert_true(scores[2] > scores[0] && scores[0] > scores[3] && scores[3] > scores[1]);
    assert_true(scores[2] <= 0 && scores[1] > -1e-6f);
    for (uint32_t a = 0; a < 4; a++)
        assert_false(od_recipe_next_best_action.scored(m.model, a));
    assert_int_equal(trained.count, 0);
    od_memory_model_done(&m);
    world_done(&w);
}

static void expired_and_repeated_actions_are_removed(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, 600, true);
    put_action(&w, "a0", 1, 20 * DAY + 10, -1);
    put_action(&w, "a1", 1, -1, 3);
    struct od_memory_model m = model_of(&w);
    struct od_past_event events[4];
    float scores[4];
    struct od_query q = taste(&m, 0, events);
    ask(&m, &q, scores);
    assert_true(scores[0] > 0 && scores[1] > 0);
    q.now_s = 20 * DAY + 10;
    ask(&m, &q, scores);
    assert_true(scores[0] == -INFINITY && scores[1] > 0);
    struct od_past_event seen = {1, OD_ACTION_VIEWED, 18 * DAY};
    q = taste(&m, 0, events);
    q.action_events = &seen;
    q.action_event_count = 1;
    ask(&m, &q, scores);
    assert_true(scores[1] == -INFINITY && scores[0] > 0);
    seen.time = 17 * DAY; /* three days ago */
    ask(&m, &q, scores);
    assert_true(scores[1] > 0);
    od_memory_model_done(&m);
    world_done(&w);
}

static void what_a_query_knows_of_actions_takes_the_place_of_the_image(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, 600, true);
    put_action(&w, "a0", 1, 20 * DAY - 10, -1); /* over */
    put_action(&w, "a1", 1, -1, -1);
    put_action(&w, "a3", 2, -1, -1);
    struct od_memory_model m = model_of(&w);
    struct od_past_event events[4], seen = {1, OD_ACTION_VIEWED, 19 * DAY};
    float scores[4];
    struct od_query q = taste(&m, 0, events);
    q.action_events = &seen;
    q.action_event_count = 1;
    ask(&m, &q, scores);
    assert_true(scores[0] == -INFINITY && scores[1] > 0 && scores[3] > scores[2]);
    struct od_action_fact facts[4] = {{true, INT64_MAX, 0, 0},
                                      {true, INT64_MAX, 0, 3},
                                      {true, INT64_MAX, 9, 0},
                                      {.known = false, .expires_s = 0}};
    q.action_facts = facts;
    ask(&m, &q, scores);
    assert_true(scores[0] > 0 && scores[1] == -INFINITY);
    assert_true(scores[2] > scores[3] && scores[3] > -INFINITY); /* by VALUE */
    od_memory_model_done(&m);
    world_done(&w);
}

static void exploration_draws_for_new_actions_alone(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, 600, true);
    put_action(&w, "a3", 1, -1, -1);
    struct od_memory_model m = model_of(&w);
    struct od_past_event events[4];
    float still[4], scores[4], again[4];
    struct od_query q = taste(&m, 0, events);
    ask(&m, &q, still);
    double sum = 0, square = 0;
    int first = 0;
    for (uint64_t seed = 1; seed <= 400; seed++) {
        q.seed = seed;
        ask(&m, &q, scores);
        assert_true(scores[0] == still[0] && scores[1] == still[1]);
        assert_true(scores[3] > 0 && scores[3] <= 1);
        sum += (double)scores[3] / 400;
        square += (double)(scores[3] * scores[3]) / 400;
        first += scores[3] > scores[0];
    }
    assert_true(sqrt(square - sum * sum) > 0.1); /* nobody knows it */
    assert_true(first > 20 && first < 300);
    ask(&m, &q, again);
    assert_memory_equal(scores, again, sizeof scores); /* the seed decides */
    od_memory_model_done(&m);
    world_done(&w);
}

static void the_period_has_its_effect(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, 600, true);
    struct od_training_builder *b = od_training_builder_new(NULL);
    for (unsigned u = 0; u < 200; u++) { /* taken nine days after it was seen */
        act(b, u, 0, "Viewed", u * 1000);
        act(b, u, 0, "Taken", u * 1000 + 9 * DAY);
        act(b, u, 1, "Viewed", 40 * DAY);
    }
    od_training_free(w.actions);
    w.input.actions = w.actions = toy_finish(b);
    float scores[2][2];
    static const char *const days[] = {"14", "7"};
    for (int i = 0; i < 2; i++) {
        assert_int_equal(od_recipe_params_set(w.input.spec, OD_PARAM_FEATURIZATION,
                                              OD_STR("action_optimization_period"),
                                              od_str_c(days[i]), w.values, NULL),
                         OD_OK);
        struct od_memory_model m = model_of(&w);
        struct od_query q = {.item = OD_NO_CODE, .now_s = 41 * DAY};
        ask(&m, &q, scores[i]);
        od_memory_model_done(&m);
    }
    assert_true(scores[0][0] > scores[1][0] + 0.2f);
    world_done(&w);
}

/* One view in twenty-one ends in a take, within minutes; of the rest nobody says anything. The
 * offers of the last two weeks still run: by them one in ten would seem to be taken. */
static void who_has_not_answered_yet_does_not_raise_the_probability(void **state)
{
    (void)state;
    enum { OFFERS = 4000 };
    struct world w;
    world_init(&w, OFFERS, true);
    struct od_training_builder *b = od_training_builder_new(NULL);
    for (unsigned u = 0; u < OFFERS; u++) {
        int64_t seen = (int64_t)u * 70 * DAY / OFFERS;
        act(b, u, 0, "Viewed", seen);
        if (u % 21 == 0)
            act(b, u, 0, "Taken", seen + 100);
    }
    od_training_free(w.actions);
    w.input.actions = w.actions = toy_finish(b);
    struct od_memory_model m = model_of(&w);
    struct od_past_event events[6];
    for (uint32_t k = 0; k < 6; k++) /* like everybody's */
        events[k] = (struct od_past_event){.item = k % 5, .type = OD_NO_TYPE, .time = k * DAY};
    struct od_query q = {.events = events, .event_count = 6, .item = OD_NO_CODE, .now_s = 60 * DAY};
    float score;
    ask(&m, &q, &score);
    if (fabsf(score - .05F) > .015F)
        fail_msg("%g", (double)score);
    od_memory_model_done(&m);
    world_done(&w);
}

static void metrics_find_what_can_be_found(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, 600, true);
    struct od_memory_model m = model_of(&w);
    static const char *const names[] = {"coverage",
                                        "precision",
                                        "recall",
                                        "auc",
                                        "normalized_discounted_cumulative_gain_at_5",
                                        "normalized_discounted_cumulative_gain_at_10",
                                        "normalized_discounted_cumulative_gain_at_25"};
    assert_int_equal(trained.count, 7);
    for (int i = 0; i < 7; i++) {
        const double *value = od_metrics_find(&trained, names[i]);
        assert_non_null(value);
        assert_true(*value >= 0 && *value <= 1);
    }
    assert_true(*od_metrics_find(&trained, "coverage") == 1);
    assert_true(*od_metrics_find(&trained, "auc") > 0.75);
    assert_true(*od_metrics_find(&trained, "normalized_discounted_cumulative_gain_at_5") > 0.8);
    od_memory_model_done(&m);
    world_done(&w);
}

/* Nobody declines; a view that stays one is a no. */
static void views_alone_tell_what_is_not_taken(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, 600, true);
    struct od_training_builder *b = od_training_builder_new(NULL);
    for (unsigned u = 0; u < 600; u++)
        for (unsigned k = 0; k < 3; k++) {
            act(b, u, u % 2, "Viewed", k * 15 * DAY);
            act(b, u, 1 - u % 2, "Viewed", k * 15 * DAY + 50);
            act(b, u, u % 2, "Taken", k * 15 * DAY + 100);
        }
    for (unsigned u = 0; u < 600; u++) /* the newest tenth: what is not for them, then what is */
        for (unsigned a = 0; a < 2; a++)
            act(b, u, a, a == u % 2 ? "Taken" : "Viewed", 46 * DAY + a);
    od_training_free(w.actions);
    w.input.actions = w.actions = toy_finish(b);
    struct od_memory_model m = model_of(&w);
    const double *auc = od_metrics_find(&trained, "auc");
    assert_non_null(auc);
    assert_true(*auc > .8);
    od_memory_model_done(&m);
    world_done(&w);
}

static void threads_give_the_same_image_and_metrics(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, 400, true);
    struct od_memory_model one, three;
    w.input.threads = 1;
    one = model_of(&w);
    struct od_metrics metrics = trained;
    w.input.threads = 3;
    three = model_of(&w);
    assert_int_equal(one.image.bytes.len, three.image.bytes.len);
    assert_memory_equal(one.image.bytes.ptr, three.image.bytes.ptr, one.image.bytes.len);
    assert_memory_equal(&metrics, &trained, sizeof trained);
    od_memory_model_done(&one);
    od_memory_model_done(&three);
    world_done(&w);
}

static void no_action_at_all_is_refused(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, 60, false);
    struct od_memory_model m;
    struct od_error err = {0};
    assert_int_equal(od_memory_model_fit(&od_recipe_next_best_action, fit, &w.input, &m, &err),
                     OD_INVALID_INPUT);
    assert_non_null(strstr(err.message, "Actions dataset"));
    w.input.action_table = NULL;
    assert_int_equal(od_memory_model_fit(&od_recipe_next_best_action, fit, &w.input, &m, &err),
                     OD_INVALID_INPUT);
    world_done(&w);
}

/* --- hostile images --- */

static enum od_status put_bytes(void *to, const void *bytes, size_t len)
{
    od_buf_put(to, bytes, len);
    return od_buf_status(to);
}

static enum od_status open_bytes(const struct od_buf *bytes)
{
    void *aligned = aligned_alloc(64, (bytes->len + 63) / 64 * 64);
    assert_non_null(aligned);
    memcpy(aligned, bytes->ptr, bytes->len);
    struct od_image image;
    struct od_model *model = NULL;
    enum od_status s = od_image_open((struct od_str){aligned, bytes->len}, true, &image, NULL);
    if (s == OD_OK)
        s = od_recipe_next_best_action.open(&image, &model, NULL);
    if (s == OD_OK)
        od_recipe_next_best_action.close(model);
    free(aligned);
    return s;
}

static enum od_status rewrite(const struct od_image *from, const char *name, const void *bytes,
                              uint64_t len)
{
    struct od_image_writer *w = od_image_writer_new(OD_STR("aws-next-best-action"), 1);
    struct od_str section;
    for (uint32_t i = 0; i < from->section_count; i++) {
        char text[OD_IMAGE_NAME];
        struct od_str n = od_image_section_name(from, i);
        snprintf(text, sizeof text, "%.*s", OD_STR_ARG(n));
        assert_true(od_image_section(from, text, &section));
        if (strcmp(text, name) == 0)
            section = (struct od_str){bytes, len};
        if (section.ptr)
            assert_int_equal(od_image_add(w, text, section.ptr, section.len, false), OD_OK);
    }
    struct od_buf buf;
    od_buf_init(&buf, 1u << 26);
    assert_int_equal(od_image_finish(w, put_bytes, &buf), OD_OK);
    od_image_writer_free(w);
    enum od_status s = open_bytes(&buf);
    od_buf_done(&buf);
    return s;
}

static void hostile_images_are_refused(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, 100, true);
    struct od_memory_model m = model_of(&w);
    static const char *const names[] = {"action.about", "action.projection", "action.scale",
                                        "action.theta", "action.factor"};
    assert_int_equal(rewrite(&m.image, "none", NULL, 0), OD_OK);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct od_str section;
        assert_true(od_image_section(&m.image, names[i], &section));
        assert_int_equal(rewrite(&m.image, names[i], NULL, 0), OD_CORRUPT);
        assert_int_equal(rewrite(&m.image, names[i], section.ptr, section.len - 4), OD_CORRUPT);
        char *wild = malloc(section.len);
        memcpy(wild, section.ptr, section.len);
        memset(wild, 0xff, 4);
        assert_int_equal(rewrite(&m.image, names[i], wild, section.len), OD_CORRUPT);
        free(wild);
    }
    struct od_str section;
    assert_true(od_image_section(&m.image, "action.factor", &section));
    float *zero = calloc(section.len / 4, sizeof *zero); /* singular */
    assert_int_equal(rewrite(&m.image, "action.factor", zero, section.len), OD_CORRUPT);
    free(zero);
    assert_true(od_image_section(&m.image, "action.about", &section));
    struct od_action_about about;
    memcpy(&about, section.ptr, sizeof about);
    about.calibration.count = OD_ACTION_KNOTS + 1;
    assert_int_equal(rewrite(&m.image, "action.about", &about, sizeof about), OD_CORRUPT);
    memcpy(&about, section.ptr, sizeof about);
    about.calibration.y[1] = -1; /* falls */
    assert_int_equal(rewrite(&m.image, "action.about", &about, sizeof about), OD_CORRUPT);
    assert_true(od_image_section(&m.image, "action.rules", &section));
    struct od_action_rule *rules = malloc(section.len);
    memcpy(rules, section.ptr, section.len);
    rules[1].value = NAN;
    assert_int_equal(rewrite(&m.image, "action.rules", rules, section.len), OD_CORRUPT);
    free(rules);
    od_memory_model_done(&m);
    world_done(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(live_events_on_items_and_actions_change_the_answer),
        cmocka_unit_test(actions_with_few_events_are_not_scored),
        cmocka_unit_test(events_older_than_six_weeks_do_not_count),
        cmocka_unit_test(without_action_interactions_all_is_by_value),
        cmocka_unit_test(expired_and_repeated_actions_are_removed),
        cmocka_unit_test(what_a_query_knows_of_actions_takes_the_place_of_the_image),
        cmocka_unit_test(exploration_draws_for_new_actions_alone),
        cmocka_unit_test(the_period_has_its_effect),
        cmocka_unit_test(who_has_not_answered_yet_does_not_raise_the_probability),
        cmocka_unit_test(metrics_find_what_can_be_found),
        cmocka_unit_test(views_alone_tell_what_is_not_taken),
        cmocka_unit_test(threads_give_the_same_image_and_metrics),
        cmocka_unit_test(no_action_at_all_is_refused),
        cmocka_unit_test(hostile_images_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
