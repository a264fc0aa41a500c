/* What the files boost*.c share. */
#ifndef OD_MATH_BOOST_INNER_H
#define OD_MATH_BOOST_INNER_H

#include "math/boost.h"

enum { BOOST_BINS = 255 }; /* of a feature, besides bin 0: missing */

/* A training set as trees see it. Bin b >= 1 of feature f holds values in (limit[b - 2],
 * limit[b - 1]]; the last one has no limit. */
struct od_boost_bins {
    size_t rows;
    uint32_t features;
    uint8_t *code;   /* [features][rows] */
    float *limit;    /* [features][BOOST_BINS - 1] */
    uint16_t *count; /* [features] bins in use, without that of the missing */
};
enum od_status od_boost_bins_init(struct od_boost_bins *out, const struct od_boost_set *set,
                                  const struct od_work *work) OD_MUST_USE;
void od_boost_bins_done(struct od_boost_bins *bins);

struct od_boost_bar {
    double lambda, second;
    uint64_t rows;
};

struct od_boost_split {
    double gain; /* 0: none */
    uint32_t feature;
    uint16_t bin; /* rows with 1 <= code <= bin go left */
    bool missing_left;
};

struct od_boost_leaf {
    size_t begin, end; /* rows, as places in grower.row */
    struct od_boost_bar sum;
    struct od_boost_split best;
    int32_t node; /* the node it hangs on, -1: the tree's root */
    bool is_left;
};

/* Grows one tree at a time over the same bins. */
struct od_boost_grower {
    const struct od_boost_bins *bins;
    const struct od_boost_options *options;
    const struct od_work *work;
    const double *lambda, *second; /* [rows] */
    uint32_t *row, *scratch;       /* [rows] */
    struct od_boost_bar *bars;     /* [leaves][features][BOOST_BINS + 1] */
    struct od_boost_split *found;  /* [2][features] */
    struct od_boost_leaf leaf[OD_BOOST_LEAVES];
    uint32_t leaf_count;
};
enum od_status od_boost_grower_init(struct od_boost_grower *out, const struct od_boost_bins *bins,
                                    const struct od_boost_options *options,
                                    const struct od_work *work) OD_MUST_USE;
void od_boost_grower_done(struct od_boost_grower *grower);
/* node and value have room for OD_BOOST_LEAVES entries. Returns the number of nodes in *out_nodes
 * and adds each leaf's value to the score of its rows. */
enum od_status od_boost_grow(struct od_boost_grower *grower, const double *lambda,
                             const double *second, struct od_boost_node *node, float *value,
                             uint32_t *out_nodes, float *score) OD_MUST_USE;

#endif
