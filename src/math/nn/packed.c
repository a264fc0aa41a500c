/* Recurrences over packed rows: see packed.h.
 *
 * Backpropagation through time walks the steps downwards; what depends on a step's own rows alone
 * (the inputs' products, the parameters' gradients) is one product over all rows at the end, since
 * a product of many rows runs several times as fast as one of a step's few. */
#include "math/nn/packed.h"

#include <string.h>

#include "math/nn/layers.h"
#include "math/nn/vector.h"

struct od_nn_packed od_nn_pack(const uint32_t *length, uint32_t sequences, uint32_t *at)
{
    uint32_t steps = sequences ? length[0] : 0, running = sequences;
    at[0] = 0;
    for (uint32_t t = 0; t < steps; t++) {
        while (running && length[running - 1] <= t)
            running--;
        at[t + 1] = at[t] + running;
    }
    return (struct od_nn_packed){steps, at};
}

void od_nn_scan(float *h, const float *a, const float *b, const struct od_nn_packed *packed,
                size_t channels)
{
    const struct od_nn_vector *v = od_nn_vector_best();
    const uint32_t *at = packed->at;
    if (packed->steps && h != b)
        memcpy(h, b, at[1] * channels * sizeof *h);
    for (uint32_t t = 1; t < packed->steps; t++) {
        size_t here = at[t] * channels, count = (at[t + 1] - at[t]) * channels;
        v->scan(h + here, a + here, h + at[t - 1] * channels, b + here, count);
    }
}

void od_nn_scan_back(float *da, float *dh, const float *a, const float *h,
                     const struct od_nn_packed *packed, size_t channels)
{
    const struct od_nn_vector *v = od_nn_vector_best();
    const uint32_t *at = packed->at;
    for (uint32_t t = packed->steps; t-- > 1;) {
        size_t here = at[t] * channels, before = at[t - 1] * channels;
        v->scan_back(da + here, dh + before, dh + here, a + here, h + before,
                     (at[t + 1] - at[t]) * channels);
    }
    if (packed->steps)
        memset(da, 0, at[1] * channels * sizeof *da);
}

void od_nn_gru_inputs(const struct od_nn_gru *gru, float *xw, const float *x, size_t rows)
{
    od_nn_linear(xw, x, gru->w, gru->bias_x, rows, gru->in, 3 * (size_t)gru->width);
}

void od_nn_gru_step(const struct od_nn_gru *gru, float *out, float *kept, const float *xw,
                    const float *before, float *hu, size_t rows)
{
    const struct od_nn_vector *v = od_nn_vector_best();
    size_t n = gru->width;
    od_nn_linear(hu, before, gru->u, gru->bias_u, rows, n, 3 * n);
    for (size_t r = 0; r < rows; r++)
        v->gru(n, xw + 3 * n * r, hu + 3 * n * r, before + n * r, kept + 4 * n * r, out + n * r);
}

void od_nn_gru_step_back(const struct od_nn_gru *gru, float *dxw, float *dhu, float *dbefore,
                         const float *dout, const float *kept, const float *before, size_t rows)
{
    const struct od_nn_vector *v = od_nn_vector_best();
    size_t n = gru->width;
    for (size_t r = 0; r < rows; r++)
        v->gru_back(n, kept + 4 * n * r, before + n * r, dout + n * r, dxw + 3 * n * r,
                    dhu + 3 * n * r, dbefore + n * r);
    od_nn_linear_back(dbefore, true, NULL, NULL, dhu, before, gru->u, rows, n, 3 * n);
}

void od_nn_gru_collect(const struct od_nn_gru *gru, const struct od_nn_gru_grad *grad, float *dx,
                       int add_dx, const float *dxw, const float *dhu, const float *x,
                       const float *before, size_t rows)
{
    size_t n = gru->width;
    od_nn_linear_back(dx, add_dx, grad->w, grad->bias_x, dxw, x, gru->w, rows, gru->in, 3 * n);
    od_nn_linear_back(NULL, false, grad->u, grad->bias_u, dhu, before, gru->u, rows, n, 3 * n);
}

void od_nn_gru_run(const struct od_nn_gru *gru, const struct od_nn_packed *packed, const float *x,
                   float *out, float *before, float *kept, float *xw, float *hu)
{
    size_t n = gru->width;
    const uint32_t *at = packed->at;
    od_nn_gru_inputs(gru, xw, x, at[packed->steps]);
    for (uint32_t t = 0; t < packed->steps; t++) {
        size_t here = at[t], rows = at[t + 1] - here;
        if (t)
            memcpy(before + here * n, out + at[t - 1] * n, rows * n * sizeof *out);
        else
            memset(before, 0, rows * n * sizeof *out);
        od_nn_gru_step(gru, out + here * n, kept + here * 4 * n, xw + here * 3 * n,
                       before + here * n, hu, rows);
    }
}

void od_nn_gru_run_back(const struct od_nn_gru *gru, const struct od_nn_gru_grad *grad,
                        const struct od_nn_packed *packed, uint32_t truncate, const float *x,
                        const float *before, const float *kept, float *dout, float *dx, float *dxw,
                        float *dhu)
{
    const struct od_nn_vector *k = od_nn_vector_best();
    size_t n = gru->width;
    const uint32_t *at = packed->at;
    for (uint32_t t = packed->steps; t-- > 0;) {
        size_t here = at[t], rows = at[t + 1] - here;
        od_nn_gru_step_back(gru, dxw + here * 3 * n, dhu + here * 3 * n, dout + here * n,
                            dout + here * n, kept + here * 4 * n, before + here * n, rows);
        if (t && (!truncate || t % truncate))
            k->axpy(dout + at[t - 1] * n, dout + here * n, 1, rows * n);
    }
    od_nn_gru_collect(gru, grad, dx, false, dxw, dhu, x, before, at[packed->steps]);
}
