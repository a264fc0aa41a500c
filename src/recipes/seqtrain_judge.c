/* Judging: the held-out events ranked among all items by the network as it is now.
 *
 * Judges are asked in blocks on all cores: the states of a block's histories, then its scores a
 * strip of items at a time, counting those that beat the target (a tie counts as ranked before).
 * Ranks go to places of their own and are summed in judge order. */
#include <math.h>
#include <stdlib.h>

#include "math/nn/softmax.h"
#include "os/parallel.h"
#include "recipes/seqtrain_inner.h"

enum { BLOCK = 16, STRIP = 2048, TOP = 10 };

struct asking {
    const struct od_seq_judging *judging;
    const struct od_nn_params *params;
    const struct od_seq_items *items;
    const float *in, *out; /* item vectors, output vectors */
    uint32_t *rank;        /* [judges] */
};

static int by_length(const void *a, const void *b)
{
    const struct od_seq_window *x = *(const struct od_seq_window *const *)a;
    const struct od_seq_window *y = *(const struct od_seq_window *const *)b;
    uint64_t m = x->to - x->from, n = y->to - y->from;
    return m != n ? (m < n) - (m > n) : (x->to > y->to) - (x->to < y->to);
}

/* rank[i] += how many items of the strip beat judge i's target. */
static void count_strip(const float *score, uint32_t count, uint32_t from, uint32_t target,
                        float own, uint32_t *rank)
{
    for (uint32_t i = 0; i < count; i++)
        *rank += score[i] >= own && from + i != target;
}

static void rank_block(const struct asking *a, const struct od_seq_window *const *list,
                       const struct od_seq_window *first, uint32_t count, uint32_t at,
                       const float *state, float *score)
{
    const struct od_training *t = a->judging->training;
    uint32_t width = a->items->width, items = a->items->count;
    float own[BLOCK];
    for (uint32_t s = 0; s < count; s++) {
        struct od_nn_softmax one = {.items = 1,
                                    .width = width,
                                    .v = a->out + (size_t)t->item[list[s]->to] * width,
                                    .scale = 1};
        od_nn_softmax_logits(&one, state + (size_t)s * width, 1, &own[s]);
        a->rank[at + (list[s] - first)] = 0;
    }
    for (uint32_t from = 0; from < items; from += STRIP) {
        struct od_nn_softmax strip = {.items = items - from < STRIP ? items - from : STRIP,
                                      .width = width,
                                      .v = a->out + (size_t)from * width,
                                      .scale = 1};
        od_nn_softmax_logits(&strip, state, count, score);
        for (uint32_t s = 0; s < count; s++)
            count_strip(score + (size_t)s * strip.items, strip.items, from, t->item[list[s]->to],
                        own[s], &a->rank[at + (list[s] - first)]);
    }
}

static enum od_status ask_block(void *context, size_t index, unsigned thread)
{
    (void)thread;
    struct asking *a = context;
    const struct od_seq_judging *j = a->judging;
    struct od_seq_window window[BLOCK];
    const struct od_seq_window *list[BLOCK];
    struct od_seq_block block = {0};
    uint32_t at = (uint32_t)index * BLOCK, count = 0;
    for (; count < BLOCK && at + count < j->count; count++) {
        struct od_judge judge = j->judges[at + count];
        uint64_t from =
            judge.end - judge.start > OD_SEQ_HISTORY ? judge.end - OD_SEQ_HISTORY : judge.start;
        window[count] = (struct od_seq_window){from, judge.end, judge.end,
                                               od_training_user_of(j->training, judge.end)};
        list[count] = &window[count];
    }
    qsort(list, count, sizeof *list, by_length);
    enum od_status st = od_seq_block_fill(&block, j->training, list, count, NULL);
    if (st == OD_OK) {
        struct od_seq_rows *rows = &block.rows;
        rows->v = a->in;
        rows->v_count = a->items->count;
        size_t states = (size_t)BLOCK * a->items->width;
        size_t work = j->functions->workspace(j->net, rows->rows, rows->sequences, 0);
        float *memory = malloc((work + states + (size_t)BLOCK * STRIP) * sizeof *memory);
        st = memory ? OD_OK : OD_NO_MEMORY;
        if (memory) {
            float *state = memory + work;
            j->functions->states(j->net, a->params, rows, state, memory);
            rank_block(a, list, window, count, at, state, state + states);
        }
        free(memory);
    }
    od_seq_block_done(&block);
    return st;
}

enum od_status od_seq_judge(const struct od_seq_judging *judging, const struct od_nn_params *params,
                            const struct od_seq_items *items, double *out)
{
    size_t floats = (size_t)items->count * items->width;
    struct asking a = {judging, params, items,
                       NULL,    NULL,   malloc((judging->count + 1) * sizeof *a.rank)};
    float *in = NULL, *scored = NULL;
    enum od_status st = a.rank ? OD_OK : OD_NO_MEMORY;
    if (st == OD_OK && items->mixed) {
        in = malloc((floats + 1) * sizeof *in);
        st = in ? od_seq_items_mix_all(items, 0, judging->threads, in) : OD_NO_MEMORY;
    }
    a.in = in ? in : items->table.value;
    if (st == OD_OK && judging->functions->outputs) {
        scored = malloc((floats + 1) * sizeof *scored);
        st = scored ? OD_OK : OD_NO_MEMORY;
        if (scored)
            judging->functions->outputs(judging->net, params, a.in, items->count, scored);
    }
    a.out = scored ? scored : a.in;
    if (st == OD_OK)
        st = od_parallel(judging->threads, (judging->count + BLOCK - 1) / BLOCK, ask_block, &a);
    double sum = 0;
    for (size_t i = 0; st == OD_OK && i < judging->count; i++)
        sum += a.rank[i] < TOP ? 1 / log2(a.rank[i] + 2.0) : 0;
    *out = judging->count ? sum / (double)judging->count : 0;
    free(a.rank);
    free(in);
    free(scored);
    return st;
}
