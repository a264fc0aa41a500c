/* CopyObject, and the bytes of every other copy. Done with reads and writes: a copy must not share
 * its bytes with the original, which somebody may edit in place. */
#include <stdlib.h>
#include <string.h>

#include "s3/copy.h"

#define BLOCK_BYTES (1u << 20)

enum od_status od_s3_copy_bytes(struct od_s3_call *call, int from, uint64_t at, uint64_t len,
                                int to, uint64_t to_at, struct od_checksum *md5,
                                struct od_checksum *sum)
{
    struct od_error err;
    char *block = malloc(BLOCK_BYTES);
    enum od_status s = block ? OD_OK : od_s3_no_memory(call);
    while (s == OD_OK && len) {
        size_t want = len < BLOCK_BYTES ? (size_t)len : BLOCK_BYTES, got = 0;
        s = call->io->read_at(call->io, from, block, want, at, &got, &err);
        if (s == OD_OK && got < want)
            s = od_fail(&err, OD_IO, "a file became shorter while it was copied");
        if (s == OD_OK)
            s = call->io->write_at(call->io, to, block, got, to_at, &err);
        if (s != OD_OK) {
            s = od_s3_internal(call, &err);
            break;
        }
        od_checksum_add(md5, block, got);
        od_checksum_add(sum, block, got);
        at += got;
        to_at += got;
        len -= got;
    }
    free(block);
    return s;
}

/* x-amz-copy-source: [/]bucket/key, percent-encoded, maybe with ?versionId=null. */
static enum od_status read_source(struct od_s3_call *call, struct od_str *out_bucket,
                                  struct od_str *out_key)
{
    struct od_error err;
    struct od_str text = od_s3_request_header(call, "x-amz-copy-source"), path, rest;
    struct od_str version = OD_STR_NONE;
    size_t mark = od_str_find(text, '?', 0);
    if (mark != SIZE_MAX) {
        version = od_str_sub(text, mark + 1, text.len);
        text = od_str_sub(text, 0, mark);
    }
    if (version.ptr && !od_str_eq_c(version, "versionId=null"))
        return od_s3_fail(call, OD_S3_NOT_IMPLEMENTED, "Objects have no versions here.");
    if (od_percent_decode(text, false, call->arena, &path, &err) != OD_OK)
        return od_s3_fail(call, OD_S3_INVALID_ARGUMENT, "x-amz-copy-source: %s", err.message);
    if (od_str_starts(path, OD_STR("/")))
        path = od_str_sub(path, 1, path.len);
    rest = path;
    od_str_cut(&rest, '/', out_bucket);
    if (!rest.ptr || !rest.len)
        return od_s3_fail(
            call, OD_S3_INVALID_ARGUMENT,
            "Copy Source must mention the source bucket and key: sourcebucket/sourcekey");
    *out_key = rest;
    enum od_status s = od_s3_check_bucket(call, *out_bucket);
    return s == OD_OK ? od_s3_check_key(call, *out_key) : s;
}

enum od_status od_s3_copy_open(struct od_s3_call *call, struct od_s3_copy *copy)
{
    struct od_error err;
    bool not_modified;
    *copy = (struct od_s3_copy){.from = -1, .to = -1};
    enum od_status s = od_s3_need_bucket(call, call->bucket);
    if (s == OD_OK)
        s = read_source(call, &copy->bucket, &copy->key);
    if (s == OD_OK)
        s = od_s3_find(call, copy->bucket, copy->key, &copy->source);
    if (s == OD_OK && !copy->source.is_marker) {
        s = od_s3_open(call, copy->bucket, copy->key, &copy->source, &copy->from);
        if (s != OD_OK)
            copy->from = -1;
    }
    if (s == OD_OK)
        s = od_s3_check_read(call, &copy->source.meta, "x-amz-copy-source-", &not_modified);
    if (s == OD_OK && not_modified)
        s = od_s3_fail(call, OD_S3_PRECONDITION, NULL);
    if (s == OD_OK && copy->source.is_marker && !od_str_ends(call->key, OD_STR("/")))
        s = od_s3_fail(call, OD_S3_INVALID_ARGUMENT,
                       "The source is a folder put as an object; its copy must be one too.");
    if (s == OD_OK && !copy->source.is_marker && od_str_ends(call->key, OD_STR("/")))
        s = od_s3_fail(call, OD_S3_INVALID_ARGUMENT, OD_S3_FOLDER_KEY);
    if (s != OD_OK || copy->source.is_marker)
        return s;
    struct od_str path = od_s3_temporary(call->s3, call->arena);
    if (!path.ptr)
        return od_s3_no_memory(call);
    if (call->io->open(call->io, path.ptr, OD_OPEN_EXCLUSIVE, &copy->to, &err) != OD_OK) {
        copy->to = -1;
        return od_s3_internal(call, &err);
    }
    call->intake.temporary = path; /* goes with the call unless it is given away */
    return OD_OK;
}

void od_s3_copy_close(struct od_s3_call *call, struct od_s3_copy *copy)
{
    if (copy->from >= 0)
        call->io->close(call->io, copy->from);
    if (copy->to >= 0)
        call->io->close(call->io, copy->to);
    copy->from = copy->to = -1;
}

