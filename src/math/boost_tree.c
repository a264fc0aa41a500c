/* One tree, leaf by leaf: the leaf whose split gains most is split next.
 *
 * A leaf is a range of the row array. Its histograms hold, per feature and bin, the sums of the
 * derivatives; those of the larger child are the parent's less those of the smaller one, so each
 * row is added up once a level of the smaller side only. One part of the parallel work is one
 * feature: it adds the rows of the smaller child in their order, subtracts, and looks for the best
 * split of both children, so nothing depends on the number of threads.
 *
 * Gain of a split into L and R of a leaf with first derivatives G and second derivatives H:
 *     G_L^2 / (H_L + l2) + G_R^2 / (H_R + l2) - G^2 / (H + l2)
 * and a leaf's value is G / (H + l2); lambdas point uphill, so the sign is plus. */
#include <stdlib.h>
#include <string.h>

#include "math/boost_inner.h"
#include "os/parallel.h"

#define LEAST_GAIN  1e-10
#define PARALLEL_AT 4096 /* rows below which threads cost more than they save */

enum { SLOTS = BOOST_BINS + 1 };

enum od_status od_boost_grower_init(struct od_boost_grower *out, const struct od_boost_bins *bins,
                                    const struct od_boost_options *options,
                                    const struct od_work *work)
{
    size_t leaf_bars = (size_t)bins->features * SLOTS;
    *out = (struct od_boost_grower){
        .bins = bins,
        .options = options,
        .work = work,
        .row = malloc((bins->rows + 1) * sizeof *out->row),
        .scratch = malloc((bins->rows + 1) * sizeof *out->scratch),
        .bars = malloc(options->leaves * leaf_bars * sizeof *out->bars + 1),
        .found = malloc(2 * (size_t)bins->features * sizeof *out->found + 1),
    };
    if (out->row && out->scratch && out->bars && out->found)
        return OD_OK;
    od_boost_grower_done(out);
    return OD_NO_MEMORY;
}

void od_boost_grower_done(struct od_boost_grower *grower)
{
    free(grower->row);
    free(grower->scratch);
    free(grower->bars);
    free(grower->found);
    *grower = (struct od_boost_grower){0};
}

static struct od_boost_bar *bars_of(const struct od_boost_grower *g, uint32_t leaf,
                                    uint32_t feature)
{
    return g->bars + ((size_t)leaf * g->bins->features + feature) * SLOTS;
}

static void add_bar(struct od_boost_bar *to, const struct od_boost_bar *from, double sign)
{
    to->lambda += sign * from->lambda;
    to->second += sign * from->second;
    to->rows = sign > 0 ? to->rows + from->rows : to->rows - from->rows;
}

static double worth(const struct od_boost_grower *g, const struct od_boost_bar *bar)
{
    double below = bar->second + (double)g->options->l2;
    return below > 0 ? bar->lambda * bar->lambda / below : 0;
}

/* Improves best by the split of bars at bin, with the missing on one side. */
static void weigh(const struct od_boost_grower *g, const struct od_boost_leaf *leaf,
                  const struct od_boost_bar *left, uint32_t feature, uint16_t bin,
                  bool missing_left, struct od_boost_split *best)
{
    struct od_boost_bar right = leaf->sum;
    add_bar(&right, left, -1);
    if (left->rows < g->options->least_rows || right.rows < g->options->least_rows)
        return;
    double gain = worth(g, left) + worth(g, &right) - worth(g, &leaf->sum);
    if (gain > best->gain && gain > LEAST_GAIN)
        *best = (struct od_boost_split){gain, feature, bin, missing_left};
}

static struct od_boost_split best_split(const struct od_boost_grower *g,
                                        const struct od_boost_leaf *leaf,
                                        const struct od_boost_bar *bars, uint32_t feature)
{
    struct od_boost_split best = {0};
    struct od_boost_bar left = {0}, with = bars[0];
    uint16_t last = g->bins->count[feature];
    for (uint16_t b = 1; b <= last; b++) {
        add_bar(&left, &bars[b], 1);
        add_bar(&with, &bars[b], 1);
        /* behind the last bin only the missing are left: a split of its own */
        weigh(g, leaf, &left, feature, b, false, &best);
        if (b < last && bars[0].rows)
            weigh(g, leaf, &with, feature, b, true, &best);
    }
    return best;
}

struct grow_job {
    struct od_boost_grower *grower;
    uint32_t small, large; /* leaves; large UINT32_MAX: there is none (the root) */
};

static enum od_status one_feature(void *context, size_t index, unsigned thread)
{
    (void)thread;
    struct grow_job *job = context;
    struct od_boost_grower *g = job->grower;
    uint32_t feature = (uint32_t)index;
    const struct od_boost_leaf *small = &g->leaf[job->small];
    const uint8_t *code = g->bins->code + index * g->bins->rows;
    struct od_boost_bar *bars = bars_of(g, job->small, feature);
    memset(bars, 0, SLOTS * sizeof *bars);
    for (size_t i = small->begin; i < small->end; i++) {
        uint32_t r = g->row[i];
        struct od_boost_bar *bar = &bars[code[r]];
        bar->lambda += g->lambda[r];
        bar->second += g->second[r];
        bar->rows++;
    }
    g->found[2 * index] = best_split(g, small, bars, feature);
    if (job->large == UINT32_MAX)
        return OD_OK;
    struct od_boost_bar *rest = bars_of(g, job->large, feature);
    for (size_t b = 0; b < SLOTS; b++)
        add_bar(&rest[b], &bars[b], -1);
    g->found[2 * index + 1] = best_split(g, &g->leaf[job->large], rest, feature);
    return OD_OK;
}

