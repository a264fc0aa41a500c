/* The vector form of a model: an item's score is the inner product of its vector with one of the
 * query, and everything else follows in one order (popularity). Then the best items are found by
 * the exact scan of math/scan.h, and nobody needs the scores of all of them.
 *
 * Sections, n items of d numbers (math/scan.h has the layouts):
 *     vectors.dim      uint32, d
 *     vectors.rows     uint16 [n][width], halves
 *     vectors.cells    uint8, the same in 8 bits
 *     vectors.steps    float [words]
 *     vectors.center   float [d]
 *     vectors.bounds   float [words][2]
 *     vectors.order    uint32 [n]: the items, the most popular first
 */
#ifndef OD_RECIPES_VECTOR_FORM_H
#define OD_RECIPES_VECTOR_FORM_H

#include "math/scan.h"
#include "recipes/item_space.h"
#include "recipes/popularity.h"

struct od_vector_form {
    struct od_scan_matrix matrix;
    const uint64_t *present; /* bitmap of the items with a vector; NULL: all */
    const uint32_t *order;   /* [items] a permutation; the others follow in it */
    const uint32_t *rank;    /* [items] its inverse */
};

/* More items than these have places that floats do not tell apart (od_popularity_scores), and no
 * form. */
#define OD_VECTOR_ITEMS ((1u << 24) - 2 * OD_SCAN_DIMS)

/* Adds the sections. rows from malloc become the image's, also when it fails. Same input, same
 * bytes. */
enum od_status od_vector_form_write(uint16_t *rows, uint32_t items, uint32_t dims,
                                    const uint32_t *rank, struct od_image_writer *image,
                                    struct od_error *err) OD_MUST_USE;
/* Rows for it, from columns. NULL: out of memory. */
uint16_t *od_vector_rows(const struct od_item_space *space);

/* OD_CORRUPT unless all is there, of the right size, and such that scanning is safe; present is
 * NULL. Borrows image and popularity. */
enum od_status od_vector_form_open(const struct od_image *image,
                                   const struct od_popularity_view *popularity,
                                   struct od_vector_form *out, struct od_error *err) OD_MUST_USE;
/* out[dims] += weight * the item's vector. */
void od_vector_form_add(const struct od_vector_form *form, uint32_t item, float weight, float *out);

#endif
