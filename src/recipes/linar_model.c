/* A LinAR model in the server: opened from its image, scoring from a history.
 *
 * score = constant + sum over the events of the newest `window` steps of gamma_k^d row(item, k), d
 * steps back. An event is a step. One on an item the model does not know adds nothing but still is
 * a step: time has passed for the events before it, as it had in training for items cut from the
 * joint solution. So a new event needs no training: it is one step more. A pause between sessions
 * counts for `rest` steps, as it did in training (linar_events.h); so does one between the newest
 * event and the request. `rest` comes from the image, chosen in training.
 *
 * Positive scores are multiplied by (popularity + 10)^-alpha, which takes a little from what is
 * popular anyway. Without a usable event the model has no answer.
 *
 * Sections of the image, N items, K kernels, R = N K rows (row = item K + kernel); the part "far"
 * has the same under its own name: linar                  struct od_linar_header linar.constant
 * float[N], scores before any event linar.damp             float[N], (popularity + 10)^-alpha
 *     linar.scale            float[R], what a row's halves are multiplied by
 *     linar.rows             half[R][N], or, where rows are mostly empty,
 *     linar.at, linar.column, linar.value   uint64[R + 1], uint32[at[R]], half[at[R]]
 *
 * Invariants of an opened model: every row, column and number read while scoring has been checked
 * by open. Everything is read-only; any thread may score. */
#include "recipes/linar_model.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct od_linar_model {
    struct od_linar_header header;
    struct od_linar_kernels kernels;
    struct od_linar_view view;
    const struct od_kernels *vector;
    const float *constant, *damp; /* [items] */
};

enum od_status od_linar_write(struct od_linar_fit *fit, const char *prefix, uint32_t window,
                              const uint64_t *popularity, struct od_image_writer *image)
{
    size_t n = fit->rows.items, bytes = n * sizeof(float);
    struct od_linar_header header = {
        .version = OD_LINAR_VERSION,
        .items = fit->rows.items,
        .kernels = fit->config.kernels,
        .window = window,
        .head = fit->plan.head,
        .dense_solve = fit->plan.dense,
        .lambda = fit->config.lambda,
        .alpha = fit->config.alpha,
        .ridge_scale = fit->ridge_scale,
        .keep = fit->rows.keep,
        .least_count = fit->config.least_count,
        .fade = fit->config.fade,
        .rest = fit->config.rest,
    };
    char name[OD_IMAGE_NAME];
    memcpy(header.gamma, fit->config.gamma, sizeof header.gamma);
    float *damp = malloc(bytes + 1);
    if (!damp)
        return OD_NO_MEMORY;
    for (size_t i = 0; i < n; i++)
        damp[i] = (float)pow((double)popularity[i] + 10, -(double)fit->config.alpha);
    enum od_status st = od_image_give(image, od_linar_name(name, prefix, "damp"), damp, bytes);
    if (st == OD_OK)
        st = od_image_add(image, prefix, &header, sizeof header, false);
    if (st == OD_OK)
        st = od_image_add(image, od_linar_name(name, prefix, "constant"), fit->constant, bytes,
                          false);
    return st == OD_OK ? od_linar_rows_give(&fit->rows, prefix, image) : st;
}

static bool unit(float x)
{
    return x >= 0 && x < 1;
}

static enum od_status read_header(const struct od_image *image, const char *prefix,
                                  struct od_linar_header *out, struct od_error *err)
{
    const void *p;
    enum od_status st = od_image_array(image, prefix, 1, sizeof *out, &p, err);
    if (st != OD_OK)
        return st;
    memcpy(out, p, sizeof *out);
    if (out->version != OD_LINAR_VERSION)
        return od_fail(err, OD_CORRUPT, "Section %s has version %u; this program reads %u.", prefix,
                       out->version, OD_LINAR_VERSION);
    bool good = out->kernels >= 1 && out->kernels <= OD_LINAR_KERNELS && out->window >= 1 &&
                out->window <= OD_LINAR_REACH && out->rest <= OD_LINAR_REACH;
    for (uint32_t k = 0; good && k < out->kernels; k++)
        good = unit(out->gamma[k]);
    return good ? OD_OK : od_fail(err, OD_CORRUPT, "Section %s is not valid.", prefix);
}

