/* See small.h. The AVX2 functions are entered after the probe of kernels.h alone, so the file is
 * compiled for any machine.
 *
 * gram works on tiles of 4 rows of h by 16 columns: eight accumulators, for each row of X two loads
 * and four broadcasts feed eight multiply-adds. solve factors h from the top, two pivots at a time,
 * because what bounds it is loading and storing the rows below, not arithmetic. */
#include "math/small.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "math/kernels.h"

/* --- reference --- */

static void gram_plain(float *h, const float *x, size_t ld, size_t rows, size_t n)
{
    for (size_t r = 0; r < rows; r++)
        for (size_t i = 0; i < n; i++)
            for (size_t j = i; j < n; j++)
                h[i * n + j] += x[r * ld + i] * x[r * ld + j];
}

static void weigh_plain(float *out, const float *x, size_t ld, size_t rows, size_t n,
                        const float *w)
{
    for (size_t r = 0; r < rows; r++)
        for (size_t j = 0; j < n; j++)
            out[j] += w[r] * x[r * ld + j];
}

static void project_plain(float *out, const float *x, size_t ld, size_t rows, size_t n,
                          const float *w)
{
    for (size_t r = 0; r < rows; r++)
        for (size_t j = 0; j < n; j++)
            out[r] += x[r * ld + j] * w[j];
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

static bool solve_lanes_plain(float *h, float *g)
{
    for (size_t lane = 0; lane < OD_SMALL_LANES; lane++)
        if (!solve_plain(h + lane * 256, g + lane * 16, 16))
            return false;
    return true;
}

static void weigh_lanes_plain(float *out, const float *x, size_t ld, size_t rows, const float *w)
{
    for (size_t r = 0; r < rows; r++)
        for (size_t lane = 0; lane < OD_SMALL_LANES; lane++)
            for (size_t j = 0; j < 16; j++)
                out[lane * 16 + j] += w[r * OD_SMALL_LANES + lane] * x[r * ld + j];
}

const struct od_small od_small_reference = {"reference",      gram_plain,  weigh_plain,
                                            project_plain,    solve_plain, solve_lanes_plain,
                                            weigh_lanes_plain};

#ifdef __x86_64__
#include <immintrin.h>

#define WIDE   __attribute__((target("avx2,fma")))
#define ALWAYS WIDE static inline __attribute__((always_inline))

struct tall { /* X, as the header has it */
    const float *x;
    size_t ld, rows;
};

/* h[i .. i + 4)[j .. j + 16). The accumulators have names, not places: arrays would live in memory.
 */
WIDE static void gram_tile(float *h, const struct tall *tall, size_t n, size_t i, size_t j)
{
    float *h0 = h + i * n + j, *h1 = h0 + n, *h2 = h1 + n, *h3 = h2 + n;
    __m256 a0 = _mm256_loadu_ps(h0), b0 = _mm256_loadu_ps(h0 + 8);
    __m256 a1 = _mm256_loadu_ps(h1), b1 = _mm256_loadu_ps(h1 + 8);
    __m256 a2 = _mm256_loadu_ps(h2), b2 = _mm256_loadu_ps(h2 + 8);
    __m256 a3 = _mm256_loadu_ps(h3), b3 = _mm256_loadu_ps(h3 + 8);
    const float *row = tall->x;
    for (size_t r = tall->rows; r > 0; r--, row += tall->ld) {
        __m256 low = _mm256_loadu_ps(row + j), high = _mm256_loadu_ps(row + j + 8);
        __m256 f = _mm256_broadcast_ss(row + i);
        a0 = _mm256_fmadd_ps(f, low, a0);
        b0 = _mm256_fmadd_ps(f, high, b0);
        f = _mm256_broadcast_ss(row + i + 1);
        a1 = _mm256_fmadd_ps(f, low, a1);
        b1 = _mm256_fmadd_ps(f, high, b1);
        f = _mm256_broadcast_ss(row + i + 2);
        a2 = _mm256_fmadd_ps(f, low, a2);
        b2 = _mm256_fmadd_ps(f, high, b2);
        f = _mm256_broadcast_ss(row + i + 3);
        a3 = _mm256_fmadd_ps(f, low, a3);
        b3 = _mm256_fmadd_ps(f, high, b3);
    }
    _mm256_storeu_ps(h0, a0);
    _mm256_storeu_ps(h0 + 8, b0);
    _mm256_storeu_ps(h1, a1);
    _mm256_storeu_ps(h1 + 8, b1);
    _mm256_storeu_ps(h2, a2);
    _mm256_storeu_ps(h2 + 8, b2);
    _mm256_storeu_ps(h3, a3);
    _mm256_storeu_ps(h3 + 8, b3);
}

WIDE static void gram_avx2(float *h, const float *x, size_t ld, size_t rows, size_t n)
{
    struct tall tall = {x, ld, rows};
    for (size_t i = 0; i < n; i += 4)
        for (size_t j = i / 16 * 16; j < n; j += 16)
            gram_tile(h, &tall, n, i, j);
}

/* 16 columns at a time, even and odd rows apart so that additions need not wait for each other. */
WIDE static void weigh_avx2(float *out, const float *x, size_t ld, size_t rows, size_t n,
                            const float *w)
{
    for (size_t j = 0; j < n; j += 16) {
        __m256 a = _mm256_loadu_ps(out + j), b = _mm256_loadu_ps(out + j + 8);
        __m256 c = _mm256_setzero_ps(), d = _mm256_setzero_ps();
        const float *row = x + j;
        size_t r = 0;
        for (; r + 2 <= rows; r += 2, row += 2 * ld) {
            __m256 even = _mm256_broadcast_ss(w + r), odd = _mm256_broadcast_ss(w + r + 1);
            a = _mm256_fmadd_ps(even, _mm256_loadu_ps(row), a);
            b = _mm256_fmadd_ps(even, _mm256_loadu_ps(row + 8), b);
            c = _mm256_fmadd_ps(odd, _mm256_loadu_ps(row + ld), c);
            d = _mm256_fmadd_ps(odd, _mm256_loadu_ps(row + ld + 8), d);
        }
        if (r < rows) {
            __m256 last = _mm256_broadcast_ss(w + r);
            a = _mm256_fmadd_ps(last, _mm256_loadu_ps(row), a);
            b = _mm256_fmadd_ps(last, _mm256_loadu_ps(row + 8), b);
        }
        _mm256_storeu_ps(out + j, _mm256_add_ps(a, c));
        _mm256_storeu_ps(out + j + 8, _mm256_add_ps(b, d));
    }
}

/* The sums of four vectors. */
WIDE static __m128 sums(__m256 a, __m256 b, __m256 c, __m256 d)
{
    __m256 both = _mm256_hadd_ps(_mm256_hadd_ps(a, b), _mm256_hadd_ps(c, d));
    return _mm_add_ps(_mm256_castps256_ps128(both), _mm256_extractf128_ps(both, 1));
}

WIDE static void project_avx2(float *out, const float *x, size_t ld, size_t rows, size_t n,
                              const float *w)
{
    size_t r = 0;
    for (; r + 4 <= rows; r += 4) {
        const float *x0 = x + r * ld, *x1 = x0 + ld, *x2 = x1 + ld, *x3 = x2 + ld;
        __m256 a = _mm256_setzero_ps(), b = a, c = a, d = a;
        for (size_t j = 0; j < n; j += 8) {
            __m256 v = _mm256_loadu_ps(w + j);
            a = _mm256_fmadd_ps(v, _mm256_loadu_ps(x0 + j), a);
            b = _mm256_fmadd_ps(v, _mm256_loadu_ps(x1 + j), b);
            c = _mm256_fmadd_ps(v, _mm256_loadu_ps(x2 + j), c);
            d = _mm256_fmadd_ps(v, _mm256_loadu_ps(x3 + j), d);
        }
        _mm_storeu_ps(out + r, _mm_add_ps(_mm_loadu_ps(out + r), sums(a, b, c, d)));
    }
    for (; r < rows; r++) {
        __m256 sum = _mm256_setzero_ps();
        for (size_t j = 0; j < n; j += 8)
            sum = _mm256_fmadd_ps(_mm256_loadu_ps(w + j), _mm256_loadu_ps(x + r * ld + j), sum);
        out[r] += _mm_cvtss_f32(sums(sum, sum, sum, sum));
    }
}

/* y[from .. n) -= a p[from .. n) + b q[from .. n), begun at the eight that hold from: what lies
 * left of the diagonal is nobody's. */
ALWAYS void minus_two(float *y, const float *p, float a, const float *q, float b, size_t from,
                      size_t n)
{
    __m256 va = _mm256_set1_ps(a), vb = _mm256_set1_ps(b);
    for (size_t j = from / 8 * 8; j < n; j += 8) {
        __m256 v = _mm256_fnmadd_ps(va, _mm256_loadu_ps(p + j), _mm256_loadu_ps(y + j));
        _mm256_storeu_ps(y + j, _mm256_fnmadd_ps(vb, _mm256_loadu_ps(q + j), v));
    }
}

/* *out := 1 / sqrt(row[k]), by which the row and g are multiplied. */
ALWAYS bool scale_pivot(float *row, float *g, size_t k, size_t n, float *out)
{
    float pivot = row[k];
    if (!(pivot > 0) || !isfinite(pivot))
        return false;
    float scale = 1 / sqrtf(pivot);
    __m256 wide = _mm256_set1_ps(scale);
    for (size_t j = k / 8 * 8; j < n; j += 8)
        _mm256_storeu_ps(row + j, _mm256_mul_ps(wide, _mm256_loadu_ps(row + j)));
    *g *= scale;
    *out = scale;
    return true;
}

ALWAYS float sum_of(__m256 v)
{
    __m128 four = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

/* g := U^-1 g, per[k] being 1 / U_kk. */
ALWAYS void substitute(const float *h, float *g, size_t n, const float *per)
{
    for (size_t k = n; k-- > 0;) {
        const float *row = h + k * n;
        __m256 part = _mm256_setzero_ps();
        float sum = 0;
        size_t j = k + 1;
        for (; j % 8 && j < n; j++)
            sum = __builtin_fmaf(row[j], g[j], sum);
        for (; j < n; j += 8)
            part = _mm256_fmadd_ps(_mm256_loadu_ps(row + j), _mm256_loadu_ps(g + j), part);
        g[k] = (g[k] - sum - sum_of(part)) * per[k];
    }
}

WIDE static bool solve_avx2(float *h, float *g, size_t n)
{
    float per[OD_SMALL_MOST];
    for (size_t k = 0; k < n; k += 2) {
        float *p = h + k * n, *q = p + n;
        if (!scale_pivot(p, &g[k], k, n, &per[k]))
            return false;
        __m256 f = _mm256_set1_ps(p[k + 1]);
        for (size_t j = (k + 1) / 8 * 8; j < n; j += 8)
            _mm256_storeu_ps(q + j,
                             _mm256_fnmadd_ps(f, _mm256_loadu_ps(p + j), _mm256_loadu_ps(q + j)));
        g[k + 1] = __builtin_fmaf(-p[k + 1], g[k], g[k + 1]);
        if (!scale_pivot(q, &g[k + 1], k + 1, n, &per[k + 1]))
            return false;
        for (size_t i = k + 2; i < n; i++) {
            minus_two(h + i * n, p, p[i], q, q[i], i, n);
            g[i] = __builtin_fmaf(-q[i], g[k + 1], __builtin_fmaf(-p[i], g[k], g[i]));
        }
    }
    substitute(h, g, n, per);
    return true;
}

/* --- eight systems at a time, one a lane --- */

/* out[c] := column c of the 4 columns at x of eight rows, `apart` floats apart. */
ALWAYS void columns_of(const float *x, size_t apart, __m256 *out)
{
    __m256 r[4];
    for (size_t k = 0; k < 4; k++)
        r[k] = _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(x + k * apart)),
                                    _mm_loadu_ps(x + (k + 4) * apart), 1);
    __m256 a = _mm256_unpacklo_ps(r[0], r[1]), b = _mm256_unpackhi_ps(r[0], r[1]);
    __m256 c = _mm256_unpacklo_ps(r[2], r[3]), d = _mm256_unpackhi_ps(r[2], r[3]);
    out[0] = _mm256_shuffle_ps(a, c, 0x44);
    out[1] = _mm256_shuffle_ps(a, c, 0xEE);
    out[2] = _mm256_shuffle_ps(b, d, 0x44);
    out[3] = _mm256_shuffle_ps(b, d, 0xEE);
}

