/* What a LinAR image holds (linar_model.c has the list of sections) and how it scores. */
#ifndef OD_RECIPES_LINAR_MODEL_H
#define OD_RECIPES_LINAR_MODEL_H

#include "recipes/linar_fit.h"

/* Section "linar" or "far": what the rest is read by. Little-endian, no padding. */
struct od_linar_header {
    uint32_t version; /* OD_LINAR_VERSION */
    uint32_t items, kernels, window;
    uint32_t head, dense_solve; /* how it was made: for show and tests */
    float gamma[OD_LINAR_KERNELS];
    float lambda, alpha, ridge_scale;
    uint32_t keep, least_count, fade, rest;
};
#define OD_LINAR_VERSION 2

struct od_linar_model; /* opened sections: immutable, shared by threads */

/* Writes all sections of a fit but the items, under the name of the part (prefix); the fit can only
 * be freed afterwards. popularity[item]: interactions of the item. */
enum od_status od_linar_write(struct od_linar_fit *fit, const char *prefix, uint32_t window,
                              const uint64_t *popularity,
                              struct od_image_writer *image) OD_MUST_USE;

/* item_count: of the image's dictionary. The image stays mapped as long as the model is open. */
enum od_status od_linar_open(const struct od_image *image, const char *prefix, uint32_t item_count,
                             struct od_linar_model **out, struct od_error *err) OD_MUST_USE;
void od_linar_close(struct od_linar_model *model);
const struct od_linar_header *od_linar_header_of(const struct od_linar_model *model);
/* scores[item]: about the probability that the item is next, for positive ones times a power of its
 * popularity; 0 or less: no evidence, or evidence against it. *out_personal false, and no scores,
 * when no event of the query says anything. Thread-safe. */
enum od_status od_linar_score(const struct od_linar_model *model, const struct od_query *query,
                              struct od_arena *scratch, float *scores, bool *out_personal,
                              struct od_error *err) OD_MUST_USE;

#endif
