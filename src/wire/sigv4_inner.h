/* What the files of the signature verifier share; nobody else includes this. Overview: sigv4.c. */
#ifndef OD_WIRE_SIGV4_INNER_H
#define OD_WIRE_SIGV4_INNER_H

#include <openssl/evp.h>

#include "wire/sigv4.h"

#define OD_SHA256_BYTES 32
#define OD_SHA256_HEX   65 /* with the NUL */

/* --- sigv4_hash.c --- */

/* One hash context for all digests of one verification: making one costs more than a digest. */
struct od_sha256 {
    EVP_MD_CTX *context;
    const EVP_MD *method; /* borrowed */
};
enum od_status od_sha256_init(struct od_sha256 *sha, const EVP_MD *method) OD_MUST_USE;
void od_sha256_done(struct od_sha256 *sha);
enum od_status od_sha256_of(struct od_sha256 *sha, struct od_str bytes,
                            unsigned char out[OD_SHA256_BYTES]) OD_MUST_USE;
enum od_status od_hmac_sha256(struct od_sha256 *sha, struct od_str key, struct od_str bytes,
                              unsigned char out[OD_SHA256_BYTES]) OD_MUST_USE;
void od_sha256_text(const unsigned char digest[OD_SHA256_BYTES], char out[OD_SHA256_HEX]);

/* --- sigv4_parse.c --- */

/* The words of an Authorization header or a presigned query, each checked to be of plain
 * characters; slices of the request. */
struct od_sigv4_words {
    bool presigned;
    bool s3;                                                 /* its dialect; set by the verifier */
    struct od_str key_id, date, region, service, terminator; /* of the credential */
    struct od_str signed_headers; /* as sent; walk with od_sigv4_next_name */
    struct od_str signature;
    struct od_str time; /* X-Amz-Date, as sent */
    int64_t time_s;
    int64_t expires_s; /* presigned only */
};
enum od_status od_sigv4_parse(const struct od_http_request *request, struct od_sigv4_words *out,
                              struct od_error *err) OD_MUST_USE;
/* The next of the signed headers' names; false after the last. They are joined by ";" in a header
 * and by "%3B" in a query. */
bool od_sigv4_next_name(struct od_str *rest, struct od_str *out_name);

/* --- sigv4_canonical.c --- */

/* Appends the canonical request up to its last line, which is the payload hash. */
void od_sigv4_put_encoded(struct od_buf *out, unsigned char c); /* unreserved or %XX */
enum od_status od_sigv4_canonical(const struct od_http_request *request,
                                  const struct od_sigv4_words *words, struct od_buf *out,
                                  struct od_error *err) OD_MUST_USE;

/* --- sigv4.c --- */

/* The signature over a canonical request. text: the canonical request, replaced by the string to
 * sign. */
enum od_status od_sigv4_sign_text(struct od_sha256 *sha, const struct od_sigv4_words *words,
                                  struct od_str key, struct od_buf *text,
                                  char out[OD_SHA256_HEX]) OD_MUST_USE;
/* "date/region/service/terminator". */
void od_sigv4_put_scope(struct od_buf *out, const struct od_sigv4_words *words);

/* --- sigv4_keys.c --- */

struct od_sigv4_cache;
struct od_sigv4_cache *od_sigv4_cache_new(void);
void od_sigv4_cache_free(struct od_sigv4_cache *cache);
void od_sigv4_cache_flush(struct od_sigv4_cache *cache);
/* True when the derived key of this scope ("id/date/region/service") is known. out_generation is
 * set either way, for od_sigv4_cache_put. */
bool od_sigv4_cache_get(struct od_sigv4_cache *cache, struct od_str scope,
                        unsigned char out_key[OD_SHA256_BYTES], uint64_t *out_generation);
/* Remembers a key, unless the cache was flushed since generation was read. */
void od_sigv4_cache_put(struct od_sigv4_cache *cache, struct od_str scope,
                        const unsigned char key[OD_SHA256_BYTES], uint64_t generation);
/* The HMAC chain over date, region, service and aws4_request. */
enum od_status od_sigv4_derive(struct od_sha256 *sha, const struct od_sigv4_secret *secret,
                               const struct od_sigv4_words *words,
                               unsigned char out[OD_SHA256_BYTES]) OD_MUST_USE;

#endif
