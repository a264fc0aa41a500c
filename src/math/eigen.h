/* Eigenvalues and eigenvectors of a symmetric matrix, in double, by LAPACK. */
#ifndef OD_MATH_EIGEN_H
#define OD_MATH_EIGEN_H

#include <stddef.h>

#include "base/error.h"

/* a[n][n], of which the upper triangle (with the diagonal) is read: rows := the eigenvectors, of
 * length 1; value[n]: theirs, rising. OD_INVALID_INPUT when there is no convergence. On one thread
 * when od_math_init was called. */
enum od_status od_eigen(double *a, size_t n, double *value) OD_MUST_USE;

#endif
