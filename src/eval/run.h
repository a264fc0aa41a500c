/* A whole evaluation: recipes and baselines through a protocol, figures with intervals and costs.
 *
 * Every recipe trains on the same exams. The first two (or three) rows of a result are baselines:
 * popularity of all time, popularity of the last 7 days, and chance where the protocol has it. For
 * protocol segment popularity is that of users: the most active ones. */
#ifndef OD_EVAL_RUN_H
#define OD_EVAL_RUN_H

#include "eval/bootstrap.h"
#include "eval/cost.h"
#include "eval/protocol.h"

#define OD_EVAL_RECIPES   32  /* recipes and parameter sets of one evaluation */
#define OD_EVAL_PARAMS    40  /* of one recipe */
#define OD_EVAL_BASELINES 3   /* rows of baselines at most */
#define OD_EVAL_EVER      0   /* row of popularity of all time */
#define OD_EVAL_LATELY    1   /* row of popularity of the last 7 days */
#define OD_EVAL_PARALLEL  256 /* most threads */

struct od_eval_recipe {
    const struct od_recipe *recipe;
    const struct od_recipe_spec *spec;
    struct od_param_value params[OD_EVAL_PARAMS]; /* spec->param_count of them */
    char given[512];        /* "name=value name=value", what differs from the defaults; "" */
    struct od_str external; /* the bytes of the file that parameter location names, or absent */
};

struct od_eval_plan {
    const struct od_protocol *protocol;
    struct od_protocol_input input;
    const struct od_eval_recipe *recipes;
    size_t recipe_count;
    uint64_t records; /* hash of the files of items and users, 0: none; for the report */
    unsigned threads;
    uint64_t memory_bytes; /* what a recipe may use; 0: no limit */
    const struct od_io *io;
    const char *image_path; /* each trained model is written there, over the one before; or NULL */
    /* May be NULL. Told what happens now; another status than OD_OK stops. */
    enum od_status (*say)(void *context, const char *who, double fraction, const char *stage);
    void *say_context;
};

/* One figure: a metric over a kind of lists and a group of questions. */
struct od_eval_figure {
    enum od_list_variant variant;
    enum od_exam_group group;
    const struct od_list_metric *metric;
    struct od_interval value, above; /* above: minus popularity of the last 7 days; NAN for it */
    double times; /* value over that of popularity of all time; NAN when that is 0 */
};
struct od_eval_row {
    const char *name;                    /* "aws-sims", "popularity of all time" */
    const struct od_eval_recipe *recipe; /* NULL: a baseline */
    struct od_answers answers;
    struct od_cost fit;   /* of one fold: the mean, of memory the most */
    uint64_t image_bytes; /* of the last fold */
    struct od_eval_figure *figures;
    size_t figure_count; /* the same for every row */
};
struct od_eval_result {
    const struct od_eval_plan *plan;
    struct od_eval_row *rows;
    size_t row_count;
    uint32_t folds;
    uint32_t catalogue;                    /* items */
    uint64_t train_events;                 /* of the last fold */
    uint32_t questions, possible, skipped; /* over all folds */
    uint64_t relevant;                     /* relevant items over all questions */
    uint64_t cold_relevant;                /* those without an event in the training part */
};

/* plan must outlive the result. out is zeroed on failure. */
enum od_status od_eval_run(const struct od_eval_plan *plan, struct od_eval_result *out,
                           struct od_error *err) OD_MUST_USE;
void od_eval_done(struct od_eval_result *result);

const char *od_list_variant_name(enum od_list_variant variant); /* "raw", "past_removed" */
const char *od_exam_group_name(enum od_exam_group group);       /* "all", "known_users", ... */

#endif
