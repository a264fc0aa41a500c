/* Verifying a signature: the order of the checks, and what each failure says.
 *
 *   1. the words (sigv4_parse.c): missing, or malformed naming the part
 *   2. the scope: terminator, service, and the date being X-Amz-Date's own day
 *   3. the clock: SDKs read our Date header and correct theirs on "Signature expired"
 *   4. the body's hash, where the request names it
 *   5. the canonical request (sigv4_canonical.c), with the headers that must be signed
 *   6. the key: a cached derived key, else the secret (sigv4_keys.c)
 *   7. the signature, compared in constant time over all 64 digits
 *
 * Only after 7 is anything believed: out is written, and the derived key goes into the cache. The
 * texts follow AWS's, which SDKs and their users know.
 *
 * Cost with a cached key: three digests over the request (body, canonical request, and the HMAC's
 * two) and one allocation. Threads: any; the only shared state is the cache, which locks itself. */
#include "wire/sigv4_inner.h"

#include <assert.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/time.h"

/* Request line and headers are within OD_MAX_HEADER_BYTES; encoding makes a byte three at most. */
#define MAX_CANONICAL_BYTES (4 * OD_MAX_HEADER_BYTES)
#define USUAL_BYTES         1024
#define MAX_SCOPE_CHARS     (OD_MAX_KEY_ID_CHARS + 8 + 64 + 64 + 3)
#define SHOWN(s)            (int)((s).len > 64 ? 64 : (s).len), (s).ptr ? (s).ptr : ""

struct od_sigv4 {
    od_sigv4_lookup lookup;
    void *context;
    EVP_MD *sha256;
    struct od_sigv4_cache *cache;
};

struct od_sigv4 *od_sigv4_new(od_sigv4_lookup lookup, void *context)
{
    struct od_sigv4 *verifier = calloc(1, sizeof *verifier);
    if (!verifier)
        return NULL;
    verifier->lookup = lookup;
    verifier->context = context;
    verifier->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    verifier->cache = od_sigv4_cache_new();
    if (verifier->sha256 && verifier->cache)
        return verifier;
    od_sigv4_free(verifier);
    return NULL;
}

void od_sigv4_free(struct od_sigv4 *verifier)
{
    if (!verifier)
        return;
    od_sigv4_cache_free(verifier->cache);
    EVP_MD_free(verifier->sha256);
    free(verifier);
}

void od_sigv4_flush(struct od_sigv4 *verifier)
{
    od_sigv4_cache_flush(verifier->cache);
}

static enum od_status check_scope(const struct od_sigv4_words *words, struct od_str service,
                                  struct od_error *err)
{
    if (!od_str_eq(words->terminator, OD_STR("aws4_request")))
        return od_fail(err, OD_AUTH_SIGNATURE,
                       "Credential should be scoped with a valid terminator: 'aws4_request', not "
                       "'%.*s'.",
                       SHOWN(words->terminator));
    if (!od_str_eq(words->service, service))
        return od_fail(err, OD_AUTH_SIGNATURE,
                       "Credential should be scoped to correct service: '%.*s'.",
                       OD_STR_ARG(service));
    if (!od_str_eq(words->date, od_str_sub(words->time, 0, 8)))
        return od_fail(err, OD_AUTH_SIGNATURE,
                       "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of "
                       "date from HTTP: '%.*s' != '%.8s', from '%.*s'.",
                       SHOWN(words->date), words->time.ptr, SHOWN(words->time));
    return OD_OK;
}

/* "Signature <complaint>: <signed> is <relation> than <limit> (<now> <sign> <allowance>.)" */
static enum od_status fail_clock(const struct od_sigv4_words *words, int64_t now_s, int64_t limit_s,
                                 struct od_error *err)
{
    char now[OD_TIME_TEXT], limit[OD_TIME_TEXT], allowance[32];
    bool late = limit_s < now_s;
    od_time_format_basic(now_s, now);
    od_time_format_basic(limit_s, limit);
    long long seconds = late ? now_s - limit_s : limit_s - now_s;
    if (words->presigned && late)
        snprintf(allowance, sizeof allowance, "%lld s", seconds);
    else
        snprintf(allowance, sizeof allowance, "%lld min", seconds / 60);
    return od_fail(err, OD_AUTH_SIGNATURE, "Signature %s: %.*s is %s than %s (%s %c %s.)",
                   late ? "expired" : "not yet current", SHOWN(words->time),
                   late ? "now earlier" : "still later", limit, now, late ? '-' : '+', allowance);
}

static enum od_status check_clock(const struct od_sigv4_words *words, int64_t now_s,
                                  struct od_error *err)
{
    int64_t earliest_s = now_s - (words->presigned ? words->expires_s : OD_CLOCK_SKEW_S);
    int64_t latest_s = now_s + OD_CLOCK_SKEW_S;
    if (words->time_s < earliest_s)
        return fail_clock(words, now_s, earliest_s, err);
    if (words->time_s > latest_s)
        return fail_clock(words, now_s, latest_s, err);
    return OD_OK;
}

