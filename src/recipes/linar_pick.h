/* Choosing a configuration on held-out events. */
#ifndef OD_RECIPES_LINAR_PICK_H
#define OD_RECIPES_LINAR_PICK_H

#include "recipes/linar_fit.h"
#include "recipes/part.h"

/* Chooses among kernels, rests, ridge, head, fading and debias by the rank of the judges' held-out
 * events. end: usable events of each user, without the judges' held-out ones. The same input gives
 * the same choice whatever threads and clock. With too few judges, the default is returned. */
enum od_status od_linar_pick(const struct od_part_task *task, const struct od_linar_shape *shape,
                             uint64_t memory_bytes, const struct od_work *work,
                             struct od_linar_config *out, struct od_error *err) OD_MUST_USE;

#endif
