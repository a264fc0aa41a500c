/* The item table: ids' vectors, features' vectors, and what a network sees of both.
 *
 * v_i = keep_i share_i id_i + sum over the item's features of value x column. share_i = n / (n +
 * kappa) makes an item with few interactions rely on its record (the shrinkage of an empirical
 * Bayes mean, as in ZESRec: Ding et al. 2021); keep_i = 0 for a random part of the items of each
 * batch, inputs and targets alike, so that the columns learn to speak for an item alone
 * (DropoutNet: Volkovs, Yu, Poutanen 2017). Which are kept follows from the batch's key and the
 * item. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "math/nn/vector.h"
#include "math/nn/layers.h"
#include "os/parallel.h"
#include "recipes/seqtrain_inner.h"

enum { CHUNK = 512 }; /* items a part of mix_all */

static enum od_status one_tensor(struct od_nn_params *out, const char *name, uint32_t rows,
                                 uint32_t width)
{
    const struct od_nn_tensor tensor[] = {{name, rows, width, false}};
    return od_nn_params_init(out, tensor, 1);
}

/* The bias of an item begins with how popular it is. */
static void start_bias(struct od_seq_items *items, const uint32_t *seen, double total)
{
    size_t n = items->count, width = items->width;
    for (size_t i = 0; items->plan->bias && i < n; i++) {
        double share = total > 0 ? seen[i] / total * (double)n : 0;
        items->table.value[(i + 1) * width - 1] = (float)log(share + .1);
    }
}

/* Targets are all events but a user's first, and those that weigh nothing. */
static enum od_status count_events(struct od_seq_items *items, const struct od_training *training,
                                   const uint64_t *end)
{
    const float *weight = items->plan->weight;
    double total = 0, targets = 0;
    uint32_t *seen = calloc(2 * (size_t)items->count + 1, sizeof *seen);
    if (!seen)
        return OD_NO_MEMORY;
    uint32_t *asked = seen + items->count;
    for (uint32_t u = 0; u < training->user_count; u++)
        for (uint64_t e = training->user_start[u]; e < end[u]; e++, total++) {
            bool target = e > training->user_start[u] && (!weight || weight[e] > 0);
            seen[training->item[e]]++;
            asked[training->item[e]] += target;
            targets += target;
        }
    for (uint32_t i = 0; i < items->count; i++) {
        float n = (float)seen[i];
        items->met[i] = seen[i] > 0;
        items->share[i] = items->plan->features ? n / (n + items->plan->kappa) : 1;
        items->frequency[i] = targets > 0 ? (float)(asked[i] / targets) : 0;
    }
    start_bias(items, seen, total);
    free(seen);
    return OD_OK;
}

static enum od_status init_moments(struct od_seq_items *items)
{
    if (items->all)
        return od_nn_state_init(&items->table_state, &items->table, items->plan->rule);
    size_t rows = items->count;
    items->first = calloc(rows * items->width + 1, sizeof *items->first);
    items->second = calloc(rows + 1, sizeof *items->second);
    items->steps = calloc(rows + 1, sizeof *items->steps);
    return items->first && items->second && items->steps ? OD_OK : OD_NO_MEMORY;
}

