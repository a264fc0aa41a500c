/* The filters of a server: expression, compiled form, and what they ask of a query. */
#ifndef OD_SERVE_FILTERS_H
#define OD_SERVE_FILTERS_H

#include "serve/live.h"

struct od_serve_filter {
    atomic_uint refs;
    struct od_str arn;
    struct od_str expression;
    bool extended;         /* may go beyond AWS's language */
    struct od_live *group; /* a reference */
    /* by the group's lock: */
    struct od_filter *compiled; /* NULL: no longer usable, see broken */
    struct od_error broken;
    uint64_t serial; /* another one each time it is compiled; unique within the group */
};

/* Parses and checks against the group's schemas, and registers with the group. Takes its lock. */
enum od_status od_filters_new(struct od_live *group, struct od_str arn, struct od_str expression,
                              bool extended, struct od_serve_filter **out,
                              struct od_error *err) OD_MUST_USE;
struct od_serve_filter *od_filters_ref(struct od_serve_filter *filter);
void od_filters_unref(struct od_serve_filter *filter);
/* Unregisters: queries that still hold it fail as if it were unknown. Takes the group's lock. */
void od_filters_retire(struct od_serve_filter *filter);

/* Compiles again after the schemas changed. With the group's lock held for writing. */
void od_filters_recompile(struct od_serve_filter *filter);

#endif
