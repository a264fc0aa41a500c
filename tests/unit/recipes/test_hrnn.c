/* The HRNN recipes: what each accepts, learns, writes and answers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/bitmap.h"
#include "recipes/fitted.h"
#include "recipes/gru_model.h"
#include "recipes/hrnn.h"
#include "recipes/registry.h"
#include "recipes/shelf.h"
#include "recipes/toy.h"
#include "recipes/updated.h"

enum { USERS = 120, CROWD = 1500, ITEMS = 40, NEW = 110, DAY = 86400 };

/* Even users walk the even items upwards, odd users the odd ones; the last quarter of an even
 * user's history is an hour after the rest. */
static struct od_training *walks_of(unsigned count, const struct od_table *items,
                                    const struct od_table *users)
{
    struct od_training_builder *b = od_training_builder_new(NULL);
    struct od_random rng;
    od_random_init(&rng, 4);
    for (unsigned u = 0; u < count; u++) {
        unsigned at = (unsigned)od_random_below(&rng, ITEMS / 2);
        unsigned n = 8 + (unsigned)od_random_below(&rng, 9);
        for (unsigned k = 0; k < n; k++) {
            toy_add(b, u, at % (ITEMS / 2) * 2 + u % 2,
                    (int64_t)u * DAY / 60 + 60 * k + (k > n * 3 / 4 ? 3600 : 0));
            at += od_random_below(&rng, 12) ? 1 : (unsigned)od_random_below(&rng, ITEMS);
        }
    }
    struct od_training *t = toy_finish(b);
    t->item_table = items;
    t->user_table = users;
    return t;
}

static struct od_training *walks(const struct od_table *items, const struct od_table *users)
{
    return walks_of(USERS, items, users);
}

/* Records of all items: KIND even or odd; with new ones that no event names. */
static void shelve(struct shelf *shelf, bool with_new)
{
    shelf_init(shelf, ",{\"name\":\"KIND\",\"type\":[\"null\",\"string\"],\"categorical\":true}"
                      ",{\"name\":\"CREATION_TIMESTAMP\",\"type\":[\"null\",\"long\"]}");
    for (unsigned i = 0; i < ITEMS + (with_new ? NEW : 0); i++) {
        char id[16];
        snprintf(id, sizeof id, "i%05u", i);
        const char *cells[2] = {i % 2 ? "odd" : "even", i < ITEMS ? "-900000" : NULL};
        shelf_put(shelf, id, cells);
    }
}

/* Records of all users: SIDE changes every `turn` users, AGE with it. */
static void enrol(struct shelf *people, unsigned turn)
{
    struct od_error err = {0};
    *people = (struct shelf){0};
    od_arena_init(&people->arena, 1u << 20);
    assert_int_equal(
        od_schema_parse(
            &people->arena,
            OD_STR("{\"type\":\"record\",\"name\":\"Users\",\"namespace\":\"com.amazonaws."
                   "personalize.schema\",\"fields\":[{\"name\":\"USER_ID\",\"type\":\"string\"},"
                   "{\"name\":\"SIDE\",\"type\":\"string\",\"categorical\":true},"
                   "{\"name\":\"AGE\",\"type\":[\"null\",\"int\"]}],\"version\":\"1.0\"}"),
            OD_DOMAIN_NONE, &people->schema, &err),
        OD_OK);
    people->table = od_table_new(&people->schema);
    for (unsigned u = 0; u < CROWD; u++) {
        char id[16], age[16];
        snprintf(id, sizeof id, "u%05u", u);
        snprintf(age, sizeof age, "%u", 20 + u / turn % 2 * 40);
        const char *cells[2] = {u / turn % 2 ? "odd" : "even", age};
        shelf_put(people, id, cells);
    }
}

static void settle(struct fitted *f, const char *recipe, const struct od_training *t)
{
    fitted_init(f, recipe, t);
    fitted_set(f, "hidden_dimension", "32");
}

static const struct od_image_dict *items_of(const struct fitted *f)
{
    return f->model.recipe->items(f->model.model);
}

