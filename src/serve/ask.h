/* A query being answered: what recommend, rank and actions share.
 *
 * Life: od_ask_open takes references and checks the request, od_ask_gather looks at the group once
 * under its lock, od_ask_score and the ranking need no lock, od_ask_close gives everything back.
 * One thread; all memory but the references comes from the request's arena. */
#ifndef OD_SERVE_ASK_H
#define OD_SERVE_ASK_H

#include "base/random.h"
#include "math/scan.h"
#include "serve/softmax.h"
#include "serve/state.h"

enum od_ask_operation { OD_ASK_ITEMS, OD_ASK_RANKING, OD_ASK_ACTIONS };

/* A search by vectors for the best of some items (vector.c). */
enum { OD_SEARCH_OTHERS, OD_SEARCH_PROMOTED, OD_SEARCHES };
struct od_search {
    const uint64_t *keep;                /* what may be found, by item; NULL: all */
    const struct od_scan_matrix *matrix; /* that is scanned: of all items or of a keep's */
    struct od_scan_query scan;           /* its out and found are the result */
};

struct od_ask {
    struct od_serve *serve;
    const struct od_recommend_query *query;
    struct od_arena *arena;
    bool ranking, actions;                    /* the operation; neither: recommending items */
    struct od_campaign *campaign;             /* a reference */
    struct od_serve_filter *filter;           /* a reference; NULL: none */
    struct od_serve_filter *promotion_filter; /* a reference; NULL: none */
    size_t wanted;                            /* numResults with its default */
    /* gathered: */
    struct od_query model_query;
    uint32_t user_row, item_row;    /* OD_NO_ROW: unknown or not given */
    struct od_filter_event *events; /* for filters, newest first; of actions for actions */
    size_t event_count;
    uint64_t *consumed; /* a bitmap of rows never to be shown to the user; NULL: none */
    uint32_t consumed_rows;
    struct od_keep *keep;           /* a reference; NULL: everything passes */
    struct od_keep *promotion_keep; /* a reference; NULL: no promotion */
    struct od_young *young;         /* a reference; NULL: no exploration */
    uint32_t *input_rows;           /* ranking: rows of inputList, OD_NO_ROW: unknown */
    bool *input_kept;               /* ranking: passes the filter */
    uint32_t *list; /* what the recipe ranks as a whole, codes; NULL: it scores every item */
    uint32_t list_count;
    /* scored, or searched by vectors, and then there are no scores: */
    float *scores; /* [items of the model] */
    struct od_search searches[OD_SEARCHES];
    size_t search_count; /* 0: scored */
    bool personal;       /* scores come from the query, not from popularity */
    struct od_softmax softmax;
    uint8_t rid[OD_RID_BYTES];
    struct od_random rng; /* seeded by rid: promotions and exploration of this answer */
};

/* One place of an answer before it is written out. */
struct od_pick {
    uint32_t row;     /* of the item table, OD_NO_ROW: an id of inputList it does not hold */
    uint32_t item;    /* code, OD_NO_CODE: not in the model */
    struct od_str id; /* inputList's text; absent: that of item or row */
    bool scored;
    double probability;
    double propensity; /* of exploration to leave the place or to fill it so; 0: nothing was left
                          to chance */
    bool promoted, explored;
};

enum od_status od_ask_open(struct od_ask *ask, struct od_serve *serve,
                           const struct od_recommend_query *query, enum od_ask_operation operation,
                           struct od_arena *arena, struct od_error *err) OD_MUST_USE;
enum od_status od_ask_gather(struct od_ask *ask, struct od_error *err) OD_MUST_USE;
/* The Users row of the id, or of the user that the id, a session, was joined to. name: the id in
 * the histories of items, OD_NO_CODE: none. Under the group's lock. */
uint32_t od_ask_user_row(const struct od_live *live, struct od_str id, uint32_t name);
/* Whether the automatic filter of the campaign's use case keeps a row from the user. */
bool od_ask_consumed(const struct od_ask *ask, uint32_t row);
/* What a filter of the request is asked about; under the group's lock. */
struct od_filter_context od_ask_filter_context(const struct od_ask *ask);
/* What the model says of every item, or of those of ask->list, before anything is taken out. */
enum od_status od_ask_model(const struct od_ask *ask, const struct od_query *query,
                            struct od_arena *scratch, float *scores, bool *out_personal,
                            struct od_error *err) OD_MUST_USE;
enum od_status od_ask_score(struct od_ask *ask, struct od_error *err) OD_MUST_USE;

/* vector.c, in place of scoring: prepares the searches of a gathered query, or tells that it must
 * be scored. */
enum od_status od_vector_open(struct od_ask *ask, bool *out_by_score,
                              struct od_error *err) OD_MUST_USE;
/* Runs those of queries of one campaign together, each as it would run alone; count > 0. */
enum od_status od_vector_scan(struct od_ask *const *asks, size_t count) OD_MUST_USE;
void od_ask_close(struct od_ask *ask);

