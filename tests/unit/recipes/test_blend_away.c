/* Answers after a pause: the mixture, its shares, and when it serves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "recipes/blend_train.h"
#include "recipes/linar.h"
#include "toy.h"

enum { DAY = 86400, CLUSTERS = 8, EACH = 10, ITEMS = CLUSTERS * EACH, USERS = 1500, PARAMS = 16 };

static void shares_are_a_softmax_of_the_gates(void **state)
{
    (void)state;
    struct od_blend_away away = {
        .serves = 1, .gate = {{0}, {2, -1, -.5f}, {-1, 2, .5f}, {3, -1, 0}, {0}, {-90}}};
    float share[OD_BLEND_SOURCES];
    for (int pause = 0; pause < 4; pause++)
        for (int length = -1; length < 3; length++) {
            double want[OD_BLEND_SOURCES], total = 0, sum = 0;
            for (size_t k = 0; k < OD_BLEND_SOURCES; k++) {
                const float *g = away.gate[k];
                total += want[k] = exp((double)(g[0] + g[1] * (float)pause + g[2] * (float)length));
            }
            od_blend_shares(&away, (float)pause, (float)length, share);
            for (size_t k = 0; k < OD_BLEND_SOURCES; k++) {
                assert_true(fabs((double)share[k] - want[k] / total) < 2e-6);
                sum += (double)share[k];
            }
            assert_true(fabs(sum - 1) < 1e-6);
            assert_true(share[OD_BLEND_OF_ALL] > 1e-7f);
        }
}

static void popular_shares_are_shares(void **state)
{
    (void)state;
    enum { N = 4 };
    static const uint32_t count[N] = {7, 0, 2, 0},
                          lately[OD_RECENT_WINDOWS * N] = {0, 0, 0, 0, 3, 0, 1, 0, 5, 0, 1, 2};
    float out[OD_BLEND_COMMON * N];
    od_blend_popular_shares(count, lately, N, out);
    static const float want[OD_BLEND_COMMON * N] = {
        7.5f / 11, .5f / 11, 2.5f / 11, .5f / 11, /* nothing today: as always */
        .75f,      0,        .25f,      0,        /* the week */
        .625f,     0,        .125f,     .25f,     /* 30 days */
        7.5f / 11, .5f / 11, 2.5f / 11, .5f / 11, /* always */
    };
    for (size_t i = 0; i < sizeof want / sizeof *want; i++)
        assert_true(fabsf(out[i] - want[i]) < 1e-6f);
}

static void a_mixture_is_what_its_formula_says(void **state)
{
    (void)state;
    enum { N = 300 };
    struct od_random rng;
    od_random_init(&rng, 3);
    float scores[N], mixed[N], popular[OD_BLEND_COMMON * N], tilt[N], past[N];
    static const float share[OD_BLEND_SOURCES] = {.4f, .1f, .1f, .2f, .15f, .05f};
    const double temperature = .7, sharp = 1.5;
    double total = 0, of[OD_BLEND_COMMON] = {0};
    for (size_t i = 0; i < N; i++) {
        scores[i] = i < 2 ? -FLT_MAX : (float)(5 * od_random_normal(&rng));
        total += exp(sharp * (double)scores[i] / temperature);
        tilt[i] = (float)(.1 + 3 * od_random_double(&rng));
        past[i] = i % 50 == 7 ? 50.f / N : 0;
    }
    for (size_t i = 0; i < sizeof popular / sizeof *popular; i++) {
        popular[i] = (float)(od_random_double(&rng) / N);
        of[i / N] += (double)(popular[i] * tilt[i % N]);
    }
    double sum = 0;
    memcpy(mixed, scores, sizeof mixed);
    od_blend_mix(share, (float)sharp, past, popular, tilt, (float)temperature, N, mixed);
    for (size_t i = 0; i < N; i++) {
        double own = exp(sharp * (double)scores[i] / temperature) / total;
        double p = (double)share[OD_BLEND_OWN] * own;
        p += (double)share[OD_BLEND_OF_PAST] * (double)past[i];
        for (size_t k = 0; k < OD_BLEND_COMMON; k++)
            p += (double)share[OD_BLEND_OF_DAY + k] * (double)popular[k * N + i] * (double)tilt[i] /
                 of[k];
        assert_true(fabs((double)mixed[i] - temperature * log(p)) < 2e-5);
        sum += exp((double)mixed[i] / temperature);
    }
    assert_true(fabs(sum - 1) < 1e-4);
}

