/* The table of small.h for AVX-512 (F, BW, DQ, VL): a vector is a row of a block of sixteen, and
 * a lane a system. Accumulators have constant places in arrays whose loops are unrolled, so that
 * they live in registers; a factor that all lanes share comes from memory with the multiply-add. */
#include "math/kernels.h"
#include "math/small.h"

#ifdef __x86_64__
#include <float.h>
#include <immintrin.h>
#include <math.h>

#define WIDE   __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl")))
#define ALWAYS WIDE static inline __attribute__((always_inline))
#define UNROLL _Pragma("GCC unroll 16")

enum { B = 16 };

/* h[i .. i + 16)[j .. j + 16) */
WIDE static void gram_tile(float *h, const float *x, size_t ld, size_t rows, size_t n, size_t i,
                           size_t j)
{
    __m512 sum[B];
    UNROLL for (size_t k = 0; k < B; k++) sum[k] = _mm512_loadu_ps(h + (i + k) * n + j);
    for (size_t r = 0; r < rows; r++, x += ld) {
        __m512 row = _mm512_loadu_ps(x + j);
        UNROLL for (size_t k = 0; k < B; k++) sum[k] =
            _mm512_fmadd_ps(_mm512_set1_ps(x[i + k]), row, sum[k]);
    }
    UNROLL for (size_t k = 0; k < B; k++) _mm512_storeu_ps(h + (i + k) * n + j, sum[k]);
}

WIDE static void gram(float *h, const float *x, size_t ld, size_t rows, size_t n)
{
    for (size_t i = 0; i < n; i += B)
        for (size_t j = i; j < n; j += B)
            gram_tile(h, x, ld, rows, n, i, j);
}

/* Four rows apart, so that additions need not wait for each other. */
WIDE static void weigh(float *out, const float *x, size_t ld, size_t rows, size_t n, const float *w)
{
    for (size_t j = 0; j < n; j += B) {
        __m512 sum[4] = {_mm512_loadu_ps(out + j), _mm512_setzero_ps(), _mm512_setzero_ps(),
                         _mm512_setzero_ps()};
        const float *row = x + j;
        size_t r = 0;
        for (; r + 4 <= rows; r += 4, row += 4 * ld) {
            UNROLL for (size_t k = 0; k < 4; k++) sum[k] =
                _mm512_fmadd_ps(_mm512_set1_ps(w[r + k]), _mm512_loadu_ps(row + k * ld), sum[k]);
        }
        for (; r < rows; r++, row += ld)
            sum[0] = _mm512_fmadd_ps(_mm512_set1_ps(w[r]), _mm512_loadu_ps(row), sum[0]);
        _mm512_storeu_ps(
            out + j, _mm512_add_ps(_mm512_add_ps(sum[0], sum[1]), _mm512_add_ps(sum[2], sum[3])));
    }
}

WIDE static void weigh_lanes(float *out, const float *x, size_t ld, size_t rows, const float *w)
{
    __m512 sum[OD_SMALL_LANES];
    UNROLL for (size_t l = 0; l < OD_SMALL_LANES; l++) sum[l] = _mm512_loadu_ps(out + l * B);
    for (size_t r = 0; r < rows; r++, x += ld, w += OD_SMALL_LANES) {
        __m512 row = _mm512_loadu_ps(x);
        UNROLL for (size_t l = 0; l < OD_SMALL_LANES; l++) sum[l] =
            _mm512_fmadd_ps(_mm512_set1_ps(w[l]), row, sum[l]);
    }
    UNROLL for (size_t l = 0; l < OD_SMALL_LANES; l++) _mm512_storeu_ps(out + l * B, sum[l]);
}

/* The sums of four vectors. */
ALWAYS __m128 sums(__m512 a, __m512 b, __m512 c, __m512 d)
{
    __m512 ab = _mm512_add_ps(_mm512_unpacklo_ps(a, b), _mm512_unpackhi_ps(a, b));
    __m512 cd = _mm512_add_ps(_mm512_unpacklo_ps(c, d), _mm512_unpackhi_ps(c, d));
    __m512 all = _mm512_add_ps(_mm512_shuffle_ps(ab, cd, 0x44), _mm512_shuffle_ps(ab, cd, 0xEE));
    __m256 half = _mm256_add_ps(_mm512_castps512_ps256(all), _mm512_extractf32x8_ps(all, 1));
    return _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
}

WIDE static void project(float *out, const float *x, size_t ld, size_t rows, size_t n,
                         const float *w)
{
    size_t r = 0;
    for (; r + 4 <= rows; r += 4) {
        const float *row = x + r * ld;
        __m512 sum[4] = {_mm512_setzero_ps(), _mm512_setzero_ps(), _mm512_setzero_ps(),
                         _mm512_setzero_ps()};
        for (size_t j = 0; j < n; j += B) {
            __m512 v = _mm512_loadu_ps(w + j);
            UNROLL for (size_t k = 0; k < 4; k++) sum[k] =
                _mm512_fmadd_ps(v, _mm512_loadu_ps(row + k * ld + j), sum[k]);
        }
        _mm_storeu_ps(out + r,
                      _mm_add_ps(_mm_loadu_ps(out + r), sums(sum[0], sum[1], sum[2], sum[3])));
    }
    for (; r < rows; r++) {
        __m512 sum = _mm512_setzero_ps();
        for (size_t j = 0; j < n; j += B)
            sum = _mm512_fmadd_ps(_mm512_loadu_ps(w + j), _mm512_loadu_ps(x + r * ld + j), sum);
        out[r] += _mm512_reduce_add_ps(sum);
    }
}

