/* Serving: a query in, a ranked answer out, from memory alone.
 *
 * For each dataset group a struct od_live holds its catalogues (items, users) and the newest
 * OD_HISTORY_EVENTS interactions of every user, bulk and live. Campaigns hold an open model image
 * and the map from the model's items to the catalogue's rows. Filters are compiled once.
 *
 * Threads: queries come from many threads at once. Changes come from one (the store thread, after
 * its commit), except od_reload_*, whose building half runs on a loader thread. Locks:
 * docs/locks.md. */
#ifndef OD_SERVE_SERVE_H
#define OD_SERVE_SERVE_H

#include "base/arena.h"
#include "data/schema.h"
#include "data/segment.h"
#include "data/value.h"
#include "filter/filter.h"
#include "os/io.h"

struct od_serve;
struct od_serve *od_serve_new(const struct od_io *io);
void od_serve_free(struct od_serve *serve);

/* ---- dataset groups ---- */
enum od_status od_serve_group_add(struct od_serve *serve, struct od_str group_arn,
                                  struct od_error *err) OD_MUST_USE; /* existing is success */
void od_serve_group_remove(struct od_serve *serve, struct od_str group_arn);
/* Gives the group a dataset (schema_text is parsed again and kept) or takes it away with its data.
 */
enum od_status od_serve_dataset_set(struct od_serve *serve, struct od_str group_arn,
                                    enum od_dataset_type type, struct od_str schema_text,
                                    enum od_domain domain, struct od_error *err) OD_MUST_USE;
void od_serve_dataset_remove(struct od_serve *serve, struct od_str group_arn,
                             enum od_dataset_type type);

/* ---- live changes: visible to the next query ---- */
struct od_live_event {
    struct od_str user;    /* absent: session is the user (data.md section 13) */
    struct od_str session; /* when both are given, the session's events join the user */
    struct od_str item;
    bool action;        /* an action interaction: item is an action */
    struct od_str type; /* "" when none */
    int64_t time_s;
    bool has_value;
    double value;                    /* EVENT_VALUE */
    const struct od_str *impression; /* items shown with it, explicit or by recommendation id */
    size_t impression_count;         /* at most OD_MAX_RESULTS */
    bool *out_joined; /* NULL, or set to true when session came to user by this event */
};
enum od_status od_serve_event(struct od_serve *serve, struct od_str group_arn,
                              const struct od_live_event *event) OD_MUST_USE;
/* values: one a schema field (type OD_ITEMS, OD_USERS or OD_ACTIONS). */
enum od_status od_serve_record(struct od_serve *serve, struct od_str group_arn,
                               enum od_dataset_type type,
                               const struct od_value *values) OD_MUST_USE;

/* ---- replacing what bulk data says (after an import, and at start) ----
 * begin, chunk, event and record on the loader thread build a replacement beside the serving one,
 * given everything in order of arrival; commit on the store thread, after the caller has added
 * what arrived meanwhile, swaps it in. For interactions and action interactions the replacement is
 * all histories (feed every segment, then every live event); for the other types the table. */
struct od_reload;
enum od_status od_reload_begin(struct od_serve *serve, struct od_str group_arn,
                               enum od_dataset_type type, struct od_reload **out,
                               struct od_error *err) OD_MUST_USE;
enum od_status od_reload_chunk(struct od_reload *reload, const struct od_schema *schema,
                               const struct od_chunk *chunk) OD_MUST_USE;
enum od_status od_reload_event(struct od_reload *reload,
                               const struct od_live_event *event) OD_MUST_USE;
enum od_status od_reload_record(struct od_reload *reload,
                                const struct od_value *values) OD_MUST_USE;
/* A reload of events may go on from a file of histories (docs/formats/history.md), which takes the
 * place of all that was fed to it up to *out_event, the log's seq: before anything is fed.
 * OD_NOT_FOUND: no file, or not of this stamp; OD_CORRUPT: damaged; the reload is as it was. */
enum od_status od_reload_resume(struct od_reload *reload, const char *path, uint64_t stamp,
                                int64_t *out_event, struct od_error *err) OD_MUST_USE;
/* Writes all that was fed so far to a file, and goes on from there with nothing in memory. On
 * failure the reload is as it was. */
enum od_status od_reload_fold(struct od_reload *reload, const char *path, uint64_t stamp,
                              int64_t event, struct od_error *err) OD_MUST_USE;
uint64_t od_reload_evictable(const struct od_reload *reload); /* bytes a fold takes from memory */
/* What is built is what is live, in another place: what only live events told of items stays. */
void od_reload_same(struct od_reload *reload);
enum od_status od_reload_commit(struct od_reload *reload,
                                struct od_error *err) OD_MUST_USE; /* frees it */
