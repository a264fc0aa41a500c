/* The kernels in plain C: the oracle of the others, and what runs where there is nothing better.
 *
 * Half precision is IEEE 754 binary16: 1 sign, 5 exponent (bias 15), 10 fraction bits. Encoding
 * rounds to nearest even as the F16C instructions do, so a model image has the same bytes whatever
 * table wrote it. */
#include "math/kernels.h"

#include <math.h>
#include <string.h>

static float from_bits(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static uint32_t to_bits(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

float od_f16_decode(uint16_t half)
{
    uint32_t sign = (uint32_t)(half & 0x8000u) << 16;
    uint32_t magnitude = half & 0x7fffu;
    if (magnitude >= 0x7c00u)
        return from_bits(sign | 0x7f800000u | (magnitude & 0x3ffu) << 13);
    if (magnitude < 0x400u) {
        float tiny = (float)magnitude * 0x1p-24f; /* subnormal: exact in float */
        return sign ? -tiny : tiny;
    }
    return from_bits(sign | ((magnitude << 13) + (112u << 23)));
}

uint16_t od_f16_encode(float x)
{
    uint32_t bits = to_bits(x);
    uint32_t sign = bits >> 16 & 0x8000u;
    bits &= 0x7fffffffu;
    if (bits > 0x7f800000u) /* NaN stays one, quiet */
        return (uint16_t)(sign | 0x7e00u | (bits >> 13 & 0x3ffu));
    if (bits >= 0x47800000u)
        return (uint16_t)(sign | 0x7c00u);
    if (bits < 0x38800000u) { /* subnormal or zero: adding 2^-1 * ulp scale rounds for us */
        float shifted = from_bits(bits) + 0.5f;
        return (uint16_t)(sign | (to_bits(shifted) - 0x3f000000u));
    }
    uint32_t odd = bits >> 13 & 1u;
    bits += 0xfffu + odd; /* may carry into the exponent, up to infinity */
    return (uint16_t)(sign | (bits - (112u << 23)) >> 13);
}

static void axpy(float *y, const float *x, float a, size_t count)
{
    for (size_t i = 0; i < count; i++)
        y[i] += a * x[i];
}

static float dot(const float *x, const float *y, size_t count)
{
    float part[8] = {0};
    size_t i = 0;
    for (; i + 8 <= count; i += 8)
        for (size_t l = 0; l < 8; l++)
            part[l] += x[i + l] * y[i + l];
    for (; i < count; i++)
        part[i % 8] += x[i] * y[i];
    return ((part[0] + part[1]) + (part[2] + part[3])) +
           ((part[4] + part[5]) + (part[6] + part[7]));
}

static void rows_f16(float *y, const uint16_t *const *rows, const float *weight, size_t row_count,
                     size_t count)
{
    for (size_t r = 0; r < row_count; r++)
        for (size_t i = 0; i < count; i++)
            y[i] += weight[r] * od_f16_decode(rows[r][i]);
}

static void encode_f16(uint16_t *out, const float *x, size_t count)
{
    for (size_t i = 0; i < count; i++)
        out[i] = od_f16_encode(x[i]);
}

static void scatter_f16(float *y, const uint32_t *col, const uint16_t *value, float a, size_t count)
{
    for (size_t i = 0; i < count; i++)
        y[col[i]] += a * od_f16_decode(value[i]);
}

static void spread(float *panel, const uint32_t *col, const float *const *value,
                   const float *const *x, size_t rows, size_t count)
{
    for (size_t i = 0; i < count; i++)
        for (size_t r = 0; r < rows; r++)
            for (size_t l = 0; l < OD_PANEL; l++)
                panel[(size_t)col[i] * OD_PANEL + l] += value[r][i] * x[r][l];
}

static size_t beyond(const float *panel, size_t from, size_t count, const float *limit,
                     uint32_t *out_mask)
{
    for (size_t j = from; j < count; j++) {
        uint32_t mask = 0;
        for (size_t l = 0; l < OD_PANEL; l++)
            mask |= (uint32_t) !(fabsf(panel[j * OD_PANEL + l]) <= limit[l]) << l;
        if (mask) {
            *out_mask = mask;
            return j;
        }
    }
    return count;
}

static size_t above(const float *s, size_t from, size_t blocks, float limit, const uint64_t *keep,
                    uint64_t *out_mask)
{
    for (size_t b = from; b < blocks; b++) {
        uint64_t mask = 0;
        for (size_t i = 0; i < OD_SCAN_BLOCK; i++)
            mask |= (uint64_t)(s[b * OD_SCAN_BLOCK + i] > limit) << i;
        if (keep)
            mask &= keep[b];
        if (mask) {
            *out_mask = mask;
            return b;
        }
    }
    return blocks;
}

static void shrunk(float *out, const uint64_t *counter, const float *weight, size_t count,
                   float scale, float shrink, uint32_t least)
{
    for (size_t i = 0; i < count; i++) {
        uint32_t common = (uint32_t)(counter[i] >> 32);
        float users = (float)(int32_t)common, said = (float)(int32_t)(uint32_t)counter[i];
        float value = said * scale * weight[i] * (users / (users + shrink));
        out[i] = common < least ? -INFINITY : value;
    }
}

const struct od_kernels od_kernels_reference = {
    .name = "reference",
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
