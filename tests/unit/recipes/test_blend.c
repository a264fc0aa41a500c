/* The blend of parts: recent popularity, terms, weights, the choice of parts, images. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "recipes/blend_train.h"
#include "recipes/linar.h"
#include "toy.h"

enum { DAY = 86400 };

/* --- recent popularity --- */

static struct od_training *spread_over_days(unsigned users, unsigned items, int64_t first)
{
    struct od_training_builder *b = od_training_builder_new(NULL);
    struct od_random rng;
    od_random_init(&rng, 4);
    for (unsigned u = 0; u < users; u++)
        for (unsigned k = 0; k < 9; k++)
            toy_add(b, u, (unsigned)od_random_below(&rng, items),
                    first + (int64_t)od_random_below(&rng, 90 * DAY));
    return toy_finish(b);
}

static void recent_counts_are_those_before_the_time(void **state)
{
    (void)state;
    static const int64_t length[OD_RECENT_WINDOWS] = {DAY, 7 * DAY, 30 * DAY};
    struct od_training *t = spread_over_days(120, 25, 1000000);
    struct od_recent recent;
    uint32_t *counts = malloc(25 * OD_RECENT_WINDOWS * sizeof *counts);
    assert_int_equal(od_recent_make(t, &recent, NULL), OD_OK);
    assert_int_equal(recent.stride, 1);
    for (uint32_t i = 1; i < recent.count; i++)
        assert_true(recent.age[i] >= recent.age[i - 1]);
    int64_t times[] = {t->first_time, t->first_time + 5 * DAY, t->time[17],
                       t->last_time,  t->last_time + 1,        t->last_time + 900 * DAY};
    for (size_t k = 0; k < sizeof times / sizeof *times; k++) {
        od_recent_count(&recent, times[k], 25, counts);
        int64_t now = times[k] > t->last_time ? t->last_time + 1 : times[k];
        for (int w = 0; w < OD_RECENT_WINDOWS; w++)
            for (uint32_t i = 0; i < t->item_count; i++) {
                uint32_t want = 0;
                for (uint64_t e = 0; e < t->event_count; e++)
                    want += t->item[e] == i && t->time[e] < now && t->time[e] >= now - length[w];
                assert_int_equal(counts[w * 25 + i], want);
            }
    }
    free(counts);
    od_recent_done(&recent);
    od_training_free(t);
}

static void made_up_times_are_told_from_real_ones(void **state)
{
    (void)state;
    struct od_training_builder *b = od_training_builder_new(NULL);
    for (unsigned u = 0; u < 100; u++)
        for (unsigned k = 0; k < 7; k++)
            toy_add(b, u, k, 60 * (int64_t)k);
    struct od_training *artificial = toy_finish(b), *real = spread_over_days(100, 20, 0);
    assert_false(od_recent_real(artificial));
    assert_true(od_recent_real(real));
    b = od_training_builder_new(NULL);
    struct od_training_builder *same = od_training_builder_new(NULL);
    for (unsigned u = 0; u < 100; u++)
        for (unsigned k = 0; k < 40; k++) { /* baskets of ten */
            toy_add(b, u, k, 86400 * (int64_t)(k / 10 * (3 + u % 17)));
            toy_add(same, u, k, 1000);
        }
    struct od_training *baskets = toy_finish(b), *moment = toy_finish(same);
    assert_true(od_recent_real(baskets));
    assert_false(od_recent_real(moment));
    od_training_free(baskets);
    od_training_free(moment);
    od_training_free(artificial);
    od_training_free(real);
}

/* --- terms --- */

static void shapes_keep_the_order(void **state)
{
    (void)state;
    enum { N = 41 }; /* whole vectors and a rest */
    float s[N];
    for (int i = 0; i < N; i++)
        s[i] = (float)(i - 7) * .01f;
    for (int shape = 0; shape < OD_BLEND_SHAPES; shape++) {
        float y[N] = {0};
        od_blend_shape_add((enum od_blend_shape)shape, .05f, 2, s, N, y);
        for (int i = 1; i < N; i++)
            assert_true(y[i] > y[i - 1]);
        float want = shape == OD_BLEND_LINEAR ? 2 * .33f / .05f
                                              : 2 * logf(.33f / .05f + powf(.1f, (float)shape));
        assert_true(fabsf(y[40] - want) < 1e-4f);
    }
}

