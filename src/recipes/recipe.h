/* The seam between recipes and the rest: a table of functions per recipe (style rule 15).
 *
 * A recipe trains a model image from a training set in a worker process, and scores from the mapped
 * image in the server. It knows no store, no network and no clock. What is data about a recipe
 * (ARN, type, hyperparameters and their ranges, feature transformation) is in spec/recipes.json and
 * comes from the generated table in recipes/gen. Adding a recipe: one file, one line in registry.c.
 */
#ifndef OD_RECIPES_RECIPE_H
#define OD_RECIPES_RECIPE_H

#include "data/image.h"
#include "data/training.h"

enum od_recipe_type {
    OD_USER_PERSONALIZATION,
    OD_PERSONALIZED_RANKING,
    OD_RELATED_ITEMS,
    OD_POPULAR_ITEMS,
    OD_USER_SEGMENTATION,
    OD_PERSONALIZED_ACTIONS
};

enum od_param_type {
    OD_PARAM_INTEGER,
    OD_PARAM_CONTINUOUS,
    OD_PARAM_BOOLEAN,
    OD_PARAM_CATEGORICAL,
    OD_PARAM_TEXT /* of at most OD_PARAM_TEXT_BYTES */
};
#define OD_PARAM_TEXT_BYTES 1024 /* a location in S3 has at most 256 + 1,000 characters on AWS */
enum od_param_place { OD_PARAM_ALGORITHM, OD_PARAM_FEATURIZATION, OD_PARAM_CAMPAIGN };

/* One hyperparameter, generated from spec/recipes.json. */
struct od_param_spec {
    const char *name;
    enum od_param_type type;
    enum od_param_place place;
    const char *default_value;
    double min, max;            /* integer, continuous; max INFINITY: no upper bound */
    const char *const *choices; /* categorical, NULL-terminated */
    bool tunable;               /* may be listed in hpoConfig */
    bool only_tunable;          /* settable through HPO ranges alone */
    bool min_open;              /* min itself is not allowed */
    const char *alias;          /* another name accepted for it, NULL when none */
};

/* One recipe's data, generated from spec/recipes.json. All strings static. */
struct od_recipe_spec {
    const char *name;                   /* "aws-sims" */
    const char *algorithm;              /* algorithm ARN's last part */
    const char *feature_transformation; /* ARN's last part, NULL when none */
    const char *description;
    enum od_recipe_type type;
    const char *type_name; /* "RELATED_ITEMS" */
    const char *domain;    /* "ECOMMERCE", ... or NULL */
    const char *base;      /* of a domain recipe: the recipe whose code trains and serves it */
    const char *event;     /* type of the interactions it learns from, in any case; NULL: all */
    const char *consumed;  /* type of event after which a user is not shown the item; NULL: none */
    bool legacy;           /* accepted by name, absent from ListRecipes */
    bool extension;        /* no recipe of AWS: accepted by name, absent from ListRecipes */
    bool has_scores;       /* answers carry a score */
    bool real_time;        /* events change the next answer */
    bool supports_update;  /* trainingMode UPDATE */
    bool supports_hpo;
    bool supports_events_config, supports_objective, supports_exploration;
    bool needs_items, needs_actions; /* datasets it cannot do without */
    bool needs_attributes;           /* some column of Items or Users that tells them apart */
    bool auto_update;                /* a deployed version takes new items in every two hours */
    bool incremental_update;         /* likewise every half hour, where a solution asks for it */
    bool auto_recount;               /* a deployed version is counted anew at intervals */
    bool uses_fields;                /* columns of Items, Users or context may change the model */
    bool interactions_optional;      /* trains on none as well: the training set may be empty */
    bool user_optional;              /* an answer needs no userId */
    int64_t created_s;               /* creationDateTime, whole days */
    const struct od_param_spec *params;
    size_t param_count;
};

/* One feature transformation, generated from spec/recipes.json. */
struct od_feature_default {
    const char *name, *value;
};
struct od_feature_spec {
    const char *name; /* ARN's last part */
    const struct od_feature_default *defaults;
    size_t default_count;
    int64_t created_s;
};

/* The value of each of the recipe's hyperparameters, already checked: params[i] belongs to
 * spec->params[i]. */
struct od_param_value {
    double number; /* integer, continuous; boolean as 0 or 1 */
    struct od_str text;
};

/* Progress goes up to 1; returning a status other than OD_OK asks the recipe to stop at once. */
struct od_progress {
    enum od_status (*report)(void *context, double fraction, const char *stage);
    void *context;
};

struct od_metric {
    char name[80];
    double value;
};
struct od_metrics {
    struct od_metric list[40];
    size_t count;
};

struct od_train_input {
    const struct od_training *training;
    /* aws-next-best-action: the action interactions, items being actions and types the
     * od_action_event names; NULL when there are none. Its user codes are its own. */
    const struct od_training *actions;
    const struct od_table *action_table; /* NULL: no Actions dataset */
    /* The bytes of the file that the parameter location names (ondol-external-vectors), mapped;
     * absent when there is none. */
    struct od_str external;
    const struct od_recipe_spec *spec;
    const struct od_param_value *params;
    uint64_t seed;
    int64_t now_s;         /* when the training was asked for; 0: as if at its newest interaction */
    unsigned threads;      /* 0: all cores; never changes the bytes of the image */
    uint64_t memory_bytes; /* what the recipe may use beyond the training set */
    struct od_progress progress;
};

