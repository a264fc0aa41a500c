/* Symmetric positive definite systems, tiled over all cores: factor, solve, invert.
 *
 * Matrices are row-major float32 squares of order n. Each tile product is one single-threaded BLAS
 * call in an order fixed by the tile grid, so the result has the same bytes for any number of
 * threads. Call od_math_init before. */
#ifndef OD_MATH_CHOLESKY_H
#define OD_MATH_CHOLESKY_H

#include <stdbool.h>

#include "base/error.h"
#include "math/matrix.h"

/* Who works, and whom to tell. tick is called on the calling thread alone, with the share done
 * (0..1), a few times a second; another status than OD_OK stops the work and is returned. NULL:
 * nobody asks. */
struct od_work {
    unsigned threads; /* 0: all cores */
    enum od_status (*tick)(void *context, double fraction);
    void *context;
};

/* BLAS to one thread a call: our own threads divide the work. Idempotent. */
void od_math_init(void);

/* Lower triangle of a (order a->rows) := L with A = L L'. The strict upper triangle is not touched
 * nor read. *out_definite false (and a's lower triangle spoilt) when A is not positive definite in
 * float32. n^3 / 3 operations. */
enum od_status od_cholesky_factor(struct od_matrix *a, const struct od_work *work,
                                  bool *out_definite) OD_MUST_USE;

/* b := A^-1 b from A's factor l; b has l->rows rows. 2 n^2 columns operations. */
enum od_status od_cholesky_solve(const struct od_matrix *l, struct od_matrix *b,
                                 const struct od_work *work) OD_MUST_USE;

/* a := A^-1, whole (both triangles), from the factor in a's lower triangle; the upper triangle is
 * overwritten. 2 n^3 / 3 operations. OD_NO_MEMORY for want of n * OD_TILE floats. */
enum od_status od_cholesky_invert(struct od_matrix *a, const struct od_work *work) OD_MUST_USE;

/* Lower triangle := upper triangle, or the reverse; the diagonal stays. */
enum od_status od_matrix_mirror(struct od_matrix *a, bool to_lower,
                                const struct od_work *work) OD_MUST_USE;

#define OD_TILE 512 /* rows of a tile: 1 MB, half of its product's three fit a level-2 cache */

#endif
