/* Scoring from an updated image: see updated.h. The inner model knows its own items alone: events
 * on new ones are on unknown items to it. Asked about a new item, it hears the one most like it. */
#include <math.h>
#include <stdlib.h>

#include "recipes/updated.h"

struct model {
    const struct od_recipe *recipe;
    struct od_model *inner;
    uint32_t inner_count;
    struct od_image_dict items;
    const uint32_t *old;
    const uint64_t *at;
    const uint32_t *like;
    const float *weight;
};

bool od_updated_is(const struct od_image *image)
{
    struct od_str bytes;
    return od_image_section(image, "update.old", &bytes);
}

static bool is_sound(const struct model *m, uint64_t likes)
{
    bool sound = m->at[0] == 0 && m->at[m->items.count] == likes;
    for (uint32_t i = 0; i < m->items.count; i++)
        sound &=
            m->at[i] <= m->at[i + 1] && (m->old[i] < m->inner_count || m->old[i] == OD_NO_CODE);
    for (uint64_t k = 0; sound && k < likes; k++)
        sound &= m->like[k] < m->inner_count && m->weight[k] >= 0 && m->weight[k] <= 1;
    return sound;
}

static enum od_status open_sections(const struct od_image *image, struct model *m,
                                    struct od_error *err)
{
    const void *old, *at, *like, *weight;
    struct od_str bytes = {NULL, 0};
    enum od_status s = od_image_dict_open(image, "update.items", &m->items, err);
    (void)od_image_section(image, "update.like", &bytes);
    uint64_t likes = bytes.len / sizeof *m->like;
    if (s == OD_OK)
        s = od_image_array(image, "update.old", m->items.count, sizeof *m->old, &old, err);
    if (s == OD_OK)
        s = od_image_array(image, "update.at", (uint64_t)m->items.count + 1, sizeof *m->at, &at,
                           err);
    if (s == OD_OK)
        s = od_image_array(image, "update.like", likes, sizeof *m->like, &like, err);
    if (s == OD_OK)
        s = od_image_array(image, "update.weight", likes, sizeof *m->weight, &weight, err);
    if (s != OD_OK)
        return s;
    m->old = old;
    m->at = at;
    m->like = like;
    m->weight = weight;
    return is_sound(m, likes)
               ? OD_OK
               : od_fail(err, OD_CORRUPT, "The model image's new items are not well formed.");
}

static void close_model(struct od_model *model)
{
    struct model *m = (struct model *)model;
    if (m->inner)
        m->recipe->close(m->inner);
    free(m);
}

static enum od_status open_model(const struct od_image *image, struct od_model **out,
                                 struct od_error *err)
{
    struct model *m = calloc(1, sizeof *m);
    if (!m)
        return od_fail(err, OD_NO_MEMORY, NULL);
    m->recipe = od_recipe_find(image->recipe);
    enum od_status s = m->recipe && m->recipe->score
                           ? m->recipe->open(image, &m->inner, err)
                           : od_fail(err, OD_CORRUPT, "The updated image is of recipe %.*s.",
                                     OD_STR_ARG(image->recipe));
    if (s == OD_OK) {
        m->inner_count = m->recipe->items(m->inner)->count;
        s = open_sections(image, m, err);
    }
    if (s == OD_OK)
        *out = (struct od_model *)m;
    else
        close_model((struct od_model *)m);
    return s;
}

static const struct od_image_dict *items(const struct od_model *model)
{
    return &((const struct model *)model)->items;
}

static uint32_t inner_code(const struct model *m, uint32_t item)
{
    return item < m->items.count ? m->old[item] : OD_NO_CODE;
}

/* The mean of the likenesses that may be recommended at all; last when there is none. */
static float score_new(const struct model *m, uint32_t item, const float *inner, float last)
{
    float sum = 0, weight = 0;
    for (uint64_t k = m->at[item]; k < m->at[item + 1]; k++)
        if (inner[m->like[k]] > -INFINITY) {
            sum += m->weight[k] * inner[m->like[k]];
            weight += m->weight[k];
        }
    return weight > 0 ? sum / weight : last;
}

/* The item that stands for one that is asked about. */
static uint32_t asked_item(const struct model *m, uint32_t item)
{
    if (item >= m->items.count || m->old[item] != OD_NO_CODE)
        return inner_code(m, item);
    uint64_t best = m->at[item];
    for (uint64_t k = m->at[item]; k < m->at[item + 1]; k++)
        best = m->weight[k] > m->weight[best] ? k : best;
    return m->at[item] < m->at[item + 1] ? m->like[best] : OD_NO_CODE;
}