/* Copies and syncs; what the bytes add up to goes to meta. */
enum od_status od_s3_copy_range(struct od_s3_call *call, struct od_s3_copy *copy, uint64_t at,
                                uint64_t len, enum od_checksum_kind kind, struct od_s3_meta *meta)
{
    struct od_checksum md5, sum;
    struct od_error err;
    unsigned char bytes[OD_CHECKSUM_MAX_BYTES];
    char hex[33], text[OD_CHECKSUM_TEXT] = "";
    if (od_checksum_init(&md5, OD_CHECKSUM_MD5, call->s3->tables) != OD_OK)
        return od_s3_no_memory(call);
    enum od_status s = od_checksum_init(&sum, kind, call->s3->tables);
    s = s == OD_OK && copy->to >= 0
            ? od_s3_copy_bytes(call, copy->from, at, len, copy->to, 0, &md5, &sum)
            : s;
    if (s == OD_OK && copy->to >= 0 && call->io->sync(call->io, copy->to, &err) != OD_OK)
        s = od_s3_internal(call, &err);
    od_checksum_end(&md5, bytes);
    od_hex(bytes, 16, hex);
    size_t sum_bytes = od_checksum_end(&sum, bytes);
    if (sum_bytes)
        od_base64(bytes, sum_bytes, text);
    if (s != OD_OK)
        return s;
    meta->etag = od_arena_str(call->arena, od_str_c(hex));
    meta->sum_kind = kind;
    meta->sum = od_arena_str(call->arena, od_str_c(text));
    meta->sum_of_parts = false;
    return meta->etag.ptr && meta->sum.ptr ? OD_OK : od_s3_no_memory(call);
}

/* COPY keeps the source's headers, REPLACE takes the request's. */
static enum od_status choose_headers(struct od_s3_call *call, const struct od_s3_copy *copy,
                                     struct od_s3_meta *meta)
{
    struct od_str directive = od_s3_request_header(call, "x-amz-metadata-directive");
    bool replace = od_str_eq(directive, OD_STR("REPLACE"));
    if (directive.ptr && !replace && !od_str_eq(directive, OD_STR("COPY")))
        return od_s3_fail(call, OD_S3_INVALID_ARGUMENT, "Unknown metadata directive.");
    if (!replace && od_str_eq(copy->bucket, call->bucket) && od_str_eq(copy->key, call->key))
        return od_s3_fail(call, OD_S3_INVALID_REQUEST,
                          "This copy request is illegal because it is trying to copy an object to "
                          "itself without changing the object's metadata.");
    if (replace)
        return od_s3_meta_of_request(call, meta);
    *meta = copy->source.meta;
    return OD_OK;
}

static enum od_status copy_object(struct od_s3_call *call, struct od_s3_copy *copy)
{
    struct od_s3_meta meta;
    struct od_str algorithm = od_s3_request_header(call, "x-amz-checksum-algorithm");
    enum od_checksum_kind kind =
        algorithm.ptr ? od_checksum_named(algorithm) : copy->source.meta.sum_kind;
    if (algorithm.ptr && !kind)
        return od_s3_fail(call, OD_S3_INVALID_REQUEST, "Unknown checksum algorithm.");
    if (copy->source.meta.bytes > OD_MAX_OBJECT_PUT_BYTES)
        return od_s3_fail(call, OD_S3_INVALID_REQUEST,
                          "The specified copy source is larger than the maximum allowable size for "
                          "a copy source: %llu",
                          (unsigned long long)OD_MAX_OBJECT_PUT_BYTES);
    enum od_status s = choose_headers(call, copy, &meta);
    if (s == OD_OK)
        s = od_s3_copy_range(call, copy, 0, copy->source.meta.bytes, kind, &meta);
    od_s3_copy_close(call, copy);
    if (s == OD_OK)
        s = od_s3_put(call, call->intake.temporary, &meta);
    if (s != OD_OK)
        return s;
    if (!copy->source.is_marker)
        call->intake.temporary = OD_STR_NONE;
    od_s3_copy_answer(call, "CopyObjectResult", &meta, meta.modified_ns);
    return OD_OK;
}

void od_s3_copy_answer(struct od_s3_call *call, const char *root, const struct od_s3_meta *meta,
                       int64_t modified_ns)
{
    struct od_buf *out = od_s3_xml(call, root);
    od_s3_put_time(out, "LastModified", modified_ns);
    od_buf_printf(out, "<ETag>&quot;%.*s&quot;</ETag>", OD_STR_ARG(meta->etag));
    if (meta->sum.len)
        od_xml_put(out, od_checksum_element(meta->sum_kind), meta->sum);
    od_s3_xml_end(call, root);
}

enum od_status od_s3_copy_object(struct od_s3_call *call)
{
    struct od_s3_copy copy;
    enum od_status s = od_s3_copy_open(call, &copy);
    if (s == OD_OK)
        s = copy_object(call, &copy);
    od_s3_copy_close(call, &copy);
    return s;
}