/* The canonical request's last line. */
static enum od_status put_payload(struct od_sha256 *sha, const struct od_http_request *request,
                                  const struct od_sigv4_words *words, struct od_buf *out,
                                  struct od_error *err)
{
    unsigned char digest[OD_SHA256_BYTES];
    char text[OD_SHA256_HEX];
    struct od_str named = od_str_trim(od_http_header(request, "x-amz-content-sha256"));
    if (words->s3) {
        if (!named.ptr && !words->presigned)
            return od_fail(err, OD_AUTH_INCOMPLETE,
                           "Missing required header for this request: x-amz-content-sha256");
        od_buf_str(out, named.ptr ? named : OD_STR("UNSIGNED-PAYLOAD"));
        return OD_OK;
    }
    if (od_str_eq(named, OD_STR("UNSIGNED-PAYLOAD"))) {
        od_buf_str(out, named);
        return OD_OK;
    }
    if (od_sha256_of(sha, request->body, digest) != OD_OK)
        return od_fail(err, OD_NO_MEMORY, NULL);
    od_sha256_text(digest, text);
    if (named.ptr && !od_str_eq_c(named, text))
        return od_fail(err, OD_AUTH_SIGNATURE,
                       "The value of the header X-Amz-Content-Sha256 is '%.*s'; it must be "
                       "UNSIGNED-PAYLOAD or the SHA-256 of the body, which is '%s'.",
                       SHOWN(named), text);
    od_buf_puts(out, text);
    return OD_OK;
}

/* The signing key of the claim, and the scope and generation under which it may be cached. */
static enum od_status find_key(struct od_sigv4 *verifier, struct od_sha256 *sha,
                               const struct od_sigv4_words *words, struct od_str scope,
                               unsigned char out_key[OD_SHA256_BYTES], bool *out_cached,
                               uint64_t *out_generation, struct od_error *err)
{
    *out_cached = od_sigv4_cache_get(verifier->cache, scope, out_key, out_generation);
    if (*out_cached)
        return OD_OK;
    struct od_sigv4_secret secret = {0};
    enum od_status status = OD_OK;
    if (!verifier->lookup(verifier->context, words->key_id, &secret) || secret.len < 1 ||
        secret.len > OD_MAX_SECRET_CHARS)
        status = od_fail(err, OD_AUTH_UNKNOWN, NULL);
    else if (od_sigv4_derive(sha, &secret, words, out_key) != OD_OK)
        status = od_fail(err, OD_NO_MEMORY, NULL);
    OPENSSL_cleanse(&secret, sizeof secret);
    return status;
}

void od_sigv4_put_scope(struct od_buf *out, const struct od_sigv4_words *words)
{
    const struct od_str scope[] = {words->date, words->region, words->service, words->terminator};
    for (size_t i = 0; i < sizeof scope / sizeof *scope; i++) {
        if (i)
            od_buf_char(out, '/');
        od_buf_str(out, scope[i]);
    }
}

enum od_status od_sigv4_sign_text(struct od_sha256 *sha, const struct od_sigv4_words *words,
                                  struct od_str key, struct od_buf *text, char out[OD_SHA256_HEX])
{
    unsigned char digest[OD_SHA256_BYTES];
    char hex[OD_SHA256_HEX];
    enum od_status status = od_sha256_of(sha, od_buf_view(text), digest);
    if (status != OD_OK)
        return status;
    od_sha256_text(digest, hex);
    od_buf_clear(text);
    od_buf_puts(text, "AWS4-HMAC-SHA256\n");
    od_buf_str(text, words->time);
    od_buf_char(text, '\n');
    od_sigv4_put_scope(text, words);
    od_buf_char(text, '\n');
    od_buf_puts(text, hex);
    status = od_buf_status(text);
    if (status == OD_OK)
        status = od_hmac_sha256(sha, key, od_buf_view(text), digest);
    if (status == OD_OK)
        od_sha256_text(digest, out);
    return status;
}

/* "id/date/region/service", under which a derived key is cached. */
static struct od_str join_scope(const struct od_sigv4_words *words, char to[MAX_SCOPE_CHARS])
{
    const struct od_str parts[] = {words->key_id, words->date, words->region, words->service};
    size_t len = 0;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        assert(len + 1 + parts[i].len <= MAX_SCOPE_CHARS); /* the parser bounds them */
        if (i)
            to[len++] = '/';
        memcpy(to + len, parts[i].ptr, parts[i].len);
        len += parts[i].len;
    }
    return (struct od_str){to, len};
}

