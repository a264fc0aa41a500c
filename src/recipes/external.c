/* ondol-external-vectors: item vectors of a model trained elsewhere, served as a recipe.
 *
 * The file is docs/formats/vectors.md. A user is the decayed mean of the vectors of the history,
 * newest first: u = sum_k decay^k v_(k-th newest); an item's score is u . v, with vectors scaled to
 * length 1 for metric cosine, and by one common factor for dot (so that half precision holds them).
 * Items without a vector follow in the order of popularity; a user none of whose items has a vector
 * gets popular items.
 *
 * The model is in vector form (vector_form.h): answers come from the scan.
 *
 * Sections: those of popularity.h and vector_form.h; vectors.set, a bitmap of the items that have
 * one; decay, one float. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/bitmap.h"
#include "recipes/catalogue.h"
#include "recipes/external_file.h"
#include "recipes/metrics.h"
#include "recipes/popularity.h"
#include "recipes/registry.h"
#include "recipes/vector_form.h"

#define HISTORY 200 /* newest events looked at, as many as the server keeps */

struct model {
    struct od_popularity_view popularity;
    struct od_vector_form form;
    const uint64_t *present; /* bitmap of the items with a vector */
    float decay;
};

/* --- training --- */

/* What each vector is multiplied by: one number for all (dot), or each to length 1. */
static void scale_rows(struct od_vectors *v, bool cosine)
{
    double largest = 0;
    for (size_t k = 0; k < (size_t)v->rows * v->dimension; k++)
        largest = fmax(largest, fabs((double)v->at[k]));
    for (uint32_t i = 0; i < v->rows; i++) {
        float *row = v->at + (size_t)i * v->dimension;
        double square = 0;
        for (uint32_t d = 0; cosine && d < v->dimension; d++)
            square += (double)row[d] * row[d];
        double by = cosine ? sqrt(square) : largest;
        for (uint32_t d = 0; by > 0 && d < v->dimension; d++)
            row[d] = (float)(row[d] / by);
        if (by == 0) /* no direction */
            od_bitmap_clear(v->present, i);
    }
}

/* The rows in halves; NULL: out of memory. */
static uint16_t *lay_out(const struct od_vectors *v)
{
    size_t width = od_scan_width(v->dimension);
    uint16_t *rows = calloc(v->rows * width + 1, sizeof *rows);
    for (size_t i = 0; rows && i < v->rows; i++)
        od_kernels_best()->encode_f16(rows + i * width, v->at + i * v->dimension, v->dimension);
    return rows;
}

static enum od_status write_vectors(const struct od_train_input *input, struct od_vectors *v,
                                    const uint32_t *rank, struct od_image_writer *image,
                                    struct od_error *err)
{
    float decay = (float)od_recipe_param(input->spec, input->params, "decay")->number;
    struct od_str metric = od_recipe_param(input->spec, input->params, "metric")->text;
    scale_rows(v, od_str_eq_c(metric, "cosine"));
    enum od_status s = od_image_add(image, "decay", &decay, sizeof decay, false);
    if (s == OD_OK)
        s = od_image_add(image, "vectors.set", v->present,
                         od_bitmap_words(v->rows) * sizeof *v->present, false);
    uint16_t *rows = s == OD_OK ? lay_out(v) : NULL;
    if (!rows)
        return od_fail(err, s == OD_OK ? OD_NO_MEMORY : s, NULL);
    return od_vector_form_write(rows, v->rows, v->dimension, rank, image, err);
}

static enum od_status fit_catalogue(const struct od_train_input *input, const struct od_training *t,
                                    bool all, struct od_image_writer *image, struct od_error *err)
{
    struct od_popularity popularity = {0};
    struct od_vectors vectors = {0};
    enum od_status s = od_popularity_count(t, &popularity, err);
    if (s == OD_OK)
        s = od_external_read(input->external, t->items, all, input->memory_bytes, &vectors, err);
    if (s == OD_OK)
        s = write_vectors(input, &vectors, popularity.rank, image, err);
    if (s == OD_OK)
        s = od_popularity_write(&popularity, t, image, err);
    od_vectors_done(&vectors);
    od_popularity_done(&popularity);
    return s;
}

/* all: the input is not a part of what there is. */
static enum od_status fit_input(const struct od_train_input *input, bool all,
                                struct od_image_writer *image, struct od_error *err)
{
    struct od_catalogue catalogue;
    if (!input->external.ptr)
        return od_fail(err, OD_INVALID_INPUT,
                       "Recipe ondol-external-vectors needs the parameter location: the file of "
                       "item vectors.");
    enum od_status s = od_progress_report(&input->progress, 0, "reading vectors", err);
    if (s == OD_OK)
        s = od_catalogue_make(input->training, &catalogue, err);
    if (s != OD_OK)
        return s;
    s = fit_catalogue(input, &catalogue.training, all, image, err);
    od_catalogue_done(&catalogue);
    return s;
}