/* Best splits of both leaves; ties go to the lower feature. */
static enum od_status look(struct od_boost_grower *g, uint32_t small, uint32_t large)
{
    struct grow_job job = {g, small, large};
    size_t rows = g->leaf[small].end - g->leaf[small].begin;
    unsigned threads = rows < PARALLEL_AT ? 1 : g->work->threads;
    enum od_status st = od_parallel(threads, g->bins->features, one_feature, &job);
    if (st != OD_OK)
        return st;
    for (uint32_t side = 0; side < (large == UINT32_MAX ? 1u : 2u); side++) {
        struct od_boost_leaf *leaf = &g->leaf[side ? large : small];
        leaf->best = (struct od_boost_split){0};
        for (uint32_t f = 0; f < g->bins->features; f++)
            if (g->found[2 * f + side].gain > leaf->best.gain)
                leaf->best = g->found[2 * f + side];
    }
    return OD_OK;
}

static bool goes_left(const struct od_boost_split *split, uint8_t code)
{
    return code == 0 ? split->missing_left : code <= split->bin;
}

/* Stable partition of the leaf's rows; returns where the right part begins. */
static size_t part_rows(struct od_boost_grower *g, const struct od_boost_leaf *leaf)
{
    const uint8_t *code = g->bins->code + (size_t)leaf->best.feature * g->bins->rows;
    size_t put = leaf->begin, aside = 0;
    for (size_t i = leaf->begin; i < leaf->end; i++) {
        uint32_t r = g->row[i];
        if (goes_left(&leaf->best, code[r]))
            g->row[put++] = r;
        else
            g->scratch[aside++] = r;
    }
    memcpy(g->row + put, g->scratch, aside * sizeof *g->row);
    return put;
}

static struct od_boost_bar sum_rows(const struct od_boost_grower *g, size_t begin, size_t end)
{
    struct od_boost_bar sum = {0};
    for (size_t i = begin; i < end; i++) {
        sum.lambda += g->lambda[g->row[i]];
        sum.second += g->second[g->row[i]];
    }
    sum.rows = end - begin;
    return sum;
}

static void hang(struct od_boost_node *node, const struct od_boost_leaf *leaf, int16_t child)
{
    if (leaf->node < 0)
        return;
    if (leaf->is_left)
        node[leaf->node].left = child;
    else
        node[leaf->node].right = child;
}

/* Splits leaf number at; the right side becomes a new leaf. */
static enum od_status split(struct od_boost_grower *g, uint32_t at, struct od_boost_node *node,
                            uint32_t number)
{
    struct od_boost_leaf *left = &g->leaf[at], *right = &g->leaf[g->leaf_count];
    struct od_boost_split best = left->best;
    const float *limit = g->bins->limit + (size_t)best.feature * (BOOST_BINS - 1);
    bool last = best.bin == g->bins->count[best.feature];
    node[number] = (struct od_boost_node){
        .limit = last ? __builtin_inff() : limit[best.bin - 1],
        .feature = (uint16_t)best.feature,
        .missing_left = best.missing_left,
    };
    hang(node, left, (int16_t)number);
    size_t middle = part_rows(g, left);
    *right = (struct od_boost_leaf){.begin = middle, .end = left->end, .node = (int32_t)number};
    right->sum = sum_rows(g, middle, left->end);
    left->end = middle;
    left->sum = sum_rows(g, left->begin, middle);
    left->node = (int32_t)number;
    left->is_left = true;
    uint32_t fresh = g->leaf_count++;
    bool left_small = left->end - left->begin < right->end - right->begin;
    if (left_small) { /* the parent's bars become the larger child's */
        size_t bytes = (size_t)g->bins->features * SLOTS * sizeof *g->bars;
        memcpy(bars_of(g, fresh, 0), bars_of(g, at, 0), bytes);
    }
    return look(g, left_small ? at : fresh, left_small ? fresh : at);
}

static void finish(struct od_boost_grower *g, struct od_boost_node *node, float *value,
                   float *score)
{
    for (uint32_t l = 0; l < g->leaf_count; l++) {
        const struct od_boost_leaf *leaf = &g->leaf[l];
        double below = leaf->sum.second + (double)g->options->l2;
        value[l] = below > 0 ? (float)((double)g->options->rate * leaf->sum.lambda / below) : 0;
        hang(node, leaf, (int16_t)~l);
        for (size_t i = leaf->begin; i < leaf->end; i++)
            score[g->row[i]] += value[l];
    }
}

enum od_status od_boost_grow(struct od_boost_grower *grower, const double *lambda,
                             const double *second, struct od_boost_node *node, float *value,
                             uint32_t *out_nodes, float *score)
{
    struct od_boost_grower *g = grower;
    g->lambda = lambda;
    g->second = second;
    for (size_t r = 0; r < g->bins->rows; r++)
        g->row[r] = (uint32_t)r;
    g->leaf[0] = (struct od_boost_leaf){.end = g->bins->rows, .node = -1};
    g->leaf[0].sum = sum_rows(g, 0, g->bins->rows);
    g->leaf_count = 1;
    enum od_status st = look(g, 0, UINT32_MAX);
    while (st == OD_OK && g->leaf_count < g->options->leaves) {
        uint32_t best = 0;
        for (uint32_t l = 1; l < g->leaf_count; l++)
            if (g->leaf[l].best.gain > g->leaf[best].best.gain)
                best = l;
        if (!(g->leaf[best].best.gain > 0))
            break;
        st = split(g, best, node, g->leaf_count - 1);
    }
    if (st != OD_OK)
        return st;
    finish(g, node, value, score);
    *out_nodes = g->leaf_count - 1;
    return OD_OK;
}
