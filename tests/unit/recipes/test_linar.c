/* LinAR as the only part of aws-user-personalization and aws-personalized-ranking. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "recipes/linar.h"
#include "recipes/linar_model.h"
#include "recipes/blend_train.h"
#include "toy.h"

enum { PARAMS = 16, CHAIN = 40 };

/* Users walk a ring of CHAIN items, four steps in five to the next one. */
static struct od_training *chains(unsigned users, unsigned items, uint64_t seed)
{
    struct od_training_builder *b = od_training_builder_new(NULL);
    struct od_random rng;
    od_random_init(&rng, seed);
    for (unsigned u = 0; u < users; u++) {
        unsigned at = (unsigned)od_random_below(&rng, items);
        unsigned n = 4 + (unsigned)od_random_below(&rng, 12);
        for (unsigned k = 0; k < n; k++) {
            toy_add(b, u, at, (int64_t)(100 * u + k));
            at = od_random_below(&rng, 5) ? (at + 1) % items
                                          : (unsigned)od_random_below(&rng, items);
        }
    }
    return toy_finish(b);
}

struct made {
    struct od_memory_model model;
    struct od_metrics metrics;
    struct od_param_value params[PARAMS];
    struct od_train_input input;
};

static struct od_metrics *metrics_of_fit;

static enum od_status fit(const struct od_train_input *input, struct od_image_writer *image,
                          struct od_error *err)
{
    static const struct od_part *const alone[] = {&od_part_linar, NULL};
    return od_blend_train_parts(alone, input, image, metrics_of_fit, err);
}

static void prepare(struct made *made, const struct od_recipe *recipe,
                    const struct od_training *training)
{
    *made = (struct made){0};
    const struct od_recipe_spec *spec = od_recipe_spec_find(od_str_c(recipe->name));
    assert_non_null(spec);
    assert_true(spec->param_count <= PARAMS);
    assert_int_equal(od_recipe_params_default(spec, made->params), OD_OK);
    made->input = (struct od_train_input){.training = training,
                                          .spec = spec,
                                          .params = made->params,
                                          .seed = 1,
                                          .threads = 2,
                                          .memory_bytes = 1u << 30};
}

static void set(struct made *made, enum od_param_place place, const char *name, const char *value)
{
    assert_int_equal(od_recipe_params_set(made->input.spec, place, od_str_c(name), od_str_c(value),
                                          made->params, NULL),
                     OD_OK);
}

static enum od_status make(struct made *made, const struct od_recipe *recipe, struct od_error *err)
{
    metrics_of_fit = &made->metrics;
    return od_memory_model_fit(recipe, fit, &made->input, &made->model, err);
}

static void score(const struct made *made, const uint32_t *items, size_t count, float *scores,
                  bool *personal)
{
    struct od_past_event events[300] = {0};
    struct od_arena arena;
    for (size_t i = 0; i < count; i++)
        events[i].item = items[i];
    struct od_query query = {.events = events, .event_count = count, .item = OD_NO_CODE};
    od_arena_init(&arena, 1 << 20);
    assert_int_equal(
        made->model.recipe->score(made->model.model, &query, &arena, scores, personal, NULL),
        OD_OK);
    od_arena_done(&arena);
}

/* Scores a query with its times. */
static bool ask(const struct od_linar_model *model, const struct od_past_event *events,
                size_t count, int64_t now_s, float *scores)
{
    bool personal = false;
    struct od_arena arena;
    struct od_query query = {
        .events = events, .event_count = count, .item = OD_NO_CODE, .now_s = now_s};
    od_arena_init(&arena, 1 << 20);
    assert_int_equal(od_linar_score(model, &query, &arena, scores, &personal, NULL), OD_OK);
    od_arena_done(&arena);
    return personal;
}

/* How the model's LinAR part was made; zeros when the blend went without it. */
static struct od_linar_header header_of(const struct made *made)
{
    struct od_linar_header header = {0};
    const void *p;
    if (od_image_array(&made->model.image, "linar", 1, sizeof header, &p, NULL) == OD_OK)
        memcpy(&header, p, sizeof header);
    return header;
}

