/* The recurrent network as a part of models: fitted, written, opened, asked.
 *
 * Used by od_part_gru (ids alone) and by the three HRNN recipes, which also give it records. */
#ifndef OD_RECIPES_GRU_MODEL_H
#define OD_RECIPES_GRU_MODEL_H

#include "recipes/gru_net.h"
#include "recipes/part.h"

/* What a recipe asks of a fit. */
struct od_gru_wish {
    uint32_t hidden_dimension, bptt;
    bool recency;                            /* predictions weigh by age */
    const struct od_features *items, *users; /* NULL: records are not used */
    bool cold; /* ids are dropped while learning, so that records alone can speak for an item */
};
/* By the hyperparameters of the recipe; those it has not: 128, 32, true. */
struct od_gru_wish od_gru_wish_of(const struct od_train_input *input);

/* Adds the sections gru, gru.params, gru.in, gru.out and, with users, gru.person.* to image. */
enum od_status od_gru_fit(const struct od_part_task *task, const struct od_gru_wish *wish,
                          struct od_image_writer *image, struct od_buf *out_lesson,
                          struct od_error *err) OD_MUST_USE;

struct od_gru_model;
enum od_status od_gru_open(const struct od_image *image, uint32_t item_count,
                           struct od_gru_model **out, struct od_error *err) OD_MUST_USE;
void od_gru_close(struct od_gru_model *model);
/* As od_part.score. */
enum od_status od_gru_score(const struct od_gru_model *model, const struct od_query *query,
                            struct od_arena *scratch, float *scores, bool *out_personal,
                            struct od_error *err) OD_MUST_USE;

#endif
