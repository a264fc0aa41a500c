/* The count, and the BLAS routines on their way to it: the linker's --wrap makes a call of cblas_x
 * one of __wrap_cblas_x, and __real_cblas_x the library's.
 *
 * The number is the one of this library that is not its caller's: like the thread count that
 * od_math_init sets it belongs to the process, for the products of a training are made deep inside
 * recipes that have no path to whoever asks. */
#include "math/operations.h"

#include <cblas.h>
#include <stdatomic.h>

static _Atomic uint64_t count;

static void add(double operations)
{
    atomic_fetch_add_explicit(&count, (uint64_t)operations, memory_order_relaxed);
}

uint64_t od_operations_count(void)
{
    return atomic_load_explicit(&count, memory_order_relaxed);
}

/* The types of cblas.h, whose enums have other names in other versions. */
#define WRAP(routine)                                                                              \
    extern __typeof__(cblas_##routine) __real_cblas_##routine;                                     \
    extern __typeof__(cblas_##routine) __wrap_cblas_##routine

WRAP(sgemm);
WRAP(ssyrk);
WRAP(strsm);
WRAP(strmm);

void __wrap_cblas_sgemm(const enum CBLAS_ORDER order, const enum CBLAS_TRANSPOSE ta,
                        const enum CBLAS_TRANSPOSE tb, const blasint m, const blasint n,
                        const blasint k, const float alpha, const float *a, const blasint lda,
                        const float *b, const blasint ldb, const float beta, float *c,
                        const blasint ldc)
{
    __real_cblas_sgemm(order, ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
    add(2.0 * m * n * k);
}

void __wrap_cblas_ssyrk(const enum CBLAS_ORDER order, const enum CBLAS_UPLO uplo,
                        const enum CBLAS_TRANSPOSE trans, const blasint n, const blasint k,
                        const float alpha, const float *a, const blasint lda, const float beta,
                        float *c, const blasint ldc)
{
    __real_cblas_ssyrk(order, uplo, trans, n, k, alpha, a, lda, beta, c, ldc);
    add((n + 1.0) * n * k);
}

/* Multiply and add for every element of the triangle and column (or row) of b. */
static double triangular(enum CBLAS_SIDE side, blasint m, blasint n)
{
    return side == CblasLeft ? (double)m * m * n : (double)m * n * n;
}

void __wrap_cblas_strsm(const enum CBLAS_ORDER order, const enum CBLAS_SIDE side,
                        const enum CBLAS_UPLO uplo, const enum CBLAS_TRANSPOSE trans,
                        const enum CBLAS_DIAG diag, const blasint m, const blasint n,
                        const float alpha, const float *a, const blasint lda, float *b,
                        const blasint ldb)
{
    __real_cblas_strsm(order, side, uplo, trans, diag, m, n, alpha, a, lda, b, ldb);
    add(triangular(side, m, n));
}

void __wrap_cblas_strmm(const enum CBLAS_ORDER order, const enum CBLAS_SIDE side,
                        const enum CBLAS_UPLO uplo, const enum CBLAS_TRANSPOSE trans,
                        const enum CBLAS_DIAG diag, const blasint m, const blasint n,
                        const float alpha, const float *a, const blasint lda, float *b,
                        const blasint ldb)
{
    __real_cblas_strmm(order, side, uplo, trans, diag, m, n, alpha, a, lda, b, ldb);
    add(triangular(side, m, n));
}