/* Row k of U from rows above it: u_kj = (h_kj - sum over m < k of u_mk u_mj) / u_kk. False when a
 * lane's pivot is not positive. */
ALWAYS bool factor_row(__m256 (*u)[16], size_t k, __m256 *per)
{
    for (size_t j = k / 4 * 4; j < 16; j += 4) {
        __m256 s0 = u[k][j], s1 = u[k][j + 1], s2 = u[k][j + 2], s3 = u[k][j + 3];
        for (size_t m = 0; m < k; m++) {
            __m256 f = u[m][k];
            s0 = _mm256_fnmadd_ps(f, u[m][j], s0);
            s1 = _mm256_fnmadd_ps(f, u[m][j + 1], s1);
            s2 = _mm256_fnmadd_ps(f, u[m][j + 2], s2);
            s3 = _mm256_fnmadd_ps(f, u[m][j + 3], s3);
        }
        u[k][j] = s0;
        u[k][j + 1] = s1;
        u[k][j + 2] = s2;
        u[k][j + 3] = s3;
    }
    __m256 pivot = u[k][k], most = _mm256_set1_ps(FLT_MAX);
    __m256 good = _mm256_and_ps(_mm256_cmp_ps(pivot, _mm256_setzero_ps(), _CMP_GT_OQ),
                                _mm256_cmp_ps(pivot, most, _CMP_LE_OQ));
    if (_mm256_movemask_ps(good) != 0xFF)
        return false;
    *per = _mm256_div_ps(_mm256_set1_ps(1), _mm256_sqrt_ps(pivot));
    for (size_t j = k / 4 * 4; j < 16; j++)
        u[k][j] = _mm256_mul_ps(u[k][j], *per);
    return true;
}

