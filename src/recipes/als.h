/* Implicit alternating least squares: factors of the unordered matrix of users and items.
 *
 * iALS (Hu, Koren, Volinsky 2008) in the form of Rendle et al. 2022 "Revisiting the performance of
 * iALS on item recommendation benchmarks", equations 2 to 5: with S the pairs of user and item that
 * occur (once each), W the users' and V the items' factors,
 *     L(W, V) = sum over S of (w_u v_i - 1)^2 + unobserved * sum over all pairs of (w_u v_i)^2
 *             + sum over u of ridge_u |w_u|^2 + sum over i of ridge_i |v_i|^2
 *     ridge_u = ridge * (|S_u| + unobserved * items)^power, ridge_i likewise with users,
 * minimised by blocks of coordinates (iALS++, Rendle et al. 2021, algorithm 1): with the other side
 * fixed, each block of OD_ALS_BLOCK factors of a row takes one Newton step, which for a square loss
 * is exact. A sweep costs per pair dims * OD_ALS_BLOCK and per row dims * OD_ALS_BLOCK^2, where
 * whole rows would cost dims^2 and dims^3.
 *
 * Users are scored from their history: a row is solved from the items' factors at the time of the
 * question (fold-in), so new users and events need no training and no user is kept.
 *
 * For catalogues of at most OD_EASE_ITEMS items the part also fits EASE (Steck 2019, equation 8)
 * and keeps what ranks the judges' events better.
 *
 * The files: als_matrix (pairs), als_fit (sweeps), als_ease, als_pick (choice), als_model (what
 * scoring reads, and sections), als_score, als_part. */
#ifndef OD_RECIPES_ALS_H
#define OD_RECIPES_ALS_H

#include "math/cholesky.h"
#include "math/kernels.h"
#include "recipes/part.h"

#define OD_ALS_BLOCK   32   /* factors solved together; dims are a multiple of it */
#define OD_ALS_DIMS    512  /* most */
#define OD_ALS_HISTORY 1000 /* newest distinct items of a query that are folded in */
#define OD_EASE_ITEMS  6000 /* largest catalogue of EASE: 72 MB of halves, 2e11 operations a fit */

enum od_als_kind { OD_ALS_FACTORS, OD_ALS_EASE };

struct od_als_config {
    uint32_t kind;   /* enum od_als_kind */
    uint32_t dims;   /* factors */
    uint32_t sweeps; /* over both sides */
    float unobserved, ridge, power;
    float ease_ridge;
};

/* The distinct pairs, by user and by item; rows of other codes are empty. 8 bytes a pair. */
struct od_als_side {
    uint32_t rows;
    uint64_t *at;  /* [rows + 1] */
    uint32_t *col; /* [at[rows]] ascending within a row */
};
struct od_als_matrix {
    struct od_als_side users, items;
};
/* Of the users' events up to end[u]. _done frees. */
enum od_status od_als_matrix_init(struct od_als_matrix *out, const struct od_training *training,
                                  const uint64_t *end, struct od_error *err) OD_MUST_USE;
void od_als_matrix_done(struct od_als_matrix *matrix);

struct od_als_fit {
    struct od_als_config config;
    uint32_t user_count, item_count;
    float *user, *item; /* [count][dims] */
};
/* Random start, no sweep: memory 4 dims bytes a user and item. */
enum od_status od_als_fit_init(struct od_als_fit *out, const struct od_als_matrix *matrix,
                               const struct od_als_config *config, uint64_t seed,
                               unsigned threads) OD_MUST_USE;
/* One sweep: users, then items. The same bytes for any number of threads. */
enum od_status od_als_sweep(struct od_als_fit *fit, const struct od_als_matrix *matrix,
                            unsigned threads) OD_MUST_USE;
/* L above, in double; for tests and benchmarks. 2 dims operations a pair. */
enum od_status od_als_loss(const struct od_als_fit *fit, const struct od_als_matrix *matrix,
                           double *out) OD_MUST_USE;
void od_als_fit_done(struct od_als_fit *fit);
/* Upper triangle of out[dims][dims] := scale * X'X, X [rows][dims]. */
enum od_status od_als_gram(const float *x, uint32_t rows, uint32_t dims, float scale,
                           unsigned threads, float *out) OD_MUST_USE;
/* Init and all sweeps, telling progress (stage "factors"). */
enum od_status od_als_train(const struct od_als_matrix *matrix, const struct od_als_config *config,
                            const struct od_train_input *input, struct od_als_fit *out,
                            struct od_error *err) OD_MUST_USE;

/* EASE's item-item weights: b[items][items], zero diagonal, row i what an event on i adds. 4 bytes
 * an entry, and as many while it is solved. */
enum od_status od_ease_fit(const struct od_als_matrix *matrix, float ridge, unsigned threads,
                           struct od_matrix *out, struct od_error *err) OD_MUST_USE;

/* What scoring reads: of factors, the items' in halves by panels of OD_ALS_PANEL items (panel p
 * holds [dims][OD_ALS_PANEL], items past the end are 0), times `scale`, and their Gram matrix times
 * `unobserved`; of EASE, rows of halves with a scale each. Immutable; any thread may score. */
#define OD_ALS_PANEL 64
struct od_als_model {
    struct od_als_config config;
    uint32_t items;
    float scale;           /* a half times this is a factor */
    const uint16_t *panel; /* [ceil(items / OD_ALS_PANEL)][dims][OD_ALS_PANEL] */
    const float *gram;     /* [dims][dims], the upper triangle counts */
    const uint16_t *row;   /* [items][items] */
    const float *row_scale;
    void *memory, *more; /* ours, NULL when the arrays lie in an image */
};
enum od_status od_als_model_of_factors(const struct od_als_fit *fit, unsigned threads,
                                       struct od_als_model *out) OD_MUST_USE;
enum od_status od_als_model_of_ease(const struct od_matrix *b, const struct od_als_config *config,
                                    struct od_als_model *out) OD_MUST_USE;
enum od_status od_als_model_write(const struct od_als_model *model,
                                  struct od_image_writer *image) OD_MUST_USE;
/* OD_CORRUPT unless all that scoring reads is there and finite. The model borrows the image. */
enum od_status od_als_model_read(const struct od_image *image, uint32_t item_count,
                                 struct od_als_model *out, struct od_error *err) OD_MUST_USE;
void od_als_model_done(struct od_als_model *model);

/* out[dims] := the row of a user with these distinct items, solved exactly. Scratch: dims + 64 rows
 * of dims floats. OD_INVALID_INPUT when the system is singular. */
enum od_status od_als_fold_in(const struct od_als_model *model, const uint32_t *items, size_t count,
                              struct od_arena *scratch, float *out) OD_MUST_USE;
/* scores[items] from the newest OD_ALS_HISTORY distinct known items; *out_any false, and all 0,
 * when there are none. */
enum od_status od_als_score(const struct od_als_model *model, const struct od_query *query,
                            struct od_arena *scratch, float *scores, bool *out_any) OD_MUST_USE;

/* dims by size, memory_bytes (0: no bound) and effort; OD_ALS_MOST_OPERATIONS bounds a fit. */
struct od_als_config od_als_config_default(const struct od_als_matrix *matrix,
                                           uint64_t memory_bytes);
#define OD_ALS_MOST_OPERATIONS 6e12 /* minutes on two cores */
double od_als_operations(const struct od_als_config *config, uint64_t pairs, uint64_t rows);

/* Chooses by the judges; *config is where the search begins, and stays with too few of them. */
enum od_status od_als_pick(const struct od_part_task *task, struct od_als_config *config,
                           struct od_error *err) OD_MUST_USE;

#endif
