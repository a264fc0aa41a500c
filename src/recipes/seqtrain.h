/* Training of sequence networks: everything but the network itself.
 *
 * The trainer owns the item table (ids' vectors, with what the items' records say added to them),
 * cuts users' histories into windows, deals them into batches and a fixed number of parts, samples
 * negatives when the catalogue is large, steps the optimiser, asks the judges, keeps the best
 * weights and stops when they get no better. A network is the table of functions od_seq_net: it
 * turns one part's rows and item vectors into a loss and its gradients, and knows no thread.
 *
 * What one prediction sees: the events up to it, and the time it is asked for. Nothing behind
 * task->end is looked at but by the judges. Same task, plan and seed: same bytes for any number of
 * threads (parts are summed in their order).
 *
 * Memory: parameters 4 times (value, two moments, best), the table 4 times when all items are
 * candidates, else 3 times; a part's gradients OD_SEQ_PARTS times: dense parameters, and the table
 * whole (all candidates) or the touched rows. Plus 30 bytes a batch row and the networks'
 * workspaces, one a part. */
#ifndef OD_RECIPES_SEQTRAIN_H
#define OD_RECIPES_SEQTRAIN_H

#include "math/nn/optimise.h"
#include "math/nn/packed.h"
#include "recipes/features.h"
#include "recipes/part.h"

#define OD_SEQ_PARTS        4 /* of a batch: more would have too few sequences each for their products */
#define OD_SEQ_START_EVENTS 10000000u /* counted by od_seq_plan.start: seqtrain_start.c */
#define OD_SEQ_HISTORY      200       /* newest events a state is made of, in judging and serving */

/* Rows of sequences, packed step by step (math/nn/packed.h). Row r is an event the network sees and
 * the prediction that follows it. */
struct od_seq_rows {
    struct od_nn_packed packed;
    uint32_t sequences, rows;
    const uint32_t *item;   /* [rows] row of `v` of the event's item; OD_NO_CODE: unknown item */
    const int64_t *time;    /* [rows] when the event was */
    const int64_t *asked;   /* [rows] when the prediction is asked for: the next event's time */
    const uint32_t *target; /* [rows] row of `v` below candidates; OD_NO_CODE: no loss here */
    const float *weight;    /* [rows] of the loss, > 0 where there is a target, else 0 */
    const uint32_t *last;   /* [sequences] each one's last row */
    const uint32_t *user;   /* [sequences] the training set's code; OD_NO_CODE in serving */
    const float *v;         /* [v_count][width] vectors of items */
    uint32_t v_count;
    uint32_t candidates; /* the first ones are what the softmax goes over */
    const float *offset; /* [candidates] od_nn_softmax.offset; NULL when all items are candidates */
    uint64_t key;        /* for dropout: another for every part of every batch; 0: no dropout */
    const uint64_t *event; /* [rows] its place in the training set; the next one is predicted */
};

/* A network. net is its own constant description (sizes, places of its tensors). */
struct od_seq_net {
    /* Floats of workspace for so many rows and sequences, with candidates for `learn`, with none
     * for `states`. */
    size_t (*workspace)(const void *net, uint32_t rows, uint32_t sequences, uint32_t candidates);
    /* Forward, loss, backward. Adds to gradient (layout of params) and to dv [v_count][width];
     * returns the sum of weighted losses. Work is the workspace, contents undefined. */
    double (*learn)(const void *net, const struct od_nn_params *params,
                    const struct od_seq_rows *rows, float *gradient, float *dv, float *work);
    /* The state after the last row of each sequence, as items are scored by: out[sequences][width],
     * score = out . output vector of the item. target, weight, offset are not looked at. */
    void (*states)(const void *net, const struct od_nn_params *params,
                   const struct od_seq_rows *rows, float *out, float *work);
    /* Output vectors from item vectors, out may be v; NULL: they are the same. */
    void (*outputs)(const void *net, const struct od_nn_params *params, const float *v,
                    uint32_t count, float *out);
    /* The names of the rows of the one tensor that another training set may have others of; NULL,
     * or NULL returned: none. A lesson moves such rows by their names. */
    const struct od_dict *(*row_names)(const void *net, uint32_t *out_tensor);
};