/* One past event as scoring sees it; item is the model's code, OD_NO_CODE for an unknown item. */
#define OD_NO_TYPE UINT16_MAX
struct od_past_event {
    uint32_t item;
    uint16_t type; /* code of the training set's types, OD_NO_TYPE: none of them */
    int64_t time;
};

/* A named value of a request: of its context, or of the user's record as metadata answers print it.
 */
struct od_query_value {
    struct od_str name, value;
};

/* What is known of an action beside its attributes; recipes/action_facts.h reads it. */
struct od_action_fact {
    bool known;        /* there is a record; false in a query: as when the model was trained */
    int64_t expires_s; /* from then on it is never recommended; INT64_MAX: never */
    float value;       /* VALUE; 0 when null: between equal probabilities the higher goes first */
    float repeat_days; /* not shown again so soon after an event of the user; 0: at once */
};

struct od_query {
    const struct od_past_event *events; /* oldest first */
    size_t event_count;
    const struct od_past_event
        *action_events; /* oldest first; item: an action, type: od_action_event */
    size_t action_event_count;
    /* next-best-action: what holds now, [items of the model]; NULL: nothing is known */
    const struct od_action_fact *action_facts;
    const struct od_query_value *context; /* columns of Interactions and their values now */
    size_t context_count;
    const struct od_query_value *user; /* columns of the user's record */
    size_t user_value_count;
    uint32_t item; /* related items: the model's code, OD_NO_CODE when unknown or not given */
    int64_t now_s; /* request time */
    uint64_t seed; /* of what a recipe explores by itself (next-best-action); 0: no exploration */
    /* rankingInfluence of the campaign or job, in [0, 1]; aws-semantic-similarity alone looks */
    float popularity_influence, freshness_influence;
};

enum od_action_event { OD_ACTION_TAKEN, OD_ACTION_NOT_TAKEN, OD_ACTION_VIEWED };

/* Which users to list for: the items, a bitmap over the model's item codes (one item, or all that
 * carry an attribute); an answer has at most `most` users. */
struct od_segment_query {
    const uint64_t *items;
    const uint64_t *users; /* a bitmap over the model's user codes, NULL: all */
    uint32_t most;
};
struct od_segment_user {
    uint32_t user; /* the model's code */
    float score;   /* expected number of interactions in the horizon */
};

/* One summand of a score: contribution is weight * value, but for rounding. */
struct od_score_term {
    char name[16]; /* of a part ("linar"), or of what it measures ("popularity") */
    bool is_part;
    float weight, value, contribution;
    float raw; /* of a part: what it said itself; value is that brought to the blend's scale */
};
#define OD_SCORE_TERMS                                                                             \
    20 /* most of one item: seven parts, nine features and what corrects them                      \
        */
struct od_score_terms {
    struct od_score_term list[OD_SCORE_TERMS];
    size_t count;
};

struct od_model; /* an opened image: immutable, shared by threads */

/* What a query's answer is made from; vector_form.h. */
struct od_vector_form;
enum od_vector_kind {
    OD_BY_SCORE,  /* score alone knows */
    OD_BY_ORDER,  /* nothing is known of the query: the form's order (query->item never) */
    OD_BY_VECTOR, /* items that have one by the product with the query's vector, then the others in
                     the form's order (query->item never) */
};