void od_reload_abort(struct od_reload *reload);

/* ---- filters ---- */
/* extended: the expression may go beyond AWS's language. */
enum od_status
od_serve_filter_add(struct od_serve *serve, struct od_str filter_arn, struct od_str group_arn,
                    struct od_str expression, bool extended,
                    struct od_error *err) OD_MUST_USE; /* also checks it: CreateFilter */
void od_serve_filter_remove(struct od_serve *serve, struct od_str filter_arn);

struct od_filter_try {
    struct od_str filter_arn; /* absent: expression, for the group */
    struct od_str group_arn, expression;
    struct od_str user, item; /* absent: none */
    const struct od_filter_value *values;
    size_t value_count;
    int64_t now_ms;
};
/* What the filter keeps of all the items (actions) that the group knows, as JSON appended to out
 * (docs/filters.md, Trying a filter). Any thread. Fails as a query with the filter would. */
enum od_status od_serve_filter_try(struct od_serve *serve, const struct od_filter_try *query,
                                   struct od_arena *arena, struct od_buf *out,
                                   struct od_error *err) OD_MUST_USE;
/* The same counts without values, user and item; false when the filter asks for one of them. */
bool od_serve_filter_count(struct od_serve *serve, struct od_str filter_arn, int64_t now_ms,
                           size_t *out_known, size_t *out_kept);

/* ---- campaigns ---- */
struct od_campaign_setup {
    struct od_str campaign_arn;
    struct od_str group_arn;
    const char *image_path; /* absolute */
    bool enable_metadata;
    double exploration_weight; /* negative: not configured */
    double exploration_cutoff_days;
    double popularity_influence, freshness_influence; /* rankingInfluence; 0: not configured */
    bool was_verified; /* the image's checksums were compared before */
};
/* Maps and opens the image beside the serving one, then swaps: queries never see half of it. */
enum od_status od_serve_campaign_set(struct od_serve *serve, const struct od_campaign_setup *setup,
                                     struct od_error *err) OD_MUST_USE;
void od_serve_campaign_remove(struct od_serve *serve, struct od_str campaign_arn);
/* Puts campaigns that were not asked for so long to sleep: they hold next to no memory, and are
 * opened again by their next query. Those that take long to open give their pages back. */
void od_serve_rest(struct od_serve *serve, int64_t idle_ns);

/* ---- queries: any thread ---- */
struct od_name_value {
    struct od_str name, value;
};
struct od_promotion_query {
    struct od_str name;
    int percent; /* 1-100 */
    struct od_str filter_arn;
    const struct od_filter_value *values;
    size_t value_count;
};
struct od_recommend_query {
    struct od_str campaign_arn; /* or a recommender's */
    struct od_str user;         /* absent: none */
    struct od_str item;         /* absent: none */
    int64_t num_results;        /* negative: default */
    const struct od_name_value *context;
    size_t context_count;
    struct od_str filter_arn; /* absent: none */
    const struct od_filter_value *filter_values;
    size_t filter_value_count;
    const struct od_promotion_query *promotion; /* NULL: none */
    const struct od_str *metadata_columns;      /* of ITEMS */
    size_t metadata_column_count;
    const struct od_str *input_list; /* ranking only */
    size_t input_count;
    int64_t now_ms;
    const uint64_t *seed; /* NULL: a client's answer, of random id, remembered as shown. Otherwise
                             nobody sees it at once: id and all chance come from the seed, and it is
                             not remembered */
    const uint8_t *rid;   /* NULL; or the OD_RID_BYTES of an answer's id, whose chance it repeats */
};
struct od_ranked_item {
    struct od_str id;
    bool has_score;
    double score;            /* as printed: rounded to 7 decimals */
    struct od_str promotion; /* absent unless promoted */
    struct od_str reason;    /* absent unless the recipe gives reasons */
    const struct od_name_value *metadata;
    size_t metadata_count;
};
struct od_recommend_answer {
    struct od_ranked_item *items;
    size_t count;
    char recommendation_id[41]; /* "RID-" and a UUID */
    bool short_of_results;      /* filters left fewer than asked for */
};
/* Every rule of serving.md sections 1 to 5, 7, 9, 11 that concerns these calls, errors as in
 * errors.md section 6. All output lives in arena. For actions the items of the answer are actions,
 * and every one has a score. */
enum od_status od_serve_recommend(struct od_serve *serve, const struct od_recommend_query *query,
                                  struct od_arena *arena, struct od_recommend_answer *out,
                                  struct od_error *err) OD_MUST_USE;
/* The same for many queries, of any campaigns: each answer, or failure, is just what it would be
 * alone; those of one campaign whose model is in vector form share a pass over its items. Any
 * thread. The arenas are distinct. */
