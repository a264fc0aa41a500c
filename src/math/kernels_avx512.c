/* The kernels for AVX-512 (F, BW, DQ, VL). The ends of arrays are done with masked loads and
 * stores, so there is no scalar remainder. Only functions marked WIDE may hold such instructions.
 *
 * rows_f16 takes rows four at a time: one load and store of y then serves four rows, and four
 * streams are few enough for the hardware to prefetch. Of rows of one panel y stays in registers.
 */
#include "math/kernels.h"

#include <stdbool.h>

#ifdef __x86_64__
#include <immintrin.h>

#define WIDE __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl")))

/* The lanes below count, at most 16. */
WIDE static __mmask16 lanes(size_t count)
{
    unsigned mask = count >= 16 ? 0xffffu : (1u << count) - 1u;
    return (__mmask16)mask;
}

WIDE static void axpy(float *y, const float *x, float a, size_t count)
{
    __m512 va = _mm512_set1_ps(a);
    size_t i = 0;
    for (; i + 16 <= count; i += 16)
        _mm512_storeu_ps(y + i,
                         _mm512_fmadd_ps(va, _mm512_loadu_ps(x + i), _mm512_loadu_ps(y + i)));
    if (i < count) {
        __mmask16 m = lanes(count - i);
        __m512 v =
            _mm512_fmadd_ps(va, _mm512_maskz_loadu_ps(m, x + i), _mm512_maskz_loadu_ps(m, y + i));
        _mm512_mask_storeu_ps(y + i, m, v);
    }
}

WIDE static float dot(const float *x, const float *y, size_t count)
{
    __m512 part[4] = {_mm512_setzero_ps(), _mm512_setzero_ps(), _mm512_setzero_ps(),
                      _mm512_setzero_ps()};
    size_t i = 0;
    for (; i + 64 <= count; i += 64)
        for (size_t l = 0; l < 4; l++)
            part[l] = _mm512_fmadd_ps(_mm512_loadu_ps(x + i + 16 * l),
                                      _mm512_loadu_ps(y + i + 16 * l), part[l]);
    for (; i < count; i += 16) {
        __mmask16 m = lanes(count - i);
        part[0] = _mm512_fmadd_ps(_mm512_maskz_loadu_ps(m, x + i), _mm512_maskz_loadu_ps(m, y + i),
                                  part[0]);
    }
    return _mm512_reduce_add_ps(
        _mm512_add_ps(_mm512_add_ps(part[0], part[1]), _mm512_add_ps(part[2], part[3])));
}

WIDE static __m512 half16(const uint16_t *p, __mmask16 m)
{
    return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(m, p));
}

WIDE static __m512 whole16(const uint16_t *p)
{
    return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(const void *)p));
}

WIDE static void rows4(float *y, const uint16_t *const *rows, const float *weight, size_t count)
{
    __m512 w0 = _mm512_set1_ps(weight[0]), w1 = _mm512_set1_ps(weight[1]);
    __m512 w2 = _mm512_set1_ps(weight[2]), w3 = _mm512_set1_ps(weight[3]);
    size_t i = 0;
    for (; i + 16 <= count; i += 16) {
        __m512 v = _mm512_loadu_ps(y + i);
        v = _mm512_fmadd_ps(w0, whole16(rows[0] + i), v);
        v = _mm512_fmadd_ps(w1, whole16(rows[1] + i), v);
        v = _mm512_fmadd_ps(w2, whole16(rows[2] + i), v);
        v = _mm512_fmadd_ps(w3, whole16(rows[3] + i), v);
        _mm512_storeu_ps(y + i, v);
    }
    if (i < count) {
        __mmask16 m = lanes(count - i);
        __m512 v = _mm512_maskz_loadu_ps(m, y + i);
        v = _mm512_fmadd_ps(w0, half16(rows[0] + i, m), v);
        v = _mm512_fmadd_ps(w1, half16(rows[1] + i, m), v);
        v = _mm512_fmadd_ps(w2, half16(rows[2] + i, m), v);
        v = _mm512_fmadd_ps(w3, half16(rows[3] + i, m), v);
        _mm512_mask_storeu_ps(y + i, m, v);
    }
}

