/* Recurrences over sequences of different lengths, packed step by step without padding.
 *
 * Sequences are ordered by falling length, so those still running at step t are the first
 * at[t+1] - at[t] of them, and their rows lie together: row at[t] + s of a packed array belongs to
 * sequence s at step t, and its predecessor is row at[t-1] + s. A recurrence then is one product or
 * one loop a step over all running sequences. Ways back follow layers.h: gradients of parameters
 * are added to. Single-threaded; the caller owns every array. */
#ifndef OD_MATH_PACKED_H
#define OD_MATH_PACKED_H

#include <stddef.h>
#include <stdint.h>

struct od_nn_packed {
    uint32_t steps;
    const uint32_t *at; /* [steps + 1], at[0] = 0; at[t+1] - at[t] does not grow with t */
};
/* Lays out sequences of falling lengths, each at least 1: at has room for length[0] + 1. */
struct od_nn_packed od_nn_pack(const uint32_t *length, uint32_t sequences, uint32_t *at);

/* --- linear recurrence, per channel: h_t = a_t h_(t-1) + b_t, h before the start 0 ---
 * All arrays [rows][channels]. a may depend on time gaps, or on anything. h may be b. */
void od_nn_scan(float *h, const float *a, const float *b, const struct od_nn_packed *packed,
                size_t channels);
/* In: dh, what the outputs ask for. Out: dh, the whole gradient of each h, which is db as well;
 * da overwritten (0 at step 0). */
void od_nn_scan_back(float *da, float *dh, const float *a, const float *h,
                     const struct od_nn_packed *packed, size_t channels);

/* --- gated recurrent unit, the formula of vector.h --- */
struct od_nn_gru {
    uint32_t in, width;
    const float *w;      /* [3 width][in]: r, z, n */
    const float *u;      /* [3 width][width] */
    const float *bias_x; /* [3 width] */
    const float *bias_u; /* [3 width] */
};
struct od_nn_gru_grad {
    float *w, *u, *bias_x, *bias_u;
};
/* The input's share of the gates, for any number of rows at once: xw[rows][3 width]. */
void od_nn_gru_inputs(const struct od_nn_gru *gru, float *xw, const float *x, size_t rows);
/* One step of some rows: out[rows][width] from before[rows][width]; kept[rows][4 width].
 * hu[rows][3 width] is scratch. out may be before. */
void od_nn_gru_step(const struct od_nn_gru *gru, float *out, float *kept, const float *xw,
                    const float *before, float *hu, size_t rows);
/* Its way back: dxw, dhu [rows][3 width] and dbefore [rows][width] overwritten; dbefore may be
 * dout. Gradients of parameters: od_nn_gru_collect, once for all rows of all steps. */
void od_nn_gru_step_back(const struct od_nn_gru *gru, float *dxw, float *dhu, float *dbefore,
                         const float *dout, const float *kept, const float *before, size_t rows);
/* Adds to grad from rows of inputs x, states before, and the gradients of both products; dx (may be
 * NULL) is overwritten, or added to when add_dx. */
void od_nn_gru_collect(const struct od_nn_gru *gru, const struct od_nn_gru_grad *grad, float *dx,
                       int add_dx, const float *dxw, const float *dhu, const float *x,
                       const float *before, size_t rows);

/* A whole packed sequence from states of zero. out [rows][width], before [rows][width] (the state
 * each row began with), kept [rows][4 width] and xw [rows][3 width] are filled for the way back;
 * hu: scratch [sequences][3 width]. */
void od_nn_gru_run(const struct od_nn_gru *gru, const struct od_nn_packed *packed, const float *x,
                   float *out, float *before, float *kept, float *xw, float *hu);
/* dout [rows][width] is what the outputs ask for, spoilt afterwards; nothing goes from a step t
 * that is a multiple of truncate to the step before (0: the whole way). dxw, dhu: scratch [rows][3
 * width] each. dx as in od_nn_gru_collect, overwritten, NULL: not asked.
 */
void od_nn_gru_run_back(const struct od_nn_gru *gru, const struct od_nn_gru_grad *grad,
                        const struct od_nn_packed *packed, uint32_t truncate, const float *x,
                        const float *before, const float *kept, float *dout, float *dx, float *dxw,
                        float *dhu);

#endif