struct od_recipe {
    const char *name; /* finds its spec */
    /* Writes the image's sections. Must add: "items" (dictionary), and whatever open needs.
     * metrics NULL: no offline evaluation, the model alone.
     * Fails with OD_INVALID_INPUT when the data cannot be trained on (failureReason = message). */
    enum od_status (*train)(const struct od_train_input *input, struct od_image_writer *image,
                            struct od_metrics *metrics, struct od_error *err);
    /* Optional: fails as train would, from what the data say before anything is learnt. */
    enum od_status (*check)(const struct od_train_input *input, struct od_error *err);
    /* The image stays mapped as long as the model is open. */
    enum od_status (*open)(const struct od_image *image, struct od_model **out,
                           struct od_error *err);
    void (*close)(struct od_model *model);
    const struct od_image_dict *(*items)(const struct od_model *model);
    /* scores[item code], every item of the model; -INFINITY for an item never to be recommended.
     * Where no signal exists, a popularity order is given. *out_personal tells whether the answer
     * comes from the query (false: popular items). scratch is the caller's arena. Thread-safe. */
    enum od_status (*score)(const struct od_model *model, const struct od_query *query,
                            struct od_arena *scratch, float *scores, bool *out_personal,
                            struct od_error *err);
    /* Optional, both or none: the model as vectors, so that the best items are found without scores
     * of all. vectors: NULL when this model is not such. vector: what the query's answer is made
     * from, and with OD_BY_VECTOR its vector, out[dims]. The list is always that of score: the same
     * floats, equal ones by code; OD_BY_VECTOR where score says personal. Thread-safe. */
    const struct od_vector_form *(*vectors)(const struct od_model *model);
    enum od_status (*vector)(const struct od_model *model, const struct od_query *query, float *out,
                             enum od_vector_kind *out_kind, struct od_error *err);
    /* Optional: what score does at last for a query with popularity_influence or
     * freshness_influence, on the scores it would have without. Of count items old[i] is the
     * model's code, OD_NO_CODE for one it does not know: nobody's yet, and new. NULL: its own
     * items. */
    enum od_status (*influence)(const struct od_model *model, const struct od_query *query,
                                const uint32_t *old, uint32_t count, struct od_arena *scratch,
                                float *scores);
    /* Optional: score, that also says what the scores of some items (codes) are the sum of:
     * out[item_count]. scores are those of score, by the same code.
     * Thread-safe. */
    enum od_status (*explain)(const struct od_model *model, const struct od_query *query,
                              const uint32_t *item, uint32_t item_count, struct od_arena *scratch,
                              float *scores, struct od_score_terms *out, struct od_error *err);
    /* PERSONALIZED_RANKING, optional: scores[count] of a list's items (codes, each once), where the
     * list itself has a say; NULL: those of score. On the scale of score.
     * Thread-safe. */
    enum od_status (*rank)(const struct od_model *model, const struct od_query *query,
                           const uint32_t *item, uint32_t count, struct od_arena *scratch,
                           float *scores, bool *out_personal, struct od_error *err);
    /* Turns scores into the probabilities answers print (serving.md section 4): the temperature by
     * which score is divided before the softmax. NULL when the recipe has no scores. */
    float (*temperature)(const struct od_model *model);
    /* USER_SEGMENTATION alone: the users of the model, and the best of them for some items, best
     * first (equal scores by code); out has room for query->most. Thread-safe. Such a recipe has no
     * score. */
    const struct od_image_dict *(*users)(const struct od_model *model);
    enum od_status (*segment)(const struct od_model *model, const struct od_segment_query *query,
                              struct od_arena *scratch, struct od_segment_user *out,
                              uint32_t *out_count, struct od_error *err);
    /* With users: writes the image's sections again without some of them (a bitmap over their
     * codes). The image is one that open took; it must stay until the writer is finished. */
    enum od_status (*forget)(const struct od_image *image, const uint64_t *users,
                             struct od_image_writer *out, struct od_error *err);
    /* PERSONALIZED_ACTIONS alone, whose items are actions. event_items: the items of query->events.
     * scored: whether an action's score is a probability, which is what answers print; otherwise
     * its score only says its place (negative, or explored) and answers print 0.0. */
    const struct od_image_dict *(*event_items)(const struct od_model *model);
    bool (*scored)(const struct od_model *model, uint32_t action);
};

/* The registry. NULL when unknown. */
/* The code of a recipe that can be trained here; a domain recipe's is that of its base. */
const struct od_recipe *od_recipe_find(struct od_str name);
const struct od_recipe_spec *od_recipe_spec_find(struct od_str name); /* any recipe of AWS */
const struct od_recipe_spec *od_recipe_spec_at(size_t index); /* by name order; NULL past the end */
const struct od_recipe_spec *od_recipe_spec_by_algorithm(struct od_str algorithm);
const struct od_feature_spec *od_feature_spec_find(struct od_str name);
/* The parameter of that name in a place: names may carry the prefixes "training." or "data.", or be
 * the alias. SIZE_MAX when unknown. */
size_t od_recipe_param_find(const struct od_recipe_spec *spec, enum od_param_place place,
                            struct od_str name);
/* What a value must be, for messages: "an integer in [32, 256]", "true or false". */
void od_recipe_param_range(const struct od_param_spec *spec, struct od_buf *out);

/* Checks one name and value against the spec; err as errors.md section 6 words it. */
enum od_status od_recipe_param_parse(const struct od_param_spec *spec, struct od_str value,
                                     struct od_param_value *out, struct od_error *err) OD_MUST_USE;
/* All values of a recipe: defaults, then the given (name, value) pairs of one place.
 * Unknown names and values out of range fail. out has spec->param_count entries. */
enum od_status od_recipe_params_default(const struct od_recipe_spec *spec,
                                        struct od_param_value *out) OD_MUST_USE;
enum od_status od_recipe_params_set(const struct od_recipe_spec *spec, enum od_param_place place,
                                    struct od_str name, struct od_str value,
                                    struct od_param_value *out, struct od_error *err) OD_MUST_USE;
/* Rules between values, to be asked once all are set: a min_* percentile must not exceed its max_*.
 */
enum od_status od_recipe_params_check(const struct od_recipe_spec *spec,
                                      const struct od_param_value *values,
                                      struct od_error *err) OD_MUST_USE;
/* The value of a parameter by its name. The name must be one of the spec's. */
const struct od_param_value *od_recipe_param(const struct od_recipe_spec *spec,
                                             const struct od_param_value *values, const char *name);

#endif
