/* Ridge regression's normal equations: factors G + diag(ridge), with a way out when rounding has
 * made it indefinite.
 *
 * g holds G in its upper triangle (with the diagonal); its lower triangle receives L. On success
 * *out_scale is the factor the ridge was multiplied by: 1, or 10 or 100 when G + ridge was not
 * positive definite in float32. A ridge that is small beside G may be lost to its rounding: then
 * 1e-7, ... 1e-4 of the largest diagonal entry are added as well. Beyond that OD_INVALID_INPUT says
 * so. ridge has g->rows entries. */
#ifndef OD_MATH_RIDGE_H
#define OD_MATH_RIDGE_H

#include "math/cholesky.h"

enum od_status od_ridge_factor(struct od_matrix *g, const float *ridge, const struct od_work *work,
                               float *out_scale, struct od_error *err) OD_MUST_USE;

#endif
