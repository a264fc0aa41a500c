/* A training set cut from another: the oldest events of each user. */
#ifndef OD_DATA_TRAINING_SUBSET_H
#define OD_DATA_TRAINING_SUBSET_H

#include "data/training.h"

/* Keeps the first keep[u] events of each user u (keep[u] <= that user's events), drops users
 * and items that have no event left, and codes the others anew in the same order; types and context
 * values keep their codes. The tables stay those of from.
 * out_item_map, when not NULL, gets [from->item_count] new codes, OD_NO_CODE for dropped items;
 * free it with free. The result is freed with od_training_free. */
enum od_status od_training_subset(const struct od_training *from, const uint64_t *keep,
                                  struct od_training **out, uint32_t **out_item_map,
                                  struct od_error *err) OD_MUST_USE;

#endif