enum od_status od_seq_items_init(struct od_seq_items *items, const struct od_training *training,
                                 const uint64_t *end, const struct od_seq_plan *plan, uint64_t seed)
{
    *items = (struct od_seq_items){.plan = plan,
                                   .count = training->item_count,
                                   .width = plan->width,
                                   .column_count = plan->features ? plan->features->columns : 0};
    items->all = plan->candidates == 0 || plan->candidates >= items->count;
    items->mixed = plan->features || plan->id_dropout > 0;
    struct od_random rng;
    od_random_init2(&rng, seed, 1);
    size_t n = items->count;
    double deviation = 1 / sqrt((double)plan->width);
    items->share = calloc(n + 1, sizeof *items->share);
    items->frequency = calloc(n + 1, sizeof *items->frequency);
    items->met = calloc(n + 1, sizeof *items->met);
    if (items->all && items->mixed)
        items->v = malloc((n * plan->width + 1) * sizeof *items->v);
    enum od_status st =
        items->share && items->frequency && items->met && (items->v || !items->all || !items->mixed)
            ? OD_OK
            : OD_NO_MEMORY;
    if (st == OD_OK)
        st = one_tensor(&items->table, "items", items->count, plan->width);
    if (st == OD_OK)
        st = one_tensor(&items->columns, "columns", items->column_count, plan->width);
    if (st == OD_OK)
        st = init_moments(items);
    if (st == OD_OK)
        st = od_nn_state_init(&items->column_state, &items->columns, plan->rule);
    if (st == OD_OK && !(items->column_gradient = od_nn_buffer(&items->columns)))
        st = OD_NO_MEMORY;
    if (st == OD_OK) {
        od_nn_fill_normal(&items->table, 0, deviation, &rng);
        od_nn_fill_normal(&items->columns, 0, deviation, &rng);
        st = count_events(items, training, end);
    }
    if (st == OD_OK && plan->met_only && !(items->absent = calloc(n + 1, sizeof *items->absent)))
        st = OD_NO_MEMORY;
    if (st != OD_OK) {
        od_seq_items_done(items);
        return st;
    }
    for (size_t i = 0; items->absent && i < n; i++)
        items->absent[i] = items->met[i] ? 0 : OD_SEQ_ABSENT;
    return OD_OK;
}

void od_seq_items_done(struct od_seq_items *items)
{
    od_nn_params_done(&items->table);
    od_nn_params_done(&items->columns);
    od_nn_state_done(&items->table_state);
    od_nn_state_done(&items->column_state);
    free(items->first);
    free(items->second);
    free(items->steps);
    free(items->share);
    free(items->frequency);
    free(items->met);
    free(items->v);
    free(items->absent);
    free(items->column_gradient);
    *items = (struct od_seq_items){0};
}

static float id_share(const struct od_seq_items *items, uint32_t item, uint64_t key)
{
    float dropped = items->plan->id_dropout;
    if (key && dropped > 0 &&
        (double)(od_nn_key(key, item, 0, 0) >> 11) * 0x1p-53 < (double)dropped)
        return 0;
    return items->share[item];
}

void od_seq_items_mix(const struct od_seq_items *items, const uint32_t *row, uint32_t count,
                      uint64_t key, float *out)
{
    const struct od_nn_vector *k = od_nn_vector_best();
    const struct od_features *f = items->plan->features;
    size_t w = items->width;
    for (uint32_t r = 0; r < count; r++, out += w) {
        uint32_t i = row ? row[r] : r;
        float share = id_share(items, i, key);
        const float *id = items->table.value + i * w;
        for (size_t c = 0; c < w; c++)
            out[c] = share * id[c];
        for (uint64_t e = f ? f->at[i] : 0; f && e < f->at[i + 1]; e++)
            k->axpy(out, items->columns.value + f->column[e] * w, f->value[e], w);
    }
}

struct mixing {
    const struct od_seq_items *items;
    uint64_t key;
    float *out;
};

static enum od_status mix_chunk(void *context, size_t index, unsigned thread)
{
    (void)thread;
    struct mixing *m = context;
    uint32_t row[CHUNK], from = (uint32_t)index * CHUNK, count = 0;
    for (; count < CHUNK && from + count < m->items->count; count++)
        row[count] = from + count;
    od_seq_items_mix(m->items, row, count, m->key, m->out + (size_t)from * m->items->width);
    return OD_OK;
}

enum od_status od_seq_items_mix_all(const struct od_seq_items *items, uint64_t key,
                                    unsigned threads, float *out)
{
    struct mixing m = {items, key, out};
    return od_parallel(threads, (items->count + CHUNK - 1) / CHUNK, mix_chunk, &m);
}

void od_seq_items_unmix(struct od_seq_items *items, const uint32_t *row, uint32_t count,
                        uint64_t key, float *dv)
{
    const struct od_nn_vector *k = od_nn_vector_best();
    const struct od_features *f = items->plan->features;
    size_t w = items->width;
    for (uint32_t r = 0; r < count; r++, dv += w) {
        uint32_t i = row ? row[r] : r;
        float share = id_share(items, i, key);
        for (uint64_t e = f ? f->at[i] : 0; f && e < f->at[i + 1]; e++)
            k->axpy(items->column_gradient + f->column[e] * w, dv, f->value[e], w);
        for (size_t c = 0; c < w; c++)
            dv[c] *= share;
    }
}
