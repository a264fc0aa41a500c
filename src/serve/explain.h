/* Why and why not: what an answer would be, and what became of some items on the way to it.
 *
 * The answer is made by the functions that make the live one; nothing is scored a second way. Any
 * thread; slow, for it scores once more for every past event. */
#ifndef OD_SERVE_EXPLAIN_H
#define OD_SERVE_EXPLAIN_H

#include "filter/reason.h"
#include "recipes/recipe.h"
#include "serve/serve.h"

enum od_explain_stage {
    OD_NOT_IN_CATALOGUE, /* the group never met the id */
    OD_NOT_IN_LIST,      /* ranking: inputList has it not */
    OD_NOT_IN_MODEL,     /* it came after the training, or no event that counts was about it */
    OD_ITEM_ITSELF,      /* related items: the one asked about */
    OD_AUTO_FILTERED,    /* the use case keeps what the user has consumed away */
    OD_NOT_RECOMMENDED,  /* the recipe itself takes it out */
    OD_FILTERED,
    OD_RANKED_BELOW,
    OD_IN_ANSWER,
    OD_EXPLAIN_STAGES
};

struct od_explain_query {
    const struct od_recommend_query *ask; /* as of the operation that suits the recipe */
    const struct od_str *items;           /* at most OD_MAX_EXPLAIN_ITEMS */
    size_t item_count;                    /* 0: the first OD_EXPLAIN_DEFAULT_ITEMS of the answer */
};

struct od_explained_item {
    struct od_str id;
    enum od_explain_stage stage;
    size_t place;  /* in the answer, from 1; 0: not in it */
    uint64_t rank; /* 1 + eligible items that score higher; 0: it has no score */
    bool has_score, has_probability;
    float score;        /* of the model, before anything is taken out */
    double probability; /* as printed */
    bool consumed, filtered, promotable;
    struct od_str promotion, reason; /* absent: none */
    bool explored;
    double propensity; /* 0: nothing was left to chance */
    struct od_filter_reason why;
    struct od_score_terms terms;
    float *without; /* [event_count] the score without that event */
};

struct od_explained_event {
    struct od_str item, type; /* type absent: none that the model knows */
    int64_t time_s;
    bool action; /* item is an action */
};

struct od_explanation {
    struct od_str recipe, image; /* image: the path given to od_serve_campaign_set */
    char recommendation_id[41];  /* whose chance it is */
    size_t wanted, answer_count;
    bool ranking, actions;
    bool has_temperature;
    float temperature;
    /* the user */
    bool user_known, user_has_record, personal;
    size_t history_count, heard_count;       /* of all kinds; of those the model hears */
    const struct od_explained_event *events; /* newest first, those that were left out in turn */
    size_t event_count;
    /* items; of actions for actions */
    uint32_t catalogue, model_items, eligible;
    uint32_t auto_filtered, filtered, not_recommended; /* of the model's */
    uint32_t promotable;
    struct od_explained_item *items;
    size_t item_count;
};

enum od_status od_serve_explain(struct od_serve *serve, const struct od_explain_query *query,
                                struct od_arena *arena, struct od_explanation *out,
                                struct od_error *err) OD_MUST_USE;

#endif