static enum od_status fit_part(const struct od_train_input *input, struct od_image_writer *image,
                               struct od_error *err)
{
    return fit_input(input, false, image, err);
}

static enum od_status train(const struct od_train_input *input, struct od_image_writer *image,
                            struct od_metrics *metrics, struct od_error *err)
{
    struct od_progress_scale scale;
    struct od_train_input whole = *input;
    whole.progress = od_progress_scaled(&scale, input->progress, metrics ? 0.6 : 0, 1);
    /* The whole first: a file that is wrong is told of as the user sees it. */
    enum od_status s = fit_input(&whole, metrics != NULL, image, err);
    return s == OD_OK
               ? od_evaluate_fit(&od_recipe_external_vectors, input, fit_part, 0, 0.6, metrics, err)
               : s;
}

/* --- the model --- */

/* Training writes no number beyond 1, which is what keeps the items without a vector behind. */
static bool are_short(const struct od_scan_matrix *m)
{
    size_t numbers = m->items * od_scan_width(m->dims);
    bool good = true;
    for (size_t i = 0; i < numbers; i++)
        good &= (m->rows[i] & 0x7fffu) <= 0x3c00u; /* 1 as a half; beyond it larger ones, and NaN */
    return good;
}

static enum od_status open_vectors(const struct od_image *image, struct model *m,
                                   struct od_error *err)
{
    const void *present, *decay;
    uint32_t items = m->popularity.items.count;
    enum od_status s = od_vector_form_open(image, &m->popularity, &m->form, err);
    if (s == OD_OK)
        s = od_image_array(image, "vectors.set", od_bitmap_words(items), sizeof *m->present,
                           &present, err);
    if (s == OD_OK)
        s = od_image_array(image, "decay", 1, sizeof m->decay, &decay, err);
    if (s != OD_OK)
        return s;
    if (!(*(const float *)decay > 0 && *(const float *)decay <= 1))
        return od_fail(err, OD_CORRUPT, "The model image's decay is not valid.");
    if (!are_short(&m->form.matrix))
        return od_fail(err, OD_CORRUPT,
                       "The model image has a vector beyond what training writes.");
    m->present = present;
    m->decay = *(const float *)decay;
    if (od_bitmap_count(m->present, items) < items)
        m->form.present = m->present;
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
        s = open_vectors(image, m, err);
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

/* The decayed mean of the history into point; false when no event has a vector. Of events without
 * one those that are newer than all that have one do not decay: a mean is the same for any common
 * factor, and small ones would vanish. */
static bool place_user(const struct model *m, const struct od_query *query, float *point)
{
    double weight = 1, sum = 0;
    size_t looked = 0;
    uint32_t dims = m->form.matrix.dims;
    memset(point, 0, dims * sizeof *point);
    for (size_t e = query->event_count; e-- > 0 && looked < HISTORY; looked++) {
        uint32_t item = query->events[e].item;
        if (item < m->form.matrix.items && od_bitmap_get(m->present, item)) {
            sum += weight;
            od_vector_form_add(&m->form, item, (float)weight, point);
        }
        weight *= sum > 0 ? m->decay : 1;
    }
    for (uint32_t d = 0; sum > 0 && d < dims; d++)
        point[d] = (float)(point[d] / sum);
    return sum > 0;
}

static enum od_status score(const struct od_model *model, const struct od_query *query,
                            struct od_arena *scratch, float *scores, bool *out_personal,
                            struct od_error *err)
{
    const struct model *m = (const struct model *)model;
    const struct od_scan_matrix *matrix = &m->form.matrix;
    float *point = OD_NEW_ARRAY(scratch, float, matrix->dims);
    if (!point)
        return od_fail(err, OD_NO_MEMORY, NULL);
    *out_personal = place_user(m, query, point);
    if (!*out_personal) {
        od_popularity_scores(&m->popularity, scores);
        return OD_OK;
    }
    od_scan_scores(od_scan_kernels_best(), matrix, point, scores);
    float behind = -(float)matrix->dims - 2; /* no product of numbers within 1 is less */
    for (uint32_t i = 0; m->form.present && i < matrix->items; i++)
        if (!od_bitmap_get(m->present, i))
            scores[i] = behind - (float)m->popularity.rank[i];
    return OD_OK;
}

static const struct od_vector_form *vectors(const struct od_model *model)
{
    const struct model *m = (const struct model *)model;
    return m->form.matrix.items <= OD_VECTOR_ITEMS ? &m->form : NULL;
}

static enum od_status vector(const struct od_model *model, const struct od_query *query, float *out,
                             enum od_vector_kind *out_kind, struct od_error *err)
{
    (void)err;
    *out_kind = place_user((const struct model *)model, query, out) ? OD_BY_VECTOR : OD_BY_ORDER;
    return OD_OK;
}

const struct od_recipe od_recipe_external_vectors = {
    .name = "ondol-external-vectors",
    .train = train,
    .open = open_model,
    .close = close_model,
    .items = items,
    .score = score,
    .vectors = vectors,
    .vector = vector,
    .temperature = NULL,
};