static enum od_status read_model(const struct od_image *image, const char *prefix, uint32_t items,
                                 struct od_linar_model *m, struct od_error *err)
{
    char name[OD_IMAGE_NAME];
    enum od_status st = read_header(image, prefix, &m->header, err);
    if (st != OD_OK)
        return st;
    if (items != m->header.items)
        return od_fail(err, OD_CORRUPT, "Section %s has %u items, the dictionary %u.", prefix,
                       m->header.items, items);
    st = od_image_floats(image, od_linar_name(name, prefix, "constant"), items, &m->constant, err);
    if (st == OD_OK)
        st = od_image_floats(image, od_linar_name(name, prefix, "damp"), items, &m->damp, err);
    if (st != OD_OK)
        return st;
    od_linar_kernels_init(&m->kernels, m->header.gamma, m->header.kernels, m->header.window, 0);
    m->vector = od_kernels_best();
    return od_linar_view_open(&m->view, image, prefix, m->header.items, m->header.kernels, err);
}

enum od_status od_linar_open(const struct od_image *image, const char *prefix, uint32_t item_count,
                             struct od_linar_model **out, struct od_error *err)
{
    struct od_linar_model *m = calloc(1, sizeof *m);
    if (!m)
        return od_fail(err, OD_NO_MEMORY, NULL);
    enum od_status st = read_model(image, prefix, item_count, m, err);
    if (st == OD_OK)
        *out = m;
    else
        free(m);
    return st;
}

void od_linar_close(struct od_linar_model *model)
{
    free(model);
}

const struct od_linar_header *od_linar_header_of(const struct od_linar_model *model)
{
    return &model->header;
}

/* The rows and weights of a query; returns how many. */
static size_t gather(const struct od_linar_model *model, const struct od_query *query,
                     uint64_t *row, float *weight)
{
    size_t n = 0;
    uint32_t kernels = model->header.kernels, d = 0;
    int64_t later = query->now_s;
    for (size_t e = query->event_count; e-- > 0 && d < model->header.window; d++) {
        const struct od_past_event *event = &query->events[e];
        d += od_linar_pause(event->time, later, model->header.rest);
        later = event->time;
        if (event->item >= model->header.items)
            continue;
        for (uint32_t k = 0; k < kernels; k++)
            if (d < model->kernels.reach[k]) {
                row[n] = (uint64_t)event->item * kernels + k;
                weight[n++] = model->kernels.power[k][d];
            }
    }
    return n;
}

enum od_status od_linar_score(const struct od_linar_model *model, const struct od_query *query,
                              struct od_arena *scratch, float *scores, bool *out_personal,
                              struct od_error *err)
{
    enum { MOST = OD_LINAR_REACH * OD_LINAR_KERNELS };
    uint32_t items = model->header.items;
    uint64_t *row = OD_NEW_ARRAY(scratch, uint64_t, MOST);
    float *weight = OD_NEW_ARRAY(scratch, float, MOST),
          *factor = OD_NEW_ARRAY(scratch, float, MOST);
    const uint16_t **pointer = OD_NEW_ARRAY(scratch, const uint16_t *, MOST);
    if (!row || !weight || !factor || !pointer)
        return od_fail(err, OD_NO_MEMORY, NULL);
    size_t n = gather(model, query, row, weight);
    *out_personal = n > 0;
    if (n == 0)
        return OD_OK;
    memcpy(scores, model->constant, items * sizeof *scores);
    od_linar_view_add(&model->view, model->vector, row, weight, n, pointer, factor, scores);
    for (uint32_t i = 0; i < items; i++)
        scores[i] = scores[i] > 0 ? scores[i] * model->damp[i] : scores[i];
    return OD_OK;
}
