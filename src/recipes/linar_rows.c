/* See linar_rows.h.
 *
 * Why halves: the numbers of a row come from noisy counts, and 11 bits are far finer than that
 * noise, at half the bandwidth of floats; bandwidth is what scoring waits for. A power of two as
 * scale adds no rounding and keeps small rows out of the subnormals.
 *
 * Why cut rows: nearly all of what an item says about others is in its largest entries, and the cut
 * is what hidden_dimension means here: the capacity of the model. */
#include "recipes/linar_rows.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "math/topk.h"

struct od_linar_scratch {
    const struct od_kernels *vector;
    float *size; /* [items] magnitudes */
    float *kept; /* [items] */
    uint64_t *top;
};

static uint32_t bounded_keep(uint32_t items, uint32_t kernels, uint32_t keep)
{
    uint64_t rows = (uint64_t)items * kernels;
    uint64_t most = rows ? OD_LINAR_MOST_ENTRIES / rows : keep;
    if (most < 32)
        most = 32; /* below this a row says too little; such catalogues need the memory */
    if (keep > most)
        keep = (uint32_t)most;
    return keep < items ? keep : items;
}

/* Dense takes 2 bytes a column, sparse 6 an entry but a scattered addition for each: equal speed
 * at about a quarter filled. */
static bool wants_rectangle(uint32_t items, uint32_t keep)
{
    return items / 4 <= keep && items <= 16384;
}

uint64_t od_linar_rows_bytes(uint32_t items, uint32_t kernels, uint32_t keep)
{
    uint64_t rows = (uint64_t)items * kernels;
    keep = bounded_keep(items, kernels, keep);
    return rows * (wants_rectangle(items, keep) ? 2ull * items : 6ull * keep + 40);
}

enum od_status od_linar_rows_init(struct od_linar_rows *out, uint32_t items, uint32_t kernels,
                                  uint32_t keep, struct od_error *err)
{
    size_t rows = (size_t)items * kernels;
    *out = (struct od_linar_rows){.items = items, .kernels = kernels};
    out->keep = bounded_keep(items, kernels, keep);
    out->dense = wants_rectangle(items, out->keep);
    out->scale = calloc(rows ? rows : 1, sizeof *out->scale);
    if (out->dense)
        out->rectangle = calloc(rows * items + 1, sizeof *out->rectangle);
    else
        out->sparse = calloc(rows, sizeof *out->sparse);
    if (out->scale && (out->rectangle || out->sparse))
        return OD_OK;
    od_linar_rows_done(out);
    return od_fail(err, OD_NO_MEMORY, NULL);
}

void od_linar_rows_done(struct od_linar_rows *rows)
{
    for (size_t i = 0; rows->sparse && i < (size_t)rows->items * rows->kernels; i++) {
        free(rows->sparse[i].column);
        free(rows->sparse[i].value);
    }
    free(rows->sparse);
    free(rows->rectangle);
    free(rows->scale);
    *rows = (struct od_linar_rows){0};
}

struct od_linar_scratch *od_linar_scratch_new(const struct od_linar_rows *rows)
{
    size_t n = rows->items ? rows->items : 1, keep = rows->keep ? rows->keep : 1;
    size_t top = od_topk_scratch(keep);
    struct od_linar_scratch *s = malloc(sizeof *s + top * 8 + n * 2 * sizeof(float));
    if (!s)
        return NULL;
    s->vector = od_kernels_best();
    s->top = (uint64_t *)(void *)(s + 1);
    s->size = (float *)(void *)(s->top + top);
    s->kept = s->size + n;
    return s;
}

#define LEAST_EXPONENT (-100) /* below it the factor would not be a float; such values are 0 */

/* Zeroes what is cut, multiplies the rest; returns what undoes the multiplication. */
static float prepare(const struct od_linar_rows *rows, const float *value, uint32_t count,
                     struct od_linar_scratch *s, uint32_t *out_kept)
{
    float most = 0, least = 0;
    size_t equal = count;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < count; i++) {
        s->size[i] = fabsf(value[i]);
        most = s->size[i] > most ? s->size[i] : most;
    }
    if (count > rows->keep)
        equal = od_topk_cut(s->vector, s->size, count, rows->keep, s->top, &least);
    int exponent = 0;
    if (most > 0)
        (void)frexpf(most, &exponent);
    exponent = exponent < LEAST_EXPONENT ? LEAST_EXPONENT : exponent;
    float factor = ldexpf(1, 15 - exponent); /* the largest lands in [2^14, 2^15) */
    for (uint32_t i = 0; i < count; i++) {
        bool stays = s->size[i] > least || (s->size[i] == least && equal > 0 && equal--);
        stays = stays && s->size[i] > 0;
        s->kept[i] = stays ? value[i] * factor : 0;
        kept += stays;
    }
    *out_kept = kept;
    return ldexpf(1, exponent - 15);
}

