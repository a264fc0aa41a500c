/* A next-best-action model at work.
 *
 * What a score says depends on the action:
 * - scored actions (enough events): the calibrated probability;
 * - others when the query asks for exploration (seed not 0): the same for coefficients drawn from
 *   their posterior (Thompson, Biometrika 25, 1933), so that an action nobody knows is tried as
 *   often as it may be the best, and less with every answer it gets;
 * - others without exploration: below all scored ones;
 * - expired actions, and those inside their REPEAT_FREQUENCY for the user: -INFINITY.
 * Equal probabilities (as printed, to seven places) are ordered by VALUE, then by id; the scores
 * given are made to fall strictly, by the smallest steps there are, so that any ranking keeps that
 * order. Above 0.5 such a step may show in the seventh place. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "recipes/action_image.h"
#include "recipes/action_recipe.h"

#define PRINTED 1e7   /* scores are printed to seven places */
#define STEP    1e-30 /* between unscored actions: prints as 0 */
#define DAY_S   86400.0

struct model {
    struct od_image_dict actions, items, record;
    const struct od_action_about *about;
    struct od_action_view view;
    const float *theta, *factor;
    const struct od_action_rule *rules;
};

static struct od_str record_name(const void *names, uint32_t column)
{
    return od_image_dict_text(names, column);
}

/* --- opening --- */

static bool finite_all(const float *x, uint64_t count)
{
    bool good = true;
    for (uint64_t i = 0; i < count; i++)
        good &= isfinite(x[i]) != 0;
    return good;
}

static bool good_calibration(const struct od_action_calibration *c)
{
    if (c->count < 2 || c->count > OD_ACTION_KNOTS || !finite_all(c->x, c->count) ||
        !finite_all(c->y, c->count) || c->y[0] < 0 || c->y[c->count - 1] > 1)
        return false;
    for (uint32_t k = 1; k < c->count; k++)
        if (c->x[k] < c->x[k - 1] || c->y[k] < c->y[k - 1])
            return false;
    return true;
}

/* A factor without zeros on its diagonal can be solved with. */
static bool good_factors(const struct model *m)
{
    uint64_t width = m->about->width;
    bool good = finite_all(m->factor, m->actions.count * width * width);
    for (uint64_t a = 0; good && a < m->actions.count; a++)
        for (uint64_t j = 0; j < width; j++)
            good &= m->factor[(a * width + j) * width + j] > 0;
    return good;
}

static bool good_rules(const struct model *m)
{
    bool good = true;
    for (uint32_t a = 0; a < m->actions.count; a++)
        good &= isfinite(m->rules[a].value) && isfinite(m->rules[a].repeat_days) &&
                m->rules[a].scored <= 1;
    return good;
}

static enum od_status open_about(const struct od_image *image, struct model *m,
                                 struct od_error *err)
{
    const void *bytes;
    enum od_status s = od_image_array(image, "action.about", 1, sizeof *m->about, &bytes, err);
    if (s != OD_OK)
        return s;
    m->about = bytes;
    uint32_t fixed = OD_ACTION_WIDTH - OD_ACTION_TASTES - OD_ACTION_RECORD;
    if (m->about->tastes > OD_ACTION_TASTES || m->about->record_count != m->record.count ||
        m->record.count > OD_ACTION_RECORD ||
        m->about->width != fixed + m->about->tastes + m->record.count ||
        !good_calibration(&m->about->calibration))
        return od_fail(err, OD_CORRUPT, "The model image's action.about is not well formed.");
    return OD_OK;
}

static enum od_status open_arrays(const struct od_image *image, struct model *m,
                                  struct od_error *err)
{
    uint64_t actions = m->actions.count, width = m->about->width;
    const float *scale = NULL;
    const struct {
        const char *name;
        uint64_t count;
        size_t size;
        const void **to;
    } arrays[] = {
        {"action.projection", (uint64_t)m->items.count * m->about->tastes, sizeof(float),
         (const void **)&m->view.projection},
        {"action.scale", 2 * width, sizeof(float), (const void **)&scale},
        {"action.theta", actions * width, sizeof(float), (const void **)&m->theta},
        {"action.factor", actions * width * width, sizeof(float), (const void **)&m->factor},
        {"action.rules", actions, sizeof *m->rules, (const void **)&m->rules},
    };
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++) {
        enum od_status s = od_image_array(image, arrays[i].name, arrays[i].count, arrays[i].size,
                                          arrays[i].to, err);
        if (s != OD_OK)
            return s;
    }
    m->view.mean = scale;
    m->view.scale = scale + width;
    if (!finite_all(m->view.projection, (uint64_t)m->items.count * m->about->tastes) ||
        !finite_all(scale, 2 * width) || !finite_all(m->theta, actions * width) ||
        !good_factors(m) || !good_rules(m))
        return od_fail(err, OD_CORRUPT, "The model image's action sections are not well formed.");
    return OD_OK;
}

static enum od_status open_sections(const struct od_image *image, struct model *m,
                                    struct od_error *err)
{
    enum od_status s = od_image_dict_open(image, "items", &m->actions, err);
    if (s == OD_OK)
        s = od_image_dict_open(image, "action.items", &m->items, err);
    if (s == OD_OK)
        s = od_image_dict_open(image, "action.record", &m->record, err);
    if (s == OD_OK)
        s = open_about(image, m, err);
    if (s != OD_OK)
        return s;
    m->view = (struct od_action_view){.item_count = m->items.count,
                                      .tastes = m->about->tastes,
                                      .width = m->about->width,
                                      .record_count = m->record.count,
                                      .record_name = record_name,
                                      .record_names = &m->record};
    struct od_str period;
    if (od_image_section(image, "action.period", &period)) {
        const void *seconds;
        s = od_image_array(image, "action.period", 1, sizeof m->view.period_s, &seconds, err);
        if (s == OD_OK && *(const int64_t *)seconds < 0)
            s = od_fail(err, OD_CORRUPT, "The model image's period is not valid.");
        if (s != OD_OK)
            return s;
        m->view.period_s = *(const int64_t *)seconds;
    }
    return open_arrays(image, m, err);
}

