/* Session-based nearest neighbours: what came after and around the items of this session in the
 * newest sessions that share some of them.
 *
 * The line of VS-kNN (Ludewig, Jannach 2018, section 3.1) and VMIS-kNN (Kersbergen et al. 2022,
 * algorithm 2), with the position decays of STAN (Garg et al. 2019, section 3) in place of the one
 * match VS-kNN looks at. For a query q (its newest distinct items i, d_i steps back) and a session
 * s with items s_1 .. s_n:
 *     v_i      = query_decay^d_i * sessions(i)^-source_power
 *     sim(s)   = sum of v_i over the items i of q that s has
 *     near(s,p)= sum over positions m of s with s_m in q, m < p, of v(s_m) step_decay^(p-m-1)
 *                + back * the same over m > p; each sum ends where it falls below a fiftieth of
 *                the largest v
 *     said(j)  = sessions(j)^-target_power * sum over the `neighbours` sessions of largest sim and
 *                positions p with s_p = j of sim(s)^closeness n^-length_power fade(s) near(s,p)
 *     score(j) = said(j) / sum of said + repeat * returns(r) where j is the r-th newest of q
 * scaled to a sum of 1, so that scores of different queries are on one scale. returns(r) is the
 * share of all events that go back to the r-th newest distinct item of their session: the
 * neighbours alone underrate returns, which every catalogue of short sessions has (a fifth of
 * Diginetica's clicks). With step_decay = back = 1, closeness = 0 and repeat = 0 this is VS-kNN;
 * with all sessions as neighbours it is item-item kNN over decayed pairs. A session whose every
 * item is in the query is no neighbour: it can only speak of returns, and it may be the query.
 *
 * The files: knn_index (sessions and the inverted index), knn_score (a query), knn_pick (choosing
 * the numbers above on held-out events), knn_image (sections), knn_part (the part). */
#ifndef OD_RECIPES_KNN_H
#define OD_RECIPES_KNN_H

#include "math/cholesky.h"
#include "recipes/part.h"

#define OD_KNN_WINDOW  32   /* most distinct items of a query */
#define OD_KNN_REACH   64   /* most steps back a query looks, pauses counted */
#define OD_KNN_LONGEST 100  /* events of a session; a longer one is cut into pieces */
#define OD_KNN_SAMPLE  2500 /* newest sessions kept of an item */
#define OD_KNN_FADES   64   /* steps in which a session's age is told */
#define OD_KNN_PAUSE_S 1800 /* a longer pause ends a session where sessions are cut */

struct od_knn_config {
    uint32_t cut;        /* 1: sessions end at pauses; 0: a user's history is one session */
    uint32_t rest;       /* steps a pause counts for in a query's d_i */
    uint32_t sample;     /* newest sessions of an item looked at, at most OD_KNN_SAMPLE */
    uint32_t neighbours; /* sessions of largest sim that count, equal ones by newness; 0: all */
    uint32_t closeness;  /* 0, 1 or 2 */
    float query_decay;   /* (0, 1] */
    float step_decay;    /* [0, 1] */
    float back;          /* [0, 1] */
    float source_power, target_power, length_power; /* [0, 2] */
    float fade;   /* half-lives of a session's weight over all sessions in order of time: 0 even */
    float repeat; /* weight of the share of returns; [0, 10] */
};
struct od_knn_config od_knn_config_default(void);

/* Sessions and the inverted index; sessions in order of their last event's time, oldest first.
 * 8 bytes an event kept, 4 a session, 8 an item. Immutable once built. */
struct od_knn_index {
    uint32_t items, sessions, events, posts;
    const uint32_t *start;   /* [sessions + 1] offsets into item */
    const uint32_t *item;    /* [events] */
    const uint32_t *post_at; /* [items + 1] offsets into post */
    const uint32_t *post;    /* [posts] sessions of an item, falling: the newest first */
    const uint32_t *count;   /* [items] sessions that have the item, those not kept included */
    const float *returns;    /* [OD_KNN_WINDOW] share of events that return to the item which is the
                                so many-th newest distinct one of their session, from 0 */
};
/* The sessions of the users' events up to end[u] (od_part_task). Keeps of each item the newest
 * `sample` sessions and drops sessions that no item keeps; fewer when the index would exceed
 * memory_bytes (0: no bound). Needs while building 12 bytes an event and 24 a session or item.
 * OD_LIMIT past 2^32 - 2 events. The arrays are malloc's; _done frees. */
enum od_status od_knn_index_init(struct od_knn_index *out, const struct od_training *training,
                                 const uint64_t *end, bool cut, uint32_t sample,
                                 uint64_t memory_bytes, struct od_error *err) OD_MUST_USE;
void od_knn_index_done(struct od_knn_index *index);
/* Whether times tell sessions: some pauses, and most sessions longer than one event. Where they do
 * not (dates without hours, no times at all), cutting leaves nothing to learn from. */
bool od_knn_has_sessions(const struct od_training *training, const uint64_t *end);

/* An index with a configuration, ready to score. Borrows the index. */
struct od_knn_scorer {
    const struct od_knn_index *index;
    struct od_knn_config config;
    uint32_t reach;         /* steps after which query_decay^d is negligible */
    float *source, *target; /* [items] sessions(i)^-power; one allocation, at source */
    float length[OD_KNN_LONGEST + 1], fade[OD_KNN_FADES];
    float decay[OD_KNN_REACH]; /* query_decay^d */
};
enum od_status od_knn_scorer_init(struct od_knn_scorer *out, const struct od_knn_index *index,
                                  const struct od_knn_config *config) OD_MUST_USE;
void od_knn_scorer_done(struct od_knn_scorer *scorer);
/* scores[items]: 0 where nothing is said, the others sum to 1. *out_any: whether anything is.
 * Scratch is at most 36 bytes times OD_KNN_WINDOW times the sample, 4 an event of the neighbours
 * and 1 an item. Thread-safe. */
enum od_status od_knn_score(const struct od_knn_scorer *scorer, const struct od_query *query,
                            struct od_arena *scratch, float *scores, bool *out_any) OD_MUST_USE;

/* Chooses a configuration by the judges; *config is where the search begins. With too few judges
 * it stays. Same task, same choice, for any number of threads. */
#define OD_KNN_LEAST_JUDGES 50
enum od_status od_knn_pick(const struct od_part_task *task, struct od_knn_config *config,
                           struct od_error *err) OD_MUST_USE;

/* The sections of an image (knn_image.c). An opened index borrows the image. */
enum od_status od_knn_write(const struct od_knn_index *index, const struct od_knn_config *config,
                            struct od_image_writer *image) OD_MUST_USE;
/* OD_CORRUPT unless every number read while scoring is in its range. */
enum od_status od_knn_read(const struct od_image *image, uint32_t item_count,
                           struct od_knn_index *out, struct od_knn_config *out_config,
                           struct od_error *err) OD_MUST_USE;
/* A configuration as one line of text, and back; OD_CORRUPT for anything else. */
void od_knn_config_print(const struct od_knn_config *config, struct od_buf *out);
enum od_status od_knn_config_parse(struct od_str text, struct od_knn_config *out,
                                   struct od_error *err) OD_MUST_USE;

#endif
