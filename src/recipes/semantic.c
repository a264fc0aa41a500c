/* aws-semantic-similarity: items whose name, text and categories mean something similar.
 *
 * Items are points of DIMENSIONS directions found in what their records say (TF-IDF of
 * words and character n-grams, categories), or, where the record has one, in a vector of the user's
 * own (vectors.h); likeness is the cosine (latent semantic indexing: Deerwester et al. 1990). Every
 * item of the Items dataset is in the model, with interactions or without; a training set without
 * any interaction will do.
 *
 * rankingInfluence: the RERANKED most similar items are ordered by cosine + POPULARITY
 * times popularity + FRESHNESS times freshness, both in [0, 1] and frozen at training; the others
 * follow by cosine. Popularity is ln(users + 1) over the largest, freshness 1 for the newest
 * CREATION_TIMESTAMP down to 0 for the oldest (and for none).
 *
 * Without influence the model is in vector form (vector_form.h): answers come from the scan.
 *
 * Sections: those of popularity.h and vector_form.h; fresh, float [items]. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/bitmap.h"
#include "math/topk.h"
#include "os/parallel.h"
#include "recipes/catalogue.h"
#include "recipes/item_space.h"
#include "recipes/metrics.h"
#include "recipes/popularity.h"
#include "recipes/registry.h"
#include "recipes/vector_form.h"

#define DIMENSIONS 256
#define RERANKED   100  /* of the most similar: influence chooses among these */
#define ASKED_MOST 2000 /* items the metrics ask about, evenly spread */
#define ASKED_PART 32
#define BEHIND     16.0f /* what takes the others behind the re-ranked: cosines are within 1 */

struct model {
    struct od_popularity_view popularity;
    struct od_vector_form text;
    const float *fresh; /* [items] */
    float most_users;   /* ln(users + 1) of the most popular item; at least ln 2 */
};

/* --- training --- */

static bool has_text(const struct od_table *table)
{
    const struct od_schema *schema = table ? od_table_schema(table) : NULL;
    for (size_t f = 0; schema && f < schema->field_count; f++)
        if (schema->fields[f].textual || schema->fields[f].item_name)
            return true;
    return false;
}

/* The record's CREATION_TIMESTAMP; false without one. */
static bool created(const struct od_table *table, struct od_str id, int64_t *out)
{
    const struct od_schema *schema = od_table_schema(table);
    size_t column = od_schema_find(schema, OD_STR("CREATION_TIMESTAMP"));
    uint32_t row = od_table_find(table, id);
    struct od_table_column cells;
    if (column == SIZE_MAX || row == OD_NO_ROW)
        return false;
    od_table_column(table, column, &cells);
    if (!cells.integers || od_bitmap_get(cells.nulls, row))
        return false;
    *out = cells.integers[row];
    return true;
}

static enum od_status freshness(const struct od_training *t, float **out)
{
    float *fresh = calloc((size_t)t->item_count + 1, sizeof *fresh);
    if (!fresh)
        return OD_NO_MEMORY;
    int64_t oldest = INT64_MAX, newest = INT64_MIN, time;
    for (uint32_t i = 0; i < t->item_count; i++)
        if (created(t->item_table, od_dict_text(t->items, i), &time)) {
            oldest = time < oldest ? time : oldest;
            newest = time > newest ? time : newest;
        }
    double span = (double)newest - (double)oldest;
    for (uint32_t i = 0; i < t->item_count; i++)
        if (created(t->item_table, od_dict_text(t->items, i), &time))
            fresh[i] = span > 0 ? (float)(((double)time - (double)oldest) / span) : 1;
    *out = fresh;
    return OD_OK;
}

static enum od_status write_parts(const struct od_training *t, const struct od_item_space *space,
                                  struct od_image_writer *image, struct od_error *err)
{
    struct od_popularity popularity = {0};
    float *fresh;
    enum od_status s = od_popularity_count(t, &popularity, err);
    if (s != OD_OK)
        return s;
    uint16_t *rows = od_vector_rows(space);
    s = rows ? od_vector_form_write(rows, space->items, space->dimension, popularity.rank, image,
                                    err)
             : od_fail(err, OD_NO_MEMORY, NULL);
    if (s == OD_OK)
        s = od_popularity_write(&popularity, t, image, err);
    od_popularity_done(&popularity);
    if (s != OD_OK)
        return s;
    s = freshness(t, &fresh);
    if (s == OD_OK)
        s = od_image_give(image, "fresh", fresh, t->item_count * sizeof *fresh);
    return s == OD_OK ? OD_OK : od_fail(err, s, NULL);
}