/* What networks end with: the loss of the rows that have a target. h, dh [rows][width]; dh (may
 * be h) is overwritten, 0 where there is no loss; dv [candidates][width] added to. v: output
 * vectors of the candidates. Returns the sum of weighted losses. work: od_seq_loss_floats floats.
 */
size_t od_seq_loss_floats(uint32_t rows, uint32_t candidates, uint32_t width);
double od_seq_loss(const struct od_seq_rows *rows, uint32_t width, float scale, const float *v,
                   const float *h, float *dh, float *dv, float *work);

struct od_seq_plan {
    uint32_t width;            /* of item vectors and states */
    uint32_t window;           /* predictions a sequence is learnt from at once */
    uint32_t context;          /* events before them that are seen, without loss */
    uint32_t batch_rows;       /* predictions a step learns from, about */
    uint32_t candidates;       /* of a part's softmax; 0 or at least the items: all of them */
    uint32_t epochs, patience; /* at most; half epochs without a better validation NDCG */
    /* The pass that takes in held-out events, from the best weights: its epochs for each that led
     * to them, at least one in all (0: no such pass), and where its rate begins, of rate. */
    float refresh, refresh_rate;
    uint64_t most_rows; /* predictions learnt from altogether: bounds epochs; 0: any */
    enum od_nn_rule rule;
    float rate, decay, clip; /* decay: tensors that decay, never the item table */
    float fall; /* the rate is multiplied by it after each half epoch without a better NDCG */
    float last; /* over the epochs the rate falls to this share, by half a cosine; 0: it does not */
    bool bias;  /* the last entry of an item's vector starts from the logarithm of its interactions
                   over the mean: a network whose states end in 1 begins at popularity */
    bool start; /* item vectors start from the neighbourhoods in histories (seqtrain_start.c), which
                   takes seconds and 150 bytes a counted event at most; else from random numbers */
    const float *weight; /* [event_count] of predicting that event, NULL: 1 */
    /* Items from their records: vector = share n / (n + kappa) of the id's vector, n its
     * interactions, and the sum of its features' vectors. NULL: ids alone, whole. */
    const struct od_features *features; /* rows are items */
    float kappa;
    bool met_only;    /* items without an event are no alternatives: nobody chose against them */
    float id_dropout; /* chance of an item's id vector to be absent from a batch (DropoutNet) */
};

/* A plan's candidates for a catalogue: all of up to 4,096 items, else 2,048, which cost a fraction
 * of all and did not answer worse: Amazon Toys (11,925 items) HR@10 .1192 NDCG@10 .0726 against
 * .1171 .0716 of all, Beauty .1045 .0619 against .1048 .0610, Sports .0678 .0390 against .0675
 * .0386, in a half to a third of the time; 4,096 gave Sports .0680 .0390. */
uint32_t od_seq_candidates(uint32_t items);

/* What training gives. */
struct od_seq_model {
    struct od_nn_params params; /* the network's */
    float *table;               /* [items][width] ids' vectors */
    float *columns;             /* [features->columns][width], NULL without features */
    uint32_t items, width, column_count;
    double ndcg;     /* of the best weights on the judges, NAN when nobody judged */
    uint32_t epochs; /* until the best */
};
void od_seq_model_done(struct od_seq_model *model);

/* Trains. params: the network's tensors, initialised by the caller, owned by the model afterwards
 * (freed when this fails). The table starts from normals of deviation 1 / sqrt(width).
 *
 * With task->judge_count 0 and no lesson, the newest events of some users are held out, judged by,
 * and learnt from in the refreshing pass at the end. With a lesson, the weights are taken from it
 * (rows of items and features by their names; new ones start afresh) and refreshed. With judges,
 * the best weights are the result. The lesson appended to out_lesson (NULL: not asked) holds them.
 *
 * OD_INVALID_INPUT when no user has two events; OD_STOPPED when the progress says so. */
enum od_status od_seq_train(const struct od_part_task *task, const struct od_seq_plan *plan,
                            const struct od_seq_net *functions, const void *net,
                            struct od_nn_params *params, struct od_seq_model *out,
                            struct od_buf *out_lesson, struct od_error *err) OD_MUST_USE;

/* The vectors of all items as the network sees them outside training: out[items][width]. seen:
 * [items] interactions, NULL: as if none had any, so from the records alone. */
void od_seq_vectors(const struct od_seq_model *model, const struct od_seq_plan *plan,
                    const uint32_t *seen, float *out);

#endif
