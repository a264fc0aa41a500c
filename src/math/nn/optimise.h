/* From gradients to parameters: schedules, clipping, Adam over everything or over touched rows.
 *
 * A batch is cut into parts whose number does not depend on the threads; each part adds its
 * gradients to a buffer of its own, and od_nn_step sums the buffers in part order. So a step has
 * the same bytes for any number of threads. */
#ifndef OD_MATH_OPTIMISE_H
#define OD_MATH_OPTIMISE_H

#include "base/error.h"
#include "math/nn/params.h"
#include "math/nn/vector.h"

/* Adam's numbers for step t (from 1). */
struct od_nn_adam od_nn_adam_at(float rate, float beta1, float beta2, float decay, uint64_t t);

/* The learning rate of step t (from 0) of `steps`: grows linearly over the first warm steps, then
 * falls from 1 to `last` by half a cosine (Loshchilov, Hutter 2017, eq. 5). A factor. */
float od_nn_cosine(uint64_t t, uint64_t steps, uint64_t warm, float last);

enum od_nn_rule { OD_NN_ADAM, OD_NN_ADAGRAD };

/* Moments of a parameter table. */
struct od_nn_state {
    float *first, *second; /* layout of the parameters; Adagrad has no first */
    uint64_t steps;        /* taken so far */
};
enum od_status od_nn_state_init(struct od_nn_state *state, const struct od_nn_params *params,
                                enum od_nn_rule rule) OD_MUST_USE;
void od_nn_state_done(struct od_nn_state *state);

/* gradients[0] += the others, in order; the others become zero. All of params' size. What
 * od_nn_step does first; apart for those who want to see the sum. */
enum od_status od_nn_sum(const struct od_nn_params *params, float *const *gradients, uint32_t parts,
                         unsigned threads) OD_MUST_USE;

struct od_nn_step {
    enum od_nn_rule rule;
    float rate, beta1, beta2, decay; /* betas: Adam */
    float scale;                     /* gradients are multiplied by it: 1 / sum of weights */
    float clip;                      /* longest gradient (2-norm, after scale), 0: any */
    unsigned threads;
};
/* Sums gradients[0..parts) in that order, clips, steps, and leaves every buffer zero. A gradient
 * that is not finite changes nothing but the buffers: *out_norm (the length before clipping) tells.
 * Thread-safe towards nobody: the caller owns all of it. */
enum od_status od_nn_step(struct od_nn_params *params, struct od_nn_state *state,
                          float *const *gradients, uint32_t parts, const struct od_nn_step *step,
                          double *out_norm) OD_MUST_USE;

/* --- tables of many rows, of which a batch touches few --- */
/* Adam whose second moment is one number a row (the mean of the row's squares), and which moves
 * only rows that have a gradient; bias is corrected by each row's own count of steps. */
struct od_nn_rows {
    float *w, *first; /* [rows][width] */
    float *second;    /* [rows] */
    uint32_t *count;  /* [rows] steps taken */
    uint32_t rows, width;
};
/* Steps row[i] by gradient[i][width], i < touched; rows distinct. step->clip is not applied. A row
 * whose gradient is not finite stays as it is. */
void od_nn_rows_step(const struct od_nn_rows *table, const uint32_t *row, const float *gradient,
                     size_t touched, const struct od_nn_step *step);

#endif
