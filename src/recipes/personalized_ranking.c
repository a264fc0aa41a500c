/* aws-personalized-ranking and its second version: the blend of aws-user-personalization asked for
 * the order of a given list and, where the data say what was shown and what of it was taken, trees
 * on top of it (ranking.h). */
#include "recipes/blend.h"
#include "recipes/ranking.h"
#include "recipes/registry.h"

static const struct od_recipe base = OD_BLEND_RECIPE("aws-personalized-ranking");
static const struct od_recipe base_v2 = OD_BLEND_RECIPE("aws-personalized-ranking-v2");

static enum od_status train(const struct od_train_input *input, struct od_image_writer *image,
                            struct od_metrics *metrics, struct od_error *err)
{
    return od_ranking_train(&base, input, image, metrics, err);
}

static enum od_status open_model(const struct od_image *image, struct od_model **out,
                                 struct od_error *err)
{
    return od_ranking_open(&base, image, out, err);
}

static enum od_status train_v2(const struct od_train_input *input, struct od_image_writer *image,
                               struct od_metrics *metrics, struct od_error *err)
{
    return od_ranking_train(&base_v2, input, image, metrics, err);
}

static enum od_status open_v2(const struct od_image *image, struct od_model **out,
                              struct od_error *err)
{
    return od_ranking_open(&base_v2, image, out, err);
}

const struct od_recipe od_recipe_personalized_ranking = {
    .name = "aws-personalized-ranking",
    .train = train,
    .open = open_model,
    .close = od_ranking_close,
    .items = od_ranking_items,
    .score = od_ranking_score,
    .explain = od_ranking_explain,
    .rank = od_ranking_rank,
    .temperature = od_ranking_temperature,
};

const struct od_recipe od_recipe_personalized_ranking_v2 = {
    .name = "aws-personalized-ranking-v2",
    .train = train_v2,
    .open = open_v2,
    .close = od_ranking_close,
    .items = od_ranking_items,
    .score = od_ranking_score,
    .explain = od_ranking_explain,
    .rank = od_ranking_rank,
    .temperature = od_ranking_temperature,
};
