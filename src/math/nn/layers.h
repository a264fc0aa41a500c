/* Layers as plain functions over row-major float arrays: a way forward and a way back each.
 *
 * A layer keeps nothing and knows no thread; the caller owns every array. In a way back, gradients
 * of parameters (dw, dbias, dgain, dtable) are added to, those of inputs (dx) overwritten, unless
 * said otherwise; where dx may be dy, it says so. rows is the number of tokens. Products go through
 * single-threaded BLAS (od_math_init). */
#ifndef OD_MATH_LAYERS_H
#define OD_MATH_LAYERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* --- linear: y[rows][out] = x[rows][in] w' + bias; w[out][in]; bias[out] or NULL --- */
void od_nn_linear(float *y, const float *x, const float *w, const float *bias, size_t rows,
                  size_t in, size_t out);
/* dx = dy w (added when add_dx), dw += dy' x, dbias += column sums; dx, dw, dbias may be NULL. */
void od_nn_linear_back(float *dx, bool add_dx, float *dw, float *dbias, const float *dy,
                       const float *x, const float *w, size_t rows, size_t in, size_t out);

/* --- embeddings: row r of y is row index[r] of table; OD_NN_NO_ROW: zeros, and no gradient --- */
#define OD_NN_NO_ROW UINT32_MAX
void od_nn_gather(float *y, const float *table, const uint32_t *index, size_t rows, size_t width);
void od_nn_scatter_add(float *dtable, const float *dy, const uint32_t *index, size_t rows,
                       size_t width);

/* --- RMSNorm (Zhang, Sennrich 2019, eq. 4): y = gain x / sqrt(mean x^2 + epsilon) --- */
#define OD_NN_NORM_EPSILON 1e-6f
/* inverse[rows]: the factors, kept for the way back. y may be x when nobody needs x. */
void od_nn_rms_norm(float *y, float *inverse, const float *x, const float *gain, size_t rows,
                    size_t width);
/* dx may be dy. add_dx: added to, then dx must not be dy. */
void od_nn_rms_norm_back(float *dx, bool add_dx, float *dgain, const float *dy, const float *x,
                         const float *inverse, const float *gain, size_t rows, size_t width);

/* --- LayerNorm (Ba, Kiros, Hinton 2016): y = gain (x - mean) inverse + bias --- */
void od_nn_layer_norm(float *y, float *mean, float *inverse, const float *x, const float *gain,
                      const float *bias, size_t rows, size_t width);
/* dx may be dy. */
void od_nn_layer_norm_back(float *dx, float *dgain, float *dbias, const float *dy, const float *x,
                           const float *mean, const float *inverse, const float *gain, size_t rows,
                           size_t width);

/* --- unit length: y = x / sqrt(sum x^2 + epsilon); inverse[rows] the factors. y may be x. --- */
void od_nn_unit(float *y, float *inverse, const float *x, size_t rows, size_t width);
/* From the output: dx = inverse (dy - y (y . dy)). dx may be dy. */
void od_nn_unit_back(float *dx, const float *dy, const float *y, const float *inverse, size_t rows,
                     size_t width);

/* --- SwiGLU's middle: rows of gate_up are [gate | up], width each; y = silu(gate) up --- */
void od_nn_swiglu(float *y, const float *gate_up, size_t rows, size_t width);
/* dgate_up may be gate_up. */
void od_nn_swiglu_back(float *dgate_up, const float *dy, const float *gate_up, size_t rows,
                       size_t width);

/* --- dropout: entries become 0 with probability share, in [0, 1), the others are divided by
 * 1 - share. Which ones follows from key and place alone, so the same call on the gradient is the
 * way back. --- */
void od_nn_dropout(float *x, size_t count, float share, uint64_t key);
/* A key for a place in a training: distinct arguments give unrelated keys. */
uint64_t od_nn_key(uint64_t seed, uint64_t a, uint64_t b, uint64_t c);

/* --- linear recurrences and GRUs run over packed rows: see packed.h --- */

#endif