/* out[c] := column c of the 4 columns at x of sixteen rows, `apart` floats apart. */
ALWAYS void columns_of(const float *x, size_t apart, __m512 *out)
{
    __m512 r[4];
    UNROLL for (size_t k = 0; k < 4; k++)
    {
        r[k] = _mm512_castps128_ps512(_mm_loadu_ps(x + k * apart));
        r[k] = _mm512_insertf32x4(r[k], _mm_loadu_ps(x + (k + 4) * apart), 1);
        r[k] = _mm512_insertf32x4(r[k], _mm_loadu_ps(x + (k + 8) * apart), 2);
        r[k] = _mm512_insertf32x4(r[k], _mm_loadu_ps(x + (k + 12) * apart), 3);
    }
    __m512 a = _mm512_unpacklo_ps(r[0], r[1]), b = _mm512_unpackhi_ps(r[0], r[1]);
    __m512 c = _mm512_unpacklo_ps(r[2], r[3]), d = _mm512_unpackhi_ps(r[2], r[3]);
    out[0] = _mm512_shuffle_ps(a, c, 0x44);
    out[1] = _mm512_shuffle_ps(a, c, 0xEE);
    out[2] = _mm512_shuffle_ps(b, d, 0x44);
    out[3] = _mm512_shuffle_ps(b, d, 0xEE);
}

/* Row k of U from rows above it: u_kj = (h_kj - sum over m < k of u_mk u_mj) / u_kk. False when a
 * lane's pivot is not positive. */
ALWAYS bool factor_row(__m512 (*u)[B], size_t k, __m512 *per)
{
    for (size_t j = k / 4 * 4; j < B; j += 4) {
        __m512 s[4];
        UNROLL for (size_t c = 0; c < 4; c++) s[c] = u[k][j + c];
        for (size_t m = 0; m < k; m++) {
            __m512 f = u[m][k];
            UNROLL for (size_t c = 0; c < 4; c++) s[c] = _mm512_fnmadd_ps(f, u[m][j + c], s[c]);
        }
        UNROLL for (size_t c = 0; c < 4; c++) u[k][j + c] = s[c];
    }
    __m512 pivot = u[k][k];
    if ((_mm512_cmp_ps_mask(pivot, _mm512_setzero_ps(), _CMP_GT_OQ) &
         _mm512_cmp_ps_mask(pivot, _mm512_set1_ps(FLT_MAX), _CMP_LE_OQ)) != 0xFFFF)
        return false;
    *per = _mm512_div_ps(_mm512_set1_ps(1), _mm512_sqrt_ps(pivot));
    for (size_t j = k / 4 * 4; j < B; j++)
        u[k][j] = _mm512_mul_ps(u[k][j], *per);
    return true;
}

WIDE static bool solve_lanes(float *h, float *g)
{
    __m512 u[B][B], x[B], per[B];
    for (size_t i = 0; i < B; i++)
        for (size_t j = i / 4 * 4; j < B; j += 4)
            columns_of(h + i * B + j, B * B, &u[i][j]);
    for (size_t j = 0; j < B; j += 4)
        columns_of(g + j, B, &x[j]);
    for (size_t k = 0; k < B; k++) {
        if (!factor_row(u, k, &per[k]))
            return false;
        for (size_t m = 0; m < k; m++)
            x[k] = _mm512_fnmadd_ps(u[m][k], x[m], x[k]);
        x[k] = _mm512_mul_ps(x[k], per[k]);
    }
    for (size_t k = B; k-- > 0;) {
        for (size_t j = k + 1; j < B; j++)
            x[k] = _mm512_fnmadd_ps(u[k][j], x[j], x[k]);
        x[k] = _mm512_mul_ps(x[k], per[k]);
    }
    const __m512i lane =
        _mm512_mullo_epi32(_mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15),
                           _mm512_set1_epi32(B));
    for (size_t j = 0; j < B; j++)
        _mm512_i32scatter_ps(g + j, lane, x[j], sizeof *g);
    return true;
}

/* One system waits for itself however wide vectors are. */
static bool solve(float *h, float *g, size_t n)
{
    return od_small_avx2()->solve(h, g, n);
}

static const struct od_small avx512 = {"avx512", gram,        weigh,      project,
                                       solve,    solve_lanes, weigh_lanes};

const struct od_small *od_small_avx512(void)
{
    return od_kernels_avx512() && od_small_avx2() ? &avx512 : NULL;
}
#else
const struct od_small *od_small_avx512(void)
{
    return NULL;
}
#endif
