/* The door: which operation, who asks, what do they say, and the answer.
 *
 * The order of checks is errors.md section 3: authentication, operation, JSON, constraints;
 * existence, state and quota are the handlers'. */
#include "api/door.h"

#include <stdio.h>
#include <string.h>

#include "api/ids.h"
#include "api/puts.h"
#include "api/query.h"
#include "s3/s3.h"
#include "wire/aws_error.h"

#define ANSWER_BYTES   (256u * 1024) /* of a request's memory, at least */
#define STRANGER_BYTES (64u * 1024)  /* of a body by an unknown key */

static void add_header(struct od_http_response *response, struct od_str name, struct od_str value)
{
    if (value.ptr && response->extra_count < sizeof response->extra / sizeof *response->extra)
        response->extra[response->extra_count++] = (struct od_http_header){name, value};
}

static void write_error(struct od_call *call, struct od_http_response *response)
{
    const char *type;
    od_buf_clear(&response->body);
    od_aws_error_render(&call->err, call->control, &response->status, &type, &response->body);
    add_header(response, OD_STR(OD_AWS_ERROR_HEADER), od_str_c(type));
    /* A disk that fails is told once by the store thread, not with every call. */
    bool known = call->err.code == OD_IO && od_store_health(call->app->store).failing;
    if (response->status >= 500 && response->status != 501 && !known)
        fprintf(stderr, "ondol: %s: %s\n", call->op ? call->op->name : "request",
                call->err.message);
}

void od_call_answer(struct od_call *call, enum od_status status, bool inside)
{
    struct od_http_exchange *exchange = call->exchange;
    struct od_http_response *response = od_http_response(exchange);
    struct od_app *app = call->app;
    response->content_type = call->control ? OD_STR(OD_AWS_JSON_1_1) : OD_STR(OD_AWS_JSON);
    if (status == OD_OK && call->op && call->op->output) {
        od_api_write(call->op->output, call->out, &response->body);
        if (od_buf_status(&response->body) != OD_OK)
            status =
                od_fail(&call->err, od_buf_status(&response->body), "The answer is too large.");
    }
    if (status != OD_OK)
        write_error(call, response);
    add_header(response, OD_STR("x-amzn-RequestId"), od_new_uuid(app->io, call->arena));
    add_header(response, OD_STR("Access-Control-Allow-Origin"), OD_STR("*"));
    add_header(response, OD_STR("Access-Control-Expose-Headers"),
               OD_STR("x-amzn-RequestId,x-amzn-ErrorType,Date"));
    int64_t since = od_http_request(exchange)->received_ns; /* 0: refused before all had come */
    od_door_count(app, call->op, response->status,
                  since ? app->io->monotonic_ns(app->io) - since : 0);
    if (!inside)
        od_http_finish(exchange);
}

static enum od_status find_operation(struct od_call *call, const struct od_http_request *request)
{
    struct od_str target = od_http_header(request, "x-amz-target");
    call->control = target.ptr != NULL;
    if (target.ptr && od_str_eq_c(request->method, "POST"))
        call->op = od_operation_by_target(target);
    else if (!target.ptr)
        call->op = od_operation_by_path(request->method, request->path);
    if (call->op)
        return OD_OK;
    if (target.ptr)
        return od_fail(&call->err, OD_UNKNOWN_OPERATION, "Unknown operation %.*s.",
                       OD_STR_ARG(od_str_sub(target, 0, 200)));
    return od_fail(&call->err, OD_UNKNOWN_OPERATION, "Unknown operation %.*s %.*s.",
                   OD_STR_ARG(request->method), OD_STR_ARG(od_str_sub(request->path, 0, 200)));
}

/* What is read leaves room for an answer, be it that it was too much. */
static enum od_status parse(struct od_call *call, struct od_str body, void *in)
{
    struct od_json json;
    struct od_arena *arena = call->arena;
    size_t most = arena->max;
    arena->max -= ANSWER_BYTES;
    enum od_status s = od_json_parse(arena, body, &json, &call->err);
    if (s == OD_OK)
        s = od_api_bind(call->op->input, &json, arena, in, &call->err);
    if (s == OD_NO_MEMORY && arena->full)
        s = od_fail(&call->err, OD_TOO_LARGE, "The request has too many values.");
    arena->max = most;
    return s;
}