/* Scores after the events items[0..count), a minute apart, asked `wait` seconds after the last. */
static bool ask(const struct fitted *f, const unsigned *items, size_t count, int64_t wait,
                const struct od_query_value *user, size_t values, float *scores)
{
    struct od_past_event events[300];
    struct od_arena scratch;
    bool personal;
    for (size_t i = 0; i < count; i++) {
        char id[16];
        snprintf(id, sizeof id, "i%05u", items[i]);
        events[i] = (struct od_past_event){.item = od_image_dict_find(items_of(f), od_str_c(id)),
                                           .time = 60 * (int64_t)i};
    }
    struct od_query query = {.events = events,
                             .event_count = count,
                             .user = user,
                             .user_value_count = values,
                             .item = OD_NO_CODE,
                             .now_s = 60 * (int64_t)count - 60 + wait};
    od_arena_init(&scratch, SIZE_MAX);
    assert_int_equal(
        f->model.recipe->score(f->model.model, &query, &scratch, scores, &personal, NULL), OD_OK);
    od_arena_done(&scratch);
    for (uint32_t i = 0; i < items_of(f)->count; i++)
        assert_false(isnan(scores[i]));
    return personal;
}

static uint32_t code_of(const struct fitted *f, unsigned item)
{
    char id[16];
    snprintf(id, sizeof id, "i%05u", item);
    return od_image_dict_find(items_of(f), od_str_c(id));
}

static void plain_learns_answers_and_measures(void **state)
{
    (void)state;
    struct od_training *t = walks(NULL, NULL);
    struct fitted f;
    float scores[ITEMS], other[ITEMS];
    settle(&f, "aws-hrnn", t);
    if (fitted_run(&f, true) != OD_OK)
        fail_msg("%s", f.err.message);
    assert_int_equal(items_of(&f)->count, ITEMS);
    const unsigned walk[4] = {6, 8, 10, 12}, unknown[1] = {777};
    assert_true(ask(&f, walk, 4, 60, NULL, 0, scores));
    assert_int_equal(fitted_best(scores, ITEMS), code_of(&f, 14));
    assert_true(ask(&f, walk, 4, 7200, NULL, 0, other)); /* a new session asks another state */
    assert_memory_not_equal(scores, other, sizeof scores);
    assert_true(ask(&f, walk, 4, 0, NULL, 0, other)); /* not known when: still the next step */
    assert_int_equal(fitted_best(other, ITEMS), code_of(&f, 14));
    assert_false(ask(&f, unknown, 1, 60, NULL, 0, scores));
    assert_false(ask(&f, NULL, 0, 60, NULL, 0, other));
    assert_memory_equal(scores, other, sizeof scores);
    float temperature = f.model.recipe->temperature(f.model.model);
    double share = 0;
    for (size_t i = 0; i < ITEMS; i++) /* popularity: shares of all interactions */
        share += exp((double)(other[i] / temperature));
    assert_true(temperature > 0 && fabs(share - 1) < 1e-3);
    const double *mrr = od_metrics_find(&f.metrics, "mean_reciprocal_rank_at_25");
    assert_non_null(mrr);
    assert_non_null(od_metrics_find(&f.metrics, "coverage"));
    assert_true(*mrr > .5);
    fitted_done(&f);
    od_training_free(t);
}

static void long_histories_are_read_from_their_end(void **state)
{
    (void)state;
    struct od_training *t = walks(NULL, NULL);
    struct fitted f;
    unsigned items[250], same[250];
    float a[ITEMS], b[ITEMS];
    settle(&f, "aws-hrnn", t);
    assert_int_equal(fitted_run(&f, false), OD_OK);
    for (unsigned i = 0; i < 250; i++) {
        items[i] = i * 2 % ITEMS;
        same[i] = i < 50 ? 1 : items[i];
    }
    assert_true(ask(&f, items, 250, 60, NULL, 0, a));
    assert_true(ask(&f, same, 250, 60, NULL, 0, b));
    assert_memory_equal(a, b, sizeof a);
    fitted_done(&f);
    od_training_free(t);
}

