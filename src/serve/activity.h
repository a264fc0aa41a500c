/* What happened in a dataset group: the histories of its users and the counts of its items.
 *
 * Built and swapped as one (a reload of interactions makes a new one). Nothing here locks. */
#ifndef OD_SERVE_ACTIVITY_H
#define OD_SERVE_ACTIVITY_H

#include "serve/history.h"

/* What exploration needs to know of an item (data.md section 16). */
struct od_item_facts {
    uint32_t interactions;
    uint32_t impressions; /* times it was in a list shown with an event */
    uint32_t chosen;      /* of these, times it was the item of the event */
    int64_t first_time;   /* oldest interaction; meaningless when interactions is 0 */
};

struct od_activity {
    struct od_histories *histories;
    struct od_item_facts *facts; /* [fact_count] by item row; rows beyond have none */
    uint32_t fact_count;
    bool any;                     /* an interaction was counted */
    int64_t latest_time;          /* newest interaction, when any */
    uint64_t impressions, chosen; /* of all items */
    uint64_t changes;             /* grows with every interaction and impression */
};

struct od_activity *od_activity_new(void); /* NULL when out of memory */
/* Goes on from a numbered file, which becomes its own, also on failure. */
struct od_activity *od_activity_new_from(struct od_history_file *file);
void od_activity_free(struct od_activity *activity);

/* The name of a user, or of a session where no user has that id; OD_NO_CODE: of neither. Sessions
 * have names of their own: ids of both may be the same numbers, and what a session did before it
 * joined somebody is not what a user of that number did. */
uint32_t od_activity_name(const struct od_activity *activity, struct od_str id);

/* Room for the facts of item rows 0 to row; the others below cannot fail afterwards. */
enum od_status od_activity_reserve(struct od_activity *activity, uint32_t row) OD_MUST_USE;
/* One interaction with, and count showings of, an item whose row is reserved. */
void od_activity_interaction(struct od_activity *activity, uint32_t row, int64_t time);
void od_activity_shown(struct od_activity *activity, uint32_t row, uint32_t count);
/* An interaction that was with an item of the list shown. */
void od_activity_chosen(struct od_activity *activity, uint32_t row);

/* A live event whose item and type are known by number. */
struct od_activity_event {
    struct od_str user, session; /* as in od_live_event */
    struct od_history_event event;
    const uint32_t *shown; /* item rows of its impression */
    size_t shown_count;
    bool *out_joined; /* as in od_live_event */
};
enum od_status od_activity_add(struct od_activity *activity,
                               const struct od_activity_event *event) OD_MUST_USE;

uint64_t od_activity_bytes(const struct od_activity *activity);
/* What a file of histories would take out of memory. */
uint64_t od_activity_evictable(const struct od_activity *activity);
/* Exchanges all but the histories. */
void od_activity_swap_facts(struct od_activity *a, struct od_activity *b);

#endif
