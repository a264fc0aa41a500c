/* How aws-hrnn-coldstart weighs what speaks for a cold item. Internal to hrnn*.c.
 *
 * The network says by an item's records what follows such a session; taste.h what such a user
 * chooses, of all events and lately. Their weights are learnt on strange items: a fifth of those
 * with interactions, of which the fit that is asked has seen no event. Users that no fit has seen
 * chose some of them; the weights make these choices most likely among the strange items. */
#ifndef OD_RECIPES_HRNN_MIX_H
#define OD_RECIPES_HRNN_MIX_H

#include "recipes/hrnn.h"
#include "recipes/split.h"

/* A training set with fewer items spares none to be strange, and the network speaks alone. */
#define OD_HRNN_MIX_ITEMS 100u
/* Whether an item with interactions is to be strange: by its id and the seed alone. */
bool od_hrnn_strange(struct od_str id, uint64_t seed);

/* image holds a network and a taste that have not met strange items; items are its codes. mix gets
 * a weight for each voice; it stays as it is when there are too few cases, or no taste. */
enum od_status od_hrnn_mix(const struct od_image *image, const struct od_image_dict *items,
                           const struct od_split *split, uint64_t seed, unsigned threads,
                           float *mix, struct od_error *err) OD_MUST_USE;

#endif