static uint32_t best(const float *scores, uint32_t count)
{
    uint32_t at = 0;
    for (uint32_t i = 1; i < count; i++)
        if (scores[i] > scores[at])
            at = i;
    return at;
}

static void learns_what_comes_next(void **state)
{
    (void)state;
    struct od_training *t = chains(600, CHAIN, 1);
    struct made made;
    float scores[CHAIN];
    bool personal = false;
    prepare(&made, &od_recipe_user_personalization, t);
    assert_int_equal(make(&made, &od_recipe_user_personalization, NULL), OD_OK);
    for (uint32_t i = 0; i < CHAIN; i++) {
        uint32_t history[3] = {(i + 7) % CHAIN, (i + CHAIN - 1) % CHAIN, i};
        score(&made, history, 3, scores, &personal);
        assert_true(personal);
        assert_int_equal(best(scores, CHAIN), (i + 1) % CHAIN); /* codes are in order of ids */
    }
    const double *ndcg =
        od_metrics_find(&made.metrics, "normalized_discounted_cumulative_gain_at_10");
    assert_non_null(ndcg);
    assert_true(*ndcg > .5);
    assert_true(*od_metrics_find(&made.metrics, "coverage") == 1);
    float temperature = od_recipe_user_personalization.temperature(made.model.model);
    assert_true(temperature > .2f && temperature < 5);
    od_memory_model_done(&made.model);
    od_training_free(t);
}

static void no_usable_history_gives_popularity(void **state)
{
    (void)state;
    struct od_training *t = toy_random(300, 30, 12, 9);
    struct made made;
    float scores[30];
    double sum = 0;
    bool personal = true;
    uint64_t count[30] = {0};
    for (uint64_t e = 0; e < t->event_count; e++)
        count[t->item[e]]++;
    prepare(&made, &od_recipe_personalized_ranking, t);
    assert_int_equal(make(&made, &od_recipe_personalized_ranking, NULL), OD_OK);
    uint32_t unknown[2] = {OD_NO_CODE, OD_NO_CODE};
    for (size_t n = 0; n <= 2; n += 2) {
        score(&made, unknown, n, scores, &personal);
        assert_false(personal);
        for (uint32_t i = 0; i < t->item_count; i++)
            for (uint32_t j = 0; j < t->item_count; j++)
                assert_int_equal(scores[i] > scores[j], count[i] > count[j]);
    }
    float temperature = od_recipe_personalized_ranking.temperature(made.model.model);
    for (uint32_t i = 0; i < t->item_count; i++)
        sum += exp((double)(scores[i] / temperature));
    assert_true(fabs(sum - 1) < 1e-3); /* the softmax gives the items' shares */
    od_memory_model_done(&made.model);
    od_training_free(t);
}

static void unknown_items_are_steps_without_signal(void **state)
{
    (void)state;
    struct od_training *t = chains(300, CHAIN, 2);
    struct made made;
    float near[CHAIN], far[CHAIN], farther[CHAIN];
    bool personal;
    prepare(&made, &od_recipe_user_personalization, t);
    assert_int_equal(make(&made, &od_recipe_user_personalization, NULL), OD_OK);
    uint32_t a[1] = {5}, b[2] = {5, OD_NO_CODE}, c[260];
    score(&made, a, 1, near, &personal);
    score(&made, b, 2, far, &personal);
    assert_true(personal);
    assert_true(far[6] < near[6]); /* the event is one step older */
    for (size_t i = 0; i < 260; i++)
        c[i] = OD_NO_CODE;
    c[0] = 5; /* beyond the window */
    score(&made, c, 260, farther, &personal);
    assert_false(personal);
    od_memory_model_done(&made.model);
    od_training_free(t);
}

/* A copy of an image whose section has other bytes; out views the copy, which the caller frees. */
static char *copy_with(const struct made *made, const char *section, size_t at, const void *bytes,
                       size_t len, struct od_image *out)
{
    struct od_str was = made->model.image.bytes, part;
    char *copy = aligned_alloc(64, (was.len + 63) / 64 * 64);
    memcpy(copy, was.ptr, was.len);
    assert_true(od_image_section(&made->model.image, section, &part));
    memcpy(copy + (part.ptr - was.ptr) + at, bytes, len);
    assert_int_equal(od_image_open((struct od_str){copy, was.len}, false, out, NULL), OD_OK);
    return copy;
}

