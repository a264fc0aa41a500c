/* What the image of a blend holds beside its parts' sections, and how it scores. */
#ifndef OD_RECIPES_BLEND_MODEL_H
#define OD_RECIPES_BLEND_MODEL_H

#include "recipes/blend.h"
#include "recipes/blend_recent.h"
#include "recipes/returning.h"

#define OD_BLEND_PARTS 7 /* most parts of one model */

/* What a score is a weighted sum of, besides the parts. For an item of the history: */
enum od_blend_feature {
    OD_BLEND_REPEAT,  /* 1 */
    OD_BLEND_STEPS,   /* log2(1 + events since its last one) */
    OD_BLEND_COUNT,   /* log2(its events) */
    OD_BLEND_HOURS,   /* log2(1 + hours since its last one) */
    OD_BLEND_POPULAR, /* of every item: log(1 + interactions) */
    OD_BLEND_DAY,     /* log(1 + interactions in the last day, week, 30 days) */
    OD_BLEND_WEEK,
    OD_BLEND_MONTH,
    OD_BLEND_RETURN, /* OD_BLEND_WEEK times od_blend_pause */
    OD_BLEND_FEATURES
};
#define OD_BLEND_FAINT   1e-4f /* the least weight of OD_BLEND_POPULAR: makes the ranking total */
#define OD_BLEND_REPEATS 4     /* the first so many features are of items of the history alone */
/* Weights are numbered parts first; then features; then what a part's weight has more for each unit
 * of od_blend_length, for some parts know more of long histories and others of short ones. */
#define OD_BLEND_LONGER (OD_BLEND_PARTS + OD_BLEND_FEATURES)
/* And what it has more for each unit of od_blend_pause: who comes back after a week is not where
 * the last session ended. */
#define OD_BLEND_RESTED  (OD_BLEND_LONGER + OD_BLEND_PARTS)
#define OD_BLEND_WEIGHTS (OD_BLEND_RESTED + OD_BLEND_PARTS)
#define OD_BLEND_COLUMNS OD_BLEND_LONGER /* what does not follow from others and the judge */
/* (log2(1 + events) - 3) / 2 of a history: -1 for one event, 0 for seven, 2.3 for 200, beyond which
 * it does not grow, since servers look no further back. */
float od_blend_length(size_t events);
/* log2(1 + hours since the newest event) / 4: 0 within a session, 1.2 after a day, 1.9 after a
 * week. */
float od_blend_pause(const struct od_query *query);
float od_blend_pause_between(int64_t from_s, int64_t to_s);

/* How a part's score s becomes a term of a logit. With a part's scores being near probabilities,
 * their logarithm is the logit: log(max(s, 0) / scale + floor). */
enum od_blend_shape {
    OD_BLEND_LINEAR,
    OD_BLEND_LOG1,
    OD_BLEND_LOG2,
    OD_BLEND_LOG3,
    OD_BLEND_SHAPES
};
/* y[i] += weight * shaped s[i] */
void od_blend_shape_add(enum od_blend_shape shape, float scale, float weight, const float *s,
                        uint32_t count, float *y);

struct od_blend_part {
    char name[8];
    uint32_t shape;  /* enum od_blend_shape */
    uint32_t serves; /* 1: its sections are in the image */
    float scale;
    float weight;
    float longer;  /* added to weight for each unit of length */
    float rested;  /* and of pause */
    float alone;   /* what held-out events said: mean 1 / log2(1 + rank) to rank 25, alone */
    float without; /* and of the blend without it */
};

/* Where an item may come from when somebody comes back after a pause: what the blend says of the
 * user, what the user took before, or what everybody takes. The answer is a mixture,
 *
 *     p(item) = sum over sources k of share_k p_k(item),  share = softmax(gate_k . (1, pause,
 * length)),
 *
 * and the score temperature * log p. Interests of an earlier visit are there again or they are not:
 * a sum of logits, which makes all of them a little weaker, says neither. */
enum od_blend_source {
    OD_BLEND_OWN,     /* softmax(sharp * score / temperature) */
    OD_BLEND_OF_PAST, /* in proportion to the user's events on the item and its popularity */
    OD_BLEND_OF_DAY,
    OD_BLEND_OF_WEEK,
    OD_BLEND_OF_MONTH, /* the item's share of the interactions of the last day, week, 30 days */
    OD_BLEND_OF_ALL,   /* and of all */
    OD_BLEND_SOURCES
};
#define OD_BLEND_COMMON  (OD_BLEND_SOURCES - OD_BLEND_OF_DAY) /* those of what everybody takes */
#define OD_BLEND_GATE    3   /* of 1, od_blend_pause and od_blend_length */
#define OD_BLEND_RETURNS .7f /* the od_blend_pause, six hours, from which somebody comes back */
struct od_blend_away {
    uint32_t serves; /* 0: the blend alone answers after pauses too */
    uint32_t judges; /* asked */
    float gain;      /* of the mean log p of held-out items, by cross-validation */
    float gate[OD_BLEND_SOURCES][OD_BLEND_GATE]; /* OD_BLEND_OWN's are 0 */
    float sharp;     /* what the blend's scores are multiplied by; from 1, to OD_BLEND_MOST_SHARP */
    uint32_t tilts;  /* popular sources are p_k times the rates of returning.h, brought to sum 1 */
    float tilt_gain; /* od_returning_choose's */
};
#define OD_BLEND_MOST_SHARP  16.0f
#define OD_BLEND_LEAST_SHARE 1e-6f /* of OD_BLEND_OF_ALL: nothing is impossible */
#define OD_BLEND_AGAIN       1e-3f /* of what popular sources say is left for items of the past */
/* Their sum is 1, and the last is never 0. */
void od_blend_shares(const struct od_blend_away *away, float pause, float length,
                     float share[OD_BLEND_SOURCES]);
