/* The layers of layers.h.
 *
 * RMSNorm's way back: with y = g x s, s = (mean x^2 + e)^(-1/2), ds/dx_j = -s^3 x_j / n, so
 * dx = s (g dy) - x s^3 (x . g dy) / n. LayerNorm's: with u = (x - mean) s and e = g dy,
 * dx = s (e - mean e - u mean(u e)). Unit length is the same with n = 1 taken out. */
#include "math/nn/layers.h"

#include <cblas.h>
#include <math.h>
#include <string.h>

#include "math/nn/vector.h"

enum { LANES = 8 }; /* sums that do not wait for each other */

void od_nn_linear(float *y, const float *x, const float *w, const float *bias, size_t rows,
                  size_t in, size_t out)
{
    if (!rows || !out)
        return;
    for (size_t r = 0; bias && r < rows; r++)
        memcpy(y + r * out, bias, out * sizeof *y);
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)rows, (int)out, (int)in, 1, x,
                (int)in, w, (int)in, bias ? 1 : 0, y, (int)out);
}

void od_nn_linear_back(float *dx, bool add_dx, float *dw, float *dbias, const float *dy,
                       const float *x, const float *w, size_t rows, size_t in, size_t out)
{
    if (!rows || !out)
        return;
    if (dx)
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)rows, (int)in, (int)out, 1, dy,
                    (int)out, w, (int)in, add_dx ? 1 : 0, dx, (int)in);
    if (dw)
        cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, (int)out, (int)in, (int)rows, 1, dy,
                    (int)out, x, (int)in, 1, dw, (int)in);
    const struct od_nn_vector *k = od_nn_vector_best();
    for (size_t r = 0; dbias && r < rows; r++)
        k->axpy(dbias, dy + r * out, 1, out);
}

void od_nn_gather(float *y, const float *table, const uint32_t *index, size_t rows, size_t width)
{
    for (size_t r = 0; r < rows; r++)
        if (index[r] == OD_NN_NO_ROW)
            memset(y + r * width, 0, width * sizeof *y);
        else
            memcpy(y + r * width, table + (size_t)index[r] * width, width * sizeof *y);
}

void od_nn_scatter_add(float *dtable, const float *dy, const uint32_t *index, size_t rows,
                       size_t width)
{
    const struct od_nn_vector *k = od_nn_vector_best();
    for (size_t r = 0; r < rows; r++)
        if (index[r] != OD_NN_NO_ROW)
            k->axpy(dtable + (size_t)index[r] * width, dy + r * width, 1, width);
}

void od_nn_rms_norm(float *y, float *inverse, const float *x, const float *gain, size_t rows,
                    size_t width)
{
    const struct od_nn_vector *k = od_nn_vector_best();
    for (size_t r = 0; r < rows; r++, x += width, y += width) {
        float s = 1 / sqrtf(k->dot(x, x, width) / (float)width + OD_NN_NORM_EPSILON);
        inverse[r] = s;
        k->mul(y, gain, x, width);
        k->scale(y, s, width);
    }
}

void od_nn_rms_norm_back(float *dx, bool add_dx, float *dgain, const float *dy, const float *x,
                         const float *inverse, const float *gain, size_t rows, size_t width)
{
    for (size_t r = 0; r < rows; r++, x += width, dy += width, dx += width) {
        float s = inverse[r], part[LANES] = {0}, along = 0;
        for (size_t i = 0; i < width / LANES * LANES; i += LANES)
            for (size_t l = 0; l < LANES; l++)
                part[l] += x[i + l] * gain[i + l] * dy[i + l];
        for (size_t i = width / LANES * LANES; i < width; i++)
            along += x[i] * gain[i] * dy[i];
        for (size_t l = 0; l < LANES; l++)
            along += part[l];
        float pull = s * s * s * along / (float)width;
        for (size_t i = 0; i < width; i++) {
            float d = dy[i], kept = add_dx ? dx[i] : 0;
            dgain[i] += d * x[i] * s;
            dx[i] = kept + s * gain[i] * d - pull * x[i];
        }
    }
}

