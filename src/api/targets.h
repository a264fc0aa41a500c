/* Where Put* calls go: tracking ids and dataset ARNs to what an HTTP thread needs to check and
 * convert records without asking the store. Written by the store thread, read by HTTP threads. */
#ifndef OD_API_TARGETS_H
#define OD_API_TARGETS_H

#include <stdatomic.h>

#include "base/arena.h"
#include "data/schema.h"

/* Immutable but for gone; counted, so that a request may use it while its dataset is deleted. */
struct od_target {
    struct od_target *next;
    struct od_arena arena; /* everything below */
    struct od_str name;    /* tracking id, or dataset ARN */
    struct od_str dataset; /* ARN; absent: the tracker's group has no such dataset yet */
    struct od_str group;
    enum od_dataset_type type;
    struct od_schema schema;
    atomic_uint refs;
    atomic_bool gone; /* set by the store thread when tracker or dataset was deleted */
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

#endif
