/* Vector kernels: the inner loops of training and scoring, one table per instruction set.
 *
 * Shapes and accumulators are given below; all sums are float32. No alignment is asked of any
 * pointer; arrays must not overlap. Results of different tables agree to rounding: a fused
 * multiply-add rounds once where the reference rounds twice, so |difference| <= 2 count eps
 * sum|a x|. encode_f16, beyond, above and shrunk agree exactly. Tables are constant and safe from
 * any thread. */
#ifndef OD_MATH_KERNELS_H
#define OD_MATH_KERNELS_H

#include <stddef.h>
#include <stdint.h>

#define OD_PANEL       16 /* floats in a row of a panel: one AVX-512 register */
#define OD_SPREAD_ROWS 3
#define OD_SCAN_BLOCK  64 /* scores looked at together: one word of a keep bitmap */
#define OD_F16_LARGEST 65504.0f

struct od_kernels {
    const char *name; /* "reference", "avx2", "avx512" */
    /* y[i] += a x[i], i < count */
    void (*axpy)(float *y, const float *x, float a, size_t count);
    /* sum of x[i] y[i], in 8 or more partial sums whose order is fixed per table */
    float (*dot)(const float *x, const float *y, size_t count);
    /* y[i] += sum over r < row_count of weight[r] rows[r][i], rows in IEEE half precision */
    void (*rows_f16)(float *y, const uint16_t *const *rows, const float *weight, size_t row_count,
                     size_t count);
    /* out[i] = x[i] in half precision, to nearest even; beyond the range infinite */
    void (*encode_f16)(uint16_t *out, const float *x, size_t count);
    /* y[col[i]] += a value[i], value in half precision; columns of one call are distinct */
    void (*scatter_f16)(float *y, const uint32_t *col, const uint16_t *value, float a,
                        size_t count);
    /* panel[col[i] OD_PANEL + l] += sum over r < rows, in their order, of value[r][i] x[r][l],
     * i < count, l < OD_PANEL; rows <= OD_SPREAD_ROWS. */
    void (*spread)(float *panel, const uint32_t *col, const float *const *value,
                   const float *const *x, size_t rows, size_t count);
    /* The first line j >= from, j < count, of a panel in which for some l not
     * |panel[OD_PANEL j + l]| <= limit[l]; those l are the bits of *out_mask. count when there is
     * none. What is no number is not <= anything. */
    size_t (*beyond)(const float *panel, size_t from, size_t count, const float *limit,
                     uint32_t *out_mask);
    /* The first block b >= from, b < blocks, in which some s[64 b + i] > limit has its bit set in
     * keep[b] (keep NULL: every bit); the bits go to *out_mask. blocks when there is none. */
    size_t (*above)(const float *s, size_t from, size_t blocks, float limit, const uint64_t *keep,
                    uint64_t *out_mask);
    /* out[i] = said scale weight[i] common / (common + shrink), counter[i] being common << 32 |
     * said with both below 2^31; -INFINITY where common < least */
    void (*shrunk)(float *out, const uint64_t *counter, const float *weight, size_t count,
                   float scale, float shrink, uint32_t least);
};

extern const struct od_kernels od_kernels_reference;
/* NULL on a machine that cannot run them. */
const struct od_kernels *od_kernels_avx2(void);
const struct od_kernels *od_kernels_avx512(void);

/* The widest table this CPU runs; asks the CPU, keeps no state. */
const struct od_kernels *od_kernels_best(void);

/* One number, by the reference. */
float od_f16_decode(uint16_t half);
uint16_t od_f16_encode(float x);

#endif
