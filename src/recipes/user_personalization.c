/* aws-user-personalization and its second version: every known item scored from a user's history
 * with a blend of parts (blend.h). The second version also tries a network (blend_parts.c) and has
 * fewer hyperparameters. Which items may appear, exploration and promotions are the server's
 * business. */
#include "recipes/blend.h"
#include "recipes/registry.h"

const struct od_recipe od_recipe_user_personalization = OD_BLEND_RECIPE("aws-user-personalization");
const struct od_recipe od_recipe_user_personalization_v2 =
    OD_BLEND_RECIPE("aws-user-personalization-v2");