/* Whether two settings of a parameter give different models. */
static bool changes(const struct od_training *t, const char *name, const char *one,
                    const char *other)
{
    struct fitted f[2];
    const char *values[2] = {one, other};
    for (size_t i = 0; i < 2; i++) {
        settle(&f[i], "aws-hrnn", t);
        fitted_set(&f[i], name, values[i]);
        assert_int_equal(fitted_run(&f[i], false), OD_OK);
    }
    bool same = f[0].model.image.bytes.len == f[1].model.image.bytes.len &&
                memcmp(f[0].model.image.bytes.ptr, f[1].model.image.bytes.ptr,
                       f[0].model.image.bytes.len) == 0;
    fitted_done(&f[0]);
    fitted_done(&f[1]);
    return !same;
}

static void every_parameter_has_an_effect(void **state)
{
    (void)state;
    struct od_training *t = walks(NULL, NULL);
    assert_true(changes(t, "hidden_dimension", "32", "40"));
    assert_true(changes(t, "bptt", "2", "32"));
    assert_true(changes(t, "recency_mask", "True", "False"));
    assert_true(changes(t, "min_user_history_length_percentile", "0.0", "0.3"));
    assert_true(changes(t, "max_user_history_length_percentile", "0.6", "1.0"));
    assert_false(changes(t, "bptt", "32", "32")); /* the same again: the same bytes */
    od_training_free(t);
}

static void threads_do_not_change_the_image(void **state)
{
    (void)state;
    struct shelf shelf;
    shelve(&shelf, false);
    struct od_training *t = walks(shelf.table, NULL);
    struct fitted f[2];
    for (unsigned i = 0; i < 2; i++) {
        settle(&f[i], "aws-hrnn-metadata", t);
        f[i].input.threads = i + 1;
        assert_int_equal(fitted_run(&f[i], true), OD_OK);
    }
    assert_int_equal(f[0].model.image.bytes.len, f[1].model.image.bytes.len);
    assert_memory_equal(f[0].model.image.bytes.ptr, f[1].model.image.bytes.ptr,
                        f[0].model.image.bytes.len);
    fitted_done(&f[0]);
    fitted_done(&f[1]);
    od_training_free(t);
    shelf_done(&shelf);
}

static void metadata_speaks_for_items_and_users(void **state)
{
    (void)state;
    struct shelf shelf, people;
    shelve(&shelf, true);
    enrol(&people, 1);
    struct od_training *t = walks(shelf.table, people.table);
    struct fitted f;
    float scores[ITEMS + NEW], other[ITEMS + NEW];
    settle(&f, "aws-hrnn-metadata", t);
    if (fitted_run(&f, false) != OD_OK)
        fail_msg("%s", f.err.message);
    assert_int_equal(items_of(&f)->count, ITEMS + NEW);
    const unsigned walk[3] = {6, 8, 10};
    assert_true(ask(&f, walk, 3, 60, NULL, 0, scores));
    double even = 0, odd = 0; /* new items are scored by their kind alone */
    for (unsigned i = ITEMS; i < ITEMS + NEW; i++)
        *(i % 2 ? &odd : &even) += (double)scores[code_of(&f, i)];
    assert_true(even > odd);
    const struct od_query_value sides[2] = {{OD_STR("SIDE"), OD_STR("even")},
                                            {OD_STR("AGE"), OD_STR("20")}};
    const struct od_query_value no_side[1] = {{OD_STR("SIDE"), OD_STR("neither")}};
    const struct od_query_value by_age[1] = {{OD_STR("AGE"), OD_STR("60")}};
    assert_true(ask(&f, walk, 1, 60, sides, 2, other));
    assert_true(ask(&f, walk, 1, 60, no_side, 1, scores));
    assert_memory_not_equal(scores, other, sizeof scores);
    assert_true(ask(&f, walk, 1, 60, NULL, 0, other));
    assert_memory_equal(scores, other, sizeof scores); /* an unknown value says nothing */
    assert_true(ask(&f, walk, 1, 60, by_age, 1, scores));
    assert_memory_not_equal(scores, other, sizeof scores); /* a number falls into its bin */
    assert_false(ask(&f, NULL, 0, 0, no_side, 1, other));  /* popularity */
    assert_true(ask(&f, NULL, 0, 0, sides, 2, scores));    /* of even users, who take even items */
    for (unsigned i = 0; i + 1 < ITEMS; i += 2)
        assert_true(scores[code_of(&f, i)] > scores[code_of(&f, i + 1)]);
    fitted_done(&f);
    od_training_free(t);
    shelf_done(&shelf);
    shelf_done(&people);
}

