/* One request from its first line to the last byte of its answer.
 *
 * libmicrohttpd calls on_target at the request line (the exchange is made here: it is the only
 * place that shows the target as sent), on_access when the head is complete (the guard), for each
 * piece of the body, and when the body is complete (the handler), and on_completed when the answer
 * is out or the connection gone. All calls of one exchange come from its worker's thread.
 *
 * Everything the handler sees is copied into the exchange (one allocation, 1-2 KB), never borrowed
 * from the connection, so that it stays valid for a handler that answers after the connection or
 * the server is gone.
 *
 * Answers that wait. The handler may return false and have od_http_finish called later, or at the
 * same moment, or before it returns. The state settles the race:
 *
 *     HANDLING --finish--> ANSWERED          before the worker got round to suspending: the worker
 *                                            sees it and answers at once, nothing was suspended
 *     HANDLING --worker--> WAITING           under http->lock, and suspended before it is unlocked
 *     WAITING  --finish--> ANSWERED          under http->lock: resumed; the worker is called again
 *     WAITING  --stop----> ABANDONED         under http->lock: resumed; the worker answers 503
 *     HANDLING --worker--> ABANDONED         when stopping is past its grace: 503 without waiting
 *
 * Invariants:
 *   1. a connection is suspended if and only if its exchange is WAITING and in http->waiting;
 *      every suspend and resume happens under http->lock. So a resume never comes before its
 *      suspend, and none can be under way when the daemons are stopped.
 *   2. an answer given at once (true, or finished already) takes no lock.
 *   3. an exchange has a holder for the connection, until on_completed, and from the call of the
 *      handler until its end one for the handler: true, or od_http_finish. The last one frees.
 *      The handler's holder also keeps struct od_http, so od_http_finish may lock it any time.
 *
 * A body that goes to a sink is never held here. When sink or begin function refuse it, the
 * response is already there and follows the body, as a refusal of ours does.
 *
 * A body that is refused (413) or unwanted (503) is still read for OD_HTTP_LINGER_BYTES: closing a
 * socket with unread bytes in it makes TCP reset the connection, and the client may lose the
 * answer. */
#include "wire/http_inner.h"

#include <assert.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/limits.h"
#include "wire/http_guard.h"

#define FIRST_BODY_BYTES 65536 /* trusted of a Content-Length before its bytes have come */

enum state { RECEIVING, HANDLING, WAITING, ANSWERED, ABANDONED };

struct od_http_exchange {
    struct od_http *http;
    struct od_http_conn *conn;
    struct MHD_Connection *connection;
    struct od_http_request request;
    struct od_http_response response;
    struct MHD_Response *made; /* what became of response once the handler was done with it */
    struct od_arena arena;
    struct od_buf body;
    struct od_str target;
    bool begun;          /* the head was seen, and running counts it */
    int refused;         /* status of the refusal that follows the body; 0: none */
    const char *refusal; /* its text; static. NULL: the response is the refusal */
    struct od_http_sink *sink;
    void *context;
    size_t since_progress; /* bytes of a streamed body since its pace was last noted */
    size_t linger;         /* bytes of a refused body still to be read */
    _Atomic int state;
    atomic_int holders;
    struct od_http_exchange *next, *previous; /* in http->waiting */
};

const struct od_http_request *od_http_request(const struct od_http_exchange *exchange)
{
    return &exchange->request;
}

struct od_http_response *od_http_response(struct od_http_exchange *exchange)
{
    return &exchange->response;
}

struct od_arena *od_http_arena(struct od_http_exchange *exchange)
{
    return &exchange->arena;
}

unsigned od_http_thread(const struct od_http_exchange *exchange)
{
    return exchange->conn->daemon;
}

void od_http_set_context(struct od_http_exchange *exchange, void *context)
{
    exchange->context = context;
}

void *od_http_context(const struct od_http_exchange *exchange)
{
    return exchange->context;
}

void od_http_set_sink(struct od_http_exchange *exchange, struct od_http_sink *sink)
{
    exchange->sink = sink;
}

/* What the answer needs no more; the arena goes last, because sinks live in it. */
static void let_go(struct od_http_exchange *exchange)
{
    struct od_http_sink *sink = exchange->sink;
    exchange->sink = NULL;
    if (sink)
        sink->done(sink);
    od_buf_done(&exchange->body);
    od_arena_done(&exchange->arena);
}

/* The handler is done: the answer is all that is kept, which may be long before it can be sent. */
static void make_answer(struct od_http_exchange *exchange)
{
    exchange->made =
        od_http_make(exchange->http, exchange->conn, &exchange->response, &exchange->arena);
    let_go(exchange);
}

