/* Pages beside the API: health, readiness, metrics, the progress of jobs, and CORS preflights. */
#include <string.h>

#include "api/attribution.h"
#include "api/capacity.h"
#include "api/door.h"
#include "api/runner.h"
#include "api/targets.h"
#include "wire/aws_error.h"
#include "wire/metrics.h"

static void text_page(struct od_http_response *response, int status, const char *type,
                      const char *text)
{
    response->status = status;
    response->content_type = od_str_c(type);
    od_buf_puts(&response->body, text);
}

/* Browsers ask before they post to another origin (api.md section 3). */
static void preflight(struct od_http_response *response)
{
    static const struct od_http_header headers[] = {
        {{"Access-Control-Allow-Origin", 27}, {"*", 1}},
        {{"Access-Control-Allow-Methods", 28}, {"POST, GET, OPTIONS", 18}},
        {{"Access-Control-Allow-Headers", 28},
         {"authorization,content-type,x-amz-date,x-amz-target,x-amz-security-token,x-amz-content-"
          "sha256,"
          "x-amz-user-agent,amz-sdk-invocation-id,amz-sdk-request",
          147}},
        {{"Access-Control-Max-Age", 22}, {"86400", 5}},
    };
    response->status = 204;
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++)
        response->extra[response->extra_count++] = headers[i];
}

/* Pages under /ondol/ want a key and a server that has its data; otherwise the error is written. */
static bool may_look(struct od_app *app, struct od_http_exchange *exchange)
{
    struct od_http_response *response = od_http_response(exchange);
    struct od_error err;
    struct od_str region;
    const char *type;
    response->content_type = OD_STR(OD_AWS_JSON);
    enum od_status s = od_door_verify(app, exchange, &region, &err);
    if (s == OD_OK && !atomic_load(&app->ready))
        s = od_fail(&err, OD_UNAVAILABLE, "The server is loading its data.");
    if (s != OD_OK)
        od_aws_error_render(&err, false, &response->status, &type, &response->body);
    return s == OD_OK;
}

/* A page about an ARN on its way over the store thread, which may be busy for long. */
struct page_task {
    struct od_task task;
    struct od_http_exchange *exchange;
    void (*page)(struct od_app *app, struct od_http_exchange *exchange, struct od_str arn);
    struct od_str arn;
};

static void run_page(struct od_app *app, struct od_task *task)
{
    struct page_task *t = (struct page_task *)task;
    t->page(app, t->exchange, t->arn);
    od_http_finish(t->exchange);
}

static enum od_door_page ask_page(struct od_app *app, const struct page_task *page)
{
    struct page_task *t = OD_NEW(od_http_arena(page->exchange), struct page_task);
    if (!t) {
        od_http_response(page->exchange)->status = 500;
        return OD_PAGE_WRITTEN;
    }
    *t = *page;
    t->task.run = run_page;
    od_queue_post(&app->store_queue, &t->task);
    return OD_PAGE_LATER;
}

static enum od_door_page own_page(struct od_app *app, struct od_http_exchange *exchange,
                                  struct od_str path)
{
    static const struct {
        const char *path;
        void (*page)(struct od_app *app, struct od_http_exchange *exchange, struct od_str arn);
    } of_arns[] = {{"/ondol/models/", od_door_model}, {"/ondol/deletions/", od_door_deletion}};
    if (od_str_eq_c(path, "/ondol/jobs")) {
        if (may_look(app, exchange))
            od_runner_progress(app, &od_http_response(exchange)->body);
        return OD_PAGE_WRITTEN;
    }
    for (size_t i = 0; i < sizeof of_arns / sizeof *of_arns; i++) {
        if (!od_str_starts(path, od_str_c(of_arns[i].path)))
            continue;
        if (!may_look(app, exchange))
            return OD_PAGE_WRITTEN;
        struct od_str arn = od_str_sub(path, strlen(of_arns[i].path), path.len);
        return ask_page(
            app, &(struct page_task){.exchange = exchange, .page = of_arns[i].page, .arn = arn});
    }
    return OD_PAGE_NONE;
}

bool od_door_is_page(struct od_str path)
{
    return od_str_eq_c(path, "/health") || od_str_eq_c(path, "/ready") ||
           od_str_eq_c(path, "/metrics") || od_str_starts(path, OD_STR("/ondol/"));
}

enum od_door_page od_door_pages(struct od_app *app, struct od_http_exchange *exchange)
{
    const struct od_http_request *request = od_http_request(exchange);
    struct od_http_response *response = od_http_response(exchange);
    bool get = od_str_eq_c(request->method, "GET") || od_str_eq_c(request->method, "HEAD");
    if (od_str_eq_c(request->method, "OPTIONS")) {
        preflight(response);
        return OD_PAGE_WRITTEN;
    }
    if (!get)
        return OD_PAGE_NONE;
    if (od_str_eq_c(request->path, "/health"))
        text_page(response, 200, "text/plain", "ok\n");
    else if (od_str_eq_c(request->path, "/ready") && atomic_load(&app->ready) &&
             !atomic_load(&app->draining))
        text_page(response, 200, "text/plain", "ready\n");
    else if (od_str_eq_c(request->path, "/ready"))
        text_page(response, 503, "text/plain",
                  atomic_load(&app->draining) ? "draining\n" : "loading\n");
    else if (od_str_eq_c(request->path, "/metrics")) {
        response->content_type = OD_STR("text/plain; version=0.0.4");
        od_registry_write(app->registry, &response->body);
        od_attributions_write(app, &response->body);
        od_targets_write(app->targets, &response->body);
        od_capacity_write(app, &response->body);
    } else
        return own_page(app, exchange, request->path);
    return OD_PAGE_WRITTEN;
}
