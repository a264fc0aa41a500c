/* Item vectors from sparse rows, and the products of one with all. See item_space.h. */
#include "recipes/item_space.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bitmap.h"
#include "os/parallel.h"
#include "recipes/vectors.h"

#define BLOCK 256 /* items a part */

void od_item_space_done(struct od_item_space *space)
{
    free(space->at);
    *space = (struct od_item_space){0};
}

/* --- from a matrix --- */

#define SAMPLE                                                                                     \
    (1u << 18) /* rows the directions are found on: bounds the decomposition's memory              \
                */

/* Evenly spaced rows of a matrix that has more than SAMPLE. */
struct sample {
    uint64_t *at;
    uint32_t *column;
    float *value;
};

static void sample_done(struct sample *s)
{
    free(s->at);
    free(s->column);
    free(s->value);
}

static enum od_status sample_rows(const struct od_sparse *rows, struct sample *own,
                                  struct od_sparse *out)
{
    uint64_t entries = 0;
    own->at = malloc((SAMPLE + 1) * sizeof *own->at);
    if (!own->at)
        return OD_NO_MEMORY;
    for (uint64_t k = 0; k < SAMPLE; k++) {
        uint64_t row = k * rows->rows / SAMPLE;
        own->at[k] = entries;
        entries += rows->at[row + 1] - rows->at[row];
    }
    own->at[SAMPLE] = entries;
    own->column = malloc((entries + 1) * sizeof *own->column);
    own->value = malloc((entries + 1) * sizeof *own->value);
    if (!own->column || !own->value)
        return OD_NO_MEMORY;
    for (uint64_t k = 0; k < SAMPLE; k++) {
        uint64_t from = rows->at[k * rows->rows / SAMPLE], n = own->at[k + 1] - own->at[k];
        memcpy(own->column + own->at[k], rows->column + from, n * sizeof *own->column);
        memcpy(own->value + own->at[k], rows->value + from, n * sizeof *own->value);
    }
    *out = (struct od_sparse){SAMPLE, rows->columns, own->at, own->column, own->value};
    return OD_OK;
}

struct placing {
    const struct od_sparse *rows;
    const struct od_svd *svd;
    const struct od_kernels *kernels;
    const float *scale;
    float power;
    struct od_item_space *space;
};

/* A row times V is its row of U diag(s). */
static enum od_status place_block(void *context, size_t index, unsigned thread)
{
    (void)thread;
    const struct placing *p = context;
    const struct od_matrix *right = &p->svd->right;
    uint32_t items = p->space->items, rank = p->space->dimension;
    float row[OD_SVD_MOST], factor[OD_SVD_MOST];
    for (uint32_t c = 0; c < rank; c++)
        factor[c] = powf(p->svd->sigma[c], p->power - 1);
    for (size_t i = index * BLOCK; i < (index + 1) * BLOCK && i < items; i++) {
        double square = 0;
        memset(row, 0, rank * sizeof *row);
        for (uint64_t k = p->rows->at[i]; k < p->rows->at[i + 1]; k++)
            p->kernels->axpy(row, right->at + p->rows->column[k] * right->ld, p->rows->value[k],
                             rank);
        for (uint32_t c = 0; c < rank; c++) {
            row[c] *= factor[c];
            square += (double)row[c] * row[c];
        }
        float scale = square > 1e-20 ? (float)(1 / sqrt(square)) : 0;
        if (p->scale)
            scale *= p->scale[i];
        for (uint32_t c = 0; c < rank; c++)
            p->space->at[(size_t)c * items + i] = od_f16_encode(row[c] * scale);
    }
    return OD_OK;
}

static enum od_status place_rows(const struct od_sparse *rows, const struct od_svd *svd,
                                 float power, const float *scale, unsigned threads,
                                 struct od_item_space *out)
{
    struct od_item_space space = {.items = rows->rows, .dimension = svd->rank};
    space.at = malloc(((size_t)space.items * space.dimension + 1) * sizeof *space.at);
    struct placing placing = {rows, svd, od_kernels_best(), scale, power, &space};
    enum od_status s = space.at ? od_parallel(threads, ((size_t)space.items + BLOCK - 1) / BLOCK,
                                              place_block, &placing)
                                : OD_NO_MEMORY;
    if (s == OD_OK)
        *out = space;
    else
        od_item_space_done(&space);
    return s;
}

