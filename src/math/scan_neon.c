/* The loops of a scan for 64-bit ARM: with the dot instructions (sdot, ARMv8.2 and later) and with
 * what every such machine has.
 *
 * Sixteen bytes are four numbers of four items. ARM multiplies signed bytes, so a cell's 128 is
 * taken off first (one exclusive or), and nothing is left to correct. Without sdot, smull gives
 * 16-bit products of at most 127 * 31 and sadalp adds pairs of them to 32 bits, items in their
 * halves, which are added at the end. */
#include "math/scan_kernels.h"

#ifdef __aarch64__
#include <arm_neon.h>
#include <sys/auxv.h>

#ifndef HWCAP_ASIMDDP
#define HWCAP_ASIMDDP (1 << 20)
#endif

enum { VECTORS = OD_SCAN_GROUP / 4 }; /* of four items, in a group */

static inline int8x16_t cells_at(const uint8_t *cells)
{
    return vreinterpretq_s8_u8(veorq_u8(vld1q_u8(cells), vdupq_n_u8(0x80)));
}

static inline int8x16_t four_numbers(const int8_t *p)
{
    int32_t four;
    __builtin_memcpy(&four, p, sizeof four);
    return vreinterpretq_s8_s32(vdupq_n_s32(four));
}

__attribute__((target("arch=armv8.2-a+dotprod"))) static void
dots_by_sdot(const uint8_t *cells, const int8_t *p, size_t quads, int32_t *dots)
{
    int32x4_t sum[VECTORS];
    for (size_t v = 0; v < VECTORS; v++)
        sum[v] = vdupq_n_s32(0);
    for (size_t k = 0; k < quads; k++, cells += OD_SCAN_GROUP * OD_SCAN_QUAD) {
        int8x16_t four = four_numbers(p + k * OD_SCAN_QUAD);
        for (size_t v = 0; v < VECTORS; v++)
            sum[v] = vdotq_s32(sum[v], cells_at(cells + 16 * v), four);
    }
    for (size_t v = 0; v < VECTORS; v++)
        vst1q_s32(dots + 4 * v, sum[v]);
}

static void dots_by_smull(const uint8_t *cells, const int8_t *p, size_t quads, int32_t *dots)
{
    int32x4_t low[VECTORS], high[VECTORS];
    for (size_t v = 0; v < VECTORS; v++)
        low[v] = high[v] = vdupq_n_s32(0);
    for (size_t k = 0; k < quads; k++, cells += OD_SCAN_GROUP * OD_SCAN_QUAD) {
        int8x16_t four = four_numbers(p + k * OD_SCAN_QUAD);
        for (size_t v = 0; v < VECTORS; v++) {
            int8x16_t c = cells_at(cells + 16 * v);
            low[v] = vpadalq_s16(low[v], vmull_s8(vget_low_s8(c), vget_low_s8(four)));
            high[v] = vpadalq_s16(high[v], vmull_high_s8(c, four));
        }
    }
    for (size_t v = 0; v < VECTORS; v++)
        vst1q_s32(dots + 4 * v, vpaddq_s32(low[v], high[v]));
}

/* Which of a group's items reach. */
static uint32_t judge(const int32_t *dots, int32_t least)
{
    static const uint32_t bit[4] = {1, 2, 4, 8};
    uint32_t mask = 0;
    for (size_t v = 0; v < VECTORS; v++) {
        uint32x4_t over = vcgeq_s32(vld1q_s32(dots + 4 * v), vdupq_n_s32(least));
        mask |= vaddvq_u32(vandq_u32(over, vld1q_u32(bit))) << (4 * v);
    }
    return mask;
}

static inline void look_by(void (*dots)(const uint8_t *, const int8_t *, size_t, int32_t *),
                           const struct od_scan_matrix *m, size_t from, size_t end,
                           struct od_scan_look *looks, size_t count,
                           const struct od_scan_next *next)
{
    size_t quads = od_scan_quads(m->dims), bytes = quads * OD_SCAN_GROUP * OD_SCAN_QUAD;
    for (size_t n = 0; n < count; n++) {
        struct od_scan_look *l = &looks[n];
        for (size_t w = from; w < end; w++) {
            if (n == 0)
                od_scan_fetch(next, w - from);
            uint64_t bits = l->keep ? l->keep[w] : UINT64_MAX, mask = 0;
            for (size_t h = 0; h < 2; h++) {
                size_t g = 2 * w + h;
                int32_t *half = l->dots[w - from] + 32 * h;
                if (!(uint32_t)(bits >> (32 * h)))
                    continue;
                dots(m->cells + g * bytes, l->query->numbers, quads, half);
                mask |= (uint64_t)judge(half, l->least[w - from]) << (32 * h);
            }
            l->mask[w - from] = mask & bits;
        }
    }
}

static void look_by_sdot(const struct od_scan_matrix *m, size_t from, size_t end,
                         struct od_scan_look *looks, size_t count, const struct od_scan_next *next)
{
    look_by(dots_by_sdot, m, from, end, looks, count, next);
}

static void look_by_smull(const struct od_scan_matrix *m, size_t from, size_t end,
                          struct od_scan_look *looks, size_t count, const struct od_scan_next *next)
{
    look_by(dots_by_smull, m, from, end, looks, count, next);
}

static inline float32x4_t four_halves(const uint16_t *row)
{
    return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(row)));
}

/* sum[l / 4] holds lanes l: l + (l + 8), l + (l + 4), l + (l + 2), l + (l + 1) */
static void scores(const uint16_t *rows, size_t count, size_t width, const float *u, float *s)
{
    for (size_t i = 0; i < count; i++) {
        const uint16_t *row = rows + i * width;
        float32x4_t sum[4];
        for (size_t v = 0; v < 4; v++)
            sum[v] = vdupq_n_f32(0);
        for (size_t d = 0; d < width; d += OD_SCAN_LANES)
            for (size_t v = 0; v < 4; v++)
                sum[v] = vaddq_f32(
                    sum[v], vmulq_f32(four_halves(row + d + 4 * v), vld1q_f32(u + d + 4 * v)));
        float32x4_t by4 = vaddq_f32(vaddq_f32(sum[0], sum[2]), vaddq_f32(sum[1], sum[3]));
        float32x2_t by2 = vadd_f32(vget_low_f32(by4), vget_high_f32(by4));
        s[i] = vget_lane_f32(by2, 0) + vget_lane_f32(by2, 1);
    }
}

static const struct od_scan_kernels with_dot = {
    .name = "neon-dot", .look = look_by_sdot, .scores = scores};
static const struct od_scan_kernels plain = {
    .name = "neon", .look = look_by_smull, .scores = scores};

const struct od_scan_kernels *od_scan_kernels_neon_dot(void)
{
    return getauxval(AT_HWCAP) & HWCAP_ASIMDDP ? &with_dot : NULL;
}

const struct od_scan_kernels *od_scan_kernels_neon(void)
{
    return &plain;
}

#else

const struct od_scan_kernels *od_scan_kernels_neon_dot(void)
{
    return NULL;
}

const struct od_scan_kernels *od_scan_kernels_neon(void)
{
    return NULL;
}

#endif