/* A value that two users have, one of whom is kept out of the fit for the metrics, is a column of
 * the deployed network alone; the others keep what they learnt, whatever their place. */
static void rare_values_of_users_may_come_and_go(void **state)
{
    (void)state;
    struct shelf people;
    struct fitted f;
    float scores[ITEMS], other[ITEMS];
    shelf_init_of(&people, "Users", "USER_ID",
                  ",{\"name\":\"SIDE\",\"type\":\"string\",\"categorical\":true}"
                  ",{\"name\":\"CITY\",\"type\":\"string\",\"categorical\":true}");
    for (unsigned u = 0; u < USERS; u++) {
        char id[16], city[16];
        snprintf(id, sizeof id, "u%05u", u);
        snprintf(city, sizeof city, "c%u", u / 2);
        const char *cells[2] = {u % 2 ? "odd" : "even", city};
        shelf_put(&people, id, cells);
    }
    struct od_training *t = walks(NULL, people.table);
    settle(&f, "aws-hrnn-metadata", t);
    if (fitted_run(&f, true) != OD_OK)
        fail_msg("%s", f.err.message);
    const struct od_query_value side[1] = {{OD_STR("SIDE"), OD_STR("odd")}},
                                city[1] = {{OD_STR("CITY"), OD_STR("c0")}};
    const unsigned walk[1] = {6};
    assert_true(ask(&f, walk, 1, 60, city, 1, scores));
    assert_true(ask(&f, walk, 1, 60, NULL, 0, other));
    assert_memory_not_equal(scores, other, sizeof scores);
    assert_true(ask(&f, walk, 1, 60, side, 1, scores));
    assert_memory_not_equal(scores, other, sizeof scores);
    fitted_done(&f);
    od_training_free(t);
    shelf_done(&people);
}

static float tilt_of(const struct fitted *f)
{
    struct od_hrnn_header header;
    struct od_str section;
    assert_true(od_image_section(&f->model.image, "hrnn", &section));
    memcpy(&header, section.ptr, sizeof header);
    return header.tilt;
}

/* First events of users kept out tell whether a record says anything of newcomers. */
static void records_tilt_the_answer_to_newcomers_where_they_tell_something(void **state)
{
    (void)state;
    const struct od_query_value even[1] = {{OD_STR("SIDE"), OD_STR("even")}};
    for (unsigned turn = 1; turn <= 2; turn++) { /* by twos, a side has as many odd users as even */
        struct shelf people;
        struct fitted f;
        float scores[ITEMS], other[ITEMS];
        enrol(&people, turn);
        struct od_training *t = walks_of(CROWD, NULL, people.table);
        settle(&f, "aws-hrnn-metadata", t);
        assert_int_equal(fitted_run(&f, true), OD_OK);
        bool told = ask(&f, NULL, 0, 0, even, 1, scores);
        assert_false(ask(&f, NULL, 0, 0, NULL, 0, other));
        assert_true(told == (turn == 1) && told == (tilt_of(&f) > 0));
        float unit = f.model.recipe->temperature(f.model.model) / 2; /* of log p */
        if (turn == 1)
            assert_true(scores[code_of(&f, 0)] > other[code_of(&f, 0)] + unit &&
                        scores[code_of(&f, 1)] < other[code_of(&f, 1)] - unit);
        else
            assert_memory_equal(scores, other, sizeof scores);
        fitted_done(&f);
        od_training_free(t);
        shelf_done(&people);
    }
}

