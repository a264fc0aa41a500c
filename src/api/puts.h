/* Put* calls: checked and converted on HTTP threads, committed in groups on the store thread.
 *
 * A call is acknowledged only after the commit that holds it, and is live (visible to the next
 * query) before its acknowledgement is sent. One fsync serves every call that waited for it.
 *
 * Back-pressure: calls that wait are bounded in number and in memory (struct od_app_config), so a
 * disk that is slower than the clients costs neither memory without end nor an acknowledgement that
 * is not true: whoever comes to a full queue is told ThrottlingException, having changed nothing.
 */
#ifndef OD_API_PUTS_H
#define OD_API_PUTS_H

#include "api/call.h"
#include "api/targets.h"

struct od_put {
    struct od_target *target;       /* one reference, given back after the commit */
    struct od_event *events;        /* PutEvents, PutActionInteractions */
    bool *is_new;                   /* of events: written by the commit */
    struct od_record *records;      /* PutItems, PutUsers, PutActions */
    const struct od_value **values; /* of each record, one a schema field */
    size_t count;
    size_t bytes; /* of the call's arena, as counted into the queue */
};

/* Queues a checked call; OD_THROTTLED when too many wait (the target is given back then). */
enum od_status od_puts_queue(struct od_call *call, const struct od_put *put) OD_MUST_USE;
/* Commits a list of put tasks as one transaction and answers them. Store thread. */
void od_puts_commit(struct od_app *app, struct od_task *list);

/* Appends the value of a field to a body under construction: ,"NAME":value. Null appends nothing.
 */
void od_body_add(struct od_buf *body, struct od_str name, const struct od_value *value);

#endif
