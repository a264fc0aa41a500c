/* AWS Signature Version 4, verifying side (api.md section 4), and its hash. */
#ifndef OD_WIRE_SIGV4_H
#define OD_WIRE_SIGV4_H

#include "base/limits.h"
#include "wire/http.h"

/* What the request's signature claims; slices of the request. */
struct od_sigv4_claim {
    struct od_str key_id;
    struct od_str date; /* yyyymmdd of the scope */
    struct od_str region;
    struct od_str service;
    int64_t signed_at_s; /* X-Amz-Date */
};

/* A copy of a secret key, so that a revocation may free the original at any time. The verifier
 * wipes it. */
struct od_sigv4_secret {
    char text[OD_MAX_SECRET_CHARS];
    size_t len; /* 1 to OD_MAX_SECRET_CHARS */
};
/* Looks a key up and copies its secret to out: false when unknown or revoked. Called on the HTTP
 * threads, only when no derived key is cached. */
typedef bool (*od_sigv4_lookup)(void *context, struct od_str key_id, struct od_sigv4_secret *out);

struct od_sigv4; /* derived-key cache; one a server, thread-safe */
/* NULL when out of memory. */
struct od_sigv4 *od_sigv4_new(od_sigv4_lookup lookup, void *context);
void od_sigv4_free(struct od_sigv4 *verifier);
/* Forgets cached keys: call after a key is revoked, that is when lookup gives it no more. A request
 * whose verification begins after the return is refused. */
void od_sigv4_flush(struct od_sigv4 *verifier);

/* Verifies the Authorization header, or the presigned query, over exactly the signed headers.
 * service: the scope's service must be this ("personalize"). now_s: the server's clock.
 *   time      X-Amz-Date alone (a Date header is not taken in its place), within
 *             OD_CLOCK_SKEW_S of now; presigned: not longer ago than X-Amz-Expires, itself at most
 *             OD_MAX_PRESIGNED_S
 *   headers   SignedHeaders lower-case, sorted, without repetition, all in the request; host
 *             among them, x-amz-date when not presigned, and x-amz-target when the request has one
 *   body      its SHA-256; or x-amz-content-sha256, which is UNSIGNED-PAYLOAD or that SHA-256
 * Failures carry AWS's names and texts (errors.md section 2): OD_AUTH_MISSING, OD_AUTH_INCOMPLETE
 * (malformed, naming the part), OD_AUTH_UNKNOWN, OD_AUTH_SIGNATURE (wrong signature, scope, body
 * hash, or "Signature expired: ..." for the clock); OD_NO_MEMORY. Any thread. */
enum od_status od_sigv4_verify(struct od_sigv4 *verifier, const struct od_http_request *request,
                               struct od_str service, int64_t now_s, struct od_sigv4_claim *out,
                               struct od_error *err) OD_MUST_USE;

/* Hex of SHA-256, 64 characters and a NUL. Out of memory gives 64 times '-', which is no hash. */
void od_sha256_hex(struct od_str bytes, char out[65]);

#endif