/* made's model with another rest; close, then free the copy. */
static struct od_linar_model *with_rest(const struct made *made, uint32_t rest, char **out_copy)
{
    struct od_linar_header header = header_of(made);
    struct od_image image;
    struct od_linar_model *model = NULL;
    header.rest = rest;
    *out_copy = copy_with(made, "linar", 0, &header, sizeof header, &image);
    assert_int_equal(od_linar_open(&image, "linar", header.items, &model, NULL), OD_OK);
    return model;
}

static void a_pause_makes_older_events_weigh_less(void **state)
{
    (void)state;
    enum { HOUR = 3600 };
    struct od_training *t = chains(300, CHAIN, 2);
    struct made made;
    char *copy;
    float at_once[CHAIN], back[CHAIN], inside[CHAIN], before[CHAIN], edge[CHAIN];
    prepare(&made, &od_recipe_user_personalization, t);
    assert_int_equal(make(&made, &od_recipe_user_personalization, NULL), OD_OK);
    struct od_linar_model *model = with_rest(&made, 5, &copy);
    struct od_past_event one = {.item = 5, .time = HOUR};
    assert_true(ask(model, &one, 1, HOUR, at_once));
    assert_true(ask(model, &one, 1, HOUR + OD_LINAR_SESSION_GAP_S, edge));
    assert_memory_equal(edge, at_once, sizeof edge);
    assert_true(ask(model, &one, 1, 2 * HOUR, back));
    assert_true(back[6] < at_once[6]);
    struct od_past_event two[2] = {{.item = 5, .time = HOUR}, {.item = 20, .time = HOUR + 1}};
    assert_true(ask(model, two, 2, HOUR + 1, inside));
    two[0].time = -HOUR;
    assert_true(ask(model, two, 2, HOUR + 1, before)); /* a pause between the two */
    assert_true(before[6] < inside[6]);
    assert_int_equal(best(before, CHAIN), 21);
    od_linar_close(model);
    free(copy);
    od_memory_model_done(&made.model);
    od_training_free(t);
}

/* A pause is `rest` unknown items: the same scores, bit for bit, up to the window's bounds. */
static void check_pauses(const struct made *made, uint32_t rest, struct od_random *rng)
{
    enum { MOST = 130 };
    struct od_past_event *timed = calloc(MOST, sizeof *timed);
    struct od_past_event *steps = malloc((size_t)MOST * (rest + 1) * sizeof *steps);
    char *copy;
    struct od_linar_model *model = with_rest(made, rest, &copy);
    float want[CHAIN], is[CHAIN];
    for (unsigned round = 0; round < 40; round++) {
        size_t n = od_random_below(rng, MOST + 1), m = 0;
        int64_t now = 0;
        for (size_t i = 0; i < n; i++) {
            static const uint32_t unknown[] = {CHAIN, OD_NO_CODE};
            bool pause = od_random_below(rng, 8) < round % 9; /* from never to always */
            uint32_t item = (uint32_t)od_random_below(rng, CHAIN);
            if (od_random_below(rng, 4) == 0)
                item = unknown[od_random_below(rng, 2)];
            timed[i] = (struct od_past_event){.item = item, .time = now};
            steps[m++] = (struct od_past_event){.item = item};
            now += pause ? OD_LINAR_SESSION_GAP_S + 1 : OD_LINAR_SESSION_GAP_S;
            for (uint32_t r = 0; pause && r < rest; r++)
                steps[m++] = (struct od_past_event){.item = OD_NO_CODE};
        }
        bool personal = ask(model, steps, m, 0, want);
        assert_int_equal(ask(model, timed, n, now, is), personal);
        assert_memory_equal(is, want, sizeof is);
    }
    for (size_t i = 0; i < MOST; i++) /* differences that overflow */
        timed[i] = (struct od_past_event){.item = 3, .time = i % 2 ? INT64_MIN : INT64_MAX};
    ask(model, timed, MOST, INT64_MIN, is);
    ask(model, timed, MOST, INT64_MAX, is);
    for (uint32_t i = 0; i < CHAIN; i++)
        assert_true(isfinite(is[i]));
    od_linar_close(model);
    free(copy);
    free(timed);
    free(steps);
}

