/* The kernels for AVX2, FMA and F16C (2013 and later). Only functions marked WIDE may hold such
 * instructions, so the file is compiled for any x86-64 and entered after the probe alone.
 *
 * rows_f16 takes rows four at a time: one load and store of y then serves four rows, and four
 * streams are few enough for the hardware to prefetch. Of rows of one panel y stays in registers.
 */
#include "math/kernels.h"

#include <math.h>
#include <stdbool.h>

#ifdef __x86_64__
#include <immintrin.h>

#define WIDE __attribute__((target("avx2,fma,f16c")))

WIDE static void axpy(float *y, const float *x, float a, size_t count)
{
    __m256 va = _mm256_set1_ps(a);
    size_t i = 0;
    for (; i + 8 <= count; i += 8)
        _mm256_storeu_ps(y + i,
                         _mm256_fmadd_ps(va, _mm256_loadu_ps(x + i), _mm256_loadu_ps(y + i)));
    for (; i < count; i++)
        y[i] = __builtin_fmaf(a, x[i], y[i]);
}

WIDE static float dot(const float *x, const float *y, size_t count)
{
    __m256 part[4] = {_mm256_setzero_ps(), _mm256_setzero_ps(), _mm256_setzero_ps(),
                      _mm256_setzero_ps()};
    size_t i = 0;
    for (; i + 32 <= count; i += 32)
        for (size_t l = 0; l < 4; l++)
            part[l] = _mm256_fmadd_ps(_mm256_loadu_ps(x + i + 8 * l),
                                      _mm256_loadu_ps(y + i + 8 * l), part[l]);
    float lane[8];
    _mm256_storeu_ps(
        lane, _mm256_add_ps(_mm256_add_ps(part[0], part[1]), _mm256_add_ps(part[2], part[3])));
    for (; i < count; i++)
        lane[i % 8] = __builtin_fmaf(x[i], y[i], lane[i % 8]);
    return ((lane[0] + lane[1]) + (lane[2] + lane[3])) +
           ((lane[4] + lane[5]) + (lane[6] + lane[7]));
}

WIDE static __m256 half8(const uint16_t *p)
{
    return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)p));
}

WIDE static float half1(uint16_t h)
{
    return _mm_cvtss_f32(_mm_cvtph_ps(_mm_cvtsi32_si128(h)));
}

WIDE static void rows4(float *y, const uint16_t *const *rows, const float *weight, size_t count)
{
    __m256 w0 = _mm256_set1_ps(weight[0]), w1 = _mm256_set1_ps(weight[1]);
    __m256 w2 = _mm256_set1_ps(weight[2]), w3 = _mm256_set1_ps(weight[3]);
    size_t i = 0;
    for (; i + 8 <= count; i += 8) {
        __m256 v = _mm256_loadu_ps(y + i);
        v = _mm256_fmadd_ps(w0, half8(rows[0] + i), v);
        v = _mm256_fmadd_ps(w1, half8(rows[1] + i), v);
        v = _mm256_fmadd_ps(w2, half8(rows[2] + i), v);
        v = _mm256_fmadd_ps(w3, half8(rows[3] + i), v);
        _mm256_storeu_ps(y + i, v);
    }
    for (; i < count; i++)
        for (size_t r = 0; r < 4; r++)
            y[i] = __builtin_fmaf(weight[r], half1(rows[r][i]), y[i]);
}

WIDE static void rows1(float *y, const uint16_t *row, float weight, size_t count)
{
    __m256 w = _mm256_set1_ps(weight);
    size_t i = 0;
    for (; i + 8 <= count; i += 8)
        _mm256_storeu_ps(y + i, _mm256_fmadd_ps(w, half8(row + i), _mm256_loadu_ps(y + i)));
    for (; i < count; i++)
        y[i] = __builtin_fmaf(weight, half1(row[i]), y[i]);
}

