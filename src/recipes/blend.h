/* A recipe's model as a blend of parts (part.h): Tier 2.
 *
 * An item's score is a sum of what each serving part says of it, of how it lies in the user's own
 * history, and of how popular it is and has been lately; the few weights are fitted on held-out
 * events (blend_fit.c). It is a logit: softmax(score / temperature) is the probability that the
 * item comes next. Without a usable event the answer is popularity.
 *
 * Pieces: blend_parts (which parts a recipe has), blend_judges (held-out events), blend_sample and
 * blend_fit (choosing and weighing), blend_recent, blend_model (image and scoring), blend_heat
 * (temperature), blend_train (all of it in order). */
#ifndef OD_RECIPES_BLEND_H
#define OD_RECIPES_BLEND_H

#include "recipes/part.h"

/* The parts tried for a recipe, NULL-terminated; NULL for a recipe without any. */
const struct od_part *const *od_blend_parts(struct od_str recipe);
/* Those of any such recipe for data without an order (unordered.h). */
const struct od_part *const *od_blend_orderless(void);

/* od_recipe.train of such a recipe. */
enum od_status od_blend_train(const struct od_train_input *input, struct od_image_writer *image,
                              struct od_metrics *metrics, struct od_error *err) OD_MUST_USE;
/* The same with some of the recipe's parts alone, NULL-terminated. */
enum od_status od_blend_train_parts(const struct od_part *const *parts,
                                    const struct od_train_input *input,
                                    struct od_image_writer *image, struct od_metrics *metrics,
                                    struct od_error *err) OD_MUST_USE;

enum od_status od_blend_open(const struct od_image *image, struct od_model **out,
                             struct od_error *err);
void od_blend_close(struct od_model *model);
const struct od_image_dict *od_blend_items(const struct od_model *model);
enum od_status od_blend_score(const struct od_model *model, const struct od_query *query,
                              struct od_arena *scratch, float *scores, bool *out_personal,
                              struct od_error *err);
/* od_recipe.explain: parts, popularity of all time and lately, and the user's own past with the
 * item.
 */
enum od_status od_blend_explain(const struct od_model *model, const struct od_query *query,
                                const uint32_t *item, uint32_t item_count, struct od_arena *scratch,
                                float *scores, struct od_score_terms *out, struct od_error *err);
float od_blend_temperature(const struct od_model *model);

/* A recipe that is such a blend and nothing more. */
#define OD_BLEND_RECIPE(recipe)                                                                    \
    {                                                                                              \
        .name = recipe, .train = od_blend_train, .open = od_blend_open, .close = od_blend_close,   \
        .items = od_blend_items, .score = od_blend_score, .temperature = od_blend_temperature,     \
        .explain = od_blend_explain,                                                               \
    }

/* Which parts serve, with what weights, and what held-out events said, in lines for people. False,
 * and nothing added, when the image has no blend. */
bool od_blend_describe(const struct od_image *image, struct od_buf *out);

#endif