static void pauses_grow_by_their_logarithm(void **state)
{
    (void)state;
    struct od_past_event event = {0, 0, 1000000};
    struct od_query query = {.events = &event, .event_count = 1, .now_s = 1000000};
    assert_true(od_blend_pause(&query) == 0);
    query.now_s += 15 * 3600;
    assert_true(fabsf(od_blend_pause(&query) - 1) < 1e-5f);
    query.now_s = 0; /* a clock that lags */
    assert_true(od_blend_pause(&query) == 0);
    query.event_count = 0;
    assert_true(od_blend_pause(&query) == 0);
}

static void lengths_are_bounded(void **state)
{
    (void)state;
    assert_true(fabsf(od_blend_length(1) + 1) < 1e-5f);
    assert_true(fabsf(od_blend_length(7)) < 1e-5f);
    assert_true(fabsf(od_blend_length(31) - 1) < 1e-5f);
    assert_true(od_blend_length(200) == od_blend_length(100000));
}

static void repeats_are_newest_first_and_counted(void **state)
{
    (void)state;
    const struct od_past_event events[] = {
        {.item = 3, .time = 0},    {.item = OD_NO_CODE, .time = 50}, {.item = 1, .time = 3600},
        {.item = 3, .time = 7200}, {.item = 9, .time = 7300},
    };
    struct od_query query = {.events = events, .event_count = 5, .now_s = 7200 + 3600};
    float mark[5];
    struct od_blend_repeat out[5];
    assert_int_equal(od_blend_repeats(&query, 5, mark, out), 2); /* 9 is unknown too */
    assert_int_equal(out[0].item, 3);
    assert_true(out[0].feature[OD_BLEND_REPEAT] == 1);
    assert_true(out[0].feature[OD_BLEND_STEPS] == 1); /* one event since */
    assert_true(out[0].feature[OD_BLEND_COUNT] == 1); /* twice */
    assert_true(out[0].feature[OD_BLEND_HOURS] == 1); /* an hour ago */
    assert_int_equal(out[1].item, 1);
    assert_true(fabsf(out[1].feature[OD_BLEND_STEPS] - log2f(3)) < 1e-6f); /* two events since */
    assert_true(out[1].feature[OD_BLEND_COUNT] == 0);
}

/* --- weights --- */

enum { JUDGES = 3000, ROOM = 12 };

/* The term of a weight, by its definition; at: of judge j */
static double term(const struct od_blend_sample *s, size_t t, size_t j, size_t at)
{
    if (t >= OD_BLEND_RESTED)
        return term(s, t - OD_BLEND_RESTED, j, at) * (double)s->pause[j];
    if (t >= OD_BLEND_LONGER)
        return term(s, t - OD_BLEND_LONGER, j, at) * (double)s->length[j];
    if (t == OD_BLEND_PARTS + OD_BLEND_RETURN)
        return term(s, OD_BLEND_PARTS + OD_BLEND_WEEK, j, at) * (double)s->pause[j];
    return s->x[t] ? (double)s->x[t][at] : 0;
}

/* Candidates with random terms, targets drawn from softmax(w . x): part p's term is a normal number
 * through the linear shape, popularity another. */
