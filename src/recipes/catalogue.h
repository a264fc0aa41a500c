/* The catalogue: the items of the training set and those that only have a record.
 *
 * A training set codes the items that events name. Recipes that can say something about an item
 * without events (by what its record says) need a code for each record too: this widens the
 * dictionary, still in byte order, and recodes the events. */
#ifndef OD_RECIPES_CATALOGUE_H
#define OD_RECIPES_CATALOGUE_H

#include "data/training.h"

struct od_catalogue {
    struct od_training training; /* as given, but items, item_count and item are the catalogue's;
                                    the rest is borrowed from the given one */
    struct od_dict *items;       /* owned; NULL when no record adds an item */
    uint32_t *item;              /* owned */
};
/* Memory: 4 bytes an event and the ids once more, when records add items; else nothing. */
enum od_status od_catalogue_make(const struct od_training *training, struct od_catalogue *out,
                                 struct od_error *err) OD_MUST_USE;
void od_catalogue_done(struct od_catalogue *catalogue);

#endif
