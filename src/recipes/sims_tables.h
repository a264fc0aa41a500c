/* The kept history as two sparse tables: what aws-sims counts on. */
#ifndef OD_RECIPES_SIMS_TABLES_H
#define OD_RECIPES_SIMS_TABLES_H

#include "recipes/recipe.h"

#define OD_SIMS_HISTORY                                                                            \
    4096 /* newest distinct items of a user that form pairs: bounds the work                       \
          */

/* Percentiles as fractions; both ends are kept. */
struct od_sims_keep {
    double min_user, max_user; /* of users' history length: number of interactions */
    double min_item, max_item; /* of items' interaction count */
};

/* Row r holds entry[at[r]] .. entry[at[r + 1]]. */
struct od_sims_rows {
    uint64_t *at;
    uint32_t *entry;
    uint16_t *place; /* item_users alone: how many kept items of the user are newer than the item */
};
struct od_sims_tables {
    struct od_sims_rows user_items; /* the distinct kept items of each kept user, newest first */
    struct od_sims_rows item_users; /* the kept users of every item, ascending */
};
enum od_status od_sims_tables_build(const struct od_training *training,
                                    const struct od_sims_keep *keep, struct od_sims_tables *out,
                                    struct od_error *err) OD_MUST_USE;
void od_sims_tables_done(struct od_sims_tables *tables);

/* The value at fraction p of the values in order, linear between two of them; 0 for no values.
 * scratch has room for count. */
double od_sims_percentile(const uint32_t *values, size_t count, double p, uint32_t *scratch);

#endif
