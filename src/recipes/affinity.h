/* What aws-item-affinity and aws-item-attribute-affinity share: which users will interact most with
 * an item, or with any of a set of items, in the next 15 days.
 *
 * Expected interactions of user u with the items S = rate(u) * p(S | u): how often the user comes,
 * times which share of what it then does falls on S. The parts: affinity_states (decayed
 * histories), affinity_subspace and affinity_fit (a closed-form sequence model in a subspace),
 * affinity_rate (Poisson regression of visits), affinity_mix (the mixture that makes p),
 * affinity_train (all of it in order), affinity_model (image and answers), affinity_metrics.
 *
 * Everything in p is linear in the user's decayed history, so a set of items is a vector over
 * items, made once, and an answer is one pass over the histories: the users x items matrix is
 * never there, neither in training nor in serving. */
#ifndef OD_RECIPES_AFFINITY_H
#define OD_RECIPES_AFFINITY_H

#include "recipes/features.h"
#include "recipes/metrics.h"

#define OD_AFFINITY_HORIZON_S (15 * 86400) /* what scores are about: recipes.md, 15 days */
#define OD_AFFINITY_KERNELS   2            /* a fast and a slow decay */
#define OD_AFFINITY_DIM       256          /* most directions: hidden_dimension is at most this */
#define OD_AFFINITY_EVENTS    512          /* newest events of a user that count: .99^512 < 1 % */

/* --- affinity_states.c: histories --- */

/* Weight of an event k events before the newest: decay^k over their sum, so that a history is a
 * distribution over items. The linear model sees it times the root of that sum: a long history
 * says more than a short one, but not in proportion (measured: held-out likelihood). */
extern const double od_affinity_decay[OD_AFFINITY_KERNELS];

struct od_affinity_states {
    uint32_t user_count;
    uint64_t *at;                       /* [user_count + 1] */
    uint32_t *item;                     /* [at[user_count]] ascending within a user */
    float *weight[OD_AFFINITY_KERNELS]; /* [at[user_count]] a user's sum to 1 */
    float *size[OD_AFFINITY_KERNELS];   /* [user_count] root of the sum they were divided by */
};
/* The history of every user up to end[u]. 12 bytes a distinct (user, item), of the newest
 * OD_AFFINITY_EVENTS of each user. */
enum od_status od_affinity_states_init(struct od_affinity_states *out,
                                       const struct od_training *training, const uint64_t *end,
                                       unsigned threads) OD_MUST_USE;
void od_affinity_states_done(struct od_affinity_states *states);

/* --- affinity_subspace.c --- */

/* projection[item * dim + d]: the leading dim directions of the histories (slow kernel), items
 * scaled by scale[item]; free with free. 16 iterations' worth of products with at most 200,000
 * users' histories; 4 (users + 3 items) dim bytes. */
enum od_status od_affinity_subspace(const struct od_affinity_states *states, uint32_t item_count,
                                    uint32_t dim, uint64_t seed, unsigned threads,
                                    float **out_projection) OD_MUST_USE;

/* --- affinity_fit.c --- */

/* Ridge regression of the next event's item on the state before it, z = (1, size1 sum_x
 * h1_x projection_x, size2 sum_x h2_x projection_x). Moments are made once and solved for several
 * ridges. */
struct od_affinity_moments {
    uint32_t item_count, dim, width; /* width = 1 + OD_AFFINITY_KERNELS dim */
    uint64_t count;                  /* predictions summed */
    float *gram;                     /* [width * width] sum of z z', upper triangle */
    float *cross; /* [item_count * width] sum of z over predictions of the item */
};
/* 4 width (width + item_count) bytes, and 4 width 65,536 while it runs. */
enum od_status od_affinity_moments_init(struct od_affinity_moments *out,
                                        const struct od_training *training, const uint64_t *end,
                                        const float *projection, uint32_t dim,
                                        unsigned threads) OD_MUST_USE;
void od_affinity_moments_done(struct od_affinity_moments *moments);
/* response[item * width]: p(item | z) = response . z; free with free. The ridge is relative to the
 * mean square of a direction's z; the constant has none to speak of, so that shares of a mean
 * history are the shares of the data. */
