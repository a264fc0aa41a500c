/* AWS Signature Version 4, verifying side (api.md section 4) and the signing primitives. */
#ifndef OD_WIRE_SIGV4_H
#define OD_WIRE_SIGV4_H

#include "wire/http.h"

/* What the request's signature claims; slices of the request. */
struct od_sigv4_claim {
    struct od_str key_id;
    struct od_str date; /* yyyymmdd of the scope */
    struct od_str region;
    struct od_str service;
    int64_t signed_at_s; /* X-Amz-Date */
};

struct od_sigv4_key {
    struct od_str id;
    struct od_str secret;
};
/* Looks a key up: false when unknown or revoked. Called on the HTTP threads. */
typedef bool (*od_sigv4_lookup)(void *context, struct od_str key_id, struct od_sigv4_key *out);

struct od_sigv4; /* derived-key cache; one a server, thread-safe */
struct od_sigv4 *od_sigv4_new(od_sigv4_lookup lookup, void *context);
void od_sigv4_free(struct od_sigv4 *verifier);
/* Forgets cached keys: call after a key is revoked. */
void od_sigv4_flush(struct od_sigv4 *verifier);

/* Verifies the Authorization header (or presigned query) over exactly the signed headers. services:
 * the scope's service must be this ("personalize"). now_s: the server's clock; +-15 minutes.
 * Failures carry AWS's names and texts (errors.md section 2): OD_AUTH_MISSING, OD_AUTH_INCOMPLETE,
 * OD_AUTH_UNKNOWN, OD_AUTH_SIGNATURE ("Signature expired: ..." for the clock). host must be signed,
 * and x-amz-target whenever the request has one. */
enum od_status od_sigv4_verify(struct od_sigv4 *verifier, const struct od_http_request *request,
                               struct od_str service, int64_t now_s, struct od_sigv4_claim *out,
                               struct od_error *err) OD_MUST_USE;

/* Hex of SHA-256, 64 characters and a NUL. */
void od_sha256_hex(struct od_str bytes, char out[65]);

#endif
