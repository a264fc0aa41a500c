/* What a LinAR image holds (linar_model.c has the list of sections) and how it scores. */
#ifndef OD_RECIPES_LINAR_MODEL_H
#define OD_RECIPES_LINAR_MODEL_H

#include "recipes/linar_fit.h"

/* Section "linar": what the rest is read by. Little-endian, no padding. */
struct od_linar_header {
    uint32_t version; /* OD_LINAR_VERSION */
    uint32_t items, kernels, window;
    uint32_t head, dense_solve; /* how it was made: for show and tests */
    float gamma[OD_LINAR_KERNELS];
    float lambda, alpha, temperature, ridge_scale;
    uint32_t keep, least_count, fade, rest;
};
#define OD_LINAR_VERSION 1

/* Writes all sections of a fit but the items; the fit can only be freed afterwards.
 * popularity[item]: interactions of the item. */
enum od_status od_linar_write(struct od_linar_fit *fit, uint32_t window, float temperature,
                              const uint64_t *popularity,
                              struct od_image_writer *image) OD_MUST_USE;

enum od_status od_linar_open(const struct od_image *image, struct od_model **out,
                             struct od_error *err);
void od_linar_close(struct od_model *model);
const struct od_image_dict *od_linar_items(const struct od_model *model);
const struct od_linar_header *od_linar_header_of(const struct od_model *model);
enum od_status od_linar_score(const struct od_model *model, const struct od_query *query,
                              struct od_arena *scratch, float *scores, bool *out_personal,
                              struct od_error *err);
float od_linar_temperature(const struct od_model *model);

#endif
