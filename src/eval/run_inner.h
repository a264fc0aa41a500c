/* A running evaluation. Internal to run*.c. */
#ifndef OD_EVAL_RUN_INNER_H
#define OD_EVAL_RUN_INNER_H

#include "eval/run.h"
#include "recipes/metrics.h"

/* Of every question so far. */
struct od_eval_questions {
    uint32_t *groups; /* bits, 1 << enum od_exam_group */
    uint32_t *user;   /* code of the full set, OD_NO_CODE: nobody in particular */
};

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

/* Protocol segment (run_segments.c). The questions are freed by the caller, with free. */
enum od_status od_eval_segments(struct od_eval *run, struct od_eval_questions *out,
                                struct od_error *err) OD_MUST_USE;

#endif
