/* Multipart uploads on disk: see upload.h.
 *
 *     .ondol/uploads/<id>/upload.json              bucket, key, headers
 *     .ondol/uploads/<id>/<number>.<etag>.<random> a part
 *     .ondol/uploads/<id>/<number>.json            which file is the part, its ETag and checksum
 *
 * A part is first renamed in under a name of its own, then its JSON names it: the JSON is what
 * makes it a part, so a part that replaces another is the one or the other, whole. An upload is
 * durable from its answer on, and so is each part; a restart changes nothing. It is ended by
 * renaming its folder away into tmp, which only one of two can do. */
#include "s3/upload.h"

#include <stdlib.h>
#include <string.h>

#define MAX_JSON_BYTES (256u * 1024)
#define ID_CHARS       32

static enum od_status write_json(struct od_s3_call *call, struct od_str path, struct od_buf *text)
{
    struct od_error err;
    enum od_status s = od_buf_status(text);
    if (s == OD_OK && !path.ptr)
        s = OD_NO_MEMORY;
    s = s == OD_OK ? od_io_write_file(call->io, path.ptr, od_buf_view(text), &err)
                   : od_fail(&err, s, NULL);
    return s == OD_OK ? OD_OK : od_s3_internal(call, &err);
}

/* False: absent or damaged. */
static bool read_json(struct od_s3_call *call, struct od_str path, struct od_json *out)
{
    struct od_buf text;
    od_buf_init(&text, MAX_JSON_BYTES);
    bool good = path.ptr && od_io_read_file(call->io, path.ptr, &text, NULL) == OD_OK &&
                od_json_parse(call->arena, od_buf_view(&text), out, NULL) == OD_OK;
    od_buf_done(&text);
    return good;
}

/* Under tree_lock, so that the bucket is not deleted meanwhile. */
static enum od_status begin(struct od_s3_call *call, struct od_s3_upload *upload)
{
    unsigned char random[ID_CHARS / 2];
    char id[ID_CHARS + 1];
    struct od_buf text;
    struct od_error err;
    if (call->io->random(call->io, random, sizeof random) != OD_OK)
        return od_s3_no_memory(call);
    od_hex(random, sizeof random, id);
    upload->id = od_arena_str(call->arena, od_str_c(id));
    upload->folder = od_s3_hidden(call->s3, call->arena, "uploads", upload->id);
    if (!upload->id.ptr || !upload->folder.ptr)
        return od_s3_no_memory(call);
    enum od_status s = od_s3_need_bucket(call, upload->bucket);
    if (s != OD_OK)
        return s;
    if (call->io->make_folder(call->io, upload->folder.ptr, &err) != OD_OK)
        return od_s3_internal(call, &err);
    od_buf_init(&text, MAX_JSON_BYTES);
    od_buf_printf(&text, "{\"created\":%lld,\"full\":%s,\"bucket\":", (long long)upload->created_ms,
                  upload->full_sum ? "true" : "false");
    od_buf_json(&text, upload->bucket);
    od_buf_puts(&text, ",\"key\":");
    od_buf_json(&text, upload->key);
    od_buf_puts(&text, ",\"meta\":");
    od_s3_meta_write(&upload->meta, &text);
    od_buf_puts(&text, "}\n");
    s = write_json(call, od_arena_printf(call->arena, "%s/upload.json", upload->folder.ptr), &text);
    od_buf_done(&text);
    return s;
}

enum od_status od_s3_upload_new(struct od_s3_call *call, struct od_s3_upload *upload)
{
    pthread_mutex_lock(&call->s3->tree_lock);
    enum od_status s = begin(call, upload);
    pthread_mutex_unlock(&call->s3->tree_lock);
    return s;
}

static bool is_id(struct od_str id)
{
    for (size_t i = 0; i < id.len; i++)
        if (!((id.ptr[i] >= '0' && id.ptr[i] <= '9') || (id.ptr[i] >= 'a' && id.ptr[i] <= 'f')))
            return false;
    return id.len == ID_CHARS;
}

