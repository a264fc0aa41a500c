/* What training.c collects and training_finish.c turns into a training set. Internal to the files
 * training*.c. */
#ifndef OD_DATA_TRAINING_BUILD_H
#define OD_DATA_TRAINING_BUILD_H

#include "base/limits.h"
#include "data/training.h"

/* A column of something, one entry an event, that only moves with its events. */
struct od_event_array {
    void *data;
    size_t width; /* bytes of an entry: 2 or 4 */
};
#define OD_MAX_EVENT_ARRAYS (OD_MAX_CONTEXT_COLUMNS + 1)

/* One context column being collected. */
struct od_built_column {
    struct od_str name; /* ours */
    bool text;
    bool left_out;          /* too many distinct texts */
    struct od_dict *values; /* in order of arrival; texts only */
    struct od_event_array array;
};

/* Context and impressions being collected: training_context.c. */
struct od_built_context {
    struct od_str *excluded; /* ours */
    size_t excluded_count;
    struct od_built_column columns[OD_MAX_CONTEXT_COLUMNS];
    size_t count;
    bool has_lists;              /* an IMPRESSION column was seen */
    struct od_event_array lists; /* of_event */
    struct od_dict *shown_ids;   /* items shown, in order of arrival */
    uint32_t *shown;             /* [shown_count] codes of shown_ids */
    uint64_t shown_count, shown_cap;
    uint64_t *list_start; /* [list_count + 1] */
    uint32_t list_count, list_cap;
    uint32_t *maps; /* scratch of one chunk: [OD_MAX_EVENT_ARRAYS * OD_CHUNK_ROWS] */
};

struct od_training_builder {
    struct od_event_rule *rules; /* our copy, with its texts */
    size_t rule_count;           /* 0: all */
    bool weighted;
    bool any_type;                         /* the one rule is for every type */
    struct od_dict *users, *items, *types; /* codes in order of arrival; types 0 is "" */
    /* Columns over the events taken so far. Times are offsets from base while all of them fit 32
     * bits (time64 NULL), else whole (time32 NULL). */
    uint64_t count, cap;
    uint32_t *user, *item;
    uint32_t *time32;
    int64_t *time64;
    uint16_t *type;
    float *value; /* NULL until a value column or a value is seen */
    struct od_built_context context;
    int64_t base;
    bool has_base;
    uint32_t *code_map; /* scratch of one chunk: [4 * OD_CHUNK_ROWS] */
};

/* Makes the dictionaries an empty builder lacks. */
enum od_status od_training_builder_open(struct od_training_builder *builder) OD_MUST_USE;
/* Frees the events and dictionaries and leaves an empty builder. */
void od_training_builder_empty(struct od_training_builder *builder);

struct od_training_owned;
/* Gives outlying times the first or last of the others: training_times.c. */
enum od_status od_training_bound_times(struct od_training_owned *owned) OD_MUST_USE;

/* A training set and what it owns. */
struct od_training_owned {
    struct od_training view; /* first: od_training_free gets its address */
    uint64_t *user_start;
    uint32_t *item;
    int64_t *time;
    uint16_t *type;
    float *value;
    float *type_weight;
    struct od_dict *users, *items, *types;
    struct od_training_column context[OD_MAX_CONTEXT_COLUMNS];
    struct od_training_lists lists;
    uint32_t *impressions;
    /* Data of the context columns in their order, then of_event of the lists: how sorting moves
     * them. */
    struct od_event_array arrays[OD_MAX_EVENT_ARRAYS];
    size_t array_count;
};
void od_training_owned_free(struct od_training_owned *owned);
/* Fills the view from what is owned (user_count, item_count and the tables are the caller's). */
void od_training_seal(struct od_training_owned *owned);

/* ---- rules: training_rule.c ---- */

enum od_status od_rules_copy(struct od_training_builder *builder,
                             const struct od_training_rule *rule) OD_MUST_USE;
void od_rules_free(struct od_training_builder *builder);
/* The rule for a type, SIZE_MAX: its events do not count. Not to be asked without rules. */
size_t od_rules_find(const struct od_training_builder *builder, struct od_str type);
bool od_rules_accept(const struct od_training_builder *builder, size_t rule, bool has_value,
                     double value);
/* type_weight for a dictionary of types. */
enum od_status od_rules_weigh(const struct od_training_builder *builder,
                              const struct od_dict *types, float **out) OD_MUST_USE;

/* ---- context and impressions: training_context.c ---- */

/* The columns of a chunk: which of the builder's each is, where its cells are. */
struct od_context_view {
    struct {
        const struct od_chunk_column *column;
        size_t at; /* of the builder's columns */
    } columns[OD_MAX_CONTEXT_COLUMNS];
    size_t count;
    const struct od_chunk_column *impression;
};
enum od_status od_context_copy_excluded(struct od_built_context *context,
                                        const struct od_training_rule *rule) OD_MUST_USE;
bool od_context_excludes(const struct od_built_context *context, struct od_str column);
void od_context_free_excluded(struct od_built_context *context);
void od_context_empty(struct od_built_context *context); /* all but excluded and scratch */
/* Room for cap events in every column; the rows from used on become null. */
enum od_status od_context_reserve(struct od_built_context *context, uint64_t cap) OD_MUST_USE;
/* Columns of the chunk that are new get room for cap events, null for the used ones. */
enum od_status od_context_open(struct od_built_context *context, const struct od_schema *schema,
                               const struct od_chunk *chunk, uint64_t used, uint64_t cap,
                               struct od_context_view *out, struct od_error *err) OD_MUST_USE;
/* The cells of a row as those of event at; without a view: null. */
enum od_status od_context_put(struct od_built_context *context, const struct od_context_view *view,
                              uint32_t row, uint64_t at) OD_MUST_USE;
/* Moves each array of the builder to owned, entry i to cursor[user[i]]++; rewind sets cursor to
 * the users' starts. Arrays are freed as they go. */
enum od_status od_context_move(struct od_training_owned *owned, struct od_training_builder *builder,
                               void (*rewind)(const struct od_training_owned *owned,
                                              const uint32_t *map, uint64_t *cursor),
                               const uint32_t *user_map, uint64_t *cursor) OD_MUST_USE;
/* Puts entry from in the place of entry to. */
void od_context_place(struct od_training_owned *owned, uint64_t to, uint64_t from);
/* Entry order[i] becomes entry i, for count entries from start on; scratch: [count] of 4 bytes. */
void od_context_permute(struct od_training_owned *owned, uint64_t start, const uint64_t *order,
                        size_t stride, uint64_t count, uint32_t *scratch);
/* With events in place and item codes final: values in byte order, lists, impressions. */
enum od_status od_context_freeze(struct od_training_owned *owned,
                                 struct od_training_builder *builder) OD_MUST_USE;
/* The same columns and lists for a part of the events: keep[u] oldest of each user; items: new
 * codes. */
enum od_status od_context_cut(const struct od_training *from, const uint64_t *keep,
                              const uint32_t *items, struct od_training_owned *to) OD_MUST_USE;
void od_context_owned_free(struct od_training_owned *owned);
uint64_t od_context_hash(const struct od_training *training, uint64_t hash);

#endif
