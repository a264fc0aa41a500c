/* The leading singular vectors of a sparse matrix: A ~ U diag(s) V', by random projection (Halko,
 * Martinsson, Tropp 2011, algorithms 4.4 and 5.1: subspace iteration, then a small exact one). */
#ifndef OD_MATH_SVD_H
#define OD_MATH_SVD_H

#include "math/cholesky.h"

/* Row r holds value[at[r]] .. value[at[r + 1]] in the columns `column`; borrowed. */
struct od_sparse {
    uint32_t rows, columns;
    const uint64_t *at;     /* [rows + 1] */
    const uint32_t *column; /* below columns */
    const float *value;
};

#define OD_SVD_MOST 512 /* of k: the small problem is k^3 on one core */

struct od_svd {
    uint32_t rank;          /* at most k; fewer when A has no more directions */
    struct od_matrix left;  /* U [rows][rank], columns orthonormal; wider than rank: zeros follow */
    struct od_matrix right; /* V [columns][rank], likewise; both empty when A is */
    float *sigma;           /* [rank] falling, above 1e-5 of the first */
};

/* The first k singular triplets, k in 1..OD_SVD_MOST. Each pair's sign is such that the entry of V
 * of largest magnitude (the first of equals) is positive. Same matrix, k and seed give the same
 * bytes for any number of threads. Memory: twice A, and (2 rows + 2 columns) (k + 16) floats; time
 * 6 passes of 2 nnz (k + 16) operations and 10 (rows + columns) (k + 16)^2. Call od_math_init
 * before. */
enum od_status od_svd_sparse(const struct od_sparse *a, uint32_t k, uint64_t seed,
                             const struct od_work *work, struct od_svd *out,
                             struct od_error *err) OD_MUST_USE;
void od_svd_done(struct od_svd *svd);

#endif
