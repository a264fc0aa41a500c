/* One step of training: a batch is dealt into parts, each part learns alone, the gradients are
 * added in part order, the optimiser steps.
 *
 * Where all items are candidates, every part has a whole gradient of the table. Otherwise a part
 * works on a local matrix: its candidates (all its targets, and items drawn uniformly), then the
 * items it only sees as inputs; the parts' rows are merged by item and stepped alone. */
#include "recipes/seqtrain_batch.h"

#include <stdlib.h>
#include <string.h>

#include "math/nn/vector.h"
#include "math/nn/layers.h"
#include "math/nn/softmax.h"
#include "os/parallel.h"

void od_seq_batch_done(struct od_seq_batch *b)
{
    for (size_t p = 0; p < OD_SEQ_PARTS; p++) {
        struct od_seq_part *part = &b->part[p];
        od_seq_block_done(&part->block);
        free(part->list);
        free(part->gradient);
        free(part->dv);
        free(part->v);
        free(part->local);
        free(part->offset);
        free(part->place);
        free(part->work);
    }
    free(b->list);
    free(b->merged);
    free(b->merged_place);
    free(b->merged_gradient);
    *b = (struct od_seq_batch){0};
}

static enum od_status init_part(struct od_seq_part *part, const struct od_nn_params *params,
                                const struct od_seq_items *items)
{
    part->gradient = od_nn_buffer(params);
    if (items->all)
        part->dv = od_nn_buffer(&items->table);
    else
        part->place = malloc(((size_t)items->count + 1) * sizeof *part->place);
    if (!part->gradient || (!part->dv && !part->place))
        return OD_NO_MEMORY;
    if (part->place)
        memset(part->place, 0xff, items->count * sizeof *part->place);
    return OD_OK;
}

enum od_status od_seq_batch_init(struct od_seq_batch *b, const struct od_training *training,
                                 const struct od_seq_net *functions, const void *net,
                                 struct od_nn_params *params, struct od_seq_items *items,
                                 unsigned threads)
{
    *b = (struct od_seq_batch){.training = training,
                               .functions = functions,
                               .net = net,
                               .params = params,
                               .items = items,
                               .threads = threads};
    enum od_status st = OD_OK;
    for (size_t p = 0; p < OD_SEQ_PARTS && st == OD_OK; p++)
        st = init_part(&b->part[p], params, items);
    if (st == OD_OK && !items->all) {
        b->merged_place = malloc(((size_t)items->count + 1) * sizeof *b->merged_place);
        st = b->merged_place ? OD_OK : OD_NO_MEMORY;
        if (st == OD_OK)
            memset(b->merged_place, 0xff, items->count * sizeof *b->merged_place);
    }
    if (st != OD_OK)
        od_seq_batch_done(b);
    return st;
}

static void forget(struct od_nn_state *state, size_t size)
{
    if (state->first)
        memset(state->first, 0, size * sizeof *state->first);
    if (state->second)
        memset(state->second, 0, size * sizeof *state->second);
    state->steps = 0;
}

void od_seq_batch_fresh(struct od_seq_batch *b)
{
    struct od_seq_items *items = b->items;
    forget(b->state, b->params->size);
    forget(&items->table_state, items->table.size);
    forget(&items->column_state, items->columns.size);
    if (items->first) {
        memset(items->first, 0, (size_t)items->count * items->width * sizeof *items->first);
        memset(items->second, 0, items->count * sizeof *items->second);
        memset(items->steps, 0, items->count * sizeof *items->steps);
    }
}

/* --- dealing --- */

static int by_length(const void *a, const void *b)
{
    const struct od_seq_window *x = *(const struct od_seq_window *const *)a;
    const struct od_seq_window *y = *(const struct od_seq_window *const *)b;
    uint64_t m = x->to - x->from, n = y->to - y->from;
    return m != n ? (m < n) - (m > n) : (x->to > y->to) - (x->to < y->to);
}