static void drop(struct od_http_exchange *exchange)
{
    if (atomic_fetch_sub(&exchange->holders, 1) != 1)
        return;
    if (exchange->made)
        MHD_destroy_response(exchange->made);
    if (exchange->response.source)
        exchange->response.source->done(exchange->response.source);
    let_go(exchange);
    od_buf_done(&exchange->response.body);
    free(exchange);
}

/* --- the waiting list; http->lock is held --- */

static void enlist(struct od_http_exchange *exchange)
{
    struct od_http *http = exchange->http;
    exchange->previous = NULL;
    exchange->next = http->waiting;
    if (http->waiting)
        http->waiting->previous = exchange;
    http->waiting = exchange;
}

/* Takes the exchange off the list with the state that tells its worker what to answer. */
static void resume(struct od_http_exchange *exchange, enum state why)
{
    struct od_http *http = exchange->http;
    if (exchange->previous)
        exchange->previous->next = exchange->next;
    else
        http->waiting = exchange->next;
    if (exchange->next)
        exchange->next->previous = exchange->previous;
    atomic_store(&exchange->state, why);
    struct od_http_worker *worker = &http->workers[exchange->conn->daemon];
    MHD_resume_connection(exchange->connection); /* from here on conn may go at any time */
    od_http_worker_resumed(worker);
}

void od_http_abandon_waiting(struct od_http *http)
{
    while (http->waiting)
        resume(http->waiting, ABANDONED);
}

void od_http_finish(struct od_http_exchange *exchange)
{
    struct od_http *http = exchange->http;
    int expected = HANDLING;
    make_answer(exchange);
    if (!atomic_compare_exchange_strong(&exchange->state, &expected, ANSWERED)) {
        pthread_mutex_lock(&http->lock);
        if (atomic_load(&exchange->state) == WAITING)
            resume(exchange, ANSWERED);
        else
            assert(atomic_load(&exchange->state) == ABANDONED); /* or it is finished twice */
        pthread_mutex_unlock(&http->lock);
    }
    drop(exchange);
    od_http_unref(http);
}

/* --- the request --- */

void *od_http_on_target(void *context, const char *target, struct MHD_Connection *connection)
{
    struct od_http *http = context;
    struct od_http_exchange *exchange = calloc(1, sizeof *exchange);
    if (!exchange)
        return NULL;
    exchange->http = http;
    exchange->connection = connection;
    exchange->conn =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
    exchange->linger = OD_HTTP_LINGER_BYTES;
    atomic_init(&exchange->holders, 1);
    od_arena_init(&exchange->arena, OD_MAX_REQUEST_MEMORY);
    od_buf_init(&exchange->body, http->config.max_body_bytes);
    od_buf_init(&exchange->response.body, OD_MAX_RESPONSE_BYTES);
    exchange->response.status = 200;
    exchange->target = od_arena_str(&exchange->arena, od_str_c(target));
    return exchange;
}

void od_http_on_completed(void *context, struct MHD_Connection *connection, void **exchange,
                          enum MHD_RequestTerminationCode code)
{
    (void)connection, (void)code;
    struct od_http *http = context;
    struct od_http_exchange *done = *exchange;
    *exchange = NULL;
    if (!done)
        return;
    od_http_enter_phase(http, done->conn, OD_HTTP_READING);
    bool counted = done->begun;
    drop(done);
    if (counted && atomic_fetch_sub(&http->running, 1) == 1 && atomic_load(&http->stopping)) {
        pthread_mutex_lock(&http->lock);
        pthread_cond_broadcast(&http->idle);
        pthread_mutex_unlock(&http->lock);
    }
}

/* Headers on their way from libmicrohttpd's pool into the exchange. */
struct headers {
    struct od_http_header *to; /* NULL while counting */
    size_t count;
    size_t text_bytes; /* of names and values */
    size_t explained;  /* bytes on the wire, see http_guard.h */
    char *text;        /* the free part of the copies' memory */
};

static struct od_str copy_text(struct headers *h, const char *bytes, size_t len)
{
    char *at = h->text;
    if (len)
        memcpy(at, bytes, len);
    at[len] = '\0';
    h->text += len + 1;
    return (struct od_str){at, len};
}

/* MHD_KeyValueIteratorN. */
static enum MHD_Result each_header(void *context, enum MHD_ValueKind kind, const char *name,
                                   size_t name_len, const char *value, size_t value_len)
{
    (void)kind;
    struct headers *h = context;
    if (h->to) {
        h->to[h->count].name = copy_text(h, name, name_len);
        h->to[h->count].value = copy_text(h, value ? value : "", value ? value_len : 0);
    } else {
        /* Name, colon, white space and value lie in the read buffer one after the other, as they
         * came. A folded line makes the parser move or overwrite the name: then they do not. */
        uintptr_t from = (uintptr_t)name, to = (uintptr_t)value;
        h->text_bytes += name_len + value_len + 2;
        if (value && to > from + name_len)
            h->explained += (size_t)(to - from) + value_len + 2;
    }
    h->count++;
    return MHD_YES;
}