static void a_pause_is_as_many_unknown_items(void **state)
{
    (void)state;
    static const uint32_t rests[] = {1, 5, 15, OD_LINAR_REACH};
    struct od_training *t = chains(300, CHAIN, 2);
    struct made made;
    struct od_random rng;
    od_random_init(&rng, 12);
    prepare(&made, &od_recipe_user_personalization, t);
    assert_int_equal(make(&made, &od_recipe_user_personalization, NULL), OD_OK);
    for (size_t r = 0; r < sizeof rests / sizeof *rests; r++)
        check_pauses(&made, rests[r], &rng);
    od_memory_model_done(&made.model);
    od_training_free(t);
}

static void image_bytes(const struct made *made, struct od_str *out)
{
    *out = made->model.image.bytes;
}

/* Every session starts at one of four items and walks the ring from there: what was before a pause
 * tells nothing. */
static struct od_training *sessions(unsigned users, unsigned items, uint64_t seed)
{
    struct od_training_builder *b = od_training_builder_new(NULL);
    struct od_random rng;
    od_random_init(&rng, seed);
    for (unsigned u = 0; u < users; u++) {
        int64_t time = 100 * (int64_t)u;
        unsigned n = 6 + (unsigned)od_random_below(&rng, 12), at = 0;
        for (unsigned k = 0; k < n; k++) {
            bool starts = k == 0 || od_random_below(&rng, 3) == 0;
            time += starts ? 5 * OD_LINAR_SESSION_GAP_S : 60;
            at = starts ? (unsigned)od_random_below(&rng, 4) * (items / 4) : (at + 1) % items;
            toy_add(b, u, at, time);
        }
    }
    return toy_finish(b);
}

/* Returns the rest that was chosen. */
static uint32_t check_same_bytes(const struct od_training *t)
{
    struct made made[3];
    struct od_str bytes[3];
    for (unsigned i = 0; i < 3; i++) {
        prepare(&made[i], &od_recipe_user_personalization, t);
        made[i].input.threads = i + 1;
        assert_int_equal(make(&made[i], &od_recipe_user_personalization, NULL), OD_OK);
        image_bytes(&made[i], &bytes[i]);
        assert_int_equal(bytes[i].len, bytes[0].len);
        assert_memory_equal(bytes[i].ptr, bytes[0].ptr, bytes[0].len);
        for (size_t m = 0; m < made[0].metrics.count; m++)
            assert_true(made[i].metrics.list[m].value == made[0].metrics.list[m].value);
    }
    uint32_t rest = header_of(&made[0]).rest;
    for (unsigned i = 0; i < 3; i++)
        od_memory_model_done(&made[i].model);
    return rest;
}

static void same_bytes_for_any_thread_count(void **state)
{
    (void)state;
    struct od_training *t = toy_random(500, 300, 20, 4);
    assert_int_equal(check_same_bytes(t), 0); /* no pauses: nothing gained by a rest */
    od_training_free(t);
    t = sessions(500, CHAIN, 4);
    assert_true(check_same_bytes(t) > 0); /* chosen, since sessions are all that matters */
    od_training_free(t);
}

