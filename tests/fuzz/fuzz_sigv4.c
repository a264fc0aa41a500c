/* libFuzzer: any signed request.
 *
 * The input is method, path, query, then "name:value" lines, an empty line, and the body; lines end
 * with line feeds. The corpus holds requests that verify. Beyond not crashing: a refusal has one of
 * the four codes and a message; a second try, now with what the first left in the cache, says the
 * same; and a request that verifies does no more once a byte of what is signed has changed. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "wire/sigv4.h"

#define MAX_HEADERS 64
#define SIGNED      1706745599 /* 20240131T235959Z */
#define SECRET      "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
#define CHECK(truth)                                                                               \
    do {                                                                                           \
        if (!(truth))                                                                              \
            abort();                                                                               \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool lookup(void *context, struct od_str key_id, struct od_sigv4_secret *out)
{
    (void)context;
    if (!od_str_eq(key_id, OD_STR("AKIDEXAMPLE")))
        return false;
    memcpy(out->text, SECRET, sizeof SECRET - 1);
    out->len = sizeof SECRET - 1;
    return true;
}

static enum od_status verify(struct od_sigv4 *verifier, const struct od_http_request *request)
{
    struct od_sigv4_claim claim = {0};
    struct od_error err = {0};
    enum od_status status =
        od_sigv4_verify(verifier, request, OD_STR("personalize"), SIGNED, &claim, &err);
    if (status == OD_OK) {
        CHECK(od_str_eq(claim.key_id, OD_STR("AKIDEXAMPLE")));
        CHECK(od_str_eq(claim.date, OD_STR("20240131")));
        CHECK(od_str_eq(claim.service, OD_STR("personalize")));
        CHECK(claim.region.len > 0);
    } else {
        CHECK(status == OD_AUTH_MISSING || status == OD_AUTH_INCOMPLETE ||
              status == OD_AUTH_UNKNOWN || status == OD_AUTH_SIGNATURE);
        CHECK(err.code == status && err.message[0] != '\0');
        CHECK(!claim.key_id.ptr);
    }
    return status;
}

/* The body of a verified request counts, unless the client said it does not. */
static void tamper(struct od_sigv4 *verifier, const struct od_http_request *request)
{
    struct od_http_request other = *request;
    if (!od_str_eq(od_str_trim(od_http_header(request, "x-amz-content-sha256")),
                   OD_STR("UNSIGNED-PAYLOAD"))) {
        other.body = od_str_eq(request->body, OD_STR("x")) ? OD_STR("y") : OD_STR("x");
        CHECK(verify(verifier, &other) == OD_AUTH_SIGNATURE);
        other = *request;
    }
    other.method = OD_STR("TAMPERED");
    CHECK(verify(verifier, &other) == OD_AUTH_SIGNATURE);
}

/* S3's dialect: its chain goes on from a request that verifies, and only by the right signature. */
static void verify_s3(struct od_sigv4 *verifier, const struct od_http_request *request)
{
    struct od_sigv4_claim claim = {0};
    struct od_sigv4_chain chain;
    struct od_error err = {0};
    char hash[65], previous[65];
    enum od_status status = od_sigv4_verify_s3(verifier, request, SIGNED, &claim, &chain, &err);
    struct od_str service = od_sigv4_service(request);
    if (status != OD_OK) {
        CHECK(err.code == status && err.message[0] != '\0');
        return;
    }
    CHECK(od_str_eq(service, OD_STR("s3")) && od_str_eq(claim.service, service));
    od_sha256_hex(request->body, hash);
    memcpy(previous, chain.previous, sizeof previous);
    CHECK(od_sigv4_chain_check(&chain, false, hash, od_str_c(previous), &err) == OD_AUTH_SIGNATURE);
    od_sigv4_chain_done(&chain);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct od_http_header headers[MAX_HEADERS];
    struct od_str rest = {(const char *)data, size}, line;
    struct od_http_request request = {.headers = headers, .query = OD_STR("")};
    struct od_str *const first[] = {&request.method, &request.path, &request.query};
    for (size_t i = 0; i < 3; i++)
        if (!od_str_cut(&rest, '\n', first[i]))
            *first[i] = OD_STR("");
    while (od_str_cut(&rest, '\n', &line) && line.len && request.header_count < MAX_HEADERS) {
        struct od_str name = line;
        od_str_cut(&line, ':', &name);
        headers[request.header_count++] =
            (struct od_http_header){name, line.ptr ? line : OD_STR("")};
    }
    request.body = rest.ptr ? rest : OD_STR("");
    struct od_sigv4 *verifier = od_sigv4_new(lookup, NULL);
    CHECK(verifier);
    enum od_status status = verify(verifier, &request);
    CHECK(verify(verifier, &request) == status);
    if (status == OD_OK)
        tamper(verifier, &request);
    verify_s3(verifier, &request);
    od_sigv4_free(verifier);
    return 0;
}
