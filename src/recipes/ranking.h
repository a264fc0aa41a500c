/* Ranking learnt from impressions: what was taken of the items shown together says more about an
 * order than what was taken alone.
 *
 * On top of a recipe that scores the whole catalogue (the base), boosted trees (math/boost.h) order
 * a given list from features of each item and of the list: the base's score, popularity of several
 * windows, how often the item was taken when shown, its age, the user's own dealings with it, its
 * numbers (price, rating) beside those of the list and of what the user looked at, and how many of
 * the user's recent items share its categories. Without impressions, or when the trees order
 * held-out lists no better than the base, the base alone ranks.
 *
 * Pieces: ranking_facts (what is known of items), ranking_rows (features), ranking_groups (lists to
 * learn from), ranking_train, ranking_model. */
#ifndef OD_RECIPES_RANKING_H
#define OD_RECIPES_RANKING_H

#include "math/boost.h"
#include "recipes/metrics.h"

#define OD_RANKING_COLUMNS 8   /* numbers, and as many categories, of an item that are looked at */
#define OD_RANKING_RECENT  20  /* newest events of the user that an item is compared with */
#define OD_RANKING_LIST    500 /* longest list that is learnt from; AWS ranks at most so many */

enum od_ranking_count {
    OD_RANKING_ALL,  /* interactions */
    OD_RANKING_WEEK, /* of the data's last 7 days */
    OD_RANKING_DAY,
    OD_RANKING_SHOWN, /* lists it was in */
    OD_RANKING_TAKEN, /* of them, those whose event was on it */
    OD_RANKING_COUNTS
};

/* What is known of the items at training, in arrays as the image keeps them. */
struct od_ranking_facts {
    uint32_t items, numbers, categories;
    const uint32_t *count; /* [OD_RANKING_COUNTS][items] */
    const int64_t *first;  /* [items] CREATION_TIMESTAMP, else the first interaction */
    const float *number;   /* [numbers][items], NAN: null */
    const uint32_t *at;    /* [categories * items + 1] where the values of a cell begin */
    const uint32_t *value; /* [at[categories * items]] codes of the column, ascending in a cell */
    double rate;           /* TAKEN of SHOWN over all items, made by seal */
    void *memory[5];       /* what is freed */
};
/* Derives what is not kept in an image. */
void od_ranking_facts_seal(struct od_ranking_facts *facts);
enum od_status od_ranking_facts_make(const struct od_training *training,
                                     struct od_ranking_facts *out,
                                     struct od_error *err) OD_MUST_USE;
void od_ranking_facts_done(struct od_ranking_facts *facts);

/* Features of a row; that of the base comes first: its logit less the best of the list. */
#define OD_RANKING_BASE 0
uint32_t od_ranking_features(const struct od_ranking_facts *facts);

/* rows[count][features] for the items (known ones, each once) of a list. base[count]: the base's
 * logits of them. */
enum od_status od_ranking_rows(const struct od_ranking_facts *facts, const struct od_query *query,
                               const uint32_t *item, const float *base, uint32_t count,
                               struct od_arena *scratch, float *rows) OD_MUST_USE;

/* Lists with what was taken of them, as sets for the trees: of every second user to learn from, of
 * the others to stop by. */
struct od_ranking_groups {
    struct od_boost_set train, validation;
    void *memory[6];
};
/* Lists of events of full that a base trained on its subset (model codes by item_map; events of
 * user u from keep[u] on are unknown to it) has not seen. */
enum od_status od_ranking_groups_make(const struct od_training *full, const uint64_t *keep,
                                      const uint32_t *item_map,
                                      const struct od_ranking_facts *facts,
                                      const struct od_recipe *base, const struct od_model *model,
                                      unsigned threads, struct od_ranking_groups *out,
                                      struct od_error *err) OD_MUST_USE;
void od_ranking_groups_done(struct od_ranking_groups *groups);

/* Section "ranking". Little-endian, no padding. */
struct od_ranking_header {
    uint32_t version; /* OD_RANKING_VERSION */
    uint32_t items, numbers, categories, features, trees;
    float heat;            /* trees' scores are divided by it: then they are logits */
    float base_ndcg, ndcg; /* at 10, over held-out lists */
    uint32_t lists;        /* learnt from */
};
#define OD_RANKING_VERSION 1

/* od_recipe.train, on top of base: its own training, and the trees when there are lists. */
enum od_status od_ranking_train(const struct od_recipe *base, const struct od_train_input *input,
                                struct od_image_writer *image, struct od_metrics *metrics,
                                struct od_error *err) OD_MUST_USE;

/* The other entries of od_recipe, on top of base. */
enum od_status od_ranking_open(const struct od_recipe *base, const struct od_image *image,
                               struct od_model **out, struct od_error *err);
void od_ranking_close(struct od_model *model);
const struct od_image_dict *od_ranking_items(const struct od_model *model);
enum od_status od_ranking_score(const struct od_model *model, const struct od_query *query,
                                struct od_arena *scratch, float *scores, bool *out_personal,
                                struct od_error *err);
/* That of the base, about its scores: what trees add to a list is not taken apart. */
enum od_status od_ranking_explain(const struct od_model *model, const struct od_query *query,
                                  const uint32_t *item, uint32_t item_count,
                                  struct od_arena *scratch, float *scores,
                                  struct od_score_terms *out, struct od_error *err);
enum od_status od_ranking_rank(const struct od_model *model, const struct od_query *query,
                               const uint32_t *item, uint32_t count, struct od_arena *scratch,
                               float *scores, bool *out_personal, struct od_error *err);
float od_ranking_temperature(const struct od_model *model);
/* NULL when the base ranks alone. */
const struct od_ranking_header *od_ranking_header_of(const struct od_model *model);

#endif
