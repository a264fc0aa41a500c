/* Generalised linear models with their canonical links, fitted by Newton's method: Poisson
 * regression (log link) of counts, logistic regression (logit link) of outcomes.
 *
 * Penalised negative log-likelihood, with eta_r = offset_r + x_r . beta:
 *   Poisson:  sum_r w_r (exp(eta_r) - y_r eta_r)
 *   logistic: sum_r w_r (log(1 + exp(eta_r)) - y_r eta_r)
 *   both:     + 1/2 sum_j ridge_j (beta_j - prior_j)^2
 * Both are convex (McCullagh and Nelder, Generalized Linear Models, chapter 2), so Newton steps
 * that are halved until the objective falls reach the one minimum.
 *
 * Sums are double, over parts of a fixed number of rows reduced in part order: the same result for
 * any number of threads. */
#ifndef OD_RECIPES_GLM_H
#define OD_RECIPES_GLM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

#define OD_GLM_WIDTH 256 /* most columns: the Hessian of a part is 256 KB at 180 of them */
/* eta is kept within these: beyond, exp says nothing more and only overflows. */
#define OD_GLM_ETA 30.0

enum od_glm_link { OD_GLM_POISSON, OD_GLM_LOGISTIC };

struct od_glm {
    enum od_glm_link link;
    size_t count, width; /* rows, columns */
    const float *x;      /* [count * stride], row r's columns at x + r * stride */
    size_t stride;       /* floats from row to row, at least width */
    const float *y;      /* [count] counts, or outcomes in [0, 1] */
    const float *weight; /* [count], NULL: 1 each */
    const float *offset; /* [count], NULL: 0 */
    const double *ridge; /* [width], above 0: makes the minimum unique */
    const double *prior; /* [width] where the ridge pulls to, NULL: 0 */
    unsigned threads;
};

/* The objective at beta; gradient [width] and hessian [width * width, row-major, whole] where not
 * NULL. */
enum od_status od_glm_value(const struct od_glm *glm, const double *beta, double *out_value,
                            double *gradient, double *hessian) OD_MUST_USE;

/* beta [width] holds where to start and receives the minimum. hessian [width * width], when not
 * NULL, receives the Hessian there: its inverse is the covariance of the Laplace approximation
 * (Bishop, Pattern Recognition and Machine Learning, 4.4). */
enum od_status od_glm_fit(const struct od_glm *glm, double *beta, double *hessian) OD_MUST_USE;

/* --- small dense systems in double --- */

/* a (n x n row-major, its lower triangle) := L with A = L L'. False when A is not positive
 * definite. */
bool od_small_factor(double *a, size_t n);
void od_small_forward(const double *l, size_t n, double *b);  /* b := L^-1 b */
void od_small_backward(const double *l, size_t n, double *b); /* b := L'^-1 b */

#endif