enum od_status od_affinity_solve(const struct od_affinity_moments *moments, double ridge,
                                 unsigned threads, float **out_response,
                                 struct od_error *err) OD_MUST_USE;

/* --- affinity_rate.c: how often a user comes --- */

#define OD_AFFINITY_FEATURES 20 /* the constant included */

/* What a user's past says about its visits, at now_s: counts in the last 1, 7, 30, 90 days and of
 * all time, decayed counts, gap, age, days active, regularity; as logarithms. Times ascending, none
 * above now_s. */
void od_affinity_features(const int64_t *time, size_t count, int64_t now_s,
                          float out[OD_AFFINITY_FEATURES]);

struct od_affinity_rate {
    bool timed; /* false: times say nothing, the rate is by count alone */
    double mean[OD_AFFINITY_FEATURES], scale[OD_AFFINITY_FEATURES], beta[OD_AFFINITY_FEATURES];
    double most;  /* a rate is at most this: the most events a user had */
    double share; /* untimed: expected events a past one */
};
/* Poisson regression of the number of events in a horizon on the features at its start, over up to
 * four horizons that end at last_s, one before the other; only events up to end[u] are looked at.
 * When the data do not span three horizons, or nobody comes back within one, times say nothing:
 * artificial or absent. */
enum od_status od_affinity_rate_fit(const struct od_training *training, const uint64_t *end,
                                    int64_t last_s, unsigned threads, struct od_affinity_rate *out,
                                    struct od_error *err) OD_MUST_USE;
/* out[u]: expected events of each user within a horizon after now_s, of those before end[u]. */
enum od_status od_affinity_rates(const struct od_affinity_rate *rate,
                                 const struct od_training *training, const uint64_t *end,
                                 int64_t now_s, unsigned threads, float *out) OD_MUST_USE;

/* --- affinity_sets.c: the catalogue, and the sets of items that share an attribute --- */

/* The model's items: those of the interactions and those of the item table, in byte order. */
struct od_affinity_catalogue {
    struct od_dict *items;
    uint32_t *code;   /* [training items] the model's code, ascending */
    uint32_t *learnt; /* [model items] the training code, OD_NO_CODE: an item without events */
    uint32_t cold;    /* how many of those */
    struct od_features features; /* rows are model items */
};
enum od_status od_affinity_catalogue_init(struct od_affinity_catalogue *out,
                                          const struct od_training *training, unsigned threads,
                                          struct od_error *err) OD_MUST_USE;
void od_affinity_catalogue_done(struct od_affinity_catalogue *catalogue);
/* Whether the item table has a column that can be asked for: not an id, a time or a text. */
bool od_affinity_has_attribute(const struct od_training *training);

/* Items by attribute value, and the values of each item; text is no attribute. */
struct od_affinity_sets {
    uint32_t count, item_count;
    uint64_t *at;     /* [count + 1] */
    uint32_t *item;   /* ascending within a set */
    uint64_t *set_at; /* [item_count + 1] */
    uint32_t *set;    /* ascending within an item */
};
/* Of items with events, by training codes, or of all (cold_too), by the model's. */
enum od_status od_affinity_sets_init(struct od_affinity_sets *out,
                                     const struct od_affinity_catalogue *catalogue,
                                     bool cold_too) OD_MUST_USE;
void od_affinity_sets_done(struct od_affinity_sets *sets);

/* --- affinity_mix.c: p(items | user) --- */

/* What a user's next interaction may come from. Each is a distribution over items; the linear model
 * is one but for negative values, which count as 0 and are made up for by `mass`. */
enum od_affinity_part {
    OD_AFFINITY_POPULAR, /* shares of all events */
    OD_AFFINITY_RECENT,  /* shares of events, half as much after 15 days */
    OD_AFFINITY_LINEAR,  /* the closed-form sequence model */
    OD_AFFINITY_REPEAT,  /* the user's history, slow decay */
    OD_AFFINITY_LATEST,  /* the user's history, fast decay */
    OD_AFFINITY_PARTS
};
#define OD_AFFINITY_GROUPS 4 /* of users, by distinct items in their history */
uint32_t od_affinity_group(uint64_t distinct);

