/* Writing and opening vectors for the scan. See vector_form.h.
 *
 * The 8-bit cells and the order are made at training, so that opening a model costs no more than
 * looking at it once, and what they take is mapped pages, not memory of the process. */
#include "recipes/vector_form.h"

#include <stdlib.h>

uint16_t *od_vector_rows(const struct od_item_space *space)
{
    size_t width = od_scan_width(space->dimension);
    uint16_t *rows = calloc(space->items * width + 1, sizeof *rows);
    for (size_t d = 0; rows && d < space->dimension; d++)
        for (size_t i = 0; i < space->items; i++)
            rows[i * width + d] = space->at[d * space->items + i];
    return rows;
}

static enum od_status add_made(struct od_scan_made *made, uint32_t items, uint32_t dims,
                               struct od_image_writer *image)
{
    size_t words = od_scan_words(items);
    enum od_status s =
        od_image_give(image, "vectors.cells", made->cells, od_scan_cells(items, dims));
    made->cells = NULL;
    if (s == OD_OK) {
        s = od_image_give(image, "vectors.steps", made->steps, words * sizeof *made->steps);
        made->steps = NULL;
    }
    if (s == OD_OK) {
        s = od_image_give(image, "vectors.center", made->center, dims * sizeof *made->center);
        made->center = NULL;
    }
    if (s == OD_OK) {
        s = od_image_give(image, "vectors.bounds", made->bounds, words * sizeof *made->bounds);
        made->bounds = NULL;
    }
    return s;
}

static enum od_status add_order(const uint32_t *rank, uint32_t items, struct od_image_writer *image)
{
    uint32_t *order = malloc(((size_t)items + 1) * sizeof *order);
    if (!order)
        return OD_NO_MEMORY;
    for (uint32_t i = 0; i < items; i++)
        order[rank[i]] = i;
    return od_image_give(image, "vectors.order", order, items * sizeof *order);
}

enum od_status od_vector_form_write(uint16_t *rows, uint32_t items, uint32_t dims,
                                    const uint32_t *rank, struct od_image_writer *image,
                                    struct od_error *err)
{
    struct od_scan_made made = {0};
    enum od_status s = od_scan_make(rows, items, dims, &made);
    if (s == OD_OK)
        s = od_image_add(image, "vectors.dim", &dims, sizeof dims, false);
    if (s == OD_OK)
        s = od_image_give(image, "vectors.rows", rows, items * od_scan_width(dims) * sizeof *rows);
    else
        free(rows);
    if (s == OD_OK)
        s = add_made(&made, items, dims, image);
    if (s == OD_OK)
        s = add_order(rank, items, image);
    od_scan_made_done(&made);
    return s == OD_OK ? OD_OK : od_fail(err, s, NULL);
}

static enum od_status open_matrix(const struct od_image *image, struct od_scan_matrix *m,
                                  struct od_error *err)
{
    size_t words = od_scan_words(m->items);
    const void *cells, *steps, *center, *bounds, *rows;
    enum od_status s =
        od_image_array(image, "vectors.cells", od_scan_cells(m->items, m->dims), 1, &cells, err);
    if (s == OD_OK)
        s = od_image_array(image, "vectors.steps", words, sizeof *m->steps, &steps, err);
    if (s == OD_OK)
        s = od_image_array(image, "vectors.center", m->dims, sizeof *m->center, &center, err);
    if (s == OD_OK)
        s = od_image_array(image, "vectors.bounds", words, sizeof *m->bounds, &bounds, err);
    if (s == OD_OK)
        s = od_image_array(image, "vectors.rows", m->items * (uint64_t)od_scan_width(m->dims),
                           sizeof *m->rows, &rows, err);
    if (s != OD_OK)
        return s;
    m->cells = cells;
    m->steps = steps;
    m->center = center;
    m->bounds = bounds;
    m->rows = rows;
    return od_scan_valid(m) ? OD_OK
                            : od_fail(err, OD_CORRUPT,
                                      "The steps or bounds of the model image's vectors cannot "
                                      "be such.");
}

static bool is_inverse(const uint32_t *order, const uint32_t *rank, uint32_t items)
{
    for (uint32_t i = 0; i < items; i++)
        if (rank[i] >= items || order[rank[i]] != i)
            return false;
    return true;
}

enum od_status od_vector_form_open(const struct od_image *image,
                                   const struct od_popularity_view *popularity,
                                   struct od_vector_form *out, struct od_error *err)
{
    struct od_vector_form form = {.matrix.items = popularity->items.count,
                                  .rank = popularity->rank};
    uint32_t items = form.matrix.items;
    struct od_str section;
    const void *dims, *order;
    if (!od_image_section(image, "vectors.steps", &section))
        return od_fail(err, OD_CORRUPT,
                       "The model image has no section vectors.steps: it was written by a version "
                       "before; train the solution version again.");
    enum od_status s = od_image_array(image, "vectors.dim", 1, sizeof(uint32_t), &dims, err);
    if (s != OD_OK)
        return s;
    form.matrix.dims = *(const uint32_t *)dims;
    if (form.matrix.dims > OD_SCAN_DIMS)
        return od_fail(err, OD_CORRUPT, "The model image has vectors of %u dimensions.",
                       form.matrix.dims);
    s = open_matrix(image, &form.matrix, err);
    if (s == OD_OK)
        s = od_image_array(image, "vectors.order", items, sizeof *form.order, &order, err);
    if (s != OD_OK)
        return s;
    form.order = order;
    if (!is_inverse(form.order, form.rank, items))
        return od_fail(err, OD_CORRUPT,
                       "Sections rank and vectors.order of the model image are not each other's "
                       "inverse.");
    *out = form;
    return OD_OK;
}

void od_vector_form_add(const struct od_vector_form *form, uint32_t item, float weight, float *out)
{
    const uint16_t *row = form->matrix.rows + item * od_scan_width(form->matrix.dims);
    od_kernels_best()->rows_f16(out, &row, &weight, 1, form->matrix.dims);
}
