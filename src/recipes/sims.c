/* aws-sims: items that share users with a given one.
 *
 * What counts as sharing, and the similarity, is in sims_count.c; who takes part in sims_tables.c.
 * The image holds the sections of popularity.h and, for each item, its neighbours best first:
 * neighbour.at, .item, .count, .sim (docs/formats/image.md).
 *
 * Scoring gives neighbours their similarity (above 0), all other items their popularity order
 * (below 0), and the item itself -INFINITY. An item without neighbours, or one the model does not
 * know, gets popular items. */
#include "recipes/sims.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "recipes/metrics.h"
#include "recipes/popularity.h"
#include "recipes/registry.h"

#define PAIRS_MOST  (64u << 20) /* stored over all items: bounds the image at 768 MiB */
#define PAIRS_LEAST 64u         /* per item, however large the catalogue */
#define PAIR_BYTES  12u
/* Chosen on the last event but one of MovieLens-1M and 100k and Toys (NDCG@10 there, without
 * weights and with them: .050 and .069, .043 and .053, .0182 and .0189). */
#define FADE    0.15f
#define FLOOR   0.05f
#define FORWARD 1.0f

struct model {
    struct od_popularity_view popularity;
    const uint64_t *at;
    const uint32_t *item, *count;
    const float *sim;
};

/* --- training --- */

/* Fewer neighbours an item for catalogues of more than 131,072 items, or under a memory cap (a
 * quarter of it may hold pairs, twice while they are gathered). */
static uint32_t neighbours_of(const struct od_train_input *input)
{
    uint64_t pairs = PAIRS_MOST;
    if (input->memory_bytes && input->memory_bytes / (8 * PAIR_BYTES) < pairs)
        pairs = input->memory_bytes / (8 * PAIR_BYTES);
    uint64_t each = input->training->item_count ? pairs / input->training->item_count : pairs;
    if (each > OD_SIMS_NEIGHBOURS)
        return OD_SIMS_NEIGHBOURS;
    return each < PAIRS_LEAST ? PAIRS_LEAST : (uint32_t)each;
}

static double param(const struct od_train_input *input, const char *name)
{
    return od_recipe_param(input->spec, input->params, name)->number;
}

static enum od_status write_lists(struct od_image_writer *image, struct od_sims_lists *lists,
                                  uint32_t items, struct od_error *err)
{
    uint64_t pairs = lists->at[items];
    enum od_status s =
        od_image_give(image, "neighbour.at", lists->at, ((uint64_t)items + 1) * sizeof *lists->at);
    lists->at = NULL;
    if (s == OD_OK) {
        s = od_image_give(image, "neighbour.item", lists->item, pairs * sizeof *lists->item);
        lists->item = NULL;
    }
    if (s == OD_OK) {
        s = od_image_give(image, "neighbour.count", lists->count, pairs * sizeof *lists->count);
        lists->count = NULL;
    }
    if (s == OD_OK) {
        s = od_image_give(image, "neighbour.sim", lists->sim, pairs * sizeof *lists->sim);
        lists->sim = NULL;
    }
    return s == OD_OK ? OD_OK : od_fail(err, s, NULL);
}

static enum od_status fit(const struct od_train_input *input, struct od_image_writer *image,
                          struct od_error *err)
{
    struct od_sims_rule rule = {
        .keep = {.min_user = param(input, "min_user_history_length_percentile"),
                 .max_user = param(input, "max_user_history_length_percentile"),
                 .min_item = param(input, "min_item_interaction_count_percentile"),
                 .max_item = param(input, "max_item_interaction_count_percentile")},
        .discount = param(input, "popularity_discount_factor"),
        .min_count = (uint32_t)param(input, "min_cointeraction_count"),
        .neighbours = neighbours_of(input),
        .fade = FADE,
        .floor = FLOOR,
        .forward = FORWARD,
    };
    struct od_popularity popularity = {0};
    struct od_sims_lists lists = {0};
    enum od_status s = od_popularity_count(input->training, &popularity, err);
    if (s == OD_OK)
        s = od_popularity_write(&popularity, input->training, image, err);
    if (s == OD_OK)
        s = od_sims_count(input->training, &rule, input->threads, &input->progress, &lists, err);
    if (s == OD_OK)
        s = write_lists(image, &lists, input->training->item_count, err);
    od_popularity_done(&popularity);
    od_sims_lists_done(&lists);
    return s;
}