static void every_hyperparameter_changes_the_model(void **state)
{
    (void)state;
    static const struct {
        enum od_param_place place;
        const char *name, *value;
    } changes[] = {
        {OD_PARAM_ALGORITHM, "hidden_dimension", "32"},
        {OD_PARAM_ALGORITHM, "bptt", "2"},
        {OD_PARAM_ALGORITHM, "recency_mask", "False"},
        {OD_PARAM_FEATURIZATION, "min_user_history_length_percentile", "0.5"},
        {OD_PARAM_FEATURIZATION, "max_user_history_length_percentile", "0.5"},
    };
    struct od_training *t = chains(1200, 270, 6);
    struct made usual;
    struct od_str was, is;
    prepare(&usual, &od_recipe_user_personalization, t);
    assert_int_equal(make(&usual, &od_recipe_user_personalization, NULL), OD_OK);
    image_bytes(&usual, &was);
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        struct made made;
        prepare(&made, &od_recipe_user_personalization, t);
        set(&made, changes[i].place, changes[i].name, changes[i].value);
        assert_int_equal(make(&made, &od_recipe_user_personalization, NULL), OD_OK);
        image_bytes(&made, &is);
        const void *p[2];
        struct od_str rows[2];
        const struct od_image *images[2] = {&usual.model.image, &made.model.image};
        for (int k = 0; k < 2; k++) { /* the numbers differ, not the header alone */
            if (!od_image_section(images[k], "linar.value", &rows[k]))
                assert_true(od_image_section(images[k], "linar.rows", &rows[k]));
            p[k] = rows[k].ptr;
        }
        bool same = rows[0].len == rows[1].len && memcmp(p[0], p[1], rows[0].len) == 0;
        if (same)
            fail_msg("%s changes nothing", changes[i].name);
        od_memory_model_done(&made.model);
    }
    assert_int_equal(header_of(&usual).window, 96);
    od_memory_model_done(&usual.model);
    od_training_free(t);
}

static void crossed_percentiles_are_refused(void **state)
{
    (void)state;
    struct od_training *t = chains(100, CHAIN, 6);
    struct made made;
    struct od_error err = {0};
    prepare(&made, &od_recipe_user_personalization, t);
    set(&made, OD_PARAM_FEATURIZATION, "min_user_history_length_percentile", "0.9");
    set(&made, OD_PARAM_FEATURIZATION, "max_user_history_length_percentile", "0.1");
    assert_int_equal(make(&made, &od_recipe_user_personalization, &err), OD_INVALID_INPUT);
    assert_non_null(strstr(err.message, "min_user_history_length_percentile"));
    od_training_free(t);
}

static void nothing_to_learn_from_is_refused(void **state)
{
    (void)state;
    struct od_training_builder *b = od_training_builder_new(NULL);
    for (unsigned u = 0; u < 50; u++)
        toy_add(b, u, u % 7, u);
    struct od_training *t = toy_finish(b);
    struct made made;
    struct od_error err = {0};
    prepare(&made, &od_recipe_user_personalization, t);
    assert_int_equal(make(&made, &od_recipe_user_personalization, &err), OD_INVALID_INPUT);
    assert_non_null(strstr(err.message, "two interactions"));
    od_training_free(t);
}

static void a_low_memory_bound_still_trains(void **state)
{
    (void)state;
    struct od_training *t = toy_random(4000, 400, 40, 8);
    struct made rich, poor;
    prepare(&rich, &od_recipe_user_personalization, t);
    assert_int_equal(make(&rich, &od_recipe_user_personalization, NULL), OD_OK);
    uint32_t head = header_of(&rich).head;
    assert_true(head > 10);
    prepare(&poor, &od_recipe_user_personalization, t);
    uint64_t less = 1 << 10, enough = 64 << 10; /* KiB */
    bool held = false;
    while (enough - less > 200) { /* the least that trains at all */
        uint64_t kb = (less + enough) / 2;
        struct od_error err = {0};
        if (held)
            od_memory_model_done(&poor.model);
        poor.input.memory_bytes = kb << 10;
        held = make(&poor, &od_recipe_user_personalization, &err) == OD_OK;
        assert_true(held || strstr(err.message, "memory"));
        *(held ? &enough : &less) = kb;
    }
    assert_true(less > 1 << 10);
    poor.input.memory_bytes = enough << 10;
    if (!held)
        assert_int_equal(make(&poor, &od_recipe_user_personalization, NULL), OD_OK);
    assert_true(header_of(&poor).head < head);
    od_memory_model_done(&rich.model);
    od_memory_model_done(&poor.model);
    od_training_free(t);
}

