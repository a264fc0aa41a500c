/* Answers: the handler's, and the few the door gives by itself.
 *
 * The body is not copied: the memory of the response's od_buf, which comes from malloc, is handed
 * to libmicrohttpd, which frees it when the answer is sent or the client is gone. Headers are
 * copied by libmicrohttpd. Date, Content-Length and the line ends are its work too; it refuses a
 * header value with a line end in it, and such an answer becomes a 500.
 *
 * A body with a source is asked for block by block as the client reads, on the connection's thread.
 *
 * A refusal is an AWS-like error, so that an SDK shows its text: JSON with __type and message, and
 * the x-amzn-ErrorType header (api.md section 6). It always closes the connection. */
#include "wire/http_inner.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/limits.h"
#include "base/time.h"

#define MAX_REFUSAL_BYTES 8192 /* a message of 1,023 bytes, every one escaped to six */
#define MAX_FORCED_BYTES  (64 * 1024)
#define FLOW_BLOCK_BYTES  (128 * 1024)

struct refusal {
    int status;
    const char *reason; /* of the status line */
    const char *code;   /* of the error */
};
static const struct refusal refusals[] = {
    {400, "Bad Request", "BadRequestException"},
    {413, "Content Too Large", "RequestEntityTooLarge"},
    {417, "Expectation Failed", "ExpectationFailedException"},
    {431, "Request Header Fields Too Large", "RequestHeaderFieldsTooLargeException"},
    {500, "Internal Server Error", "InternalServerException"},
    {503, "Service Unavailable", "ServiceUnavailableException"},
    {505, "HTTP Version Not Supported", "HTTPVersionNotSupportedException"},
};

static const struct refusal *refusal_of(int status)
{
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++)
        if (refusals[i].status == status)
            return &refusals[i];
    return refusal_of(500);
}

static void put_refusal(struct od_buf *buf, const struct refusal *refusal, const char *message)
{
    od_buf_puts(buf, "{\"__type\":");
    od_buf_json(buf, od_str_c(refusal->code));
    od_buf_puts(buf, ",\"message\":");
    od_buf_json(buf, od_str_c(message));
    od_buf_char(buf, '}');
}

/* The buffer's memory as a response's body; the buffer is empty after. NULL when out of memory. */
static struct MHD_Response *body_of(struct od_buf *buf)
{
    struct MHD_Response *made =
        buf->len ? MHD_create_response_from_buffer(buf->len, buf->ptr, MHD_RESPMEM_MUST_FREE)
                 : MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
    if (made && buf->len)
        *buf = (struct od_buf){.max = buf->max};
    od_buf_done(buf);
    return made;
}

/* A source on its way through libmicrohttpd. */
struct flow {
    const struct od_http *http;
    struct od_http_conn *conn; /* lives while libmicrohttpd asks for bytes */
    struct od_http_source *source;
    size_t since_progress;
};

static ssize_t read_flow(void *context, uint64_t at, char *to, size_t len)
{
    struct flow *flow = context;
    size_t got = flow->source->read(flow->source, at, to, len);
    if (!got)
        return MHD_CONTENT_READER_END_WITH_ERROR;
    flow->since_progress += got;
    if (flow->since_progress >= OD_HTTP_PROGRESS_BYTES) {
        flow->since_progress = 0;
        od_http_enter_phase(flow->http, flow->conn, OD_HTTP_WRITING);
    }
    return (ssize_t)got;
}

static void end_flow(void *context)
{
    struct flow *flow = context;
    flow->source->done(flow->source);
    free(flow);
}

/* The response's source as a response's body; it moves there. NULL when out of memory. */
static struct MHD_Response *flow_of(const struct od_http *http, struct od_http_conn *conn,
                                    struct od_http_response *response)
{
    struct flow *flow = malloc(sizeof *flow);
    if (!flow)
        return NULL;
    *flow = (struct flow){http, conn, response->source, 0};
    struct MHD_Response *made = MHD_create_response_from_callback(
        response->source_bytes, FLOW_BLOCK_BYTES, read_flow, flow, end_flow);
    if (made)
        response->source = NULL;
    else
        free(flow);
    return made;
}

static bool add_header(struct MHD_Response *made, struct od_arena *arena, struct od_str name,
                       struct od_str value)
{
    struct od_str n = od_arena_str(arena, name);
    struct od_str v = od_arena_str(arena, value);
    return n.ptr && v.ptr && MHD_add_response_header(made, n.ptr, v.ptr) == MHD_YES;
}

static bool add_headers(struct MHD_Response *made, const struct od_http_response *response,
                        struct od_arena *arena)
{
    if (response->content_type.ptr &&
        !add_header(made, arena, OD_STR("Content-Type"), response->content_type))
        return false;
    for (size_t i = 0; i < response->extra_count; i++)
        if (!add_header(made, arena, response->extra[i].name, response->extra[i].value))
            return false;
    for (size_t i = 0; i < response->more_count; i++)
        if (!add_header(made, arena, response->more[i].name, response->more[i].value))
            return false;
    return true;
}

