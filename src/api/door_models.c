/* GET /ondol/models/<ARN of a solution version or recommender>: what AWS's Describe has no place
 * for (an extension beside the API): the model card of an ACTIVE version, and how far a training
 * is.
 *
 *   {"solutionVersionArn" or "recommenderArn":..., "status":..., "failureReason":..., "card":{...},
 * "job":{...}}
 *
 * failureReason, card and job are there when there is one. Store thread. */
#include "api/door.h"

#include "api/attach.h"
#include "api/runner.h"
#include "wire/arn.h"
#include "wire/aws_error.h"

#define CARD_MAX (4u << 20)

struct question {
    struct od_str arn;
    struct od_arena *arena;
    const struct od_kind *kind;
    struct od_resource version;
    struct od_str card; /* path below the data folder; empty: none */
};

static enum od_status find_version(struct od_app *app, struct question *q, struct od_error *err)
{
    struct od_call call;
    struct od_json extra;
    od_call_internal(&call, app, q->arena);
    struct od_arn parsed;
    bool recommender =
        od_arn_parse(q->arn, &parsed) && od_str_eq_c(parsed.kind, od_kind_recommender.name);
    q->kind = recommender ? &od_kind_recommender : &od_kind_solution_version;
    enum od_status s = od_resource_get(&call, q->kind, q->arn, &q->version);
    if (s == OD_OK && q->version.extra.len &&
        od_json_parse(q->arena, q->version.extra, &extra, &call.err) == OD_OK)
        q->card = od_json_get_str(&extra, "card", OD_STR(""));
    return s == OD_OK ? OD_OK : od_error_copy(err, &call.err);
}

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

struct od_str od_door_decode(struct od_arena *arena, struct od_str text)
{
    char *out = od_arena_alloc(arena, text.len + 1);
    size_t n = 0;
    for (size_t i = 0; out && i < text.len; i++) {
        bool escape = text.ptr[i] == '%' && i + 2 < text.len && hex(text.ptr[i + 1]) >= 0 &&
                      hex(text.ptr[i + 2]) >= 0;
        out[n++] = text.ptr[i];
        if (escape)
            out[n - 1] = (char)(hex(text.ptr[i + 1]) << 4 | hex(text.ptr[i + 2]));
        i += escape ? 2 : 0;
    }
    return out ? (struct od_str){out, n} : OD_STR_NONE;
}

static enum od_status add_card(struct od_app *app, const struct question *q, struct od_buf *out,
                               struct od_error *err)
{
    struct od_buf text;
    struct od_str path = od_app_path(app, q->arena, "%.*s", OD_STR_ARG(q->card));
    if (!path.ptr)
        return od_fail(err, OD_NO_MEMORY, NULL);
    od_buf_init(&text, CARD_MAX);
    enum od_status s = od_io_read_file(app->io, path.ptr, &text, err);
    if (s == OD_OK) {
        od_buf_puts(out, ",\"card\":");
        od_buf_str(out, od_str_trim(od_buf_view(&text)));
    }
    od_buf_done(&text);
    return s;
}

static enum od_status write_page(struct od_app *app, struct question *q, struct od_buf *out,
                                 struct od_error *err)
{
    enum od_status s = OD_OK;
    od_buf_printf(out, "{\"%s\":", q->kind->arn_member);
    od_buf_json(out, q->version.arn);
    od_buf_puts(out, ",\"status\":");
    od_buf_json(out, q->version.status);
    if (q->version.failure_reason.len) {
        od_buf_puts(out, ",\"failureReason\":");
        od_buf_json(out, q->version.failure_reason);
    }
    if (q->card.len && od_str_eq_c(q->version.status, "ACTIVE"))
        s = add_card(app, q, out, err);
    od_runner_progress_of(app, q->version.arn, out);
    od_buf_char(out, '}');
    return s;
}

void od_door_model(struct od_app *app, struct od_http_exchange *exchange, struct od_str arn)
{
    struct od_http_response *response = od_http_response(exchange);
    struct question q = {.arena = od_http_arena(exchange), .card = OD_STR("")};
    struct od_error err;
    const char *type;
    q.arn = od_door_decode(q.arena, arn);
    response->content_type = OD_STR(OD_AWS_JSON);
    enum od_status s = q.arn.ptr ? find_version(app, &q, &err) : od_fail(&err, OD_NO_MEMORY, NULL);
    if (s == OD_OK)
        s = write_page(app, &q, &response->body, &err);
    if (s != OD_OK) {
        od_buf_clear(&response->body);
        od_aws_error_render(&err, false, &response->status, &type, &response->body);
    }
}
