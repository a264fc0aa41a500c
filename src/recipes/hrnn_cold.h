/* Which items aws-hrnn-coldstart recommends. Internal to hrnn*.c. */
#ifndef OD_RECIPES_HRNN_COLD_H
#define OD_RECIPES_HRNN_COLD_H

#include "recipes/recipe.h"

/* (AWS) fewer or more cold items and a training fails */
#define OD_HRNN_COLD_LEAST 100u
#define OD_HRNN_COLD_MOST  80000u

/* Cold items: fewer than cold_start_max_interactions interactions, and first seen at most
 * cold_start_max_duration days before the reference: the newest first sight of all items
 * (latestItem) or input->now_s (currentTime). First seen: CREATION_TIMESTAMP, else the first
 * interaction, else the newest interaction in the data (data.md section 16).
 * training: with the items that only have a record. bits: od_bitmap over its items, zeroed by the
 * caller. */
enum od_status od_hrnn_find_cold(const struct od_train_input *input,
                                 const struct od_training *training, uint64_t *bits,
                                 uint32_t *out_count, struct od_error *err) OD_MUST_USE;

#endif
