/* Boosting: derivatives at the present scores, a tree for them, its share added, again; until
 * validation has not gained for a while. See boost.h. */
#include "math/boost.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "math/boost_inner.h"
#include "os/parallel.h"

enum { GROUP_BLOCK = 64, MOST_GRADE = 15 };

struct od_boost_options od_boost_options_default(void)
{
    return (struct od_boost_options){.trees = 500,
                                     .leaves = 31,
                                     .least_rows = 20,
                                     .truncation = 10,
                                     .patience = 50,
                                     .rate = .05f,
                                     .l2 = 1e-3f};
}

/* Growing arrays of the trees made so far. */
struct forest {
    uint32_t *node_at;
    struct od_boost_node *node;
    float *leaf;
    uint32_t trees, kept;
};

struct fit {
    const struct od_boost_set *train, *validation;
    const struct od_boost_options *options;
    const struct od_work *work;
    float *score, *validation_score;
    double *lambda, *second;
    struct od_boost_bins bins;
    struct od_boost_grower grower;
    struct forest forest;
    double best_ndcg;
};

static enum od_status check_set(const struct od_boost_set *set, struct od_error *err)
{
    if (set->features == 0 || set->features > OD_BOOST_FEATURES)
        return od_fail(err, OD_INVALID_INPUT, "A row has %u features; 1 to %d are possible.",
                       set->features, OD_BOOST_FEATURES);
    if (set->rows >= UINT32_MAX)
        return od_fail(err, OD_INVALID_INPUT, "%zu rows are too many.", set->rows);
    for (size_t r = 0; r < set->rows; r++)
        if (set->grade[r] > MOST_GRADE)
            return od_fail(err, OD_INVALID_INPUT,
                           "Row %zu has the grade %u; at most %d is possible.", r, set->grade[r],
                           MOST_GRADE);
    return OD_OK;
}

static enum od_status check(const struct fit *fit, struct od_error *err)
{
    const struct od_boost_options *o = fit->options;
    if (o->leaves < 2 || o->leaves > OD_BOOST_LEAVES || o->trees > OD_BOOST_TREES ||
        o->truncation == 0 || !(o->rate > 0) || !(o->l2 >= 0))
        return od_fail(err, OD_INVALID_INPUT, "The options of the trees are out of range.");
    enum od_status st = check_set(fit->train, err);
    if (st == OD_OK && fit->validation)
        st = check_set(fit->validation, err);
    if (st == OD_OK && fit->validation && fit->validation->features != fit->train->features)
        st = od_fail(err, OD_INVALID_INPUT, "Training rows have %u features, validation rows %u.",
                     fit->train->features, fit->validation->features);
    return st;
}

/* --- derivatives --- */

static enum od_status derive_block(void *context, size_t index, unsigned thread)
{
    (void)thread;
    struct fit *fit = context;
    const struct od_boost_set *set = fit->train;
    size_t from = index * GROUP_BLOCK, to = from + GROUP_BLOCK, most = 0;
    to = to < set->groups ? to : set->groups;
    for (size_t g = from; g < to; g++) {
        size_t rows = set->group_start[g + 1] - set->group_start[g];
        most = rows > most ? rows : most;
    }
    uint32_t *order = malloc((most + 1) * sizeof *order);
    if (!order)
        return OD_NO_MEMORY;
    for (size_t g = from; g < to; g++) {
        size_t first = set->group_start[g], rows = set->group_start[g + 1] - first;
        memset(fit->lambda + first, 0, rows * sizeof *fit->lambda);
        memset(fit->second + first, 0, rows * sizeof *fit->second);
        od_boost_lambdas(set->grade + first, fit->score + first, rows, fit->options->truncation,
                         order, fit->lambda + first, fit->second + first);
    }
    free(order);
    return OD_OK;
}

/* --- trees --- */

static float walk(const struct od_boost_node *node, uint32_t nodes, const float *leaf,
                  const float *value)
{
    int32_t at = nodes ? 0 : ~0;
    while (at >= 0) {
        const struct od_boost_node *n = &node[at];
        float x = value[n->feature];
        bool left = isnan(x) ? n->missing_left != 0 : x <= n->limit;
        at = left ? n->left : n->right;
    }
    return leaf[~at];
}

