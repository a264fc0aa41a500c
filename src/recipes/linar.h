/* LinAR, the closed-form sequence model: what aws-user-personalization and
 * aws-personalized-ranking train and score with. The parts: linar_events, linar_gram, linar_targets
 * (normal equations from histories), linar_plan, linar_solve, linar_fit (one fit), linar_pick
 * (choosing a configuration), linar_heat (temperature), linar_rows, linar_view, linar_model (image
 * and scoring), linar_train (all of it in order). */
#ifndef OD_RECIPES_LINAR_H
#define OD_RECIPES_LINAR_H

#include "recipes/recipe.h"

extern const struct od_recipe od_recipe_user_personalization;
extern const struct od_recipe od_recipe_personalized_ranking;

#endif