static bool is_loopback(const struct sockaddr *address)
{
    if (address && address->sa_family == AF_INET) {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)address;
        return ntohl(v4->sin_addr.s_addr) >> 24 == 127;
    }
    if (address && address->sa_family == AF_INET6) {
        const struct in6_addr *v6 =
            &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr;
        return IN6_IS_ADDR_LOOPBACK(v6) || (IN6_IS_ADDR_V4MAPPED(v6) && v6->s6_addr[12] == 127);
    }
    return false;
}

/* Copies the head into the request. False when out of memory. */
static bool read_head(struct od_http_exchange *exchange, const char *method, const char *version,
                      struct od_http_head *out)
{
    struct MHD_Connection *connection = exchange->connection;
    struct headers h = {0};
    MHD_get_connection_values_n(connection, MHD_HEADER_KIND, each_header, &h);
    size_t explained = strlen(method) + exchange->target.len + strlen(version) + 4;
    size_t text_bytes = h.text_bytes + strlen(method) + strlen(version) + 2;
    size_t count = h.count;
    h.to = OD_NEW_ARRAY(&exchange->arena, struct od_http_header, count);
    h.text = od_arena_alloc(&exchange->arena, text_bytes);
    if (!h.to || !h.text || !exchange->target.ptr)
        return false;
    explained += h.explained + 2;
    h.count = 0;
    exchange->request.method = copy_text(&h, method, strlen(method));
    *out = (struct od_http_head){
        .method = exchange->request.method,
        .target = exchange->target,
        .version = copy_text(&h, version, strlen(version)),
        .headers = h.to,
        .header_count = count,
        .bytes_explained = explained,
        .bytes_received =
            MHD_get_connection_info(connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE)
                ->header_size,
    };
    MHD_get_connection_values_n(connection, MHD_HEADER_KIND, each_header, &h);
    exchange->request.headers = out->headers;
    exchange->request.header_count = count;
    exchange->request.from_loopback = is_loopback(
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS)->client_addr);
    return true;
}

/* Refuses the body: what comes of it is dropped, and the refusal follows it. */
static void refuse_body(struct od_http_exchange *exchange, int status, const char *text)
{
    exchange->refused = status;
    exchange->refusal = text;
    od_buf_done(&exchange->body);
}

/* Of an answer that was made. */
static enum MHD_Result answer(struct od_http_exchange *exchange)
{
    od_http_enter_phase(exchange->http, exchange->conn, OD_HTTP_WRITING);
    return od_http_send(exchange->connection, exchange->response.status, exchange->made,
                        atomic_load_explicit(&exchange->http->stopping, memory_order_relaxed));
}

static enum MHD_Result answer_refused(struct od_http_exchange *exchange)
{
    if (!exchange->refusal) {
        make_answer(exchange);
        return answer(exchange);
    }
    od_http_enter_phase(exchange->http, exchange->conn, OD_HTTP_WRITING);
    return od_http_send_refusal(exchange->connection, exchange->refused, exchange->refusal);
}

/* Decides about the body, with the begin function where there is one. */
static void choose_intake(struct od_http_exchange *exchange, const struct od_http_checked *checked)
{
    struct od_http *http = exchange->http;
    enum od_http_intake intake = OD_HTTP_COLLECT;
    if (exchange->conn->overflow)
        refuse_body(exchange, 503, "The server has too many connections.");
    else if (http->config.begin)
        intake = http->config.begin(http->config.context, exchange);
    if (intake == OD_HTTP_REFUSE)
        refuse_body(exchange, exchange->response.status, NULL);
    else if (!exchange->refused && intake == OD_HTTP_COLLECT &&
             checked->content_length > http->config.max_body_bytes)
        refuse_body(exchange, 413, "The request body is larger than this server takes.");
}

/* The head is complete. An answer queued here makes libmicrohttpd close the connection without
 * reading the body, so only refusals are. */
static enum MHD_Result begin(struct od_http_exchange *exchange, const char *method,
                             const char *version)
{
    struct od_http *http = exchange->http;
    struct MHD_Connection *connection = exchange->connection;
    exchange->begun = true;
    atomic_fetch_add(&http->running, 1);
    struct od_http_head head;
    struct od_http_checked checked;
    struct od_error err;
    if (!read_head(exchange, method, version, &head))
        return MHD_NO;
    int status = od_http_guard(&head, &checked, &err);
    if (status) {
        od_http_enter_phase(http, exchange->conn, OD_HTTP_WRITING);
        return od_http_send_refusal(connection, status, err.message);
    }
    exchange->request.path = checked.path;
    exchange->request.query = checked.query;
    exchange->request.content_length = checked.content_length;
    exchange->request.chunked = checked.chunked;
    choose_intake(exchange, &checked);
    if (exchange->refused &&
        (checked.expects_continue || checked.content_length > exchange->linger))
        return answer_refused(exchange);
    if (!exchange->refused && !exchange->sink && checked.content_length)
        od_buf_reserve(&exchange->body, checked.content_length < FIRST_BODY_BYTES
                                            ? (size_t)checked.content_length
                                            : FIRST_BODY_BYTES);
    return MHD_YES;
}

