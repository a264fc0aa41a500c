/* The element-wise loops in plain C: the oracle of vector_avx2.c, and what runs without it.
 *
 * exp by Cody and Waite's reduction x = k ln 2 + r, |r| <= ln 2 / 2, a polynomial of degree 6 in r
 * and a shift of the exponent, as in the Cephes library. It is written out here, and not taken from
 * the C library, so that a model trained by this table has the same bytes on every machine. */
#include <math.h>
#include <string.h>

#include "math/nn/vector.h"

static float exp1(float x)
{
    const float log2e = 1.44269504f, ln2_high = 0.693359375f, ln2_low = -2.12194440e-4f;
    if (!(x > -87.3f))
        return isnan(x) ? x : 0;
    x = x < 88.0f ? x : 88.0f;
    float k = rintf(x * log2e);
    float r = x - k * ln2_high - k * ln2_low;
    float p = 1.9875691500e-4f;
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * r * r + r + 1;
    uint32_t bits = (uint32_t)((int32_t)k + 127) << 23;
    float scale;
    memcpy(&scale, &bits, sizeof scale);
    return p * scale;
}

static float sigmoid1(float x)
{
    return 1 / (1 + exp1(-x));
}

static float tanh1(float x)
{
    return 2 * sigmoid1(2 * x) - 1;
}

/* ln m for m in [1, 2) as the odd series of artanh((m - 1) / (m + 1)) around the middle:
 * x = c e^(2 artanh(t)), t = (m - c) / (m + c), c = sqrt(2), |t| <= 0.172; five terms leave an
 * error below 1e-9, rounding more. */
float od_nn_log(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    float exponent = (float)((int32_t)(bits >> 23) - 127);
    bits = (bits & 0x007fffffu) | 0x3f800000u;
    float m;
    memcpy(&m, &bits, sizeof m);
    float t = (m - 1.41421356f) / (m + 1.41421356f), q = t * t;
    float series = 2 * t * (1 + q * (1.f / 3 + q * (1.f / 5 + q * (1.f / 7 + q * (1.f / 9)))));
    return exponent * 0.69314718f + (0.34657359f + series);
}

static void axpy(float *y, const float *x, float a, size_t count)
{
    for (size_t i = 0; i < count; i++)
        y[i] += a * x[i];
}

static float dot(const float *x, const float *y, size_t count)
{
    float part[8] = {0};
    for (size_t i = 0; i < count; i++)
        part[i % 8] += x[i] * y[i];
    return ((part[0] + part[1]) + (part[2] + part[3])) +
           ((part[4] + part[5]) + (part[6] + part[7]));
}

static void dots(float *out, const float *x, const float *const *y, size_t rows, size_t count)
{
    for (size_t r = 0; r < rows; r++)
        out[r] = dot(x, y[r], count);
}

static void mul(float *y, const float *a, const float *b, size_t count)
{
    for (size_t i = 0; i < count; i++)
        y[i] = a[i] * b[i];
}

static void scale(float *x, float by, size_t count)
{
    for (size_t i = 0; i < count; i++)
        x[i] *= by;
}

uint64_t od_nn_mix(uint64_t x)
{
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

static void dropout(float *x, size_t count, uint32_t limit, float keep, uint64_t key)
{
    for (size_t i = 0; i < count; i += 4) {
        uint64_t word = od_nn_mix(key + (i / 4 + 1) * OD_NN_GOLDEN);
        for (size_t l = 0; l < 4 && i + l < count; l++)
            x[i + l] *= (word >> (16 * l) & 0xffffu) < limit ? 0 : keep;
    }
}

static void exp_all(float *y, const float *x, size_t count)
{
    for (size_t i = 0; i < count; i++)
        y[i] = exp1(x[i]);
}

static void sigmoid_all(float *y, const float *x, size_t count)
{
    for (size_t i = 0; i < count; i++)
        y[i] = sigmoid1(x[i]);
}

static void tanh_all(float *y, const float *x, size_t count)
{
    for (size_t i = 0; i < count; i++)
        y[i] = tanh1(x[i]);
}

static float largest(const float *x, size_t count)
{
    float most = -INFINITY;
    for (size_t i = 0; i < count; i++)
        most = x[i] > most ? x[i] : most;
    return most;
}

static float exp_sum(float *x, float shift, size_t count)
{
    float part[8] = {0};
    for (size_t i = 0; i < count; i++) {
        x[i] = exp1(x[i] - shift);
        part[i % 8] += x[i];
    }
    return ((part[0] + part[1]) + (part[2] + part[3])) +
           ((part[4] + part[5]) + (part[6] + part[7]));
}

static void log_all(float *y, const float *x, float scale, size_t count)
{
    for (size_t i = 0; i < count; i++)
        y[i] = scale * od_nn_log(x[i]);
}

static void log_add(float *y, const float *x, const struct od_nn_log_shape *shape, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        float v = x[i] * shape->by, up = v > 0 ? v : 0, down = v < 0 ? v : 0;
        y[i] += shape->weight * (od_nn_log(up + shape->least) + shape->slope * down);
    }
}

