/* The HTTP/1.1 door: libmicrohttpd behind a small interface, with its own strict guard in front.
 *
 * Keep-alive, pipelining, limits on header, body, time and connections (base/limits.h). A request
 * is handed to the handler when its body is complete. The handler fills the response and returns
 * true, or returns false and answers later from any thread with od_http_finish (the connection is
 * suspended meanwhile, no thread waits).
 *
 * Bodies are collected in memory, up to max_body_bytes, unless the begin function, asked when the
 * head is complete, gives a sink: then pieces go there as they come, without an end. Likewise an
 * answer is bytes in memory, or comes from a source piece by piece. Both have a slowest pace
 * instead of a longest time: OD_HTTP_PROGRESS_BYTES within twice timeout_s.
 *
 * What the door answers by itself, as JSON with an x-amzn-ErrorType header, closing the connection:
 * 400 a head or body framing not to be trusted (http_guard.h), 413 a body over max_body_bytes, 417
 * an unknown Expect, 431 a header block over its limits, 503 too many connections or stopping, 505
 * another HTTP version. The handler never sees those requests. */
#ifndef OD_WIRE_HTTP_H
#define OD_WIRE_HTTP_H

#include "base/arena.h"
#include "os/io.h"

/* One request and its answer. All it gives (request, response, arena) is valid until the handler
 * returns true, or until od_http_finish when it returned false: also when the client has gone or
 * the server was stopped in between. */
struct od_http_exchange;

struct od_http_header {
    struct od_str name, value;
};

struct od_http_request {
    struct od_str method;
    struct od_str path;  /* as sent: not decoded, no query */
    struct od_str query; /* as sent, without "?", "" when none */
    struct od_str body;
    const struct od_http_header *headers; /* in order of arrival, values as sent */
    size_t header_count;
    uint64_t content_length; /* as announced; 0 when chunked */
    bool chunked;
    bool from_loopback;
    int64_t received_ns; /* monotonic, when the last byte had come */
};

/* Where a body goes piece by piece; made by whoever begins the exchange. On the exchange's HTTP
 * thread, but for done. */
struct od_http_sink {
    /* The next bytes, in order. False: refused; the response is filled in, no more is wanted, and
     * the handler is not called. */
    bool (*take)(struct od_http_sink *sink, const char *bytes, size_t len);
    /* Once, when the exchange needs it no more: answered, or its client gone, whatever was taken by
     * then. Any thread. */
    void (*done)(struct od_http_sink *sink);
};

/* Where an answer's body comes from piece by piece. Must not lie in the exchange's arena, which is
 * gone by then. */
struct od_http_source {
    /* Up to len bytes at at; not one is a failure, which cuts the connection. */
    size_t (*read)(struct od_http_source *source, uint64_t at, char *to, size_t len);
    void (*done)(struct od_http_source *source); /* once; any thread */
};

struct od_http_response {
    int status;                 /* 200-599; preset to 200 */
    struct od_str content_type; /* absent: none is sent */
    struct od_buf body;         /* max is preset; freed by the server; not sent to a HEAD */
    struct od_http_header extra[8];
    size_t extra_count;                /* values must live in the exchange's arena or be static */
    const struct od_http_header *more; /* further headers, likewise */
    size_t more_count;
    struct od_http_source *source; /* NULL: body is the body */
    uint64_t source_bytes;         /* announced as the length, to a HEAD too */
};

const struct od_http_request *od_http_request(const struct od_http_exchange *exchange);
struct od_http_response *od_http_response(struct od_http_exchange *exchange);
struct od_arena *
od_http_arena(struct od_http_exchange *exchange); /* lives as long as the exchange */
/* The index of the HTTP thread that serves it: 0 to threads - 1. Within the handler. */
unsigned od_http_thread(const struct od_http_exchange *exchange);
/* A pointer of the caller's that travels with the exchange; NULL until set. */
void od_http_set_context(struct od_http_exchange *exchange, void *context);
void *od_http_context(const struct od_http_exchange *exchange);
/* For a begin function that answers OD_HTTP_STREAM. */
void od_http_set_sink(struct od_http_exchange *exchange, struct od_http_sink *sink);
/* The last header of that name (any case), OD_STR_NONE when absent. */
struct od_str od_http_header(const struct od_http_request *request, const char *name);
/* Sends the response of an exchange whose handler returned, or is about to return, false. Exactly
 * once for each such exchange, from any thread, even after od_http_stop; frees the exchange. */
void od_http_finish(struct od_http_exchange *exchange);

/* What becomes of a request's body. */
enum od_http_intake {
    OD_HTTP_COLLECT, /* request.body */
    OD_HTTP_STREAM,  /* od_http_set_sink was called; request.body stays empty */
    OD_HTTP_REFUSE /* the response is filled in; the handler is not called. A client that waits for
                      100 Continue sees it at once */
};

struct od_http_config {
    const char *host; /* "127.0.0.1", "::1", "0.0.0.0", "localhost" (127.0.0.1); IPv6 in brackets
                         allowed; "::" takes IPv4 too. Only read during od_http_start */
    uint16_t port;    /* 0: any free one */
    unsigned threads; /* that read, handle and write; 0: one a core */
    unsigned max_connections; /* 0: OD_MAX_CONNECTIONS */
    size_t max_body_bytes;    /* 0: OD_MAX_BODY_BYTES */
    unsigned timeout_s;       /* 0: OD_REQUEST_TIMEOUT_S. A connection without a byte for this long
                                 is closed, and so is one whose request (or whose reading of our
                                 answer) takes more than twice this. The handler's time is free. */
    const struct od_io *io;   /* clocks; NULL: od_io_real */
    bool (*handle)(void *context, struct od_http_exchange *exchange); /* on an HTTP thread */
    /* The head is complete. On the same thread as handle, and as quick. NULL: all are collected. */
    enum od_http_intake (*begin)(void *context, struct od_http_exchange *exchange);
    /* On each HTTP thread, whenever it has handled all that had come: the place to answer, with
     * od_http_finish, what its handler put aside. True: more is left; the thread looks for what has
     * come meanwhile and calls again. closing: its last calls, until false; no handler runs any
     * more, and what is still aside must be finished. NULL: nothing is put aside. */
    bool (*settle)(void *context, unsigned thread, bool closing);
    void *context;
};
struct od_http;
enum od_status od_http_start(const struct od_http_config *config, struct od_http **out,
                             struct od_error *err)
    OD_MUST_USE; /* port taken: OD_IN_USE; bad host: OD_INVALID_INPUT */
uint16_t od_http_port(const struct od_http *http);
unsigned od_http_connections(const struct od_http *http);
/* Accepts no more, lets running exchanges finish for up to grace_ms, answers 503 to those still
 * waiting for od_http_finish, closes, waits for the handlers now running, frees. Not from a
 * handler. */
void od_http_stop(struct od_http *http, int grace_ms);

#endif
