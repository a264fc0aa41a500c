/* The query protocol: see query.h. The order of checks is that of the door: who asks, what is
 * asked, does it have the right form. */
#include "api/query.h"

#include <stdio.h>
#include <string.h>

#include "api/ids.h"
#include "s3/xml.h"

#define MAX_RESULT_BYTES (8u << 20)

static const struct service {
    const char *name, *version, *space;
} services[] = {
    {"sts", "2011-06-15", "https://sts.amazonaws.com/doc/2011-06-15/"},
    {"iam", "2010-05-08", "https://iam.amazonaws.com/doc/2010-05-08/"},
};

static const struct service *find_service(struct od_str name)
{
    for (size_t i = 0; i < sizeof services / sizeof *services; i++)
        if (od_str_eq_c(name, services[i].name))
            return &services[i];
    return NULL;
}

bool od_query_claims(const struct od_http_request *request)
{
    struct od_str service = od_sigv4_service(request);
    struct od_str type = od_http_header(request, "content-type");
    if (od_http_header(request, "x-amz-target").ptr)
        return false;
    if (service.ptr)
        return find_service(service) != NULL;
    return od_str_eq_c(request->method, "POST") && od_str_eq_c(request->path, "/") &&
           od_str_starts(type, OD_STR("application/x-www-form-urlencoded"));
}

enum od_status od_query_fail(struct od_query *query, int http_status, const char *code,
                             const char *fmt, ...)
{
    va_list ap;
    query->code = code;
    query->http_status = http_status;
    va_start(ap, fmt);
    vsnprintf(query->err.message, sizeof query->err.message, fmt, ap);
    va_end(ap);
    query->err.message[od_utf8_check(od_str_c(query->err.message))] = '\0';
    query->err.code = OD_INVALID_INPUT;
    return OD_INVALID_INPUT;
}

/* Errors of the house as those of this protocol. */
static void name_error(struct od_query *query)
{
    static const struct {
        enum od_status status;
        int http_status;
        const char *code;
    } names[] = {
        {OD_AUTH_MISSING, 403, "MissingAuthenticationToken"},
        {OD_AUTH_INCOMPLETE, 403, "IncompleteSignature"},
        {OD_AUTH_UNKNOWN, 403, "InvalidClientTokenId"},
        {OD_AUTH_SIGNATURE, 403, "SignatureDoesNotMatch"},
        {OD_UNAVAILABLE, 503, "ServiceUnavailable"},
    };
    for (size_t i = 0; !query->code && i < sizeof names / sizeof *names; i++)
        if (query->err.code == names[i].status) {
            query->code = names[i].code;
            query->http_status = names[i].http_status;
        }
    if (query->code)
        return;
    fprintf(stderr, "ondol: %.*s: %s\n", OD_STR_ARG(query->action), query->err.message);
    query->code = "InternalFailure";
    query->http_status = 500;
    snprintf(query->err.message, sizeof query->err.message,
             "The request processing has failed because of an unknown error.");
}

static void put_result(const struct od_query *query, const struct service *service,
                       struct od_buf *out)
{
    od_buf_printf(out, "<%.*sResponse xmlns=\"%s\">", OD_STR_ARG(query->action), service->space);
    if (query->result.len)
        od_buf_printf(out, "<%.*sResult>", OD_STR_ARG(query->action));
    od_buf_str(out, od_buf_view(&query->result));
    if (query->result.len)
        od_buf_printf(out, "</%.*sResult>", OD_STR_ARG(query->action));
}

static void answer(struct od_query *query, enum od_status status)
{
    struct od_http_response *response = od_http_response(query->exchange);
    const struct service *service = find_service(query->service);
    struct od_buf *out = &response->body;
    struct od_str id = od_new_uuid(query->app->io, query->arena);
    response->content_type = OD_STR("text/xml");
    if (status == OD_OK && od_buf_status(&query->result) != OD_OK)
        status = od_fail(&query->err, od_buf_status(&query->result), "The answer is too large.");
    if (status == OD_OK) {
        put_result(query, service, out);
        od_buf_puts(out, "<ResponseMetadata>");
        od_xml_put(out, "RequestId", id);
        od_buf_printf(out, "</ResponseMetadata></%.*sResponse>", OD_STR_ARG(query->action));
    } else {
        name_error(query);
        response->status = query->http_status;
        od_buf_printf(out, "<ErrorResponse xmlns=\"%s\"><Error><Type>%s</Type>",
                      service ? service->space : services[0].space,
                      query->http_status < 500 ? "Sender" : "Receiver");
        od_xml_put(out, "Code", od_str_c(query->code));
        od_xml_put(out, "Message", od_str_c(query->err.message));
        od_buf_puts(out, "</Error>");
        od_xml_put(out, "RequestId", id);
        od_buf_puts(out, "</ErrorResponse>");
    }
    response->extra[response->extra_count++] =
        (struct od_http_header){OD_STR("x-amzn-RequestId"), id.ptr ? id : OD_STR("none")};
    od_buf_done(&query->result);
}