static void planted(struct od_blend_sample *s, uint32_t parts, const double *w)
{
    struct od_random rng;
    od_random_init(&rng, 31);
    *s = (struct od_blend_sample){.judges = JUDGES, .room = ROOM, .parts = parts};
    s->count = calloc(JUDGES, sizeof *s->count);
    s->target = calloc(JUDGES, sizeof *s->target);
    s->weight = calloc(JUDGES, sizeof *s->weight);
    s->length = calloc(JUDGES, sizeof *s->length);
    s->pause = calloc(JUDGES, sizeof *s->pause);
    s->real_times = true;
    s->item = calloc(JUDGES * ROOM, sizeof *s->item);
    for (uint32_t p = 0; p < parts; p++) {
        s->raw[p] = calloc(JUDGES * ROOM, sizeof(float));
        s->knows[p] = calloc(JUDGES, 1);
        memset(s->knows[p], 1, JUDGES);
        s->x[p] = calloc(JUDGES * ROOM, sizeof(float));
    }
    for (size_t f = OD_BLEND_PARTS; f < OD_BLEND_PARTS + OD_BLEND_RETURN; f++)
        s->x[f] = calloc(JUDGES * ROOM, sizeof(float));
    for (size_t j = 0; j < JUDGES; j++) {
        double z[ROOM], total = 0;
        s->count[j] = ROOM - (uint32_t)(j % 3);
        s->weight[j] = 1;
        s->length[j] = (float)od_random_normal(&rng);
        s->pause[j] = (float)(2 * od_random_double(&rng));
        for (uint32_t c = 0; c < s->count[j]; c++) {
            size_t at = j * ROOM + c;
            for (uint32_t p = 0; p < parts; p++)
                s->x[p][at] = s->raw[p][at] = (float)od_random_normal(&rng);
            s->x[OD_BLEND_PARTS + OD_BLEND_POPULAR][at] = (float)od_random_normal(&rng);
            s->x[OD_BLEND_PARTS + OD_BLEND_WEEK][at] = (float)od_random_normal(&rng);
            z[c] = 0;
            for (size_t t = 0; t < OD_BLEND_WEIGHTS; t++)
                z[c] += w[t] * term(s, t, j, at);
            total += exp(z[c]);
        }
        double draw = od_random_double(&rng) * total;
        while (s->target[j] + 1 < s->count[j] && (draw -= exp(z[s->target[j]])) > 0)
            s->target[j]++;
    }
}

static void weights_are_the_likeliest(void **state)
{
    (void)state;
    double w[OD_BLEND_WEIGHTS] = {1.5, -.7}, found[2][OD_BLEND_WEIGHTS] = {{0}}, likelihood[2];
    struct od_blend_sample s;
    w[OD_BLEND_PARTS + OD_BLEND_POPULAR] = .4;
    w[OD_BLEND_LONGER + 1] = .5;
    w[OD_BLEND_RESTED] = -.6;
    w[OD_BLEND_PARTS + OD_BLEND_RETURN] = .8;
    planted(&s, 2, w);
    uint32_t active = 3u | 3u << OD_BLEND_LONGER | 3u << OD_BLEND_RESTED |
                      1u << (OD_BLEND_PARTS + OD_BLEND_POPULAR) |
                      1u << (OD_BLEND_PARTS + OD_BLEND_RETURN);
    for (unsigned threads = 1; threads <= 2; threads++)
        assert_int_equal(od_blend_fit(&s, active, OD_BLEND_ALL, 0, threads, found[threads - 1],
                                      &likelihood[threads - 1]),
                         OD_OK);
    assert_memory_equal(found[0], found[1], sizeof found[0]);
    for (size_t t = 0; t < OD_BLEND_WEIGHTS; t++)
        assert_true(fabs(found[0][t] - w[t]) < .13); /* three standard errors */
    double other[OD_BLEND_WEIGHTS] = {0}, less;
    assert_int_equal(od_blend_fit(&s, 1, OD_BLEND_ALL, 0, 1, other, &less), OD_OK);
    assert_true(less < likelihood[0] - .05);
    assert_true(other[1] == 0);
    od_blend_sample_done(&s);
}

/* Of weights, by its definition: for judges before and after a pause the log of the mean p^focus
 * over focus, as a mean over judges; without the ridge. */
static double focused(const struct od_blend_sample *s, const double *w, double focus)
{
    double sum[2] = {0}, count[2] = {0};
    for (size_t j = 0; j < s->judges; j++) {
        double z[ROOM] = {0}, total = 0;
        for (uint32_t c = 0; c < s->count[j]; c++) {
            for (size_t t = 0; t < OD_BLEND_WEIGHTS; t++)
                z[c] += w[t] * term(s, t, j, j * ROOM + c);
            total += exp(z[c]);
        }
        bool after = s->pause[j] >= .7f;
        sum[after] += pow(exp(z[s->target[j]]) / total, focus);
        count[after]++;
    }
    return (count[0] * log(sum[0] / count[0]) + count[1] * log(sum[1] / count[1])) / focus /
           (count[0] + count[1]);
}