static enum od_status fit(const struct od_train_input *input, struct od_image_writer *image,
                          struct od_error *err)
{
    struct od_catalogue catalogue;
    struct od_item_space space = {0};
    struct od_work work = {.threads = input->threads};
    struct od_feature_options options = od_feature_options_default();
    options.numeric = false; /* a price means nothing */
    options.grams = true;    /* next item on TripAdvisor, NDCG@10: .042 with, .034 without */
    options.threads = input->threads;
    if (!has_text(input->training->item_table))
        return od_fail(err, OD_INVALID_INPUT,
                       "Recipe aws-semantic-similarity needs an Items dataset whose schema has an "
                       "itemName or a textual field.");
    od_math_init();
    enum od_status s = od_progress_report(&input->progress, 0, "reading records", err);
    if (s == OD_OK)
        s = od_catalogue_make(input->training, &catalogue, err);
    if (s != OD_OK)
        return s;
    const struct od_training *t = &catalogue.training;
    s = od_item_space_records(t->item_table, t->items, &options, DIMENSIONS, input->seed, &work,
                              &space, err);
    if (s == OD_OK)
        s = write_parts(t, &space, image, err);
    od_item_space_done(&space);
    od_catalogue_done(&catalogue);
    return s;
}

/* --- the model --- */

