/* The operations of multipart uploads.
 *
 * Completing puts the parts together into a temporary file, which then becomes the object like any
 * other; the upload ends after that, so a crash before leaves it to be completed again. */
#include <string.h>

#include "s3/copy.h"
#include "s3/upload.h"

static enum od_status read_checksum_type(struct od_s3_call *call, struct od_s3_upload *upload)
{
    struct od_str algorithm = od_s3_request_header(call, "x-amz-checksum-algorithm");
    struct od_str type = od_s3_request_header(call, "x-amz-checksum-type");
    enum od_checksum_kind kind = od_checksum_named(algorithm);
    bool crc =
        kind == OD_CHECKSUM_CRC32 || kind == OD_CHECKSUM_CRC32C || kind == OD_CHECKSUM_CRC64NVME;
    if (algorithm.ptr && !kind)
        return od_s3_fail(call, OD_S3_INVALID_REQUEST,
                          "Checksum algorithm '%.*s' is not one of CRC32, CRC32C, CRC64NVME, SHA1 "
                          "and SHA256.",
                          OD_STR_ARG(od_str_sub(algorithm, 0, 80)));
    upload->meta.sum_kind = kind;
    upload->full_sum = kind == OD_CHECKSUM_CRC64NVME;
    if (!type.ptr)
        return OD_OK;
    bool full = od_str_eq(type, OD_STR("FULL_OBJECT"));
    if (!kind || (!full && !od_str_eq(type, OD_STR("COMPOSITE"))) || (full && !crc) ||
        (!full && kind == OD_CHECKSUM_CRC64NVME))
        return od_s3_fail(call, OD_S3_INVALID_REQUEST,
                          "The checksum type %.*s does not go with the checksum algorithm.",
                          OD_STR_ARG(od_str_sub(type, 0, 80)));
    upload->full_sum = full;
    return OD_OK;
}

enum od_status od_s3_create_upload(struct od_s3_call *call)
{
    struct od_s3_upload upload = {
        .bucket = call->bucket, .key = call->key, .created_ms = call->io->now_ms(call->io)};
    enum od_status s = od_s3_need_bucket(call, call->bucket);
    if (s == OD_OK && od_str_ends(call->key, OD_STR("/")))
        s = od_s3_fail(call, OD_S3_INVALID_ARGUMENT, OD_S3_FOLDER_KEY);
    if (s == OD_OK)
        s = od_s3_meta_of_request(call, &upload.meta);
    if (s == OD_OK)
        s = read_checksum_type(call, &upload);
    if (s == OD_OK)
        s = od_s3_upload_new(call, &upload);
    if (s != OD_OK)
        return s;
    if (upload.meta.sum_kind) {
        od_s3_header(call, "x-amz-checksum-algorithm",
                     od_str_c(od_checksum_name(upload.meta.sum_kind)));
        od_s3_header(call, "x-amz-checksum-type",
                     upload.full_sum ? OD_STR("FULL_OBJECT") : OD_STR("COMPOSITE"));
    }
    struct od_buf *out = od_s3_xml(call, "InitiateMultipartUploadResult");
    od_xml_put(out, "Bucket", call->bucket);
    od_xml_put(out, "Key", call->key);
    od_xml_put(out, "UploadId", upload.id);
    od_s3_xml_end(call, "InitiateMultipartUploadResult");
    return OD_OK;
}

static enum od_status read_number(struct od_s3_call *call, unsigned *out)
{
    uint64_t number;
    if (!od_str_to_u64(od_s3_param(call, "partNumber"), &number) || number < 1 ||
        number > OD_MAX_PARTS)
        return od_s3_fail(call, OD_S3_INVALID_ARGUMENT,
                          "Part number must be an integer between 1 and %d, inclusive",
                          OD_MAX_PARTS);
    *out = (unsigned)number;
    return OD_OK;
}

