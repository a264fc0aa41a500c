/* The recipes this program trains, one line each in registry.c. */
#ifndef OD_RECIPES_REGISTRY_H
#define OD_RECIPES_REGISTRY_H

#include "recipes/recipe.h"

extern const struct od_recipe od_recipe_external_vectors;
extern const struct od_recipe od_recipe_hrnn;
extern const struct od_recipe od_recipe_hrnn_coldstart;
extern const struct od_recipe od_recipe_hrnn_metadata;
extern const struct od_recipe od_recipe_item_affinity;
extern const struct od_recipe od_recipe_item_attribute_affinity;
extern const struct od_recipe od_recipe_next_best_action;
extern const struct od_recipe od_recipe_personalized_ranking;
extern const struct od_recipe od_recipe_personalized_ranking_v2;
extern const struct od_recipe od_recipe_popularity;
extern const struct od_recipe od_recipe_semantic_similarity;
extern const struct od_recipe od_recipe_similar_items;
extern const struct od_recipe od_recipe_sims;
extern const struct od_recipe od_recipe_trending_now;
extern const struct od_recipe od_recipe_user_personalization;
extern const struct od_recipe od_recipe_user_personalization_v2;

/* By place; NULL past the end. */
const struct od_recipe *od_recipe_at(size_t index);

/* What serves in an image and with what weights, in lines for people. False, and nothing added, for
 * recipes that have one thing to say. */
bool od_recipe_describe(const struct od_image *image, struct od_buf *out);

#endif
