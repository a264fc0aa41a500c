/* Gradient-boosted regression trees that learn to order lists: LambdaMART (Burges, "From RankNet to
 * LambdaRank to LambdaMART: An Overview", MSR-TR-2010-82) on histograms of binned features, grown
 * leaf by leaf (Ke et al., "LightGBM", NIPS 2017, section 2).
 *
 * A row is one item of one list (a group): its features, NAN where unknown, and a grade: 0 was not
 * wanted, higher is better. Trees add up to a score; only the order within a group matters. Sums
 * are made per feature in row order, so the trees are the same for any number of threads. */
#ifndef OD_MATH_BOOST_H
#define OD_MATH_BOOST_H

#include "base/error.h"
#include "math/cholesky.h" /* struct od_work */

#define OD_BOOST_FEATURES 256 /* most */
#define OD_BOOST_LEAVES   64  /* most of a tree */
#define OD_BOOST_TREES    4096

struct od_boost_set {
    size_t rows;
    uint32_t features;
    const float *value; /* [rows][features] */
    size_t groups;
    const size_t *group_start; /* [groups + 1]; rows of a group are neighbours */
    const uint8_t *grade;      /* [rows], at most 15 */
};

struct od_boost_options {
    uint32_t trees;      /* at most; fewer when validation stops gaining */
    uint32_t leaves;     /* of a tree, 2 to OD_BOOST_LEAVES */
    uint32_t least_rows; /* of a leaf */
    uint32_t truncation; /* NDCG looks at so many places */
    uint32_t patience;   /* trees without a gain on validation after which growing ends */
    float rate;          /* share of each tree that is added */
    float l2;            /* added to the second derivatives of a leaf */
};
/* 31 leaves of at least 20 rows, rate .05, at most 500 trees, patience 50, NDCG@10. */
struct od_boost_options od_boost_options_default(void);

/* A split: rows with value <= limit go left, those with NAN where missing_left says. A child >= 0
 * is a node of the same tree, behind its parent; ~child (negative) is a leaf. */
struct od_boost_node {
    float limit;
    int16_t left, right;
    uint16_t feature;
    uint16_t missing_left;
};

/* Arrays that may be kept in a file as they are. Tree t has nodes node_at[t] up to node_at[t + 1]
 * and one leaf more than nodes, from leaf[node_at[t] + t] on. */
struct od_boost {
    uint32_t features, trees;
    const uint32_t *node_at; /* [trees + 1] */
    const struct od_boost_node *node;
    const float *leaf; /* [node_at[trees] + trees] */
    void *memory;      /* NULL: borrowed */
};

/* Grows trees on train; validation (may be NULL) stops it and decides how many trees stay: none
 * when nothing beats the order that the rows come in. *out_ndcg gets the validation NDCG of what
 * stays (0 without validation). Scores of equal rows keep the order of the rows. OD_INVALID_INPUT
 * for options or grades out of range. Needs a byte a row and feature, and 6 KB a feature and leaf.
 */
enum od_status od_boost_fit(const struct od_boost_set *train, const struct od_boost_set *validation,
                            const struct od_boost_options *options, const struct od_work *work,
                            struct od_boost *out, double *out_ndcg,
                            struct od_error *err) OD_MUST_USE;
void od_boost_done(struct od_boost *boost);

/* The score of one row of features. Thread-safe. */
float od_boost_score(const struct od_boost *boost, const float *value);

/* Whether arrays read from a file can be walked safely; leaf_count: of the leaf array. */
bool od_boost_valid(const struct od_boost *boost, uint64_t node_count, uint64_t leaf_count);

/* Mean NDCG at k over the groups that have a grade above 0; gain 2^grade - 1. score NULL: the order
 * of the rows. Equal scores: the earlier row first. OD_NO_MEMORY. */
enum od_status od_boost_ndcg(const struct od_boost_set *set, const float *score, uint32_t k,
                             double *out) OD_MUST_USE;

/* LambdaMART's derivatives of one group, for tests: lambda[rows], second[rows] (added to). order
 * has room for rows. */
void od_boost_lambdas(const uint8_t *grade, const float *score, size_t rows, uint32_t truncation,
                      uint32_t *order, double *lambda, double *second);

#endif
