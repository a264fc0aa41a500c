/* The aws-chunked encoding of a body: what SDKs wrap an object in to sign it or to add a checksum
 * behind it. A state machine that takes pieces of any size.
 *
 *     hex size [;chunk-signature=64 hex] CRLF bytes CRLF   repeated, the last with size 0 and no
 * bytes name:value CRLF                                      trailers, when announced CRLF
 *
 * Memory: one line. Nothing but sizes of hex digits, one extension, and CRLF line ends is taken. */
#ifndef OD_S3_CHUNKED_H
#define OD_S3_CHUNKED_H

#include <openssl/evp.h>

#include "base/str.h"

struct od_chunked_events {
    enum od_status (*data)(void *context, const char *bytes, size_t len, struct od_error *err);
    /* A signed chunk has come whole, the last, empty one included: the SHA-256 of its bytes. */
    enum od_status (*chunk)(void *context, const char sha256[65], struct od_str signature,
                            struct od_error *err);
    /* A trailer line; in a signed body the last is x-amz-trailer-signature. */
    enum od_status (*trailer)(void *context, struct od_str name, struct od_str value,
                              struct od_error *err);
    void *context;
};

struct od_chunked {
    struct od_chunked_events events;
    bool is_signed, has_trailer;
    int state;
    uint64_t left; /* bytes of the chunk still to come */
    unsigned trailers;
    EVP_MD_CTX *sha; /* of the chunk; NULL when not signed */
    char signature[64];
    size_t line_len;
    char line[1024];
};

/* OD_NO_MEMORY. */
enum od_status od_chunked_init(struct od_chunked *decoder, bool is_signed, bool has_trailer,
                               struct od_chunked_events events) OD_MUST_USE;
void od_chunked_done(struct od_chunked *decoder);
/* OD_INVALID_INPUT says what is malformed; or the status of an event. Not to be fed after that. */
enum od_status od_chunked_feed(struct od_chunked *decoder, const char *bytes, size_t len,
                               struct od_error *err) OD_MUST_USE;
/* Has the end been seen? */
bool od_chunked_complete(const struct od_chunked *decoder);

#endif
