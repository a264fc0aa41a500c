/* Buckets: folders of the root. What is known of one besides, its location and policy, is in
 * .ondol/buckets/<name>.json; a folder that somebody made by hand is a bucket too.
 *
 * A policy is stored and returned. It is not enforced: who has a key of this server has all of it
 * (docs/differences.md). */
#include "s3/upload.h"
#include "s3/walk.h"

#include <string.h>

#define MAX_RECORD_BYTES (256u * 1024)

struct record {
    struct od_str location, policy; /* "" for none */
    int64_t created_ms;
};

static struct od_str record_path(struct od_s3_call *call, struct od_str bucket)
{
    struct od_str name = od_arena_printf(call->arena, "%.*s.json", OD_STR_ARG(bucket));
    return name.ptr ? od_s3_hidden(call->s3, call->arena, "buckets", name) : OD_STR_NONE;
}

static enum od_status read_record(struct od_s3_call *call, struct od_str bucket, struct record *out)
{
    struct od_buf text;
    struct od_json json;
    struct od_str path = record_path(call, bucket);
    *out = (struct record){OD_STR(""), OD_STR(""), 0};
    if (!path.ptr)
        return od_s3_no_memory(call);
    od_buf_init(&text, MAX_RECORD_BYTES);
    if (od_io_read_file(call->io, path.ptr, &text, NULL) == OD_OK &&
        od_json_parse(call->arena, od_buf_view(&text), &json, NULL) == OD_OK)
        *out = (struct record){od_json_get_str(&json, "location", OD_STR("")),
                               od_json_get_str(&json, "policy", OD_STR("")),
                               od_json_get_i64(&json, "created", 0)};
    od_buf_done(&text);
    return OD_OK;
}

static enum od_status write_record(struct od_s3_call *call, const struct record *record)
{
    struct od_buf text;
    struct od_error err;
    struct od_str path = record_path(call, call->bucket);
    if (!path.ptr)
        return od_s3_no_memory(call);
    od_buf_init(&text, MAX_RECORD_BYTES);
    od_buf_printf(&text, "{\"created\":%lld,\"location\":", (long long)record->created_ms);
    od_buf_json(&text, record->location);
    od_buf_puts(&text, ",\"policy\":");
    od_buf_json(&text, record->policy);
    od_buf_puts(&text, "}\n");
    enum od_status s = od_buf_status(&text);
    s = s == OD_OK ? od_io_write_file(call->io, path.ptr, od_buf_view(&text), &err)
                   : od_fail(&err, s, NULL);
    od_buf_done(&text);
    return s == OD_OK ? OD_OK : od_s3_internal(call, &err);
}

static bool is_bucket(struct od_s3_call *call, const struct od_io_entry *entry)
{
    bool is = entry->is_folder && od_s3_check_bucket(call, entry->name) == OD_OK;
    call->failed = false;
    return is;
}

static enum od_status put_bucket(struct od_s3_call *call, struct od_str name, struct od_buf *out)
{
    struct record record;
    struct od_io_stat stat;
    enum od_status s = read_record(call, name, &record);
    int64_t created_ns = record.created_ms * 1000000;
    struct od_str path = od_s3_path(call->s3, call->arena, name, OD_STR(""));
    if (s != OD_OK || !path.ptr)
        return od_s3_no_memory(call);
    if (!created_ns && call->io->stat(call->io, path.ptr, &stat, NULL) == OD_OK)
        created_ns = stat.modified_ns;
    od_buf_puts(out, "<Bucket>");
    od_xml_put(out, "Name", name);
    od_s3_put_time(out, "CreationDate", created_ns);
    od_buf_puts(out, "</Bucket>");
    return OD_OK;
}

enum od_status od_s3_list_buckets(struct od_s3_call *call)
{
    struct od_error err;
    struct od_io_entry *list;
    size_t count, given = 0;
    uint64_t max = 10000;
    struct od_str prefix = od_s3_param(call, "prefix"), last = OD_STR_NONE;
    struct od_str after = od_s3_param(call, "continuation-token");
    struct od_str most = od_s3_param(call, "max-buckets");
    bool more = false;
    if (most.ptr && (!od_str_to_u64(most, &max) || max < 1 || max > 10000))
        return od_s3_fail(call, OD_S3_INVALID_ARGUMENT, "max-buckets must be 1 to 10000.");
    if (call->io->list(call->io, call->s3->config.root, call->arena, &list, &count, &err) != OD_OK)
        return od_s3_internal(call, &err);
    struct od_buf *out = od_s3_xml(call, "ListAllMyBucketsResult");
    od_buf_printf(out, "<Owner><ID>%s</ID><DisplayName>ondol</DisplayName></Owner><Buckets>",
                  call->s3->config.account);
    for (size_t i = 0; i < count && !more; i++) {
        struct od_str name = list[i].name;
        if (!is_bucket(call, &list[i]) || (prefix.len && !od_str_starts(name, prefix)) ||
            (after.len && od_str_cmp(name, after) <= 0))
            continue;
        more = given == max;
        if (more)
            break;
        enum od_status s = put_bucket(call, name, out);
        if (s != OD_OK)
            return s;
        last = name;
        given++;
    }
    od_buf_puts(out, "</Buckets>");
    od_xml_put(out, "ContinuationToken", more ? last : OD_STR_NONE);
    od_xml_put(out, "Prefix", prefix);
    od_s3_xml_end(call, "ListAllMyBucketsResult");
    return OD_OK;
}