/* Longest first to the parts in turn, forwards and backwards: equal numbers, near equal rows. */
static enum od_status deal(struct od_seq_batch *b, const struct od_seq_window *windows,
                           size_t count)
{
    const struct od_seq_window **list = realloc(b->list, (count + 1) * sizeof *list);
    if (!list)
        return OD_NO_MEMORY;
    b->list = list;
    for (size_t i = 0; i < count; i++)
        list[i] = &windows[i];
    qsort(list, count, sizeof *list, by_length);
    for (size_t p = 0; p < OD_SEQ_PARTS; p++) {
        struct od_seq_part *part = &b->part[p];
        void *more = realloc(part->list, (count / OD_SEQ_PARTS + 2) * sizeof *part->list);
        if (!more)
            return OD_NO_MEMORY;
        part->list = more;
        part->count = 0;
    }
    for (size_t i = 0; i < count; i++) {
        size_t turn = i / OD_SEQ_PARTS % 2, p = i % OD_SEQ_PARTS;
        struct od_seq_part *part = &b->part[turn ? OD_SEQ_PARTS - 1 - p : p];
        part->list[part->count++] = list[i];
    }
    return OD_OK;
}

/* --- a part --- */

static bool room(void *array, size_t count, size_t size)
{
    void **p = array;
    free(*p);
    *p = malloc(count * size + 64);
    return *p;
}

/* Adds the inputs to the candidates and translates codes to local rows. */
static uint32_t make_local(struct od_seq_part *part, uint32_t candidates)
{
    struct od_seq_block *block = &part->block;
    uint32_t count = candidates;
    for (uint32_t r = 0; r < block->rows.rows; r++) {
        uint32_t item = block->item[r];
        if (part->place[item] == OD_NN_NO_ROW) {
            part->place[item] = count;
            part->local[count++] = item;
        }
        block->item[r] = part->place[item];
        if (block->target[r] != OD_NO_CODE)
            block->target[r] = part->place[block->target[r]];
    }
    return count;
}

static enum od_status sample_part(const struct od_seq_batch *b, struct od_seq_part *part)
{
    const struct od_seq_items *items = b->items;
    struct od_seq_block *block = &part->block;
    uint32_t rows = block->rows.rows, n = 0, width = items->width;
    uint32_t most = od_nn_sample_most(items->plan->candidates, block->targets, items->count);
    uint32_t *target = malloc(((size_t)block->targets + 1) * sizeof *target);
    size_t locals = (size_t)most + rows;
    if (!target || !room(&part->local, locals, 4) || !room(&part->offset, most, 4) ||
        !room(&part->v, locals * width, 4) || !room(&part->dv, locals * width, 4)) {
        free(target);
        return OD_NO_MEMORY;
    }
    for (uint32_t r = 0; r < rows; r++)
        if (block->target[r] != OD_NO_CODE)
            target[n++] = block->target[r];
    struct od_seq_rows *out = &block->rows;
    out->candidates =
        od_nn_sample(target, n, items->count, items->plan->candidates, items->frequency, out->key,
                     part->place, part->local, part->offset);
    free(target);
    for (uint32_t c = 0; items->absent && c < out->candidates; c++)
        part->offset[c] += items->absent[part->local[c]];
    out->v_count = make_local(part, out->candidates);
    od_nn_sample_forget(part->local, out->v_count, part->place);
    od_seq_items_mix(items, part->local, out->v_count, b->key, part->v);
    memset(part->dv, 0, (size_t)out->v_count * width * sizeof *part->dv);
    out->v = part->v;
    out->offset = part->offset;
    return OD_OK;
}

static enum od_status learn_part(void *context, size_t index, unsigned thread)
{
    (void)thread;
    struct od_seq_batch *b = context;
    struct od_seq_part *part = &b->part[index];
    const struct od_seq_items *items = b->items;
    part->loss = 0;
    enum od_status st =
        od_seq_block_fill(&part->block, b->training, part->list, part->count, items->plan->weight);
    struct od_seq_rows *rows = &part->block.rows;
    rows->v_count = 0;
    if (st != OD_OK || !part->block.targets)
        return st;
    rows->key = od_nn_key(b->key, index, 0, 1);
    if (items->all) {
        rows->v = items->mixed ? items->v : items->table.value;
        rows->v_count = rows->candidates = items->count;
        rows->offset = items->absent;
    } else {
        st = sample_part(b, part);
    }
    if (st != OD_OK)
        return st;
    size_t need = b->functions->workspace(b->net, rows->rows, rows->sequences, rows->candidates);
    if (need > part->work_room) {
        part->work_room = need + need / 8;
        if (!room(&part->work, part->work_room, sizeof *part->work))
            return OD_NO_MEMORY;
    }
    part->loss = b->functions->learn(b->net, b->params, rows, part->gradient, part->dv, part->work);
    return OD_OK;
}