/* The query as the inner model hears it. */
static enum od_status inner_query(const struct model *m, const struct od_query *query,
                                  struct od_arena *scratch, struct od_query *out)
{
    struct od_past_event *events = OD_NEW_ARRAY(scratch, struct od_past_event, query->event_count);
    if (!events)
        return OD_NO_MEMORY;
    *out = *query;
    out->events = events;
    out->item = asked_item(m, query->item);
    if (m->recipe->influence) /* it comes last, when new items have their scores */
        out->popularity_influence = out->freshness_influence = 0;
    for (size_t i = 0; i < query->event_count; i++) {
        events[i] = query->events[i];
        events[i].item = inner_code(m, query->events[i].item);
    }
    return OD_OK;
}

/* The item the inner model was asked about takes no part in its answer, but it may in this one: as
 * what a new item is most like, as the likeness of new ones. Nothing is more like it than itself.
 * Then the scores of all. */
static void spread(const struct model *m, const struct od_query *query, const struct od_query *mine,
                   float *inner, float *scores)
{
    float last = INFINITY, first = -INFINITY;
    for (uint32_t i = 0; i < m->inner_count; i++) {
        last = inner[i] > -INFINITY && inner[i] < last ? inner[i] : last;
        first = inner[i] > first ? inner[i] : first;
    }
    bool left_out = mine->item < m->inner_count && isinf(inner[mine->item]);
    if (left_out)
        inner[mine->item] = first > -INFINITY ? first : 0;
    for (uint32_t i = 0; i < m->items.count; i++)
        scores[i] = m->old[i] != OD_NO_CODE ? inner[m->old[i]] : score_new(m, i, inner, last);
    if (left_out)
        scores[query->item] = -INFINITY;
}

static enum od_status finish(const struct model *m, const struct od_query *query, bool personal,
                             struct od_arena *scratch, float *scores, struct od_error *err)
{
    bool influenced = query->popularity_influence > 0 || query->freshness_influence > 0;
    if (!m->recipe->influence || !personal || !influenced)
        return OD_OK;
    enum od_status s =
        m->recipe->influence(m->inner, query, m->old, m->items.count, scratch, scores);
    return s == OD_OK ? OD_OK : od_fail(err, s, NULL);
}

static enum od_status score(const struct od_model *model, const struct od_query *query,
                            struct od_arena *scratch, float *scores, bool *out_personal,
                            struct od_error *err)
{
    const struct model *m = (const struct model *)model;
    float *inner = OD_NEW_ARRAY(scratch, float, m->inner_count);
    struct od_query mine;
    if (!inner || inner_query(m, query, scratch, &mine) != OD_OK)
        return od_fail(err, OD_NO_MEMORY, NULL);
    enum od_status s = m->recipe->score(m->inner, &mine, scratch, inner, out_personal, err);
    if (s != OD_OK)
        return s;
    spread(m, query, &mine, inner, scores);
    return finish(m, query, *out_personal, scratch, scores, err);
}

static void note_likeness(float score, struct od_score_terms *out)
{
    out->count = 1;
    out->list[0] = (struct od_score_term){
        .name = "likeness", .weight = 1, .value = score, .contribution = score, .raw = score};
}

/* An old item's terms are the inner model's; a new one's score is a mean of theirs. */
static enum od_status explain(const struct od_model *model, const struct od_query *query,
                              const uint32_t *item, uint32_t item_count, struct od_arena *scratch,
                              float *scores, struct od_score_terms *out, struct od_error *err)
{
    const struct model *m = (const struct model *)model;
    float *inner = OD_NEW_ARRAY(scratch, float, m->inner_count);
    uint32_t *codes = OD_NEW_ARRAY(scratch, uint32_t, item_count), count = 0;
    struct od_score_terms *terms = OD_NEW_ARRAY(scratch, struct od_score_terms, item_count);
    struct od_query mine;
    bool personal = true;
    if (!inner || !codes || !terms || inner_query(m, query, scratch, &mine) != OD_OK)
        return od_fail(err, OD_NO_MEMORY, NULL);
    for (uint32_t k = 0; k < item_count; k++)
        if (inner_code(m, item[k]) != OD_NO_CODE)
            codes[count++] = inner_code(m, item[k]);
    enum od_status s =
        m->recipe->explain
            ? m->recipe->explain(m->inner, &mine, codes, count, scratch, inner, terms, err)
            : m->recipe->score(m->inner, &mine, scratch, inner, &personal, err);
    if (s != OD_OK)
        return s;
    spread(m, query, &mine, inner, scores);
    s = finish(m, query, personal, scratch, scores, err);
    if (s != OD_OK)
        return s;
    count = 0;
    for (uint32_t k = 0; k < item_count; k++) {
        if (inner_code(m, item[k]) != OD_NO_CODE)
            out[k] = terms[count++];
        else
            note_likeness(scores[item[k]], &out[k]);
    }
    return OD_OK;
}

static float temperature(const struct od_model *model)
{
    const struct model *m = (const struct model *)model;
    return m->recipe->temperature ? m->recipe->temperature(m->inner) : 1;
}

const struct od_recipe od_recipe_updated = {
    .name = "(updated)",
    .open = open_model,
    .close = close_model,
    .items = items,
    .score = score,
    .explain = explain,
    .temperature = temperature,
};
