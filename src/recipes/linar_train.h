/* Training of the recipes that use LinAR. */
#ifndef OD_RECIPES_LINAR_TRAIN_H
#define OD_RECIPES_LINAR_TRAIN_H

#include "recipes/linar_fit.h"
#include "recipes/metrics.h"

/* The shape that the recipe's hyperparameters ask for. */
struct od_linar_shape od_linar_shape_of(const struct od_train_input *input);

/* od_recipe.train. recipe: the one that is trained, for its metrics. */
enum od_status od_linar_train(const struct od_recipe *recipe, const struct od_train_input *input,
                              struct od_image_writer *image, struct od_metrics *metrics,
                              struct od_error *err) OD_MUST_USE;

/* The temperature that makes softmax(score / temperature) most likely to have produced the first
 * held-out event of the split's test users. OD_LINAR_TEMPERATURE when none can be asked. */
#define OD_LINAR_TEMPERATURE 0.02f
enum od_status od_linar_heat(const struct od_scorer *scorer, const struct od_split *split,
                             unsigned threads, float *out, struct od_error *err) OD_MUST_USE;

#endif