static void the_past_is_left_to_its_own_source(void **state)
{
    (void)state;
    enum { N = 5 };
    static const float popular[OD_BLEND_COMMON * N] = {
        .2f, .2f, .2f, .2f, .2f, 0, 0, 0, 1, 0, .2f, 0, .3f, .1f, .4f, .1f, .1f, .4f, .2f, .2f};
    static const struct od_past_event events[] = {
        {.item = 3}, {.item = 9}, {.item = 1}, {.item = 3}};
    static const float want_past[N] = {0, .3f / 3.3f, 0, 3.f / 3.3f, 0}; /* 1.5 each time */
    struct od_query query = {.events = events, .event_count = 4}; /* one is not in the catalogue */
    float past[N], tilt[N];
    struct od_arena arena;
    od_arena_init(&arena, 1 << 16);
    assert_int_equal(od_blend_tilt(NULL, &query, popular, N, &arena, past, tilt), OD_OK);
    for (size_t i = 0; i < N; i++) {
        assert_true(fabsf(past[i] - want_past[i]) < 1e-6f);
        assert_true(fabsf(tilt[i] - (want_past[i] > 0 ? OD_BLEND_AGAIN : 1)) < 1e-6f);
    }
    query.event_count = 0;
    assert_int_equal(od_blend_tilt(NULL, &query, popular, N, &arena, past, tilt), OD_OK);
    for (size_t i = 0; i < N; i++)
        assert_true(fabsf(past[i]) <= 0 && fabsf(tilt[i] - 1) <= 0);
    od_arena_done(&arena);
}

/* --- whole models --- */

/* Users look around a cluster, come back after half a day and go on there. Half of them come again
 * after a month: to where they were, or, where people move on, three in four to one of the few
 * items that everybody takes then. */
static struct od_training *world(bool move_on)
{
    struct od_training_builder *b = od_training_builder_new(NULL);
    struct od_random rng;
    od_random_init(&rng, 5);
    for (unsigned u = 0; u < USERS; u++) {
        unsigned home = (unsigned)od_random_below(&rng, CLUSTERS);
        int64_t time = (int64_t)od_random_below(&rng, 60 * DAY);
        for (unsigned visit = 0; visit < 2 + u % 2; visit++) {
            bool gone = visit == 2 && move_on && u / 2 % 4;
            for (unsigned k = 0; k < 3 + (unsigned)od_random_below(&rng, 3); k++) {
                double x = od_random_double(&rng);
                unsigned item = gone ? (unsigned)(x * x * 5) * EACH
                                     : home * EACH + (unsigned)od_random_below(&rng, EACH);
                toy_add(b, u, item, time += 60 + (int64_t)od_random_below(&rng, 300));
            }
            time += visit ? 30 * DAY : DAY / 2;
        }
    }
    return toy_finish(b);
}

static enum od_status fit(const struct od_train_input *input, struct od_image_writer *image,
                          struct od_error *err)
{
    struct od_metrics metrics = {0};
    return od_blend_train(input, image, &metrics, err);
}

