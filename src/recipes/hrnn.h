/* aws-hrnn, aws-hrnn-metadata and aws-hrnn-coldstart. Internal to hrnn*.c. */
#ifndef OD_RECIPES_HRNN_H
#define OD_RECIPES_HRNN_H

#include "recipes/taste.h"

enum od_hrnn_kind { OD_HRNN_PLAIN, OD_HRNN_METADATA, OD_HRNN_COLDSTART };

/* What scores a cold item, planes that hrnn_mix.h weighs: the network; od_taste_score's always and
 * lately. */
enum { OD_HRNN_NETWORK, OD_HRNN_ALWAYS, OD_HRNN_LATELY, OD_HRNN_VOICES };

#define OD_HRNN_VERSION 3u
struct od_hrnn_header {
    uint32_t version, items, cold_items; /* cold_items: 0 unless coldstart */
    float tilt; /* with section setting newcomers get popular * rate^tilt; else 0 */
    float temperature;
    float mix[OD_HRNN_VOICES]; /* of coldstart with section taste; else the network alone */
};
/* As a model in memory is asked before its mix is known. */
void od_hrnn_set_mix(struct od_model *model, const float *mix);

/* Rates of who asks (part.h); false: records and context say nothing. */
bool od_hrnn_rates(const struct od_model *model, const struct od_query *query, float *out);

/* What a cold item is scored by, and how far newcomers' records tilt their answer, in lines for
 * people. False, and nothing added, where there is neither. */
bool od_hrnn_describe(const struct od_image *image, struct od_buf *out);

/* Whether the data have as many cold items as aws-hrnn-coldstart needs (od_recipe.check). */
enum od_status od_hrnn_check_cold(const struct od_train_input *input,
                                  struct od_error *err) OD_MUST_USE;
enum od_status od_hrnn_train(const struct od_recipe *recipe, enum od_hrnn_kind kind,
                             const struct od_train_input *input, struct od_image_writer *image,
                             struct od_metrics *metrics, struct od_error *err) OD_MUST_USE;

#endif
