/* aws-hrnn, aws-hrnn-metadata and aws-hrnn-coldstart. Internal to hrnn*.c. */
#ifndef OD_RECIPES_HRNN_H
#define OD_RECIPES_HRNN_H

#include "recipes/recipe.h"

enum od_hrnn_kind { OD_HRNN_PLAIN, OD_HRNN_METADATA, OD_HRNN_COLDSTART };

#define OD_HRNN_VERSION 1u
struct od_hrnn_header {
    uint32_t version, items, cold_items, unused; /* cold_items: 0 unless coldstart */
    float temperature, unused2;
};

enum od_status od_hrnn_train(const struct od_recipe *recipe, enum od_hrnn_kind kind,
                             const struct od_train_input *input, struct od_image_writer *image,
                             struct od_metrics *metrics, struct od_error *err) OD_MUST_USE;

#endif
