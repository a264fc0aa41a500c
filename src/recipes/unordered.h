/* Interactions whose order says nothing: times that are all the same, items sorted by id. */
#ifndef OD_RECIPES_UNORDERED_H
#define OD_RECIPES_UNORDERED_H

#include "data/training.h"

/* Whether users' events are in the order of their item ids rather than of anything that happened:
 * nearly every step goes up, by bytes or, as numbers do, by length first. False where there are too
 * few steps to tell, and where events carry context or impressions; true where they were dealt. */
bool od_unordered(const struct od_training *training);

/* The same with every user's events in an order by chance (the seed's), and marked as `dealt`;
 * times stay where they are. So whoever is asked for the last events is asked for a fair sample of
 * them. It borrows all but items, types and values from `from`, which must outlive it. */
struct od_shuffled {
    struct od_training training;
    uint32_t *item;
    uint16_t *type;
    float *value;
};
enum od_status od_shuffled_init(struct od_shuffled *out, const struct od_training *from,
                                uint64_t seed) OD_MUST_USE;
void od_shuffled_done(struct od_shuffled *shuffled);

#endif