/* ---- sts ---- */

static enum od_status get_caller_identity(struct od_query *query)
{
    const char *account = query->app->config.account;
    od_buf_printf(&query->result, "<Arn>arn:aws:iam::%s:user/%.*s</Arn>", account,
                  OD_STR_ARG(query->key_id));
    od_xml_put(&query->result, "UserId", query->key_id);
    od_xml_put(&query->result, "Account", od_str_c(account));
    return OD_OK;
}

/* ---- from the request to an operation ---- */

static enum od_status authenticate(struct od_query *query)
{
    struct od_sigv4_claim claim;
    struct od_app *app = query->app;
    const struct od_http_request *request = od_http_request(query->exchange);
    query->service = od_sigv4_service(request);
    query->key_id = OD_STR("none");
    if (app->config.no_auth)
        return OD_OK;
    if (!query->service.ptr)
        return od_fail(&query->err, OD_AUTH_MISSING, NULL);
    enum od_status s = od_sigv4_verify(app->sigv4, request, query->service,
                                       app->io->now_ms(app->io) / 1000, &claim, &query->err);
    if (s == OD_OK)
        query->key_id = claim.key_id;
    return s;
}

/* An unsigned form says by its version which service it means. */
static enum od_status find_action(struct od_query *query)
{
    struct od_str version = od_form_get(&query->form, "Version");
    query->action = od_form_get(&query->form, "Action");
    for (size_t i = 0; !query->service.ptr && i < sizeof services / sizeof *services; i++)
        if (od_str_eq_c(version, services[i].version))
            query->service = od_str_c(services[i].name);
    const struct service *service = find_service(query->service);
    bool plain = query->action.len > 0 && query->action.len <= 100;
    for (size_t i = 0; plain && i < query->action.len; i++)
        plain = (query->action.ptr[i] | 0x20) >= 'a' && (query->action.ptr[i] | 0x20) <= 'z';
    if (!plain)
        return od_query_fail(query, 400, "MissingAction", "The request names no action.");
    if (!service || !od_str_eq_c(version, service->version))
        return od_query_fail(query, 400, "InvalidAction",
                             "Could not find operation %.*s for version %.*s",
                             OD_STR_ARG(query->action), OD_STR_ARG(od_str_sub(version, 0, 40)));
    return OD_OK;
}

static enum od_status read_form(struct od_query *query)
{
    const struct od_http_request *request = od_http_request(query->exchange);
    struct od_str text = od_str_eq_c(request->method, "GET") ? request->query : request->body;
    enum od_status s = od_form_parse(text, query->arena, &query->form, &query->err);
    if (s == OD_INVALID_INPUT)
        return od_query_fail(query, 400, "MalformedInput", "The form cannot be read.");
    return s;
}

static void run_on_store(struct od_app *app, struct od_task *task)
{
    struct od_query *query = (struct od_query *)task;
    (void)app;
    answer(query, od_iam_find(query->action)(query));
    od_http_finish(query->exchange);
}

static struct od_query *new_query(struct od_app *app, struct od_http_exchange *exchange)
{
    struct od_arena *arena = od_http_arena(exchange);
    struct od_query *query = OD_NEW(arena, struct od_query);
    if (!query) {
        od_http_response(exchange)->status = 500;
        return NULL;
    }
    query->app = app;
    query->exchange = exchange;
    query->arena = arena;
    od_buf_init(&query->result, MAX_RESULT_BYTES);
    return query;
}

void od_query_refuse(struct od_app *app, struct od_http_exchange *exchange,
                     const struct od_error *why)
{
    struct od_query *query = new_query(app, exchange);
    if (!query)
        return;
    query->service = od_sigv4_service(od_http_request(exchange));
    answer(query, od_error_copy(&query->err, why));
}

bool od_query_handle(struct od_app *app, struct od_http_exchange *exchange)
{
    struct od_query *query = new_query(app, exchange);
    if (!query)
        return true;
    enum od_status s = authenticate(query);
    if (s == OD_OK)
        s = read_form(query);
    if (s == OD_OK)
        s = find_action(query);
    if (s == OD_OK && !atomic_load(&app->ready))
        s = od_fail(&query->err, OD_UNAVAILABLE, "The server is loading its data.");
    if (s == OD_OK && od_str_eq_c(query->service, "iam") && od_iam_find(query->action)) {
        query->task.run = run_on_store;
        od_queue_post(&app->store_queue, &query->task);
        return false;
    }
    if (s == OD_OK && od_str_eq_c(query->service, "sts") &&
        od_str_eq_c(query->action, "GetCallerIdentity"))
        s = get_caller_identity(query);
    else if (s == OD_OK)
        s = od_query_fail(query, 400, "InvalidAction", "%.*s is not implemented here.",
                          OD_STR_ARG(query->action));
    answer(query, s);
    return true;
}
