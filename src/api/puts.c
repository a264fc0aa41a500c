/* Committing Put* calls: see puts.h. */
#include "api/puts.h"

#include "api/attribution.h"

static void leave_queue(struct od_app *app, size_t bytes)
{
    atomic_fetch_sub(&app->queued_puts, 1);
    atomic_fetch_sub(&app->queued_put_bytes, bytes);
}

/* An empty queue takes any call: one alone may be larger than the bound on all. */
static bool enter_queue(struct od_app *app, size_t bytes)
{
    unsigned calls = atomic_fetch_add(&app->queued_puts, 1);
    size_t held = atomic_fetch_add(&app->queued_put_bytes, bytes);
    if (calls == 0 ||
        (calls < app->config.put_queue_calls && bytes <= app->config.put_queue_bytes &&
         held <= app->config.put_queue_bytes - bytes))
        return true;
    leave_queue(app, bytes);
    return false;
}

enum od_status od_puts_queue(struct od_call *call, const struct od_put *put)
{
    struct od_app *app = call->app;
    struct od_put *kept = OD_NEW(call->arena, struct od_put);
    size_t bytes = call->arena->used;
    enum od_status s = OD_OK;
    if (!kept)
        s = od_fail(&call->err, OD_NO_MEMORY, NULL);
    else if (!enter_queue(app, bytes)) {
        od_target_count(put->target, OD_EVENT_THROTTLED, put->events ? put->count : 0);
        s = od_fail(&call->err, OD_THROTTLED, NULL);
    }
    if (s != OD_OK) {
        od_target_unref(put->target);
        return s;
    }
    *kept = *put;
    kept->bytes = bytes;
    call->put = kept;
    call->task.is_put = true;
    od_queue_post(&app->store_queue, &call->task);
    return OD_OK;
}

void od_body_add(struct od_buf *body, struct od_str name, const struct od_value *value)
{
    if (value->kind == OD_VALUE_NULL)
        return;
    od_buf_char(body, body->len ? ',' : '{');
    od_buf_json(body, name);
    od_buf_char(body, ':');
    if (value->kind == OD_VALUE_INTEGER)
        od_buf_printf(body, "%lld", (long long)value->integer);
    else if (value->kind == OD_VALUE_REAL)
        od_buf_double(body, value->real);
    else if (value->kind == OD_VALUE_BOOLEAN)
        od_buf_puts(body, value->integer ? "true" : "false");
    else
        od_buf_json(body, value->text);
}

/* Metric attributions count interactions, in the same transaction. */
static enum od_status append_events(struct od_app *app, struct od_call *call)
{
    const struct od_put *put = call->put;
    const struct od_target *target = put->target;
    enum od_status s = od_events_append(app->store, target->dataset, put->events, put->count,
                                        put->is_new, &call->err);
    if (s != OD_OK || target->type != OD_INTERACTIONS)
        return s;
    return od_attribution_count(call, target->group, put->events, put->is_new, put->count);
}

static enum od_status append(struct od_app *app, struct od_call *call, int64_t now_ms)
{
    struct od_put *put = call->put;
    bool tracked = put->target->type == OD_INTERACTIONS;
    bool replaced = atomic_load(&put->target->replaced);
    if (replaced && tracked) /* PutEvents declares no other error */
        return od_fail(&call->err, OD_INVALID_INPUT,
                       "The dataset group of this event tracker has no Interactions dataset.");
    if (replaced)
        return od_fail(&call->err, OD_IN_USE, "Resource Arn %.*s is being updated.",
                       OD_STR_ARG(put->target->dataset));
    if (atomic_load(&put->target->gone) && tracked) /* PutEvents declares no other error */
        return od_fail(&call->err, OD_INVALID_INPUT, "Unknown trackingId %.*s.",
                       OD_STR_ARG(put->target->name));
    if (atomic_load(&put->target->gone))
        return od_fail(&call->err, OD_NOT_FOUND, "Resource Arn %.*s does not exist.",
                       OD_STR_ARG(put->target->dataset));
    for (size_t i = 0; i < put->count; i++) {
        if (put->events)
            put->events[i].arrived_ms = now_ms;
        else
            put->records[i].arrived_ms = now_ms;
    }
    if (put->events)
        return append_events(app, call);
    return od_records_put(app->store, put->target->dataset, put->records, put->count, &call->err);
}

/* What a request says was shown when its event happened. */
struct told {
    const struct od_api_strings *impression;
    struct od_str recommendation_id;
};

