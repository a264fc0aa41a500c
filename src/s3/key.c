/* Names: which buckets and keys can be files, and which headers ask for what is not done.
 *
 * A key is a path below its bucket, so that whoever puts an object and whoever lays a file there
 * see the same. What no path can say is refused: an empty part ("a//b", "/a"), "." and "..", a part
 * of more than 255 bytes, control characters. Refusing is honest where renaming would surprise: an
 * import looks the file up by the very name. */
#include <string.h>

#include "s3/inner.h"

#define MAX_PART_BYTES 255 /* of a file's name on all common file systems */

static bool is_edge(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

enum od_status od_s3_check_bucket(struct od_s3_call *call, struct od_str bucket)
{
    bool good = bucket.len >= 3 && bucket.len <= 63;
    for (size_t i = 0; good && i < bucket.len; i++) {
        char c = bucket.ptr[i];
        bool edge = i == 0 || i == bucket.len - 1;
        bool twice = c == '.' && i > 0 && bucket.ptr[i - 1] == '.';
        good = is_edge(c) || (!edge && !twice && (c == '-' || c == '.'));
    }
    return good ? OD_OK : od_s3_fail(call, OD_S3_BUCKET_NAME, NULL);
}

enum od_status od_s3_check_key(struct od_s3_call *call, struct od_str key)
{
    struct od_str rest = key, part;
    if (key.len > OD_MAX_KEY_BYTES)
        return od_s3_fail(call, OD_S3_KEY_TOO_LONG, NULL);
    for (size_t i = 0; i < key.len; i++)
        if ((unsigned char)key.ptr[i] < 0x20 || key.ptr[i] == 0x7F)
            return od_s3_fail(
                call, OD_S3_INVALID_ARGUMENT,
                "The key has a control character at byte %zu; objects are files here, "
                "and their names have none.",
                i + 1);
    while (od_str_cut(&rest, '/', &part)) {
        if (!part.len && (rest.ptr || key.len < 2))
            return od_s3_fail(call, OD_S3_INVALID_ARGUMENT,
                              "The key has an empty part beside a '/'; objects are files here.");
        if (od_str_eq_c(part, ".") || od_str_eq_c(part, ".."))
            return od_s3_fail(call, OD_S3_INVALID_ARGUMENT,
                              "The key has a part '%.*s'; objects are files here.",
                              OD_STR_ARG(part));
        if (part.len > MAX_PART_BYTES)
            return od_s3_fail(call, OD_S3_INVALID_ARGUMENT,
                              "A part of the key between two '/' has %zu bytes; at most %d are "
                              "allowed, because objects are files here.",
                              part.len, MAX_PART_BYTES);
    }
    return OD_OK;
}

#define ENCRYPTION "x-amz-server-side-encryption"

/* A header and the values that say no more than what is so anyway. */
static const struct {
    const char *name;
    const char *harmless[3];
} refused[] = {
    {"x-amz-acl", {"private", "bucket-owner-full-control", "bucket-owner-read"}},
    {"x-amz-grant-full-control", {NULL}},
    {"x-amz-grant-read", {NULL}},
    {"x-amz-grant-read-acp", {NULL}},
    {"x-amz-grant-write", {NULL}},
    {"x-amz-grant-write-acp", {NULL}},
    {"x-amz-storage-class", {"STANDARD"}},
    {ENCRYPTION, {NULL}},
    {"x-amz-server-side-encryption-customer-algorithm", {NULL}},
    {"x-amz-copy-source-server-side-encryption-customer-algorithm", {NULL}},
    {"x-amz-tagging", {NULL}},
    {"x-amz-website-redirect-location", {NULL}},
    {"x-amz-object-lock-mode", {NULL}},
    {"x-amz-object-lock-retain-until-date", {NULL}},
    {"x-amz-object-lock-legal-hold", {"OFF"}},
    {"x-amz-bucket-object-lock-enabled", {"false", "False"}},
    {"x-amz-write-offset-bytes", {NULL}},
    {"x-amz-mfa", {NULL}},
};

enum od_status od_s3_check_headers(struct od_s3_call *call)
{
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        struct od_str value = od_s3_request_header(call, refused[i].name);
        bool fine = !value.ptr;
        for (size_t v = 0; !fine && v < 3 && refused[i].harmless[v]; v++)
            fine = od_str_eq_c(value, refused[i].harmless[v]);
        if (strcmp(refused[i].name, ENCRYPTION) == 0 && call->s3->config.encrypted_disk)
            fine |= od_str_eq_c(value, "AES256") || od_str_eq_c(value, "aws:kms");
        if (!fine)
            return od_s3_fail(call, OD_S3_NOT_IMPLEMENTED,
                              "The header %s: %.*s asks for what this server does not do.",
                              refused[i].name, OD_STR_ARG(od_str_sub(value, 0, 100)));
    }
    struct od_str owner = od_s3_request_header(call, "x-amz-expected-bucket-owner");
    if (owner.ptr && !od_str_eq_c(owner, call->s3->config.account))
        return od_s3_fail(call, OD_S3_ACCESS_DENIED, NULL);
    struct od_str version = od_s3_param(call, "versionId");
    if (version.ptr && !od_str_eq_c(version, "null"))
        return od_s3_fail(call, OD_S3_NOT_IMPLEMENTED, "versionId: objects have no versions here.");
    return OD_OK;
}
