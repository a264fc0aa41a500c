/* The interactions as LinAR walks them: one user's items after the other, with what a Gram matrix
 * needs to know at each position, and all positions of each item.
 *
 * A prediction is made at every position that an event follows: from the events up to it, of the
 * event after it.
 *
 * Between two sessions lie `rest` empty positions (item OD_NO_CODE): what was done before a pause
 * has lost weight when the user comes back, as if that many other events had happened. The last
 * empty position is where the first event after the pause is predicted; no other one predicts. */
#ifndef OD_RECIPES_LINAR_EVENTS_H
#define OD_RECIPES_LINAR_EVENTS_H

#include <stdbool.h>

#include "data/training.h"

struct od_linar_events {
    uint32_t item_count;
    uint64_t count;     /* positions, below 2^32 - 1 */
    uint32_t *item;     /* [count] OD_NO_CODE: empty */
    uint32_t *left;     /* [count] positions after it in its user's history */
    float *weight;      /* [count] of the prediction made at it; 0 where left is 0 or the next
                           position is empty */
    uint64_t *at_start; /* [item_count + 1] */
    uint32_t *at;       /* [at_start[item_count]] positions grouped by item, ascending; no empty
                           ones */
};

/* A pause that ends a session: the half hour of web analytics. */
#define OD_LINAR_SESSION_GAP_S 1800
/* Empty positions between two events at these times: rest after a gap longer than that, else 0; 0
 * too when their difference is no int64_t. */
uint32_t od_linar_pause(int64_t earlier_s, int64_t later_s, uint32_t rest);

/* Which users, and what counts how much. */
struct od_linar_rule {
    double min_percentile, max_percentile; /* users with history lengths outside are dropped */
};

/* How much a prediction counts by its age. */
enum od_linar_fade {
    OD_LINAR_EVEN, /* all the same */
    OD_LINAR_USER, /* by place in the user's history alone */
    OD_LINAR_SLOW, /* and by date: half as much after half of the data's span, not below 1/2 */
    OD_LINAR_FAST, /* and by date: half as much after a fifth of it, not below 3/10 */
    OD_LINAR_FADES
};

/* out[u] = end of user u's usable history as an event index of training; equal to its start when
 * the user is dropped. Fails with OD_INVALID_INPUT when min exceeds max or no prediction is left.
 */
enum od_status od_linar_ends(const struct od_training *training, const struct od_linar_rule *rule,
                             uint64_t *out, struct od_error *err) OD_MUST_USE;

/* Positions that the events up to end[u] take with such rests. */
uint64_t od_linar_positions(const struct od_training *training, const uint64_t *end, uint32_t rest);

/* The events of every user up to end[u], with rest empty positions in every pause between two of
 * them. out is zeroed on failure; _done frees. */
enum od_status od_linar_events_init(struct od_linar_events *out, const struct od_training *training,
                                    const uint64_t *end, enum od_linar_fade fade, uint32_t rest,
                                    struct od_error *err) OD_MUST_USE;
void od_linar_events_done(struct od_linar_events *events);
/* Bytes that events of that many positions take. */
uint64_t od_linar_events_bytes(uint64_t count, uint32_t item_count);

#endif
