/* The learnt matrix as a model keeps it: for each item and kernel one row of scores over all items,
 * in half precision.
 *
 * Row number item * K + k. A row holds its keep largest entries by magnitude, the others are 0; its
 * numbers are multiplied by a power of two that brings the largest near 2^15 and scale undoes it.
 * Two forms: dense (a rectangle of halves, when at least a quarter of it is kept) and sparse
 * (columns and halves). */
#ifndef OD_RECIPES_LINAR_ROWS_H
#define OD_RECIPES_LINAR_ROWS_H

#include <stdbool.h>

#include "data/image.h"
#include "math/kernels.h"

struct od_linar_row {
    uint32_t count;
    uint32_t *column; /* [count] ascending */
    uint16_t *value;
};

struct od_linar_rows {
    uint32_t items, kernels, keep; /* keep <= items */
    bool dense;
    uint16_t *rectangle;         /* dense: [items * kernels][items] */
    struct od_linar_row *sparse; /* sparse: [items * kernels] */
    float *scale;                /* [items * kernels] */
};

/* keep: entries of a row to hold; fewer when all rows together would exceed OD_LINAR_MOST_ENTRIES.
 */
#define OD_LINAR_MOST_ENTRIES 100000000u /* 600 MB of columns and halves */
enum od_status od_linar_rows_init(struct od_linar_rows *out, uint32_t items, uint32_t kernels,
                                  uint32_t keep, struct od_error *err) OD_MUST_USE;
void od_linar_rows_done(struct od_linar_rows *rows);
uint64_t od_linar_rows_bytes(uint32_t items, uint32_t kernels, uint32_t keep);

/* Scratch of one thread that puts rows of at most items entries. NULL when out of memory; freed
 * with free. */
struct od_linar_scratch;
struct od_linar_scratch *od_linar_scratch_new(const struct od_linar_rows *rows);

/* Sets a row from count values: value[i] belongs to column[i] (ascending), or to column i when
 * column is NULL. Threads may set different rows at once. OD_NO_MEMORY, or OD_INVALID_INPUT for a
 * value that is not finite. */
enum od_status od_linar_rows_put(struct od_linar_rows *rows, uint64_t row, const uint32_t *column,
                                 const float *value, uint32_t count,
                                 struct od_linar_scratch *scratch) OD_MUST_USE;

/* y[j] += sum over r of weight[r] row[r][j]. pointer and factor are scratch of count entries. */
void od_linar_rows_add(const struct od_linar_rows *rows, const struct od_kernels *vector,
                       const uint64_t *row, const float *weight, size_t count,
                       const uint16_t **pointer, float *factor, float *y);

/* The name of a section of the part called prefix: "linar.rows". name is the caller's. */
const char *od_linar_name(char name[OD_IMAGE_NAME], const char *prefix, const char *section);

/* Adds the sections rows (dense) or at, column, value, and scale of the part called prefix. The
 * numbers become the image's: afterwards the rows can only be freed. */
enum od_status od_linar_rows_give(struct od_linar_rows *rows, const char *prefix,
                                  struct od_image_writer *image) OD_MUST_USE;

/* The rows inside an image, read in place. */
struct od_linar_view {
    uint32_t items, kernels;
    const uint16_t *rectangle; /* NULL: sparse */
    const uint64_t *at;        /* [items * kernels + 1] */
    const uint32_t *column;
    const uint16_t *value;
    const float *scale;
};
/* Checks every offset and column, so that scoring need not. */
enum od_status od_linar_view_open(struct od_linar_view *out, const struct od_image *image,
                                  const char *prefix, uint32_t items, uint32_t kernels,
                                  struct od_error *err) OD_MUST_USE;
/* As od_linar_rows_add. */
void od_linar_view_add(const struct od_linar_view *view, const struct od_kernels *vector,
                       const uint64_t *row, const float *weight, size_t count,
                       const uint16_t **pointer, float *factor, float *y);

#endif
