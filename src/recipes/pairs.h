/* Which items follow and precede which, and how closely: directed, decayed co-occurrence.
 *
 * weight(i, j) = sum over places of i in users' histories and places of j at most `window` events
 * away: decay^(d - 1) when j comes d events after i, back times that when it comes before. */
#ifndef OD_RECIPES_PAIRS_H
#define OD_RECIPES_PAIRS_H

#include "recipes/recipe.h"

struct od_pairs_rule {
    float decay, back;
    uint32_t window;
    float discount;      /* rows keep the largest weight / (places of j)^discount */
    uint32_t neighbours; /* kept of a row */
};

/* Row i: entries at[i] .. at[i + 1], the largest discounted weight first. */
struct od_pairs {
    uint64_t *at; /* [items + 1] */
    uint32_t *item;
    float *weight;
    float *total; /* [items] sum of the whole row, those not kept included */
};

/* end: as od_part_task's, the usable events of each user; NULL: all. The same rows for every thread
 * count. Work: 2 window updates an event; memory: 8 bytes an event, 16 an item and thread. */
enum od_status od_pairs_count(const struct od_training *training, const uint64_t *end,
                              const struct od_pairs_rule *rule, unsigned threads,
                              struct od_pairs *out, struct od_error *err) OD_MUST_USE;
void od_pairs_done(struct od_pairs *pairs);

#endif
