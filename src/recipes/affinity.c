/* aws-item-affinity and aws-item-attribute-affinity: one model, two questions.
 *
 * Both answer for any set of items. They differ in what the mixture of p(items | user) is fitted
 * to: single items, of which a user's own past says little beyond repeats, or attribute values,
 * where the share of the user's history that has the value says nearly everything; and in what
 * their metrics ask for. */
#include "recipes/affinity.h"

#include "recipes/metrics.h"
#include "recipes/registry.h"

#define SHARE_EVALUATING 0.5

static enum od_status fit_items(const struct od_train_input *input, struct od_image_writer *image,
                                struct od_error *err)
{
    return od_affinity_write(input, false, OD_AFFINITY_FIFTH, image, err);
}

static enum od_status fit_attributes(const struct od_train_input *input,
                                     struct od_image_writer *image, struct od_error *err)
{
    return od_affinity_write(input, true, OD_AFFINITY_FIFTH, image, err);
}

static enum od_status train(const struct od_recipe *recipe, od_fit *fit, bool by_attribute,
                            const struct od_train_input *input, struct od_image_writer *image,
                            struct od_metrics *metrics, struct od_error *err)
{
    struct od_progress_scale scale;
    struct od_train_input whole = *input;
    double from = metrics ? SHARE_EVALUATING : 0;
    enum od_status s = OD_OK;
    if (metrics)
        s = od_affinity_evaluate(recipe, fit, input, from, metrics, err);
    whole.progress = od_progress_scaled(&scale, input->progress, from, 1);
    return s == OD_OK ? od_affinity_write(&whole, by_attribute, OD_AFFINITY_DAYS, image, err) : s;
}

static enum od_status train_items(const struct od_train_input *input, struct od_image_writer *image,
                                  struct od_metrics *metrics, struct od_error *err)
{
    return train(&od_recipe_item_affinity, fit_items, false, input, image, metrics, err);
}

static enum od_status train_attributes(const struct od_train_input *input,
                                       struct od_image_writer *image, struct od_metrics *metrics,
                                       struct od_error *err)
{
    if (!od_affinity_has_attribute(input->training))
        return od_fail(err, OD_INVALID_INPUT,
                       "Recipe aws-item-attribute-affinity needs an Items dataset with a column "
                       "besides ITEM_ID, CREATION_TIMESTAMP and textual ones.");
    return train(&od_recipe_item_attribute_affinity, fit_attributes, true, input, image, metrics,
                 err);
}

const struct od_recipe od_recipe_item_affinity = {
    .name = "aws-item-affinity",
    .train = train_items,
    .open = od_affinity_open,
    .close = od_affinity_close,
    .items = od_affinity_items,
    .users = od_affinity_users,
    .segment = od_affinity_segment,
    .forget = od_affinity_forget,
};

const struct od_recipe od_recipe_item_attribute_affinity = {
    .name = "aws-item-attribute-affinity",
    .train = train_attributes,
    .open = od_affinity_open,
    .close = od_affinity_close,
    .items = od_affinity_items,
    .users = od_affinity_users,
    .segment = od_affinity_segment,
    .forget = od_affinity_forget,
};
