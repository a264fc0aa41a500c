/* What the trainer's files share. Internal to seqtrain_*.c. */
#ifndef OD_RECIPES_SEQTRAIN_INNER_H
#define OD_RECIPES_SEQTRAIN_INNER_H

#include "recipes/seqtrain.h"

/* --- windows and batches: seqtrain_rows.c --- */

/* Inputs are the events [from, to); event e predicts e + 1 where e >= learn. */
struct od_seq_window {
    uint64_t from, learn, to;
    uint32_t user;
};
struct od_seq_windows {
    struct od_seq_window *list;
    size_t count;
    uint64_t predictions;
};
/* The windows of an epoch, shuffled; which predictions share one changes from epoch to epoch. */
enum od_status od_seq_windows_make(const struct od_training *training, const uint64_t *end,
                                   const struct od_seq_plan *plan, uint64_t seed, uint64_t epoch,
                                   struct od_seq_windows *out) OD_MUST_USE;
void od_seq_windows_done(struct od_seq_windows *windows);

/* The rows of some windows, in memory of their own that grows as asked. */
struct od_seq_block {
    struct od_seq_rows rows;
    uint32_t *at, *length, *item, *target, *last, *user;
    int64_t *time, *asked;
    uint64_t *event;
    float *weight;
    size_t row_room, sequence_room, step_room;
    double weights;   /* sum of weight */
    uint32_t targets; /* rows that have one */
};
/* list: windows by falling length. item and target are codes of the training set. weight NULL: 1.
 */
enum od_status od_seq_block_fill(struct od_seq_block *block, const struct od_training *training,
                                 const struct od_seq_window *const *list, uint32_t count,
                                 const float *weight) OD_MUST_USE;
void od_seq_block_done(struct od_seq_block *block);

/* --- the item table: seqtrain_items.c --- */

#define OD_SEQ_ABSENT (-200.0f) /* e to that is no part of a sum */

struct od_seq_items {
    const struct od_seq_plan *plan;
    uint32_t count, width, column_count;
    bool all;   /* every item is a candidate of every part */
    bool mixed; /* vectors differ from the table's rows: features or dropout */
    struct od_nn_params table, columns;
    struct od_nn_state table_state, column_state; /* table_state: only where all */
    float *first, *second;                        /* moments of rows, only where not all */
    uint32_t *steps;
    float *share;     /* [count] n / (n + kappa), 1 without features */
    bool *met;        /* [count] there are events of it */
    float *frequency; /* [count] of all targets, for sampling */
    float *v;         /* [count][width] where all and mixed */
    float *absent;    /* [count] od_nn_softmax.offset of items not met; NULL unless met_only */
    float *column_gradient;
};
enum od_status od_seq_items_init(struct od_seq_items *items, const struct od_training *training,
                                 const uint64_t *end, const struct od_seq_plan *plan,
                                 uint64_t seed) OD_MUST_USE;
void od_seq_items_done(struct od_seq_items *items);
/* Replaces the random vectors by those of seqtrain_start.c (the bias and columns stay). Of input it
 * goes by the training set, seed, threads and memory. */
enum od_status od_seq_items_start(struct od_seq_items *items, const struct od_train_input *input,
                                  const uint64_t *end, struct od_error *err) OD_MUST_USE;
/* Vectors of rows row[0..count) (NULL: 0, 1, ...), ids dropped by key (0: none). */
void od_seq_items_mix(const struct od_seq_items *items, const uint32_t *row, uint32_t count,
                      uint64_t key, float *out);
/* All of them on all cores. */
enum od_status od_seq_items_mix_all(const struct od_seq_items *items, uint64_t key,
                                    unsigned threads, float *out) OD_MUST_USE;
/* dv [count][width] of those rows becomes the gradient of the table's rows; the columns' is added
 * to items->column_gradient. */
void od_seq_items_unmix(struct od_seq_items *items, const uint32_t *row, uint32_t count,
                        uint64_t key, float *dv);

/* --- judging: seqtrain_judge.c --- */
struct od_seq_judging {
    const struct od_training *training;
    const struct od_judge *judges;
    size_t count;
    const struct od_seq_net *functions;
    const void *net;
    unsigned threads;
};
/* Mean NDCG@10 of the judges' events, ranked among all items. */
enum od_status od_seq_judge(const struct od_seq_judging *judging, const struct od_nn_params *params,
                            const struct od_seq_items *items, double *out) OD_MUST_USE;

/* --- lessons: seqtrain_lesson.c --- */
struct od_seq_names {
    const struct od_dict *items;
    const struct od_dict *columns; /* NULL without features */
    const struct od_dict *rows;    /* of the network's tensor `tensor`; NULL: none of its own */
    uint32_t tensor;
};
void od_seq_lesson_write(const struct od_nn_params *params, const struct od_seq_items *items,
                         const struct od_seq_names *names, uint32_t epochs, double ndcg,
                         struct od_buf *out);
/* OD_CORRUPT when it is not this network's. */
enum od_status od_seq_lesson_read(struct od_str lesson, struct od_nn_params *params,
                                  struct od_seq_items *items, const struct od_seq_names *names,
                                  uint32_t *out_epochs, double *out_ndcg,
                                  struct od_error *err) OD_MUST_USE;

#endif
