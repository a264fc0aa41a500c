/* The filter language of serving.md sections 6 to 10: text to a checked, compiled filter, and a
 * filter with values to a bitmap over items.
 *
 * A compiled filter is immutable and shared by threads. Evaluation reads the tables it is given and
 * writes only the caller's bitmap. */
#ifndef OD_FILTER_FILTER_H
#define OD_FILTER_FILTER_H

#include "base/arena.h"
#include "data/schema.h"
#include "data/table.h"

struct od_filter;

enum od_filter_target { OD_TARGET_ITEM, OD_TARGET_USER, OD_TARGET_ACTION };

/* What an expression may speak of. */
struct od_filter_schemas {
    const struct od_schema *by_type[OD_DATASET_TYPES]; /* NULL where there is no such dataset */
    bool extended; /* also what is beyond AWS's language (docs/filters.md); it means the same
                      wherever AWS accepts it */
};

/* Parses, checks and compiles. Failures are OD_INVALID_INPUT: "Could not create filter. ..." with
 * err->column at the fault and the text up to it shown with a caret (errors.md section 4). The
 * filter owns copies of all it needs. max_fields: distinct fields allowed (0: no limit). */
enum od_status od_filter_new(struct od_str expression, const struct od_filter_schemas *schemas,
                             size_t max_fields, struct od_filter **out,
                             struct od_error *err) OD_MUST_USE;
/* The conditions of a batch segment job's itemAttributes (serving.md section 14): ITEMS.x = "y",
 * more of them joined by AND, as a filter over ItemID. Failures are OD_INVALID_INPUT, "Invalid
 * itemAttributes. ...". */
enum od_status od_filter_new_attributes(struct od_str text, const struct od_filter_schemas *schemas,
                                        size_t max_fields, struct od_filter **out,
                                        struct od_error *err) OD_MUST_USE;
void od_filter_free(struct od_filter *filter);

enum od_filter_target od_filter_target(const struct od_filter *filter);
bool od_filter_uses_current_item(const struct od_filter *filter);
bool od_filter_uses_current_user(const struct od_filter *filter);
bool od_filter_uses_interactions(const struct od_filter *filter);
bool od_filter_uses_now(const struct od_filter *filter); /* $NOW; events within a time as well */
/* Parameter names in order of first use, without $. */
size_t od_filter_param_count(const struct od_filter *filter);
struct od_str od_filter_param_name(const struct od_filter *filter, size_t index);

/* filterValues of a request (serving.md section 9): names and raw value texts. */
struct od_filter_value {
    struct od_str name;
    struct od_str text;
};
struct od_filter_values; /* parsed values bound to one filter, in an arena */
/* OD_INVALID_INPUT: missing value for an INCLUDE parameter, text for a numeric comparison, more
 * than one value for a scalar, unknown name, malformed list. */
enum od_status od_filter_bind(const struct od_filter *filter, const struct od_filter_value *values,
                              size_t count, struct od_arena *arena,
                              const struct od_filter_values **out,
                              struct od_error *err) OD_MUST_USE;

/* One event of the requesting user, for Interactions.EVENT_TYPE and Action_Interactions.EVENT_TYPE
 * conditions. */
struct od_filter_event {
    uint32_t item_row;  /* row in the table of the context */
    struct od_str type; /* "" when the event has none; compared ignoring case, and for action
                           interactions ignoring spaces and _ as well */
    int64_t time_s;     /* since 1970 */
};

struct od_filter_context {
    const struct od_table *items;
    const struct od_table *users;         /* may be NULL */
    uint32_t user_row;                    /* OD_NO_ROW: unknown user */
    uint32_t current_item_row;            /* OD_NO_ROW: none */
    const struct od_filter_event *events; /* newest first; at most the newest 100 of a type are
                                             used, 300 on actions, but by WITHIN all */
    size_t event_count;
    enum od_filter_target target; /* what the rows of items are: items or actions */
    int64_t now_s;                /* of the request, since 1970 */
};

/* Sets bit r of keep for every row r of items that passes. keep has od_bitmap_words(row count)
 * words. The filter's target must be the context's. scratch holds temporaries. */
enum od_status od_filter_eval(const struct od_filter *filter, const struct od_filter_values *values,
                              const struct od_filter_context *context, struct od_arena *scratch,
                              uint64_t *keep, struct od_error *err) OD_MUST_USE;

/* What each expression of a filter did, to be shown to people. Counts are of the rows asked for. */
struct od_filter_clause {
    struct od_str text; /* a condition as written */
    size_t holds;       /* rows on which it holds by itself */
};
enum od_filter_effect {
    OD_EFFECT_COUNTS,
    OD_EFFECT_NO_VALUE, /* an EXCLUDE whose parameter has no value: skipped */
    OD_EFFECT_IF_FALSE
};
struct od_filter_step_report {
    struct od_str text; /* the expression as written */
    bool include;
    enum od_filter_effect effect;
    size_t matches; /* rows that its WHERE holds for */
    size_t drops;   /* EXCLUDE: those of them that no expression before it had dropped */
    struct od_filter_clause *conditions; /* of its WHERE; not looked at without effect */
    size_t condition_count;
};
struct od_filter_report {
    size_t rows, kept;
    size_t outside; /* dropped because no INCLUDE holds; rows = kept + outside + the sum of drops */
    struct od_filter_step_report *steps;
    size_t step_count;
};
/* As od_filter_eval, for the rows in the bitmap `rows` alone, and tells how it came about. What out
 * points to lives in scratch and in the filter. */
enum od_status od_filter_explain(const struct od_filter *filter,
                                 const struct od_filter_values *values,
                                 const struct od_filter_context *context, const uint64_t *rows,
                                 struct od_arena *scratch, struct od_filter_report *out,
                                 struct od_error *err) OD_MUST_USE;

/* The users of a segment: rows of a table, and which of them have events of which type, each pair
 * once. */
struct od_filter_people {
    const struct od_table *users;
    const struct od_str *types; /* [type_count] */
    size_t type_count;
    const uint32_t *event_row;  /* [event_count] row in users */
    const uint16_t *event_type; /* [event_count] place in types */
    const int64_t *event_s;     /* [event_count] time of the newest such event, since 1970 */
    size_t event_count;
    int64_t now_s; /* of the request */
};
/* The same for OD_TARGET_USER: keep has a bit a row of users. Interactions.EVENT_TYPE means any
 * event of that type. */
enum od_status od_filter_eval_users(const struct od_filter *filter,
                                    const struct od_filter_values *values,
                                    const struct od_filter_people *people, struct od_arena *scratch,
                                    uint64_t *keep, struct od_error *err) OD_MUST_USE;

#endif
