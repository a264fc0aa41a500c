/* The newest interactions of every user and session of a dataset group.
 *
 * A "name" is a user's or a session's (activity.h). Events are kept in order of time, events of
 * equal time in order of arrival, and at most OD_HISTORY_EVENTS a name: first the newest 100 of
 * each type, so that looks do not push a booking out, then the newest others; where the first are
 * too many already, the newest of them. Events of a name that are equal in all of od_history_event
 * are kept once, as in training (data.md section 7): whoever imports what was put finds it once.
 * What nothing happened to since a file of histories was written (history_file.h) lies there and
 * not in memory. Nothing here locks: the owner does. */
#ifndef OD_SERVE_HISTORY_H
#define OD_SERVE_HISTORY_H

#include "base/dict.h"

struct od_history_event {
    int64_t time;      /* seconds since 1970 */
    uint32_t item_row; /* row in the group's item table */
    uint16_t type;     /* code in the group's event types */
    uint16_t value;    /* od_history_value of its EVENT_VALUE */
};
/* A mark that differs for different values, but for one pair in 65,535. */
uint16_t od_history_value(bool has_value, double value);

struct od_histories;
struct od_history_file;
struct od_histories *od_histories_new(void); /* NULL when out of memory */
/* Goes on from a numbered file, which becomes its own, also on failure. */
struct od_histories *od_histories_new_from(struct od_history_file *file);
void od_histories_free(struct od_histories *histories);

/* The number of a name, added when new. */
enum od_status od_histories_name(struct od_histories *histories, struct od_str id,
                                 uint32_t *out_name) OD_MUST_USE;
/* Of many, in their order: the same, faster. */
enum od_status od_histories_name_many(struct od_histories *histories, const struct od_str *ids,
                                      uint32_t count, uint32_t *out_names) OD_MUST_USE;
uint32_t od_histories_find(const struct od_histories *histories, struct od_str id); /* OD_NO_CODE */
struct od_str od_histories_text(const struct od_histories *histories, uint32_t name);

enum od_status od_histories_add(struct od_histories *histories, uint32_t name,
                                const struct od_history_event *event) OD_MUST_USE;
/* The same, later: by the next settle at the latest, each name's in the order of the calls. Whoever
 * uses it settles before anything but names is asked for, added or linked. */
enum od_status od_histories_add_later(struct od_histories *histories, uint32_t name,
                                      const struct od_history_event *event) OD_MUST_USE;
enum od_status od_histories_settle(struct od_histories *histories) OD_MUST_USE;
/* Joins a session to a user: what the session did so far becomes the user's (the user's own first
 * among events of equal time), and from now on both names mean one history. A session already
 * joined elsewhere moves: its next events go to the new user, its earlier ones stay. */
enum od_status od_histories_link(struct od_histories *histories, uint32_t user,
                                 uint32_t session) OD_MUST_USE;
/* The user that a session was joined to; any other name itself. */
uint32_t od_histories_owner(const struct od_histories *histories, uint32_t name);

uint32_t od_histories_length(const struct od_histories *histories, uint32_t name);
/* Copies the newest count <= length events to out, oldest first. */
void od_histories_copy(const struct od_histories *histories, uint32_t name, uint32_t count,
                       struct od_history_event *out);

uint32_t od_histories_count(const struct od_histories *histories);  /* names */
uint64_t od_histories_events(const struct od_histories *histories); /* in memory or in the file */
uint64_t od_histories_bytes(const struct od_histories *histories);  /* of memory */
uint64_t od_histories_evictable(const struct od_histories *histories); /* of bytes */
uint64_t od_histories_evicted(const struct od_histories *histories);   /* names in the file alone */

#endif
