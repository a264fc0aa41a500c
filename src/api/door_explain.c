/* The page of explanations: checked on the HTTP thread, worked out on the explainer's. */
#include "api/door.h"
#include "api/explain.h"
#include "base/limits.h"

bool od_door_is_explain(const struct od_http_request *request)
{
    return od_str_eq_c(request->method, "POST") && od_str_eq_c(request->path, "/ondol/explain");
}

static enum od_status explain(struct od_call *call)
{
    struct od_str body = od_http_request(call->exchange)->body;
    struct od_json json;
    enum od_status s =
        od_json_parse(call->arena, body.len ? body : OD_STR("{}"), &json, &call->err);
    return s == OD_OK ? od_explain(call, &json, &od_http_response(call->exchange)->body) : s;
}

static void run(struct od_app *app, struct od_task *task)
{
    struct od_call *call = (struct od_call *)task;
    enum od_status s = explain(call);
    atomic_fetch_sub(&app->waiting_explanations, 1);
    od_call_answer(call, s, false);
}

bool od_door_explain(struct od_app *app, struct od_http_exchange *exchange)
{
    struct od_call *call = od_door_call(app, exchange);
    if (!call)
        return true;
    call->task.run = run;
    enum od_status s = od_door_verify(app, exchange, &call->region, &call->err);
    if (s == OD_OK && (!atomic_load(&app->ready) || atomic_load(&app->draining)))
        s = od_fail(&call->err, OD_UNAVAILABLE, "The server is starting or stopping.");
    if (s == OD_OK && atomic_fetch_add(&app->waiting_explanations, 1) >= OD_MAX_EXPLAIN_WAITING) {
        atomic_fetch_sub(&app->waiting_explanations, 1);
        s = od_fail(&call->err, OD_THROTTLED, "%d explanations are being worked on.",
                    OD_MAX_EXPLAIN_WAITING);
    }
    if (s == OD_OK) {
        od_queue_post(&app->explain_queue, &call->task);
        return false;
    }
    od_call_answer(call, s, true);
    return true;
}

void *od_explain_thread(void *arg)
{
    struct od_app *app = arg;
    bool quit = false;
    while (!quit) {
        struct od_task *list = od_queue_take(&app->explain_queue, -1, &quit);
        while (list) {
            struct od_task *next = list->next;
            list->run(app, list);
            list = next;
        }
    }
    return NULL;
}
