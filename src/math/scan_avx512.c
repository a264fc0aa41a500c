/* The loops of a scan for AVX-512 with VNNI (2019 and later): vpdpbusd sums four products of an
 * unsigned and a signed byte in 32 bits, without saturation, so four numbers of sixteen items cost
 * one instruction. */
#include "math/scan_kernels.h"

#ifdef __x86_64__
#include <immintrin.h>

#define WIDE __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")))

/* One group: which of its 32 items reach; their dots when there are any. */
WIDE static inline uint32_t group(const uint8_t *cells, const struct od_scan_ready *q, size_t quads,
                                  __m512i least, int32_t *dots)
{
    __m512i a = _mm512_set1_epi32(-q->zero), b = a;
    for (size_t k = 0; k < quads; k++, cells += OD_SCAN_GROUP * OD_SCAN_QUAD) {
        int32_t four;
        __builtin_memcpy(&four, q->numbers + k * OD_SCAN_QUAD, sizeof four);
        __m512i p = _mm512_set1_epi32(four);
        a = _mm512_dpbusd_epi32(a, _mm512_loadu_si512(cells), p);
        b = _mm512_dpbusd_epi32(b, _mm512_loadu_si512(cells + 64), p);
    }
    uint32_t mask = (uint32_t)_mm512_cmpge_epi32_mask(a, least) |
                    (uint32_t)_mm512_cmpge_epi32_mask(b, least) << 16;
    if (mask) {
        _mm512_storeu_si512(dots, a);
        _mm512_storeu_si512(dots + 16, b);
    }
    return mask;
}

WIDE static void look(const struct od_scan_matrix *m, size_t from, size_t end,
                      struct od_scan_look *looks, size_t count, const struct od_scan_next *next)
{
    size_t quads = od_scan_quads(m->dims), bytes = quads * OD_SCAN_GROUP * OD_SCAN_QUAD;
    for (size_t n = 0; n < count; n++) {
        struct od_scan_look *l = &looks[n];
        for (size_t w = from; w < end; w++) {
            if (n == 0)
                od_scan_fetch(next, w - from);
            uint64_t bits = l->keep ? l->keep[w] : UINT64_MAX, mask = 0;
            const uint8_t *cells = m->cells + 2 * w * bytes;
            int32_t *dots = l->dots[w - from];
            __m512i least = _mm512_set1_epi32(l->least[w - from]);
            if ((uint32_t)bits)
                mask = group(cells, l->query, quads, least, dots);
            if (bits >> 32)
                mask |= (uint64_t)group(cells + bytes, l->query, quads, least, dots + 32) << 32;
            l->mask[w - from] = mask & bits;
        }
    }
}

WIDE static inline __m512 sixteen(const uint16_t *row)
{
    return _mm512_cvtph_ps(_mm256_loadu_si256((const void *)row));
}

/* l + (l + 8), l + (l + 4), l + (l + 2), l + (l + 1) */
WIDE static inline float halve(__m512 sum)
{
    __m256 by8 = _mm256_add_ps(_mm512_castps512_ps256(sum), _mm512_extractf32x8_ps(sum, 1));
    __m128 by4 = _mm_add_ps(_mm256_castps256_ps128(by8), _mm256_extractf128_ps(by8, 1));
    __m128 by2 = _mm_add_ps(by4, _mm_movehl_ps(by4, by4));
    return _mm_cvtss_f32(_mm_add_ss(by2, _mm_movehdup_ps(by2)));
}

enum { TOGETHER = 4 };

WIDE static void scores(const uint16_t *rows, size_t count, size_t width, const float *u, float *s)
{
    size_t i = 0;
    for (; i + TOGETHER <= count; i += TOGETHER) {
        __m512 sum[TOGETHER];
        for (size_t r = 0; r < TOGETHER; r++)
            sum[r] = _mm512_setzero_ps();
        for (size_t d = 0; d < width; d += OD_SCAN_LANES)
            for (size_t r = 0; r < TOGETHER; r++)
                sum[r] = _mm512_add_ps(sum[r], _mm512_mul_ps(sixteen(rows + (i + r) * width + d),
                                                             _mm512_loadu_ps(u + d)));
        for (size_t r = 0; r < TOGETHER; r++)
            s[i + r] = halve(sum[r]);
    }
    for (; i < count; i++) {
        __m512 sum = _mm512_setzero_ps();
        for (size_t d = 0; d < width; d += OD_SCAN_LANES)
            sum = _mm512_add_ps(
                sum, _mm512_mul_ps(sixteen(rows + i * width + d), _mm512_loadu_ps(u + d)));
        s[i] = halve(sum);
    }
}

static const struct od_scan_kernels table = {.name = "avx512vnni", .look = look, .scores = scores};

const struct od_scan_kernels *od_scan_kernels_avx512(void)
{
    bool runs = od_kernels_avx512() && __builtin_cpu_supports("avx512vnni");
    return runs ? &table : NULL;
}

#else

const struct od_scan_kernels *od_scan_kernels_avx512(void)
{
    return NULL;
}

#endif