/* *out_there false: none of this id. */
static enum od_status read_upload(struct od_s3_call *call, struct od_str id,
                                  struct od_s3_upload *out, bool *out_there)
{
    struct od_json json;
    const struct od_json *meta;
    *out_there = false;
    if (!is_id(id))
        return OD_OK;
    *out = (struct od_s3_upload){.id = id,
                                 .folder = od_s3_hidden(call->s3, call->arena, "uploads", id)};
    if (!out->folder.ptr)
        return od_s3_no_memory(call);
    if (!read_json(call, od_arena_printf(call->arena, "%s/upload.json", out->folder.ptr), &json))
        return OD_OK;
    out->bucket = od_json_get_str(&json, "bucket", OD_STR(""));
    out->key = od_json_get_str(&json, "key", OD_STR(""));
    out->created_ms = od_json_get_i64(&json, "created", 0);
    out->full_sum = od_json_get_bool(&json, "full", false);
    meta = od_json_get(&json, OD_STR("meta"));
    *out_there = meta != NULL;
    return meta ? od_s3_meta_read(call, meta, &out->meta) : OD_OK;
}

enum od_status od_s3_upload_find(struct od_s3_call *call, struct od_s3_upload *out)
{
    bool there;
    enum od_status s = od_s3_need_bucket(call, call->bucket);
    if (s == OD_OK)
        s = read_upload(call, od_s3_param(call, "uploadId"), out, &there);
    if (s == OD_OK &&
        (!there || !od_str_eq(out->bucket, call->bucket) || !od_str_eq(out->key, call->key)))
        s = od_s3_fail(call, OD_S3_NO_SUCH_UPLOAD, NULL);
    return s;
}

static int by_key(const void *a, const void *b)
{
    const struct od_s3_upload *p = a, *q = b;
    int order = od_str_cmp(p->key, q->key);
    return order ? order : od_str_cmp(p->id, q->id);
}

enum od_status od_s3_upload_list(struct od_s3_call *call, struct od_s3_upload **out,
                                 size_t *out_count)
{
    struct od_io_entry *list;
    struct od_error err;
    size_t count, kept = 0;
    struct od_str folder = od_s3_hidden(call->s3, call->arena, "uploads", OD_STR(""));
    if (!folder.ptr)
        return od_s3_no_memory(call);
    if (call->io->list(call->io, folder.ptr, call->arena, &list, &count, &err) != OD_OK)
        return od_s3_internal(call, &err);
    struct od_s3_upload *uploads = OD_NEW_ARRAY(call->arena, struct od_s3_upload, count);
    if (!uploads)
        return od_s3_no_memory(call);
    for (size_t i = 0; i < count; i++) {
        bool there;
        enum od_status s = read_upload(call, list[i].name, &uploads[kept], &there);
        if (s != OD_OK)
            return s;
        kept += there && od_str_eq(uploads[kept].bucket, call->bucket);
    }
    qsort(uploads, kept, sizeof *uploads, by_key);
    *out = uploads;
    *out_count = kept;
    return OD_OK;
}

/* ---- parts ---- */

static struct od_str json_path(struct od_s3_call *call, const struct od_s3_upload *upload,
                               unsigned number)
{
    return od_arena_printf(call->arena, "%s/%05u.json", upload->folder.ptr, number);
}

static bool read_part(struct od_s3_call *call, const struct od_s3_upload *upload, unsigned number,
                      struct od_s3_part *out, struct od_str *out_file)
{
    struct od_json json;
    if (!read_json(call, json_path(call, upload, number), &json))
        return false;
    *out = (struct od_s3_part){.number = number,
                               .bytes = (uint64_t)od_json_get_i64(&json, "bytes", 0),
                               .modified_ms = od_json_get_i64(&json, "modified", 0),
                               .etag = od_json_get_str(&json, "etag", OD_STR("")),
                               .sum = od_json_get_str(&json, "checksum", OD_STR(""))};
    *out_file = od_json_get_str(&json, "file", OD_STR(""));
    return out_file->len > 0;
}

struct od_str od_s3_upload_part_path(struct od_s3_call *call, const struct od_s3_upload *upload,
                                     const struct od_s3_part *part)
{
    struct od_s3_part again;
    struct od_str file;
    return read_part(call, upload, part->number, &again, &file) && od_str_eq(again.etag, part->etag)
               ? od_arena_printf(call->arena, "%s/%.*s", upload->folder.ptr, OD_STR_ARG(file))
               : OD_STR_NONE;
}