/* The region that the body asks for, "" for us-east-1, which S3 knows as no constraint. */
static enum od_status read_location(struct od_s3_call *call, struct od_str *out)
{
    const struct od_xml *body;
    *out = OD_STR("");
    if (!call->intake.memory.len)
        return OD_OK;
    enum od_status s = od_s3_read_xml(call, "CreateBucketConfiguration", &body);
    if (s != OD_OK)
        return s;
    struct od_str text = od_xml_text(body, "LocationConstraint");
    bool plain = text.len <= 64;
    for (size_t i = 0; plain && i < text.len; i++)
        plain = (text.ptr[i] >= 'a' && text.ptr[i] <= 'z') || text.ptr[i] == '-' ||
                (text.ptr[i] >= '0' && text.ptr[i] <= '9') || (text.len == 2 && text.ptr[i] < 'Z');
    if (!plain)
        return od_s3_fail(call, OD_S3_LOCATION, NULL);
    if (od_xml_child(body, "Bucket"))
        return od_s3_fail(call, OD_S3_NOT_IMPLEMENTED, "Directory buckets are not implemented.");
    if (text.ptr && !od_str_eq_c(text, "us-east-1"))
        *out = text;
    return OD_OK;
}

/* tree_lock is held, and the bucket is not there: none is begun meanwhile. */
static enum od_status end_uploads(struct od_s3_call *call)
{
    struct od_s3_upload *uploads;
    size_t count;
    enum od_status s = od_s3_upload_list(call, &uploads, &count);
    for (size_t i = 0; s == OD_OK && i < count; i++) {
        s = od_s3_upload_end(call, &uploads[i]);
        if (s != OD_OK && call->code == OD_S3_NO_SUCH_UPLOAD) { /* completed or aborted just now */
            call->failed = false;
            s = OD_OK;
        }
    }
    return s;
}

static enum od_status create_bucket(struct od_s3_call *call, struct od_str location)
{
    struct od_io_stat stat;
    struct od_error err;
    struct record record = {location, OD_STR(""), call->io->now_ms(call->io)};
    struct od_str path = od_s3_path(call->s3, call->arena, call->bucket, OD_STR(""));
    if (!path.ptr)
        return od_s3_no_memory(call);
    if (call->io->stat(call->io, path.ptr, &stat, NULL) == OD_OK) {
        if (stat.kind != OD_IO_FOLDER)
            return od_s3_fail(call, OD_S3_INVALID_ARGUMENT,
                              "Something that is no folder has this name in the objects folder.");
        /* In us-east-1 S3 answers 200 to a bucket's owner. */
        return location.len ? od_s3_fail(call, OD_S3_BUCKET_EXISTS, NULL) : OD_OK;
    }
    enum od_status s = write_record(call, &record);
    if (s != OD_OK)
        return s;
    s = end_uploads(call); /* of an earlier bucket, when a crash cut its deletion off */
    if (s != OD_OK)
        return s;
    s = call->io->make_folder(call->io, path.ptr, &err);
    return s == OD_OK ? OD_OK : od_s3_internal(call, &err);
}

enum od_status od_s3_create_bucket(struct od_s3_call *call)
{
    struct od_str location;
    enum od_status s = read_location(call, &location);
    if (s != OD_OK)
        return s;
    pthread_mutex_lock(&call->s3->tree_lock);
    s = create_bucket(call, location);
    pthread_mutex_unlock(&call->s3->tree_lock);
    if (s == OD_OK)
        od_s3_header(call, "Location",
                     od_arena_printf(call->arena, "/%.*s", OD_STR_ARG(call->bucket)));
    return s;
}

enum od_status od_s3_head_bucket(struct od_s3_call *call)
{
    struct record record;
    enum od_status s = od_s3_need_bucket(call, call->bucket);
    if (s == OD_OK)
        s = read_record(call, call->bucket, &record);
    if (s == OD_OK)
        od_s3_header(call, "x-amz-bucket-region",
                     record.location.len ? record.location : OD_STR("us-east-1"));
    return s;
}