WIDE static bool solve_eight(float *h, float *g)
{
    __m256 u[16][16], x[16], per[16];
    for (size_t i = 0; i < 16; i++)
        for (size_t j = i / 4 * 4; j < 16; j += 4)
            columns_of(h + i * 16 + j, 256, &u[i][j]);
    for (size_t j = 0; j < 16; j += 4)
        columns_of(g + j, 16, &x[j]);
    for (size_t k = 0; k < 16; k++) {
        if (!factor_row(u, k, &per[k]))
            return false;
        for (size_t m = 0; m < k; m++)
            x[k] = _mm256_fnmadd_ps(u[m][k], x[m], x[k]);
        x[k] = _mm256_mul_ps(x[k], per[k]);
    }
    for (size_t k = 16; k-- > 0;) {
        for (size_t j = k + 1; j < 16; j++)
            x[k] = _mm256_fnmadd_ps(u[k][j], x[j], x[k]);
        x[k] = _mm256_mul_ps(x[k], per[k]);
    }
    for (size_t j = 0; j < 16; j++) {
        float lane[8];
        _mm256_storeu_ps(lane, x[j]);
        for (size_t l = 0; l < 8; l++)
            g[l * 16 + j] = lane[l];
    }
    return true;
}

static bool solve_lanes_avx2(float *h, float *g)
{
    for (size_t lane = 0; lane < OD_SMALL_LANES; lane += 8)
        if (!solve_eight(h + lane * 256, g + lane * 16))
            return false;
    return true;
}