enum od_status od_item_space_svd(const struct od_sparse *rows, uint32_t dimension, float power,
                                 const float *scale, uint64_t seed, const struct od_work *work,
                                 struct od_item_space *out, struct od_error *err)
{
    struct sample sample = {0};
    struct od_sparse seen = *rows;
    struct od_svd svd = {0};
    enum od_status s = rows->rows > SAMPLE ? sample_rows(rows, &sample, &seen) : OD_OK;
    s = s == OD_OK ? od_svd_sparse(&seen, dimension, seed, work, &svd, err) : od_fail(err, s, NULL);
    sample_done(&sample);
    if (s != OD_OK)
        return s;
    s = place_rows(rows, &svd, power, scale, work->threads, out);
    od_svd_done(&svd);
    return s == OD_OK ? OD_OK : od_fail(err, s, NULL);
}

/* --- from records --- */

/* A matrix under construction: features, with the rows of items that have a vector replaced. */
struct merged {
    uint64_t *at;
    uint32_t *column;
    float *value;
};

static void merged_done(struct merged *m)
{
    free(m->at);
    free(m->column);
    free(m->value);
}

/* Words have their rarity in their weight already; categories and bins get it here: ln(n / rows) +
 * 1 of the items that have the field, which then shares a unit of length again. */
static enum od_status weigh_by_rarity(struct od_features *f)
{
    uint32_t *rows = calloc((size_t)f->columns + 1, sizeof *rows);
    float *idf = malloc(((size_t)f->columns + 1) * sizeof *idf);
    if (!rows || !idf) {
        free(rows);
        free(idf);
        return OD_NO_MEMORY;
    }
    for (uint64_t k = 0; k < f->at[f->rows]; k++)
        rows[f->column[k]]++;
    for (uint32_t c = 0; c < f->columns; c++)
        idf[c] = rows[c] ? logf((float)f->rows / (float)rows[c]) + 1 : 1;
    for (uint32_t i = 0; i < f->rows; i++)
        for (uint64_t k = f->at[i], field = 0; k < f->at[i + 1];) {
            while (f->column[k] >= f->fields[field].first + f->fields[field].column_count)
                field++;
            uint32_t end = f->fields[field].first + f->fields[field].column_count;
            uint64_t last = k;
            double square = 0;
            for (; last < f->at[i + 1] && f->column[last] < end; last++) {
                f->value[last] *= f->fields[field].text ? 1 : idf[f->column[last]];
                square += (double)f->value[last] * f->value[last];
            }
            for (; k < last; k++)
                f->value[k] = (float)(f->value[k] / sqrt(square));
        }
    free(rows);
    free(idf);
    return OD_OK;
}

static enum od_status merge(const struct od_features *f, const struct od_vectors *v,
                            struct merged *out)
{
    uint64_t entries = 0;
    out->at = malloc(((size_t)f->rows + 1) * sizeof *out->at);
    if (!out->at)
        return OD_NO_MEMORY;
    for (uint32_t i = 0; i < f->rows; i++) {
        out->at[i] = entries;
        entries += od_bitmap_get(v->present, i) ? v->dimension : f->at[i + 1] - f->at[i];
    }
    out->at[f->rows] = entries;
    out->column = malloc((entries + 1) * sizeof *out->column);
    out->value = malloc((entries + 1) * sizeof *out->value);
    if (!out->column || !out->value)
        return OD_NO_MEMORY;
    for (uint32_t i = 0; i < f->rows; i++) {
        bool vector = od_bitmap_get(v->present, i);
        for (uint64_t k = out->at[i], n = 0; k < out->at[i + 1]; k++, n++) {
            out->column[k] = vector ? f->columns + (uint32_t)n : f->column[f->at[i] + n];
            out->value[k] = vector ? v->at[(size_t)i * v->dimension + n] : f->value[f->at[i] + n];
        }
    }
    return OD_OK;
}