static void coldstart_recommends_cold_items_alone(void **state)
{
    (void)state;
    struct shelf shelf;
    shelve(&shelf, true);
    struct od_training *t = walks(shelf.table, NULL);
    struct fitted f;
    float scores[ITEMS + NEW];
    settle(&f, "aws-hrnn-coldstart", t);
    if (fitted_run(&f, true) != OD_OK)
        fail_msg("%s", f.err.message);
    const unsigned walk[4] = {6, 8, 10, 12};
    assert_true(ask(&f, walk, 4, 60, NULL, 0, scores));
    for (unsigned i = 0; i < ITEMS + NEW; i++)
        assert_int_equal(scores[code_of(&f, i)] > -INFINITY, i >= ITEMS);
    uint32_t best = fitted_best(scores, ITEMS + NEW);
    struct od_str id = od_image_dict_text(items_of(&f), best);
    assert_int_equal((id.ptr[id.len - 1] - '0') % 2, 0); /* an even one */
    assert_non_null(od_metrics_find(&f.metrics, "precision_at_5"));
    fitted_done(&f);
    od_training_free(t);
    shelf_done(&shelf);
}

/* Users who choose one of five kinds, in no order: nothing follows from the last event, all from
 * the kinds of all of them. Enough users and items that the mix is learnt. */
static const struct od_image *updated_from;
static enum od_status update(const struct od_train_input *input, struct od_image_writer *image,
                             struct od_error *err)
{
    uint32_t fresh;
    return od_updated_make(input, updated_from, image, &fresh, err);
}

/* All old items have a kind in common with a new one, the warm ones first. */
static void an_update_likens_new_items_to_cold_ones(void **state)
{
    (void)state;
    struct shelf shelf;
    shelve(&shelf, true);
    struct od_training *t = walks(shelf.table, NULL);
    struct fitted f;
    settle(&f, "aws-hrnn-coldstart", t);
    assert_int_equal(fitted_run(&f, false), OD_OK);
    const char *kinds[2][2] = {{"even", NULL}, {"odd", NULL}};
    shelf_put(&shelf, "z-even", kinds[0]);
    shelf_put(&shelf, "z-odd", kinds[1]);
    struct fitted after = f;
    struct od_memory_model image;
    struct od_model *model;
    updated_from = &f.model.image;
    assert_int_equal(od_memory_model_fit(f.model.recipe, update, &f.input, &image, &f.err), OD_OK);
    assert_int_equal(od_recipe_updated.open(&image.image, &model, &f.err), OD_OK);
    after.model.recipe = &od_recipe_updated;
    after.model.model = model;
    float scores[ITEMS + NEW + 2], least = INFINITY;
    const unsigned walk[4] = {6, 8, 10, 12};
    assert_int_equal(items_of(&after)->count, ITEMS + NEW + 2);
    assert_true(ask(&after, walk, 4, 60, NULL, 0, scores));
    for (unsigned i = ITEMS; i < ITEMS + NEW; i++)
        least = fminf(least, scores[code_of(&after, i)]);
    uint32_t even = od_image_dict_find(items_of(&after), OD_STR("z-even"));
    uint32_t odd = od_image_dict_find(items_of(&after), OD_STR("z-odd"));
    assert_true(scores[even] > scores[odd] && scores[even] > least);
    od_recipe_updated.close(model);
    od_memory_model_done(&image);
    fitted_done(&f);
    od_training_free(t);
    shelf_done(&shelf);
}

enum { LISTENERS = 300, SHOWN = 150, KINDS = 5, HEARD = 12 };

