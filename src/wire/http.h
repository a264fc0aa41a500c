/* The HTTP/1.1 door: libmicrohttpd behind a small interface, with its own strict guard in front.
 *
 * Keep-alive, pipelining, limits on header, body, time and connections (base/limits.h). A request
 * is handed to the handler when its body is complete. The handler fills the response and returns
 * true, or returns false and answers later from any thread with od_http_finish (the connection is
 * suspended meanwhile, no thread waits). */
#ifndef OD_WIRE_HTTP_H
#define OD_WIRE_HTTP_H

#include "base/arena.h"

struct od_http_exchange; /* one request and its answer; valid until the answer is given */

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
    bool from_loopback;
    int64_t received_ns; /* monotonic */
};

struct od_http_response {
    int status;
    struct od_str content_type; /* absent: none is sent */
    struct od_buf body;         /* max is preset; freed by the server */
    struct od_http_header extra[8];
    size_t extra_count; /* values must live in the exchange's arena or be static */
};

const struct od_http_request *od_http_request(const struct od_http_exchange *exchange);
struct od_http_response *od_http_response(struct od_http_exchange *exchange);
struct od_arena *
od_http_arena(struct od_http_exchange *exchange); /* lives as long as the exchange */
/* The last header of that name (any case), OD_STR_NONE when absent. */
struct od_str od_http_header(const struct od_http_request *request, const char *name);
/* Sends the response of an exchange whose handler returned false. Once. Any thread. */
void od_http_finish(struct od_http_exchange *exchange);

struct od_http_config {
    const char *host; /* "127.0.0.1", "::1", "0.0.0.0"; IPv6 in brackets allowed */
    uint16_t port;    /* 0: any free one */
    unsigned threads; /* 0: one a core */
    unsigned max_connections;
    size_t max_body_bytes;
    unsigned timeout_s;
    bool (*handle)(void *context, struct od_http_exchange *exchange);
    void *context;
};
struct od_http;
enum od_status od_http_start(const struct od_http_config *config, struct od_http **out,
                             struct od_error *err) OD_MUST_USE; /* port taken: OD_IN_USE */
uint16_t od_http_port(const struct od_http *http);
unsigned od_http_connections(const struct od_http *http);
/* Accepts no more, lets running exchanges finish for up to grace_ms, closes. */
void od_http_stop(struct od_http *http, int grace_ms);

#endif