static void little_memory_shortens_rests(void **state)
{
    (void)state;
    struct od_training *t = sessions(500, CHAIN, 4);
    struct made rich, poor;
    prepare(&rich, &od_recipe_user_personalization, t);
    assert_int_equal(make(&rich, &od_recipe_user_personalization, NULL), OD_OK);
    prepare(&poor, &od_recipe_user_personalization, t);
    enum od_status st = OD_INVALID_INPUT;
    for (uint64_t kb = 200; st != OD_OK; kb += 100) {
        poor.input.memory_bytes = kb << 10;
        st = make(&poor, &od_recipe_user_personalization, NULL);
        assert_true(st == OD_OK || st == OD_INVALID_INPUT);
    }
    assert_true(header_of(&poor).rest < header_of(&rich).rest);
    od_memory_model_done(&rich.model);
    od_memory_model_done(&poor.model);
    od_training_free(t);
}

struct stopper {
    int calls, stop_at;
    double last;
};

static enum od_status report(void *context, double fraction, const char *stage)
{
    struct stopper *s = context;
    assert_true(fraction >= 0 && fraction <= 1);
    assert_true(fraction >= s->last - 1e-9); /* never back */
    assert_non_null(stage);
    s->last = fraction;
    return ++s->calls == s->stop_at ? OD_STOPPED : OD_OK;
}

static void progress_rises_and_a_stop_is_honoured(void **state)
{
    (void)state;
    struct od_training *t = toy_random(400, 100, 20, 3);
    struct stopper s = {0};
    struct made made;
    prepare(&made, &od_recipe_user_personalization, t);
    made.input.progress = (struct od_progress){report, &s};
    made.input.threads = 1; /* with more, how often this thread reports is chance */
    assert_int_equal(make(&made, &od_recipe_user_personalization, NULL), OD_OK);
    od_memory_model_done(&made.model);
    int all = s.calls;
    assert_true(all > 20);
    for (int at = 1; at <= all; at += 1 + all / 9) {
        s = (struct stopper){.stop_at = at};
        struct od_error err = {0};
        assert_int_equal(make(&made, &od_recipe_user_personalization, &err), OD_STOPPED);
        assert_int_equal(s.calls, at);
    }
    od_training_free(t);
}

static enum od_status open_with(const struct made *made, const char *section, size_t at,
                                const void *bytes, size_t len)
{
    struct od_image image;
    struct od_linar_model *model = NULL;
    struct od_error err = {0};
    char *copy = copy_with(made, section, at, bytes, len, &image);
    enum od_status st =
        od_linar_open(&image, "linar", made->input.training->item_count, &model, &err);
    if (st == OD_OK)
        od_linar_close(model);
    else
        assert_true(err.message[0] != 0);
    free(copy);
    return st;
}

static void damaged_images_are_refused(void **state)
{
    (void)state;
    struct od_training *t = toy_random(400, 600, 8, 3); /* sparse rows */
    struct made made;
    prepare(&made, &od_recipe_user_personalization, t);
    set(&made, OD_PARAM_ALGORITHM, "hidden_dimension", "32");
    set(&made, OD_PARAM_FEATURIZATION, "max_user_history_length_percentile", "1");
    assert_int_equal(make(&made, &od_recipe_user_personalization, NULL), OD_OK);
    struct od_linar_header header = header_of(&made);
    struct od_str any;
    assert_false(header.items > 4 * header.keep &&
                 od_image_section(&made.model.image, "linar.rows", &any));
    assert_int_equal(open_with(&made, "linar", 0, &header, sizeof header), OD_OK);
    struct od_linar_header bad = header;
    bad.version++;
    assert_int_equal(open_with(&made, "linar", 0, &bad, sizeof bad), OD_CORRUPT);
    bad = header;
    bad.kernels = 9;
    assert_int_equal(open_with(&made, "linar", 0, &bad, sizeof bad), OD_CORRUPT);
    bad = header;
    bad.items++;
    assert_int_equal(open_with(&made, "linar", 0, &bad, sizeof bad), OD_CORRUPT);
    bad = header;
    bad.gamma[0] = NAN;
    assert_int_equal(open_with(&made, "linar", 0, &bad, sizeof bad), OD_CORRUPT);
    bad = header;
    bad.window = 100000;
    assert_int_equal(open_with(&made, "linar", 0, &bad, sizeof bad), OD_CORRUPT);
    bad = header;
    bad.rest = OD_LINAR_REACH;
    assert_int_equal(open_with(&made, "linar", 0, &bad, sizeof bad), OD_OK);
    bad.rest = OD_LINAR_REACH + 1;
    assert_int_equal(open_with(&made, "linar", 0, &bad, sizeof bad), OD_CORRUPT);
    bad.rest = UINT32_MAX; /* one step more would be none: no bound on the rows of a query */
    assert_int_equal(open_with(&made, "linar", 0, &bad, sizeof bad), OD_CORRUPT);
    float infinite = INFINITY;
    const uint16_t none = 0x7e00; /* a half that is no number */
    assert_int_equal(open_with(&made, "linar.scale", 4, &infinite, 4), OD_CORRUPT);
    assert_int_equal(open_with(&made, "linar.constant", 4, &infinite, 4), OD_CORRUPT);
    assert_int_equal(open_with(&made, "linar.damp", 4, &infinite, 4), OD_CORRUPT);
    const char *values =
        od_image_section(&made.model.image, "linar.value", &any) ? "linar.value" : "linar.rows";
    assert_int_equal(open_with(&made, values, 2, &none, 2), OD_CORRUPT);
    if (od_image_section(&made.model.image, "linar.column", &any)) {
        uint32_t column = header.items;
        uint64_t offset = UINT64_MAX;
        assert_int_equal(open_with(&made, "linar.column", 0, &column, 4), OD_CORRUPT);
        assert_int_equal(open_with(&made, "linar.at", 8, &offset, 8), OD_CORRUPT);
    }
    od_memory_model_done(&made.model);
    od_training_free(t);
}

