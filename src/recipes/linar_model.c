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
 * popular anyway. A score of exactly 0 means no signal; such items get a tiny positive value in
 * popularity order, below every real positive score, so the ranking is total; negative scores are
 * evidence against an item and stay last.
 *
 * Without a usable event the answer is popularity itself: temperature * ln(share), so that the
 * softmax of score / temperature is the item's share of all interactions.
 *
 * Sections of the image, N items, K kernels, R = N K rows (row = item K + kernel):
 *     items.at, items.text   the item ids, as od_image_add_dict writes them
 *     linar                  struct od_linar_header
 *     linar.constant         float[N], scores before any event
 *     linar.damp             float[N], (popularity + 10)^-alpha
 *     linar.popular          float[N], the answer without a usable event
 *     linar.faint            float[N], what stands in for 0
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

struct od_model {
    struct od_linar_header header;
    struct od_image_dict items;
    struct od_linar_kernels kernels;
    struct od_linar_view view;
    const struct od_kernels *vector;
    const float *constant, *damp, *popular, *faint; /* [items] */
};

#define LEAST_SCORE 1e-20f /* real positive scores are at least this, faint ones below */

enum { PLANES = 4 };
static const char *const planes[PLANES] = {"linar.constant", "linar.damp", "linar.popular",
                                           "linar.faint"};

/* Fills damp, popular and faint, in that order, from the counts. */
static void popularity_planes(const struct od_linar_fit *fit, float temperature,
                              const uint64_t *popularity, float *damp)
{
    size_t n = fit->rows.items;
    float *popular = damp + n, *faint = popular + n;
    double total = 0, most = 1;
    for (size_t i = 0; i < n; i++) {
        total += (double)popularity[i] + .5; /* half a count: unseen items have a logarithm too */
        most = (double)popularity[i] > most ? (double)popularity[i] : most;
    }
    for (size_t i = 0; i < n; i++) {
        double count = (double)popularity[i];
        damp[i] = (float)pow(count + 10, -(double)fit->config.alpha);
        popular[i] = (float)((double)temperature * log((count + .5) / total));
        faint[i] = (float)((double)LEAST_SCORE * .5 * (count + 1) / (most + 1));
    }
}

enum od_status od_linar_write(struct od_linar_fit *fit, uint32_t window, float temperature,
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
        .temperature = temperature,
        .ridge_scale = fit->ridge_scale,
        .keep = fit->rows.keep,
        .least_count = fit->config.least_count,
        .fade = fit->config.fade,
        .rest = fit->config.rest,
    };
    memcpy(header.gamma, fit->config.gamma, sizeof header.gamma);
    float *damp = malloc(bytes * 3 + 1);
    if (!damp)
        return OD_NO_MEMORY;
    popularity_planes(fit, temperature, popularity, damp);
    enum od_status st = od_image_add(image, "linar", &header, sizeof header, false);
    if (st == OD_OK)
        st = od_image_add(image, planes[0], fit->constant, bytes, false);
    for (size_t i = 1; i < PLANES && st == OD_OK; i++)
        st = od_image_add(image, planes[i], damp + (i - 1) * n, bytes, false);
    free(damp);
    return st == OD_OK ? od_linar_rows_give(&fit->rows, image) : st;
}

static bool unit(float x)
{
    return x >= 0 && x < 1;
}

static enum od_status read_header(const struct od_image *image, struct od_linar_header *out,
                                  struct od_error *err)
{
    const void *p;
    enum od_status st = od_image_array(image, "linar", 1, sizeof *out, &p, err);
    if (st != OD_OK)
        return st;
    memcpy(out, p, sizeof *out);
    if (out->version != OD_LINAR_VERSION)
        return od_fail(err, OD_CORRUPT, "Section linar has version %u; this program reads %u.",
                       out->version, OD_LINAR_VERSION);
    bool good = out->kernels >= 1 && out->kernels <= OD_LINAR_KERNELS && out->window >= 1 &&
                out->window <= OD_LINAR_REACH && out->rest <= OD_LINAR_REACH &&
                isfinite(out->temperature) && out->temperature > 0;
    for (uint32_t k = 0; good && k < out->kernels; k++)
        good = unit(out->gamma[k]);
    return good ? OD_OK : od_fail(err, OD_CORRUPT, "Section linar is not valid.");
}

static enum od_status read_model(const struct od_image *image, struct od_model *m,
                                 struct od_error *err)
{
    enum od_status st = read_header(image, &m->header, err);
    if (st == OD_OK)
        st = od_image_dict_open(image, "items", &m->items, err);
    if (st != OD_OK)
        return st;
    if (m->items.count != m->header.items)
        return od_fail(err, OD_CORRUPT, "Section linar has %u items, the dictionary %u.",
                       m->header.items, m->items.count);
    const float **to[PLANES] = {&m->constant, &m->damp, &m->popular, &m->faint};
    for (size_t i = 0; i < PLANES; i++) {
        const void *p;
        st = od_image_array(image, planes[i], m->header.items, sizeof(float), &p, err);
        if (st != OD_OK)
            return st;
        *to[i] = p;
    }
    od_linar_kernels_init(&m->kernels, m->header.gamma, m->header.kernels, m->header.window);
    m->vector = od_kernels_best();
    return od_linar_view_open(&m->view, image, m->header.items, m->header.kernels, err);
}

enum od_status od_linar_open(const struct od_image *image, struct od_model **out,
                             struct od_error *err)
{
    struct od_model *m = calloc(1, sizeof *m);
    if (!m)
        return od_fail(err, OD_NO_MEMORY, NULL);
    enum od_status st = read_model(image, m, err);
    if (st == OD_OK)
        *out = m;
    else
        free(m);
    return st;
}

void od_linar_close(struct od_model *model)
{
    free(model);
}

const struct od_image_dict *od_linar_items(const struct od_model *model)
{
    return &model->items;
}

const struct od_linar_header *od_linar_header_of(const struct od_model *model)
{
    return &model->header;
}

float od_linar_temperature(const struct od_model *model)
{
    return model->header.temperature;
}

/* The rows and weights of a query; returns how many. */
static size_t gather(const struct od_model *model, const struct od_query *query, uint64_t *row,
                     float *weight)
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

static void finish(const struct od_model *model, float *scores)
{
    for (uint32_t i = 0; i < model->header.items; i++) {
        float s = scores[i], damped = s * model->damp[i];
        damped = damped > LEAST_SCORE ? damped : LEAST_SCORE;
        scores[i] = s > 0 ? damped : s < 0 ? s : model->faint[i];
    }
}

enum od_status od_linar_score(const struct od_model *model, const struct od_query *query,
                              struct od_arena *scratch, float *scores, bool *out_personal,
                              struct od_error *err)
{
    enum { MOST = OD_LINAR_REACH * OD_LINAR_KERNELS };
    uint64_t *row = OD_NEW_ARRAY(scratch, uint64_t, MOST);
    float *weight = OD_NEW_ARRAY(scratch, float, MOST),
          *factor = OD_NEW_ARRAY(scratch, float, MOST);
    const uint16_t **pointer = OD_NEW_ARRAY(scratch, const uint16_t *, MOST);
    if (!row || !weight || !factor || !pointer)
        return od_fail(err, OD_NO_MEMORY, NULL);
    size_t n = gather(model, query, row, weight);
    const float *start = n ? model->constant : model->popular;
    memcpy(scores, start, model->header.items * sizeof *scores);
    if (n) {
        od_linar_view_add(&model->view, model->vector, row, weight, n, pointer, factor, scores);
        finish(model, scores);
    }
    *out_personal = n > 0;
    return OD_OK;
}