static enum od_status place_records(const struct od_table *table, const struct od_dict *ids,
                                    const struct od_features *f, uint32_t dimension, uint64_t seed,
                                    const struct od_work *work, struct od_item_space *out,
                                    struct od_error *err)
{
    struct od_sparse rows = {f->rows, f->columns, f->at, f->column, f->value};
    size_t vector_column = od_vectors_find(table);
    if (vector_column == SIZE_MAX)
        return od_item_space_svd(&rows, dimension, 1, NULL, seed, work, out, err);
    struct od_vectors vectors;
    struct merged merged = {0};
    enum od_status s = od_vectors_read(table, vector_column, ids, &vectors, err);
    if (s != OD_OK)
        return s;
    s = merge(f, &vectors, &merged);
    if (s == OD_OK) {
        rows = (struct od_sparse){f->rows, f->columns + vectors.dimension, merged.at, merged.column,
                                  merged.value};
        s = od_item_space_svd(&rows, dimension, 1, NULL, seed, work, out, err);
    } else {
        od_fail(err, s, NULL);
    }
    merged_done(&merged);
    od_vectors_done(&vectors);
    return s;
}

enum od_status od_item_space_records(const struct od_table *table, const struct od_dict *ids,
                                     const struct od_feature_options *options, uint32_t dimension,
                                     uint64_t seed, const struct od_work *work,
                                     struct od_item_space *out, struct od_error *err)
{
    struct od_features features;
    enum od_status s = od_features_make(table, ids, options, &features, err);
    if (s != OD_OK)
        return s;
    s = weigh_by_rarity(&features);
    if (s == OD_OK)
        s = place_records(table, ids, &features, dimension, seed, work, out, err);
    else
        od_fail(err, s, NULL);
    od_features_done(&features);
    return s;
}

/* --- the image --- */

struct od_item_view od_item_space_view(const struct od_item_space *space)
{
    return (struct od_item_view){space->items, space->dimension, space->at};
}

enum od_status od_item_space_write(struct od_item_space *space, const char *name,
                                   struct od_image_writer *image, struct od_error *err)
{
    char section[OD_IMAGE_NAME];
    uint64_t bytes = (uint64_t)space->items * space->dimension * sizeof *space->at;
    snprintf(section, sizeof section, "%s.dim", name);
    enum od_status s =
        od_image_add(image, section, &space->dimension, sizeof space->dimension, false);
    snprintf(section, sizeof section, "%s.at", name);
    if (s == OD_OK) {
        s = od_image_give(image, section, space->at, bytes);
        space->at = NULL;
    }
    return s == OD_OK ? OD_OK : od_fail(err, s, NULL);
}

enum od_status od_item_space_open(const struct od_image *image, const char *name, uint32_t items,
                                  struct od_item_view *out, struct od_error *err)
{
    char section[OD_IMAGE_NAME];
    const void *dimension;
    snprintf(section, sizeof section, "%s.dim", name);
    enum od_status s = od_image_array(image, section, 1, sizeof(uint32_t), &dimension, err);
    if (s != OD_OK)
        return s;
    struct od_item_view view = {.items = items, .dimension = *(const uint32_t *)dimension};
    if (view.dimension > OD_ITEM_SPACE_MOST)
        return od_fail(err, OD_CORRUPT, "The model image has vectors of %u dimensions.",
                       view.dimension);
    snprintf(section, sizeof section, "%s.at", name);
    s = od_image_halves(image, section, (uint64_t)items * view.dimension, &view.at, err);
    if (s == OD_OK)
        *out = view;
    return s;
}

/* --- products --- */

void od_item_space_products(const struct od_item_view *space, uint32_t item, float *out)
{
    const uint16_t *rows[OD_ITEM_SPACE_MOST];
    float point[OD_ITEM_SPACE_MOST];
    for (uint32_t d = 0; d < space->dimension; d++) {
        rows[d] = space->at + (size_t)d * space->items;
        point[d] = od_f16_decode(rows[d][item]);
    }
    memset(out, 0, space->items * sizeof *out);
    od_kernels_best()->rows_f16(out, rows, point, space->dimension, space->items);
}