/* A scorer whose scores are known: user u's target follows softmax(s / 0.25) exactly. */
static enum od_status planted(void *context, const struct od_query *query, struct od_arena *scratch,
                              float *scores, struct od_error *err)
{
    (void)context;
    (void)scratch;
    (void)err;
    (void)query;
    for (uint32_t i = 0; i < 5; i++)
        scores[i] = .25f * logf((float)(i + 1)); /* softmax at 0.25: 1/15 .. 5/15 */
    return OD_OK;
}

static void the_temperature_is_the_most_likely_one(void **state)
{
    (void)state;
    struct od_training_builder *b = od_training_builder_new(NULL);
    struct od_random rng;
    od_random_init(&rng, 77); /* not the seed of the split */
    for (unsigned u = 0; u < 8000; u++) {
        toy_add(b, u, u % 5, u * 10);
        unsigned draw = (unsigned)od_random_below(&rng, 15), item = 0;
        while (draw >= item + 1)
            draw -= ++item;
        toy_add(b, u, item, u * 10 + 5);
    }
    struct od_training *t = toy_finish(b);
    struct od_split split;
    assert_int_equal(od_split_users(t, 1, &split, NULL), OD_OK);
    assert_true(split.test_count > 500);
    struct od_scorer scorer = od_scorer_of_part(planted, NULL, &split);
    float one = 0, two = 0;
    assert_int_equal(od_blend_heat(&scorer, &split, 1, &one, NULL), OD_OK);
    assert_int_equal(od_blend_heat(&scorer, &split, 2, &two, NULL), OD_OK);
    assert_true(one == two);
    assert_true(one > .2f && one < .31f); /* 800 draws: a standard error of 7 % */
    od_split_done(&split);
    od_training_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(learns_what_comes_next),
        cmocka_unit_test(no_usable_history_gives_popularity),
        cmocka_unit_test(unknown_items_are_steps_without_signal),
        cmocka_unit_test(a_pause_makes_older_events_weigh_less),
        cmocka_unit_test(a_pause_is_as_many_unknown_items),
        cmocka_unit_test(same_bytes_for_any_thread_count),
        cmocka_unit_test(every_hyperparameter_changes_the_model),
        cmocka_unit_test(crossed_percentiles_are_refused),
        cmocka_unit_test(nothing_to_learn_from_is_refused),
        cmocka_unit_test(a_low_memory_bound_still_trains),
        cmocka_unit_test(little_memory_shortens_rests),
        cmocka_unit_test(progress_rises_and_a_stop_is_honoured),
        cmocka_unit_test(damaged_images_are_refused),
        cmocka_unit_test(the_temperature_is_the_most_likely_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