static void a_focus_is_climbed_to_its_top(void **state)
{
    (void)state;
    double w[OD_BLEND_WEIGHTS] = {1.5, -.7}, found[OD_BLEND_WEIGHTS] = {0}, said;
    struct od_blend_sample s;
    planted(&s, 2, w);
    assert_int_equal(od_blend_fit(&s, 3, OD_BLEND_ALL, .5, 2, found, &said), OD_OK);
    double top = focused(&s, found, .5);
    double ridge = 1e-3 / 2 * (found[0] * found[0] + found[1] * found[1]);
    assert_true(fabs(said - (top - ridge)) < 1e-5);
    for (size_t t = 0; t < 2; t++)
        for (int side = -1; side <= 1; side += 2) {
            double near[OD_BLEND_WEIGHTS];
            memcpy(near, found, sizeof near);
            near[t] += side * .2;
            assert_true(focused(&s, near, .5) < top);
        }
    od_blend_sample_done(&s);
}

/* Two judges in three want an item by chance: they flatten the likeliest weights to a third or so,
 * and a focused fit less. */
static void a_focus_hears_less_of_those_whom_nobody_can_tell(void **state)
{
    (void)state;
    double w[OD_BLEND_WEIGHTS] = {2.5}, flat[OD_BLEND_WEIGHTS] = {0}, keen[OD_BLEND_WEIGHTS] = {0};
    double said;
    struct od_blend_sample s;
    struct od_random rng;
    od_random_init(&rng, 7);
    planted(&s, 1, w);
    for (size_t j = 0; j < JUDGES; j++)
        if (j % 3)
            s.target[j] = (uint32_t)od_random_below(&rng, s.count[j]);
    assert_int_equal(od_blend_fit(&s, 1, OD_BLEND_ALL, 0, 2, flat, &said), OD_OK);
    assert_int_equal(od_blend_fit(&s, 1, OD_BLEND_ALL, .6, 2, keen, &said), OD_OK);
    assert_true(flat[0] < 1);
    assert_true(keen[0] > 1.5 * flat[0]);
    double first[JUDGES], gain[JUDGES], likelihood[JUDGES], deep = 0, top = 0;
    struct od_blend_verdict verdict = {first, gain, likelihood};
    assert_int_equal(od_blend_ask(&s, keen, OD_BLEND_ALL, 2, &verdict), OD_OK);
    for (size_t j = 0; j < JUDGES; j++) {
        assert_true(first[j] <= gain[j] && likelihood[j] < 0);
        assert_true(gain[j] >= 1 / log2(ROOM + 1.)); /* all candidates are within rank 25 */
        deep += gain[j];
        top += first[j];
    }
    assert_true(top < deep); /* there are up to 12 */
    od_blend_sample_done(&s);
}

static enum od_status never(void *context, double fraction, const char *stage)
{
    (void)context;
    (void)stage;
    assert_true(fraction >= 0 && fraction <= 1);
    return OD_STOPPED;
}