enum od_status od_action_open(const struct od_image *image, struct od_model **out,
                              struct od_error *err)
{
    struct model *m = calloc(1, sizeof *m);
    if (!m)
        return od_fail(err, OD_NO_MEMORY, NULL);
    enum od_status s = open_sections(image, m, err);
    if (s == OD_OK)
        *out = (struct od_model *)m;
    else
        free(m);
    return s;
}

void od_action_close(struct od_model *model)
{
    free(model);
}

const struct od_image_dict *od_action_items(const struct od_model *model)
{
    return &((const struct model *)model)->actions;
}

const struct od_image_dict *od_action_event_items(const struct od_model *model)
{
    return &((const struct model *)model)->items;
}

bool od_action_scored(const struct od_model *model, uint32_t action)
{
    const struct model *m = (const struct model *)model;
    return m->about->learnt && m->rules[action].scored;
}

/* --- answering --- */

/* Standard deviation of the logit: |L^-1 x|, with L L' the Hessian of the action's level. */
static double deviation(const struct model *m, uint32_t action, const float *x)
{
    size_t width = m->view.width;
    const float *l = m->factor + (size_t)action * width * width;
    double z[OD_ACTION_WIDTH], sum = 0;
    for (size_t i = 0; i < width; i++) {
        z[i] = (double)x[i];
        for (size_t k = 0; k < i; k++)
            z[i] -= (double)l[i * width + k] * z[k];
        z[i] /= (double)l[i * width + i];
        sum += z[i] * z[i];
    }
    return sqrt(sum);
}

static double probability(const struct model *m, const struct od_query *query, uint32_t action,
                          const float *x)
{
    const float *theta = m->theta + (size_t)action * m->view.width;
    double eta = 0;
    for (uint32_t j = 0; j < m->view.width; j++)
        eta += (double)theta[j] * (double)x[j];
    if (!m->rules[action].scored) {
        struct od_random rng;
        od_random_init2(&rng, query->seed, action);
        eta += deviation(m, action, x) * od_random_normal(&rng);
    }
    return od_action_calibrate(&m->about->calibration, 1 / (1 + exp(-eta)));
}

/* Whether the user did anything with the action inside its REPEAT_FREQUENCY. */
static bool too_soon(const struct od_query *query, uint32_t action, float repeat_days)
{
    double repeat_s = (double)repeat_days * DAY_S;
    for (size_t i = 0; repeat_s > 0 && i < query->action_event_count; i++)
        if (query->action_events[i].item == action &&
            (double)query->now_s - (double)query->action_events[i].time < repeat_s)
            return true;
    return false;
}

static struct od_action_fact fact_of(const struct model *m, const struct od_query *query,
                                     uint32_t action)
{
    const struct od_action_rule *rule = &m->rules[action];
    if (query->action_facts && query->action_facts[action].known)
        return query->action_facts[action];
    return (struct od_action_fact){true, rule->expires_s, rule->value, rule->repeat_days};
}

struct place {
    double probability; /* as printed; -1: not scored and not explored */
    float value;
    uint32_t action;
};

static int compare_places(const void *a, const void *b)
{
    const struct place *x = a, *y = b;
    if (x->probability != y->probability)
        return x->probability > y->probability ? -1 : 1;
    if (x->value != y->value)
        return x->value > y->value ? -1 : 1;
    return (x->action > y->action) - (x->action < y->action);
}

/* Scores that fall strictly in the order of the places. */
static void spread(const struct place *places, uint32_t count, float *scores)
{
    float last = INFINITY;
    for (uint32_t i = 0; i < count; i++) {
        float score = places[i].probability >= 0 ? (float)places[i].probability
                                                 : (float)(-STEP * (double)(i + 1));
        if (!(score < last))
            score = nextafterf(last, -INFINITY);
        scores[places[i].action] = score;
        last = score;
    }
}

enum od_status od_action_score(const struct od_model *model, const struct od_query *query,
                               struct od_arena *scratch, float *scores, bool *out_personal,
                               struct od_error *err)
{
    const struct model *m = (const struct model *)model;
    uint32_t count = 0;
    struct od_action_state *state = OD_NEW(scratch, struct od_action_state);
    struct place *places = OD_NEW_ARRAY(scratch, struct place, (size_t)m->actions.count + 1);
    if (!state || !places)
        return od_fail(err, OD_NO_MEMORY, NULL);
    od_action_state_make(&m->view, query, state);
    for (uint32_t a = 0; a < m->actions.count; a++) {
        scores[a] = -INFINITY;
        struct od_action_fact fact = fact_of(m, query, a);
        if (fact.expires_s <= query->now_s || too_soon(query, a, fact.repeat_days))
            continue;
        struct place *p = &places[count++];
        *p = (struct place){-1, fact.value, a};
        if (m->about->learnt && (m->rules[a].scored || query->seed)) {
            float x[OD_ACTION_WIDTH];
            od_action_x(&m->view, state, a, x);
            p->probability = round(probability(m, query, a, x) * PRINTED) / PRINTED;
        }
    }
    qsort(places, count, sizeof *places, compare_places);
    spread(places, count, scores);
    *out_personal = m->about->learnt &&
                    (query->event_count || query->action_event_count || query->user_value_count);
    return OD_OK;
}