/* Steps 4 to 7. text: empty. key: room, which the caller wipes. */
static enum od_status check_signature(struct od_sigv4 *verifier, struct od_sha256 *sha,
                                      const struct od_http_request *request,
                                      const struct od_sigv4_words *words, struct od_buf *text,
                                      unsigned char key[OD_SHA256_BYTES], struct od_error *err)
{
    char scope[MAX_SCOPE_CHARS], expected[OD_SHA256_HEX];
    bool cached;
    uint64_t generation;
    enum od_status status = od_sigv4_canonical(request, words, text, err);
    if (status == OD_OK)
        status = put_payload(sha, request, words, text, err);
    if (status != OD_OK)
        return status;
    struct od_str scope_text = join_scope(words, scope);
    status = find_key(verifier, sha, words, scope_text, key, &cached, &generation, err);
    if (status != OD_OK)
        return status;
    struct od_str key_text = {(const char *)key, OD_SHA256_BYTES};
    status = od_sigv4_sign_text(sha, words, key_text, text, expected);
    if (status != OD_OK)
        od_fail(err, status, NULL);
    else if (CRYPTO_memcmp(expected, words->signature.ptr, OD_SHA256_HEX - 1) != 0)
        status = od_fail(err, OD_AUTH_SIGNATURE, NULL);
    else if (!cached)
        od_sigv4_cache_put(verifier->cache, scope_text, key, generation);
    return status;
}

static void start_chain(const struct od_sigv4_words *words, const unsigned char *key,
                        struct od_sigv4_chain *out)
{
    struct od_buf scope;
    memcpy(out->key, key, sizeof out->key);
    memcpy(out->previous, words->signature.ptr, OD_SHA256_HEX - 1);
    out->previous[OD_SHA256_HEX - 1] = '\0';
    snprintf(out->time, sizeof out->time, "%.*s", OD_STR_ARG(words->time));
    od_buf_init(&scope, sizeof out->scope - 1);
    od_sigv4_put_scope(&scope, words);
    assert(od_buf_status(&scope) == OD_OK); /* the parser bounds its parts */
    snprintf(out->scope, sizeof out->scope, "%s", scope.ptr);
    od_buf_done(&scope);
}

/* out_chain: NULL but in S3's dialect. */
static enum od_status verify(struct od_sigv4 *verifier, const struct od_http_request *request,
                             struct od_str service, int64_t now_s, struct od_sigv4_claim *out,
                             struct od_sigv4_chain *out_chain, struct od_error *err)
{
    struct od_sigv4_words words;
    unsigned char key[OD_SHA256_BYTES];
    enum od_status status = od_sigv4_parse(request, &words, err);
    words.s3 = out_chain != NULL;
    if (status == OD_OK)
        status = check_scope(&words, service, err);
    if (status == OD_OK)
        status = check_clock(&words, now_s, err);
    if (status != OD_OK)
        return status;
    struct od_sha256 sha;
    if (od_sha256_init(&sha, verifier->sha256) != OD_OK)
        return od_fail(err, OD_NO_MEMORY, NULL);
    struct od_buf text;
    od_buf_init(&text, MAX_CANONICAL_BYTES);
    od_buf_reserve(&text, USUAL_BYTES);
    status = check_signature(verifier, &sha, request, &words, &text, key, err);
    if (status == OD_OK && out_chain)
        start_chain(&words, key, out_chain);
    OPENSSL_cleanse(key, sizeof key);
    od_buf_done(&text);
    od_sha256_done(&sha);
    if (status == OD_OK)
        *out = (struct od_sigv4_claim){.key_id = words.key_id,
                                       .date = words.date,
                                       .region = words.region,
                                       .service = words.service,
                                       .signed_at_s = words.time_s};
    return status;
}

enum od_status od_sigv4_verify(struct od_sigv4 *verifier, const struct od_http_request *request,
                               struct od_str service, int64_t now_s, struct od_sigv4_claim *out,
                               struct od_error *err)
{
    return verify(verifier, request, service, now_s, out, NULL, err);
}

enum od_status od_sigv4_known(struct od_sigv4 *verifier, const struct od_http_request *request,
                              struct od_error *err)
{
    struct od_sigv4_words words;
    struct od_sigv4_secret secret = {0};
    enum od_status status = od_sigv4_parse(request, &words, err);
    if (status == OD_OK && !verifier->lookup(verifier->context, words.key_id, &secret))
        status = od_fail(err, OD_AUTH_UNKNOWN, NULL);
    OPENSSL_cleanse(&secret, sizeof secret);
    return status;
}

enum od_status od_sigv4_verify_s3(struct od_sigv4 *verifier, const struct od_http_request *request,
                                  int64_t now_s, struct od_sigv4_claim *out_claim,
                                  struct od_sigv4_chain *out_chain, struct od_error *err)
{
    return verify(verifier, request, OD_STR("s3"), now_s, out_claim, out_chain, err);
}
