/* The loops of a scan for AVX2 and F16C; scan_kernels.h says why nothing saturates.
 *
 * Four numbers of eight items are one register: vpmaddubsw multiplies cells by the query's numbers
 * and adds pairs in 16 bits, where the next four numbers are added to them; vpmaddwd by ones adds
 * their pairs in 32. That is 3 multiplications for 64 products, 2 of them a cycle on Zen 3; but
 * where cells come from the last cache, a loop for one query waits for them, so two queries are
 * served from one read where there are two. */
#include "math/scan_kernels.h"

#ifdef __x86_64__
#include <immintrin.h>

#define WIDE __attribute__((target("avx2,f16c")))
#define INTO WIDE inline __attribute__((always_inline)) /* calls would cost a tenth */

WIDE static inline __m256i pairs(__m256i cells, __m256i p)
{
    return _mm256_maddubs_epi16(cells, p);
}

WIDE static inline __m256i numbers(const int8_t *p)
{
    int32_t four;
    __builtin_memcpy(&four, p, sizeof four);
    return _mm256_set1_epi32(four);
}

/* sum + two times sixteen pairs, added in 16 bits and then in 32. */
WIDE static inline __m256i more(__m256i sum, __m256i x, __m256i y)
{
    return _mm256_add_epi32(sum, _mm256_madd_epi16(_mm256_add_epi16(x, y), _mm256_set1_epi16(1)));
}

enum { ROW = OD_SCAN_GROUP * OD_SCAN_QUAD }; /* bytes of a group's next four numbers */

/* Or the compiler would load them again for the other query. */
#define HELD(x, y) __asm__("" : "+x"(x), "+x"(y))

WIDE static inline __m256i eight_cells(const uint8_t *cells)
{
    return _mm256_loadu_si256((const void *)cells);
}

/* The dots of a group with a query. */
struct four {
    __m256i a, b, c, d;
};

INTO static struct four dots_alone(const struct od_scan_ready *q, const uint8_t *cells,
                                   size_t quads)
{
    __m256i a = _mm256_set1_epi32(-q->zero), b = a, c = a, d = a;
    size_t k = 0;
    for (; k + 2 <= quads; k += 2, cells += 2 * ROW) {
        __m256i p = numbers(q->numbers + k * OD_SCAN_QUAD);
        __m256i r = numbers(q->numbers + (k + 1) * OD_SCAN_QUAD);
        const uint8_t *next = cells + ROW;
        a = more(a, pairs(eight_cells(cells), p), pairs(eight_cells(next), r));
        b = more(b, pairs(eight_cells(cells + 32), p), pairs(eight_cells(next + 32), r));
        c = more(c, pairs(eight_cells(cells + 64), p), pairs(eight_cells(next + 64), r));
        d = more(d, pairs(eight_cells(cells + 96), p), pairs(eight_cells(next + 96), r));
    }
    if (k < quads) {
        __m256i p = numbers(q->numbers + k * OD_SCAN_QUAD), none = _mm256_setzero_si256();
        a = more(a, pairs(eight_cells(cells), p), none);
        b = more(b, pairs(eight_cells(cells + 32), p), none);
        c = more(c, pairs(eight_cells(cells + 64), p), none);
        d = more(d, pairs(eight_cells(cells + 96), p), none);
    }
    return (struct four){a, b, c, d};
}

