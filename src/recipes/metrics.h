/* Offline metrics: recipes.md section 9.
 *
 * Lists are ranked by falling score; equal scores by item code, which is the order of ids. Items
 * scored -INFINITY are in no list. Same model and split give the same numbers for every thread
 * count. */
#ifndef OD_RECIPES_METRICS_H
#define OD_RECIPES_METRICS_H

#include "recipes/split.h"

#define OD_EVAL_TOP 25 /* the longest list the metrics look at */
/* Test users asked at most, evenly spread over the split: the standard error of a mean over so many
 * is below 0.4 % of its range, and large groups would spend hours. */
#define OD_EVAL_USERS 20000

/* Adds a metric; false when the list is full. */
bool od_metrics_add(struct od_metrics *metrics, const char *name, double value);
/* NULL when absent. */
const double *od_metrics_find(const struct od_metrics *metrics, const char *name);

/* --- one list: ranked item codes against the relevant ones (distinct, any order) --- */
double od_metric_precision(const uint32_t *ranked, size_t ranked_count, const uint32_t *relevant,
                           size_t relevant_count, size_t k);
/* 1 / place of the first relevant item among the first k, 0 when there is none. */
double od_metric_reciprocal_rank(const uint32_t *ranked, size_t ranked_count,
                                 const uint32_t *relevant, size_t relevant_count, size_t k);
/* Standard NDCG: the ideal has min(k, ideal_count) relevant items at the top; ideal_count may
 * exceed relevant_count (relevant items that no model knows). 0 when ideal_count is 0. */
double od_metric_ndcg(const uint32_t *ranked, size_t ranked_count, const uint32_t *relevant,
                      size_t relevant_count, size_t ideal_count, size_t k);

/* A relevant item and what it is worth. */
struct od_gain {
    uint32_t item;
    float gain;
};
/* NDCG of gains that differ; gains by falling gain, each item once (an item no model knows counts
 * in the ideal). 0 when no gain is above 0. */
double od_metric_gain_ndcg(const uint32_t *ranked, size_t ranked_count, const struct od_gain *gains,
                           size_t gain_count, size_t k);
/* What od_metric_gain_ndcg wants for a test user, by the type weights of the split's full set
 * (which has them); items by item_map, as a scorer has it. out has room for split->most_events. */
size_t od_split_gains(const struct od_split *split, const uint32_t *item_map, uint32_t index,
                      struct od_gain *out);

/* --- a model against a split --- */

/* scores[item_count] of a scorer, for one test user; context is shared by threads. */
typedef enum od_status od_score(void *context, const struct od_query *query,
                                struct od_arena *scratch, float *scores, struct od_error *err);
/* Items are those of the split's training part, by their codes there, and behind them whatever else
 * the model knows. */
struct od_scorer {
    od_score *score;
    void *context;
    uint32_t item_count;
    const uint32_t *item_map; /* [full->item_count] the full set's items; OD_NO_CODE: not scored */
};
/* One that knows the items of the training part alone. */
struct od_scorer od_scorer_of_part(od_score *score, void *context, const struct od_split *split);

/* A scorer of an opened model, whose items may be coded differently, fewer than those of the
 * split's training part (missing ones are scored -INFINITY), or more: some recipes know items by
 * their records alone. recipe, model and split must outlive it. */
struct od_recipe_scorer {
    const struct od_recipe *recipe;
    const struct od_model *model;
    uint32_t item_count;         /* as in od_scorer */
    const uint32_t *item_map;    /* likewise */
    const struct od_dict *items; /* [item_count] their ids */
    uint32_t *to_model;          /* [item_count] model code or OD_NO_CODE; NULL: the same codes */
    const uint16_t *to_type;     /* by type of the split's events; NULL: likewise. The caller's */
    uint32_t *own_map;           /* NULL: the split's */
    struct od_dict *own_items;
};
enum od_status od_recipe_scorer_init(struct od_recipe_scorer *scorer,
                                     const struct od_recipe *recipe, const struct od_model *model,
                                     const struct od_split *split,
                                     struct od_error *err) OD_MUST_USE;
void od_recipe_scorer_done(struct od_recipe_scorer *scorer);
struct od_scorer od_recipe_scorer_of(struct od_recipe_scorer *scorer);

/* Adds coverage and, when there are test users, mean_reciprocal_rank_at_25,
 * normalized_discounted_cumulative_gain_at_{5,10,25} and precision_at_{5,10,25}; with type weights
 * normalized_discounted_cumulative_gain_with_event_weights_at_{5,10,25} too. Coverage is the
 * share of distinct items in the lists among those of the interactions and the item table. */
enum od_status od_evaluate(const struct od_scorer *scorer, const struct od_split *split,
                           unsigned threads, struct od_metrics *metrics,
                           struct od_error *err) OD_MUST_USE;

/* A writer's image as one block, as a mapped file would be; free it with free. */
enum od_status od_memory_image(struct od_image_writer *writer, void **out_bytes,
                               size_t *out_len) OD_MUST_USE;

/* A model trained into memory: an image's bytes and what was opened from them. */
struct od_memory_model {
    void *bytes;
    const struct od_recipe *recipe;
    struct od_image image;
    struct od_model *model;
};
/* fit writes the sections of an image. */
typedef enum od_status od_fit(const struct od_train_input *input, struct od_image_writer *image,
                              struct od_error *err);
enum od_status od_memory_model_fit(const struct od_recipe *recipe, od_fit *fit,
                                   const struct od_train_input *input, struct od_memory_model *out,
                                   struct od_error *err) OD_MUST_USE;
/* The same by the recipe's own train, without its offline evaluation. */
enum od_status od_memory_model_train(const struct od_recipe *recipe,
                                     const struct od_train_input *input,
                                     struct od_memory_model *out, struct od_error *err) OD_MUST_USE;
void od_memory_model_done(struct od_memory_model *model);

/* What recipes do for their metrics: split, fit on the training part into memory, open, evaluate.
 * With fewer than two users there is nothing to ask and no metric is added; with metrics NULL
 * nothing is done.
 * fit gets the given input with the training part and a progress scaled into [from, to]. */
enum od_status od_evaluate_fit(const struct od_recipe *recipe, const struct od_train_input *input,
                               od_fit *fit, double from, double to, struct od_metrics *metrics,
                               struct od_error *err) OD_MUST_USE;

/* input with its progress scaled: fraction 0 to 1 becomes from to to. *scale must outlive it. */
struct od_progress_scale {
    struct od_progress outer;
    double from, to;
};
struct od_progress od_progress_scaled(struct od_progress_scale *scale, struct od_progress outer,
                                      double from, double to);
/* Reports when there is someone to report to; OD_STOPPED when asked to stop. */
enum od_status od_progress_report(const struct od_progress *progress, double fraction,
                                  const char *stage, struct od_error *err) OD_MUST_USE;

#endif
