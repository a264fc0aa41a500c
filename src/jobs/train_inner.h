/* What the files of a training job share: train.c (the order of things), train_inputs.c (segments
 * to training sets and tables), train_check.c (enough to learn from?), train_search.c
 * (tuning), train_write.c (the files), card.h (the model card). */
#ifndef OD_JOBS_TRAIN_INNER_H
#define OD_JOBS_TRAIN_INNER_H

#include "jobs/train.h"

struct od_card_point;
/* A learning curve; see card.h. */
struct od_card_curve {
    struct od_card_point *points; /* [OD_CARD_POINTS] in the run's arena; NULL: nothing told yet */
    size_t count;
};

/* Shares of the progress bar. */
#define OD_SHARE_READING  0.10
#define OD_SHARE_TRAINING 0.88

struct od_run {
    const struct od_io *io;
    const struct od_json *spec;
    const struct od_progress *progress;
    struct od_arena arena; /* schemas, parameters: as long as the run */
    const struct od_recipe *recipe;
    const struct od_recipe_spec *recipe_spec;
    struct od_param_value *params;
    struct od_training_builder *builder; /* of what is being read */
    struct od_training *training;
    struct od_training *actions; /* action interactions; NULL: no such dataset */
    struct od_table *items, *users, *action_table;
    struct od_table *filling; /* the table being read */
    double told;              /* the bar never goes back */
    struct od_card_curve curve;
    struct od_str without_dataset, without_field; /* left out of what is read; absent: nothing */
    struct od_io_map external;   /* the file of an external model; ptr NULL: none */
    double done;                 /* of the training's part of the bar, before what comes next */
    struct od_str objective;     /* JSON: what it weighs and costs; absent: none */
    struct od_str tuned, search; /* JSON: values found, and how; absent: nothing was searched */
    uint64_t memory_bytes;
    struct od_error *err;
};

/* OD_STOPPED when nobody listens any more. */
enum od_status od_run_report(struct od_run *run, double fraction, const char *stage) OD_MUST_USE;

/* Reads every dataset the spec names. What is read is the run's: od_run_free_inputs. */
enum od_status od_run_read_inputs(struct od_run *run) OD_MUST_USE;
void od_run_free_inputs(struct od_run *run);
/* The table of "ITEMS" or "USERS" once more, without a field. */
enum od_status od_run_read_without(struct od_run *run, const char *dataset, struct od_str field,
                                   struct od_table **out) OD_MUST_USE;

/* The minimums of data.md section 8 and what the recipe cannot do without (recipes.md section 1),
 * with the texts of errors.md section 5. */
enum od_status od_run_check_inputs(struct od_run *run) OD_MUST_USE;

/* The image as a temporary file; then its card and itself in their places, or neither. */
enum od_status od_run_write_image(struct od_run *run, struct od_image_writer *image) OD_MUST_USE;
enum od_status od_run_publish(struct od_run *run, const struct od_buf *card) OD_MUST_USE;
void od_run_discard(struct od_run *run);

/* "update" of the spec: the image of a trained version brought up to date (train_update.c). */
enum od_status od_run_update(struct od_run *run, const struct od_train_input *input,
                             struct od_metrics *metrics) OD_MUST_USE;

/* Searches as "hpo" and "automl" of the spec ask: run->recipe, recipe_spec and params become the
 * best found. input: the training set and the rest of what the recipe will be given. */
enum od_status od_run_search(struct od_run *run, const struct od_train_input *input) OD_MUST_USE;
/* Values that an earlier search found ("tuned" of the spec) take their parameters' places. */
enum od_status od_run_take_tuned(struct od_run *run) OD_MUST_USE;

#endif
