/* What a user likes by what the records of the chosen items say: a ridge regression for each user
 * from an item's features to whether the user chose it, so items that nobody has met are scored as
 * well as any other.
 *
 * With x_i the features of item i (categories, bins of numbers, frequent words, frequent pairs of
 * categories, and a constant) and y_i the user's choices, z = (sum x_i x_i' + ridge I)^-1 sum y_i
 * x_i and the score of item j is x_j z. The matrix is the same for all users (Hu, Koren, Volinsky,
 * "Collaborative Filtering for Implicit Feedback Datasets", ICDM 2008, section 4, with items'
 * factors given), so a user costs one product with its inverse, and nothing is trained again when
 * an event comes. */
#ifndef OD_RECIPES_TASTE_H
#define OD_RECIPES_TASTE_H

#include "math/cholesky.h"
#include "recipes/features.h"
#include "recipes/recipe.h"

#define OD_TASTE_COLUMNS 1024u /* most features */

/* Adds the sections "taste" (at, column, value, inverse). learn[row]: whether users have had the
 * chance to choose the item; the others are scored all the same. Nothing is added, and *out_any is
 * false, when the records say nothing. */
enum od_status od_taste_fit(const struct od_features *items, const bool *learn,
                            const struct od_work *work, struct od_image_writer *image,
                            bool *out_any, struct od_error *err) OD_MUST_USE;

struct od_taste_view {
    uint32_t items, columns; /* the last column is the constant */
    float learnt;            /* items that were learnt from */
    const uint64_t *at;      /* [items + 1] */
    const uint32_t *column;  /* each once in a row */
    const float *value;
    const float *inverse; /* [columns][columns], symmetric */
};
/* view->columns is 0 when the image has no such sections; OD_CORRUPT when they are wrong. */
enum od_status od_taste_open(const struct od_image *image, uint32_t items,
                             struct od_taste_view *out, struct od_error *err) OD_MUST_USE;

/* How often the user chooses such an item, as the logarithm of the multiple of an average item's
 * share: always[items] by all of the newest distinct known items of the history alike,
 * lately[items] by the newest most (NULL: not asked). *out_any false, and nothing written, when
 * there are none. Scratch: 3 columns and the items in bits. */
enum od_status od_taste_score(const struct od_taste_view *view, const struct od_query *query,
                              struct od_arena *scratch, float *always, float *lately,
                              bool *out_any) OD_MUST_USE;

#endif