enum od_status od_s3_upload_part(struct od_s3_call *call)
{
    struct od_s3_upload upload;
    struct od_s3_intake *in = &call->intake;
    struct od_s3_part part = {.bytes = in->bytes,
                              .modified_ms = call->io->now_ms(call->io),
                              .etag = od_str_c(in->md5_hex),
                              .sum = od_str_c(in->sum_text)};
    enum od_status s = read_number(call, &part.number);
    if (s == OD_OK)
        s = od_s3_upload_find(call, &upload);
    if (s == OD_OK && upload.meta.sum_kind && upload.meta.sum_kind != in->sum.kind)
        s = od_s3_fail(call, OD_S3_INVALID_REQUEST,
                       "Checksum Type mismatch occurred, expected checksum Type: %s, actual "
                       "checksum Type: %s",
                       od_checksum_name(upload.meta.sum_kind),
                       in->sum.kind ? od_checksum_name(in->sum.kind) : "null");
    if (s == OD_OK && !upload.meta.sum_kind)
        part.sum = OD_STR(""); /* checked on its way, and of no use any more */
    if (s == OD_OK)
        s = od_s3_upload_add(call, &upload, in->temporary, &part);
    if (s != OD_OK)
        return s;
    in->temporary = OD_STR_NONE;
    od_s3_etag_header(call, part.etag);
    if (in->sum.kind)
        od_s3_header(call, od_checksum_header(in->sum.kind), od_str_c(in->sum_text));
    return OD_OK;
}

static enum od_status copy_part(struct od_s3_call *call, struct od_s3_copy *copy)
{
    struct od_s3_upload upload;
    struct od_s3_meta meta = {0};
    struct od_s3_part part = {.modified_ms = call->io->now_ms(call->io)};
    uint64_t from;
    struct od_str range = od_s3_request_header(call, "x-amz-copy-source-range");
    enum od_s3_range kind = od_s3_parse_range(range, copy->source.meta.bytes, &from, &part.bytes);
    enum od_status s = read_number(call, &part.number);
    if (s == OD_OK)
        s = od_s3_upload_find(call, &upload);
    if (s == OD_OK && range.ptr && kind != OD_S3_PART)
        s = od_s3_fail(call, OD_S3_INVALID_ARGUMENT,
                       "The x-amz-copy-source-range must be bytes=first-last within the source.");
    if (s == OD_OK && part.bytes > OD_MAX_OBJECT_PUT_BYTES)
        s = od_s3_fail(call, OD_S3_TOO_LARGE, NULL);
    if (s == OD_OK)
        s = od_s3_copy_range(call, copy, from, part.bytes, upload.meta.sum_kind, &meta);
    od_s3_copy_close(call, copy);
    if (s != OD_OK)
        return s;
    part.etag = meta.etag;
    part.sum = meta.sum;
    s = od_s3_upload_add(call, &upload, call->intake.temporary, &part);
    if (s != OD_OK)
        return s;
    call->intake.temporary = OD_STR_NONE;
    od_s3_copy_answer(call, "CopyPartResult", &meta, part.modified_ms * 1000000);
    return OD_OK;
}

enum od_status od_s3_upload_part_copy(struct od_s3_call *call)
{
    struct od_s3_copy copy;
    enum od_status s = od_s3_copy_open(call, &copy);
    if (s == OD_OK && copy.source.is_marker)
        s = od_s3_fail(call, OD_S3_INVALID_ARGUMENT, "The source is a folder.");
    if (s == OD_OK)
        s = copy_part(call, &copy);
    od_s3_copy_close(call, &copy);
    return s;
}

enum od_status od_s3_abort_upload(struct od_s3_call *call)
{
    struct od_s3_upload upload;
    enum od_status s = od_s3_upload_find(call, &upload);
    if (s == OD_OK)
        s = od_s3_upload_end(call, &upload);
    call->response->status = 204;
    return s;
}

/* ---- completing ---- */

/* The stored part that a Part of the request names. */
static enum od_status match_part(struct od_s3_call *call, const struct od_s3_upload *upload,
                                 const struct od_xml *wanted, const struct od_s3_part *parts,
                                 size_t count, const struct od_s3_part **out)
{
    uint64_t number;
    struct od_str etag = od_xml_text(wanted, "ETag");
    struct od_str sum = upload->meta.sum_kind
                            ? od_xml_text(wanted, od_checksum_element(upload->meta.sum_kind))
                            : OD_STR_NONE;
    if (!od_str_to_u64(od_xml_text(wanted, "PartNumber"), &number) || !etag.len)
        return od_s3_fail(call, OD_S3_MALFORMED_XML, "A Part needs a PartNumber and an ETag.");
    for (size_t i = 0; i < count; i++) {
        if (parts[i].number != number)
            continue;
        if (!od_s3_etag_matches(etag, parts[i].etag) || od_str_eq_c(etag, "*") ||
            (sum.ptr && !od_str_eq(sum, parts[i].sum)))
            break;
        *out = &parts[i];
        return OD_OK;
    }
    return od_s3_fail(call, OD_S3_INVALID_PART, NULL);
}

