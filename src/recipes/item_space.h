/* Items as points: vectors whose inner products say how alike two items are.
 *
 * Stored for scanning: half precision, one row a dimension and one column an item, so that the
 * products of one item with all others are d scaled rows added up (rows_f16). */
#ifndef OD_RECIPES_ITEM_SPACE_H
#define OD_RECIPES_ITEM_SPACE_H

#include "data/image.h"
#include "math/kernels.h"
#include "math/svd.h"
#include "recipes/features.h"

struct od_item_space {
    uint32_t items, dimension;
    uint16_t *at; /* [dimension][items] */
};
void od_item_space_done(struct od_item_space *space);

/* From rows: the first `dimension` directions of the matrix (of 262,144 rows spread over it, when
 * there are more), each item's row of U diag(s^power) scaled to length 1 and then by scale[item]
 * (NULL: 1). An item without an entry is at 0. Memory besides the result: that of od_svd_sparse. */
enum od_status od_item_space_svd(const struct od_sparse *rows, uint32_t dimension, float power,
                                 const float *scale, uint64_t seed, const struct od_work *work,
                                 struct od_item_space *out, struct od_error *err) OD_MUST_USE;

/* From records: what they say (features.h), categories weighed by rarity as words are; items with a
 * vector of the user's own (vectors.h) by that alone. Products are cosines. dimension 0 when no
 * record says anything. */
enum od_status od_item_space_records(const struct od_table *table, const struct od_dict *ids,
                                     const struct od_feature_options *options, uint32_t dimension,
                                     uint64_t seed, const struct od_work *work,
                                     struct od_item_space *out, struct od_error *err) OD_MUST_USE;

/* Sections "<name>.dim" (uint32) and "<name>.at"; the array becomes the image's. name has at most
 * 12 bytes. */
enum od_status od_item_space_write(struct od_item_space *space, const char *name,
                                   struct od_image_writer *image, struct od_error *err) OD_MUST_USE;
struct od_item_view {
    uint32_t items, dimension;
    const uint16_t *at;
};
enum od_status od_item_space_open(const struct od_image *image, const char *name, uint32_t items,
                                  struct od_item_view *out, struct od_error *err) OD_MUST_USE;
struct od_item_view od_item_space_view(const struct od_item_space *space);

#define OD_ITEM_SPACE_MOST 4096 /* dimensions; the SVD gives at most OD_SVD_MOST */
/* out[j] = product of items item and j, for all items. 2 dimension items operations. */
void od_item_space_products(const struct od_item_view *space, uint32_t item, float *out);

#endif