static struct od_blend_header train(const struct od_training *t, struct od_memory_model *out)
{
    const struct od_recipe *recipe = &od_recipe_user_personalization;
    const struct od_recipe_spec *spec = od_recipe_spec_find(od_str_c(recipe->name));
    struct od_param_value params[PARAMS];
    struct od_blend_header header;
    struct od_error err = {0};
    const void *found;
    assert_true(spec->param_count <= PARAMS);
    assert_int_equal(od_recipe_params_default(spec, params), OD_OK);
    struct od_train_input input = {
        .training = t, .spec = spec, .params = params, .seed = 1, .threads = 2};
    if (od_memory_model_fit(recipe, fit, &input, out, &err) != OD_OK)
        fail_msg("%s", err.message);
    assert_int_equal(od_image_array(&out->image, "blend", 1, sizeof header, &found, &err), OD_OK);
    memcpy(&header, found, sizeof header);
    return header;
}

static float share_after(const struct od_blend_away *away, enum od_blend_source source,
                         int64_t pause_s)
{
    float share[OD_BLEND_SOURCES];
    od_blend_shares(away, od_blend_pause_between(0, pause_s), 0, share);
    return share[source];
}

struct asked {
    float score[ITEMS];
    float terms[ITEMS]; /* summed */
    size_t away;        /* items with such a term */
};

/* A user of the cluster 6, so long after the last of four looks around there. */
static struct asked ask(const struct od_memory_model *m, int64_t now, int64_t pause_s)
{
    struct asked a = {0};
    struct od_past_event events[4];
    struct od_score_terms terms[ITEMS];
    struct od_arena arena;
    uint32_t item[ITEMS];
    float told[ITEMS];
    bool personal;
    for (uint32_t i = 0; i < ITEMS; i++)
        item[i] = i;
    for (uint32_t k = 0; k < 4; k++)
        events[k] = (struct od_past_event){.item = 6 * EACH + k, .time = now - pause_s};
    struct od_query query = {.events = events, .event_count = 4, .item = 63, .now_s = now};
    od_arena_init(&arena, 1 << 20);
    assert_int_equal(m->recipe->score(m->model, &query, &arena, a.score, &personal, NULL), OD_OK);
    assert_int_equal(m->recipe->explain(m->model, &query, item, ITEMS, &arena, told, terms, NULL),
                     OD_OK);
    assert_memory_equal(a.score, told, sizeof told);
    for (uint32_t i = 0; i < ITEMS; i++)
        for (size_t k = 0; k < terms[i].count; k++) {
            a.terms[i] += terms[i].list[k].contribution;
            a.away += strcmp(terms[i].list[k].name, "away") == 0;
        }
    od_arena_done(&arena);
    return a;
}

static unsigned in_cluster(const struct asked *a, unsigned cluster, unsigned top)
{
    unsigned found = 0;
    for (unsigned i = 0; i < ITEMS; i++) {
        unsigned better = 0;
        for (unsigned k = 0; k < ITEMS; k++)
            better += a->score[k] > a->score[i];
        found += better < top && i / EACH == cluster;
    }
    return found;
}

static void tell_a_mixture(struct od_memory_model *m, const struct od_blend_away *away)
{
    const void *found;
    assert_int_equal(
        od_image_array(&m->image, "blend", 1, sizeof(struct od_blend_header), &found, NULL), OD_OK);
    size_t at = (size_t)((const char *)found - (const char *)m->bytes);
    memcpy((char *)m->bytes + at + offsetof(struct od_blend_header, away), away, sizeof *away);
    m->recipe->close(m->model);
    assert_int_equal(m->recipe->open(&m->image, &m->model, NULL), OD_OK);
}

/* Shares of a source that begin to matter after half a day, before the blend's. */
static void let_a_mixture_serve(struct od_memory_model *m, enum od_blend_source late_source)
{
    float soon = od_blend_pause_between(0, DAY / 2), late = od_blend_pause_between(0, 30 * DAY);
    float slope = 10 / (late - soon);
    struct od_blend_away away = {.serves = 1, .sharp = 1};
    for (size_t k = OD_BLEND_OF_PAST; k < OD_BLEND_SOURCES; k++)
        away.gate[k][0] = -90;
    away.gate[late_source][0] = -4 - slope * soon;
    away.gate[late_source][1] = slope;
    assert_true(share_after(&away, OD_BLEND_OWN, DAY / 2) > .95f);
    assert_true(share_after(&away, OD_BLEND_OWN, 30 * DAY) < .05f);
    tell_a_mixture(m, &away);
}

