/* Small dense systems, solved by the hundred thousand: one per user or item of a factor model.
 *
 * BLAS calls on matrices this small spend their time on arguments; these stay in registers and in
 * the first-level cache. Matrices are row-major float32 squares of order n, a multiple of 16, at
 * most OD_SMALL_MOST; only the upper triangle is meant: what lies
 * below the diagonal is never read for a result, and spoilt. Sums run in a fixed order per
 * instruction set; the tables agree to rounding, |difference| <= 2 count eps sum|x y|.
 * No alignment is asked; arrays must not overlap. Safe from any thread. */
#ifndef OD_MATH_SMALL_H
#define OD_MATH_SMALL_H

#include <stdbool.h>
#include <stddef.h>

#define OD_SMALL_MOST  512
#define OD_SMALL_LANES 16

struct od_small {
    const char *name;
    /* h[n][n] += X'X, X row-major rows x n, its rows ld floats apart */
    void (*gram)(float *h, const float *x, size_t ld, size_t rows, size_t n);
    /* out[n] += X'w: sum over rows of w[row] times the row */
    void (*weigh)(float *out, const float *x, size_t ld, size_t rows, size_t n, const float *w);
    /* out[rows] += X w */
    void (*project)(float *out, const float *x, size_t ld, size_t rows, size_t n, const float *w);
    /* h := U with h = U'U, then g := h^-1 g. False, with h and g spoilt, when h is not positive
     * definite in float32. n^3 / 3 + 2 n^2 operations. */
    bool (*solve)(float *h, float *g, size_t n);
    /* The same for OD_SMALL_LANES systems of 16 at once: h[lane][16][16], g[lane][16]. A lane's
     * result does not depend on the others. False when any of them is not definite. */
    bool (*solve_lanes)(float *h, float *g);
    /* For each lane out[lane][16] += X'w, X with rows of 16 floats, ld apart, and w[rows][lane]. */
    void (*weigh_lanes)(float *out, const float *x, size_t ld, size_t rows, const float *w);
};

extern const struct od_small od_small_reference;
/* NULL where the CPU has none. */
const struct od_small *od_small_avx2(void);
const struct od_small *od_small_avx512(void);
/* The widest table this CPU runs. */
const struct od_small *od_small_best(void);

#endif
