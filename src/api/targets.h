/* Where Put* calls go: tracking ids and dataset ARNs to what an HTTP thread needs to check and
 * convert records without asking the store. Written by the store thread, read by HTTP threads. */
#ifndef OD_API_TARGETS_H
#define OD_API_TARGETS_H

#include <stdatomic.h>

#include "base/arena.h"
#include "data/schema.h"

/* What became of the events sent to a tracking id. */
enum od_event_outcome {
    OD_EVENT_ACCEPTED, /* stored, and told so */
    OD_EVENT_JOINED,   /* of these: brought a session to its user */
    /* not stored, and why */
    OD_EVENT_DUPLICATE, /* stored before: the client is told that all is well */
    OD_EVENT_INVALID,   /* the call was refused for what it says */
    OD_EVENT_THROTTLED, /* the call found the queue full */
    OD_EVENT_FAILED,    /* the commit did not succeed */
    OD_EVENT_OUTCOMES
};

/* Of one tracking id, from the start of the server, whatever target stands for it. Shared. */
struct od_event_counts {
    atomic_uint refs;
    atomic_uint_fast64_t of[OD_EVENT_OUTCOMES];
};

/* Immutable but for gone; counted, so that a request may use it while its dataset is deleted. */
struct od_target {
    struct od_target *next;
    struct od_arena arena; /* everything below */
    struct od_str name;    /* tracking id, or dataset ARN */
    struct od_str dataset; /* ARN; absent: the tracker's group has no such dataset yet */
    struct od_str group;
    enum od_dataset_type type;
    struct od_schema schema;
    struct od_event_counts *counts; /* NULL for what takes no events */
    atomic_uint refs;
    atomic_bool replaced; /* set before gone where another schema took its place */
    atomic_bool gone;     /* set by the store thread when tracker or dataset was deleted */
};

struct od_targets;
struct od_targets *od_targets_new(void);
void od_targets_free(struct od_targets *targets);

/* Adds or replaces the target of that name. schema_text absent: no dataset yet. */
enum od_status od_targets_put(struct od_targets *targets, struct od_str name, struct od_str dataset,
                              struct od_str group, enum od_dataset_type type,
                              struct od_str schema_text, enum od_domain domain,
                              struct od_error *err) OD_MUST_USE;
void od_targets_remove(struct od_targets *targets, struct od_str name);
/* NULL when unknown; od_target_unref when done. */
struct od_target *od_targets_find(struct od_targets *targets, struct od_str name);
void od_target_unref(struct od_target *target);
/* Any thread. Nothing for a target that takes no events. */
void od_target_count(const struct od_target *target, enum od_event_outcome outcome, size_t events);
/* Events for a tracking id that nobody has. */
void od_targets_count_unknown(struct od_targets *targets, size_t events);

/* Appends the counts of all tracking ids as Prometheus text, those of a deleted tracker no more. At
 * most OD_MAX_METRIC_SERIES lines a family; the rest is summed up as tracker "other". */
void od_targets_write(struct od_targets *targets, struct od_buf *out);

#endif