/* The parts asked for, in order, checked. */
static enum od_status choose_parts(struct od_s3_call *call, const struct od_s3_upload *upload,
                                   const struct od_s3_part ***out, size_t *out_count)
{
    const struct od_xml *body;
    struct od_s3_part *stored;
    size_t stored_count, count = 0;
    uint64_t bytes = 0;
    enum od_status s = od_s3_read_xml(call, "CompleteMultipartUpload", &body);
    if (s == OD_OK)
        s = od_s3_upload_parts(call, upload, &stored, &stored_count);
    if (s != OD_OK)
        return s;
    const struct od_s3_part **chosen =
        OD_NEW_ARRAY(call->arena, const struct od_s3_part *, stored_count);
    if (!chosen)
        return od_s3_no_memory(call);
    for (const struct od_xml *p = body->first; s == OD_OK && p; p = p->next) {
        const struct od_s3_part *part = NULL;
        if (!od_str_eq_c(p->name, "Part"))
            continue;
        s = match_part(call, upload, p, stored, stored_count, &part);
        if (s != OD_OK)
            break;
        if (count && part->number <= chosen[count - 1]->number)
            return od_s3_fail(call, OD_S3_PART_ORDER, NULL);
        if (count && chosen[count - 1]->bytes < OD_MIN_PART_BYTES)
            return od_s3_fail(call, OD_S3_TOO_SMALL, NULL);
        chosen[count++] = part;
        bytes += part->bytes;
    }
    if (s == OD_OK && !count)
        s = od_s3_fail(call, OD_S3_MALFORMED_XML, "There must be at least one Part.");
    if (s == OD_OK && bytes > OD_MAX_OBJECT_BYTES)
        s = od_s3_fail(call, OD_S3_TOO_LARGE, NULL);
    *out = chosen;
    *out_count = count;
    return s;
}

static enum od_status append(struct od_s3_call *call, const struct od_s3_upload *upload,
                             const struct od_s3_part *part, int to, uint64_t at,
                             struct od_checksum *sum)
{
    struct od_error err;
    struct od_checksum none = {0};
    int fd;
    struct od_str path = od_s3_upload_part_path(call, upload, part);
    if (!path.ptr) /* replaced or ended while it was put together */
        return od_s3_fail(call, OD_S3_INVALID_PART, NULL);
    if (call->io->open(call->io, path.ptr, OD_OPEN_READ, &fd, &err) != OD_OK)
        return od_s3_internal(call, &err);
    enum od_status s = od_s3_copy_bytes(call, fd, 0, part->bytes, to, at, &none, sum);
    call->io->close(call->io, fd);
    return s;
}

/* One after the other into the call's temporary. */
static enum od_status join(struct od_s3_call *call, const struct od_s3_upload *upload,
                           const struct od_s3_part *const *parts, size_t count,
                           struct od_checksum *sum)
{
    struct od_s3_intake *in = &call->intake;
    struct od_error err;
    uint64_t at = 0;
    int fd;
    struct od_str path = od_s3_temporary(call->s3, call->arena);
    if (!path.ptr)
        return od_s3_no_memory(call);
    if (call->io->open(call->io, path.ptr, OD_OPEN_EXCLUSIVE, &fd, &err) != OD_OK)
        return od_s3_internal(call, &err);
    in->temporary = path;
    enum od_status s = OD_OK;
    for (size_t i = 0; s == OD_OK && i < count; i++) {
        s = append(call, upload, parts[i], fd, at, sum);
        at += parts[i]->bytes;
    }
    if (s == OD_OK && call->io->sync(call->io, fd, &err) != OD_OK)
        s = od_s3_internal(call, &err);
    call->io->close(call->io, fd);
    return s;
}

static bool read_hex(struct od_str text, unsigned char *out, size_t len)
{
    for (size_t i = 0; i < 2 * len; i++) {
        char c = i < text.len ? text.ptr[i] : '\0';
        int value = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
        if (value < 0)
            return false;
        out[i / 2] = (unsigned char)(i % 2 ? out[i / 2] | value : value << 4);
    }
    return true;
}

