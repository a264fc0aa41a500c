/* LinAR, the closed-form sequence model, a part of several recipes (od_part_linar). Its pieces:
 * linar_events, linar_gram, linar_targets (normal equations from histories), linar_plan,
 * linar_solve, linar_fit (one fit), linar_pick (choosing a configuration), linar_rows, linar_view,
 * linar_model (image and scoring), linar_part (the part).
 *
 * This header has the recipes that blend it with others (blend.h). */
#ifndef OD_RECIPES_LINAR_H
#define OD_RECIPES_LINAR_H

#include "recipes/recipe.h"

extern const struct od_recipe od_recipe_user_personalization;
extern const struct od_recipe od_recipe_user_personalization_v2;
extern const struct od_recipe od_recipe_personalized_ranking;
extern const struct od_recipe od_recipe_personalized_ranking_v2;

#endif
