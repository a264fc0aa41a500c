/* DeleteObjects: up to 1,000 keys in one request, each answered for itself. */
#include "s3/inner.h"

/* Like S3, which wants the body's integrity proven because so much hangs on it. */
static bool is_proven(const struct od_s3_call *call)
{
    return call->intake.want_md5.ptr || call->intake.want_sum.ptr || call->intake.want_sha256.ptr;
}

static void put_result(struct od_s3_call *call, struct od_buf *out, struct od_str key, bool quiet)
{
    if (!call->failed) {
        if (!quiet) {
            od_buf_puts(out, "<Deleted>");
            od_xml_put(out, "Key", key);
            od_buf_puts(out, "</Deleted>");
        }
        return;
    }
    od_buf_puts(out, "<Error>");
    od_xml_put(out, "Key", key);
    od_xml_put(out, "Code", od_str_c(od_s3_code_text(call->code)));
    od_xml_put(out, "Message", od_str_c(call->message));
    od_buf_puts(out, "</Error>");
    call->failed = false;
}

static void delete_one(struct od_s3_call *call, const struct od_xml *object, struct od_str key)
{
    struct od_str version = od_xml_text(object, "VersionId");
    enum od_status s = OD_OK;
    if (version.len && !od_str_eq_c(version, "null"))
        s = od_s3_fail(call, OD_S3_NOT_IMPLEMENTED, "Objects have no versions here.");
    if (s == OD_OK && od_xml_child(object, "ETag"))
        s = od_s3_fail(call, OD_S3_NOT_IMPLEMENTED, "ETag of a delete is not implemented.");
    if (s == OD_OK)
        s = od_s3_check_key(call, key);
    if (s == OD_OK)
        s = od_s3_delete(call, call->bucket, key);
    (void)s; /* in call->failed */
}

enum od_status od_s3_delete_objects(struct od_s3_call *call)
{
    const struct od_xml *body;
    size_t count = 0;
    enum od_status s = od_s3_need_bucket(call, call->bucket);
    if (s == OD_OK && !is_proven(call))
        s = od_s3_fail(call, OD_S3_INVALID_REQUEST,
                       "Missing required header for this request: Content-MD5 OR x-amz-checksum-*");
    if (s == OD_OK)
        s = od_s3_read_xml(call, "Delete", &body);
    if (s != OD_OK)
        return s;
    for (const struct od_xml *o = body->first; o; o = o->next) {
        bool object = od_str_eq_c(o->name, "Object");
        if (object && !od_xml_child(o, "Key"))
            return od_s3_fail(call, OD_S3_MALFORMED_XML, "An Object without a Key.");
        count += object;
    }
    if (!count || count > OD_MAX_LISTED_KEYS)
        return od_s3_fail(call, OD_S3_MALFORMED_XML, "A Delete must name 1 to %d objects.",
                          OD_MAX_LISTED_KEYS);
    bool quiet = od_str_eq(od_xml_text(body, "Quiet"), OD_STR("true"));
    struct od_buf *out = od_s3_xml(call, "DeleteResult");
    for (const struct od_xml *o = body->first; o; o = o->next) {
        if (!od_str_eq_c(o->name, "Object"))
            continue;
        struct od_str key = od_xml_child(o, "Key")->text; /* white space is part of a key */
        delete_one(call, o, key);
        put_result(call, out, key, quiet);
    }
    od_s3_xml_end(call, "DeleteResult");
    return OD_OK;
}
