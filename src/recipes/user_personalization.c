/* aws-user-personalization: scores every known item from a user's history with LinAR
 * (linar_model.c). Which items may appear, exploration and promotions are the server's business. */
#include "recipes/linar.h"
#include "recipes/linar_model.h"
#include "recipes/linar_train.h"

static enum od_status train_personalization(const struct od_train_input *input,
                                            struct od_image_writer *image,
                                            struct od_metrics *metrics, struct od_error *err)
{
    return od_linar_train(&od_recipe_user_personalization, input, image, metrics, err);
}

const struct od_recipe od_recipe_user_personalization = {
    .name = "aws-user-personalization",
    .train = train_personalization,
    .open = od_linar_open,
    .close = od_linar_close,
    .items = od_linar_items,
    .score = od_linar_score,
    .temperature = od_linar_temperature,
};
