/* GET /ondol/deletions/<data deletion job ARN>: the receipt of a deletion, an extension beside the
 * API. It says what was deleted and which files were written again or removed, and names no user:
 *
 *   {"dataDeletionJobArn":..., "status":..., "failureReason":..., "receipt":{...}, "job":{...}}
 *
 * failureReason, receipt (once the job is COMPLETED) and job (while it runs) are there when there
 * is one. The receipt is the file reports/<job name>.deletion.json of the data folder. */
#include "api/door.h"

#include "api/attach.h"
#include "api/runner.h"
#include "wire/aws_error.h"

#define RECEIPT_MAX (32u << 20)

struct question {
    struct od_str arn;
    struct od_arena *arena;
    struct od_resource job;
};

static enum od_status find_job(struct od_app *app, struct question *q, struct od_error *err)
{
    struct od_call call;
    od_call_internal(&call, app, q->arena);
    enum od_status s = od_resource_get(&call, &od_kind_deletion_job, q->arn, &q->job);
    return s == OD_OK ? OD_OK : od_error_copy(err, &call.err);
}

static enum od_status add_receipt(struct od_app *app, const struct question *q, struct od_buf *out,
                                  struct od_error *err)
{
    struct od_buf text;
    struct od_str path =
        od_app_path(app, q->arena, "reports/%.*s.deletion.json", OD_STR_ARG(q->job.name));
    if (!path.ptr)
        return od_fail(err, OD_NO_MEMORY, NULL);
    od_buf_init(&text, RECEIPT_MAX);
    enum od_status s = od_io_read_file(app->io, path.ptr, &text, err);
    if (s == OD_OK) {
        od_buf_puts(out, ",\"receipt\":");
        od_buf_str(out, od_str_trim(od_buf_view(&text)));
    }
    od_buf_done(&text);
    return s;
}

static enum od_status write_page(struct od_app *app, const struct question *q, struct od_buf *out,
                                 struct od_error *err)
{
    enum od_status s = OD_OK;
    od_buf_puts(out, "{\"dataDeletionJobArn\":");
    od_buf_json(out, q->job.arn);
    od_buf_puts(out, ",\"status\":");
    od_buf_json(out, q->job.status);
    if (q->job.failure_reason.len) {
        od_buf_puts(out, ",\"failureReason\":");
        od_buf_json(out, q->job.failure_reason);
    }
    if (od_str_eq_c(q->job.status, "COMPLETED"))
        s = add_receipt(app, q, out, err);
    od_runner_progress_of(app, q->job.arn, out);
    od_buf_char(out, '}');
    return s;
}

void od_door_deletion(struct od_app *app, struct od_http_exchange *exchange, struct od_str arn)
{
    struct od_http_response *response = od_http_response(exchange);
    struct question q = {.arena = od_http_arena(exchange)};
    struct od_error err;
    const char *type;
    q.arn = od_door_decode(q.arena, arn);
    response->content_type = OD_STR(OD_AWS_JSON);
    enum od_status s = q.arn.ptr ? find_job(app, &q, &err) : od_fail(&err, OD_NO_MEMORY, NULL);
    if (s == OD_OK)
        s = write_page(app, &q, &response->body, &err);
    if (s != OD_OK) {
        od_buf_clear(&response->body);
        od_aws_error_render(&err, false, &response->status, &type, &response->body);
    }
}