/* Items of KINDS kinds, the last NEW of them cold. */
static void kinds_on_a_shelf(struct shelf *shelf)
{
    shelf_init(shelf, ",{\"name\":\"KIND\",\"type\":[\"null\",\"string\"],\"categorical\":true}"
                      ",{\"name\":\"CREATION_TIMESTAMP\",\"type\":[\"null\",\"long\"]}");
    for (unsigned i = 0; i < SHOWN + NEW; i++) {
        char id[16], kind[8];
        snprintf(id, sizeof id, "i%05u", i);
        snprintf(kind, sizeof kind, "k%u", i % KINDS);
        const char *cells[2] = {kind, i < SHOWN ? "-900000" : NULL};
        shelf_put(shelf, id, cells);
    }
}

/* Each listener has a kind, and mostly keeps to it; the last two events of those that turn are of
 * the next kind. turns NULL: nobody does. */
static struct od_training *listeners(const bool *turns)
{
    struct od_random rng;
    struct od_training_builder *b = od_training_builder_new(NULL);
    od_random_init(&rng, 9);
    for (unsigned u = 0; u < LISTENERS; u++)
        for (unsigned k = 0; k < HEARD; k++) {
            unsigned at = (unsigned)od_random_below(&rng, SHOWN / KINDS) * KINDS;
            unsigned kind = od_random_below(&rng, 5) ? u : (unsigned)od_random_below(&rng, KINDS);
            kind += turns && turns[u] && k >= HEARD - 2;
            toy_add(b, u, at + kind % KINDS, (int64_t)u * DAY / 60 + 60 * k);
        }
    return toy_finish(b);
}

static struct od_hrnn_header header_of(const struct fitted *f)
{
    struct od_hrnn_header header;
    struct od_str section;
    assert_true(od_image_section(&f->model.image, "hrnn", &section));
    assert_int_equal(section.len, sizeof header);
    memcpy(&header, section.ptr, sizeof header);
    return header;
}

static void coldstart_learns_what_to_listen_to(void **state)
{
    (void)state;
    struct shelf shelf;
    struct fitted f;
    static float scores[SHOWN + NEW];
    kinds_on_a_shelf(&shelf);
    struct od_training *t = listeners(NULL);
    t->item_table = shelf.table;
    settle(&f, "aws-hrnn-coldstart", t);
    if (fitted_run(&f, false) != OD_OK)
        fail_msg("%s", f.err.message);
    struct fitted again;
    settle(&again, "aws-hrnn-coldstart", t);
    again.input.threads = 2;
    assert_int_equal(fitted_run(&again, false), OD_OK);
    assert_int_equal(f.model.image.bytes.len, again.model.image.bytes.len);
    assert_memory_equal(f.model.image.bytes.ptr, again.model.image.bytes.ptr,
                        f.model.image.bytes.len);
    fitted_done(&again);
    struct od_hrnn_header header = header_of(&f);
    assert_true(header.mix[OD_HRNN_ALWAYS] + header.mix[OD_HRNN_LATELY] > .5f);
    for (size_t v = 0; v < OD_HRNN_VOICES; v++)
        assert_true(header.mix[v] >= 0);
    struct od_buf told;
    od_buf_init(&told, 4096);
    assert_true(od_recipe_describe(&f.model.image, &told));
    assert_memory_equal(told.ptr, "  110 cold items", 16);
    od_buf_done(&told);
    const unsigned liked[6] = {3, 8, 13, 18, 24, 33}; /* but for one of the third kind */
    assert_true(ask(&f, liked, 6, 60, NULL, 0, scores));
    for (unsigned i = SHOWN; i < SHOWN + NEW; i++)
        for (unsigned k = SHOWN; k < SHOWN + NEW; k++)
            if (i % KINDS == 3 && k % KINDS != 3)
                assert_true(scores[code_of(&f, i)] > scores[code_of(&f, k)]);
    fitted_done(&f);
    od_training_free(t);
    shelf_done(&shelf);
}

