/* Training sets cut from another: the oldest events of each user, or the events of some items. */
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

/* Leaves out every event of the items with hidden[item]. Types and values of events stay, their
 * context and lists do not; the tables stay those of from, so hidden items still have their
 * records. Fails as od_training_finish does. The result is freed with od_training_free. */
enum od_status od_training_hide(const struct od_training *from, const bool *hidden,
                                struct od_training **out, struct od_error *err) OD_MUST_USE;

#endif
