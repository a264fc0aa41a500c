/* See small.h. The AVX2 functions are entered after the probe of kernels.h alone, so the file is
 * compiled for any machine.
 *
 * gram works on tiles of 4 rows of h by 16 columns: eight accumulators, for each row of X two loads
 * and four broadcasts feed eight multiply-adds. solve factors h from the top, two pivots at a time,
 * because what bounds it is loading and storing the rows below, not arithmetic. */
#include "math/small.h"

#include <math.h>
#include <string.h>

#include "math/kernels.h"

/* --- reference --- */

static void gram_plain(float *h, const float *x, size_t rows, size_t n)
{
    for (size_t r = 0; r < rows; r++)
        for (size_t i = 0; i < n; i++)
            for (size_t j = i; j < n; j++)
                h[i * n + j] += x[r * n + i] * x[r * n + j];
}

static bool solve_plain(float *h, float *g, size_t n)
{
    for (size_t k = 0; k < n; k++) {
        float pivot = h[k * n + k];
        if (!(pivot > 0) || !isfinite(pivot))
            return false;
        float scale = 1 / sqrtf(pivot);
        for (size_t j = k; j < n; j++)
            h[k * n + j] *= scale;
        g[k] *= scale;
        for (size_t i = k + 1; i < n; i++) {
            float f = h[k * n + i];
            for (size_t j = i; j < n; j++)
                h[i * n + j] -= f * h[k * n + j];
            g[i] -= f * g[k];
        }
    }
    for (size_t k = n; k-- > 0;) {
        float sum = g[k];
        for (size_t j = k + 1; j < n; j++)
            sum -= h[k * n + j] * g[j];
        g[k] = sum / h[k * n + k];
    }
    return true;
}

const struct od_small od_small_reference = {"reference", gram_plain, solve_plain};

#ifdef __x86_64__
#include <immintrin.h>

#define WIDE __attribute__((target("avx2,fma")))

/* h[i .. i + 4)[j .. j + 16) */
WIDE static void gram_tile(float *h, const float *x, size_t rows, size_t n, size_t i, size_t j)
{
    __m256 sum[4][2];
    for (size_t a = 0; a < 4; a++)
        for (size_t b = 0; b < 2; b++)
            sum[a][b] = _mm256_loadu_ps(h + (i + a) * n + j + 8 * b);
    for (size_t r = 0; r < rows; r++) {
        const float *row = x + r * n;
        __m256 low = _mm256_loadu_ps(row + j), high = _mm256_loadu_ps(row + j + 8);
        for (size_t a = 0; a < 4; a++) {
            __m256 f = _mm256_broadcast_ss(row + i + a);
            sum[a][0] = _mm256_fmadd_ps(f, low, sum[a][0]);
            sum[a][1] = _mm256_fmadd_ps(f, high, sum[a][1]);
        }
    }
    for (size_t a = 0; a < 4; a++)
        for (size_t b = 0; b < 2; b++)
            _mm256_storeu_ps(h + (i + a) * n + j + 8 * b, sum[a][b]);
}

WIDE static void gram_avx2(float *h, const float *x, size_t rows, size_t n)
{
    for (size_t i = 0; i < n; i += 4)
        for (size_t j = i / 16 * 16; j < n; j += 16)
            gram_tile(h, x, rows, n, i, j);
}

/* y[from .. n) -= a p[from .. n) + b q[from .. n), begun at the eight that hold from: what lies
 * left of the diagonal is nobody's. */
WIDE static void minus_two(float *y, const float *p, float a, const float *q, float b, size_t from,
                           size_t n)
{
    __m256 va = _mm256_set1_ps(a), vb = _mm256_set1_ps(b);
    for (size_t j = from / 8 * 8; j < n; j += 8) {
        __m256 v = _mm256_fnmadd_ps(va, _mm256_loadu_ps(p + j), _mm256_loadu_ps(y + j));
        _mm256_storeu_ps(y + j, _mm256_fnmadd_ps(vb, _mm256_loadu_ps(q + j), v));
    }
}

WIDE static bool scale_pivot(float *row, float *g, size_t k, size_t n)
{
    float pivot = row[k];
    if (!(pivot > 0) || !isfinite(pivot))
        return false;
    float scale = 1 / sqrtf(pivot);
    __m256 wide = _mm256_set1_ps(scale);
    for (size_t j = k / 8 * 8; j < n; j += 8)
        _mm256_storeu_ps(row + j, _mm256_mul_ps(wide, _mm256_loadu_ps(row + j)));
    *g *= scale;
    return true;
}

WIDE static bool solve_avx2(float *h, float *g, size_t n)
{
    for (size_t k = 0; k < n; k += 2) {
        float *p = h + k * n, *q = p + n;
        if (!scale_pivot(p, &g[k], k, n))
            return false;
        __m256 f = _mm256_set1_ps(p[k + 1]);
        for (size_t j = (k + 1) / 8 * 8; j < n; j += 8)
            _mm256_storeu_ps(q + j,
                             _mm256_fnmadd_ps(f, _mm256_loadu_ps(p + j), _mm256_loadu_ps(q + j)));
        g[k + 1] = __builtin_fmaf(-p[k + 1], g[k], g[k + 1]);
        if (!scale_pivot(q, &g[k + 1], k + 1, n))
            return false;
        for (size_t i = k + 2; i < n; i++) {
            minus_two(h + i * n, p, p[i], q, q[i], i, n);
            g[i] = __builtin_fmaf(-q[i], g[k + 1], __builtin_fmaf(-p[i], g[k], g[i]));
        }
    }
    for (size_t k = n; k-- > 0;) {
        __m256 part = _mm256_setzero_ps();
        float sum = 0, lane[8];
        size_t j = k + 1;
        for (; j % 8 && j < n; j++)
            sum = __builtin_fmaf(h[k * n + j], g[j], sum);
        for (; j < n; j += 8)
            part = _mm256_fmadd_ps(_mm256_loadu_ps(h + k * n + j), _mm256_loadu_ps(g + j), part);
        _mm256_storeu_ps(lane, part);
        for (size_t l = 0; l < 8; l++)
            sum += lane[l];
        g[k] = (g[k] - sum) / h[k * n + k];
    }
    return true;
}

static const struct od_small avx2 = {"avx2", gram_avx2, solve_avx2};

const struct od_small *od_small_best(void)
{
    return od_kernels_avx2() ? &avx2 : &od_small_reference;
}
#else
const struct od_small *od_small_best(void)
{
    return &od_small_reference;
}
#endif