struct MHD_Response *od_http_make(const struct od_http *http, struct od_http_conn *conn,
                                  struct od_http_response *response, struct od_arena *arena)
{
    bool sound = od_buf_status(&response->body) == OD_OK && response->status >= 200 &&
                 response->status <= 599 &&
                 response->extra_count <= sizeof response->extra / sizeof *response->extra;
    struct MHD_Response *made = !sound             ? NULL
                                : response->source ? flow_of(http, conn, response)
                                                   : body_of(&response->body);
    if (made && !add_headers(made, response, arena)) {
        MHD_destroy_response(made);
        made = NULL;
    }
    od_buf_done(&response->body);
    return made;
}

enum MHD_Result od_http_send(struct MHD_Connection *connection, int status,
                             struct MHD_Response *made, bool close)
{
    if (!made || (close && MHD_add_response_header(made, "Connection", "close") != MHD_YES))
        return od_http_send_refusal(connection, 500, "The answer could not be built.");
    return MHD_queue_response(connection, (unsigned)status, made);
}

enum MHD_Result od_http_send_refusal(struct MHD_Connection *connection, int status,
                                     const char *message)
{
    const struct refusal *refusal = refusal_of(status);
    struct od_buf body;
    od_buf_init(&body, MAX_REFUSAL_BYTES);
    put_refusal(&body, refusal, message);
    struct MHD_Response *made = od_buf_status(&body) == OD_OK ? body_of(&body) : NULL;
    od_buf_done(&body);
    if (!made)
        return MHD_NO;
    enum MHD_Result queued = MHD_NO;
    if (MHD_add_response_header(made, "Content-Type", "application/json") == MHD_YES &&
        MHD_add_response_header(made, "x-amzn-ErrorType", refusal->code) == MHD_YES &&
        MHD_add_response_header(made, "Connection", "close") == MHD_YES)
        queued = MHD_queue_response(connection, (unsigned)refusal->status, made);
    MHD_destroy_response(made);
    return queued;
}

/* One try: nothing of an answer is in the socket's buffer yet, so it takes this whole, and a client
 * that makes it full on purpose goes without. */
static void send_now(struct MHD_Connection *connection, const struct od_buf *all)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    if (od_buf_status(all) != OD_OK)
        return;
    ssize_t sent = send(info->connect_fd, all->ptr, all->len, MSG_NOSIGNAL | MSG_DONTWAIT);
    (void)sent;
}

static void put_headers(struct od_buf *all, const struct od_http_header *headers, size_t count)
{
    for (size_t i = 0; i < count; i++)
        od_buf_printf(all, "%.*s: %.*s\r\n", OD_STR_ARG(headers[i].name),
                      OD_STR_ARG(headers[i].value));
}

void od_http_force_response(struct MHD_Connection *connection,
                            const struct od_http_response *response, int64_t now_ms)
{
    char date[OD_TIME_TEXT];
    struct od_buf all;
    od_time_format_http(now_ms / 1000, date);
    od_buf_init(&all, MAX_FORCED_BYTES);
    od_buf_printf(&all, "HTTP/1.1 %d %s\r\nDate: %s\r\nConnection: close\r\n", response->status,
                  MHD_get_reason_phrase_for((unsigned)response->status), date);
    if (response->content_type.ptr)
        od_buf_printf(&all, "Content-Type: %.*s\r\n", OD_STR_ARG(response->content_type));
    put_headers(&all, response->extra, response->extra_count);
    put_headers(&all, response->more, response->more_count);
    od_buf_printf(&all, "Content-Length: %zu\r\n\r\n", response->body.len);
    od_buf_str(&all, od_buf_view(&response->body));
    send_now(connection, &all);
    od_buf_done(&all);
}

void od_http_force_refusal(struct MHD_Connection *connection, int status, const char *message,
                           int64_t now_ms)
{
    const struct refusal *refusal = refusal_of(status);
    char date[OD_TIME_TEXT];
    od_time_format_http(now_ms / 1000, date);
    struct od_buf body, all;
    od_buf_init(&body, MAX_REFUSAL_BYTES);
    od_buf_init(&all, MAX_REFUSAL_BYTES + 512);
    put_refusal(&body, refusal, message);
    od_buf_printf(&all,
                  "HTTP/1.1 %d %s\r\nDate: %s\r\nConnection: close\r\n"
                  "Content-Type: application/json\r\nx-amzn-ErrorType: %s\r\n"
                  "Content-Length: %zu\r\n\r\n",
                  refusal->status, refusal->reason, date, refusal->code, body.len);
    od_buf_str(&all, od_buf_view(&body));
    if (od_buf_status(&body) == OD_OK)
        send_now(connection, &all);
    od_buf_done(&body);
    od_buf_done(&all);
}