/* The MD5 of the parts' MD5s, and likewise a composite checksum, each with "-N". */
static enum od_status sum_up(struct od_s3_call *call, const struct od_s3_upload *upload,
                             const struct od_s3_part *const *parts, size_t count,
                             struct od_checksum *whole, struct od_s3_meta *meta)
{
    struct od_checksum md5, sum;
    unsigned char bytes[OD_CHECKSUM_MAX_BYTES];
    char hex[33], text[OD_CHECKSUM_TEXT] = "";
    enum od_checksum_kind kind = upload->meta.sum_kind;
    size_t width = od_checksum_bytes(kind);
    if (od_checksum_init(&md5, OD_CHECKSUM_MD5, call->s3->tables) != OD_OK ||
        od_checksum_init(&sum, upload->full_sum ? OD_CHECKSUM_NONE : kind, call->s3->tables) !=
            OD_OK)
        return od_s3_no_memory(call);
    for (size_t i = 0; i < count; i++) {
        if (read_hex(parts[i]->etag, bytes, 16))
            od_checksum_add(&md5, bytes, 16);
        if (!upload->full_sum && width && od_base64_read(parts[i]->sum, bytes, width))
            od_checksum_add(&sum, bytes, width);
    }
    od_checksum_end(&md5, bytes);
    od_hex(bytes, 16, hex);
    meta->etag = od_arena_printf(call->arena, "%s-%zu", hex, count);
    size_t len = od_checksum_end(upload->full_sum ? whole : &sum, bytes);
    if (len)
        od_base64(bytes, len, text);
    od_checksum_done(&sum);
    meta->sum_kind = kind;
    meta->sum_of_parts = kind && !upload->full_sum;
    meta->sum = !kind              ? OD_STR("")
                : upload->full_sum ? od_arena_str(call->arena, od_str_c(text))
                                   : od_arena_printf(call->arena, "%s-%zu", text, count);
    return meta->etag.ptr && meta->sum.ptr ? OD_OK : od_s3_no_memory(call);
}

/* What the request itself says the whole must be. */
static enum od_status check_whole(struct od_s3_call *call, const struct od_s3_meta *meta,
                                  uint64_t bytes)
{
    struct od_str size = od_s3_request_header(call, "x-amz-mp-object-size");
    uint64_t wanted;
    if (size.ptr && (!od_str_to_u64(size, &wanted) || wanted != bytes))
        return od_s3_fail(call, OD_S3_INVALID_REQUEST,
                          "The provided 'x-amz-mp-object-size' header does not match what was "
                          "computed: %llu.",
                          (unsigned long long)bytes);
    for (int k = OD_CHECKSUM_CRC32; k <= OD_CHECKSUM_SHA256; k++) {
        struct od_str sum =
            od_s3_request_header(call, od_checksum_header((enum od_checksum_kind)k));
        if (sum.ptr && (enum od_checksum_kind)k != meta->sum_kind)
            return od_s3_fail(call, OD_S3_INVALID_REQUEST,
                              "The upload was created with another checksum algorithm than %s.",
                              od_checksum_name((enum od_checksum_kind)k));
        if (sum.ptr && !od_str_eq(sum, meta->sum))
            return od_s3_fail(call, OD_S3_BAD_DIGEST,
                              "The %s you specified did not match the calculated checksum.",
                              od_checksum_name((enum od_checksum_kind)k));
    }
    return OD_OK;
}

/* A checksum of all bytes may be given for an upload that was created without any. */
static void adopt_checksum(struct od_s3_call *call, struct od_s3_upload *upload)
{
    static const enum od_checksum_kind full[] = {OD_CHECKSUM_CRC32, OD_CHECKSUM_CRC32C,
                                                 OD_CHECKSUM_CRC64NVME};
    for (size_t i = 0; !upload->meta.sum_kind && i < sizeof full / sizeof *full; i++)
        if (od_s3_request_header(call, od_checksum_header(full[i])).ptr) {
            upload->meta.sum_kind = full[i];
            upload->full_sum = true;
        }
}

static void answer_completion(struct od_s3_call *call, const struct od_s3_meta *meta)
{
    struct od_buf *out = od_s3_xml(call, "CompleteMultipartUploadResult");
    od_xml_put(out, "Location",
               od_arena_printf(call->arena, "/%.*s/%.*s", OD_STR_ARG(call->bucket),
                               OD_STR_ARG(call->key)));
    od_xml_put(out, "Bucket", call->bucket);
    od_xml_put(out, "Key", call->key);
    od_buf_printf(out, "<ETag>&quot;%.*s&quot;</ETag>", OD_STR_ARG(meta->etag));
    if (meta->sum_kind) {
        od_xml_put(out, od_checksum_element(meta->sum_kind), meta->sum);
        od_xml_put(out, "ChecksumType",
                   meta->sum_of_parts ? OD_STR("COMPOSITE") : OD_STR("FULL_OBJECT"));
    }
    od_s3_xml_end(call, "CompleteMultipartUploadResult");
}