static enum od_status reserve(struct forest *f, uint32_t trees, uint32_t leaves)
{
    size_t nodes = (size_t)trees * (leaves - 1);
    f->node_at = calloc((size_t)trees + 1, sizeof *f->node_at);
    f->node = calloc(nodes + 1, sizeof *f->node);
    f->leaf = calloc(nodes + trees + 1, sizeof *f->leaf);
    return f->node_at && f->node && f->leaf ? OD_OK : OD_NO_MEMORY;
}

static enum od_status add_tree(struct fit *fit)
{
    struct forest *f = &fit->forest;
    uint32_t at = f->node_at[f->trees], nodes = 0;
    size_t blocks = (fit->train->groups + GROUP_BLOCK - 1) / GROUP_BLOCK;
    enum od_status st = od_parallel(fit->work->threads, blocks, derive_block, fit);
    if (st == OD_OK)
        st = od_boost_grow(&fit->grower, fit->lambda, fit->second, f->node + at,
                           f->leaf + at + f->trees, &nodes, fit->score);
    if (st == OD_OK)
        f->node_at[++f->trees] = at + nodes;
    return st;
}

/* Adds the newest tree to the validation scores; keeps what was best so far. */
static enum od_status validate(struct fit *fit)
{
    struct forest *f = &fit->forest;
    const struct od_boost_set *set = fit->validation;
    uint32_t at = f->node_at[f->trees - 1], nodes = f->node_at[f->trees] - at;
    double ndcg = 0;
    for (size_t r = 0; r < set->rows; r++)
        fit->validation_score[r] +=
            walk(f->node + at, nodes, f->leaf + at + f->trees - 1, set->value + r * set->features);
    enum od_status st = od_boost_ndcg(set, fit->validation_score, fit->options->truncation, &ndcg);
    if (st == OD_OK && ndcg > fit->best_ndcg) {
        fit->best_ndcg = ndcg;
        f->kept = f->trees;
    }
    return st;
}

static enum od_status boost(struct fit *fit)
{
    struct forest *f = &fit->forest;
    enum od_status st = OD_OK;
    if (fit->validation)
        st = od_boost_ndcg(fit->validation, NULL, fit->options->truncation, &fit->best_ndcg);
    while (st == OD_OK && f->trees < fit->options->trees) {
        st = add_tree(fit);
        if (st == OD_OK && fit->validation)
            st = validate(fit);
        else if (st == OD_OK)
            f->kept = f->trees;
        if (st == OD_OK && fit->work->tick)
            st = fit->work->tick(fit->work->context, (double)f->trees / fit->options->trees);
        if (f->trees - f->kept > fit->options->patience ||
            (f->trees && f->node_at[f->trees] == f->node_at[f->trees - 1]))
            break; /* no gain, or nothing left to split */
    }
    return st;
}

/* The kept trees as one block. */
static enum od_status settle(const struct fit *fit, struct od_boost *out)
{
    const struct forest *f = &fit->forest;
    uint32_t trees = f->kept, nodes = f->node_at[trees];
    size_t at_bytes = ((size_t)trees + 1) * sizeof *f->node_at,
           node_bytes = nodes * sizeof *f->node;
    size_t leaf_bytes = ((size_t)nodes + trees) * sizeof *f->leaf;
    char *memory = malloc(at_bytes + node_bytes + leaf_bytes + 1);
    if (!memory)
        return OD_NO_MEMORY;
    memcpy(memory, f->node_at, at_bytes);
    memcpy(memory + at_bytes, f->node, node_bytes);
    memcpy(memory + at_bytes + node_bytes, f->leaf, leaf_bytes);
    *out = (struct od_boost){
        .features = fit->train->features,
        .trees = trees,
        .node_at = (const uint32_t *)(const void *)memory,
        .node = (const struct od_boost_node *)(const void *)(memory + at_bytes),
        .leaf = (const float *)(const void *)(memory + at_bytes + node_bytes),
        .memory = memory,
    };
    return OD_OK;
}

