/* Counting decayed pairs, a row at a time.
 *
 * The places of each item are listed first. A row is then made alone: the neighbours of each place
 * are added to one counter an item, in the order of places, and the best are kept. So rows go to
 * all cores in blocks, memory does not grow with the number of pairs, and no thread count changes a
 * sum. */
#include "recipes/pairs.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "math/topk.h"
#include "os/parallel.h"

#define BLOCK        32  /* items a part */
#define MOST_THREADS 256 /* as od_parallel has */

struct place {
    uint32_t event, user;
};

struct block {
    uint32_t *item;
    float *weight;
    size_t used, cap;
    uint32_t length[BLOCK];
};

struct counters {
    float *weight;     /* [items] all 0 between rows */
    uint32_t *touched; /* [items] */
    float *score;      /* [items] of the touched */
    uint32_t *best;
    uint64_t *scratch;
};

struct count {
    const struct od_training *training;
    const uint64_t *end;
    const struct od_pairs_rule *rule;
    const struct od_kernels *kernels;
    uint64_t *at; /* [items + 1] places of each item */
    struct place *place;
    float *discount; /* [items] */
    float *power;    /* [window] decay^d */
    struct counters *threads[MOST_THREADS];
    struct block *blocks;
    size_t block_count;
    float *total;
};

static uint64_t end_of(const struct count *c, uint32_t user)
{
    return c->end ? c->end[user] : c->training->user_start[user + 1];
}

static enum od_status list_places(struct count *c)
{
    const struct od_training *t = c->training;
    c->at = calloc((size_t)t->item_count + 2, sizeof *c->at);
    c->place = malloc((t->event_count + 1) * sizeof *c->place);
    if (!c->at || !c->place)
        return OD_NO_MEMORY;
    for (uint32_t u = 0; u < t->user_count; u++)
        for (uint64_t e = t->user_start[u]; e < end_of(c, u); e++)
            c->at[t->item[e] + 2]++;
    for (size_t i = 1; i <= t->item_count; i++)
        c->at[i + 1] += c->at[i];
    for (uint32_t u = 0; u < t->user_count; u++)
        for (uint64_t e = t->user_start[u]; e < end_of(c, u); e++)
            c->place[c->at[t->item[e] + 1]++] = (struct place){(uint32_t)e, u};
    return OD_OK;
}

static enum od_status prepare(struct count *c)
{
    size_t items = c->training->item_count, window = c->rule->window;
    enum od_status s = list_places(c);
    if (s != OD_OK)
        return s;
    c->block_count = (items + BLOCK - 1) / BLOCK;
    c->blocks = calloc(c->block_count + 1, sizeof *c->blocks);
    c->discount = malloc((items + 1) * sizeof *c->discount);
    c->power = malloc((window + 1) * sizeof *c->power);
    c->total = calloc(items + 1, sizeof *c->total);
    if (!c->blocks || !c->discount || !c->power || !c->total)
        return OD_NO_MEMORY;
    for (size_t i = 0; i < items; i++) {
        double n = (double)(c->at[i + 1] - c->at[i]);
        c->discount[i] = n > 0 ? (float)pow(n, -c->rule->discount) : 0;
    }
    for (size_t d = 0; d < window; d++)
        c->power[d] = (float)pow(c->rule->decay, (double)d);
    return OD_OK;
}

/* --- one row --- */

static void counters_free(struct counters *c)
{
    if (!c)
        return;
    free(c->weight);
    free(c->touched);
    free(c->score);
    free(c->best);
    free(c->scratch);
    free(c);
}

static struct counters *counters_new(const struct count *count)
{
    size_t items = (size_t)count->training->item_count + 1, most = count->rule->neighbours;
    struct counters *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    c->weight = calloc(items, sizeof *c->weight);
    c->touched = malloc(items * sizeof *c->touched);
    c->score = malloc(items * sizeof *c->score);
    c->best = malloc((most + 1) * sizeof *c->best);
    c->scratch = malloc(od_topk_scratch(most) * sizeof *c->scratch);
    if (c->weight && c->touched && c->score && c->best && c->scratch)
        return c;
    counters_free(c);
    return NULL;
}

static void add(struct counters *c, uint32_t item, float weight, size_t *touched)
{
    if (c->weight[item] == 0)
        c->touched[(*touched)++] = item;
    c->weight[item] += weight;
}

static size_t count_row(const struct count *count, uint32_t item, struct counters *c)
{
    const struct od_training *t = count->training;
    size_t touched = 0, window = count->rule->window;
    for (uint64_t k = count->at[item]; k < count->at[item + 1]; k++) {
        struct place p = count->place[k];
        uint64_t start = t->user_start[p.user], end = end_of(count, p.user);
        uint64_t after = end - p.event - 1, before = p.event - start;
        for (size_t d = 0; d < window && d < after; d++)
            if (t->item[p.event + d + 1] != item)
                add(c, t->item[p.event + d + 1], count->power[d], &touched);
        for (size_t d = 0; count->rule->back > 0 && d < window && d < before; d++)
            if (t->item[p.event - d - 1] != item)
                add(c, t->item[p.event - d - 1], count->rule->back * count->power[d], &touched);
    }
    return touched;
}

