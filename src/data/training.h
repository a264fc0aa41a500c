/* The training set: what a recipe learns from, in canonical form.
 *
 * Built once per training from segments and live events, then immutable. Ids are coded in byte
 * order of their text and events sorted by (user, time, arrival), so the same data gives the same
 * codes whatever the order of import (style rule 20).
 *
 * Memory: 22 bytes an event and 4 with values; 2 for each column of texts, 4 for each of numbers, 4
 * with impressions and 4 for each item of their lists (OD_MAX_SHOWN_ITEMS at most). A column of
 * texts with more than OD_MAX_CONTEXT_VALUES distinct ones identifies rather than describes, and is
 * left out. */
#ifndef OD_DATA_TRAINING_H
#define OD_DATA_TRAINING_H

#include "base/dict.h"
#include "data/segment.h"
#include "data/table.h"

/* A column of Interactions beyond the reserved ones: the context of each event. */
struct od_training_column {
    struct od_str name; /* the schema's field */
    const struct od_dict
        *values;          /* distinct cells, whole, in byte order; NULL: a column of numbers */
    const uint16_t *code; /* texts: [event_count], OD_NO_VALUE when null */
    const float *number;  /* numbers (booleans 0 and 1): [event_count], NAN when null */
};
#define OD_NO_VALUE UINT16_MAX

/* Lists shown with events (IMPRESSION). Several events may share one. */
struct od_training_lists {
    uint32_t count;
    const uint32_t *of_event; /* [event_count] list, OD_NO_CODE: none kept */
    const uint64_t *start;    /* [count + 1] offsets into item */
    const uint32_t *item; /* codes, ascending within a list; items without an event are left out */
};

struct od_training {
    uint32_t user_count, item_count, type_count;
    uint64_t event_count;
    const uint64_t *user_start; /* [user_count + 1] offsets into the event arrays */
    const uint32_t *item;       /* [event_count] */
    const int64_t *time;        /* [event_count] seconds since 1970 */
    const uint16_t *type;       /* [event_count] */
    const float *value; /* [event_count] EVENT_VALUE, NAN when null; NULL when no such column */
    const struct od_dict *users, *items, *types; /* code to text; types code 0 is "" (no type) */
    /* [type_count] the gain of an event of the type: its weight over the mean of the weights given
     * (recipes.md 9.2), 0 for types that no event here has; NULL: all 1. */
    const float *type_weight;
    const struct od_training_column *context; /* [context_count] in order of name */
    size_t context_count;
    const struct od_training_lists *lists; /* NULL: no IMPRESSION column */
    const uint32_t *impressions; /* [item_count] events whose list holds it; NULL likewise */
    int64_t first_time, last_time;
    uint64_t outlying_times;           /* events whose time was bounded by that of the others */
    const struct od_table *item_table; /* may be NULL; rows are NOT item codes: look up by id */
    const struct od_table *user_table; /* may be NULL */
    bool dealt;    /* users' events are in an order by chance (recipes/unordered.h) */
    uint64_t hash; /* of the events and ids in canonical order: the snapshot's identity */
};

/* Which events count (recipes.md section 3): those that fit a rule of the list. */
struct od_event_rule {
    struct od_str type; /* absent: every type, and the list has no other rule; "": events without */
    bool any_case;      /* the type is compared ignoring case */
    bool has_threshold;
    double threshold; /* EVENT_VALUE >= threshold; null values fail it */
    double weight;    /* >= 0, not all 0; only ratios matter */
};
struct od_training_rule {
    const struct od_event_rule *events; /* distinct types */
    size_t event_count;                 /* 0: every event */
    bool weighted;                      /* give type_weight */
    const struct od_str *excluded; /* columns of Interactions to leave out of context and lists */
    size_t excluded_count;
};

/* How an EVENT_VALUE is kept: NAN for none, and one form for each number, as values are compared
 * and hashed by their bytes. */
float od_training_value(bool has_value, double value);

struct od_training_builder;
struct od_training_builder *od_training_builder_new(const struct od_training_rule *rule);
void od_training_builder_free(struct od_training_builder *builder);
/* Adds a chunk of Interactions, or of Action interactions, whose items are actions (columns found
 * by name in schema). */
enum od_status od_training_add_chunk(struct od_training_builder *builder,
                                     const struct od_schema *schema, const struct od_chunk *chunk,
                                     struct od_error *err) OD_MUST_USE;
/* Adds one live event. type absent or has_value false: null. */
enum od_status od_training_add_event(struct od_training_builder *builder, struct od_str user,
                                     struct od_str item, struct od_str type, int64_t time,
                                     bool has_value, double value) OD_MUST_USE;
/* Sorts, drops rows identical in user, item, type, time and value (the first stays), gives times
 * far outside the others' the first or last of these, freezes. The result owns everything it points
 * to (but the tables) and is freed with od_training_free. The builder is empty afterwards.
 */
enum od_status od_training_finish(struct od_training_builder *builder, struct od_training **out,
                                  struct od_error *err) OD_MUST_USE;
void od_training_free(struct od_training *training);
/* What it holds, without the tables. */
uint64_t od_training_bytes(const struct od_training *training);

/* The gain of an event by its type. */
float od_training_weight(const struct od_training *training, uint64_t event);
/* The user whose event that is. */
uint32_t od_training_user_of(const struct od_training *training, uint64_t event);
/* Seconds from the event before it, of the same user; INT64_MAX where they are more. */
int64_t od_training_pause(const struct od_training *training, uint64_t event);

#endif