WIDE static void rows1(float *y, const uint16_t *row, float weight, size_t count)
{
    __m512 w = _mm512_set1_ps(weight);
    size_t i = 0;
    for (; i + 16 <= count; i += 16)
        _mm512_storeu_ps(y + i, _mm512_fmadd_ps(w, whole16(row + i), _mm512_loadu_ps(y + i)));
    if (i < count) {
        __mmask16 m = lanes(count - i);
        __m512 v = _mm512_fmadd_ps(w, half16(row + i, m), _mm512_maskz_loadu_ps(m, y + i));
        _mm512_mask_storeu_ps(y + i, m, v);
    }
}

/* Of OD_SCAN_BLOCK numbers each. */
WIDE static void rows_panel(float *y, const uint16_t *const *rows, const float *weight,
                            size_t row_count)
{
    __m512 v[4];
    for (size_t l = 0; l < 4; l++)
        v[l] = _mm512_loadu_ps(y + 16 * l);
    for (size_t r = 0; r < row_count; r++) {
        __m512 w = _mm512_set1_ps(weight[r]);
        for (size_t l = 0; l < 4; l++)
            v[l] = _mm512_fmadd_ps(w, whole16(rows[r] + 16 * l), v[l]);
    }
    for (size_t l = 0; l < 4; l++)
        _mm512_storeu_ps(y + 16 * l, v[l]);
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
    for (size_t i = 0; i < count; i += 16) {
        __mmask16 m = lanes(count - i);
        __m512 v = _mm512_maskz_loadu_ps(m, x + i);
        _mm256_mask_storeu_epi16(out + i, m, _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT));
    }
}

WIDE static void scatter_f16(float *y, const uint32_t *col, const uint16_t *value, float a,
                             size_t count)
{
    for (size_t i = 0; i < count; i += 16) {
        size_t n = count - i < 16 ? count - i : 16;
        float v[16];
        _mm512_storeu_ps(v, _mm512_mul_ps(_mm512_set1_ps(a), half16(value + i, lanes(n))));
        for (size_t l = 0; l < n; l++)
            y[col[i + l]] += v[l];
    }
}

/* For a number of rows that the compiler knows: a line of the panel is read and written once. */
WIDE static inline __attribute__((always_inline)) void
spread_rows(float *panel, const uint32_t *col, const float *const *value, const float *const *x,
            size_t rows, size_t count)
{
    __m512 vx[OD_SPREAD_ROWS];
    for (size_t r = 0; r < rows; r++)
        vx[r] = _mm512_loadu_ps(x[r]);
    for (size_t i = 0; i < count; i++) {
        float *to = panel + (size_t)col[i] * OD_PANEL;
        __m512 y = _mm512_loadu_ps(to);
        for (size_t r = 0; r < rows; r++)
            y = _mm512_fmadd_ps(_mm512_set1_ps(value[r][i]), vx[r], y);
        _mm512_storeu_ps(to, y);
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
    __m512 most = _mm512_loadu_ps(limit);
    for (size_t j = from; j < count; j++) {
        __m512 size = _mm512_abs_ps(_mm512_loadu_ps(panel + j * OD_PANEL));
        __mmask16 over = _mm512_cmp_ps_mask(size, most, _CMP_NLE_UQ);
        if (over) {
            *out_mask = over;
            return j;
        }
    }
    return count;
}

WIDE static size_t above(const float *s, size_t from, size_t blocks, float limit,
                         const uint64_t *keep, uint64_t *out_mask)
{
    __m512 least = _mm512_set1_ps(limit);
    for (size_t b = from; b < blocks; b++) {
        const float *p = s + b * OD_SCAN_BLOCK;
        uint64_t mask = 0;
        for (unsigned l = 0; l < 4; l++) {
            __mmask16 over = _mm512_cmp_ps_mask(_mm512_loadu_ps(p + 16 * l), least, _CMP_GT_OQ);
            mask |= (uint64_t)over << (16 * l);
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

/* The division decides, and is no quicker in wider registers. */
static void shrunk(float *out, const uint64_t *counter, const float *weight, size_t count,
                   float scale, float shrink, uint32_t least)
{
    od_kernels_avx2()->shrunk(out, counter, weight, count, scale, shrink, least);
}

static const struct od_kernels table = {
    .name = "avx512",
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

const struct od_kernels *od_kernels_avx512(void)
{
    bool runs = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
    return runs ? &table : NULL;
}

#else

const struct od_kernels *od_kernels_avx512(void)
{
    return NULL;
}

#endif
