/* What is known of an object besides its bytes: ETag, checksum, the headers it was put with.
 *
 * The bytes are a plain file, which has no room for that. So each object has a small file of JSON
 * in .ondol/meta/<bucket>/<SHA-256 of the key>, a list of records. A record says by size, time and
 * inode which file it is about. A put writes the record of the new file beside that of the old one,
 * and only then renames the new file into place: whichever of the two a crash leaves there is
 * described. A file that no record describes was put there by hand. */
#include <string.h>

#include "s3/inner.h"

/* Two records; a head of the largest size may hold little but headers, and JSON escapes grow it. */
#define MAX_META_BYTES (256u * 1024)

static struct od_str meta_path(struct od_s3_call *call, struct od_str bucket, struct od_str key)
{
    char hex[65];
    od_sha256_hex(key, hex);
    struct od_str folder = od_s3_hidden(call->s3, call->arena, "meta", bucket);
    return folder.ptr ? od_arena_printf(call->arena, "%s/%s", folder.ptr, hex) : OD_STR_NONE;
}

static bool is_kept(struct od_str name)
{
    static const char *const kept[] = {"content-type", "cache-control", "content-disposition",
                                       "content-encoding", "content-language", "expires",
                                       /* key.c says whether they may be there */
                                       "x-amz-server-side-encryption",
                                       "x-amz-server-side-encryption-aws-kms-key-id"};
    if (name.len > 11 && od_str_eq_nocase(od_str_sub(name, 0, 11), OD_STR("x-amz-meta-")))
        return true;
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
        if (od_str_eq_nocase(name, od_str_c(kept[i])))
            return true;
    return false;
}

/* aws-chunked is how it was sent, not what it is. */
static struct od_str without_chunked(struct od_str value)
{
    value = od_str_trim(value);
    if (od_str_eq_nocase(value, OD_STR("aws-chunked")))
        return OD_STR_NONE;
    if (value.len > 12 && od_str_eq_nocase(od_str_sub(value, 0, 12), OD_STR("aws-chunked,")))
        return od_str_trim(od_str_sub(value, 12, value.len));
    return value;
}

/* Tabs become spaces, as they were signed: an answer's header may have none. */
static struct od_str without_tabs(struct od_s3_call *call, struct od_str value)
{
    if (od_str_find(value, '\t', 0) == SIZE_MAX)
        return value;
    char *copy = OD_NEW_ARRAY(call->arena, char, value.len);
    for (size_t i = 0; copy && i < value.len; i++)
        copy[i] = value.ptr[i] == '\t' ? ' ' : value.ptr[i];
    return (struct od_str){copy, copy ? value.len : 0};
}

enum od_status od_s3_meta_of_request(struct od_s3_call *call, struct od_s3_meta *out)
{
    const struct od_http_request *request = call->request;
    size_t user_bytes = 0;
    *out = (struct od_s3_meta){
        .etag = OD_STR(""),
        .sum = OD_STR(""),
        .headers = OD_NEW_ARRAY(call->arena, struct od_http_header, request->header_count)};
    if (!out->headers)
        return od_s3_no_memory(call);
    for (size_t i = 0; i < request->header_count; i++) {
        struct od_http_header header = request->headers[i];
        if (!is_kept(header.name))
            continue;
        if (od_str_eq_nocase(header.name, OD_STR("content-encoding")))
            header.value = without_chunked(header.value);
        if (!header.value.ptr)
            continue;
        header.value = without_tabs(call, header.value);
        if (!header.value.ptr)
            return od_s3_no_memory(call);
        if (od_utf8_check(header.value) != header.value.len)
            return od_s3_fail(call, OD_S3_INVALID_ARGUMENT, "The header %.*s is not valid UTF-8.",
                              OD_STR_ARG(header.name));
        if (od_str_eq_nocase(od_str_sub(header.name, 0, 11), OD_STR("x-amz-meta-")))
            user_bytes += header.name.len - 11 + header.value.len;
        out->headers[out->header_count++] = header;
    }
    if (user_bytes > OD_MAX_USER_METADATA)
        return od_s3_fail(call, OD_S3_INVALID_ARGUMENT,
                          "Your metadata headers exceed the maximum allowed metadata size: %zu "
                          "bytes of %d.",
                          user_bytes, OD_MAX_USER_METADATA);
    return OD_OK;
}

void od_s3_meta_write(const struct od_s3_meta *meta, struct od_buf *out)
{
    od_buf_printf(out, "{\"bytes\":%llu,\"modified\":%lld,\"inode\":\"%llu\",\"etag\":",
                  (unsigned long long)meta->bytes, (long long)meta->modified_ns,
                  (unsigned long long)meta->inode);
    od_buf_json(out, meta->etag);
    od_buf_printf(out, ",\"algorithm\":\"%s\",\"checksum\":", od_checksum_name(meta->sum_kind));
    od_buf_json(out, meta->sum);
    od_buf_printf(out, ",\"composite\":%s,\"headers\":[", meta->sum_of_parts ? "true" : "false");
    for (size_t i = 0; i < meta->header_count; i++) {
        od_buf_puts(out, i ? ",[" : "[");
        od_buf_json(out, meta->headers[i].name);
        od_buf_char(out, ',');
        od_buf_json(out, meta->headers[i].value);
        od_buf_char(out, ']');
    }
    od_buf_puts(out, "]}");
}