/* --- the step --- */

static enum od_status step_all(struct od_seq_batch *b, const struct od_nn_step *step)
{
    struct od_seq_items *items = b->items;
    float *dv[OD_SEQ_PARTS];
    double norm;
    for (size_t p = 0; p < OD_SEQ_PARTS; p++)
        dv[p] = b->part[p].dv;
    if (!items->mixed)
        return od_nn_step(&items->table, &items->table_state, dv, OD_SEQ_PARTS, step, &norm);
    enum od_status st = od_nn_sum(&items->table, dv, OD_SEQ_PARTS, step->threads);
    if (st != OD_OK)
        return st;
    od_seq_items_unmix(items, NULL, items->count, b->key, dv[0]);
    return od_nn_step(&items->table, &items->table_state, dv, 1, step, &norm);
}

/* Rows of all parts by item, in the order of their first appearance. */
static enum od_status merge(struct od_seq_batch *b, uint32_t *out_count)
{
    const struct od_nn_vector *k = od_nn_vector_best();
    size_t width = b->items->width, most = 0;
    uint32_t count = 0;
    for (size_t p = 0; p < OD_SEQ_PARTS; p++)
        most += b->part[p].block.rows.v_count;
    most = most < b->items->count ? most : b->items->count;
    if (!room(&b->merged, most, 4) || !room(&b->merged_gradient, most * width, 4))
        return OD_NO_MEMORY;
    for (size_t p = 0; p < OD_SEQ_PARTS; p++) {
        const struct od_seq_part *part = &b->part[p];
        for (uint32_t r = 0; r < part->block.rows.v_count; r++) {
            uint32_t item = part->local[r], at = b->merged_place[item];
            const float *from = part->dv + r * width;
            if (at == OD_NN_NO_ROW) {
                at = b->merged_place[item] = count;
                b->merged[count++] = item;
                memcpy(b->merged_gradient + at * width, from, width * sizeof *from);
            } else {
                k->axpy(b->merged_gradient + at * width, from, 1, width);
            }
        }
    }
    od_nn_sample_forget(b->merged, count, b->merged_place);
    *out_count = count;
    return OD_OK;
}

static enum od_status step_touched(struct od_seq_batch *b, const struct od_nn_step *step)
{
    struct od_seq_items *items = b->items;
    uint32_t count = 0;
    enum od_status st = merge(b, &count);
    if (st != OD_OK)
        return st;
    if (items->mixed)
        od_seq_items_unmix(items, b->merged, count, b->key, b->merged_gradient);
    struct od_nn_rows rows = {items->table.value, items->first, items->second,
                              items->steps,       items->count, items->width};
    struct od_nn_step by = *step;
    by.decay = 0;
    od_nn_rows_step(&rows, b->merged, b->merged_gradient, count, &by);
    return OD_OK;
}

enum od_status od_seq_batch_step(struct od_seq_batch *b, const struct od_seq_window *windows,
                                 size_t count, uint64_t key, const struct od_nn_step *step,
                                 double *out_loss, double *out_weight)
{
    struct od_seq_items *items = b->items;
    b->key = key;
    enum od_status st = deal(b, windows, count);
    if (st == OD_OK && items->all && items->mixed)
        st = od_seq_items_mix_all(items, key, b->threads, items->v);
    if (st == OD_OK)
        st = od_parallel(b->threads, OD_SEQ_PARTS, learn_part, b);
    if (st != OD_OK)
        return st;
    double loss = 0, weight = 0, norm;
    float *gradient[OD_SEQ_PARTS];
    for (size_t p = 0; p < OD_SEQ_PARTS; p++) {
        loss += b->part[p].loss;
        weight += b->part[p].block.weights;
        gradient[p] = b->part[p].gradient;
    }
    struct od_nn_step scaled = *step;
    scaled.scale = weight > 0 ? (float)(1 / weight) : 0;
    scaled.threads = b->threads;
    st = od_nn_step(b->params, b->state, gradient, OD_SEQ_PARTS, &scaled, &norm);
    if (st == OD_OK)
        st = items->all ? step_all(b, &scaled) : step_touched(b, &scaled);
    if (st == OD_OK && items->column_count) {
        float *columns[1] = {items->column_gradient};
        st = od_nn_step(&items->columns, &items->column_state, columns, 1, &scaled, &norm);
    }
    *out_loss = loss;
    *out_weight = weight;
    return st;
}
