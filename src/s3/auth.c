/* Who asks: SigV4 in S3's dialect, and presigned URLs of the older kind (Signature Version 2).
 *
 * boto3 still presigns with Version 2 unless it is told otherwise, so scripts hold such URLs. They
 * are taken in the query alone:
 *
 *     ?AWSAccessKeyId=ID&Expires=seconds since 1970&Signature=base64
 *     HMAC-SHA1 over  method \n Content-MD5 \n Content-Type \n Expires \n
 *                     x-amz- headers, sorted, "name:value\n"; then /bucket/key?subresources
 *     (Amazon S3 API Reference, "Signing and Authenticating REST Requests (Signature Version 2)")
 *
 * Here without x-amz- headers but those the URL's holder adds, which are part of what is signed. */
#include <openssl/crypto.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>

#include "s3/inner.h"

#define MAX_TEXT (64 * 1024)

/* The words of AWS's other services as S3's. */
static enum od_status tell(struct od_s3_call *call, const struct od_error *err)
{
    struct od_str text = od_str_c(err->message);
    switch (err->code) {
    case OD_AUTH_MISSING:
        return od_s3_fail(call, OD_S3_ACCESS_DENIED, NULL);
    case OD_AUTH_UNKNOWN:
        return od_s3_fail(call, OD_S3_UNKNOWN_KEY, NULL);
    case OD_AUTH_INCOMPLETE:
        return od_s3_fail(call, OD_S3_AUTH_MALFORMED, "%s", err->message);
    case OD_AUTH_SIGNATURE:
        if (od_str_starts(text, OD_STR("Signature expired")) && call->query.count &&
            od_s3_param(call, "X-Amz-Signature").ptr)
            return od_s3_fail(call, OD_S3_ACCESS_DENIED, "Request has expired. %s", err->message);
        if (od_str_starts(text, OD_STR("Signature expired")) ||
            od_str_starts(text, OD_STR("Signature not yet")))
            return od_s3_fail(call, OD_S3_CLOCK, NULL);
        if (od_str_starts(text, OD_STR("There were headers")))
            return od_s3_fail(call, OD_S3_ACCESS_DENIED, "%s", err->message);
        return od_s3_fail(call, OD_S3_BAD_SIGNATURE, NULL);
    default:
        return od_s3_internal(call, err);
    }
}

static int by_name(const void *a, const void *b)
{
    const struct od_http_header *p = a, *q = b;
    return od_str_cmp(p->name, q->name);
}

/* The x-amz- headers in lower case, sorted. */
static enum od_status put_amz_headers(struct od_s3_call *call, struct od_buf *text)
{
    const struct od_http_request *request = call->request;
    size_t count = 0;
    struct od_http_header *list =
        OD_NEW_ARRAY(call->arena, struct od_http_header, request->header_count);
    if (!list)
        return od_s3_no_memory(call);
    for (size_t i = 0; i < request->header_count; i++) {
        struct od_str name = od_arena_str(call->arena, request->headers[i].name);
        if (!name.ptr)
            return od_s3_no_memory(call);
        for (size_t c = 0; c < name.len; c++)
            if (name.ptr[c] >= 'A' && name.ptr[c] <= 'Z')
                ((char *)(uintptr_t)name.ptr)[c] |= 0x20;
        if (od_str_starts(name, OD_STR("x-amz-")))
            list[count++] = (struct od_http_header){name, request->headers[i].value};
    }
    qsort(list, count, sizeof *list, by_name);
    for (size_t i = 0; i < count; i++)
        od_buf_printf(text, "%.*s:%.*s\n", OD_STR_ARG(list[i].name),
                      OD_STR_ARG(od_str_trim(list[i].value)));
    return OD_OK;
}

static int by_field(const void *a, const void *b)
{
    const struct od_form_field *p = a, *q = b;
    return od_str_cmp(p->name, q->name);
}