/* Four lanes at a time, which with their 16 columns are half of the registers. */
WIDE static void weigh_lanes_avx2(float *out, const float *x, size_t ld, size_t rows,
                                  const float *w)
{
    for (size_t lane = 0; lane < OD_SMALL_LANES; lane += 4) {
        float *to = out + lane * 16;
        const float *row = x, *by = w + lane;
        __m256 a0 = _mm256_loadu_ps(to), b0 = _mm256_loadu_ps(to + 8);
        __m256 a1 = _mm256_loadu_ps(to + 16), b1 = _mm256_loadu_ps(to + 24);
        __m256 a2 = _mm256_loadu_ps(to + 32), b2 = _mm256_loadu_ps(to + 40);
        __m256 a3 = _mm256_loadu_ps(to + 48), b3 = _mm256_loadu_ps(to + 56);
        for (size_t r = rows; r > 0; r--, row += ld, by += OD_SMALL_LANES) {
            __m256 low = _mm256_loadu_ps(row), high = _mm256_loadu_ps(row + 8);
            __m256 f = _mm256_broadcast_ss(by);
            a0 = _mm256_fmadd_ps(f, low, a0);
            b0 = _mm256_fmadd_ps(f, high, b0);
            f = _mm256_broadcast_ss(by + 1);
            a1 = _mm256_fmadd_ps(f, low, a1);
            b1 = _mm256_fmadd_ps(f, high, b1);
            f = _mm256_broadcast_ss(by + 2);
            a2 = _mm256_fmadd_ps(f, low, a2);
            b2 = _mm256_fmadd_ps(f, high, b2);
            f = _mm256_broadcast_ss(by + 3);
            a3 = _mm256_fmadd_ps(f, low, a3);
            b3 = _mm256_fmadd_ps(f, high, b3);
        }
        _mm256_storeu_ps(to, a0);
        _mm256_storeu_ps(to + 8, b0);
        _mm256_storeu_ps(to + 16, a1);
        _mm256_storeu_ps(to + 24, b1);
        _mm256_storeu_ps(to + 32, a2);
        _mm256_storeu_ps(to + 40, b2);
        _mm256_storeu_ps(to + 48, a3);
        _mm256_storeu_ps(to + 56, b3);
    }
}

static const struct od_small avx2 = {"avx2",     gram_avx2,        weigh_avx2,      project_avx2,
                                     solve_avx2, solve_lanes_avx2, weigh_lanes_avx2};

const struct od_small *od_small_avx2(void)
{
    return od_kernels_avx2() ? &avx2 : NULL;
}
#else
const struct od_small *od_small_avx2(void)
{
    return NULL;
}
#endif

const struct od_small *od_small_best(void)
{
    const struct od_small *best = od_small_avx512();
    best = best ? best : od_small_avx2();
    return best ? best : &od_small_reference;
}