static void a_part_that_tells_nothing_is_dropped(void **state)
{
    (void)state;
    const struct od_part *const parts[] = {&od_part_linar, &od_part_linar, &od_part_linar, NULL};
    double w[OD_BLEND_WEIGHTS] = {1.2, 0, .9};
    w[OD_BLEND_LONGER] = .6;      /* the first part knows more of long histories */
    w[OD_BLEND_RESTED + 2] = -.4; /* and the last one less after pauses */
    struct od_blend_sample s;
    struct od_progress silent = {0}, stopping = {never, NULL};
    struct od_error err = {0};
    planted(&s, 3, w);
    struct od_blend_header h = od_blend_default(parts, 100);
    assert_int_equal(h.part_count, 3);
    assert_int_equal(od_blend_choose(&s, 2, &silent, &h, &err), OD_OK);
    assert_true(h.part[0].serves && !h.part[1].serves && h.part[2].serves);
    assert_int_equal(h.part[0].shape, OD_BLEND_LINEAR);
    assert_true(h.part[1].weight == 0);
    assert_true(h.weight[OD_BLEND_POPULAR] == 0);
    assert_true(fabsf(h.part[0].weight / h.part[0].scale - 1.2f) < .1f);
    assert_true(fabsf(h.part[0].longer / h.part[0].scale - .6f) < .1f);
    assert_true(fabsf(h.part[2].longer / h.part[2].scale) < .1f);
    assert_true(fabsf(h.part[2].rested / h.part[2].scale + .4f) < .1f);
    assert_true(fabsf(h.part[0].rested / h.part[0].scale) < .15f);
    assert_true(h.part[0].without < h.together - .01f);
    assert_true(h.part[0].alone < h.together);
    assert_int_equal(od_blend_choose(&s, 2, &stopping, &h, &err), OD_STOPPED);
    s.judges = 20; /* too few: the default stays */
    h = od_blend_default(parts, 100);
    assert_int_equal(od_blend_choose(&s, 2, &stopping, &h, &err), OD_OK);
    assert_true(h.part[0].serves && !h.part[1].serves && h.judges == 0);
    s.judges = JUDGES;
    od_blend_sample_done(&s);
}

/* --- whole models --- */

enum { PARAMS = 16, RING = 30, NEAR = 10 };

/* Each user visits some of NEAR neighbours on a ring, none twice, in any order. */
static struct od_training *distinct(unsigned users)
{
    struct od_training_builder *b = od_training_builder_new(NULL);
    struct od_random rng;
    od_random_init(&rng, 8);
    for (unsigned u = 0; u < users; u++) {
        unsigned at = (unsigned)od_random_below(&rng, RING), seen = 0;
        for (unsigned k = 0; k < 4 + u % 4; k++) {
            unsigned next = (unsigned)od_random_below(&rng, NEAR);
            while (seen >> next & 1)
                next = (next + 1) % NEAR;
            seen |= 1u << next;
            toy_add(b, u, (at + next) % RING, 1000 * (int64_t)u + 7 * k * k);
        }
    }
    return toy_finish(b);
}

/* Users walk a ring; after `again` events they start over. */
static struct od_training *ring(unsigned users, unsigned again)
{
    struct od_training_builder *b = od_training_builder_new(NULL);
    struct od_random rng;
    od_random_init(&rng, 8);
    for (unsigned u = 0; u < users; u++) {
        unsigned at = (unsigned)od_random_below(&rng, RING), n = 5 + u % 13;
        int64_t time = 1000 * u;
        for (unsigned k = 0; k < n; k++) {
            toy_add(b, u, (at + k % again) % RING, time);
            time += 10 + (int64_t)od_random_below(&rng, 5000);
        }
    }
    return toy_finish(b);
}

static struct od_metrics *train_metrics;
static const struct od_part *const *train_parts; /* NULL: all of the recipe */

static enum od_status fit(const struct od_train_input *input, struct od_image_writer *image,
                          struct od_error *err)
{
    if (train_parts)
        return od_blend_train_parts(train_parts, input, image, train_metrics, err);
    return od_blend_train(input, image, train_metrics, err);
}

static void train(const struct od_recipe *recipe, const struct od_training *t, unsigned threads,
                  struct od_metrics *metrics, struct od_memory_model *out)
{
    const struct od_recipe_spec *spec = od_recipe_spec_find(od_str_c(recipe->name));
    struct od_param_value params[PARAMS];
    assert_true(spec->param_count <= PARAMS);
    assert_int_equal(od_recipe_params_default(spec, params), OD_OK);
    struct od_train_input input = {
        .training = t, .spec = spec, .params = params, .seed = 1, .threads = threads};
    train_metrics = metrics;
    struct od_error err = {0};
    if (od_memory_model_fit(recipe, fit, &input, out, &err) != OD_OK)
        fail_msg("%s", err.message);
}