/* Of a group with each of two queries. */
INTO static void dots_of_two(const struct od_scan_look *looks, const uint8_t *cells, size_t quads,
                             struct four *out)
{
    const int8_t *p = looks[0].query->numbers, *q = looks[1].query->numbers;
    __m256i a = _mm256_set1_epi32(-looks[0].query->zero), b = a, c = a, d = a;
    __m256i e = _mm256_set1_epi32(-looks[1].query->zero), f = e, g = e, h = e;
    size_t k = 0;
    for (; k + 2 <= quads; k += 2, cells += 2 * ROW, p += 2 * OD_SCAN_QUAD, q += 2 * OD_SCAN_QUAD) {
        __m256i p0 = numbers(p), p1 = numbers(p + OD_SCAN_QUAD);
        __m256i q0 = numbers(q), q1 = numbers(q + OD_SCAN_QUAD);
#define BOTH(at, sum, other)                                                                       \
    do {                                                                                           \
        __m256i x = eight_cells(cells + (at)), y = eight_cells(cells + ROW + (at));                \
        HELD(x, y);                                                                                \
        sum = more(sum, pairs(x, p0), pairs(y, p1));                                               \
        other = more(other, pairs(x, q0), pairs(y, q1));                                           \
    } while (0)
        BOTH(0, a, e);
        BOTH(32, b, f);
        BOTH(64, c, g);
        BOTH(96, d, h);
    }
    if (k < quads) {
        __m256i p0 = numbers(p), q0 = numbers(q), none = _mm256_setzero_si256();
        a = more(a, pairs(eight_cells(cells), p0), none);
        b = more(b, pairs(eight_cells(cells + 32), p0), none);
        c = more(c, pairs(eight_cells(cells + 64), p0), none);
        d = more(d, pairs(eight_cells(cells + 96), p0), none);
        e = more(e, pairs(eight_cells(cells), q0), none);
        f = more(f, pairs(eight_cells(cells + 32), q0), none);
        g = more(g, pairs(eight_cells(cells + 64), q0), none);
        h = more(h, pairs(eight_cells(cells + 96), q0), none);
    }
    out[0] = (struct four){a, b, c, d};
    out[1] = (struct four){e, f, g, h};
}

WIDE static inline uint64_t over(__m256i mask)
{
    return (uint64_t)_mm256_movemask_ps(_mm256_castsi256_ps(mask));
}

/* Which of a group's items have dots above; stores all when there are any. */
INTO static uint64_t judge(struct four dots, __m256i above, int32_t *out)
{
    __m256i a = _mm256_cmpgt_epi32(dots.a, above), b = _mm256_cmpgt_epi32(dots.b, above);
    __m256i c = _mm256_cmpgt_epi32(dots.c, above), d = _mm256_cmpgt_epi32(dots.d, above);
    __m256i any = _mm256_or_si256(_mm256_or_si256(a, b), _mm256_or_si256(c, d));
    if (__builtin_expect(_mm256_testz_si256(any, any), 1))
        return 0;
    _mm256_storeu_si256((void *)out, dots.a);
    _mm256_storeu_si256((void *)(out + 8), dots.b);
    _mm256_storeu_si256((void *)(out + 16), dots.c);
    _mm256_storeu_si256((void *)(out + 24), dots.d);
    return over(a) | over(b) << 8 | over(c) << 16 | over(d) << 24;
}

WIDE static void look_alone(const struct od_scan_matrix *m, size_t from, size_t end,
                            struct od_scan_look *look, const struct od_scan_next *next)
{
    size_t quads = od_scan_quads(m->dims), bytes = quads * ROW;
    const uint8_t *cells = m->cells + 2 * from * bytes;
    for (size_t slot = 0; slot < end - from; slot++, cells += 2 * bytes) {
        od_scan_fetch(next, slot);
        uint64_t bits = look->keep ? look->keep[from + slot] : UINT64_MAX, mask = 0;
        __m256i above = _mm256_set1_epi32(look->least[slot] - 1);
        for (size_t h = 0; h < OD_SCAN_BLOCK; h += OD_SCAN_GROUP) {
            if (!(uint32_t)(bits >> h))
                continue;
            struct four dots = dots_alone(look->query, h ? cells + bytes : cells, quads);
            mask |= judge(dots, above, look->dots[slot] + h) << h;
        }
        look->mask[slot] = mask & bits;
    }
}

