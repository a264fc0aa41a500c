/* aws-next-best-action. */
#include "recipes/action.h"

#include "recipes/action_recipe.h"
#include "recipes/metrics.h"
#include "recipes/registry.h"

#define SHARE_EVALUATING 0.5

static enum od_status train(const struct od_train_input *input, struct od_image_writer *image,
                            struct od_metrics *metrics, struct od_error *err)
{
    struct od_progress_scale scale;
    struct od_train_input whole = *input;
    double from = metrics ? SHARE_EVALUATING : 0;
    enum od_status s = OD_OK;
    if (metrics)
        s = od_action_evaluate(input, from, metrics, err);
    whole.progress = od_progress_scaled(&scale, input->progress, from, 1);
    return s == OD_OK ? od_action_write(&whole, image, err) : s;
}

/* No temperature: scores are probabilities of their own, not shares of a softmax. */
const struct od_recipe od_recipe_next_best_action = {
    .name = "aws-next-best-action",
    .train = train,
    .open = od_action_open,
    .close = od_action_close,
    .items = od_action_items,
    .event_items = od_action_event_items,
    .scored = od_action_scored,
    .score = od_action_score,
};
