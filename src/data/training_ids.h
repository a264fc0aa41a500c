/* Canonical ids: a dictionary in order of arrival becomes one in byte order. Used by training.c. */
#ifndef OD_DATA_TRAINING_IDS_H
#define OD_DATA_TRAINING_IDS_H

#include "base/dict.h"

/* Gives the dictionary of the same texts in byte order (the caller frees it) and the array that
 * maps old codes to new ones (the caller frees it with free; never NULL, even for no texts). */
enum od_status od_training_sort_ids(const struct od_dict *from, struct od_dict **out,
                                    uint32_t **out_map) OD_MUST_USE;

#endif