/* Of OD_SCAN_BLOCK numbers each. */
WIDE static void rows_panel(float *y, const uint16_t *const *rows, const float *weight,
                            size_t row_count)
{
    __m256 v[8];
    for (size_t l = 0; l < 8; l++)
        v[l] = _mm256_loadu_ps(y + 8 * l);
    for (size_t r = 0; r < row_count; r++) {
        __m256 w = _mm256_set1_ps(weight[r]);
        for (size_t l = 0; l < 8; l++)
            v[l] = _mm256_fmadd_ps(w, half8(rows[r] + 8 * l), v[l]);
    }
    for (size_t l = 0; l < 8; l++)
        _mm256_storeu_ps(y + 8 * l, v[l]);
}

WIDE static void rows_f16(float *y, const uint16_t *const *rows, const float *weight,
                          size_t row_count, size_t count)
{
    size_t r = 0;
    if (count == OD_SCAN_BLOCK) {
        rows_panel(y, rows, weight, row_count);
        return;
    }
    for (; r + 4 <= row_count; r += 4)
        rows4(y, rows + r, weight + r, count);
    for (; r < row_count; r++)
        rows1(y, rows[r], weight[r], count);
}

WIDE static void encode_f16(uint16_t *out, const float *x, size_t count)
{
    size_t i = 0;
    for (; i + 8 <= count; i += 8)
        _mm_storeu_si128((__m128i *)(void *)(out + i),
                         _mm256_cvtps_ph(_mm256_loadu_ps(x + i), _MM_FROUND_TO_NEAREST_INT));
    for (; i < count; i++)
        out[i] = od_f16_encode(x[i]);
}

WIDE static void scatter_f16(float *y, const uint32_t *col, const uint16_t *value, float a,
                             size_t count)
{
    size_t i = 0;
    for (; i + 8 <= count; i += 8) {
        float v[8];
        _mm256_storeu_ps(v, _mm256_mul_ps(_mm256_set1_ps(a), half8(value + i)));
        for (size_t l = 0; l < 8; l++)
            y[col[i + l]] += v[l];
    }
    for (; i < count; i++)
        y[col[i]] += a * half1(value[i]);
}

/* For a number of rows that the compiler knows: a line of the panel is read and written once. */
WIDE static inline __attribute__((always_inline)) void
spread_rows(float *panel, const uint32_t *col, const float *const *value, const float *const *x,
            size_t rows, size_t count)
{
    __m256 x0[OD_SPREAD_ROWS], x1[OD_SPREAD_ROWS];
    for (size_t r = 0; r < rows; r++) {
        x0[r] = _mm256_loadu_ps(x[r]);
        x1[r] = _mm256_loadu_ps(x[r] + 8);
    }
    for (size_t i = 0; i < count; i++) {
        float *to = panel + (size_t)col[i] * OD_PANEL;
        __m256 y0 = _mm256_loadu_ps(to), y1 = _mm256_loadu_ps(to + 8);
        for (size_t r = 0; r < rows; r++) {
            __m256 v = _mm256_set1_ps(value[r][i]);
            y0 = _mm256_fmadd_ps(v, x0[r], y0);
            y1 = _mm256_fmadd_ps(v, x1[r], y1);
        }
        _mm256_storeu_ps(to, y0);
        _mm256_storeu_ps(to + 8, y1);
    }
}

WIDE static void spread(float *panel, const uint32_t *col, const float *const *value,
                        const float *const *x, size_t rows, size_t count)
{
    if (rows == 1)
        spread_rows(panel, col, value, x, 1, count);
    else if (rows == 2)
        spread_rows(panel, col, value, x, 2, count);
    else if (rows == 3)
        spread_rows(panel, col, value, x, 3, count);
}

WIDE static size_t beyond(const float *panel, size_t from, size_t count, const float *limit,
                          uint32_t *out_mask)
{
    const __m256 sign = _mm256_set1_ps(-0.0f);
    __m256 low = _mm256_loadu_ps(limit), high = _mm256_loadu_ps(limit + 8);
    for (size_t j = from; j < count; j++) {
        const float *p = panel + j * OD_PANEL;
        __m256 a = _mm256_andnot_ps(sign, _mm256_loadu_ps(p));
        __m256 b = _mm256_andnot_ps(sign, _mm256_loadu_ps(p + 8));
        unsigned first = (unsigned)_mm256_movemask_ps(_mm256_cmp_ps(a, low, _CMP_NLE_UQ));
        unsigned second = (unsigned)_mm256_movemask_ps(_mm256_cmp_ps(b, high, _CMP_NLE_UQ));
        if (first | second) {
            *out_mask = first | second << 8;
            return j;
        }
    }
    return count;
}