static struct told told_of(const struct od_call *call, size_t i)
{
    if (call->put->target->type == OD_ACTION_INTERACTIONS) {
        const struct od_events_put_action_interactions_request *request = call->in;
        const struct od_events_action_interaction *in = &request->action_interactions.items[i];
        return (struct told){&in->impression, in->recommendation_id};
    }
    const struct od_events_put_events_request *request = call->in;
    const struct od_events_event *in = &request->event_list.items[i];
    return (struct told){&in->impression, in->recommendation_id};
}

/* With what was shown: told explicitly, else found by recommendationId. A list of actions says
 * nothing of items, and the other way round. */
static enum od_status make_event_live(struct od_app *app, struct od_call *call, size_t i,
                                      bool *out_joined)
{
    struct told in = told_of(call, i);
    const struct od_event *e = &call->put->events[i];
    struct od_live_event live = {.user = e->user,
                                 .session = e->session,
                                 .item = e->item,
                                 .action = call->put->target->type == OD_ACTION_INTERACTIONS,
                                 .type = e->type,
                                 .time_s = e->time_s,
                                 .has_value = e->has_value,
                                 .value = e->value,
                                 .out_joined = out_joined,
                                 .impression = in.impression->items,
                                 .impression_count = in.impression->count};
    struct od_impression_list shown;
    if (!live.impression && in.recommendation_id.ptr &&
        od_serve_impressions(app->serve, call->put->target->group, in.recommendation_id,
                             call->arena, &shown) == OD_OK &&
        shown.actions == live.action) {
        live.impression = shown.items;
        live.impression_count = shown.count;
    }
    return od_serve_event(app->serve, call->put->target->group, &live);
}

/* After the commit: the next query sees it. A failure here is lack of memory; the data are safe and
 * come back at the next start, so the call still succeeds. */
static void make_live(struct od_app *app, struct od_call *call)
{
    const struct od_put *put = call->put;
    const struct od_target *target = put->target;
    for (size_t i = 0; i < put->count; i++) {
        enum od_status s = OD_OK;
        bool joined = false;
        if (put->events && put->is_new[i])
            s = make_event_live(app, call, i, &joined);
        else if (!put->events)
            s = od_serve_record(app->serve, target->group, target->type, put->values[i]);
        (void)s;
        if (put->events)
            od_target_count(target, put->is_new[i] ? OD_EVENT_ACCEPTED : OD_EVENT_DUPLICATE, 1);
        if (joined)
            od_target_count(target, OD_EVENT_JOINED, 1);
    }
}

/* Failures that leave the transaction whole (store.h): the call's own, not its neighbours'. */
static bool is_own_fault(enum od_status code)
{
    return code == OD_NOT_FOUND || code == OD_INVALID_INPUT || code == OD_EXISTS;
}

/* Appends all calls of the list in one transaction. On failure nothing of it is kept and err tells
 * why; a call whose own target has gone is no failure of the others. */
static enum od_status commit_group(struct od_app *app, struct od_task *list, struct od_error *err)
{
    int64_t now_ms = app->io->now_ms(app->io);
    enum od_status s = od_store_begin(app->store, err);
    if (s != OD_OK)
        return s;
    for (struct od_task *task = list; s == OD_OK && task; task = task->next) {
        struct od_call *call = (struct od_call *)task;
        call->err.code = OD_OK;
        if (append(app, call, now_ms) != OD_OK && !is_own_fault(call->err.code))
            s = od_error_copy(err, &call->err);
    }
    if (s == OD_OK)
        s = od_attributions_store(app, err);
    if (s == OD_OK)
        s = od_store_commit(app->store, err);
    else
        od_store_rollback(app->store);
    od_attributions_settle(app, s == OD_OK);
    return s;
}

void od_puts_commit(struct od_app *app, struct od_task *list)
{
    struct od_error err = {0};
    enum od_status s = commit_group(app, list, &err);
    while (list) {
        struct od_call *call = (struct od_call *)list;
        list = list->next;
        enum od_status own = s == OD_OK ? call->err.code : s;
        if (s != OD_OK)
            call->err = err;
        if (own == OD_OK)
            make_live(app, call);
        else if (call->put->events)
            od_target_count(call->put->target,
                            is_own_fault(own) ? OD_EVENT_INVALID : OD_EVENT_FAILED,
                            call->put->count);
        od_target_unref(call->put->target);
        leave_queue(app, call->put->bytes);
        od_call_answer(call, own, false);
    }
}
