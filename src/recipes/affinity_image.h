/* The sections of an affinity model, written by training and read by affinity_model.c. */
#ifndef OD_RECIPES_AFFINITY_IMAGE_H
#define OD_RECIPES_AFFINITY_IMAGE_H

#include "recipes/affinity.h"

/* "affinity.about" */
struct od_affinity_about {
    uint32_t dim, width;
    float weight[OD_AFFINITY_GROUPS][OD_AFFINITY_PARTS]; /* that of LINEAR over its mass */
};

/* Adds "items", "users" and the sections "affinity.*" (docs/formats/image.md). rates: [users]. */
enum od_status od_affinity_image_write(const struct od_train_input *input,
                                       const struct od_affinity_parts *parts,
                                       const struct od_affinity_catalogue *catalogue,
                                       const struct od_affinity_mix *mix, const float *rates,
                                       struct od_image_writer *image,
                                       struct od_error *err) OD_MUST_USE;

#endif
