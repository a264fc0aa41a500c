/* The element-wise loops for AVX2 and FMA. Only functions marked WIDE may hold such instructions:
 * the file is compiled for any x86-64 and entered after the probe alone. In those marked PLAIN no
 * product is fused with a sum: they give the bits of the reference.
 *
 * A loop takes eight entries at a time; at its end get and put touch only the entries left
 * (masked loads and stores), so there is no second, scalar copy of each formula. */
#include <math.h>

#include "math/nn/vector.h"

#ifdef __x86_64__
#include <immintrin.h>

#define WIDE  __attribute__((target("avx2,fma")))
#define PLAIN __attribute__((target("avx2")))

/* The first `left` lanes, left < 8. */
PLAIN static __m256i lanes(size_t left)
{
    return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)left),
                              _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

PLAIN static inline __m256 get(const float *x, size_t left)
{
    return left >= 8 ? _mm256_loadu_ps(x) : _mm256_maskload_ps(x, lanes(left));
}

PLAIN static inline void put(float *y, __m256 v, size_t left)
{
    if (left >= 8)
        _mm256_storeu_ps(y, v);
    else
        _mm256_maskstore_ps(y, lanes(left), v);
}

PLAIN static inline __m256 one(void)
{
    return _mm256_set1_ps(1.0f);
}

/* Cody and Waite as in vector_ref.c, with fused steps. */
WIDE static inline __m256 exp8(__m256 x)
{
    __m256 low = _mm256_cmp_ps(x, _mm256_set1_ps(-87.3f), _CMP_LE_OQ);
    x = _mm256_min_ps(_mm256_set1_ps(88.0f), x); /* the second operand is kept when NaN */
    x = _mm256_max_ps(_mm256_set1_ps(-87.3f), x);
    __m256 k = _mm256_round_ps(_mm256_mul_ps(x, _mm256_set1_ps(1.44269504f)),
                               _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    __m256 r = _mm256_fnmadd_ps(k, _mm256_set1_ps(0.693359375f), x);
    r = _mm256_fnmadd_ps(k, _mm256_set1_ps(-2.12194440e-4f), r);
    __m256 p = _mm256_set1_ps(1.9875691500e-4f);
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.3981999507e-3f));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(8.3334519073e-3f));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(4.1665795894e-2f));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.6666665459e-1f));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(5.0000001201e-1f));
    p = _mm256_add_ps(_mm256_fmadd_ps(p, _mm256_mul_ps(r, r), r), one());
    __m256i power = _mm256_add_epi32(_mm256_cvtps_epi32(k), _mm256_set1_epi32(127));
    p = _mm256_mul_ps(p, _mm256_castsi256_ps(_mm256_slli_epi32(power, 23)));
    return _mm256_andnot_ps(low, p);
}

WIDE static inline __m256 sigmoid8(__m256 x)
{
    __m256 e = exp8(_mm256_sub_ps(_mm256_setzero_ps(), x));
    return _mm256_div_ps(one(), _mm256_add_ps(one(), e));
}

WIDE static inline __m256 tanh8(__m256 x)
{
    __m256 s = sigmoid8(_mm256_add_ps(x, x));
    return _mm256_sub_ps(_mm256_add_ps(s, s), one());
}

WIDE static void axpy(float *y, const float *x, float a, size_t count)
{
    __m256 va = _mm256_set1_ps(a);
    for (size_t i = 0; i < count; i += 8) {
        size_t left = count - i;
        put(y + i, _mm256_fmadd_ps(va, get(x + i, left), get(y + i, left)), left);
    }
}

WIDE static inline float total(__m256 sum)
{
    float lane[8];
    _mm256_storeu_ps(lane, sum);
    return ((lane[0] + lane[1]) + (lane[2] + lane[3])) +
           ((lane[4] + lane[5]) + (lane[6] + lane[7]));
}

WIDE static float dot(const float *x, const float *y, size_t count)
{
    __m256 sum = _mm256_setzero_ps(), more = sum;
    for (size_t i = 0; i < count; i += 16) {
        size_t left = count - i;
        sum = _mm256_fmadd_ps(get(x + i, left), get(y + i, left), sum);
        if (left > 8)
            more = _mm256_fmadd_ps(get(x + i + 8, left - 8), get(y + i + 8, left - 8), more);
    }
    return total(_mm256_add_ps(sum, more));
}

