/* A dataset group in memory: catalogues, histories, event types.
 *
 * There are two catalogues, of items and of actions, made alike: a table of every id met, whose
 * records are those of the Items or Actions dataset, and what happened to them, which are the
 * interactions or the action interactions. A dataset type names its catalogue (od_live_table).
 *
 * One rwlock a group (docs/locks.md): queries hold it for reading while they look at anything below
 * it, changes for writing and shortly. Waiting writers go first, so that queries without end cannot
 * keep an event out; a thread must therefore never lock it for reading twice.
 *
 * Rows of both are given out here and never change as long as the group lives, whatever is
 * imported, reloaded or removed: histories and campaigns keep row numbers. */
#ifndef OD_SERVE_LIVE_H
#define OD_SERVE_LIVE_H

#include <pthread.h>
#include <stdatomic.h>

#include "data/table.h"
#include "serve/activity.h"
#include "serve/serve.h"

/* A dataset's schema, shared by the tables made from it. Immutable. */
struct od_dataset {
    atomic_uint refs;
    struct od_arena arena;
    struct od_schema schema;
};
enum od_status od_dataset_new(struct od_str schema_text, enum od_domain domain,
                              struct od_dataset **out, struct od_error *err) OD_MUST_USE;
struct od_dataset *od_dataset_ref(struct od_dataset *dataset); /* NULL stays NULL */
void od_dataset_unref(struct od_dataset *dataset);

/* Event types: text to a 16-bit code; texts that differ only in case share one, the first seen.
 * Code 0 is "". */
struct od_event_types {
    struct od_dict *folded;
    struct od_str *texts; /* [count] in bytes */
    uint32_t count, cap;
    struct od_arena bytes;
};

struct od_serve_filter;

struct od_live {
    atomic_uint refs;
    struct od_str arn;
    pthread_rwlock_t lock; /* over all below */
    bool removed;          /* the group was taken away: reloads must not land */
    struct od_dataset *datasets[OD_DATASET_TYPES]; /* NULL: no such dataset */
    struct od_table *items; /* never NULL; without columns while there is no ITEMS dataset */
    struct od_table *users; /* NULL while there is no USERS dataset */
    uint64_t items_epoch;   /* changes when another table takes the place of items */
    struct od_event_types types;
    struct od_activity *activity;
    uint64_t activity_epoch;
    struct od_table *actions; /* as items, of the ACTIONS dataset */
    uint64_t actions_epoch;
    struct od_activity *action_activity; /* of the ACTION_INTERACTIONS dataset */
    struct od_serve_filter **filters;    /* of this group, for recompiling */
    size_t filter_count, filter_cap;
    uint64_t filter_serials; /* given out so far */
};

/* The first row of every group's items and of its actions: the empty id, which none has. It never
 * has a record, so what a filter says of it holds for any item that the group does not know. */
#define OD_NAMELESS_ROW 0u

/* The table of a dataset type's ids: items for OD_ITEMS and OD_INTERACTIONS, actions for OD_ACTIONS
 * and OD_ACTION_INTERACTIONS, users (which may be NULL). */
struct od_table *od_live_table(const struct od_live *live, enum od_dataset_type type);

struct od_live *od_live_new(struct od_str arn); /* NULL when out of memory; one reference */
struct od_live *od_live_ref(struct od_live *live);
void od_live_unref(struct od_live *live);

/* ---- with the lock held for writing ---- */
enum od_status od_live_type(struct od_live *live, struct od_str type,
                            uint16_t *out_code) OD_MUST_USE;
/* Puts dataset (a reference; may be NULL) and table in place of the old ones, given back for the
 * caller to free after unlocking. The table is one of items, users or actions; for another type
 * pass NULL. activity, of a type of events, may be NULL: what there is stays.
 * Compiled filters follow the new schemas. */
struct od_live_swap {
    struct od_dataset *dataset;
    struct od_table *table;
    struct od_activity *activity;
};
void od_live_swap_dataset(struct od_live *live, enum od_dataset_type type,
                          struct od_live_swap *swap);
void od_live_swap_done(struct od_live_swap *swap); /* frees what was taken out */

/* ---- taking the lock by themselves ---- */
/* Rows of ids, added where new, in slices so that queries are never kept out for long. Absent ids
 * get OD_NO_ROW. */
enum od_status od_live_rows(struct od_live *live, enum od_dataset_type type,
                            const struct od_str *ids, size_t count, uint32_t *out_rows) OD_MUST_USE;
/* Gives table, which nobody else sees, every id of the type's table (not that of users) under the
 * same row number. table must hold a prefix of them. */
enum od_status od_live_follow(struct od_live *live, enum od_dataset_type type,
                              struct od_table *table) OD_MUST_USE;
/* The same with the lock already held (either way). */
enum od_status od_live_follow_locked(const struct od_live *live, enum od_dataset_type type,
                                     struct od_table *table, uint32_t most) OD_MUST_USE;
enum od_status od_live_event(struct od_live *live, const struct od_live_event *event) OD_MUST_USE;
enum od_status od_live_record(struct od_live *live, enum od_dataset_type type,
                              const struct od_value *values) OD_MUST_USE;

/* Resolves an event's item, type and impression by the live group, for another activity. */
enum od_status od_live_resolve(struct od_live *live, const struct od_live_event *event,
                               uint32_t *shown, struct od_activity_event *out) OD_MUST_USE;

#endif
