/* The functions of aws-next-best-action's model, as od_recipe describes them. */
#ifndef OD_RECIPES_ACTION_RECIPE_H
#define OD_RECIPES_ACTION_RECIPE_H

#include "recipes/action.h"

enum od_status od_action_open(const struct od_image *image, struct od_model **out,
                              struct od_error *err);
void od_action_close(struct od_model *model);
const struct od_image_dict *od_action_items(const struct od_model *model);
const struct od_image_dict *od_action_event_items(const struct od_model *model);
bool od_action_scored(const struct od_model *model, uint32_t action);
enum od_status od_action_score(const struct od_model *model, const struct od_query *query,
                               struct od_arena *scratch, float *scores, bool *out_personal,
                               struct od_error *err);

#endif
