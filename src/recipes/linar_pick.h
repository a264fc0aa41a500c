/* Choosing a configuration on held-out events. */
#ifndef OD_RECIPES_LINAR_PICK_H
#define OD_RECIPES_LINAR_PICK_H

#include "recipes/linar_fit.h"

/* Chooses among kernels, ridge, head, fading and debias by the rank of held-out last events of a
 * sample of users. end: od_linar_ends of the training set. The same input gives the same choice
 * whatever threads and clock. With too few users to judge by, the default is returned. */
enum od_status od_linar_pick(const struct od_training *training, const uint64_t *end,
                             const struct od_linar_shape *shape, uint64_t seed,
                             uint64_t memory_bytes, const struct od_work *work,
                             struct od_linar_config *out, struct od_error *err) OD_MUST_USE;

#endif