static enum od_status prepare(struct fit *fit)
{
    size_t rows = fit->train->rows, asked = fit->validation ? fit->validation->rows : 0;
    fit->score = calloc(rows + 1, sizeof *fit->score);
    fit->validation_score = calloc(asked + 1, sizeof *fit->validation_score);
    fit->lambda = calloc(rows + 1, sizeof *fit->lambda);
    fit->second = calloc(rows + 1, sizeof *fit->second);
    if (!fit->score || !fit->validation_score || !fit->lambda || !fit->second)
        return OD_NO_MEMORY;
    enum od_status st = reserve(&fit->forest, fit->options->trees, fit->options->leaves);
    if (st == OD_OK)
        st = od_boost_bins_init(&fit->bins, fit->train, fit->work);
    if (st == OD_OK)
        st = od_boost_grower_init(&fit->grower, &fit->bins, fit->options, fit->work);
    return st;
}

enum od_status od_boost_fit(const struct od_boost_set *train, const struct od_boost_set *validation,
                            const struct od_boost_options *options, const struct od_work *work,
                            struct od_boost *out, double *out_ndcg, struct od_error *err)
{
    struct fit fit = {.train = train, .validation = validation, .options = options, .work = work};
    enum od_status st = check(&fit, err);
    if (st != OD_OK)
        return st;
    st = prepare(&fit);
    if (st == OD_OK)
        st = boost(&fit);
    if (st == OD_OK)
        st = settle(&fit, out);
    if (st == OD_OK && out_ndcg)
        *out_ndcg = fit.best_ndcg;
    od_boost_grower_done(&fit.grower);
    od_boost_bins_done(&fit.bins);
    free(fit.forest.node_at);
    free(fit.forest.node);
    free(fit.forest.leaf);
    free(fit.score);
    free(fit.validation_score);
    free(fit.lambda);
    free(fit.second);
    return st == OD_OK ? OD_OK : od_fail(err, st, NULL);
}

void od_boost_done(struct od_boost *boost)
{
    free(boost->memory);
    *boost = (struct od_boost){0};
}

float od_boost_score(const struct od_boost *boost, const float *value)
{
    float sum = 0;
    for (uint32_t t = 0; t < boost->trees; t++) {
        uint32_t at = boost->node_at[t];
        sum += walk(boost->node + at, boost->node_at[t + 1] - at, boost->leaf + at + t, value);
    }
    return sum;
}

/* A child is a later node of the tree or one of its leaves, so every walk ends. */
static bool valid_child(int16_t child, uint32_t parent, uint32_t nodes)
{
    return child >= 0 ? (uint32_t)child > parent && (uint32_t)child < nodes
                      : (uint32_t)~child <= nodes;
}

bool od_boost_valid(const struct od_boost *boost, uint64_t node_count, uint64_t leaf_count)
{
    if (boost->features == 0 || boost->features > OD_BOOST_FEATURES ||
        boost->trees > OD_BOOST_TREES || boost->node_at[0] != 0 ||
        boost->node_at[boost->trees] != node_count || leaf_count != node_count + boost->trees)
        return false;
    for (uint32_t t = 0; t < boost->trees; t++)
        if (boost->node_at[t + 1] < boost->node_at[t] ||
            boost->node_at[t + 1] - boost->node_at[t] >= OD_BOOST_LEAVES)
            return false;
    for (uint32_t t = 0; t < boost->trees; t++) {
        uint32_t at = boost->node_at[t], nodes = boost->node_at[t + 1] - at;
        for (uint32_t n = 0; n < nodes; n++)
            if (boost->node[at + n].feature >= boost->features ||
                isnan(boost->node[at + n].limit) ||
                !valid_child(boost->node[at + n].left, n, nodes) ||
                !valid_child(boost->node[at + n].right, n, nodes))
                return false;
    }
    for (uint64_t l = 0; l < leaf_count; l++)
        if (!isfinite(boost->leaf[l]))
            return false;
    return true;
}
