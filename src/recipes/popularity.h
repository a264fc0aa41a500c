/* Popularity: how many users each item has, and the order that follows. Used by every recipe that
 * must answer without a signal. */
#ifndef OD_RECIPES_POPULARITY_H
#define OD_RECIPES_POPULARITY_H

#include "recipes/recipe.h"

struct od_popularity {
    uint32_t *users; /* [items] distinct users */
    uint32_t *rank;  /* [items] 0 is first: more users, then the later last event, then the id */
};
enum od_status od_popularity_count(const struct od_training *training, struct od_popularity *out,
                                   struct od_error *err) OD_MUST_USE;
void od_popularity_done(struct od_popularity *popularity);

/* Adds the sections "items", "popularity" and "rank"; the arrays become the image's. */
enum od_status od_popularity_write(struct od_popularity *popularity,
                                   const struct od_training *training,
                                   struct od_image_writer *image, struct od_error *err) OD_MUST_USE;

/* Those sections, opened. */
struct od_popularity_view {
    struct od_image_dict items;
    const uint32_t *users, *rank; /* [items.count] */
};
enum od_status od_popularity_open(const struct od_image *image, struct od_popularity_view *out,
                                  struct od_error *err) OD_MUST_USE;
/* scores[i] = -1 - rank: below every positive score. Exact for the first 2^24 items. */
void od_popularity_scores(const struct od_popularity_view *view, float *scores);

#endif