static void assert_terms_tell_the_score(const struct asked *a)
{
    for (uint32_t i = 0; i < ITEMS; i++)
        assert_true(isfinite(a->score[i]) && fabsf(a->score[i] - a->terms[i]) < 1e-3f);
}

/* The probability of the items that world's users move on to. */
static double taken_by_everybody(const struct asked *a, float temperature)
{
    double sum = 0, all = 0;
    for (unsigned i = 0; i < ITEMS; i++) {
        double p = exp((double)(a->score[i] / temperature));
        all += p;
        sum += i % EACH == 0 && i < 5 * EACH ? p : 0;
    }
    return sum / all;
}

/* After a month with what everybody takes, and at most so many items of the cluster in the best
 * five. Before the data's end and after it. */
static void assert_answers_by_pause(const struct od_memory_model *m, const struct od_training *t,
                                    unsigned most_late)
{
    int64_t times[] = {t->last_time + 40 * DAY, t->last_time - 5 * DAY};
    for (size_t k = 0; k < 2; k++) {
        struct asked soon = ask(m, times[k], 600), later = ask(m, times[k], DAY / 2),
                     late = ask(m, times[k], 30 * DAY);
        assert_int_equal(in_cluster(&soon, 6, 5), 5);
        assert_true(in_cluster(&later, 6, 5) >= 3);
        assert_true(in_cluster(&late, 6, 5) <= most_late);
        assert_int_equal(soon.away, 0);
        assert_true(late.away > ITEMS / 2);
        assert_terms_tell_the_score(&soon);
        assert_terms_tell_the_score(&late);
    }
}

static void who_moved_on_is_shown_what_everybody_takes(void **state)
{
    (void)state;
    struct od_training *t = world(true);
    struct od_memory_model m;
    struct od_blend_header h = train(t, &m);
    assert_int_equal(t->item_count, ITEMS);
    assert_true(h.away.serves && h.away.gain > .05f && h.away.judges > 100);
    assert_true(share_after(&h.away, OD_BLEND_OWN, DAY / 2) +
                    share_after(&h.away, OD_BLEND_OF_PAST, DAY / 2) >
                .95f);
    struct asked soon = ask(&m, t->last_time + 40 * DAY, 600),
                 late = ask(&m, t->last_time + 40 * DAY, 30 * DAY);
    assert_true(taken_by_everybody(&soon, h.temperature) < .1);
    assert_true(taken_by_everybody(&late, h.temperature) > .7); /* three in four are */
    assert_answers_by_pause(&m, t, 1); /* the blend itself misses one of what everybody takes */
    struct od_buf text;
    od_buf_init(&text, 1 << 16);
    assert_true(od_blend_describe(&m.image, &text));
    od_buf_char(&text, 0);
    assert_non_null(strstr(text.ptr, "after a pause a mixture answers"));
    od_buf_done(&text);
    od_memory_model_done(&m);
    od_training_free(t);
}

/* Whatever was fitted. After a month it is nearly all popularity. */
static void a_told_mixture_answers_after_a_pause(void **state)
{
    (void)state;
    struct od_training *t = world(true);
    struct od_memory_model m;
    (void)train(t, &m);
    let_a_mixture_serve(&m, OD_BLEND_OF_ALL);
    assert_answers_by_pause(&m, t, 0);
    od_memory_model_done(&m);
    od_training_free(t);
}