static enum od_status read_input(struct od_call *call, const struct od_http_request *request)
{
    struct od_str body = request->body.len ? request->body : OD_STR("{}");
    void *in = od_arena_alloc(call->arena, call->op->input->size);
    call->out = call->op->output ? od_arena_alloc(call->arena, call->op->output->size) : NULL;
    if (!in || (call->op->output && !call->out))
        return od_fail(&call->err, OD_NO_MEMORY, NULL);
    call->in = in;
    enum od_status s = parse(call, body, in);
    return s == OD_OK && call->control ? od_tags_check(call) : s;
}

static void run_on_store(struct od_app *app, struct od_task *task)
{
    struct od_call *call = (struct od_call *)task;
    (void)app;
    od_call_answer(call, od_handlers[call->op - od_operations].run(call), false);
}

/* True when the answer is ready, false when it will come later. */
static bool run(struct od_call *call)
{
    const struct od_handler *handler = &od_handlers[call->op - od_operations];
    enum od_status s = OD_OK;
    switch (handler->place) {
    case OD_PLACE_STORE:
        call->task.run = run_on_store;
        od_queue_post(&call->app->store_queue, &call->task);
        return false;
    case OD_PLACE_PUT:
    case OD_PLACE_LINE:
        s = handler->run(call);
        if (s == OD_OK)
            return false;
        break;
    case OD_PLACE_NONE:
        s = od_fail(&call->err, OD_INTERNAL, "Operation %s has no handler.", call->op->name);
    }
    od_call_answer(call, s, true);
    return true;
}

struct od_call *od_door_call(struct od_app *app, struct od_http_exchange *exchange)
{
    struct od_call *call = OD_NEW(od_http_arena(exchange), struct od_call);
    if (!call) {
        od_http_response(exchange)->status = 500;
        return NULL;
    }
    call->app = app;
    call->exchange = exchange;
    call->arena = od_http_arena(exchange);
    call->account = od_str_c(app->config.account);
    call->now_ms = app->io->now_ms(app->io);
    return call;
}

/* Signatures cover bodies, so a body comes before its signature is looked at; but nobody's big one
 * is kept who does not even name a key. */
static bool refuses_stranger(struct od_app *app, struct od_http_exchange *exchange)
{
    const struct od_http_request *request = od_http_request(exchange);
    struct od_error err;
    struct od_call *call;
    if (app->config.no_auth || (!request->chunked && request->content_length <= STRANGER_BYTES) ||
        od_sigv4_known(app->sigv4, request, &err) == OD_OK)
        return false;
    if (od_query_claims(request)) {
        od_query_refuse(app, exchange, &err);
    } else if ((call = od_door_call(app, exchange)) != NULL) {
        call->control = od_http_header(request, "x-amz-target").ptr != NULL;
        od_call_answer(call, od_error_copy(&call->err, &err), true);
    }
    return true;
}

enum od_http_intake od_door_begin(void *context, struct od_http_exchange *exchange)
{
    struct od_app *app = context;
    const struct od_http_request *request = od_http_request(exchange);
    bool known = od_door_is_page(request->path) || od_query_claims(request) ||
                 od_operation_by_path(OD_STR("POST"), request->path);
    if (app->s3 && od_s3_claims(request, known))
        return od_s3_begin(app->s3, exchange);
    return refuses_stranger(app, exchange) ? OD_HTTP_REFUSE : OD_HTTP_COLLECT;
}

bool od_door_handle(void *context, struct od_http_exchange *exchange)
{
    struct od_app *app = context;
    const struct od_http_request *request = od_http_request(exchange);
    if (od_http_context(exchange))
        return od_s3_handle(app->s3, exchange);
    if (od_query_claims(request))
        return od_query_handle(app, exchange);
    enum od_door_page page = od_door_pages(app, exchange);
    if (page != OD_PAGE_NONE)
        return page == OD_PAGE_WRITTEN;
    if (od_door_is_explain(request))
        return od_door_explain(app, exchange);
    struct od_call *call = od_door_call(app, exchange);
    if (!call)
        return true;
    call->control = od_http_header(request, "x-amz-target").ptr != NULL;
    enum od_status s = od_door_verify(app, exchange, &call->region, &call->err);
    if (s == OD_OK)
        s = find_operation(call, request);
    if (s == OD_OK && !atomic_load(&app->ready))
        s = od_fail(&call->err, OD_UNAVAILABLE, "The server is loading its data.");
    if (s == OD_OK)
        s = read_input(call, request);
    if (s == OD_OK)
        return run(call);
    od_call_answer(call, s, true);
    return true;
}
