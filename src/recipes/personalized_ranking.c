/* aws-personalized-ranking: the model of aws-user-personalization asked for the order of a given
 * list and, where the data say what was shown and what of it was taken, trees on top of it
 * (ranking.h). */
#include "recipes/linar.h"
#include "recipes/linar_model.h"
#include "recipes/linar_train.h"
#include "recipes/ranking.h"

static const struct od_recipe base;

static enum od_status train_base(const struct od_train_input *input, struct od_image_writer *image,
                                 struct od_metrics *metrics, struct od_error *err)
{
    return od_linar_train(&base, input, image, metrics, err);
}

static enum od_status fit_base(const struct od_train_input *input, struct od_image_writer *image,
                               struct od_error *err)
{
    return train_base(input, image, NULL, err);
}

static const struct od_recipe base = {
    .name = "aws-personalized-ranking",
    .train = train_base,
    .open = od_linar_open,
    .close = od_linar_close,
    .items = od_linar_items,
    .score = od_linar_score,
    .temperature = od_linar_temperature,
};

static enum od_status train(const struct od_train_input *input, struct od_image_writer *image,
                            struct od_metrics *metrics, struct od_error *err)
{
    return od_ranking_train(&base, fit_base, input, image, metrics, err);
}

static enum od_status open_model(const struct od_image *image, struct od_model **out,
                                 struct od_error *err)
{
    return od_ranking_open(&base, image, out, err);
}

const struct od_recipe od_recipe_personalized_ranking = {
    .name = "aws-personalized-ranking",
    .train = train,
    .open = open_model,
    .close = od_ranking_close,
    .items = od_ranking_items,
    .score = od_ranking_score,
    .rank = od_ranking_rank,
    .temperature = od_ranking_temperature,
};