static void items_of_the_past_are_taken_again_or_not(void **state)
{
    (void)state;
    struct od_training *t = world(true);
    struct od_memory_model m;
    (void)train(t, &m);
    let_a_mixture_serve(&m, OD_BLEND_OF_PAST);
    struct asked more = ask(&m, t->last_time + 40 * DAY, 30 * DAY);
    let_a_mixture_serve(&m, OD_BLEND_OF_ALL);
    struct asked less = ask(&m, t->last_time + 40 * DAY, 30 * DAY);
    for (unsigned i = 0; i < ITEMS; i++) {
        bool past = i >= 6 * EACH && i < 6 * EACH + 4; /* what ask tells of the user */
        for (unsigned k = 6 * EACH; k < 6 * EACH + 4 && !past; k++)
            assert_true(more.score[k] > more.score[i]);
        assert_true(past ? more.score[i] > less.score[i] + .5f : less.score[i] > more.score[i]);
    }
    assert_terms_tell_the_score(&more);
    assert_terms_tell_the_score(&less);
    od_memory_model_done(&m);
    od_training_free(t);
}

static void who_did_not_is_remembered(void **state)
{
    (void)state;
    struct od_training *t = world(false);
    struct od_memory_model m;
    struct od_blend_header h = train(t, &m);
    assert_true(h.away.judges > 100);
    assert_true(!h.away.serves || share_after(&h.away, OD_BLEND_OWN, 30 * DAY) > .8f);
    struct asked late = ask(&m, t->last_time + 40 * DAY, 30 * DAY);
    assert_true(in_cluster(&late, 6, 5) >= 4);
    od_memory_model_done(&m);
    od_training_free(t);
}

/* Its scores told at four times a temperature, the blend is a quarter as sure as it would be. */
static void a_blend_too_flat_after_a_pause_is_sharpened(void **state)
{
    (void)state;
    static const struct od_blend_away alone = {.sharp = 1};
    struct od_training *t = world(false);
    struct od_memory_model m;
    struct od_judge *judges;
    struct od_recent recent;
    struct od_blend_away as_it_is = {0}, flat = {0};
    struct od_blend_header h = train(t, &m);
    uint32_t count[ITEMS] = {0};
    uint64_t end[USERS];
    size_t judge_count;
    tell_a_mixture(&m, &alone);
    memcpy(end, t->user_start + 1, sizeof end);
    assert_int_equal(t->user_count, USERS);
    assert_int_equal(od_blend_judges(t, end, &judges, &judge_count, NULL), OD_OK);
    assert_int_equal(od_recent_make(t, &recent, NULL), OD_OK);
    for (uint64_t e = 0; e < t->user_start[USERS]; e++)
        count[t->item[e]]++;
    const struct od_blend_facts facts = {t, judges, judge_count, NULL, 0, count, &recent, NULL};
    assert_int_equal(od_blend_away_fit(&facts, m.model, h.temperature / 2, 2, &as_it_is, NULL),
                     OD_OK);
    assert_int_equal(od_blend_away_fit(&facts, m.model, 2 * h.temperature, 2, &flat, NULL), OD_OK);
    assert_true(as_it_is.judges > 100 && as_it_is.sharp >= 1);
    assert_true(flat.serves && flat.sharp > as_it_is.sharp && flat.gain > as_it_is.gain);
    free(judges);
    od_recent_done(&recent);
    od_memory_model_done(&m);
    od_training_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shares_are_a_softmax_of_the_gates),
        cmocka_unit_test(popular_shares_are_shares),
        cmocka_unit_test(a_mixture_is_what_its_formula_says),
        cmocka_unit_test(the_past_is_left_to_its_own_source),
        cmocka_unit_test(who_moved_on_is_shown_what_everybody_takes),
        cmocka_unit_test(a_told_mixture_answers_after_a_pause),
        cmocka_unit_test(items_of_the_past_are_taken_again_or_not),
        cmocka_unit_test(who_did_not_is_remembered),
        cmocka_unit_test(a_blend_too_flat_after_a_pause_is_sharpened),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