WIDE static void dots(float *out, const float *x, const float *const *y, size_t rows, size_t count)
{
    size_t r = 0;
    for (; r + 4 <= rows; r += 4) {
        __m256 s0 = _mm256_setzero_ps(), s1 = s0, s2 = s0, s3 = s0;
        for (size_t i = 0; i < count; i += 8) {
            size_t left = count - i;
            __m256 v = get(x + i, left);
            s0 = _mm256_fmadd_ps(v, get(y[r] + i, left), s0);
            s1 = _mm256_fmadd_ps(v, get(y[r + 1] + i, left), s1);
            s2 = _mm256_fmadd_ps(v, get(y[r + 2] + i, left), s2);
            s3 = _mm256_fmadd_ps(v, get(y[r + 3] + i, left), s3);
        }
        out[r] = total(s0);
        out[r + 1] = total(s1);
        out[r + 2] = total(s2);
        out[r + 3] = total(s3);
    }
    for (; r < rows; r++)
        out[r] = dot(x, y[r], count);
}

WIDE static void mul(float *y, const float *a, const float *b, size_t count)
{
    for (size_t i = 0; i < count; i += 8) {
        size_t left = count - i;
        put(y + i, _mm256_mul_ps(get(a + i, left), get(b + i, left)), left);
    }
}

WIDE static void exp_all(float *y, const float *x, size_t count)
{
    for (size_t i = 0; i < count; i += 8)
        put(y + i, exp8(get(x + i, count - i)), count - i);
}

WIDE static void sigmoid_all(float *y, const float *x, size_t count)
{
    for (size_t i = 0; i < count; i += 8)
        put(y + i, sigmoid8(get(x + i, count - i)), count - i);
}

WIDE static void tanh_all(float *y, const float *x, size_t count)
{
    for (size_t i = 0; i < count; i += 8)
        put(y + i, tanh8(get(x + i, count - i)), count - i);
}

WIDE static float largest(const float *x, size_t count)
{
    __m256 most = _mm256_set1_ps(-INFINITY);
    size_t i = 0;
    for (; i + 8 <= count; i += 8)
        most = _mm256_max_ps(most, _mm256_loadu_ps(x + i));
    float lane[8], out = -INFINITY;
    _mm256_storeu_ps(lane, most);
    for (size_t l = 0; l < 8; l++)
        out = lane[l] > out ? lane[l] : out;
    for (; i < count; i++)
        out = x[i] > out ? x[i] : out;
    return out;
}

WIDE static float exp_sum(float *x, float shift, size_t count)
{
    __m256 sum = _mm256_setzero_ps(), more = sum, by = _mm256_set1_ps(shift);
    size_t i = 0;
    for (; i + 16 <= count; i += 16) {
        __m256 e = exp8(_mm256_sub_ps(_mm256_loadu_ps(x + i), by));
        __m256 f = exp8(_mm256_sub_ps(_mm256_loadu_ps(x + i + 8), by));
        _mm256_storeu_ps(x + i, e);
        _mm256_storeu_ps(x + i + 8, f);
        sum = _mm256_add_ps(sum, e);
        more = _mm256_add_ps(more, f);
    }
    for (; i < count; i += 8) {
        size_t left = count - i;
        __m256 e = exp8(_mm256_sub_ps(get(x + i, left), by));
        if (left < 8)
            e = _mm256_and_ps(e, _mm256_castsi256_ps(lanes(left)));
        put(x + i, e, left);
        sum = _mm256_add_ps(sum, e);
    }
    float lane[8];
    _mm256_storeu_ps(lane, _mm256_add_ps(sum, more));
    return ((lane[0] + lane[1]) + (lane[2] + lane[3])) +
           ((lane[4] + lane[5]) + (lane[6] + lane[7]));
}