static enum od_status train(const struct od_train_input *input, struct od_image_writer *image,
                            struct od_metrics *metrics, struct od_error *err)
{
    enum od_status s = od_recipe_params_check(input->spec, input->params, err);
    if (s == OD_OK)
        s = od_evaluate_fit(&od_recipe_sims, input, fit, 0, 0.5, metrics, err);
    struct od_progress_scale scale;
    struct od_train_input whole = *input;
    whole.progress = od_progress_scaled(&scale, input->progress, 0.5, 1);
    return s == OD_OK ? fit(&whole, image, err) : s;
}

/* --- the model --- */

static bool good_lists(const struct model *m, uint64_t pairs)
{
    uint32_t items = m->popularity.items.count;
    bool good = m->at[0] == 0 && m->at[items] == pairs;
    for (uint32_t i = 0; i < items; i++)
        good &= m->at[i] <= m->at[i + 1];
    for (uint64_t k = 0; k < pairs; k++)
        good &= m->item[k] < items;
    return good;
}

static enum od_status open_lists(const struct od_image *image, struct model *m,
                                 struct od_error *err)
{
    uint32_t items = m->popularity.items.count;
    const void *at, *item, *count;
    struct od_str bytes;
    if (!od_image_section(image, "neighbour.item", &bytes))
        bytes.len = 0;
    uint64_t pairs = bytes.len / sizeof(uint32_t);
    enum od_status s =
        od_image_array(image, "neighbour.at", (uint64_t)items + 1, sizeof *m->at, &at, err);
    if (s == OD_OK)
        s = od_image_array(image, "neighbour.item", pairs, sizeof *m->item, &item, err);
    if (s == OD_OK)
        s = od_image_array(image, "neighbour.count", pairs, sizeof *m->count, &count, err);
    if (s == OD_OK)
        s = od_image_floats(image, "neighbour.sim", pairs, &m->sim, err);
    if (s != OD_OK)
        return s;
    m->at = at;
    m->item = item;
    m->count = count;
    if (!good_lists(m, pairs))
        return od_fail(err, OD_CORRUPT, "The model image's neighbour lists are not well formed.");
    return OD_OK;
}

static enum od_status open_model(const struct od_image *image, struct od_model **out,
                                 struct od_error *err)
{
    struct model *m = calloc(1, sizeof *m);
    if (!m)
        return od_fail(err, OD_NO_MEMORY, NULL);
    enum od_status s = od_popularity_open(image, &m->popularity, err);
    if (s == OD_OK)
        s = open_lists(image, m, err);
    if (s == OD_OK)
        *out = (struct od_model *)m;
    else
        free(m);
    return s;
}

static void close_model(struct od_model *model)
{
    free(model);
}

static const struct od_image_dict *items(const struct od_model *model)
{
    return &((const struct model *)model)->popularity.items;
}

static enum od_status score(const struct od_model *model, const struct od_query *query,
                            struct od_arena *scratch, float *scores, bool *out_personal,
                            struct od_error *err)
{
    (void)scratch;
    (void)err;
    const struct model *m = (const struct model *)model;
    od_popularity_scores(&m->popularity, scores);
    *out_personal = false;
    if (query->item >= m->popularity.items.count)
        return OD_OK;
    for (uint64_t k = m->at[query->item]; k < m->at[query->item + 1]; k++)
        scores[m->item[k]] = m->sim[k];
    *out_personal = m->at[query->item] < m->at[query->item + 1];
    scores[query->item] = -INFINITY;
    return OD_OK;
}

const struct od_recipe od_recipe_sims = {
    .name = "aws-sims",
    .train = train,
    .open = open_model,
    .close = close_model,
    .items = items,
    .score = score,
    .temperature = NULL,
};
