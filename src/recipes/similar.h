/* aws-similar-items inside: how alike two items are, from events and records.
 *
 * The similarity of item j to item i is an estimate of the probability that j is what a user turns
 * to after i:
 *     s(i, j) = (w_ij + k q_ij) / (w_i + k) / (n_j + 1)^f
 * w are decayed pair weights (pairs.h), w_i their sum, f the popularity discount factor, n users of
 * an item; q_i is a prior distribution over all items, which speaks where pairs are few:
 *     q_ij ~ exp(a g_i g_j id_ij + b meta_ij + c ln(n_j + 1))
 * with id the cosine of co-occurrence embeddings, g = n / (n + 10) the trust in them, and meta the
 * cosine of metadata embeddings. For an item without events all of it is b and c. (Dirichlet
 * smoothing of counts: Zhai, Lafferty 2001, with a conditional logit as the prior: McFadden 1974.)
 *
 * a, b, c, k and the decay are chosen on held-out events (similar_learn.c). */
#ifndef OD_RECIPES_SIMILAR_H
#define OD_RECIPES_SIMILAR_H

#include "recipes/item_space.h"
#include "recipes/pairs.h"
#include "recipes/part.h"
#include "recipes/popularity.h"

#define OD_SIMILAR_TRUST 10 /* users at which an item's own embedding counts half */
#define OD_SIMILAR_NEIGHBOURS                                                                      \
    512 /* pairs kept of an item: more than the 500 results of an answer */

/* Of a, b and c. */
struct od_similar_weights {
    float id, metadata, popularity;
};
struct od_similar_mix {
    struct od_similar_weights warm; /* the query item has users */
    struct od_similar_weights cold; /* it has none; between: by its trust */
    float prior;                    /* k */
    float discount;                 /* f */
    float decay, back;              /* of the pairs */
};

/* What scoring reads: an opened image, or a model being fitted. All borrowed. */
struct od_similar_view {
    uint32_t items;
    struct od_item_view id, metadata;
    const float *log_users; /* [items] ln(n + 1) */
    const float *trust;     /* [items] g */
    const uint64_t *at;     /* pairs; see pairs.h */
    const uint32_t *item;
    const float *weight, *total;
    struct od_similar_mix mix;
};

/* log_users and trust from users of items; [items] each. */
void od_similar_users(const uint32_t *users, uint32_t items, float *log_users, float *trust);
/* The parts of the prior: id[j] = g_i g_j id_ij, metadata[j] = meta_ij. */
void od_similar_products(const struct od_similar_view *view, uint32_t item, float *id,
                         float *metadata);
/* q_i into out, from the products; sums to 1 without the item itself, which gets 0. */
void od_similar_prior(const struct od_similar_view *view, uint32_t item, const float *id,
                      const float *metadata, float *out);
/* s(item, j) for all items j; -INFINITY for the item. work has 2 items floats. */
void od_similar_scores(const struct od_similar_view *view, uint32_t item, float *work,
                       float *scores);

/* Learns mix from judges, whose events are not before end[u]: the event before a judge's asks, its
 * own answers. view has everything but pairs; of its mix the discount is read. Without a judge:
 * defaults. */
enum od_status od_similar_learn(const struct od_training *training, const uint64_t *end,
                                const struct od_judge *judges, size_t judge_count,
                                const struct od_similar_view *view, uint64_t seed, unsigned threads,
                                struct od_similar_mix *out, struct od_error *err) OD_MUST_USE;
/* The window that belongs to a decay od_similar_learn chose. */
uint32_t od_similar_window(float decay);

/* A conditional logit with three features: alternative 0 of each case is the one chosen;
 * x[(case * alternatives + alternative) * 3 + feature]. Newton's method with a small ridge, so that
 * a feature that never varies gets 0. */
void od_similar_logit(const float *x, size_t cases, size_t alternatives, double *out_weights);

#endif