/* Under tree_lock, so that two uploads of the same part come one after the other. */
static enum od_status add(struct od_s3_call *call, const struct od_s3_upload *upload,
                          struct od_str temporary, const struct od_s3_part *part)
{
    struct od_error err;
    struct od_buf text;
    struct od_s3_part old;
    struct od_str old_file;
    size_t slash = temporary.len;
    while (slash > 0 && temporary.ptr[slash - 1] != '/')
        slash--;
    struct od_str file = od_arena_printf(call->arena, "%05u.%.*s", part->number,
                                         OD_STR_ARG(od_str_sub(temporary, slash, temporary.len)));
    struct od_str path =
        od_arena_printf(call->arena, "%s/%.*s", upload->folder.ptr, OD_STR_ARG(file));
    if (!file.ptr || !path.ptr)
        return od_s3_no_memory(call);
    bool replaces = read_part(call, upload, part->number, &old, &old_file);
    if (call->io->rename(call->io, temporary.ptr, path.ptr, &err) != OD_OK)
        return od_io_exists(call->io, upload->folder.ptr)
                   ? od_s3_internal(call, &err)
                   : od_s3_fail(call, OD_S3_NO_SUCH_UPLOAD, NULL); /* ended just now */
    od_buf_init(&text, MAX_JSON_BYTES);
    od_buf_printf(&text,
                  "{\"bytes\":%llu,\"modified\":%lld,\"etag\":", (unsigned long long)part->bytes,
                  (long long)part->modified_ms);
    od_buf_json(&text, part->etag);
    od_buf_puts(&text, ",\"checksum\":");
    od_buf_json(&text, part->sum);
    od_buf_puts(&text, ",\"file\":");
    od_buf_json(&text, file);
    od_buf_puts(&text, "}\n");
    enum od_status s = write_json(call, json_path(call, upload, part->number), &text);
    od_buf_done(&text);
    if (s != OD_OK || !replaces)
        return s;
    path = od_arena_printf(call->arena, "%s/%.*s", upload->folder.ptr, OD_STR_ARG(old_file));
    if (path.ptr)
        s = call->io->remove(call->io, path.ptr, NULL);
    return OD_OK; /* what could not be removed goes with the upload */
}

enum od_status od_s3_upload_add(struct od_s3_call *call, const struct od_s3_upload *upload,
                                struct od_str temporary, const struct od_s3_part *part)
{
    pthread_mutex_lock(&call->s3->tree_lock);
    enum od_status s = add(call, upload, temporary, part);
    pthread_mutex_unlock(&call->s3->tree_lock);
    return s;
}

enum od_status od_s3_upload_parts(struct od_s3_call *call, const struct od_s3_upload *upload,
                                  struct od_s3_part **out, size_t *out_count)
{
    struct od_io_entry *list;
    struct od_error err;
    struct od_str file;
    size_t count, kept = 0;
    if (call->io->list(call->io, upload->folder.ptr, call->arena, &list, &count, &err) != OD_OK)
        return od_s3_fail(call, OD_S3_NO_SUCH_UPLOAD, NULL);
    struct od_s3_part *parts = OD_NEW_ARRAY(call->arena, struct od_s3_part, count);
    if (!parts)
        return od_s3_no_memory(call);
    for (size_t i = 0; i < count; i++) {
        uint64_t number;
        if (list[i].name.len == 10 && od_str_ends(list[i].name, OD_STR(".json")) &&
            od_str_to_u64(od_str_sub(list[i].name, 0, 5), &number) &&
            read_part(call, upload, (unsigned)number, &parts[kept], &file))
            kept++;
    }
    *out = parts;
    *out_count = kept;
    return OD_OK;
}

enum od_status od_s3_upload_end(struct od_s3_call *call, const struct od_s3_upload *upload)
{
    struct od_error err;
    struct od_str gone = od_s3_temporary(call->s3, call->arena);
    if (!gone.ptr)
        return od_s3_no_memory(call);
    if (call->io->rename(call->io, upload->folder.ptr, gone.ptr, &err) != OD_OK)
        return od_io_exists(call->io, upload->folder.ptr)
                   ? od_s3_internal(call, &err)
                   : od_s3_fail(call, OD_S3_NO_SUCH_UPLOAD, NULL);
    if (od_io_remove_tree(call->io, gone.ptr, &err) != OD_OK)
        return OD_OK; /* the next start collects it */
    return OD_OK;
}
