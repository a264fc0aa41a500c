/* The strict guard in front of the HTTP parser: may this head be believed? A pure function.
 *
 * It sees the parsed header list, and how many bytes the block had on the wire against how many the
 * list explains, so that nothing the parser forgave goes unseen (http_guard.c tells why). */
#ifndef OD_WIRE_HTTP_GUARD_H
#define OD_WIRE_HTTP_GUARD_H

#include "wire/http.h"

struct od_http_head {
    struct od_str method, target, version; /* the three words of the request line, as sent */
    const struct od_http_header *headers;  /* in order of arrival, values as sent */
    size_t header_count;
    size_t bytes_received;  /* request line to blank line, line ends counted */
    size_t bytes_explained; /* what the words and headers above add up to with CRLF line ends */
};

struct od_http_checked {
    struct od_str path, query; /* of the target; query "" when there is none */
    bool chunked;              /* body by Transfer-Encoding */
    uint64_t content_length;   /* 0 when there is none, or chunked */
    bool expects_continue;     /* Expect: 100-continue */
};

/* 0 when the head is sound. Otherwise the HTTP status to answer before closing the connection (400,
 * 417, 431, 505), with err naming header, value and rule; out is untouched. */
int od_http_guard(const struct od_http_head *head, struct od_http_checked *out,
                  struct od_error *err) OD_MUST_USE;

#endif