static enum od_status put_sparse(struct od_linar_row *to, const uint32_t *column, uint32_t count,
                                 uint32_t kept, struct od_linar_scratch *s)
{
    to->column = malloc((kept ? kept : 1) * sizeof *to->column);
    to->value = malloc((kept ? kept : 1) * sizeof *to->value);
    if (!to->column || !to->value)
        return OD_NO_MEMORY;
    uint32_t put = 0;
    for (uint32_t i = 0; i < count; i++)
        if (s->kept[i] < 0 || s->kept[i] > 0) {
            to->column[put] = column ? column[i] : i;
            s->kept[put++] = s->kept[i];
        }
    to->count = put;
    s->vector->encode_f16(to->value, s->kept, put);
    return OD_OK;
}

enum od_status od_linar_rows_put(struct od_linar_rows *rows, uint64_t row, const uint32_t *column,
                                 const float *value, uint32_t count,
                                 struct od_linar_scratch *scratch)
{
    for (uint32_t i = 0; i < count; i++)
        if (!isfinite(value[i]))
            return OD_INVALID_INPUT;
    uint32_t kept;
    rows->scale[row] = prepare(rows, value, count, scratch, &kept);
    if (!rows->dense)
        return put_sparse(&rows->sparse[row], column, count, kept, scratch);
    uint16_t *to = rows->rectangle + row * rows->items;
    if (!column)
        scratch->vector->encode_f16(to, scratch->kept, count);
    for (uint32_t i = 0; column && i < count; i++)
        to[column[i]] = od_f16_encode(scratch->kept[i]);
    return OD_OK;
}

void od_linar_rows_add(const struct od_linar_rows *rows, const struct od_kernels *vector,
                       const uint64_t *row, const float *weight, size_t count,
                       const uint16_t **pointer, float *factor, float *y)
{
    for (size_t r = 0; r < count; r++) {
        factor[r] = weight[r] * rows->scale[row[r]];
        if (rows->dense) {
            pointer[r] = rows->rectangle + row[r] * rows->items;
            continue;
        }
        const struct od_linar_row *from = &rows->sparse[row[r]];
        vector->scatter_f16(y, from->column, from->value, factor[r], from->count);
    }
    if (rows->dense)
        vector->rows_f16(y, pointer, factor, count, rows->items);
}

const char *od_linar_name(char name[OD_IMAGE_NAME], const char *prefix, const char *section)
{
    snprintf(name, OD_IMAGE_NAME, "%s.%s", prefix, section);
    return name;
}

/* The sparse rows end to end: offsets, then all columns, then all halves. Each row's memory is
 * freed when it is laid down, so the rows are in memory little more than once. */
static enum od_status write_sparse(struct od_linar_rows *rows, const char *prefix,
                                   struct od_image_writer *image)
{
    size_t count = (size_t)rows->items * rows->kernels;
    uint64_t *at = malloc((count + 1) * sizeof *at);
    if (!at)
        return OD_NO_MEMORY;
    at[0] = 0;
    for (size_t i = 0; i < count; i++)
        at[i + 1] = at[i] + rows->sparse[i].count;
    uint64_t entries = at[count];
    uint32_t *column = malloc((entries + 1) * sizeof *column);
    uint16_t *value = malloc((entries + 1) * sizeof *value);
    if (!column || !value) {
        free(at);
        free(column);
        free(value);
        return OD_NO_MEMORY;
    }
    for (size_t i = 0; i < count; i++) {
        struct od_linar_row *r = &rows->sparse[i];
        if (r->count) {
            memcpy(column + at[i], r->column, r->count * sizeof *column);
            memcpy(value + at[i], r->value, r->count * sizeof *value);
        }
        free(r->column);
        free(r->value);
        *r = (struct od_linar_row){0};
    }
    char name[OD_IMAGE_NAME];
    enum od_status at_st =
        od_image_give(image, od_linar_name(name, prefix, "at"), at, (count + 1) * sizeof *at);
    enum od_status column_st = od_image_give(image, od_linar_name(name, prefix, "column"), column,
                                             entries * sizeof *column);
    enum od_status value_st =
        od_image_give(image, od_linar_name(name, prefix, "value"), value, entries * sizeof *value);
    if (at_st != OD_OK)
        return at_st;
    return column_st != OD_OK ? column_st : value_st;
}

enum od_status od_linar_rows_give(struct od_linar_rows *rows, const char *prefix,
                                  struct od_image_writer *image)
{
    char name[OD_IMAGE_NAME];
    size_t count = (size_t)rows->items * rows->kernels;
    enum od_status st = od_image_give(image, od_linar_name(name, prefix, "scale"), rows->scale,
                                      count * sizeof *rows->scale);
    rows->scale = NULL;
    if (st != OD_OK)
        return st;
    if (!rows->dense)
        return write_sparse(rows, prefix, image);
    st = od_image_give(image, od_linar_name(name, prefix, "rows"), rows->rectangle,
                       count * rows->items * sizeof *rows->rectangle);
    rows->rectangle = NULL;
    return st;
}
