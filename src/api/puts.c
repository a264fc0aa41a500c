/* Committing Put* calls: see puts.h. */
#include "api/puts.h"

#include "api/attribution.h"

enum od_status od_puts_queue(struct od_call *call, const struct od_put *put)
{
    struct od_app *app = call->app;
    struct od_put *kept = OD_NEW(call->arena, struct od_put);
    enum od_status s = OD_OK;
    if (!kept)
        s = od_fail(&call->err, OD_NO_MEMORY, NULL);
    else if (atomic_fetch_add(&app->queued_puts, 1) >= OD_MAX_QUEUED_PUTS) {
        atomic_fetch_sub(&app->queued_puts, 1);
        s = od_fail(&call->err, OD_THROTTLED, NULL);
    }
    if (s != OD_OK) {
        od_target_unref(put->target);
        return s;
    }
    *kept = *put;
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
    if (atomic_load(&put->target->gone) && put->events) /* PutEvents declares no other error */
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

/* With what was shown when the event happened: told explicitly, else found by recommendationId. */
static enum od_status make_event_live(struct od_app *app, struct od_call *call, size_t i)
{
    const struct od_events_event *in =
        &((const struct od_events_put_events_request *)call->in)->event_list.items[i];
    const struct od_event *e = &call->put->events[i];
    struct od_live_event live = {.user = e->user,
                                 .session = e->session,
                                 .item = e->item,
                                 .type = e->type,
                                 .time_s = e->time_s,
                                 .impression = in->impression.items,
                                 .impression_count = in->impression.count};
    struct od_impression_list shown;
    if (!live.impression && in->recommendation_id.ptr &&
        od_serve_impressions(app->serve, in->recommendation_id, call->arena, &shown) == OD_OK) {
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
        if (put->events && put->is_new[i])
            s = make_event_live(app, call, i);
        else if (!put->events)
            s = od_serve_record(app->serve, target->group, target->type, put->values[i]);
        (void)s;
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
        od_target_unref(call->put->target);
        atomic_fetch_sub(&app->queued_puts, 1);
        od_call_answer(call, own, false);
    }
}
