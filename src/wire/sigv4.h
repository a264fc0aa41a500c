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

/* The first of these failures, without a look at scope, clock or signature: OD_OK when the request
 * names a key that lookup gives. Enough to tell whose body is worth keeping. */
enum od_status od_sigv4_known(struct od_sigv4 *verifier, const struct od_http_request *request,
                              struct od_error *err) OD_MUST_USE;

/* ---- S3's dialect ----
 *
 * The path is encoded once and not normalised, and the payload's hash is what x-amz-content-sha256
 * says (required in a header-signed request, UNSIGNED-PAYLOAD in a presigned one): the body has not
 * come yet when a request is verified. Every x-amz- header must be signed. Whoever takes the body
 * compares it with that header, or, when it comes in signed chunks, asks the chain. */

/* The chain of signatures from the head of a request over its chunks to its trailer. Holds a key:
 * wipe it with od_sigv4_chain_done. */
struct od_sigv4_chain {
    unsigned char key[32];
    char previous[65]; /* the signature before, hex */
    char time[17];     /* X-Amz-Date */
    char scope[224];   /* date/region/service/aws4_request */
};
enum od_status od_sigv4_verify_s3(struct od_sigv4 *verifier, const struct od_http_request *request,
                                  int64_t now_s, struct od_sigv4_claim *out_claim,
                                  struct od_sigv4_chain *out_chain,
                                  struct od_error *err) OD_MUST_USE;
/* The link of a chunk with this SHA-256 (hex) of its bytes, or of the trailer's text. OD_OK moves
 * the chain on, OD_AUTH_SIGNATURE, OD_NO_MEMORY. */
enum od_status od_sigv4_chain_check(struct od_sigv4_chain *chain, bool trailer,
                                    const char sha256[65], struct od_str signature,
                                    struct od_error *err) OD_MUST_USE;
void od_sigv4_chain_done(struct od_sigv4_chain *chain);

/* The service that a request claims to be signed for, in its Authorization header or query; absent
 * when it is not signed. Nothing is verified; a slice of the request. */
struct od_str od_sigv4_service(const struct od_http_request *request);

/* ---- the signing side ---- */
struct od_sigv4_signer {
    struct od_str key_id, secret, region, service;
};
/* The value of the Authorization header for a request in S3's dialect whose headers, x-amz-date and
 * x-amz-content-sha256 among them, are all to be signed: names in lower case, sorted, with host. */
enum od_status od_sigv4_sign_s3(const struct od_sigv4_signer *signer,
                                const struct od_http_request *request, struct od_buf *out,
                                struct od_error *err) OD_MUST_USE;

/* Hex of SHA-256, 64 characters and a NUL. Out of memory gives 64 times '-', which is no hash. */
void od_sha256_hex(struct od_str bytes, char out[65]);

#endif