WIDE static size_t above(const float *s, size_t from, size_t blocks, float limit,
                         const uint64_t *keep, uint64_t *out_mask)
{
    __m256 least = _mm256_set1_ps(limit);
    for (size_t b = from; b < blocks; b++) {
        const float *p = s + b * OD_SCAN_BLOCK;
        uint64_t mask = 0;
        for (unsigned l = 0; l < 8; l++) {
            __m256 over = _mm256_cmp_ps(_mm256_loadu_ps(p + 8 * l), least, _CMP_GT_OQ);
            mask |= (uint64_t)(unsigned)_mm256_movemask_ps(over) << (8 * l);
        }
        if (keep)
            mask &= keep[b];
        if (mask) {
            *out_mask = mask;
            return b;
        }
    }
    return blocks;
}

WIDE static void shrunk(float *out, const uint64_t *counter, const float *weight, size_t count,
                        float scale, float shrink, uint32_t least)
{
    __m256 factor = _mm256_set1_ps(scale), more = _mm256_set1_ps(shrink);
    __m256 none = _mm256_set1_ps(-INFINITY);
    __m256i most = _mm256_set1_epi32((int)least - 1);
    size_t i = 0;
    for (; i + 8 <= count; i += 8) {
        __m256 a = _mm256_castsi256_ps(_mm256_loadu_si256((const void *)(counter + i)));
        __m256 b = _mm256_castsi256_ps(_mm256_loadu_si256((const void *)(counter + i + 4)));
        __m256i low = _mm256_castps_si256(_mm256_shuffle_ps(a, b, _MM_SHUFFLE(2, 0, 2, 0)));
        __m256i high = _mm256_castps_si256(_mm256_shuffle_ps(a, b, _MM_SHUFFLE(3, 1, 3, 1)));
        low = _mm256_permute4x64_epi64(low, _MM_SHUFFLE(3, 1, 2, 0));
        high = _mm256_permute4x64_epi64(high, _MM_SHUFFLE(3, 1, 2, 0));
        __m256 users = _mm256_cvtepi32_ps(high), said = _mm256_cvtepi32_ps(low);
        __m256 value = _mm256_mul_ps(_mm256_mul_ps(said, factor), _mm256_loadu_ps(weight + i));
        value = _mm256_mul_ps(value, _mm256_div_ps(users, _mm256_add_ps(users, more)));
        __m256 enough = _mm256_castsi256_ps(_mm256_cmpgt_epi32(high, most));
        _mm256_storeu_ps(out + i, _mm256_blendv_ps(none, value, enough));
    }
    od_kernels_reference.shrunk(out + i, counter + i, weight + i, count - i, scale, shrink, least);
}

static const struct od_kernels table = {
    .name = "avx2",
    .axpy = axpy,
    .dot = dot,
    .rows_f16 = rows_f16,
    .encode_f16 = encode_f16,
    .scatter_f16 = scatter_f16,
    .spread = spread,
    .beyond = beyond,
    .above = above,
    .shrunk = shrunk,
};

/* Asked for every query: the words libgcc keeps, not CPUID itself, which a virtual machine traps
 * at the cost of microseconds. clang does not know the word "f16c"; every CPU made with AVX2 has
 * it. */
static bool has_f16c(void)
{
#ifdef __clang__
    return true;
#else
    return __builtin_cpu_supports("f16c");
#endif
}

const struct od_kernels *od_kernels_avx2(void)
{
    bool runs = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && has_f16c();
    return runs ? &table : NULL;
}

#else

const struct od_kernels *od_kernels_avx2(void)
{
    return NULL;
}

#endif
