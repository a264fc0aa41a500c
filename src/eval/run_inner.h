/* A running evaluation. Internal to run*.c. */
#ifndef OD_EVAL_RUN_INNER_H
#define OD_EVAL_RUN_INNER_H

#include "eval/run.h"
#include "recipes/metrics.h"

struct od_eval {
    const struct od_eval_plan *plan;
    struct od_eval_result *result;
    struct od_asking asking;
    const struct od_eval_row *row; /* that trains now */
};

/* Trains the row's recipe into memory and adds up what it cost. */
enum od_status od_eval_train(struct od_eval *run, const struct od_training *training,
                             struct od_eval_row *row, struct od_memory_model *out,
                             struct od_error *err) OD_MUST_USE;

/* Protocol segment (run_segments.c). *out_groups, one a question, is freed with free. */
enum od_status od_eval_segments(struct od_eval *run, uint32_t **out_groups,
                                struct od_error *err) OD_MUST_USE;

#endif