static enum MHD_Result drop_body(struct od_http_exchange *exchange, size_t len)
{
    const struct od_io *io = exchange->http->config.io;
    if (len <= exchange->linger) {
        exchange->linger -= len;
        return MHD_YES;
    }
    if (exchange->refusal)
        od_http_force_refusal(exchange->connection, exchange->refused, exchange->refusal,
                              io->now_ms(io));
    else
        od_http_force_response(exchange->connection, &exchange->response, io->now_ms(io));
    return MHD_NO;
}

static enum MHD_Result give_to_sink(struct od_http_exchange *exchange, const char *bytes,
                                    size_t len)
{
    exchange->since_progress += len;
    if (exchange->since_progress >= OD_HTTP_PROGRESS_BYTES) {
        exchange->since_progress = 0;
        od_http_enter_phase(exchange->http, exchange->conn, OD_HTTP_READING);
    }
    if (!exchange->sink->take(exchange->sink, bytes, len))
        refuse_body(exchange, exchange->response.status, NULL);
    return MHD_YES;
}

static enum MHD_Result take_body(struct od_http_exchange *exchange, const char *bytes, size_t len)
{
    if (!exchange->refused && exchange->sink)
        return give_to_sink(exchange, bytes, len);
    if (!exchange->refused) {
        od_buf_put(&exchange->body, bytes, len);
        if (od_buf_status(&exchange->body) == OD_OK)
            return MHD_YES;
        if (od_buf_status(&exchange->body) == OD_TOO_LARGE)
            refuse_body(exchange, 413, "The request body is larger than this server takes.");
        else
            refuse_body(exchange, 503, "The server is out of memory.");
    }
    return drop_body(exchange, len);
}

/* --- the answer --- */

static enum MHD_Result answer_stopping(struct od_http_exchange *exchange)
{
    od_http_enter_phase(exchange->http, exchange->conn, OD_HTTP_WRITING);
    return od_http_send_refusal(exchange->connection, 503, "The server is stopping.");
}

/* The handler returned false. */
static enum MHD_Result wait_for_finish(struct od_http_exchange *exchange)
{
    struct od_http *http = exchange->http;
    if (atomic_load(&exchange->state) == ANSWERED)
        return answer(exchange);
    pthread_mutex_lock(&http->lock);
    bool abandoned = http->abandoning;
    int expected = HANDLING;
    bool waits = atomic_compare_exchange_strong(&exchange->state, &expected,
                                                abandoned ? ABANDONED : WAITING);
    if (waits && !abandoned) {
        MHD_suspend_connection(exchange->connection);
        enlist(exchange);
    }
    pthread_mutex_unlock(&http->lock);
    if (!waits)
        return answer(exchange);
    return abandoned ? answer_stopping(exchange) : MHD_YES;
}

static enum MHD_Result handle(struct od_http_exchange *exchange)
{
    struct od_http *http = exchange->http;
    if (exchange->refused)
        return answer_refused(exchange);
    od_http_enter_phase(http, exchange->conn, OD_HTTP_HANDLING);
    exchange->request.body = od_buf_view(&exchange->body);
    exchange->request.received_ns = http->config.io->monotonic_ns(http->config.io);
    atomic_fetch_add(&http->refs, 1);
    atomic_fetch_add(&exchange->holders, 1);
    atomic_store(&exchange->state, HANDLING);
    if (!http->config.handle(http->config.context, exchange))
        return wait_for_finish(exchange);
    atomic_store(&exchange->state, ANSWERED);
    make_answer(exchange);
    drop(exchange);
    od_http_unref(http);
    return answer(exchange);
}

enum MHD_Result od_http_on_access(void *context, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *upload,
                                  size_t *upload_size, void **exchange)
{
    (void)context, (void)connection, (void)url;
    struct od_http_exchange *ours = *exchange;
    if (!ours)
        return MHD_NO;
    if (!ours->begun)
        return begin(ours, method, version);
    if (*upload_size) {
        size_t len = *upload_size;
        *upload_size = 0;
        return take_body(ours, upload, len);
    }
    switch (atomic_load(&ours->state)) {
    case RECEIVING:
        return handle(ours);
    case ANSWERED:
        return answer(ours);
    case ABANDONED:
        return answer_stopping(ours);
    default: /* suspended: nothing to say yet */
        return MHD_YES;
    }
}