static bool counts_in_v2(struct od_str name)
{
    static const char *const names[] = {"acl",
                                        "cors",
                                        "delete",
                                        "lifecycle",
                                        "location",
                                        "logging",
                                        "notification",
                                        "partNumber",
                                        "policy",
                                        "requestPayment",
                                        "restore",
                                        "tagging",
                                        "torrent",
                                        "uploadId",
                                        "uploads",
                                        "versionId",
                                        "versioning",
                                        "versions",
                                        "website",
                                        "response-cache-control",
                                        "response-content-disposition",
                                        "response-content-encoding",
                                        "response-content-language",
                                        "response-content-type",
                                        "response-expires"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (od_str_eq_c(name, names[i]))
            return true;
    return false;
}

static enum od_status put_resource(struct od_s3_call *call, struct od_buf *text)
{
    struct od_form_field *fields =
        OD_NEW_ARRAY(call->arena, struct od_form_field, call->query.count);
    size_t count = 0;
    if (!fields)
        return od_s3_no_memory(call);
    for (size_t i = 0; i < call->query.count; i++)
        if (counts_in_v2(call->query.fields[i].name))
            fields[count++] = call->query.fields[i];
    qsort(fields, count, sizeof *fields, by_field);
    od_buf_str(text, call->request->path);
    for (size_t i = 0; i < count; i++) {
        od_buf_char(text, i ? '&' : '?');
        od_buf_str(text, fields[i].name);
        if (fields[i].value.len) {
            od_buf_char(text, '=');
            od_buf_str(text, fields[i].value);
        }
    }
    return OD_OK;
}

static enum od_status compare_v2(struct od_s3_call *call, const struct od_buf *text,
                                 struct od_str id, struct od_str given)
{
    struct od_sigv4_secret secret;
    unsigned char mac[EVP_MAX_MD_SIZE], want[20];
    unsigned len = 0;
    const struct od_s3_config *config = &call->s3->config;
    if (!config->lookup(config->lookup_context, id, &secret))
        return od_s3_fail(call, OD_S3_UNKNOWN_KEY, NULL);
    bool made = HMAC(EVP_sha1(), secret.text, (int)secret.len, (const unsigned char *)text->ptr,
                     text->len, mac, &len) != NULL;
    OPENSSL_cleanse(&secret, sizeof secret);
    if (!made)
        return od_s3_no_memory(call);
    if (!od_base64_read(given, want, sizeof want) || CRYPTO_memcmp(mac, want, sizeof want) != 0)
        return od_s3_fail(call, OD_S3_BAD_SIGNATURE, NULL);
    call->is_signed = true;
    return OD_OK;
}

static enum od_status check_v2(struct od_s3_call *call)
{
    struct od_buf text;
    struct od_str id = od_s3_param(call, "AWSAccessKeyId");
    struct od_str given = od_s3_param(call, "Signature"), expires = od_s3_param(call, "Expires");
    struct od_str md5 = od_s3_request_header(call, "content-md5");
    struct od_str type = od_s3_request_header(call, "content-type");
    int64_t until_s;
    if (!id.ptr || !given.ptr || !od_str_to_i64(expires, &until_s))
        return od_s3_fail(call, OD_S3_ACCESS_DENIED,
                          "Query-string authentication requires the Signature, Expires and "
                          "AWSAccessKeyId parameters");
    if (until_s < call->io->now_ms(call->io) / 1000)
        return od_s3_fail(call, OD_S3_ACCESS_DENIED, "Request has expired");
    od_buf_init(&text, MAX_TEXT);
    od_buf_printf(&text, "%.*s\n%.*s\n%.*s\n%.*s\n", OD_STR_ARG(call->request->method),
                  OD_STR_ARG(md5), OD_STR_ARG(type), OD_STR_ARG(expires));
    enum od_status s = put_amz_headers(call, &text);
    if (s == OD_OK)
        s = put_resource(call, &text);
    if (s == OD_OK && od_buf_status(&text) != OD_OK)
        s = od_s3_no_memory(call);
    if (s == OD_OK)
        s = compare_v2(call, &text, id, given);
    od_buf_done(&text);
    return s;
}

enum od_status od_s3_authenticate(struct od_s3_call *call)
{
    struct od_sigv4_claim claim;
    struct od_error err;
    const struct od_s3_config *config = &call->s3->config;
    if (config->no_auth)
        return OD_OK;
    if (od_s3_param(call, "Signature").ptr && od_s3_param(call, "AWSAccessKeyId").ptr)
        return check_v2(call);
    enum od_status s =
        od_sigv4_verify_s3(config->verifier, call->request, call->io->now_ms(call->io) / 1000,
                           &claim, &call->chain, &err);
    call->is_signed = s == OD_OK;
    return s == OD_OK ? OD_OK : tell(call, &err);
}