WIDE static void look_in_pairs(const struct od_scan_matrix *m, size_t from, size_t end,
                               struct od_scan_look *looks, const struct od_scan_next *next)
{
    size_t quads = od_scan_quads(m->dims), bytes = quads * ROW;
    const uint8_t *cells = m->cells + 2 * from * bytes;
    for (size_t slot = 0; slot < end - from; slot++, cells += 2 * bytes) {
        uint64_t bits[OD_SCAN_PAIR], first = 0, second = 0;
        od_scan_fetch(next, slot);
        for (size_t n = 0; n < OD_SCAN_PAIR; n++)
            bits[n] = looks[n].keep ? looks[n].keep[from + slot] : UINT64_MAX;
        __m256i above = _mm256_set1_epi32(looks[0].least[slot] - 1);
        __m256i other = _mm256_set1_epi32(looks[1].least[slot] - 1);
        for (size_t h = 0; h < OD_SCAN_BLOCK; h += OD_SCAN_GROUP) {
            struct four dots[OD_SCAN_PAIR];
            if (!(uint32_t)((bits[0] | bits[1]) >> h))
                continue;
            dots_of_two(looks, h ? cells + bytes : cells, quads, dots);
            first |= judge(dots[0], above, looks[0].dots[slot] + h) << h;
            second |= judge(dots[1], other, looks[1].dots[slot] + h) << h;
        }
        looks[0].mask[slot] = first & bits[0];
        looks[1].mask[slot] = second & bits[1];
    }
}

static void look(const struct od_scan_matrix *m, size_t from, size_t end,
                 struct od_scan_look *looks, size_t count, const struct od_scan_next *next)
{
    if (count == OD_SCAN_PAIR)
        look_in_pairs(m, from, end, looks, next);
    else
        look_alone(m, from, end, looks, next);
}

WIDE static inline __m256 eight(const uint16_t *row, size_t d)
{
    return _mm256_cvtph_ps(_mm_loadu_si128((const void *)(row + d)));
}

/* l + (l + 8), l + (l + 4), l + (l + 2), l + (l + 1) */
WIDE static inline float halve(__m256 low, __m256 high)
{
    __m256 by8 = _mm256_add_ps(low, high);
    __m128 by4 = _mm_add_ps(_mm256_castps256_ps128(by8), _mm256_extractf128_ps(by8, 1));
    __m128 by2 = _mm_add_ps(by4, _mm_movehl_ps(by4, by4));
    return _mm_cvtss_f32(_mm_add_ss(by2, _mm_movehdup_ps(by2)));
}

enum { TOGETHER = 4 }; /* rows: eight sums in registers hide the latency of adding */

WIDE static void scores(const uint16_t *rows, size_t count, size_t width, const float *u, float *s)
{
    size_t i = 0;
    for (; i + TOGETHER <= count; i += TOGETHER) {
        const uint16_t *row = rows + i * width;
        __m256 low[TOGETHER], high[TOGETHER];
        for (size_t r = 0; r < TOGETHER; r++)
            low[r] = high[r] = _mm256_setzero_ps();
        for (size_t d = 0; d < width; d += OD_SCAN_LANES) {
            __m256 u0 = _mm256_loadu_ps(u + d), u1 = _mm256_loadu_ps(u + d + 8);
            for (size_t r = 0; r < TOGETHER; r++) {
                low[r] = _mm256_add_ps(low[r], _mm256_mul_ps(eight(row + r * width, d), u0));
                high[r] = _mm256_add_ps(high[r], _mm256_mul_ps(eight(row + r * width, d + 8), u1));
            }
        }
        for (size_t r = 0; r < TOGETHER; r++)
            s[i + r] = halve(low[r], high[r]);
    }
    for (; i < count; i++) {
        __m256 low = _mm256_setzero_ps(), high = low;
        for (size_t d = 0; d < width; d += OD_SCAN_LANES) {
            low = _mm256_add_ps(low,
                                _mm256_mul_ps(eight(rows + i * width, d), _mm256_loadu_ps(u + d)));
            high = _mm256_add_ps(
                high, _mm256_mul_ps(eight(rows + i * width, d + 8), _mm256_loadu_ps(u + d + 8)));
        }
        s[i] = halve(low, high);
    }
}

static const struct od_scan_kernels table = {.name = "avx2", .look = look, .scores = scores};

const struct od_scan_kernels *od_scan_kernels_avx2(void)
{
    return od_kernels_avx2() ? &table : NULL; /* which ask for F16C as well */
}

#else

const struct od_scan_kernels *od_scan_kernels_avx2(void)
{
    return NULL;
}

#endif
