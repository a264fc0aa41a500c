/* Rows read in place from a model image. What is checked once at open is never checked again: the
 * request path adds rows without a branch on the data. See linar_rows.h. */
#include "recipes/linar_rows.h"

static enum od_status check_sparse(const struct od_linar_view *view, const char *prefix,
                                   uint64_t rows, struct od_error *err)
{
    if (view->at[0] != 0)
        return od_fail(err, OD_CORRUPT, "Section %s.at does not begin at 0.", prefix);
    for (uint64_t r = 0; r < rows; r++) {
        if (view->at[r + 1] < view->at[r] || view->at[r + 1] - view->at[r] > view->items)
            return od_fail(err, OD_CORRUPT, "Section %s.at is not in order at row %llu.", prefix,
                           (unsigned long long)r);
        for (uint64_t i = view->at[r]; i < view->at[r + 1]; i++)
            if (view->column[i] >= view->items ||
                (i > view->at[r] && view->column[i] <= view->column[i - 1]))
                return od_fail(err, OD_CORRUPT, "Section %s.column is not valid at entry %llu.",
                               prefix, (unsigned long long)i);
    }
    return OD_OK;
}

static enum od_status open_sparse(struct od_linar_view *out, const struct od_image *image,
                                  const char *prefix, uint64_t rows, struct od_error *err)
{
    const void *p;
    struct od_str at, column;
    char name[OD_IMAGE_NAME];
    enum od_status st = od_image_array(image, od_linar_name(name, prefix, "at"), rows + 1,
                                       sizeof *out->at, &p, err);
    if (st != OD_OK)
        return st;
    out->at = p;
    if (!od_image_section(image, od_linar_name(name, prefix, "at"), &at) ||
        !od_image_section(image, od_linar_name(name, prefix, "column"), &column))
        return od_fail(err, OD_CORRUPT, "Section %s.column is missing.", prefix);
    uint64_t entries = column.len / sizeof *out->column;
    for (uint64_t r = 0; r <= rows; r++)
        if (out->at[r] > entries)
            return od_fail(err, OD_CORRUPT, "Section %s.at points past its entries.", prefix);
    st = od_image_array(image, od_linar_name(name, prefix, "column"), entries, sizeof *out->column,
                        &p, err);
    if (st != OD_OK)
        return st;
    out->column = p;
    st = od_image_halves(image, od_linar_name(name, prefix, "value"), entries, &out->value, err);
    if (st != OD_OK)
        return st;
    return check_sparse(out, prefix, rows, err);
}

enum od_status od_linar_view_open(struct od_linar_view *out, const struct od_image *image,
                                  const char *prefix, uint32_t items, uint32_t kernels,
                                  struct od_error *err)
{
    struct od_linar_view view = {.items = items, .kernels = kernels};
    uint64_t rows = (uint64_t)items * kernels;
    struct od_str section;
    char name[OD_IMAGE_NAME];
    enum od_status st =
        od_image_floats(image, od_linar_name(name, prefix, "scale"), rows, &view.scale, err);
    if (st != OD_OK)
        return st;
    if (od_image_section(image, od_linar_name(name, prefix, "rows"), &section)) {
        st = od_image_halves(image, name, rows * items, &view.rectangle, err);
    } else {
        st = open_sparse(&view, image, prefix, rows, err);
    }
    if (st == OD_OK)
        *out = view;
    return st;
}

void od_linar_view_add(const struct od_linar_view *view, const struct od_kernels *vector,
                       const uint64_t *row, const float *weight, size_t count,
                       const uint16_t **pointer, float *factor, float *y)
{
    if (view->rectangle) {
        for (size_t r = 0; r < count; r++) {
            pointer[r] = view->rectangle + row[r] * view->items;
            factor[r] = weight[r] * view->scale[row[r]];
        }
        vector->rows_f16(y, pointer, factor, count, view->items);
        return;
    }
    for (size_t r = 0; r < count; r++) {
        uint64_t at = view->at[row[r]];
        vector->scatter_f16(y, view->column + at, view->value + at, weight[r] * view->scale[row[r]],
                            view->at[row[r] + 1] - at);
    }
}