static void silu_mul(float *y, const float *gate, const float *up, size_t count)
{
    for (size_t i = 0; i < count; i++)
        y[i] = gate[i] * sigmoid1(gate[i]) * up[i];
}

static void silu_mul_back(float *dgate, float *dup, const float *dy, const float *gate,
                          const float *up, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        float g = gate[i], u = up[i], s = sigmoid1(g);
        dup[i] = dy[i] * g * s;
        dgate[i] = dy[i] * u * (s + g * s * (1 - s));
    }
}

static void gru(size_t count, const float *x, const float *u, const float *h, float *kept,
                float *out)
{
    for (size_t i = 0; i < count; i++) {
        float un = u[2 * count + i];
        float r = sigmoid1(x[i] + u[i]);
        float z = sigmoid1(x[count + i] + u[count + i]);
        float n = tanh1(x[2 * count + i] + r * un);
        kept[i] = r;
        kept[count + i] = z;
        kept[2 * count + i] = n;
        kept[3 * count + i] = un;
        out[i] = n + z * (h[i] - n);
    }
}

static void gru_back(size_t count, const float *kept, const float *h, const float *dout, float *dx,
                     float *du, float *dh)
{
    for (size_t i = 0; i < count; i++) {
        float r = kept[i], z = kept[count + i], n = kept[2 * count + i], d = dout[i];
        float dn = d * (1 - z) * (1 - n * n);
        float dz = d * (h[i] - n) * z * (1 - z);
        float dr = dn * kept[3 * count + i] * r * (1 - r);
        dx[i] = dr;
        du[i] = dr;
        dx[count + i] = dz;
        du[count + i] = dz;
        dx[2 * count + i] = dn;
        du[2 * count + i] = dn * r;
        dh[i] = d * z;
    }
}

static void scan(float *h, const float *a, const float *before, const float *b, size_t count)
{
    for (size_t i = 0; i < count; i++)
        h[i] = a[i] * before[i] + b[i];
}

static void scan_back(float *da, float *dbefore, const float *dh, const float *a,
                      const float *before, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        da[i] = dh[i] * before[i];
        dbefore[i] += a[i] * dh[i];
    }
}

static void adam(float *w, float *m, float *v, const float *g, size_t count,
                 const struct od_nn_adam *s)
{
    for (size_t i = 0; i < count; i++) {
        float gi = g[i] * s->scale;
        m[i] += (1 - s->beta1) * (gi - m[i]);
        v[i] += (1 - s->beta2) * (gi * gi - v[i]);
        float size = sqrtf(v[i] * s->correct2) + s->epsilon;
        w[i] -= s->rate * (m[i] * s->correct1 / size + s->decay * w[i]);
    }
}

static void adagrad(float *w, float *sum_sq, const float *g, size_t count, float rate,
                    float epsilon)
{
    for (size_t i = 0; i < count; i++) {
        sum_sq[i] += g[i] * g[i];
        w[i] -= rate * g[i] / sqrtf(sum_sq[i] + epsilon);
    }
}

const struct od_nn_vector od_nn_vector_reference = {
    .name = "reference",
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
