/* PutActionInteractions: every rule about an action interaction, on the HTTP thread (data.md
 * section 12.4). PutActions is with the other records in op_put.c.
 *
 * The tracking id is the dataset's own, so that knowing where an event goes needs no event tracker.
 * Event types other than the three that mean something are refused: nothing would ever look at
 * them. An event without userId is its session's, as with PutEvents. */
#include "api/put_read.h"
#include "api/puts.h"
#include "recipes/action.h"

/* Fields with a member of their own in the request. */
static const char *const own_members[] = {
    "USER_ID", "ACTION_ID", "TIMESTAMP", "EVENT_TYPE", "IMPRESSION", "RECOMMENDATION_ID", NULL};

static enum od_status read_body(struct od_call *call, const struct od_schema *schema,
                                const struct od_events_action_interaction *in, struct od_event *out)
{
    struct od_buf body;
    struct od_str shown = OD_STR_NONE;
    od_buf_init(&body, OD_PUT_BODY_BYTES);
    enum od_status s = od_put_fields(call, schema, own_members, in->properties.value, &body);
    if (in->impression.items)
        shown = od_put_join(call, &in->impression);
    if (s == OD_OK && in->impression.items && !shown.ptr)
        s = od_fail(&call->err, OD_NO_MEMORY, NULL);
    if (s == OD_OK)
        s = od_put_text(call, schema, "IMPRESSION", shown, &body);
    if (s == OD_OK)
        s = od_put_text(call, schema, "RECOMMENDATION_ID", in->recommendation_id, &body);
    out->body = od_put_finish_body(call, &body);
    return s == OD_OK && !out->body.ptr ? od_fail(&call->err, OD_NO_MEMORY, NULL) : s;
}

static enum od_status check_ids(struct od_call *call, const struct od_events_action_interaction *in)
{
    const struct {
        const char *member;
        struct od_str id;
    } ids[] = {{"actionId", in->action_id},
               {"userId", in->user_id},
               {"sessionId", in->session_id},
               {"eventId", in->event_id}};
    enum od_status s = OD_OK;
    for (size_t i = 0; s == OD_OK && i < sizeof ids / sizeof *ids; i++)
        s = od_put_check_id(call, ids[i].member, ids[i].id);
    return s;
}

static enum od_status read_event(struct od_call *call, const struct od_schema *schema,
                                 const struct od_events_action_interaction *in,
                                 struct od_event *out)
{
    *out =
        (struct od_event){.user = in->user_id,
                          .session = in->session_id,
                          .item = in->action_id,
                          .type = in->event_type,
                          .event_id = in->event_id,
                          .time_s = in->timestamp.value / 1000 - (in->timestamp.value % 1000 < 0)};
    enum od_status s = od_put_check_keys(call, in->properties.value);
    if (s == OD_OK)
        s = check_ids(call, in);
    if (s == OD_OK && od_action_type(in->event_type) == OD_ACTION_OTHER)
        s = od_fail(&call->err, OD_INVALID_INPUT,
                    "eventType must be Taken, Not Taken or Viewed, not \"%.*s\".",
                    OD_STR_ARG(in->event_type));
    return s == OD_OK ? read_body(call, schema, in, out) : s;
}

static enum od_status read_events(struct od_call *call, struct od_put *put)
{
    const struct od_events_put_action_interactions_request *in = call->in;
    put->count = in->action_interactions.count;
    put->events = OD_NEW_ARRAY(call->arena, struct od_event, put->count);
    put->is_new = OD_NEW_ARRAY(call->arena, bool, put->count);
    if (!put->events || !put->is_new)
        return od_fail(&call->err, OD_NO_MEMORY, NULL);
    enum od_status s = OD_OK;
    for (size_t i = 0; s == OD_OK && i < put->count; i++)
        s = read_event(call, &put->target->schema, &in->action_interactions.items[i],
                       &put->events[i]);
    return s;
}

enum od_status od_op_put_action_interactions(struct od_call *call)
{
    const struct od_events_put_action_interactions_request *in = call->in;
    struct od_put put = {.target = od_targets_find(call->app->targets, in->tracking_id)};
    if (!put.target || put.target->type != OD_ACTION_INTERACTIONS) {
        od_target_unref(put.target);
        od_targets_count_unknown(call->app->targets, in->action_interactions.count);
        return od_fail(&call->err, OD_NOT_FOUND,
                       "No Action interactions dataset has the trackingId %.*s.",
                       OD_STR_ARG(in->tracking_id));
    }
    enum od_status s = read_events(call, &put);
    if (s == OD_OK)
        return od_puts_queue(call, &put);
    od_target_count(put.target, OD_EVENT_INVALID, in->action_interactions.count);
    od_target_unref(put.target);
    return s;
}
