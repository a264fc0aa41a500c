/* What scoring by factors or by EASE reads, made from a fit or read in place from an image.
 *
 * Sections, N items, D factors, P = ceil(N / 64), little-endian:
 *     als             struct header
 *   factors:
 *     als.item        half[P][D][64], the items' factors over `scale`
 *     als.gram        float[D][D], unobserved * V'V, upper triangle
 *   EASE:
 *     als.row         half[N][N], over als.row_scale
 *     als.row_scale   float[N]
 *
 * Panels of 64 items: scoring adds D weighted rows of a panel while it lies in the first-level
 * cache, and one item's factors are D halves within the same few pages, which fold-in wants. Halves
 * keep 11 bits; the scale puts the largest factor at 1024, so the smallest that matter are normal
 * numbers too. The Gram matrix is of the factors as they were before. */
#include "recipes/als.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define VERSION 1u
#define LARGEST 1024.0f /* of the halves */

struct header {
    uint32_t version, items;
    float scale;
    struct od_als_config config;
};

static size_t panels_of(uint32_t items)
{
    return ((size_t)items + OD_ALS_PANEL - 1) / OD_ALS_PANEL;
}

static float scale_of(const float *x, size_t count)
{
    float most = 0;
    for (size_t k = 0; k < count; k++)
        most = fabsf(x[k]) > most ? fabsf(x[k]) : most;
    return most > 0 ? most / LARGEST : 1;
}

enum od_status od_als_model_of_factors(const struct od_als_fit *fit, unsigned threads,
                                       struct od_als_model *out)
{
    size_t dims = fit->config.dims, panels = panels_of(fit->item_count);
    struct od_als_model m = {.config = fit->config, .items = fit->item_count};
    uint16_t *panel = calloc(panels * dims * OD_ALS_PANEL + 1, sizeof *panel);
    float *gram = malloc(dims * dims * sizeof *gram), lane[OD_ALS_PANEL];
    m.memory = panel;
    m.more = gram;
    m.panel = panel;
    m.gram = gram;
    enum od_status st = OD_NO_MEMORY;
    if (panel && gram)
        st = od_als_gram(fit->item, fit->item_count, fit->config.dims, fit->config.unobserved,
                         threads, gram);
    if (st != OD_OK) {
        od_als_model_done(&m);
        return st;
    }
    const struct od_kernels *vector = od_kernels_best();
    m.scale = scale_of(fit->item, fit->item_count * dims);
    for (size_t p = 0; p < panels; p++)
        for (size_t d = 0; d < dims; d++) {
            for (size_t l = 0; l < OD_ALS_PANEL; l++) {
                size_t i = p * OD_ALS_PANEL + l;
                lane[l] = i < m.items ? fit->item[i * dims + d] / m.scale : 0;
            }
            vector->encode_f16(panel + (p * dims + d) * OD_ALS_PANEL, lane, OD_ALS_PANEL);
        }
    *out = m;
    return OD_OK;
}

enum od_status od_als_model_of_ease(const struct od_matrix *b, const struct od_als_config *config,
                                    struct od_als_model *out)
{
    size_t n = b->columns;
    struct od_als_model m = {.config = *config, .items = (uint32_t)n, .scale = 1};
    uint16_t *row = malloc((n * n + 1) * sizeof *row);
    float *scale = malloc((n + 1) * sizeof *scale), *whole = malloc((n + 1) * sizeof *whole);
    m.memory = row;
    m.more = scale;
    m.row = row;
    m.row_scale = scale;
    if (!row || !scale || !whole) {
        od_als_model_done(&m);
        free(whole);
        return OD_NO_MEMORY;
    }
    const struct od_kernels *vector = od_kernels_best();
    for (size_t i = 0; i < n; i++) {
        scale[i] = scale_of(b->at + i * b->ld, n);
        for (size_t j = 0; j < n; j++)
            whole[j] = b->at[i * b->ld + j] / scale[i];
        vector->encode_f16(row + i * n, whole, n);
    }
    free(whole);
    *out = m;
    return OD_OK;
}

void od_als_model_done(struct od_als_model *model)
{
    free(model->memory);
    free(model->more);
    *model = (struct od_als_model){0};
}

enum od_status od_als_model_write(const struct od_als_model *m, struct od_image_writer *image)
{
    struct header header = {VERSION, m->items, m->scale, m->config};
    uint64_t n = m->items, dims = m->config.dims;
    enum od_status st = od_image_add(image, "als", &header, sizeof header, false);
    if (st != OD_OK)
        return st;
    if (m->config.kind == OD_ALS_EASE) {
        st = od_image_add(image, "als.row", m->row, n * n * sizeof *m->row, false);
        return st == OD_OK
                   ? od_image_add(image, "als.row_scale", m->row_scale, n * sizeof(float), false)
                   : st;
    }
    st = od_image_add(image, "als.item", m->panel,
                      panels_of(m->items) * dims * OD_ALS_PANEL * sizeof *m->panel, false);
    return st == OD_OK
               ? od_image_add(image, "als.gram", m->gram, dims * dims * sizeof(float), false)
               : st;
}

/* --- reading --- */

static bool within(float x, float least, float most)
{
    return x >= least && x <= most; /* false for NaN */
}

static bool valid(const struct header *h)
{
    const struct od_als_config *c = &h->config;
    return c->kind <= OD_ALS_EASE && c->dims >= OD_ALS_BLOCK && c->dims <= OD_ALS_DIMS &&
           c->dims % OD_ALS_BLOCK == 0 && within(h->scale, 1e-30f, 1e30f) &&
           within(c->unobserved, 0, 1e6f) && within(c->ridge, 0, 1e9f) && within(c->power, 0, 2) &&
           within(c->ease_ridge, 0, 1e9f);
}

enum od_status od_als_model_read(const struct od_image *image, uint32_t item_count,
                                 struct od_als_model *out, struct od_error *err)
{
    const void *p;
    struct header header;
    enum od_status st = od_image_array(image, "als", 1, sizeof header, &p, err);
    if (st != OD_OK)
        return st;
    memcpy(&header, p, sizeof header);
    if (header.version != VERSION)
        return od_fail(err, OD_CORRUPT, "Section als has version %u; this program reads %u.",
                       header.version, VERSION);
    if (header.items != item_count)
        return od_fail(err, OD_CORRUPT, "Section als has %u items, the dictionary %u.",
                       header.items, item_count);
    if (!valid(&header))
        return od_fail(err, OD_CORRUPT, "Section als is not valid.");
    struct od_als_model m = {.config = header.config, .items = item_count, .scale = header.scale};
    uint64_t n = item_count, dims = header.config.dims;
    if (header.config.kind == OD_ALS_EASE) {
        st = od_image_halves(image, "als.row", n * n, &m.row, err);
        if (st == OD_OK)
            st = od_image_floats(image, "als.row_scale", n, &m.row_scale, err);
    } else {
        st = od_image_halves(image, "als.item", panels_of(item_count) * dims * OD_ALS_PANEL,
                             &m.panel, err);
        if (st == OD_OK)
            st = od_image_floats(image, "als.gram", dims * dims, &m.gram, err);
    }
    if (st == OD_OK)
        *out = m;
    return st;
}