/* od_nn_log, operation by operation. */
PLAIN static inline __m256 log8(__m256 x)
{
    __m256i bits = _mm256_castps_si256(x);
    __m256 exponent =
        _mm256_cvtepi32_ps(_mm256_sub_epi32(_mm256_srli_epi32(bits, 23), _mm256_set1_epi32(127)));
    __m256 m = _mm256_or_ps(
        _mm256_castsi256_ps(_mm256_and_si256(bits, _mm256_set1_epi32(0x7fffff))), one());
    __m256 c = _mm256_set1_ps(1.41421356f);
    __m256 t = _mm256_div_ps(_mm256_sub_ps(m, c), _mm256_add_ps(m, c)), q = _mm256_mul_ps(t, t);
    __m256 p = _mm256_set1_ps(1.f / 9);
    p = _mm256_add_ps(_mm256_set1_ps(1.f / 7), _mm256_mul_ps(q, p));
    p = _mm256_add_ps(_mm256_set1_ps(1.f / 5), _mm256_mul_ps(q, p));
    p = _mm256_add_ps(_mm256_set1_ps(1.f / 3), _mm256_mul_ps(q, p));
    p = _mm256_add_ps(one(), _mm256_mul_ps(q, p));
    p = _mm256_mul_ps(_mm256_add_ps(t, t), p);
    return _mm256_add_ps(_mm256_mul_ps(exponent, _mm256_set1_ps(0.69314718f)),
                         _mm256_add_ps(_mm256_set1_ps(0.34657359f), p));
}

PLAIN static void log_all(float *y, const float *x, float scale, size_t count)
{
    __m256 by = _mm256_set1_ps(scale);
    for (size_t i = 0; i < count; i += 8)
        put(y + i, _mm256_mul_ps(by, log8(get(x + i, count - i))), count - i);
}

PLAIN static void log_add(float *y, const float *x, const struct od_nn_log_shape *shape,
                          size_t count)
{
    __m256 by = _mm256_set1_ps(shape->by), least = _mm256_set1_ps(shape->least);
    __m256 slope = _mm256_set1_ps(shape->slope), weight = _mm256_set1_ps(shape->weight);
    __m256 zero = _mm256_setzero_ps();
    for (size_t i = 0; i < count; i += 8) {
        size_t left = count - i;
        __m256 v = _mm256_mul_ps(get(x + i, left), by);
        __m256 up = log8(_mm256_add_ps(_mm256_max_ps(v, zero), least));
        __m256 down = _mm256_mul_ps(slope, _mm256_min_ps(v, zero));
        __m256 add = _mm256_mul_ps(weight, _mm256_add_ps(up, down));
        put(y + i, _mm256_add_ps(get(y + i, left), add), left);
    }
}

PLAIN static void scale(float *x, float by, size_t count)
{
    for (size_t i = 0; i < count; i += 8) {
        size_t left = count - i;
        put(x + i, _mm256_mul_ps(get(x + i, left), _mm256_set1_ps(by)), left);
    }
}

/* The lower 64 bits of products of four. */
PLAIN static inline __m256i mul64(__m256i x, uint64_t by)
{
    __m256i b = _mm256_set1_epi64x((long long)by);
    __m256i low = _mm256_mul_epu32(x, b);
    __m256i high = _mm256_add_epi64(_mm256_mul_epu32(_mm256_srli_epi64(x, 32), b),
                                    _mm256_mul_epu32(x, _mm256_srli_epi64(b, 32)));
    return _mm256_add_epi64(low, _mm256_slli_epi64(high, 32));
}

/* od_nn_mix of four. */
PLAIN static inline __m256i mix4(__m256i x)
{
    x = mul64(_mm256_xor_si256(x, _mm256_srli_epi64(x, 30)), 0xbf58476d1ce4e5b9u);
    x = mul64(_mm256_xor_si256(x, _mm256_srli_epi64(x, 27)), 0x94d049bb133111ebu);
    return _mm256_xor_si256(x, _mm256_srli_epi64(x, 31));
}

/* x times keep where kept, 16 bits a lane, says so. */
PLAIN static inline void drop8(float *x, __m128i kept, __m256 keep)
{
    __m256 by = _mm256_and_ps(_mm256_castsi256_ps(_mm256_cvtepi16_epi32(kept)), keep);
    _mm256_storeu_ps(x, _mm256_mul_ps(_mm256_loadu_ps(x), by));
}

