/* LinAR's normal equations from histories: G = sum w h h', C = sum w h e(next item)'.
 *
 * h_t is the state after position t of a user's history: for each kernel k and head item i
 *     h_t(i, k) = sum over p <= t, t - p < reach_k, x_p = i of gamma_k^(t-p),
 * and a constant 1. Features are numbered head * K + k, the constant last. Head items are those
 * that take part in the joint solution; the others ("tail") get a K x K system of their own.
 * Everything is computed per row, so any number of threads gives the same bytes. */
#ifndef OD_RECIPES_LINAR_GRAM_H
#define OD_RECIPES_LINAR_GRAM_H

#include <pthread.h>

#include "math/cholesky.h"
#include "recipes/linar_events.h"

#define OD_LINAR_KERNELS    3    /* most kernels */
#define OD_LINAR_REACH      192  /* most steps a state looks back: histories hold 200 events */
#define OD_LINAR_NEGLIGIBLE 1e-3 /* a kernel reaches back until its weight falls below this */

struct od_linar_kernels {
    uint32_t count;
    float gamma[OD_LINAR_KERNELS];    /* [0, 1) */
    uint32_t reach[OD_LINAR_KERNELS]; /* steps, at least 1, at most OD_LINAR_REACH */
    float power[OD_LINAR_KERNELS][OD_LINAR_REACH + 1]; /* gamma^d; gamma 0: 1, 0, 0, ... */
    /* What an event adds to C at the event d + 1 steps after it: see horizon below. */
    float aim[OD_LINAR_KERNELS][OD_LINAR_REACH + 1];
};
/* Sets reach, power and aim from gamma; window: the most steps any kernel may look back.
 *
 * horizon, in [0, 1): a prediction aims at the events after its position with weights (1 - horizon)
 * horizon^m, m = 0 for the next one; 0: at the next one alone. Summed over the predictions between
 * an event and one d + 1 steps after it,
 *     aim(d) = (1 - horizon) sum over j <= d of gamma^j horizon^(d-j),
 * which is exact where neighbouring predictions weigh alike. */
void od_linar_kernels_init(struct od_linar_kernels *out, const float *gamma, uint32_t count,
                           uint32_t window, float horizon);

/* Which items are head: the most frequent, in order of their codes. */
struct od_linar_head {
    uint32_t count;
    uint32_t *item; /* [count] head to item, ascending */
    uint32_t *of;   /* [item_count] item to head, OD_NO_CODE for tail */
};
enum od_status od_linar_head_init(struct od_linar_head *out, const struct od_linar_events *events,
                                  uint32_t most, struct od_error *err) OD_MUST_USE;
void od_linar_head_done(struct od_linar_head *head);

/* One item's rows of C, sparse over all items, and its own K x K block of G. */
struct od_linar_sparse {
    uint32_t count;
    uint32_t *column; /* [count] ascending */
    float *value;     /* [K][count] */
    double own[OD_LINAR_KERNELS][OD_LINAR_KERNELS];
    double mass[OD_LINAR_KERNELS]; /* sum of w h(i, k): its products with the constant */
};

/* Suffix sums S_ab(q) = sum over t >= q of w_t (gamma_a gamma_b)^(t-q), planes a <= b. */
struct od_linar_sums {
    float *plane[OD_LINAR_KERNELS][OD_LINAR_KERNELS]; /* plane[a][b] == plane[b][a] */
    float *memory;
};
enum od_status od_linar_sums_init(struct od_linar_sums *out, const struct od_linar_events *events,
                                  const struct od_linar_kernels *kernels,
                                  const struct od_work *work, struct od_error *err) OD_MUST_USE;
void od_linar_sums_done(struct od_linar_sums *sums);

/* The problem all of the functions below share. */
struct od_linar_problem {
    const struct od_linar_events *events;
    const struct od_linar_kernels *kernels;
    const struct od_linar_head *head;
    const struct od_linar_sums *sums;
    const struct od_work *work;
};
/* What the pair of positions p and p + d adds to G at (kernel a of item at p, kernel b of item at
 * p + d): the sum over the predictions that see both. d < reach_a, and left[p] > d. */
float od_linar_pair(const struct od_linar_problem *problem, uint32_t a, uint32_t b, uint64_t p,
                    uint32_t d);
size_t od_linar_features(const struct od_linar_problem *problem); /* head * K + 1 */
/* Steps that the furthest of the kernels looks back. */
uint32_t od_linar_furthest(const struct od_linar_kernels *kernels);
/* Asks for the memory of an occurrence before its turn, of so many steps from it and of an array
 * beside the weights and sums: occurrences of an item lie anywhere, and waiting for their lines is
 * most of the time otherwise. */
void od_linar_fetch(const struct od_linar_problem *problem, const uint32_t *beside, uint64_t p,
                    uint32_t reach);

/* g (features square, zeroed): G in the upper triangle. c (features x items, zeroed): C, or c->at
 * NULL when it is not wanted. */
enum od_status od_linar_gram(const struct od_linar_problem *problem, struct od_matrix *g,
                             struct od_matrix *c, struct od_error *err) OD_MUST_USE;

/* rows[item], columns over all items; at most most_columns of each, the heaviest. tail_only: rows
 * of head items stay empty. Freed with od_linar_sparse_free. */
enum od_status od_linar_targets(const struct od_linar_problem *problem, bool tail_only,
                                uint32_t most_columns, struct od_linar_sparse *rows,
                                struct od_error *err) OD_MUST_USE;
void od_linar_sparse_free(struct od_linar_sparse *rows, uint32_t count);

/* Row of C of the constant: out[item] = sum of w over predictions of item. Their total is
 * returned; below 0: out of memory. */
double od_linar_constant(const struct od_linar_events *events, float *out);

#endif
