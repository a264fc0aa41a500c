/* One step of training. Internal to seqtrain_*.c. */
#ifndef OD_RECIPES_SEQTRAIN_BATCH_H
#define OD_RECIPES_SEQTRAIN_BATCH_H

#include "recipes/seqtrain_inner.h"

/* What one part of a batch works with; it keeps its memory from batch to batch. */
struct od_seq_part {
    struct od_seq_block block;
    const struct od_seq_window **list; /* its windows, by falling length */
    uint32_t count;
    float *gradient; /* of the network's parameters */
    float *dv;       /* of item vectors: of all items, or of the local rows */
    float *v;        /* local rows, only where not all items are candidates */
    uint32_t *local; /* the item of each local row */
    float *offset;   /* [candidates] */
    uint32_t *place; /* [items] OD_NN_NO_ROW between batches */
    float *work;
    size_t work_room;
    double loss;
};

struct od_seq_batch {
    const struct od_training *training;
    const struct od_seq_net *functions;
    const void *net;
    struct od_nn_params *params;
    struct od_nn_state *state; /* the caller's */
    struct od_seq_items *items;
    unsigned threads;
    uint64_t key; /* of the batch at work */
    struct od_seq_part part[OD_SEQ_PARTS];
    const struct od_seq_window **list;
    uint32_t *merged, *merged_place; /* touched items, their places */
    float *merged_gradient;
};
enum od_status od_seq_batch_init(struct od_seq_batch *batch, const struct od_training *training,
                                 const struct od_seq_net *functions, const void *net,
                                 struct od_nn_params *params, struct od_seq_items *items,
                                 unsigned threads) OD_MUST_USE;
void od_seq_batch_done(struct od_seq_batch *batch);
/* Forgets all moments. */
void od_seq_batch_fresh(struct od_seq_batch *batch);
/* Learns from some windows. key: of this batch alone. step: rule, rate, betas, decay, clip. */
enum od_status od_seq_batch_step(struct od_seq_batch *batch, const struct od_seq_window *windows,
                                 size_t count, uint64_t key, const struct od_nn_step *step,
                                 double *out_loss, double *out_weight) OD_MUST_USE;

#endif