PLAIN static void dropout(float *x, size_t count, uint32_t limit, float keep, uint64_t key)
{
    const __m256i least = _mm256_set1_epi16((short)limit);
    const __m256 by = _mm256_set1_ps(keep);
    const __m256i step = _mm256_set1_epi64x((long long)(4 * OD_NN_GOLDEN));
    __m256i at = _mm256_setr_epi64x(
        (long long)(key + OD_NN_GOLDEN), (long long)(key + 2 * OD_NN_GOLDEN),
        (long long)(key + 3 * OD_NN_GOLDEN), (long long)(key + 4 * OD_NN_GOLDEN));
    size_t i = 0;
    for (; i + 16 <= count; i += 16, at = _mm256_add_epi64(at, step)) {
        __m256i word = mix4(at);
        __m256i kept = _mm256_cmpeq_epi16(_mm256_max_epu16(word, least), word);
        drop8(x + i, _mm256_castsi256_si128(kept), by);
        drop8(x + i + 8, _mm256_extracti128_si256(kept, 1), by);
    }
    od_nn_vector_reference.dropout(x + i, count - i, limit, keep, key + i / 4 * OD_NN_GOLDEN);
}

WIDE static void silu_mul(float *y, const float *gate, const float *up, size_t count)
{
    for (size_t i = 0; i < count; i += 8) {
        size_t left = count - i;
        __m256 g = get(gate + i, left);
        put(y + i, _mm256_mul_ps(_mm256_mul_ps(g, sigmoid8(g)), get(up + i, left)), left);
    }
}

WIDE static void silu_mul_back(float *dgate, float *dup, const float *dy, const float *gate,
                               const float *up, size_t count)
{
    for (size_t i = 0; i < count; i += 8) {
        size_t left = count - i;
        __m256 g = get(gate + i, left), u = get(up + i, left), d = get(dy + i, left);
        __m256 s = sigmoid8(g), gs = _mm256_mul_ps(g, s);
        __m256 slope = _mm256_fmadd_ps(gs, _mm256_sub_ps(one(), s), s);
        put(dup + i, _mm256_mul_ps(d, gs), left);
        put(dgate + i, _mm256_mul_ps(_mm256_mul_ps(d, u), slope), left);
    }
}

WIDE static void gru(size_t count, const float *x, const float *u, const float *h, float *kept,
                     float *out)
{
    for (size_t i = 0; i < count; i += 8) {
        size_t left = count - i, z_at = count + i, n_at = 2 * count + i;
        __m256 un = get(u + n_at, left);
        __m256 r = sigmoid8(_mm256_add_ps(get(x + i, left), get(u + i, left)));
        __m256 z = sigmoid8(_mm256_add_ps(get(x + z_at, left), get(u + z_at, left)));
        __m256 n = tanh8(_mm256_fmadd_ps(r, un, get(x + n_at, left)));
        put(kept + i, r, left);
        put(kept + z_at, z, left);
        put(kept + n_at, n, left);
        put(kept + 3 * count + i, un, left);
        put(out + i, _mm256_fmadd_ps(z, _mm256_sub_ps(get(h + i, left), n), n), left);
    }
}

WIDE static void gru_back(size_t count, const float *kept, const float *h, const float *dout,
                          float *dx, float *du, float *dh)
{
    for (size_t i = 0; i < count; i += 8) {
        size_t left = count - i, z_at = count + i, n_at = 2 * count + i;
        __m256 r = get(kept + i, left), z = get(kept + z_at, left), n = get(kept + n_at, left);
        __m256 d = get(dout + i, left), not_z = _mm256_sub_ps(one(), z);
        __m256 dn = _mm256_mul_ps(_mm256_mul_ps(d, not_z), _mm256_fnmadd_ps(n, n, one()));
        __m256 dz = _mm256_mul_ps(_mm256_mul_ps(d, _mm256_sub_ps(get(h + i, left), n)),
                                  _mm256_mul_ps(z, not_z));
        __m256 dr = _mm256_mul_ps(_mm256_mul_ps(dn, get(kept + 3 * count + i, left)),
                                  _mm256_mul_ps(r, _mm256_sub_ps(one(), r)));
        put(dx + i, dr, left);
        put(du + i, dr, left);
        put(dx + z_at, dz, left);
        put(du + z_at, dz, left);
        put(dx + n_at, dn, left);
        put(du + n_at, _mm256_mul_ps(dn, r), left);
        put(dh + i, _mm256_mul_ps(d, z), left);
    }
}