struct od_affinity_mix {
    double weight[OD_AFFINITY_GROUPS][OD_AFFINITY_PARTS]; /* a row sums to 1 */
    double mass; /* mean over users of the sum over items of the positive values of LINEAR */
};

/* Held-out events: event index in the training set, all of one user together. */
struct od_affinity_judges {
    uint64_t *event;
    uint32_t *user;
    size_t count;
};

struct od_affinity_shares {
    float *popular, *recent; /* [item_count] */
};
enum od_status od_affinity_shares_init(struct od_affinity_shares *out,
                                       const struct od_training *training, const uint64_t *end,
                                       int64_t now_s) OD_MUST_USE;
void od_affinity_shares_done(struct od_affinity_shares *shares);

/* All that p is made of. */
struct od_affinity_parts {
    const struct od_affinity_states *states;
    const struct od_affinity_shares *shares;
    uint32_t item_count, dim, width;
    const float *projection, *response;
    /* NULL: p is of single items. Otherwise of sets: shares and response are sums over each set,
     * item_count is the number of sets. */
    const struct od_affinity_sets *sets;
};
/* z [width] of a user. */
void od_affinity_z(const struct od_affinity_parts *parts, uint32_t user, float *z);
/* The mixture of the highest likelihood on the judges, by expectation maximisation. *out_value: the
 * mean log-likelihood of a judge. Without judges, even weights. */
enum od_status od_affinity_mix_fit(const struct od_affinity_parts *parts,
                                   const struct od_training *training,
                                   const struct od_affinity_judges *judges, unsigned threads,
                                   struct od_affinity_mix *out, double *out_value) OD_MUST_USE;

/* --- affinity_cut.c: what is held out inside training --- */

/* end[u]: the training set without its last horizon, or, when that leaves too little, without the
 * last tenth of each user's events; judges: what the users with a past did behind it. */
struct od_affinity_cut {
    uint64_t *end; /* [user_count] */
    int64_t now_s; /* the time the cut is made at */
    struct od_affinity_judges judges;
};
enum od_status od_affinity_cut_init(struct od_affinity_cut *out, const struct od_training *training,
                                    int64_t last_s) OD_MUST_USE;
void od_affinity_cut_done(struct od_affinity_cut *cut);

/* --- affinity_train.c --- */

/* What rates answer for: the 15 days after the data, or the held-out fifth of each user's events in
 * recipes.md 9.1, whose size is known beforehand: a quarter of what is trained on. */
enum od_affinity_question { OD_AFFINITY_DAYS, OD_AFFINITY_FIFTH };

/* by_attribute: the mixture is the one that held-out attribute values ask for, not items. */
enum od_status od_affinity_write(const struct od_train_input *input, bool by_attribute,
                                 enum od_affinity_question question, struct od_image_writer *image,
                                 struct od_error *err) OD_MUST_USE;

/* --- affinity_model.c --- */

enum od_status od_affinity_open(const struct od_image *image, struct od_model **out,
                                struct od_error *err);
void od_affinity_close(struct od_model *model);
const struct od_image_dict *od_affinity_items(const struct od_model *model);
const struct od_image_dict *od_affinity_users(const struct od_model *model);
/* --- affinity_forget.c --- */
enum od_status od_affinity_forget(const struct od_image *image, const uint64_t *users,
                                  struct od_image_writer *out, struct od_error *err) OD_MUST_USE;
enum od_status od_affinity_segment(const struct od_model *model,
                                   const struct od_segment_query *query, struct od_arena *scratch,
                                   struct od_segment_user *out, uint32_t *out_count,
                                   struct od_error *err);

/* --- affinity_metrics.c --- */

/* Adds coverage, hits_at_1_percent and recall_at_1_percent of a model fitted by fit on the oldest
 * 80 % of each user's interactions. Queries: items, or attribute values, that have an actual user;
 * none when there are none. Progress goes from 0 to `to`. */
enum od_status od_affinity_evaluate(const struct od_recipe *recipe, od_fit *fit,
                                    const struct od_train_input *input, double to,
                                    struct od_metrics *metrics, struct od_error *err) OD_MUST_USE;

#endif
