/* From a request's head to its answer.
 *
 *     begin (HTTP thread)    path and query, signature, operation, headers, where the body goes
 *     pieces (HTTP thread)   intake.c
 *     handle (HTTP thread)   puts the call on the list
 *     run (own thread)       the body's checks, the operation, the answer; od_http_finish
 *
 * A call lives in its exchange's arena. The threads take calls one by one, oldest first; a long one
 * (a large multipart upload being put together) leaves the others to the rest. */
#include <stdlib.h>
#include <string.h>

#include "s3/inner.h"

static void *work(void *context);

static enum od_status make_folders(struct od_s3 *s3, struct od_error *err)
{
    static const char *const parts[] = {"tmp", "meta", "uploads", "buckets"};
    struct od_arena arena;
    enum od_status s = OD_OK;
    od_arena_init(&arena, 1u << 20);
    /* Bodies of requests that a crash cut off. */
    struct od_str tmp = od_s3_hidden(s3, &arena, "tmp", OD_STR(""));
    if (tmp.ptr)
        s = od_io_remove_tree(s3->io, tmp.ptr, err);
    for (size_t i = 0; s == OD_OK && i < sizeof parts / sizeof *parts; i++) {
        struct od_str path = od_s3_hidden(s3, &arena, parts[i], OD_STR(""));
        s = path.ptr ? s3->io->make_folder(s3->io, path.ptr, err)
                     : od_fail(err, OD_NO_MEMORY, NULL);
        if (s == OD_OK) /* names that a killed server had no time for */
            s = od_io_sync_folder(s3->io, path.ptr, err);
    }
    od_arena_done(&arena);
    return s;
}

enum od_status od_s3_new(const struct od_s3_config *config, struct od_s3 **out,
                         struct od_error *err)
{
    struct od_s3 *s3 = calloc(1, sizeof *s3);
    if (!s3)
        return od_fail(err, OD_NO_MEMORY, NULL);
    s3->config = *config;
    s3->io = config->io;
    s3->tail = &s3->head;
    pthread_mutex_init(&s3->lock, NULL);
    pthread_mutex_init(&s3->tree_lock, NULL);
    pthread_cond_init(&s3->changed, NULL);
    s3->tables = od_crc_tables_new();
    enum od_status s = s3->tables ? make_folders(s3, err) : od_fail(err, OD_NO_MEMORY, NULL);
    for (unsigned i = 0; s == OD_OK && i < OD_S3_THREADS; i++) {
        if (pthread_create(&s3->threads[i], NULL, work, s3) != 0)
            s = od_fail(err, OD_NO_MEMORY, "cannot start a thread for objects");
        else
            s3->thread_count++;
    }
    if (s == OD_OK)
        *out = s3;
    else
        od_s3_free(s3);
    return s;
}

void od_s3_free(struct od_s3 *s3)
{
    if (!s3)
        return;
    pthread_mutex_lock(&s3->lock);
    s3->quit = true;
    pthread_cond_broadcast(&s3->changed);
    pthread_mutex_unlock(&s3->lock);
    for (unsigned i = 0; i < s3->thread_count; i++)
        pthread_join(s3->threads[i], NULL);
    pthread_cond_destroy(&s3->changed);
    pthread_mutex_destroy(&s3->lock);
    pthread_mutex_destroy(&s3->tree_lock);
    free(s3->tables);
    free(s3);
}

bool od_s3_claims(const struct od_http_request *request, bool known)
{
    struct od_str service = od_sigv4_service(request);
    if (od_http_header(request, "x-amz-target").ptr)
        return false; /* meant for another service, whatever it is signed for */
    if (service.ptr)
        return od_str_eq(service, OD_STR("s3"));
    bool plain = od_str_eq_c(request->method, "GET") || od_str_eq_c(request->method, "PUT") ||
                 od_str_eq_c(request->method, "HEAD") || od_str_eq_c(request->method, "DELETE");
    struct od_str rest = request->query, piece;
    bool subresource = false; /* the two that are posted to */
    while (!plain && od_str_cut(&rest, '&', &piece))
        subresource |= od_str_starts(piece, OD_STR("delete")) ||
                       od_str_starts(piece, OD_STR("upload")) ||
                       od_str_starts(piece, OD_STR("AWSAccessKeyId="));
    return !known && (plain || subresource);
}

static enum od_status begin(struct od_s3_call *call)
{
    enum od_status s = od_s3_split(call);
    if (s == OD_OK)
        s = od_s3_authenticate(call);
    if (s == OD_OK)
        s = od_s3_find_operation(call);
    if (s == OD_OK)
        s = od_s3_intake_begin(call, call->op->target, call->op->max_bytes);
    return s;
}

enum od_http_intake od_s3_begin(struct od_s3 *s3, struct od_http_exchange *exchange)
{
    struct od_arena *arena = od_http_arena(exchange);
    struct od_s3_call *call = OD_NEW(arena, struct od_s3_call);
    if (!call) {
        od_http_response(exchange)->status = 500;
        return OD_HTTP_REFUSE;
    }
    *call = (struct od_s3_call){.s3 = s3,
                                .io = s3->io,
                                .exchange = exchange,
                                .request = od_http_request(exchange),
                                .response = od_http_response(exchange),
                                .arena = arena};
    od_http_set_context(exchange, call);
    od_s3_intake_init(call);
    if (begin(call) == OD_OK)
        return OD_HTTP_STREAM;
    od_s3_write_error(call);
    od_s3_answer_headers(call);
    return OD_HTTP_REFUSE;
}

bool od_s3_handle(struct od_s3 *s3, struct od_http_exchange *exchange)
{
    struct od_s3_call *call = od_http_context(exchange);
    pthread_mutex_lock(&s3->lock);
    *s3->tail = call;
    s3->tail = &call->next;
    pthread_cond_signal(&s3->changed);
    pthread_mutex_unlock(&s3->lock);
    return false;
}

/* NULL: the room closes and nothing is left to do. */
static struct od_s3_call *next_call(struct od_s3 *s3)
{
    pthread_mutex_lock(&s3->lock);
    while (!s3->head && !s3->quit)
        pthread_cond_wait(&s3->changed, &s3->lock);
    struct od_s3_call *call = s3->head;
    if (call) {
        s3->head = call->next;
        if (!s3->head)
            s3->tail = &s3->head;
    }
    pthread_mutex_unlock(&s3->lock);
    return call;
}

static void *work(void *context)
{
    struct od_s3 *s3 = context;
    for (struct od_s3_call *call; (call = next_call(s3)) != NULL;) {
        enum od_status s = od_s3_intake_end(call);
        if (s == OD_OK)
            s = call->op->run(call);
        if (s != OD_OK)
            od_s3_write_error(call);
        od_s3_answer_headers(call);
        od_http_finish(call->exchange);
    }
    return NULL;
}
