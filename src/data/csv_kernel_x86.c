/* The kernels for x86-64: 64 bytes a step, SSE2 (always there) or AVX2 (asked of the CPU).
 *
 * A step compares the bytes with each special character, gathers the results into one 64-bit mask
 * and turns its set bits into offsets. Bits are written eight at a time without asking whether they
 * are there (the count moves by the true number), since a branch a bit would be mispredicted once a
 * row (Langdale, Lemire, "Parsing gigabytes of JSON per second", 2019, section 3.1.1). */
#include "data/csv_kernel.h"

#include <stdbool.h>

#if defined(__x86_64__)
#include <immintrin.h>

#define STEP 64
#define AVX2 __attribute__((target("avx2,bmi,popcnt")))

/* --- SSE2 --- */

static uint64_t mask16x4(__m128i a, __m128i b, __m128i c, __m128i d)
{
    uint64_t lo = (uint32_t)_mm_movemask_epi8(a) | (uint32_t)_mm_movemask_epi8(b) << 16;
    uint64_t hi = (uint32_t)_mm_movemask_epi8(c) | (uint32_t)_mm_movemask_epi8(d) << 16;
    return lo | hi << 32;
}

static __m128i special16(__m128i v)
{
    __m128i comma = _mm_cmpeq_epi8(v, _mm_set1_epi8(','));
    __m128i quote = _mm_cmpeq_epi8(v, _mm_set1_epi8('"'));
    __m128i line = _mm_cmpeq_epi8(v, _mm_set1_epi8('\n'));
    return _mm_or_si128(_mm_or_si128(comma, quote), line);
}

/* The high bit of a byte is set when it is NUL or above 0x7F: those are not greater than 0. */
static __m128i odd16(__m128i v)
{
    return _mm_cmpgt_epi8(_mm_set1_epi8(1), v);
}

static size_t put_bits(uint32_t *index, size_t n, uint32_t base, uint64_t mask)
{
    while (mask) {
        index[n++] = base + (uint32_t)__builtin_ctzll(mask);
        mask &= mask - 1;
    }
    return n;
}

static size_t index_sse2(const char *bytes, size_t len, uint32_t *index, int *out_plain)
{
    size_t n = 0, i = 0;
    __m128i odd = _mm_setzero_si128();
    for (; i + STEP <= len; i += STEP) {
        __m128i a = _mm_loadu_si128((const __m128i *)(bytes + i));
        __m128i b = _mm_loadu_si128((const __m128i *)(bytes + i + 16));
        __m128i c = _mm_loadu_si128((const __m128i *)(bytes + i + 32));
        __m128i d = _mm_loadu_si128((const __m128i *)(bytes + i + 48));
        odd = _mm_or_si128(
            odd, _mm_or_si128(_mm_or_si128(odd16(a), odd16(b)), _mm_or_si128(odd16(c), odd16(d))));
        uint64_t mask = mask16x4(special16(a), special16(b), special16(c), special16(d));
        n = put_bits(index, n, (uint32_t)i, mask);
    }
    int plain = 1;
    size_t rest = od_csv_kernel_ref.index(bytes + i, len - i, index + n, &plain);
    for (size_t k = 0; k < rest; k++)
        index[n + k] += (uint32_t)i;
    *out_plain = plain && _mm_movemask_epi8(odd) == 0;
    return n + rest;
}

static uint64_t count_sse2(const char *bytes, size_t len)
{
    uint64_t n = 0;
    size_t i = 0;
    __m128i line = _mm_set1_epi8('\n');
    for (; i + 16 <= len; i += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(bytes + i));
        n += (uint64_t)__builtin_popcount((unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(v, line)));
    }
    return n + od_csv_kernel_ref.count_newlines(bytes + i, len - i);
}

static const struct od_csv_kernel kernel_sse2 = {"sse2", index_sse2, count_sse2};

/* --- AVX2 --- */

AVX2 static __m256i special32(__m256i v)
{
    __m256i comma = _mm256_cmpeq_epi8(v, _mm256_set1_epi8(','));
    __m256i quote = _mm256_cmpeq_epi8(v, _mm256_set1_epi8('"'));
    __m256i line = _mm256_cmpeq_epi8(v, _mm256_set1_epi8('\n'));
    return _mm256_or_si256(_mm256_or_si256(comma, quote), line);
}

AVX2 static void put_eight(uint32_t *to, uint32_t base, uint64_t *mask)
{
    for (int k = 0; k < 8; k++) {
        to[k] = base + (uint32_t)_tzcnt_u64(*mask);
        *mask = _blsr_u64(*mask);
    }
}

AVX2 static size_t put_bits_avx2(uint32_t *index, size_t n, uint32_t base, uint64_t mask)
{
    size_t count = (size_t)_mm_popcnt_u64(mask);
    put_eight(index + n, base, &mask);
    if (count > 8)
        put_eight(index + n + 8, base, &mask);
    for (size_t k = 16; k < count; k += 8)
        put_eight(index + n + k, base, &mask);
    return n + count;
}

AVX2 static size_t index_avx2(const char *bytes, size_t len, uint32_t *index, int *out_plain)
{
    size_t n = 0, i = 0;
    __m256i odd = _mm256_setzero_si256();
    const __m256i one = _mm256_set1_epi8(1);
    for (; i + STEP <= len; i += STEP) {
        __m256i a = _mm256_loadu_si256((const __m256i *)(bytes + i));
        __m256i b = _mm256_loadu_si256((const __m256i *)(bytes + i + 32));
        odd = _mm256_or_si256(
            odd, _mm256_or_si256(_mm256_cmpgt_epi8(one, a), _mm256_cmpgt_epi8(one, b)));
        uint64_t lo = (uint32_t)_mm256_movemask_epi8(special32(a));
        uint64_t hi = (uint32_t)_mm256_movemask_epi8(special32(b));
        n = put_bits_avx2(index, n, (uint32_t)i, lo | hi << 32);
    }
    int plain = 1;
    size_t rest = od_csv_kernel_ref.index(bytes + i, len - i, index + n, &plain);
    for (size_t k = 0; k < rest; k++)
        index[n + k] += (uint32_t)i;
    *out_plain = plain && _mm256_testz_si256(odd, odd);
    return n + rest;
}

AVX2 static uint64_t count_avx2(const char *bytes, size_t len)
{
    uint64_t n = 0;
    size_t i = 0;
    __m256i line = _mm256_set1_epi8('\n');
    for (; i + 32 <= len; i += 32) {
        __m256i v = _mm256_loadu_si256((const __m256i *)(bytes + i));
        n += (uint64_t)_mm_popcnt_u32((unsigned)_mm256_movemask_epi8(_mm256_cmpeq_epi8(v, line)));
    }
    return n + od_csv_kernel_ref.count_newlines(bytes + i, len - i);
}

static const struct od_csv_kernel kernel_avx2 = {"avx2", index_avx2, count_avx2};

const struct od_csv_kernel *od_csv_kernel(size_t rank)
{
    bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") &&
                __builtin_cpu_supports("popcnt");
    if (!avx2)
        rank++;
    const struct od_csv_kernel *const list[] = {&kernel_avx2, &kernel_sse2, &od_csv_kernel_ref};
    return rank < sizeof list / sizeof list[0] ? list[rank] : NULL;
}

#else

const struct od_csv_kernel *od_csv_kernel(size_t rank)
{
    return rank == 0 ? &od_csv_kernel_ref : NULL;
}

#endif