static void ask(const struct od_memory_model *m, const struct od_training *t, uint32_t first,
                unsigned count, float *scores)
{
    struct od_past_event events[RING];
    struct od_arena arena;
    bool personal;
    for (unsigned k = 0; k < count; k++)
        events[k] = (struct od_past_event){.item = (first + k) % RING,
                                           .time = t->last_time + 100 * (int64_t)k};
    struct od_query query = {.events = events,
                             .event_count = count,
                             .item = events[count - 1].item,
                             .now_s = t->last_time + 100 * (int64_t)count};
    od_arena_init(&arena, 1 << 20);
    assert_int_equal(m->recipe->score(m->model, &query, &arena, scores, &personal, NULL), OD_OK);
    assert_true(personal);
    od_arena_done(&arena);
}

static void repeats_are_learnt_not_assumed(void **state)
{
    (void)state;
    struct od_training *never_again = distinct(150), *again = ring(120, 4);
    struct od_memory_model m;
    struct od_metrics metrics = {0};
    float scores[RING];
    train(&od_recipe_user_personalization_v2, never_again, 2, &metrics, &m);
    assert_true(*od_metrics_find(&metrics, "normalized_discounted_cumulative_gain_at_5") > .2);
    ask(&m, never_again, 5, 4, scores);
    for (uint32_t seen = 5; seen < 9; seen++) /* what was seen comes after its neighbours */
        for (uint32_t i = 3; i < 11; i++)
            assert_true((i >= 5 && i < 9) || scores[i] > scores[seen]);
    od_memory_model_done(&m);
    train(&od_recipe_personalized_ranking_v2, again, 2, &metrics, &m);
    ask(&m, again, 5, 4, scores);
    for (uint32_t i = 0; i < RING; i++)
        assert_true(i == 5 || scores[i] < scores[5]); /* back to the first */
    od_memory_model_done(&m);
    od_training_free(never_again);
    od_training_free(again);
}

static void a_blend_tells_what_serves(void **state)
{
    (void)state;
    struct od_training *t = distinct(900);
    struct od_memory_model m;
    struct od_buf text;
    train(&od_recipe_user_personalization, t, 1, NULL, &m);
    od_buf_init(&text, 1 << 16);
    assert_true(od_blend_describe(&m.image, &text));
    od_buf_char(&text, 0);
    assert_non_null(strstr(text.ptr, " serves"));
    assert_non_null(strstr(text.ptr, "repeat"));
    od_buf_done(&text);
    od_memory_model_done(&m);
    od_training_free(t);
}

static float sum_of(const struct od_score_terms *terms)
{
    float sum = 0;
    for (size_t i = 0; i < terms->count; i++) {
        const struct od_score_term *term = &terms->list[i];
        assert_true(fabsf(term->weight * term->value - term->contribution) < 1e-4f);
        sum += term->contribution;
    }
    return sum;
}

static bool has_term(const struct od_score_terms *terms, const char *name)
{
    for (size_t i = 0; i < terms->count; i++)
        if (strcmp(terms->list[i].name, name) == 0)
            return true;
    return false;
}

/* Scores with reasons are the scores; the terms sum to them, for the known and for nobody, now and
 * in the midst of the data. */
static void a_score_is_the_sum_of_its_terms(void **state)
{
    (void)state;
    enum { ASKED = 6 };
    struct od_training *t = distinct(900);
    struct od_memory_model m;
    static const uint32_t item[ASKED] = {3, 0, RING - 1, 4, 4, 9};
    train(&od_recipe_user_personalization, t, 1, NULL, &m);
    int64_t times[] = {t->last_time + 5000, (t->first_time + t->last_time) / 2};
    for (int k = 0; k < 4; k++) {
        struct od_past_event events[] = {{.item = 3, .time = times[k / 2] - 900},
                                         {.item = 4, .time = times[k / 2] - 20}};
        struct od_query query = {.events = events,
                                 .event_count = k % 2 ? 0 : 2,
                                 .item = OD_NO_CODE,
                                 .now_s = times[k / 2]};
        struct od_score_terms terms[ASKED];
        float plain[RING], told[RING];
        struct od_arena arena;
        bool personal;
        od_arena_init(&arena, 1 << 20);
        assert_int_equal(m.recipe->score(m.model, &query, &arena, plain, &personal, NULL), OD_OK);
        assert_int_equal(m.recipe->explain(m.model, &query, item, ASKED, &arena, told, terms, NULL),
                         OD_OK);
        assert_memory_equal(plain, told, m.recipe->items(m.model)->count * sizeof *plain);
        for (size_t i = 0; i < ASKED; i++) {
            assert_true(fabsf(sum_of(&terms[i]) - plain[item[i]]) < 1e-3f);
            assert_int_equal(has_term(&terms[i], "popularShare"), !personal);
            assert_int_equal(has_term(&terms[i], "popularity"), personal);
        }
        od_arena_done(&arena);
    }
    od_memory_model_done(&m);
    od_training_free(t);
}