static bool grow(struct block *block, size_t more)
{
    if (block->used + more <= block->cap)
        return true;
    size_t cap = 2 * block->cap + more;
    uint32_t *item = realloc(block->item, cap * sizeof *item);
    if (item)
        block->item = item;
    float *weight = realloc(block->weight, cap * sizeof *weight);
    if (weight)
        block->weight = weight;
    if (item && weight)
        block->cap = cap;
    return item && weight;
}

/* The best of a row to its block; leaves the counters at 0. */
static enum od_status finish_row(struct count *count, uint32_t item, struct counters *c,
                                 size_t touched, struct block *block, uint32_t *out_length)
{
    size_t most = count->rule->neighbours;
    if (!grow(block, touched < most ? touched : most))
        return OD_NO_MEMORY;
    for (size_t k = 0; k < touched; k++) {
        c->score[k] = c->weight[c->touched[k]] * count->discount[c->touched[k]];
        count->total[item] += c->weight[c->touched[k]];
    }
    size_t best = od_topk(count->kernels, c->score, touched, NULL, most, c->scratch, c->best);
    for (size_t k = 0; k < best; k++) {
        block->item[block->used] = c->touched[c->best[k]];
        block->weight[block->used++] = c->weight[c->touched[c->best[k]]];
    }
    for (size_t k = 0; k < touched; k++)
        c->weight[c->touched[k]] = 0;
    *out_length = (uint32_t)best;
    return OD_OK;
}

static enum od_status count_block(void *context, size_t index, unsigned thread)
{
    struct count *count = context;
    if (!count->threads[thread])
        count->threads[thread] = counters_new(count);
    struct counters *c = count->threads[thread];
    if (!c)
        return OD_NO_MEMORY;
    struct block *block = &count->blocks[index];
    enum od_status s = OD_OK;
    for (uint32_t k = 0; s == OD_OK && k < BLOCK; k++) {
        size_t item = index * BLOCK + k;
        if (item >= count->training->item_count)
            break;
        size_t touched = count_row(count, (uint32_t)item, c);
        s = finish_row(count, (uint32_t)item, c, touched, block, &block->length[k]);
    }
    return s;
}

/* --- all rows --- */

static enum od_status gather(struct count *count, struct od_pairs *out)
{
    size_t items = count->training->item_count, total = 0;
    for (size_t b = 0; b < count->block_count; b++)
        total += count->blocks[b].used;
    out->at = calloc(items + 1, sizeof *out->at);
    out->item = malloc((total + 1) * sizeof *out->item);
    out->weight = malloc((total + 1) * sizeof *out->weight);
    if (!out->at || !out->item || !out->weight)
        return OD_NO_MEMORY;
    for (size_t b = 0; b < count->block_count; b++) {
        struct block *block = &count->blocks[b];
        uint64_t at = out->at[b * BLOCK];
        if (block->used) {
            memcpy(out->item + at, block->item, block->used * sizeof *out->item);
            memcpy(out->weight + at, block->weight, block->used * sizeof *out->weight);
        }
        for (size_t k = 0; k < BLOCK && b * BLOCK + k < items; k++)
            out->at[b * BLOCK + k + 1] = out->at[b * BLOCK + k] + block->length[k];
    }
    out->total = count->total;
    count->total = NULL;
    return OD_OK;
}

static void count_done(struct count *c)
{
    free(c->at);
    free(c->place);
    free(c->discount);
    free(c->power);
    free(c->total);
    for (size_t i = 0; i < MOST_THREADS; i++)
        counters_free(c->threads[i]);
    for (size_t b = 0; c->blocks && b < c->block_count; b++) {
        free(c->blocks[b].item);
        free(c->blocks[b].weight);
    }
    free(c->blocks);
}

void od_pairs_done(struct od_pairs *pairs)
{
    free(pairs->at);
    free(pairs->item);
    free(pairs->weight);
    free(pairs->total);
    *pairs = (struct od_pairs){0};
}

enum od_status od_pairs_count(const struct od_training *training, const uint64_t *end,
                              const struct od_pairs_rule *rule, unsigned threads,
                              struct od_pairs *out, struct od_error *err)
{
    if (training->event_count > UINT32_MAX)
        return od_fail(err, OD_LIMIT, "Pairs of items are counted over at most %u interactions.",
                       UINT32_MAX);
    struct count count = {
        .training = training, .end = end, .rule = rule, .kernels = od_kernels_best()};
    struct od_pairs pairs = {0};
    enum od_status s = prepare(&count);
    if (s == OD_OK)
        s = od_parallel(threads, count.block_count, count_block, &count);
    if (s == OD_OK)
        s = gather(&count, &pairs);
    count_done(&count);
    if (s == OD_OK)
        *out = pairs;
    else
        od_pairs_done(&pairs);
    return s == OD_OK ? OD_OK : od_fail(err, s, NULL);
}
