/* A layer of the sequence network: the formulas are in seq_net.c.
 *
 * The way back of the recurrence h_t = a_t h_(t-1) + (1 - a_t) v_t, a = sigmoid(z), y = h silu(g):
 * the scan gives D_t, the whole gradient of h_t, and D_t h_(t-1); then dv = D (1 - a) and
 * dz = (D h_(t-1) - D v) a (1 - a). */
#include "recipes/seq_layer.h"

#include <string.h>

#include "math/kernels.h"
#include "math/nn/layers.h"
#include "math/nn/vector.h"

enum { DROP_MIX = 1, DROP_MID = 2 };

size_t od_seq_kept_floats(uint32_t width, uint32_t hidden)
{
    return 2 + 10 * (size_t)width + 3 * (size_t)hidden;
}

struct od_seq_kept od_seq_kept_at(float **work, uint32_t width, uint32_t hidden, size_t rows)
{
    struct od_seq_kept k;
    size_t d = width, f = hidden;
    float **const part[] = {&k.x, &k.inverse1, &k.normal1,  &k.vgz,     &k.a,  &k.h,
                            &k.y, &k.middle,   &k.inverse2, &k.normal2, &k.up, &k.mid};
    const size_t floats[] = {d, 1, d, 3 * d, d, d, d, d, 1, d, 2 * f, f};
    for (size_t i = 0; i < sizeof part / sizeof *part; i++) {
        *part[i] = *work;
        *work += floats[i] * rows;
    }
    return k;
}

/* vgz and the decays; h becomes (1 - a) v. */
static void gates(const struct od_seq_pass *p, const struct od_seq_weights *w,
                  const struct od_seq_kept *k)
{
    const struct od_kernels *kernel = od_kernels_best();
    const struct od_nn_vector *vector = od_nn_vector_best();
    size_t d = p->width;
    od_nn_linear(k->vgz, k->normal1, w->tensor[OD_SEQ_IN], NULL, p->rows, d, 3 * d);
    for (size_t r = 0; r < p->rows; r++) {
        float *v = k->vgz + 3 * d * r, *z = v + 2 * d, *a = k->a + d * r, *h = k->h + d * r;
        kernel->axpy(z, w->tensor[OD_SEQ_DECAY], 1, d);
        if (p->gap[r] != OD_NN_NO_ROW)
            kernel->axpy(z, w->tensor[OD_SEQ_DECAY_GAP] + d * p->gap[r], 1, d);
        vector->sigmoid(a, z, d);
        for (size_t i = 0; i < d; i++)
            h[i] = (1 - a[i]) * v[i];
    }
}

static void mix(const struct od_seq_pass *p, const struct od_seq_weights *w,
                const struct od_seq_kept *k, const float *state)
{
    const struct od_nn_vector *vector = od_nn_vector_best();
    size_t d = p->width, first = p->packed.steps ? p->packed.at[1] : 0;
    gates(p, w, k);
    for (size_t i = 0; state && i < first * d; i++)
        k->h[i] += k->a[i] * state[i];
    od_nn_scan(k->h, k->a, k->h, &p->packed, d);
    for (size_t r = 0; r < p->rows; r++)
        vector->silu_mul(k->y + d * r, k->vgz + 3 * d * r + d, k->h + d * r, d);
}

/* out = x + dropped y */
static void add(const struct od_seq_pass *p, float *out, const float *x, uint32_t layer,
                uint32_t place)
{
    size_t count = (size_t)p->rows * p->width;
    if (p->key)
        od_nn_dropout(out, count, p->dropout, od_nn_key(p->key, layer, place, 0));
    od_kernels_best()->axpy(out, x, 1, count);
}

void od_seq_layer(const struct od_seq_pass *p, const struct od_seq_weights *w,
                  const struct od_seq_kept *k, uint32_t layer, const float *state, float *out)
{
    size_t d = p->width, f = p->hidden;
    od_nn_rms_norm(k->normal1, k->inverse1, k->x, w->tensor[OD_SEQ_NORM1], p->rows, d);
    mix(p, w, k, state);
    od_nn_linear(k->middle, k->y, w->tensor[OD_SEQ_OUT], NULL, p->rows, d, d);
    add(p, k->middle, k->x, layer, DROP_MIX);
    od_nn_rms_norm(k->normal2, k->inverse2, k->middle, w->tensor[OD_SEQ_NORM2], p->rows, d);
    od_nn_linear(k->up, k->normal2, w->tensor[OD_SEQ_UP], NULL, p->rows, d, 2 * f);
    od_nn_swiglu(k->mid, k->up, p->rows, f);
    od_nn_linear(out, k->mid, w->tensor[OD_SEQ_DOWN], NULL, p->rows, f, d);
    add(p, out, k->middle, layer, DROP_MID);
}