/* Users look at i0 .. i14 in a ring; every third time they buy what they looked at, as i15 .. i29.
 */
static struct od_training *shop(double view, double buy)
{
    struct od_event_rule rules[] = {{.type = OD_STR("view"), .weight = view},
                                    {.type = OD_STR("buy"), .weight = buy}};
    struct od_training_rule rule = {.events = rules, .event_count = 2, .weighted = true};
    struct od_training_builder *b = od_training_builder_new(&rule);
    for (unsigned u = 0; u < 600; u++)
        for (unsigned k = 0; k < 12 + u % 3; k++) {
            char user[16], item[16];
            bool buys = k % 3 == 2;
            unsigned at = (u + k - k / 3 - (buys ? 1 : 0)) % 15;
            snprintf(user, sizeof user, "u%05u", u);
            snprintf(item, sizeof item, "i%05u", buys ? 15 + at : at);
            assert_int_equal(od_training_add_event(b, od_str_c(user), od_str_c(item),
                                                   buys ? OD_STR("buy") : OD_STR("view"),
                                                   1000 * (int64_t)u + 9 * k * k, false, 0),
                             OD_OK);
        }
    return toy_finish(b);
}

static void what_weighs_nothing_is_not_predicted(void **state)
{
    (void)state;
    struct od_training *even = shop(1, 1), *buying = shop(0, 1);
    struct od_memory_model m[2];
    float scores[2][RING];
    static const struct od_part *const linear[] = {&od_part_linar, NULL};
    assert_non_null(buying->type_weight);
    train_parts = linear;
    train(&od_recipe_user_personalization_v2, even, 2, NULL, &m[0]);
    train(&od_recipe_user_personalization_v2, buying, 2, NULL, &m[1]);
    train_parts = NULL;
    for (int k = 0; k < 2; k++)
        ask(&m[k], even, 4, 1, scores[k]); /* one look: another one is next, or a purchase */
    for (uint32_t i = 0; i < RING; i++) {
        assert_true(i == 5 || i == 19 || scores[0][i] < scores[0][5]);
        assert_true(i == 19 || i == 20 ||
                    scores[1][i] < scores[1][19]); /* of this look or the next */
    }
    for (int k = 0; k < 2; k++)
        od_memory_model_done(&m[k]);
    od_training_free(even);
    od_training_free(buying);
}

/* Opens a copy of the image whose section has other bytes. */
static enum od_status open_with(const struct od_memory_model *m, const char *section, size_t at,
                                const void *bytes, size_t len)
{
    struct od_str was = m->image.bytes, part;
    struct od_image image;
    struct od_model *model = NULL;
    struct od_error err = {0};
    char *copy = aligned_alloc(64, (was.len + 63) / 64 * 64);
    memcpy(copy, was.ptr, was.len);
    assert_true(od_image_section(&m->image, section, &part));
    memcpy(copy + (part.ptr - was.ptr) + at, bytes, len);
    assert_int_equal(od_image_open((struct od_str){copy, was.len}, false, &image, NULL), OD_OK);
    enum od_status st = od_blend_open(&image, &model, &err);
    if (st == OD_OK)
        od_blend_close(model);
    else
        assert_true(err.message[0] != 0);
    free(copy);
    return st;
}