WIDE static void scan(float *h, const float *a, const float *before, const float *b, size_t count)
{
    for (size_t i = 0; i < count; i += 8) {
        size_t left = count - i;
        __m256 v = _mm256_fmadd_ps(get(a + i, left), get(before + i, left), get(b + i, left));
        put(h + i, v, left);
    }
}

WIDE static void scan_back(float *da, float *dbefore, const float *dh, const float *a,
                           const float *before, size_t count)
{
    for (size_t i = 0; i < count; i += 8) {
        size_t left = count - i;
        __m256 d = get(dh + i, left);
        put(da + i, _mm256_mul_ps(d, get(before + i, left)), left);
        put(dbefore + i, _mm256_fmadd_ps(get(a + i, left), d, get(dbefore + i, left)), left);
    }
}

WIDE static void adam(float *w, float *m, float *v, const float *g, size_t count,
                      const struct od_nn_adam *s)
{
    __m256 rate = _mm256_set1_ps(s->rate), decay = _mm256_set1_ps(s->decay);
    __m256 new1 = _mm256_set1_ps(1 - s->beta1), new2 = _mm256_set1_ps(1 - s->beta2);
    __m256 correct1 = _mm256_set1_ps(s->correct1), correct2 = _mm256_set1_ps(s->correct2);
    __m256 epsilon = _mm256_set1_ps(s->epsilon), scale = _mm256_set1_ps(s->scale);
    for (size_t i = 0; i < count; i += 8) {
        size_t left = count - i;
        __m256 gi = _mm256_mul_ps(get(g + i, left), scale), mi = get(m + i, left);
        __m256 vi = get(v + i, left), wi = get(w + i, left);
        mi = _mm256_fmadd_ps(new1, _mm256_sub_ps(gi, mi), mi);
        vi = _mm256_fmadd_ps(new2, _mm256_fmsub_ps(gi, gi, vi), vi);
        __m256 size = _mm256_add_ps(_mm256_sqrt_ps(_mm256_mul_ps(vi, correct2)), epsilon);
        __m256 step = _mm256_div_ps(_mm256_mul_ps(mi, correct1), size);
        step = _mm256_fmadd_ps(decay, wi, step);
        put(m + i, mi, left);
        put(v + i, vi, left);
        put(w + i, _mm256_fnmadd_ps(rate, step, wi), left);
    }
}

WIDE static void adagrad(float *w, float *sum_sq, const float *g, size_t count, float rate,
                         float epsilon)
{
    __m256 by = _mm256_set1_ps(rate), least = _mm256_set1_ps(epsilon);
    for (size_t i = 0; i < count; i += 8) {
        size_t left = count - i;
        __m256 gi = get(g + i, left), sum = _mm256_fmadd_ps(gi, gi, get(sum_sq + i, left));
        __m256 size = _mm256_sqrt_ps(_mm256_add_ps(sum, least));
        put(sum_sq + i, sum, left);
        put(w + i, _mm256_fnmadd_ps(by, _mm256_div_ps(gi, size), get(w + i, left)), left);
    }
}

static const struct od_nn_vector table = {
    .name = "avx2",
    .axpy = axpy,
    .dot = dot,
    .dots = dots,
    .mul = mul,
    .scale = scale,
    .dropout = dropout,
    .exp = exp_all,
    .sigmoid = sigmoid_all,
    .tanh = tanh_all,
    .largest = largest,
    .exp_sum = exp_sum,
    .log = log_all,
    .log_add = log_add,
    .silu_mul = silu_mul,
    .silu_mul_back = silu_mul_back,
    .gru = gru,
    .gru_back = gru_back,
    .scan = scan,
    .scan_back = scan_back,
    .adam = adam,
    .adagrad = adagrad,
};

const struct od_nn_vector *od_nn_vector_avx2(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? &table : NULL;
}

#else

const struct od_nn_vector *od_nn_vector_avx2(void)
{
    return NULL;
}

#endif
