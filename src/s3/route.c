/* From method, path and query to an operation.
 *
 * The first row that fits is it: those told by a query parameter come before the plain ones. A
 * parameter that names a part of S3 that is not here (a subresource) is refused; others, such as
 * the x-id that some SDKs add, mean nothing. */
#include <string.h>

#include "s3/inner.h"

#define DOCUMENT OD_S3_TO_MEMORY, OD_MAX_S3_DOCUMENT
#define NOTHING  OD_S3_NOWHERE, 0
#define OBJECT   OD_S3_TO_FILE, OD_MAX_OBJECT_PUT_BYTES

static const struct od_s3_operation operations[] = {
    {"GetBucketLocation", "GET", false, "location", NULL, NOTHING, od_s3_get_location},
    {"GetBucketPolicy", "GET", false, "policy", NULL, NOTHING, od_s3_get_policy},
    {"GetBucketVersioning", "GET", false, "versioning", NULL, NOTHING, od_s3_get_versioning},
    {"PutBucketPolicy", "PUT", false, "policy", NULL, DOCUMENT, od_s3_put_policy},
    {"DeleteBucketPolicy", "DELETE", false, "policy", NULL, NOTHING, od_s3_delete_policy},
    {"ListMultipartUploads", "GET", false, "uploads", NULL, NOTHING, od_s3_list_uploads},
    {"ListObjectsV2", "GET", false, "list-type", NULL, NOTHING, od_s3_list_objects_v2},
    {"DeleteObjects", "POST", false, "delete", NULL, DOCUMENT, od_s3_delete_objects},
    {"ListObjects", "GET", false, "", NULL, NOTHING, od_s3_list_objects},
    {"CreateBucket", "PUT", false, "", NULL, DOCUMENT, od_s3_create_bucket},
    {"HeadBucket", "HEAD", false, "", NULL, NOTHING, od_s3_head_bucket},
    {"DeleteBucket", "DELETE", false, "", NULL, NOTHING, od_s3_delete_bucket},
    {"CreateMultipartUpload", "POST", true, "uploads", NULL, NOTHING, od_s3_create_upload},
    {"CompleteMultipartUpload", "POST", true, "uploadId", NULL, DOCUMENT, od_s3_complete_upload},
    {"AbortMultipartUpload", "DELETE", true, "uploadId", NULL, NOTHING, od_s3_abort_upload},
    {"ListParts", "GET", true, "uploadId", NULL, NOTHING, od_s3_list_parts},
    {"UploadPartCopy", "PUT", true, "uploadId", "x-amz-copy-source", NOTHING,
     od_s3_upload_part_copy},
    {"UploadPart", "PUT", true, "uploadId", NULL, OBJECT, od_s3_upload_part},
    {"GetObject", "GET", true, "", NULL, NOTHING, od_s3_get_object},
    {"HeadObject", "HEAD", true, "", NULL, NOTHING, od_s3_head_object},
    {"CopyObject", "PUT", true, "", "x-amz-copy-source", NOTHING, od_s3_copy_object},
    {"PutObject", "PUT", true, "", NULL, OBJECT, od_s3_put_object},
    {"DeleteObject", "DELETE", true, "", NULL, NOTHING, od_s3_delete_object},
};
static const struct od_s3_operation list_buckets = {
    "ListBuckets", "GET", false, "", NULL, NOTHING, od_s3_list_buckets};

static const char *const elsewhere[] = {
    "accelerate",
    "acl",
    "analytics",
    "append",
    "attributes",
    "cors",
    "encryption",
    "inventory",
    "legal-hold",
    "lifecycle",
    "intelligent-tiering",
    "logging",
    "metadataTable",
    "metrics",
    "notification",
    "object-lock",
    "ownershipControls",
    "partNumber",
    "policy",
    "policyStatus",
    "publicAccessBlock",
    "replication",
    "requestPayment",
    "restore",
    "retention",
    "select",
    "session",
    "tagging",
    "torrent",
    "uploadId",
    "uploads",
    "versioning",
    "versions",
    "website",
    "delete",
    "location",
};

enum od_status od_s3_split(struct od_s3_call *call)
{
    struct od_error err;
    struct od_str path;
    enum od_status s = od_percent_decode(call->request->path, false, call->arena, &path, &err);
    if (s == OD_NO_MEMORY)
        return od_s3_no_memory(call);
    if (s != OD_OK)
        return od_s3_fail(call, OD_S3_INVALID_ARGUMENT, "The path: %s", err.message);
    struct od_str rest = od_str_sub(path, 1, path.len), bucket;
    od_str_cut(&rest, '/', &bucket);
    if (bucket.len)
        call->bucket = bucket;
    if (rest.ptr && rest.len)
        call->key = rest;
    if (!bucket.len && rest.len)
        return od_s3_fail(call, OD_S3_BUCKET_NAME, NULL);
    s = od_form_parse(call->request->query, call->arena, &call->query, &err);
    if (s == OD_NO_MEMORY)
        return od_s3_no_memory(call);
    return s == OD_OK ? OD_OK
                      : od_s3_fail(call, OD_S3_INVALID_ARGUMENT, "The query: %s", err.message);
}

static bool fits(const struct od_s3_call *call, const struct od_s3_operation *op)
{
    return od_str_eq_c(call->request->method, op->method) &&
           op->on_key == (call->key.ptr != NULL) &&
           (!*op->marker || od_s3_param(call, op->marker).ptr) &&
           (!op->header || od_s3_request_header(call, op->header).ptr);
}

/* A subresource that the operation found does not speak of. */
static enum od_status check_elsewhere(struct od_s3_call *call)
{
    for (size_t i = 0; i < sizeof elsewhere / sizeof *elsewhere; i++) {
        const char *name = elsewhere[i];
        bool of_upload = strcmp(call->op->marker, "uploadId") == 0 && !strcmp(name, "partNumber");
        if (od_s3_param(call, name).ptr && strcmp(call->op->marker, name) != 0 && !of_upload)
            return od_s3_fail(call, OD_S3_NOT_IMPLEMENTED,
                              "%.*s with the parameter '%s' is not implemented here.",
                              OD_STR_ARG(call->request->method), name);
    }
    return OD_OK;
}

enum od_status od_s3_find_operation(struct od_s3_call *call)
{
    enum od_status s = OD_OK;
    if (!call->bucket.ptr) {
        if (!od_str_eq_c(call->request->method, "GET"))
            return od_s3_fail(call, OD_S3_METHOD, NULL);
        call->op = &list_buckets;
        return OD_OK;
    }
    s = od_s3_check_bucket(call, call->bucket);
    for (size_t i = 0; s == OD_OK && !call->op && i < sizeof operations / sizeof *operations; i++)
        if (fits(call, &operations[i]))
            call->op = &operations[i];
    if (s == OD_OK && !call->op)
        s = od_s3_fail(call, OD_S3_METHOD, NULL);
    if (s == OD_OK)
        s = check_elsewhere(call);
    if (s == OD_OK && call->key.ptr)
        s = od_s3_check_key(call, call->key);
    return s == OD_OK ? od_s3_check_headers(call) : s;
}
