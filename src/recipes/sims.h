/* Neighbours by common users: the counting half of aws-sims. */
#ifndef OD_RECIPES_SIMS_H
#define OD_RECIPES_SIMS_H

#include "recipes/sims_tables.h"

#define OD_SIMS_NEIGHBOURS 512 /* kept per item: more than the 500 results one answer may hold */

struct od_sims_rule {
    struct od_sims_keep keep;
    double discount;     /* popularity_discount_factor */
    uint32_t min_count;  /* min_cointeraction_count; 0 is as 1: no common user, no neighbour */
    uint32_t neighbours; /* kept per item */
    /* What a common user says for j, d kept items apart from i: floor + (1 - floor) e^(-fade
     * (d-1)), times back when j came before i. fade 0: every common user says 1. */
    float fade, floor;
    float forward; /* back is 1 / (1 + forward): 0, the order does not matter */
};

/* Neighbours of item i: entries at[i] .. at[i + 1], best first (higher sim, then lower code). */
struct od_sims_lists {
    uint64_t *at; /* [items + 1] */
    uint32_t *item, *count;
    float *sim;
};

/* The same lists for every thread count. threads as in od_parallel. */
enum od_status od_sims_count(const struct od_training *training, const struct od_sims_rule *rule,
                             unsigned threads, const struct od_progress *progress,
                             struct od_sims_lists *out, struct od_error *err) OD_MUST_USE;
void od_sims_lists_done(struct od_sims_lists *lists);

#endif