enum od_status od_s3_meta_read(struct od_s3_call *call, const struct od_json *json,
                               struct od_s3_meta *out)
{
    const struct od_json *headers = od_json_get(json, OD_STR("headers"));
    size_t count = headers && headers->kind == OD_JSON_ARRAY ? headers->count : 0;
    uint64_t inode = 0;
    (void)od_str_to_u64(od_json_get_str(json, "inode", OD_STR("0")), &inode);
    *out = (struct od_s3_meta){
        .bytes = (uint64_t)od_json_get_i64(json, "bytes", 0),
        .modified_ns = od_json_get_i64(json, "modified", 0),
        .inode = inode,
        .etag = od_json_get_str(json, "etag", OD_STR("")),
        .sum_kind = od_checksum_named(od_json_get_str(json, "algorithm", OD_STR(""))),
        .sum = od_json_get_str(json, "checksum", OD_STR("")),
        .sum_of_parts = od_json_get_bool(json, "composite", false),
        .headers = OD_NEW_ARRAY(call->arena, struct od_http_header, count)};
    if (!out->headers)
        return od_s3_no_memory(call);
    for (size_t i = 0; i < count; i++) {
        const struct od_json *pair = &headers->items[i];
        if (pair->kind == OD_JSON_ARRAY && pair->count == 2)
            out->headers[out->header_count++] =
                (struct od_http_header){pair->items[0].text, pair->items[1].text};
    }
    return OD_OK;
}

static bool describes(const struct od_s3_meta *meta, const struct od_io_stat *stat)
{
    return meta->bytes == stat->bytes && meta->modified_ns == stat->modified_ns &&
           meta->inode == stat->inode;
}

/* *out_found is false when no record describes the file. */
static enum od_status find(struct od_s3_call *call, struct od_str path,
                           const struct od_io_stat *stat, struct od_s3_meta *out, bool *out_found)
{
    struct od_buf text;
    struct od_json json;
    enum od_status s = OD_OK;
    *out_found = false;
    od_buf_init(&text, MAX_META_BYTES);
    bool there = od_io_read_file(call->io, path.ptr, &text, NULL) == OD_OK &&
                 od_json_parse(call->arena, od_buf_view(&text), &json, NULL) == OD_OK &&
                 json.kind == OD_JSON_ARRAY;
    for (size_t i = 0; there && s == OD_OK && !*out_found && i < json.count; i++) {
        s = od_s3_meta_read(call, &json.items[i], out);
        *out_found = s == OD_OK && describes(out, stat);
    }
    od_buf_done(&text);
    return s;
}

enum od_status od_s3_meta_find(struct od_s3_call *call, struct od_str bucket, struct od_str key,
                               const struct od_io_stat *stat, struct od_s3_meta *out)
{
    bool found;
    char hex[65];
    struct od_str path = meta_path(call, bucket, key);
    if (!path.ptr)
        return od_s3_no_memory(call);
    enum od_status s = find(call, path, stat, out, &found);
    if (s != OD_OK || found)
        return s;
    od_sha256_hex(od_arena_printf(call->arena, "%llu %lld %llu", (unsigned long long)stat->bytes,
                                  (long long)stat->modified_ns, (unsigned long long)stat->inode),
                  hex);
    *out = (struct od_s3_meta){.bytes = stat->bytes,
                               .modified_ns = stat->modified_ns,
                               .inode = stat->inode,
                               .etag = od_arena_printf(call->arena, "%.32s-0", hex),
                               .sum = OD_STR("")};
    return out->etag.ptr ? OD_OK : od_s3_no_memory(call);
}

/* .ondol/meta/<bucket> */
static enum od_status make_folder(struct od_s3_call *call, struct od_str folder,
                                  struct od_error *err)
{
    if (od_io_exists(call->io, folder.ptr))
        return OD_OK;
    return call->io->make_folder(call->io, folder.ptr, err);
}

enum od_status od_s3_meta_put(struct od_s3_call *call, struct od_str bucket, struct od_str key,
                              const struct od_s3_meta *meta, const struct od_io_stat *now)
{
    struct od_buf text;
    struct od_error err;
    struct od_s3_meta old;
    bool found = false;
    struct od_str path = meta_path(call, bucket, key);
    struct od_str folder = od_s3_hidden(call->s3, call->arena, "meta", bucket);
    if (!path.ptr || !folder.ptr)
        return od_s3_no_memory(call);
    enum od_status s = now ? find(call, path, now, &old, &found) : OD_OK;
    if (s != OD_OK)
        return s;
    od_buf_init(&text, MAX_META_BYTES);
    od_buf_char(&text, '[');
    od_s3_meta_write(meta, &text);
    if (found) {
        od_buf_puts(&text, ",\n");
        od_s3_meta_write(&old, &text);
    }
    od_buf_puts(&text, "]\n");
    s = od_buf_status(&text);
    if (s != OD_OK)
        (void)od_fail(&err, s, NULL);
    else
        s = make_folder(call, folder, &err);
    if (s == OD_OK)
        s = od_io_write_file(call->io, path.ptr, od_buf_view(&text), &err);
    od_buf_done(&text);
    return s == OD_OK ? OD_OK : od_s3_internal(call, &err);
}

void od_s3_meta_forget(struct od_s3_call *call, struct od_str bucket, struct od_str key)
{
    struct od_str path = meta_path(call, bucket, key);
    if (path.ptr && call->io->remove(call->io, path.ptr, NULL) != OD_OK)
        return; /* there was none, or it stays and describes no file: harmless */
}