struct od_recommend_job {
    const struct od_recommend_query *query;
    struct od_arena *arena;
    struct od_recommend_answer answer; /* when status is OD_OK */
    enum od_status status;
    struct od_error error; /* otherwise */
};
void od_serve_recommend_many(struct od_serve *serve, struct od_recommend_job *jobs, size_t count);
enum od_status od_serve_rank(struct od_serve *serve, const struct od_recommend_query *query,
                             struct od_arena *arena, struct od_recommend_answer *out,
                             struct od_error *err) OD_MUST_USE;
enum od_status od_serve_actions(struct od_serve *serve, const struct od_recommend_query *query,
                                struct od_arena *arena, struct od_recommend_answer *out,
                                struct od_error *err) OD_MUST_USE;

/* Whether several queries of the campaign share work when they are answered together. Where they do
 * not, one by one is faster, because the memory of one answer is still at hand for the next. */
bool od_serve_shares(struct od_serve *serve, struct od_str campaign_arn);

/* Prepares what the first of many queries at once would find under construction, and go without:
 * the campaign's young items at that moment. Afterwards queries of the same now_ms and seed have
 * the same answer, in whatever order they come, while the group does not change. */
enum od_status od_serve_warm(struct od_serve *serve, struct od_str campaign_arn, int64_t now_ms,
                             struct od_error *err) OD_MUST_USE;

/* ---- segments: which users, for items (serving.md section 14) ----
 * A model of type USER_SEGMENTATION opened beside a group, with the filter (over UserID; absent:
 * none) of all its queries. Opening gives every user of the model a row in the group's Users table,
 * and notes who has events of which type; later events are not seen. Queries: any thread. */
struct od_segments;
enum od_status od_segments_open(struct od_serve *serve, struct od_str group_arn,
                                const char *image_path, struct od_str filter_arn,
                                struct od_segments **out, struct od_error *err) OD_MUST_USE;
void od_segments_close(struct od_segments *segments);
struct od_segment_ask {
    struct od_str item;       /* aws-item-affinity */
    struct od_str attributes; /* aws-item-attribute-affinity: ITEMS.x = "y" AND ... */
    const struct od_filter_value *filter_values;
    size_t filter_value_count;
    int64_t now_ms;
    uint32_t most;
};
/* The best users first, ids in the mapped image. OD_INVALID_INPUT: the recipe asks for the other
 * member; no item that the model knows is meant; filterValues that do not bind. */
enum od_status od_segments_find(const struct od_segments *segments,
                                const struct od_segment_ask *ask, struct od_arena *arena,
                                struct od_str **out, size_t *out_count,
                                struct od_error *err) OD_MUST_USE;

/* What an answer to a campaign or recommender of the group showed, found by its recommendation id:
 * implicit impressions. OD_NOT_FOUND when the id is unknown, forgotten (OD_SHOWN_BYTES) or of
 * another group. All output lives in arena. */
struct od_impression_list {
    struct od_str campaign_arn;
    bool actions;               /* GetActionRecommendations: items are actions */
    const struct od_str *items; /* in the order shown */
    const float *propensities;  /* of each place to show what it showed; 1: nothing was left to
                                   chance, and for actions, whose chances are not known */
    size_t count;
};
enum od_status od_serve_impressions(struct od_serve *serve, struct od_str group_arn,
                                    struct od_str recommendation_id, struct od_arena *arena,
                                    struct od_impression_list *out) OD_MUST_USE;

/* ---- metric attributions: any thread ---- */
/* The campaign of the group that answered with this recommendation id, in arena; OD_STR_NONE when
 * it is none of the group's, or was deleted and its answers forgotten. */
struct od_str od_serve_source(struct od_serve *serve, struct od_str group_arn,
                              struct od_str recommendation_id, struct od_arena *arena);
/* The number in a column (any case) of an item's record. False: no such item, column or number. */
bool od_serve_item_number(struct od_serve *serve, struct od_str group_arn, struct od_str item,
                          struct od_str column, double *out);

/* For /metrics. */
struct od_serve_counts {
    uint64_t groups, campaigns, asleep, filters, users, items, history_events, history_bytes;
    uint64_t shown_bytes;       /* at most OD_SHOWN_BYTES and a table of a few MiB */
    uint64_t history_evictable; /* of history_bytes: what files of histories would take over */
    uint64_t histories_evicted; /* of users: those whose histories are in a file alone */
};
/* Bytes that a fold of a dataset's events would take from memory. */
uint64_t od_serve_evictable(struct od_serve *serve, struct od_str group_arn,
                            enum od_dataset_type type);
void od_serve_counts(struct od_serve *serve, struct od_serve_counts *out);

#endif
