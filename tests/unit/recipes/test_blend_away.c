/* Answers after a pause: the mixture, its shares, and when it serves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <float.h>
#include <math.h>
#include <string.h>

#include "recipes/blend_train.h"
#include "recipes/linar.h"
#include "toy.h"

enum { DAY = 86400, CLUSTERS = 8, EACH = 10, ITEMS = CLUSTERS * EACH, USERS = 1500, PARAMS = 16 };

static void shares_are_a_softmax_of_the_gates(void **state)
{
    (void)state;
    struct od_blend_away away = {.serves = 1, .gate = {{0}, {-1, 2, .5f}, {3, -1, 0}, {0}, {-90}}};
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
    float scores[N], mixed[N], popular[OD_BLEND_COMMON * N], tilt[N];
    static const float share[OD_BLEND_SOURCES] = {.5f, .1f, .2f, .15f, .05f};
    const double temperature = .7;
    double total = 0, of[OD_BLEND_COMMON] = {0};
    for (size_t i = 0; i < N; i++) {
        scores[i] = i < 2 ? -FLT_MAX : (float)(5 * od_random_normal(&rng));
        total += exp((double)scores[i] / temperature);
        tilt[i] = (float)(.1 + 3 * od_random_double(&rng));
    }
    for (size_t i = 0; i < sizeof popular / sizeof *popular; i++) {
        popular[i] = (float)(od_random_double(&rng) / N);
        of[i / N] += (double)(popular[i] * tilt[i % N]);
    }
    for (int tilted = 0; tilted < 2; tilted++) {
        double sum = 0;
        memcpy(mixed, scores, sizeof mixed);
        od_blend_mix(share, popular, tilted ? tilt : NULL, (float)temperature, N, mixed);
        for (size_t i = 0; i < N; i++) {
            double p = (double)share[0] * exp((double)scores[i] / temperature) / total;
            for (size_t k = 1; k < OD_BLEND_SOURCES; k++)
                p += (double)share[k] * (double)popular[(k - 1) * N + i] *
                     (tilted ? (double)tilt[i] / of[k - 1] : 1);
            assert_true(fabs((double)mixed[i] - temperature * log(p)) < 2e-5);
            sum += exp((double)mixed[i] / temperature);
        }
        /* the popular ones here are no distribution until they are brought to one */
        assert_true(tilted ? fabs(sum - 1) < 1e-4 : sum > .5 && sum < 1.5);
    }
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

static float own_after(const struct od_blend_away *away, int64_t pause_s)
{
    float share[OD_BLEND_SOURCES];
    od_blend_shares(away, od_blend_pause_between(0, pause_s), 0, share);
    return share[OD_BLEND_OWN];
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

/* Shares of popularity of all time that begin to matter after half a day. */
static void let_a_mixture_serve(struct od_memory_model *m, float again)
{
    const void *found;
    float soon = od_blend_pause_between(0, DAY / 2), late = od_blend_pause_between(0, 30 * DAY);
    float slope = 10 / (late - soon);
    struct od_blend_away away = {.serves = 1, .again = again};
    away.gate[OD_BLEND_OF_ALL][0] = -4 - slope * soon;
    away.gate[OD_BLEND_OF_ALL][1] = slope;
    for (size_t k = OD_BLEND_OF_DAY; k < OD_BLEND_OF_ALL; k++)
        away.gate[k][0] = -90;
    assert_true(own_after(&away, DAY / 2) > .95f);
    assert_true(own_after(&away, 30 * DAY) < .05f);
    assert_int_equal(
        od_image_array(&m->image, "blend", 1, sizeof(struct od_blend_header), &found, NULL), OD_OK);
    size_t at = (size_t)((const char *)found - (const char *)m->bytes);
    memcpy((char *)m->bytes + at + offsetof(struct od_blend_header, away), &away, sizeof away);
    m->recipe->close(m->model);
    assert_int_equal(m->recipe->open(&m->image, &m->model, NULL), OD_OK);
}

static void assert_terms_tell_the_score(const struct asked *a)
{
    for (uint32_t i = 0; i < ITEMS; i++)
        assert_true(isfinite(a->score[i]) && fabsf(a->score[i] - a->terms[i]) < 1e-3f);
}

static void who_moved_on_is_shown_what_everybody_takes(void **state)
{
    (void)state;
    struct od_training *t = world(true);
    struct od_memory_model m;
    struct od_blend_header h = train(t, &m);
    assert_int_equal(t->item_count, ITEMS);
    assert_true(h.away.serves && h.away.gain > .05f && h.away.judges > 100);
    assert_true(own_after(&h.away, DAY / 2) > .95f);
    assert_true(own_after(&h.away, 30 * DAY) < .9f);
    int64_t times[] = {t->last_time + 40 * DAY, t->last_time - 5 * DAY};
    for (size_t k = 0; k < 2; k++) {
        struct asked soon = ask(&m, times[k], 600), later = ask(&m, times[k], DAY / 2),
                     late = ask(&m, times[k], 30 * DAY);
        assert_int_equal(in_cluster(&soon, 6, 5), 5);
        assert_true(in_cluster(&later, 6, 5) >= 3);
        assert_true(in_cluster(&late, 6, 5) <= 1); /* what everybody takes: one in four stays */
        assert_int_equal(soon.away, 0);
        assert_true(late.away > ITEMS / 2);
        assert_terms_tell_the_score(&soon);
        assert_terms_tell_the_score(&late);
    }
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
    let_a_mixture_serve(&m, 1);
    int64_t times[] = {t->last_time + 40 * DAY, t->last_time - 5 * DAY};
    for (size_t k = 0; k < 2; k++) {
        struct asked soon = ask(&m, times[k], 600), later = ask(&m, times[k], DAY / 2),
                     late = ask(&m, times[k], 30 * DAY);
        assert_int_equal(in_cluster(&soon, 6, 5), 5);
        assert_true(in_cluster(&later, 6, 5) >= 3);
        assert_int_equal(in_cluster(&late, 6, 5), 0);
        assert_int_equal(soon.away, 0);
        assert_true(late.away > ITEMS / 2);
        assert_terms_tell_the_score(&soon);
        assert_terms_tell_the_score(&late);
    }
    od_memory_model_done(&m);
    od_training_free(t);
}

/* Popular sources say more, or hardly anything, of items of the past where `again` says so. */
static void items_of_the_past_are_taken_again_or_not(void **state)
{
    (void)state;
    struct od_training *t = world(true);
    struct od_memory_model m;
    (void)train(t, &m);
    let_a_mixture_serve(&m, 1000);
    struct asked more = ask(&m, t->last_time + 40 * DAY, 30 * DAY);
    let_a_mixture_serve(&m, 1e-3f);
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
    assert_true(!h.away.serves || own_after(&h.away, 30 * DAY) > .8f);
    struct asked late = ask(&m, t->last_time + 40 * DAY, 30 * DAY);
    assert_true(in_cluster(&late, 6, 5) >= 4);
    od_memory_model_done(&m);
    od_training_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shares_are_a_softmax_of_the_gates),
        cmocka_unit_test(popular_shares_are_shares),
        cmocka_unit_test(a_mixture_is_what_its_formula_says),
        cmocka_unit_test(who_moved_on_is_shown_what_everybody_takes),
        cmocka_unit_test(a_told_mixture_answers_after_a_pause),
        cmocka_unit_test(items_of_the_past_are_taken_again_or_not),
        cmocka_unit_test(who_did_not_is_remembered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
