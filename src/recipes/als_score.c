/* Scoring every item from a history, by factors or by EASE (als.h).
 *
 * Factors: the user's row is solved from the newest distinct items of the history,
 *     (unobserved V'V + sum v v' + ridge I) w = sum v,
 * exactly, by one factorisation, so that it is the row a sweep would converge to. Its products with
 * all items follow panel by panel.
 * EASE: the rows of the history's items are added. */
#include "recipes/als.h"

#include <math.h>
#include <string.h>

#include "math/small.h"

enum { CHUNK = 64 };

/* The distinct known items, newest first. */
static size_t distinct(const struct od_als_model *m, const struct od_query *query, uint8_t *seen,
                       uint32_t *out)
{
    size_t n = 0;
    for (size_t e = query->event_count; e-- > 0 && n < OD_ALS_HISTORY;) {
        uint32_t i = query->events[e].item;
        if (i >= m->items || seen[i])
            continue;
        seen[i] = 1;
        out[n++] = i;
    }
    return n;
}

static void decode(const struct od_als_model *m, uint32_t item, float *out)
{
    size_t dims = m->config.dims;
    const uint16_t *half =
        m->panel + (size_t)(item / OD_ALS_PANEL) * dims * OD_ALS_PANEL + item % OD_ALS_PANEL;
    for (size_t d = 0; d < dims; d++)
        out[d] = od_f16_decode(half[d * OD_ALS_PANEL]) * m->scale;
}

enum od_status od_als_fold_in(const struct od_als_model *m, const uint32_t *items, size_t count,
                              struct od_arena *scratch, float *out)
{
    size_t dims = m->config.dims;
    const struct od_small *small = od_small_best();
    const struct od_kernels *vector = od_kernels_best();
    const struct od_als_config *c = &m->config;
    float *h = OD_NEW_ARRAY(scratch, float, dims *dims);
    float *tile = OD_NEW_ARRAY(scratch, float, CHUNK *dims);
    if (!h || !tile)
        return OD_NO_MEMORY;
    float ridge = c->ridge * powf((float)count + c->unobserved * (float)m->items, c->power);
    memcpy(h, m->gram, dims * dims * sizeof *h);
    memset(out, 0, dims * sizeof *out);
    for (size_t d = 0; d < dims; d++)
        h[d * dims + d] += ridge;
    for (size_t from = 0; from < count; from += CHUNK) {
        size_t n = count - from < CHUNK ? count - from : CHUNK;
        for (size_t k = 0; k < n; k++) {
            decode(m, items[from + k], tile + k * dims);
            vector->axpy(out, tile + k * dims, 1, dims);
        }
        small->gram(h, tile, n, dims);
    }
    return small->solve(h, out, dims) ? OD_OK : OD_INVALID_INPUT;
}

static enum od_status by_factors(const struct od_als_model *m, const uint32_t *items, size_t count,
                                 struct od_arena *scratch, float *scores)
{
    size_t dims = m->config.dims;
    const struct od_kernels *vector = od_kernels_best();
    float *w = OD_NEW_ARRAY(scratch, float, dims);
    const uint16_t **row = OD_NEW_ARRAY(scratch, const uint16_t *, dims);
    if (!w || !row)
        return OD_NO_MEMORY;
    enum od_status st = od_als_fold_in(m, items, count, scratch, w);
    if (st != OD_OK)
        return st;
    for (size_t d = 0; d < dims; d++)
        w[d] *= m->scale;
    for (size_t i = 0; i < m->items; i += OD_ALS_PANEL) {
        for (size_t d = 0; d < dims; d++)
            row[d] = m->panel + i * dims + d * OD_ALS_PANEL;
        vector->rows_f16(scores + i, row, w, dims,
                         m->items - i < OD_ALS_PANEL ? m->items - i : OD_ALS_PANEL);
    }
    return OD_OK;
}

static enum od_status by_rows(const struct od_als_model *m, const uint32_t *items, size_t count,
                              struct od_arena *scratch, float *scores)
{
    const uint16_t **row = OD_NEW_ARRAY(scratch, const uint16_t *, count);
    float *weight = OD_NEW_ARRAY(scratch, float, count);
    if (!row || !weight)
        return OD_NO_MEMORY;
    for (size_t k = 0; k < count; k++) {
        row[k] = m->row + (size_t)items[k] * m->items;
        weight[k] = m->row_scale[items[k]];
    }
    od_kernels_best()->rows_f16(scores, row, weight, count, m->items);
    return OD_OK;
}

enum od_status od_als_score(const struct od_als_model *m, const struct od_query *query,
                            struct od_arena *scratch, float *scores, bool *out_any)
{
    uint8_t *seen = OD_NEW_ARRAY(scratch, uint8_t, m->items);
    uint32_t *items = OD_NEW_ARRAY(scratch, uint32_t, OD_ALS_HISTORY);
    if (!seen || !items)
        return OD_NO_MEMORY;
    memset(scores, 0, m->items * sizeof *scores);
    size_t count = distinct(m, query, seen, items);
    *out_any = count > 0;
    if (count == 0)
        return OD_OK;
    return m->config.kind == OD_ALS_EASE ? by_rows(m, items, count, scratch, scores)
                                         : by_factors(m, items, count, scratch, scores);
}