static enum od_status open_parts(const struct od_image *image, struct model *m,
                                 struct od_error *err)
{
    uint32_t items = m->popularity.items.count, most = 1;
    enum od_status s = od_vector_form_open(image, &m->popularity, &m->text, err);
    if (s == OD_OK)
        s = od_image_floats(image, "fresh", items, &m->fresh, err);
    if (s != OD_OK)
        return s;
    for (uint32_t i = 0; i < items; i++)
        most = m->popularity.users[i] > most ? m->popularity.users[i] : most;
    m->most_users = logf((float)most + 1);
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
        s = open_parts(image, m, err);
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

/* The item's vector; false when it is at 0. */
static bool place_of(const struct model *m, uint32_t item, float *out)
{
    bool some = false;
    memset(out, 0, m->text.matrix.dims * sizeof *out);
    od_vector_form_add(&m->text, item, 1, out);
    for (uint32_t d = 0; d < m->text.matrix.dims; d++)
        some = some || out[d] != 0;
    return some;
}

/* The RERANKED best in the order of influence, the others behind them. */
static enum od_status influence(const struct od_model *model, const struct od_query *query,
                                const uint32_t *old, uint32_t count, struct od_arena *scratch,
                                float *scores)
{
    const struct model *m = (const struct model *)model;
    uint32_t best[RERANKED];
    uint64_t *words = OD_NEW_ARRAY(scratch, uint64_t, od_topk_scratch(RERANKED));
    if (!words)
        return OD_NO_MEMORY;
    size_t found = od_topk(od_kernels_best(), scores, count, NULL, RERANKED, words, best);
    float of_best[RERANKED];
    for (size_t k = 0; k < found; k++) {
        uint32_t item = old ? old[best[k]] : best[k];
        bool known = item != OD_NO_CODE;
        float users = known ? logf((float)m->popularity.users[item] + 1) / m->most_users : 0;
        of_best[k] = scores[best[k]] + query->popularity_influence * users +
                     query->freshness_influence * (known ? m->fresh[item] : 1);
    }
    for (uint32_t i = 0; i < count; i++)
        scores[i] -= BEHIND;
    for (size_t k = 0; k < found; k++)
        scores[best[k]] = of_best[k];
    return OD_OK;
}

static enum od_status score(const struct od_model *model, const struct od_query *query,
                            struct od_arena *scratch, float *scores, bool *out_personal,
                            struct od_error *err)
{
    const struct model *m = (const struct model *)model;
    float place[OD_SCAN_DIMS];
    *out_personal = query->item < m->text.matrix.items && place_of(m, query->item, place);
    if (!*out_personal) {
        od_popularity_scores(&m->popularity, scores);
        if (query->item < m->text.matrix.items)
            scores[query->item] = -INFINITY;
        return OD_OK;
    }
    od_scan_scores(od_scan_kernels_best(), &m->text.matrix, place, scores);
    scores[query->item] = -INFINITY;
    if (query->popularity_influence == 0 && query->freshness_influence == 0)
        return OD_OK;
    enum od_status s = influence(model, query, NULL, m->text.matrix.items, scratch, scores);
    return s == OD_OK ? OD_OK : od_fail(err, s, NULL);
}

static const struct od_vector_form *vectors(const struct od_model *model)
{
    const struct model *m = (const struct model *)model;
    return m->text.matrix.items <= OD_VECTOR_ITEMS ? &m->text : NULL;
}

static enum od_status vector(const struct od_model *model, const struct od_query *query, float *out,
                             enum od_vector_kind *out_kind, struct od_error *err)
{
    const struct model *m = (const struct model *)model;
    (void)err;
    *out_kind = OD_BY_SCORE;
    if (query->popularity_influence == 0 && query->freshness_influence == 0)
        *out_kind = query->item < m->text.matrix.items && place_of(m, query->item, out)
                        ? OD_BY_VECTOR
                        : OD_BY_ORDER;
    return OD_OK;
}

/* --- metrics --- */

/* recipes.md 9.2: means over the lists of 25 for items spread over the catalogue. */
struct asking {
    const struct model *model;
    uint32_t asked;
    double (*sums)[4]; /* [parts] popularity, freshness, similarity, entries */
};

static enum od_status ask_part(void *context, size_t index, unsigned thread)
{
    (void)thread;
    struct asking *asking = context;
    const struct model *m = asking->model;
    uint32_t count = m->text.matrix.items, best[OD_EVAL_TOP];
    float place[OD_SCAN_DIMS];
    float *scores = malloc(((size_t)count + 1) * sizeof *scores);
    uint64_t *words = malloc(od_topk_scratch(OD_EVAL_TOP) * sizeof *words);
    enum od_status s = scores && words ? OD_OK : OD_NO_MEMORY;
    double *sums = asking->sums[index];
    double most = exp(m->most_users) - 1;
    for (uint32_t a = (uint32_t)index * ASKED_PART;
         s == OD_OK && a < asking->asked && a < (index + 1) * ASKED_PART; a++) {
        uint32_t item = (uint32_t)((uint64_t)a * count / asking->asked);
        if (!place_of(m, item, place))
            continue;
        od_scan_scores(od_scan_kernels_best(), &m->text.matrix, place, scores);
        scores[item] = -INFINITY;
        size_t found = od_topk(od_kernels_best(), scores, count, NULL, OD_EVAL_TOP, words, best);
        for (size_t k = 0; k < found; k++) {
            sums[0] += m->popularity.users[best[k]] / most;
            sums[1] += m->fresh[best[k]];
            sums[2] += scores[best[k]];
            sums[3] += 1;
        }
    }
    free(scores);
    free(words);
    return s;
}

static enum od_status add_means(const struct model *m, unsigned threads, struct od_metrics *metrics)
{
    struct asking asking = {
        .model = m, .asked = m->text.matrix.items < ASKED_MOST ? m->text.matrix.items : ASKED_MOST};
    size_t parts = (asking.asked + ASKED_PART - 1) / ASKED_PART;
    asking.sums = calloc(parts + 1, sizeof *asking.sums);
    if (!asking.sums)
        return OD_NO_MEMORY;
    enum od_status s = od_parallel(threads, parts, ask_part, &asking);
    double sums[4] = {0};
    for (size_t p = 0; p < parts; p++)
        for (int i = 0; i < 4; i++)
            sums[i] += asking.sums[p][i];
    free(asking.sums);
    static const char *const names[] = {"item_popularity", "item_freshness", "item_similarity"};
    bool dated = false; /* the newest item has 1, unless no record is dated */
    for (uint32_t i = 0; i < m->text.matrix.items; i++)
        dated |= m->fresh[i] > 0;
    for (int i = 0; s == OD_OK && i < 3; i++)
        if (i != 1 || dated)
            od_metrics_add(metrics, names[i], sums[3] > 0 ? sums[i] / sums[3] : 0);
    return s;
}

static enum od_status add_metrics(const struct od_train_input *input, struct od_metrics *metrics,
                                  struct od_error *err)
{
    struct od_memory_model model = {0};
    struct od_train_input quiet = *input;
    quiet.progress = (struct od_progress){0};
    enum od_status s =
        od_memory_model_fit(&od_recipe_semantic_similarity, fit, &quiet, &model, err);
    if (s != OD_OK)
        return s;
    s = add_means((const struct model *)model.model, input->threads, metrics);
    od_memory_model_done(&model);
    return s == OD_OK ? OD_OK : od_fail(err, s, NULL);
}

static enum od_status train(const struct od_train_input *input, struct od_image_writer *image,
                            struct od_metrics *metrics, struct od_error *err)
{
    struct od_progress_scale scale;
    struct od_train_input whole = *input;
    whole.progress = od_progress_scaled(&scale, input->progress, metrics ? 0.7 : 0, 1);
    enum od_status s = OD_OK;
    if (metrics && input->training->user_count >= 2)
        s = od_evaluate_fit(&od_recipe_semantic_similarity, input, fit, 0, 0.4, metrics, err);
    if (s == OD_OK && metrics)
        s = add_metrics(input, metrics, err);
    return s == OD_OK ? fit(&whole, image, err) : s;
}

const struct od_recipe od_recipe_semantic_similarity = {
    .name = "aws-semantic-similarity",
    .train = train,
    .open = open_model,
    .close = close_model,
    .items = items,
    .score = score,
    .vectors = vectors,
    .vector = vector,
    .influence = influence,
    .temperature = NULL,
};
