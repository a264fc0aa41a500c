/* One LinAR fit: from events and a configuration to rows.
 *
 * Configuration is what selection chooses (linar_pick.c), shape what the hyperparameters fix. */
#ifndef OD_RECIPES_LINAR_FIT_H
#define OD_RECIPES_LINAR_FIT_H

#include "recipes/linar_gram.h"
#include "recipes/linar_rows.h"
#include "recipes/recipe.h"

struct od_linar_config {
    uint32_t kernels;
    float gamma[OD_LINAR_KERNELS];
    float lambda;         /* ridge of the features of head items */
    float alpha;          /* positive scores are divided by (popularity + 10)^alpha */
    uint32_t least_count; /* items with fewer events are tail */
    enum od_linar_fade fade;
    uint32_t rest; /* empty steps a pause between sessions counts for */
};

struct od_linar_shape {
    bool recent_first; /* predictions weigh by age: some fade but OD_LINAR_EVEN */
    float horizon;     /* what predictions aim at (linar_gram.h) */
    uint32_t window;   /* most steps a prediction looks back */
    uint32_t keep;     /* entries kept of a row */
};

/* Ridge of tail items, which have a block of their own each. 100 to 300 was best on the sparse sets
 * measured, whatever the lambda of the head. */
#define OD_LINAR_TAIL_LAMBDA 150.0

/* How a fit of that size is done: recipes.md has no limit on catalogues, memory and time have. */
struct od_linar_plan {
    uint32_t head;         /* items solved jointly */
    bool dense;            /* C and the solution as full matrices; else inverse times sparse C */
    uint32_t most_columns; /* of a sparse row of C */
    double operations;     /* estimated, as if all ran at the speed of matrix products */
    uint64_t bytes;        /* at its peak, beyond the training set */
};
/* OD_INVALID_INPUT when not even a small head fits into memory_bytes. most_head: no more head items
 * than this. */
enum od_status od_linar_plan_make(const struct od_linar_events *events,
                                  const struct od_linar_config *config,
                                  const struct od_linar_shape *shape, uint32_t most_head,
                                  uint64_t memory_bytes, struct od_linar_plan *out,
                                  struct od_error *err) OD_MUST_USE;
#define OD_LINAR_EVENT_OPERATIONS 2e6 /* of a fit, for each event: some 10 s for a million */
#define OD_LINAR_LEAST_OPERATIONS 1e12
#define OD_LINAR_MOST_OPERATIONS  9e12 /* of one fit: a minute at 150 GFLOP/s on two cores */

struct od_linar_fit {
    struct od_linar_config config;
    struct od_linar_kernels kernels;
    struct od_linar_plan plan;
    float ridge_scale; /* lambda was multiplied by it: 1 unless rounding demanded more */
    float *constant;   /* [items] the row of the constant, whole */
    struct od_linar_rows rows;
};
/* Fits; work reports 0 to 1. out is zeroed on failure. */
enum od_status od_linar_fit_init(struct od_linar_fit *out, const struct od_linar_events *events,
                                 const struct od_linar_config *config,
                                 const struct od_linar_shape *shape,
                                 const struct od_linar_plan *plan, const struct od_work *work,
                                 struct od_error *err) OD_MUST_USE;
void od_linar_fit_done(struct od_linar_fit *fit);

/* The two ways to rows, by plan->dense (linar_solve.c). g is G as od_linar_gram leaves it; it is
 * spoilt. targets: od_linar_targets' rows of all items. */
enum od_status od_linar_solve_dense(struct od_linar_fit *fit,
                                    const struct od_linar_problem *problem, struct od_matrix *g,
                                    struct od_matrix *c, struct od_error *err) OD_MUST_USE;
enum od_status od_linar_solve_sparse(struct od_linar_fit *fit,
                                     const struct od_linar_problem *problem, struct od_matrix *g,
                                     const struct od_linar_sparse *targets,
                                     struct od_error *err) OD_MUST_USE;

/* Rows of the items outside the head. */
enum od_status od_linar_solve_tail(struct od_linar_fit *fit, const struct od_linar_problem *problem,
                                   const struct od_linar_sparse *targets,
                                   struct od_error *err) OD_MUST_USE;

/* A share of someone else's progress: fractions 0..1 become from..to. work's context is the share,
 * which must outlive it. */
struct od_linar_share {
    const struct od_work *outer;
    double from, to;
};
struct od_work od_linar_share_work(struct od_linar_share *share);

#endif