/* The p_k of popular sources: out[OD_BLEND_COMMON][items]. count: interactions;
 * lately: od_recent_count's. */
void od_blend_popular_shares(const uint32_t *count, const uint32_t *lately, uint32_t items,
                             float *out);
/* past[items]: the p of OD_BLEND_OF_PAST. tilt[items]: what popular sources are multiplied by,
 * above 0: little for the past, which has a source of its own, and what returning (NULL or without
 * columns: nothing) says of the rest. popular: od_blend_popular_shares'. */
enum od_status od_blend_tilt(const struct od_content_model *returning, const struct od_query *query,
                             const float *popular, uint32_t items, struct od_arena *scratch,
                             float *past, float *tilt) OD_MUST_USE;
/* out: the sums of the popular sources times tilt. */
void od_blend_totals(const float *popular, const float *tilt, uint32_t items,
                     float out[OD_BLEND_COMMON]);
/* scores := exp(scores / temperature) but for a factor; returns their sum. */
float od_blend_exponentials(float *scores, size_t count, float temperature);
/* Scores of the blend become those of the mixture. sharp: od_blend_away's; popular:
 * od_blend_popular_shares'; past and tilt: od_blend_tilt's. */
void od_blend_mix(const float share[OD_BLEND_SOURCES], float sharp, const float *past,
                  const float *popular, const float *tilt, float temperature, uint32_t items,
                  float *scores);

/* The answer to those without a history: the same popular sources, in shares of their own; and
 * where a part knows rates of who asks (part.h), times rate^tilt. */
struct od_blend_newcomers {
    uint32_t asked; /* first events of users */
    float gain;     /* of their mean log p over popularity of all time, by cross-validation */
    float share[OD_BLEND_COMMON];
    float tilt;          /* 0: records and context change nothing */
    uint32_t tilt_asked; /* first events of users that no fit saw */
    float tilt_gain;     /* of their mean log p */
};
#define OD_BLEND_NEWCOMERS_DEFAULT ((struct od_blend_newcomers){.share = {0, 0, 0, 1}})
#define OD_BLEND_MOST_TILT         2.0f
/* scores[i] = temperature * log of the mixture. popular: od_blend_popular_shares' */
void od_blend_newcomers(const struct od_blend_newcomers *newcomers, const float *popular,
                        float temperature, uint32_t items, float *scores);

/* Section "blend". Little-endian, no padding. */
struct od_blend_header {
    uint32_t version; /* OD_BLEND_VERSION */
    uint32_t items;
    uint32_t part_count; /* tried */
    uint32_t judges;     /* held-out events the weights are fitted on; 0: weights are the default */
    struct od_blend_part part[OD_BLEND_PARTS];
    float weight[OD_BLEND_FEATURES];
    float temperature;
    float together; /* the measure above, of the blend, by cross-validation */
    float focus;    /* of the fit of the weights (blend_fit.c) */
    struct od_blend_away away;
    struct od_blend_newcomers newcomers;
    uint32_t recent_count, recent_stride;
    int64_t last_time;
};
#define OD_BLEND_VERSION     10
#define OD_BLEND_TEMPERATURE 1.0f /* of logits, when nothing says better */

/* The blend of a recipe's parts before anything is known: the first serves alone. */
struct od_blend_header od_blend_default(const struct od_part *const *parts, uint32_t items);

/* count[item]: interactions. Adds the sections of the blend alone; those of returning.h are added
 * apart, when header->away.tilts. */
enum od_status od_blend_write(const struct od_blend_header *header, const uint32_t *count,
                              const struct od_recent *recent,
                              struct od_image_writer *image) OD_MUST_USE;

/* What a blend is made of besides the serving parts of an image; it need not be in the image, and
 * must outlive the model. */
struct od_blend_making {
    const struct od_blend_header *header;
    const uint32_t *count; /* [items] */
    const struct od_recent *recent;
    const struct od_content_model *returning; /* NULL: nothing tilts popular sources */
};
enum od_status od_blend_assemble(const struct od_image *image, const struct od_blend_making *of,
                                 struct od_model **out, struct od_error *err) OD_MUST_USE;

/* The rates (part.h) of a serving part that has any to say of the query, out[items], and its number
 * among those that serve; false when none does. */
bool od_blend_rates(const struct od_model *model, const struct od_query *query, float *out,
                    uint32_t *out_serving);

/* One item of a history and its first OD_BLEND_REPEATS features. */
struct od_blend_repeat {
    uint32_t item;
    float feature[OD_BLEND_REPEATS];
};
/* The distinct known items of a query, newest first. mark: scratch of item_count floats, any
 * content; out has room for query->event_count. */
size_t od_blend_repeats(const struct od_query *query, uint32_t item_count, float *mark,
                        struct od_blend_repeat *out);

#endif
