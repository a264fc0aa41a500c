/* Softmax cross entropy by blocks of rows: see softmax.h.
 *
 * A block's logits are BLOCK_BYTES: they pass from the product that makes them through the row
 * loops to the two products that use them without leaving the outer cache, and blocks are still
 * tall enough for the products to run near full speed. */
#include "math/nn/softmax.h"

#include <cblas.h>
#include <math.h>
#include <string.h>

#include "base/random.h"
#include "math/nn/layers.h"
#include "math/nn/vector.h"

enum { BLOCK_BYTES = 2 << 20, LEAST_ROWS = 32, MOST_ROWS = 512 };

static size_t block_rows(uint32_t items)
{
    size_t rows = BLOCK_BYTES / sizeof(float) / (items ? items : 1);
    return rows < LEAST_ROWS ? LEAST_ROWS : rows > MOST_ROWS ? MOST_ROWS : rows;
}

size_t od_nn_softmax_scratch(uint32_t items)
{
    return block_rows(items) * items;
}

void od_nn_softmax_logits(const struct od_nn_softmax *s, const float *h, size_t rows, float *out)
{
    if (!rows || !s->items)
        return;
    for (size_t r = 0; s->bias && r < rows; r++)
        memcpy(out + r * s->items, s->bias, s->items * sizeof *out);
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)rows, (int)s->items, (int)s->width,
                s->scale, h, (int)s->width, s->v, (int)s->width, s->bias ? 1 : 0, out,
                (int)s->items);
}

/* One row: logits become weight (p - [target]); returns its weighted loss. */
static double row_loss(const struct od_nn_softmax *s, const struct od_nn_vector *k, float *logit,
                       uint32_t target, float weight)
{
    float own = logit[target];
    if (s->offset) {
        k->axpy(logit, s->offset, 1, s->items);
        logit[target] = own;
    }
    float most = k->largest(logit, s->items);
    float sum = k->exp_sum(logit, most, s->items);
    k->scale(logit, weight / sum, s->items);
    logit[target] -= weight;
    return (double)weight * ((double)most + log((double)sum) - (double)own);
}

double od_nn_softmax_loss(const struct od_nn_softmax *s, const float *h, const uint32_t *target,
                          const float *weight, size_t rows, float *dh, float *dv, float *dbias,
                          float *scratch)
{
    const struct od_nn_vector *k = od_nn_vector_best();
    size_t step = block_rows(s->items);
    int n = (int)s->items, d = (int)s->width;
    double loss = 0;
    for (size_t from = 0; from < rows; from += step) {
        size_t count = rows - from < step ? rows - from : step;
        const float *here = h + from * s->width;
        od_nn_softmax_logits(s, here, count, scratch);
        for (size_t r = 0; r < count; r++) {
            float *row = scratch + r * s->items;
            loss += row_loss(s, k, row, target[from + r], weight[from + r]);
            if (dbias)
                k->axpy(dbias, row, 1, s->items);
        }
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)count, d, n, s->scale, scratch,
                    n, s->v, d, 0, dh + from * s->width, d);
        cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, n, d, (int)count, s->scale, scratch, n,
                    here, d, 1, dv, d);
    }
    return loss;
}

/* --- the sample --- */

/* Some are drawn even where the targets alone are as many as a sample: an item that nobody takes
 * would have no chance to be an alternative. */
enum { LEAST_DRAWN = 8 /* one in so many of a sample */ };

uint32_t od_nn_sample_most(uint32_t most, size_t rows, uint32_t items)
{
    size_t own = rows + most / LEAST_DRAWN, room = own > most ? own : most;
    return room < items ? (uint32_t)room : items;
}

static uint32_t add(uint32_t item, uint32_t count, uint32_t *place, uint32_t *out_item)
{
    if (place[item] != OD_NN_NO_ROW)
        return count;
    place[item] = count;
    out_item[count] = item;
    return count + 1;
}

uint32_t od_nn_sample(const uint32_t *target, size_t rows, uint32_t items, uint32_t most,
                      const float *probability, uint64_t key, uint32_t *place, uint32_t *out_item,
                      float *out_offset)
{
    uint32_t count = 0;
    for (size_t r = 0; r < rows; r++)
        count = add(target[r], count, place, out_item);
    uint32_t own = count, limit = od_nn_sample_most(most, own, items);
    struct od_random rng;
    od_random_init(&rng, key);
    if (limit == items) /* no draw: all that are left */
        for (uint32_t i = 0; i < items; i++)
            count = add(i, count, place, out_item);
    while (count < limit)
        count = add((uint32_t)od_random_below(&rng, items), count, place, out_item);
    double others = items - own, drawn = count - own;
    double u = others > 0 ? drawn / others : 0;
    for (uint32_t c = 0; c < count; c++) {
        double p = (double)probability[out_item[c]];
        double absent = (1 - u) * exp((double)rows * log1p(p < 1 ? -p : -.999999));
        out_offset[c] = absent < 1 ? (float)-log(1 - absent) : 0;
    }
    return count;
}

void od_nn_sample_forget(const uint32_t *item, uint32_t count, uint32_t *place)
{
    for (uint32_t c = 0; c < count; c++)
        place[item[c]] = OD_NN_NO_ROW;
}
