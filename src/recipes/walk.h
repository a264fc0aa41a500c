/* Random walks of three steps: from an item of the history to a user who has it, and on to another
 * item of that user.
 *
 * P3 of Cooper et al. 2014 ("Random walks in recommender systems: exact computation and
 * simulations", section 3) with the popularity of the end damped as in RP3beta (Paudel et al. 2017,
 * "Updatable, accurate, diverse, and scalable recommendations for interactive applications",
 * section 3.2). With n_i the users who have item i and n_u the items that user u has,
 *     P(j | i) = 1 / n_i * sum over users u who have i and j of 1 / n_u,        j other than i,
 *     score(j) = n_j^-target * sum over i of w_i P(j | i) / sum over i of w_i,
 *     w_i      = decay^d_i * n_i^source for the distinct items i of the history, d_i of them newer.
 * With decay = 1, source = 0 and target = 0 it is the probability that the walk ends at j. Long
 * histories say little of each of their pairs, and every item of a history is heard equally, unless
 * popular ones are found to say more (source > 0). It knows the rare pairs that factors smooth
 * over: on Gowalla the two together reach what neither does.
 *
 * Rows of P are cut to their largest entries, as far as memory allows (OD_WALK_ENTRIES).
 *
 * The files: walk_fit (the rows), walk_score (a query, sections), walk_part (choice, part). */
#ifndef OD_RECIPES_WALK_H
#define OD_RECIPES_WALK_H

#include "recipes/als.h"
#include "recipes/linar_rows.h"

#define OD_WALK_HISTORY     1000      /* newest distinct items of a query that are heard */
#define OD_WALK_ENTRIES     16000000u /* of all rows together: 96 MB; but at least 50 of a row */
#define OD_WALK_ENTRY_BYTES 6
#define OD_WALK_PAIRS       4e9 /* additions of a fit; users of the longest histories go first */

struct od_walk_config {
    float decay;  /* (0, 1] */
    float source; /* [0, 1] */
    float target; /* [0, 1] */
};
struct od_walk_config od_walk_config_default(void);

/* The rows of P n_j^-OD_WALK_CUT, cut: large entries that no likely target power would cut. */
#define OD_WALK_CUT .2f
struct od_walk_fit {
    struct od_linar_rows rows; /* one a item */
    uint32_t *users;           /* [items] n_i */
};
/* entries: see OD_WALK_ENTRIES. Same bytes for any number of threads. Scratch: 21 bytes an item
 * and thread. */
enum od_status od_walk_fit_init(struct od_walk_fit *out, const struct od_als_matrix *matrix,
                                uint32_t entries, unsigned threads,
                                struct od_error *err) OD_MUST_USE;
void od_walk_fit_done(struct od_walk_fit *fit);

/* Ready to score. Borrows the rows of a fit or an image. */
struct od_walk_scorer {
    uint32_t items;
    float decay;
    const struct od_linar_rows *rows; /* of a fit, or NULL: */
    struct od_linar_view view;
    const float *source, *target; /* [items] n^source, n^(OD_WALK_CUT - target) */
    float *memory;                /* ours, NULL when the arrays lie in an image */
};
enum od_status od_walk_scorer_init(struct od_walk_scorer *out, const struct od_walk_fit *fit,
                                   const struct od_walk_config *config) OD_MUST_USE;
void od_walk_scorer_done(struct od_walk_scorer *scorer);
/* scores[items], 0 where no walk ends. *out_any: whether the history has a known item.
 * Thread-safe. */
enum od_status od_walk_score(const struct od_walk_scorer *scorer, const struct od_query *query,
                             struct od_arena *scratch, float *scores, bool *out_any) OD_MUST_USE;

/* Sections walk, walk.source, walk.target and those of the rows (linar_rows.h), whose memory
 * becomes the image's. */
enum od_status od_walk_write(struct od_walk_fit *fit, const struct od_walk_config *config,
                             struct od_image_writer *image) OD_MUST_USE;
/* OD_CORRUPT unless all that scoring reads is there and in its range. Borrows the image. */
enum od_status od_walk_read(const struct od_image *image, uint32_t item_count,
                            struct od_walk_scorer *out, struct od_error *err) OD_MUST_USE;

#endif
