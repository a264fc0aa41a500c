/* aws-user-personalization and its second version: score every known item from a user's history
 * with a blend of parts (blend.h). The second version also tries a network (blend_parts.c) and has
 * fewer hyperparameters. Which items may appear, exploration and promotions are the server's
 * business. */
#include "recipes/blend.h"
#include "recipes/linar.h"

const struct od_recipe od_recipe_user_personalization = {
    .name = "aws-user-personalization",
    .train = od_blend_train,
    .open = od_blend_open,
    .close = od_blend_close,
    .items = od_blend_items,
    .score = od_blend_score,
    .temperature = od_blend_temperature,
};

const struct od_recipe od_recipe_user_personalization_v2 = {
    .name = "aws-user-personalization-v2",
    .train = od_blend_train,
    .open = od_blend_open,
    .close = od_blend_close,
    .items = od_blend_items,
    .score = od_blend_score,
    .temperature = od_blend_temperature,
};