static enum od_status complete(struct od_s3_call *call, struct od_s3_upload *upload)
{
    const struct od_s3_part **parts = NULL;
    size_t count = 0;
    uint64_t bytes = 0;
    struct od_checksum whole = {0};
    enum od_status s = choose_parts(call, upload, &parts, &count);
    if (s != OD_OK)
        return s;
    adopt_checksum(call, upload);
    struct od_s3_meta meta = upload->meta;
    if (od_checksum_init(&whole, upload->full_sum ? meta.sum_kind : OD_CHECKSUM_NONE,
                         call->s3->tables) != OD_OK)
        return od_s3_no_memory(call);
    for (size_t i = 0; i < count; i++)
        bytes += parts[i]->bytes;
    s = join(call, upload, parts, count, &whole);
    if (s == OD_OK)
        s = sum_up(call, upload, parts, count, &whole, &meta);
    od_checksum_done(&whole);
    if (s == OD_OK)
        s = check_whole(call, &meta, bytes);
    if (s == OD_OK)
        s = od_s3_put(call, call->intake.temporary, &meta);
    if (s != OD_OK)
        return s;
    call->intake.temporary = OD_STR_NONE;
    if (od_s3_upload_end(call, upload) != OD_OK)
        call->failed = false; /* the object is there, which is what was asked for */
    answer_completion(call, &meta);
    return OD_OK;
}

/* ---- completing again ----
 *
 * A client whose answer was lost asks again, and finds the upload gone. The object tells: its ETag
 * is made of those of the parts, which the request names. */

/* "" when the body does not say it. */
static enum od_status etag_of_body(struct od_s3_call *call, struct od_str *out)
{
    const struct od_xml *body;
    struct od_checksum md5;
    unsigned char bytes[OD_CHECKSUM_MAX_BYTES];
    char hex[33];
    size_t count = 0;
    bool good = true;
    *out = OD_STR("");
    enum od_status s = od_s3_read_xml(call, "CompleteMultipartUpload", &body);
    if (s != OD_OK)
        return s;
    if (od_checksum_init(&md5, OD_CHECKSUM_MD5, call->s3->tables) != OD_OK)
        return od_s3_no_memory(call);
    for (const struct od_xml *p = body->first; good && p; p = p->next) {
        struct od_str etag = od_xml_text(p, "ETag");
        if (!od_str_eq_c(p->name, "Part"))
            continue;
        if (etag.len == 34 && etag.ptr[0] == '"' && etag.ptr[33] == '"')
            etag = od_str_sub(etag, 1, 32);
        good = etag.len == 32 && read_hex(etag, bytes, 16);
        if (good)
            od_checksum_add(&md5, bytes, 16);
        count++;
    }
    od_checksum_end(&md5, bytes);
    od_hex(bytes, 16, hex);
    if (good && count)
        *out = od_arena_printf(call->arena, "%s-%zu", hex, count);
    return out->ptr ? OD_OK : od_s3_no_memory(call);
}

static enum od_status complete_again(struct od_s3_call *call)
{
    struct od_s3_object object;
    struct od_str etag;
    call->failed = false;
    enum od_status s = etag_of_body(call, &etag);
    if (s != OD_OK)
        return s;
    if (od_s3_find(call, call->bucket, call->key, &object) != OD_OK ||
        !od_str_eq(object.meta.etag, etag))
        return od_s3_fail(call, OD_S3_NO_SUCH_UPLOAD, NULL);
    s = check_whole(call, &object.meta, object.meta.bytes);
    if (s == OD_OK)
        answer_completion(call, &object.meta);
    return s;
}

enum od_status od_s3_complete_upload(struct od_s3_call *call)
{
    struct od_s3_upload upload = {.folder = OD_STR_NONE};
    enum od_status s = od_s3_upload_find(call, &upload);
    if (s == OD_OK)
        s = complete(call, &upload);
    else if (call->code != OD_S3_NO_SUCH_UPLOAD)
        return s;
    /* Two at once: the parts go while the later one reads them. */
    bool gone = !upload.folder.ptr || !od_io_exists(call->io, upload.folder.ptr);
    return s != OD_OK && gone && call->code != OD_S3_INTERNAL ? complete_again(call) : s;
}