static void damaged_blends_are_refused(void **state)
{
    (void)state;
    struct od_training *t = ring(300, RING);
    struct od_memory_model m;
    struct od_blend_header good, bad;
    const void *p;
    train(&od_recipe_user_personalization, t, 2, NULL, &m);
    assert_int_equal(od_image_array(&m.image, "blend", 1, sizeof good, &p, NULL), OD_OK);
    memcpy(&good, p, sizeof good);
    assert_int_equal(open_with(&m, "blend", 0, &good, sizeof good), OD_OK);
    uint32_t serves = 0; /* the first that does */
    while (!good.part[serves].serves)
        serves++;
#define BREAK(change)                                                                              \
    do {                                                                                           \
        bad = good;                                                                                \
        bad.change;                                                                                \
        assert_int_equal(open_with(&m, "blend", 0, &bad, sizeof bad), OD_CORRUPT);                 \
    } while (0)
    BREAK(version++);
    BREAK(items++);
    BREAK(part_count = 0);
    BREAK(part_count = OD_BLEND_PARTS + 1);
    bad = good;
    for (uint32_t i = 0; i < OD_BLEND_PARTS; i++)
        bad.part[i].serves = 0;
    assert_int_equal(open_with(&m, "blend", 0, &bad, sizeof bad), OD_CORRUPT);
    BREAK(part[0].shape = OD_BLEND_SHAPES);
    BREAK(part[0].scale = 0);
    BREAK(part[0].weight = NAN);
    BREAK(part[serves].name[0] = 'x');
    BREAK(weight[0] = INFINITY);
    BREAK(temperature = 0);
    BREAK(away.gate[OD_BLEND_OF_WEEK][1] = NAN);
    BREAK(away.gate[OD_BLEND_OF_ALL][0] = 1e6f);
    BREAK(away.sharp = .5f);
    BREAK(away.sharp = NAN);
    BREAK(newcomers.share[0] = NAN);
    BREAK(newcomers.share[1] = -.1f);
    BREAK(newcomers.share[2] = 3);
    BREAK(newcomers.share[3] = 0);
    BREAK(recent_count++);
    BREAK(recent_stride = 0);
    uint32_t item = RING, age = UINT32_MAX;
    assert_int_equal(open_with(&m, "blend.recent.item", 4, &item, 4), OD_CORRUPT);
    assert_int_equal(open_with(&m, "blend.recent.age", 0, &age, 4), OD_CORRUPT);
    od_memory_model_done(&m);
    od_training_free(t);
}

static void a_blend_has_the_same_bytes_for_any_thread_count(void **state)
{
    (void)state;
    struct od_training *t = ring(500, 6);
    struct od_memory_model one, two;
    train(&od_recipe_user_personalization, t, 1, NULL, &one);
    train(&od_recipe_user_personalization, t, 2, NULL, &two);
    assert_int_equal(one.image.bytes.len, two.image.bytes.len);
    assert_memory_equal(one.image.bytes.ptr, two.image.bytes.ptr, one.image.bytes.len);
    od_memory_model_done(&one);
    od_memory_model_done(&two);
    od_training_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(recent_counts_are_those_before_the_time),
        cmocka_unit_test(made_up_times_are_told_from_real_ones),
        cmocka_unit_test(shapes_keep_the_order),
        cmocka_unit_test(lengths_are_bounded),
        cmocka_unit_test(pauses_grow_by_their_logarithm),
        cmocka_unit_test(repeats_are_newest_first_and_counted),
        cmocka_unit_test(weights_are_the_likeliest),
        cmocka_unit_test(a_focus_is_climbed_to_its_top),
        cmocka_unit_test(a_focus_hears_less_of_those_whom_nobody_can_tell),
        cmocka_unit_test(a_part_that_tells_nothing_is_dropped),
        cmocka_unit_test(repeats_are_learnt_not_assumed),
        cmocka_unit_test(a_blend_tells_what_serves),
        cmocka_unit_test(a_score_is_the_sum_of_its_terms),
        cmocka_unit_test(what_weighs_nothing_is_not_predicted),
        cmocka_unit_test(damaged_blends_are_refused),
        cmocka_unit_test(a_blend_has_the_same_bytes_for_any_thread_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