static void coldstart_listens_to_nothing_that_metrics_ask(void **state)
{
    (void)state;
    struct shelf shelf;
    struct fitted f, g;
    struct od_split split;
    bool turns[LISTENERS] = {0};
    kinds_on_a_shelf(&shelf);
    struct od_training *t = listeners(NULL);
    t->item_table = shelf.table;
    settle(&f, "aws-hrnn-coldstart", t);
    assert_int_equal(fitted_run(&f, false), OD_OK);
    assert_int_equal(od_split_users(t, f.input.seed, &split, NULL), OD_OK);
    for (uint32_t i = 0; i < split.test_count; i++) {
        struct od_str id = od_dict_text(t->users, split.test_user[i]);
        turns[strtoul(id.ptr + 1, NULL, 10)] = true;
    }
    od_split_done(&split);
    struct od_training *turned = listeners(turns);
    assert_true(turned->hash != t->hash);
    turned->item_table = shelf.table;
    settle(&g, "aws-hrnn-coldstart", turned);
    assert_int_equal(fitted_run(&g, false), OD_OK);
    struct od_hrnn_header before = header_of(&f), after = header_of(&g);
    assert_memory_equal(before.mix, after.mix, sizeof before.mix);
    fitted_done(&f);
    fitted_done(&g);
    od_training_free(t);
    od_training_free(turned);
    shelf_done(&shelf);
}

/* Records of what was shown are old; the new ones were had by nobody. */
static void coldstart_metrics_ask_for_hidden_items(void **state)
{
    (void)state;
    struct shelf shelf;
    struct fitted f;
    kinds_on_a_shelf(&shelf);
    struct od_training *t = listeners(NULL);
    t->item_table = shelf.table;
    settle(&f, "aws-hrnn-coldstart", t);
    assert_int_equal(fitted_run(&f, true), OD_OK);
    assert_true(*od_metrics_find(&f.metrics, "mean_reciprocal_rank_at_25") > 0);
    fitted_done(&f);
    od_training_free(t);
    shelf_done(&shelf);
}

static void fit_cold(struct fitted *f, const struct od_training *t, const char *name,
                     const char *value, int64_t now_s, enum od_status expected)
{
    settle(f, "aws-hrnn-coldstart", t);
    if (name)
        fitted_set(f, name, value);
    f->input.now_s = now_s;
    assert_int_equal(fitted_run(f, true), expected);
    if (expected != OD_OK) {
        assert_non_null(strstr(f->err.message, "cold items"));
        assert_int_equal(fitted_run(f, false), OD_OK); /* a search's trial, on a part of the data */
    }
    fitted_done(f);
}

static void coldstart_rules(void **state)
{
    (void)state;
    struct shelf shelf;
    struct fitted f;
    shelve(&shelf, false); /* 40 items, all old: none is cold */
    struct od_training *t = walks(shelf.table, NULL);
    fit_cold(&f, t, NULL, NULL, 0, OD_INVALID_INPUT);
    od_training_free(t);
    shelf_done(&shelf);
    shelve(&shelf, true); /* and 110 without date or events, first seen with the newest event */
    t = walks(shelf.table, NULL);
    fit_cold(&f, t, "cold_start_max_duration", "0.001", 0, OD_OK);
    int64_t late = t->last_time + 6 * DAY;
    fit_cold(&f, t, "cold_start_relative_from", "currentTime", late, OD_INVALID_INPUT);
    fit_cold(&f, t, "cold_start_relative_from", "latestItem", late, OD_OK);
    for (unsigned i = 0; i < 20; i++) { /* twenty of them become old: 90 are too few */
        char id[16];
        snprintf(id, sizeof id, "i%05u", ITEMS + i);
        const char *cells[2] = {"even", "-900000"};
        shelf_put(&shelf, id, cells);
    }
    fit_cold(&f, t, NULL, NULL, 0, OD_INVALID_INPUT);
    od_training_free(t);
    shelf_done(&shelf);
}

/* --- the part, and images that are wrong --- */