/* inputs.c: event types, context and the user's record for the model; under the group's lock. */
#define OD_TYPE_MEMO 8
struct od_type_memo_entry {
    bool known;
    uint16_t live, model;
};
struct od_type_memo {
    struct od_type_memo_entry entries[OD_TYPE_MEMO];
};
/* The model's code of a group's type; OD_NO_TYPE when it has none. memo starts as zeros. */
uint16_t od_inputs_type(struct od_type_memo *memo, const struct od_campaign *campaign,
                        const struct od_live *live, uint16_t type);
/* Whether events of the type are of those the solution was trained on. */
bool od_inputs_counts(const struct od_campaign *campaign, uint16_t model_type);
enum od_status od_inputs_gather(struct od_ask *ask) OD_MUST_USE;

/* actions.c: the user's action interactions for filter and model, and what holds of each action
 * now; after the item history, whose name is name (OD_NO_CODE: none). Under the group's lock. */
enum od_status od_actions_gather(struct od_ask *ask, uint32_t name) OD_MUST_USE;
/* The name in the histories of actions: the id's own, or that of the user that the id, a session,
 * was joined to by an event on an item; and the Users row by that name. */
uint32_t od_actions_name(const struct od_live *live, struct od_str id, uint32_t item_name);
uint32_t od_actions_user_row(const struct od_live *live, uint32_t name);

/* check.c: the rules that need nothing but the request, the campaign and the filters. */
enum od_status od_ask_check(struct od_ask *ask, struct od_error *err) OD_MUST_USE;
/* The same for what a filter needs of the query; under the group's lock. */
enum od_status od_ask_check_filter(const struct od_ask *ask, const struct od_serve_filter *filter,
                                   struct od_error *err) OD_MUST_USE;
enum od_status od_ask_check_columns(const struct od_ask *ask, struct od_error *err) OD_MUST_USE;

/* select.c: the best count items by score, those of equal score in order of their id (codes are in
 * byte order of ids), without those in taken (a bitmap over item codes), and marked there. keep is
 * a bitmap over item codes, NULL: all. out has room for count. */
enum od_status od_select(struct od_ask *ask, const uint64_t *keep, uint64_t *taken, size_t count,
                         struct od_pick *out, size_t *out_count) OD_MUST_USE;

/* The same from what a search found, which is as many as the list has places. */
enum od_status od_select_found(struct od_ask *ask, size_t search, uint64_t *taken, size_t count,
                               struct od_pick *out, size_t *out_count) OD_MUST_USE;

/* explore.c: gives places of the list to young items not in taken. picks has room for wanted;
 * *count may grow up to it. */
enum od_status od_explore(struct od_ask *ask, const uint64_t *taken, size_t wanted,
                          struct od_pick *picks, size_t *count) OD_MUST_USE;
/* promote.c: how many places a promotion has. */
size_t od_promote_share(const struct od_ask *ask);
/* promote.c: the promoted items, best first, marked in taken; out has room for wanted. */
enum od_status od_promote_pick(struct od_ask *ask, uint64_t *taken, struct od_pick *out,
                               size_t *out_count) OD_MUST_USE;
/* Mixes both lists into out at random places, each in its own order. */
void od_promote_mix(struct od_ask *ask, const struct od_pick *promoted, size_t promoted_count,
                    const struct od_pick *others, size_t other_count, struct od_pick *out);
/* metadata.c: the requested columns of count rows, as answers print them, into items. With the
 * group's lock held. */
enum od_status od_metadata_fill(const struct od_ask *ask, const struct od_pick *picks, size_t count,
                                struct od_ranked_item *items) OD_MUST_USE;
/* answer.c: picks to the answer, with ids, metadata, reasons; remembers what was shown. */
enum od_status od_ask_answer(struct od_ask *ask, const struct od_pick *picks, size_t count,
                             struct od_recommend_answer *out, struct od_error *err) OD_MUST_USE;
/* The part of it that remembers nothing. */
enum od_status od_ask_describe(const struct od_ask *ask, const struct od_pick *picks, size_t count,
                               struct od_ranked_item *items) OD_MUST_USE;

/* recommend.c: the list of a query that was scored or searched. */
enum od_status od_recommend_pick(struct od_ask *ask, struct od_pick **out, size_t *out_count,
                                 struct od_error *err) OD_MUST_USE;
/* The list of an operation, gathered, scored and picked: recommend.c, rank.c, actions.c. Always by
 * scores of all items, for those who look at them. */
enum od_status od_recommend_list(struct od_ask *ask, struct od_pick **out, size_t *out_count,
                                 struct od_error *err) OD_MUST_USE;
enum od_status od_rank_list(struct od_ask *ask, struct od_pick **out, size_t *out_count,
                            struct od_error *err) OD_MUST_USE;
enum od_status od_actions_list(struct od_ask *ask, struct od_pick **out, size_t *out_count,
                               struct od_error *err) OD_MUST_USE;

#endif