size_t od_seq_back_floats(uint32_t width, uint32_t hidden)
{
    size_t mix_floats = 2 * (size_t)width;
    return width + (mix_floats > hidden ? mix_floats : hidden);
}

/* The gradient of what went through the dropout, in d; dx itself goes on beside. */
static void dropped(const struct od_seq_pass *p, float *d, const float *dx, uint32_t layer,
                    uint32_t place)
{
    size_t count = (size_t)p->rows * p->width;
    memcpy(d, dx, count * sizeof *d);
    if (p->key)
        od_nn_dropout(d, count, p->dropout, od_nn_key(p->key, layer, place, 0));
}

static void second_half_back(const struct od_seq_pass *p, const struct od_seq_weights *w,
                             const struct od_seq_weights *g, const struct od_seq_kept *k,
                             uint32_t layer, float *dx, float *scratch)
{
    size_t d = p->width, f = p->hidden, rows = p->rows;
    float *dout = scratch, *dmid = scratch + rows * d;
    dropped(p, dout, dx, layer, DROP_MID);
    od_nn_linear_back(dmid, false, g->tensor[OD_SEQ_DOWN], NULL, dout, k->mid,
                      w->tensor[OD_SEQ_DOWN], rows, f, d);
    od_nn_swiglu_back(k->up, dmid, k->up, rows, f);
    od_nn_linear_back(dout, false, g->tensor[OD_SEQ_UP], NULL, k->up, k->normal2,
                      w->tensor[OD_SEQ_UP], rows, d, 2 * f);
    od_nn_rms_norm_back(dx, true, g->tensor[OD_SEQ_NORM2], dout, k->middle, k->inverse2,
                        w->tensor[OD_SEQ_NORM2], rows, d);
}

/* From the gradient dh of h (whole, after the scan's way back), and da = dh h_before, to the
 * gradients of values and decays in vgz; those of the gates are there. */
static void gates_back(const struct od_seq_pass *p, const struct od_seq_weights *g,
                       const struct od_seq_kept *k, const float *da, const float *dh)
{
    const struct od_kernels *kernel = od_kernels_best();
    size_t d = p->width;
    for (size_t r = 0; r < p->rows; r++) {
        float *v = k->vgz + 3 * d * r, *z = v + 2 * d;
        const float *a = k->a + d * r;
        for (size_t i = 0; i < d; i++) {
            float whole = dh[d * r + i];
            z[i] = (da[d * r + i] - whole * v[i]) * a[i] * (1 - a[i]);
            v[i] = whole * (1 - a[i]);
        }
        kernel->axpy(g->tensor[OD_SEQ_DECAY], z, 1, d);
        if (p->gap[r] != OD_NN_NO_ROW)
            kernel->axpy(g->tensor[OD_SEQ_DECAY_GAP] + d * p->gap[r], z, 1, d);
    }
}

static void first_half_back(const struct od_seq_pass *p, const struct od_seq_weights *w,
                            const struct od_seq_weights *g, const struct od_seq_kept *k,
                            uint32_t layer, float *dx, float *scratch)
{
    const struct od_nn_vector *vector = od_nn_vector_best();
    size_t d = p->width, rows = p->rows;
    float *dout = scratch, *dh = scratch + rows * d, *da = dh + rows * d;
    dropped(p, dout, dx, layer, DROP_MIX);
    od_nn_linear_back(da, false, g->tensor[OD_SEQ_OUT], NULL, dout, k->y, w->tensor[OD_SEQ_OUT],
                      rows, d, d);
    for (size_t r = 0; r < rows; r++) {
        float *gate = k->vgz + 3 * d * r + d;
        vector->silu_mul_back(gate, dh + d * r, da + d * r, gate, k->h + d * r, d);
    }
    od_nn_scan_back(da, dh, k->a, k->h, &p->packed, d);
    gates_back(p, g, k, da, dh);
    od_nn_linear_back(dout, false, g->tensor[OD_SEQ_IN], NULL, k->vgz, k->normal1,
                      w->tensor[OD_SEQ_IN], rows, d, 3 * d);
    od_nn_rms_norm_back(dx, true, g->tensor[OD_SEQ_NORM1], dout, k->x, k->inverse1,
                        w->tensor[OD_SEQ_NORM1], rows, d);
}

void od_seq_layer_back(const struct od_seq_pass *p, const struct od_seq_weights *w,
                       const struct od_seq_weights *gradient, const struct od_seq_kept *kept,
                       uint32_t layer, float *dx, float *scratch)
{
    second_half_back(p, w, gradient, kept, layer, dx, scratch);
    first_half_back(p, w, gradient, kept, layer, dx, scratch);
}