static void the_part_answers_as_its_recipe(void **state)
{
    (void)state;
    struct od_training *t = walks(NULL, NULL);
    struct fitted f;
    void *part = NULL;
    float a[ITEMS], b[ITEMS];
    bool personal;
    struct od_arena scratch;
    settle(&f, "aws-hrnn", t);
    assert_int_equal(fitted_run(&f, false), OD_OK);
    assert_true(od_part_gru.present(&f.model.image));
    assert_int_equal(od_part_gru.open(&f.model.image, ITEMS + 1, &part, &f.err), OD_CORRUPT);
    assert_int_equal(od_part_gru.open(&f.model.image, ITEMS, &part, &f.err), OD_OK);
    const unsigned walk[2] = {6, 8};
    ask(&f, walk, 2, 60, NULL, 0, a);
    const struct od_past_event events[2] = {{code_of(&f, 6), 0, 0}, {code_of(&f, 8), 0, 60}};
    struct od_query query = {.events = events, .event_count = 2, .now_s = 120};
    od_arena_init(&scratch, SIZE_MAX);
    assert_int_equal(od_part_gru.score(part, &query, &scratch, b, &personal, NULL), OD_OK);
    assert_true(personal);
    assert_memory_equal(a, b, sizeof a);
    od_arena_done(&scratch);
    od_part_gru.close(part);
    fitted_done(&f);
    od_training_free(t);
}

static void memory_is_bounded(void **state)
{
    (void)state;
    struct od_training *t = walks(NULL, NULL);
    struct fitted f;
    settle(&f, "aws-hrnn", t);
    f.input.memory_bytes = 1u << 20;
    assert_int_equal(fitted_run(&f, false), OD_INVALID_INPUT);
    assert_non_null(strstr(f.err.message, "the limit is 1 MB"));
    fitted_done(&f);
    settle(&f, "aws-hrnn", t);
    f.input.memory_bytes = 256u << 20;
    assert_int_equal(fitted_run(&f, false), OD_OK);
    fitted_done(&f);
    od_training_free(t);
}

static void damaged_images_are_refused(void **state)
{
    (void)state;
    static const char *const sections[] = {"gru",     "gru.params", "gru.in",
                                           "gru.out", "hrnn",       "hrnn.popular"};
    struct od_training *t = walks(NULL, NULL);
    struct fitted f;
    settle(&f, "aws-hrnn", t);
    assert_int_equal(fitted_run(&f, false), OD_OK);
    for (size_t i = 0; i < sizeof sections / sizeof *sections; i++) {
        struct od_str bytes;
        struct od_model *model;
        assert_true(od_image_section(&f.model.image, sections[i], &bytes));
        uint32_t kept, bad = 0x7fc07fc0; /* as floats and halves no numbers, as counts too many */
        char *at = (char *)(uintptr_t)bytes.ptr + (i == 1 ? bytes.len - 4 : 0);
        if (i == 5)
            continue; /* any floats will do there */
        memcpy(&kept, at, 4);
        memcpy(at, &bad, 4);
        assert_int_equal(f.model.recipe->open(&f.model.image, &model, &f.err), OD_CORRUPT);
        memcpy(at, &kept, 4);
    }
    fitted_done(&f);
    od_training_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_learns_answers_and_measures),
        cmocka_unit_test(long_histories_are_read_from_their_end),
        cmocka_unit_test(every_parameter_has_an_effect),
        cmocka_unit_test(threads_do_not_change_the_image),
        cmocka_unit_test(metadata_speaks_for_items_and_users),
        cmocka_unit_test(rare_values_of_users_may_come_and_go),
        cmocka_unit_test(records_tilt_the_answer_to_newcomers_where_they_tell_something),
        cmocka_unit_test(coldstart_recommends_cold_items_alone),
        cmocka_unit_test(an_update_likens_new_items_to_cold_ones),
        cmocka_unit_test(coldstart_learns_what_to_listen_to),
        cmocka_unit_test(coldstart_listens_to_nothing_that_metrics_ask),
        cmocka_unit_test(coldstart_metrics_ask_for_hidden_items),
        cmocka_unit_test(coldstart_rules),
        cmocka_unit_test(the_part_answers_as_its_recipe),
        cmocka_unit_test(memory_is_bounded),
        cmocka_unit_test(damaged_images_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