void od_nn_layer_norm(float *y, float *mean, float *inverse, const float *x, const float *gain,
                      const float *bias, size_t rows, size_t width)
{
    for (size_t r = 0; r < rows; r++, x += width, y += width) {
        float sum = 0, square = 0;
        for (size_t i = 0; i < width; i++)
            sum += x[i];
        float m = sum / (float)width;
        for (size_t i = 0; i < width; i++)
            square += (x[i] - m) * (x[i] - m);
        mean[r] = m;
        inverse[r] = 1 / sqrtf(square / (float)width + OD_NN_NORM_EPSILON);
        for (size_t i = 0; i < width; i++)
            y[i] = gain[i] * (x[i] - m) * inverse[r] + bias[i];
    }
}

void od_nn_layer_norm_back(float *dx, float *dgain, float *dbias, const float *dy, const float *x,
                           const float *mean, const float *inverse, const float *gain, size_t rows,
                           size_t width)
{
    for (size_t r = 0; r < rows; r++, x += width, dy += width, dx += width) {
        float s = inverse[r], m = mean[r], sum = 0, along = 0, n = (float)width;
        for (size_t i = 0; i < width; i++) {
            float e = gain[i] * dy[i];
            sum += e;
            along += e * (x[i] - m) * s;
        }
        for (size_t i = 0; i < width; i++) {
            float d = dy[i], u = (x[i] - m) * s;
            dgain[i] += d * u;
            dbias[i] += d;
            dx[i] = s * (gain[i] * d - sum / n - u * along / n);
        }
    }
}

void od_nn_unit(float *y, float *inverse, const float *x, size_t rows, size_t width)
{
    const struct od_nn_vector *k = od_nn_vector_best();
    for (size_t r = 0; r < rows; r++, x += width, y += width) {
        float s = 1 / sqrtf(k->dot(x, x, width) + OD_NN_NORM_EPSILON);
        inverse[r] = s;
        for (size_t i = 0; i < width; i++)
            y[i] = x[i] * s;
    }
}

void od_nn_unit_back(float *dx, const float *dy, const float *y, const float *inverse, size_t rows,
                     size_t width)
{
    const struct od_nn_vector *k = od_nn_vector_best();
    for (size_t r = 0; r < rows; r++, y += width, dy += width, dx += width) {
        float along = k->dot(y, dy, width);
        for (size_t i = 0; i < width; i++)
            dx[i] = inverse[r] * (dy[i] - y[i] * along);
    }
}

void od_nn_swiglu(float *y, const float *gate_up, size_t rows, size_t width)
{
    const struct od_nn_vector *v = od_nn_vector_best();
    for (size_t r = 0; r < rows; r++, gate_up += 2 * width)
        v->silu_mul(y + r * width, gate_up, gate_up + width, width);
}

void od_nn_swiglu_back(float *dgate_up, const float *dy, const float *gate_up, size_t rows,
                       size_t width)
{
    const struct od_nn_vector *v = od_nn_vector_best();
    for (size_t r = 0; r < rows; r++, gate_up += 2 * width, dgate_up += 2 * width)
        v->silu_mul_back(dgate_up, dgate_up + width, dy + r * width, gate_up, gate_up + width,
                         width);
}

uint64_t od_nn_key(uint64_t seed, uint64_t a, uint64_t b, uint64_t c)
{
    const uint64_t step = OD_NN_GOLDEN;
    uint64_t x = od_nn_mix(od_nn_mix(seed + step) + a + step);
    return od_nn_mix(od_nn_mix(x + b + step) + c + step);
}

/* One 64-bit word decides four entries, 16 bits each: shares are exact to 1/65,536. */
void od_nn_dropout(float *x, size_t count, float share, uint64_t key)
{
    if (!(share > 0))
        return;
    uint32_t limit = (uint32_t)(share * 65536);
    od_nn_vector_best()->dropout(x, count, limit, 65536 / (65536 - (float)limit), key);
}
