/* aws-user-personalization, aws-personalized-ranking and their second versions: one kind of model,
 * two questions.
 *
 * All score every known item from a user's history with a blend of parts (blend.h); the first is
 * asked for the best items of the catalogue, the second for the order of a given list. The second
 * versions also try a network (blend_parts.c) and have fewer hyperparameters. Which items may
 * appear, exploration and promotions are the server's business. */
#include "recipes/blend.h"
#include "recipes/linar.h"

#define BLEND_RECIPE(recipe)                                                                       \
    {                                                                                              \
        .name = recipe, .train = od_blend_train, .open = od_blend_open, .close = od_blend_close,   \
        .items = od_blend_items, .score = od_blend_score, .temperature = od_blend_temperature,     \
    }

const struct od_recipe od_recipe_user_personalization = BLEND_RECIPE("aws-user-personalization");
const struct od_recipe od_recipe_user_personalization_v2 =
    BLEND_RECIPE("aws-user-personalization-v2");
const struct od_recipe od_recipe_personalized_ranking = BLEND_RECIPE("aws-personalized-ranking");
const struct od_recipe od_recipe_personalized_ranking_v2 =
    BLEND_RECIPE("aws-personalized-ranking-v2");