/* What is no object (a link, a folder made by hand) keeps a bucket too: it is somebody's. */
static enum od_status delete_bucket(struct od_s3_call *call)
{
    struct od_s3_walk walk;
    struct od_str key = OD_STR_NONE;
    struct od_error err;
    enum od_status s = od_s3_need_bucket(call, call->bucket);
    if (s != OD_OK)
        return s;
    s = od_s3_walk_init(&walk, call, call->bucket, OD_STR_NONE, OD_STR_NONE, OD_STR_NONE);
    if (s == OD_OK)
        s = od_s3_walk_next(&walk, &key);
    od_s3_walk_done(&walk);
    if (s == OD_OK && key.ptr)
        s = od_s3_fail(call, OD_S3_BUCKET_NOT_EMPTY, NULL);
    if (s != OD_OK)
        return s;
    struct od_str path = od_s3_path(call->s3, call->arena, call->bucket, OD_STR(""));
    struct od_str meta = od_s3_hidden(call->s3, call->arena, "meta", call->bucket);
    struct od_str record = record_path(call, call->bucket);
    if (!path.ptr || !meta.ptr || !record.ptr)
        return od_s3_no_memory(call);
    if (call->io->remove(call->io, path.ptr, &err) != OD_OK)
        return od_s3_fail(call, OD_S3_BUCKET_NOT_EMPTY,
                          "The bucket's folder holds something that is no object.");
    s = end_uploads(call);
    if (s != OD_OK)
        return s;
    s = od_io_sync_folder(call->io, call->s3->config.root, &err);
    if (s == OD_OK)
        s = od_io_remove_tree(call->io, meta.ptr, &err);
    if (s == OD_OK && od_io_exists(call->io, record.ptr))
        s = call->io->remove(call->io, record.ptr, &err);
    return s == OD_OK ? OD_OK : od_s3_internal(call, &err);
}

enum od_status od_s3_delete_bucket(struct od_s3_call *call)
{
    pthread_mutex_lock(&call->s3->tree_lock);
    enum od_status s = delete_bucket(call);
    pthread_mutex_unlock(&call->s3->tree_lock);
    call->response->status = 204;
    return s;
}

enum od_status od_s3_get_location(struct od_s3_call *call)
{
    struct record record;
    enum od_status s = od_s3_need_bucket(call, call->bucket);
    if (s == OD_OK)
        s = read_record(call, call->bucket, &record);
    if (s != OD_OK)
        return s;
    od_xml_escape(od_s3_xml(call, "LocationConstraint"), record.location);
    od_s3_xml_end(call, "LocationConstraint");
    return OD_OK;
}

/* Objects have no versions, and this is how S3 says so. */
enum od_status od_s3_get_versioning(struct od_s3_call *call)
{
    enum od_status s = od_s3_need_bucket(call, call->bucket);
    if (s != OD_OK)
        return s;
    od_s3_xml(call, "VersioningConfiguration");
    od_s3_xml_end(call, "VersioningConfiguration");
    return OD_OK;
}

/* ---- policies ---- */

enum od_status od_s3_get_policy(struct od_s3_call *call)
{
    struct record record;
    enum od_status s = od_s3_need_bucket(call, call->bucket);
    if (s == OD_OK)
        s = read_record(call, call->bucket, &record);
    if (s == OD_OK && !record.policy.len)
        s = od_s3_fail(call, OD_S3_NO_SUCH_POLICY, NULL);
    if (s != OD_OK)
        return s;
    call->response->content_type = OD_STR("application/json");
    od_buf_str(&call->response->body, record.policy);
    return OD_OK;
}

static enum od_status set_policy(struct od_s3_call *call, struct od_str policy)
{
    struct record record;
    pthread_mutex_lock(&call->s3->tree_lock);
    enum od_status s = od_s3_need_bucket(call, call->bucket);
    if (s == OD_OK)
        s = read_record(call, call->bucket, &record);
    if (s == OD_OK) {
        record.policy = policy;
        s = write_record(call, &record);
    }
    pthread_mutex_unlock(&call->s3->tree_lock);
    call->response->status = 204;
    return s;
}

enum od_status od_s3_put_policy(struct od_s3_call *call)
{
    struct od_json json;
    struct od_str policy = od_buf_view(&call->intake.memory);
    if (policy.len > OD_MAX_POLICY_BYTES)
        return od_s3_fail(call, OD_S3_MALFORMED_POLICY,
                          "Policies must not have more than %u bytes.", OD_MAX_POLICY_BYTES);
    if (od_json_parse(call->arena, policy, &json, NULL) != OD_OK || json.kind != OD_JSON_OBJECT)
        return od_s3_fail(call, OD_S3_MALFORMED_POLICY, NULL);
    if (!od_json_get(&json, OD_STR("Statement")))
        return od_s3_fail(call, OD_S3_MALFORMED_POLICY, "Missing required field Statement");
    return set_policy(call, policy);
}

enum od_status od_s3_delete_policy(struct od_s3_call *call)
{
    return set_policy(call, OD_STR(""));
}
