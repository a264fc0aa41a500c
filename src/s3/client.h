/* Asking a real S3, MinIO or Ceph: one signed request at a time, tried again when it makes sense.
 *
 * Thread-safe: each request takes a connection of its own from a pool. Nothing here knows files. */
#ifndef OD_S3_CLIENT_H
#define OD_S3_CLIENT_H

#include <stdatomic.h>

#include "os/io.h"

struct od_s3_endpoint {
    struct od_str url;    /* "https://host[:port]", http too; no path */
    struct od_str region; /* in signatures */
    struct od_str key_id, secret;
    struct od_str
        ca; /* file of certificates trusted besides the system's, PEM; "" or absent: none */
    bool virtual_host;       /* https://bucket.host/key in place of https://host/bucket/key */
    unsigned tries;          /* of a request; 0: OD_S3_TRIES */
    const atomic_bool *stop; /* true: give up at once; NULL: never. Outlives the client. */
};

struct od_s3_client;
/* Copies the endpoint. OD_INVALID_INPUT: the URL or a key is not one. Call before there are other
 * threads: libcurl starts up here. */
enum od_status od_s3_client_new(const struct od_io *io, const struct od_s3_endpoint *endpoint,
                                struct od_s3_client **out, struct od_error *err) OD_MUST_USE;
void od_s3_client_free(struct od_s3_client *client);

/* What is sent as a body: len bytes from at of an open file, or text. */
struct od_s3_upload_body {
    struct od_str text;
    const struct od_io *io; /* NULL: text */
    int fd;
    uint64_t at, len;
};

struct od_s3_ask {
    const char *method;
    struct od_str bucket, key;            /* key absent: of the bucket */
    const char *query;                    /* canonical: names sorted, values encoded; "" for none */
    const struct od_s3_upload_body *body; /* NULL: none */
    uint64_t from, len;                   /* len > 0: only this range */
    struct od_str if_match;               /* an ETag, absent for none */
    struct od_str kms_key;                /* begins an object encrypted with it; absent for none */
};
struct od_s3_answer {
    int status;
    uint64_t content_length;
    char etag[128];      /* with its quotes; "" for none */
    int64_t modified_ms; /* 0: not said */
    char *to;            /* room for a range's bytes, or NULL */
    size_t got;          /* bytes put there */
    struct od_buf *body; /* where to is NULL; may be NULL too */
};
/* Sends, and tries again (connection lost, 429, 5xx) with growing pauses; a range goes on where it
 * broke off. OD_OK: status is 2xx. OD_NOT_FOUND: 403 and 404, with S3's own code and message;
 * OD_IN_USE: 412, the object is another one by now; OD_IO: anything else. The message names the
 * object. */
enum od_status od_s3_ask(struct od_s3_client *client, const struct od_s3_ask *ask,
                         struct od_s3_answer *answer, struct od_error *err) OD_MUST_USE;

#endif
