/* GetObject, HeadObject, PutObject, DeleteObject. */
#include <stdlib.h>
#include <string.h>

#include "base/time.h"
#include "s3/inner.h"

/* ---- the file as an answer's body ---- */

struct file_source {
    struct od_http_source source; /* first */
    const struct od_io *io;
    int fd;
    uint64_t from, bytes;
};

static size_t read_source(struct od_http_source *source, uint64_t at, char *to, size_t len)
{
    struct file_source *file = (struct file_source *)source;
    size_t got = 0;
    if (at >= file->bytes)
        return 0;
    if (len > file->bytes - at)
        len = (size_t)(file->bytes - at);
    return file->io->read_at(file->io, file->fd, to, len, file->from + at, &got, NULL) == OD_OK
               ? got
               : 0;
}

static void end_source(struct od_http_source *source)
{
    struct file_source *file = (struct file_source *)source;
    if (file->fd >= 0)
        file->io->close(file->io, file->fd);
    free(file);
}

/* fd -1: a length without bytes, for HEAD. fd is taken over. */
static enum od_status set_source(struct od_s3_call *call, int fd, uint64_t from, uint64_t bytes)
{
    struct file_source *file = malloc(sizeof *file);
    if (!file) {
        if (fd >= 0)
            call->io->close(call->io, fd);
        return od_s3_no_memory(call);
    }
    *file = (struct file_source){{read_source, end_source}, call->io, fd, from, bytes};
    call->response->source = &file->source;
    call->response->source_bytes = bytes;
    return OD_OK;
}

/* ---- conditions and ranges ---- */

bool od_s3_etag_matches(struct od_str list, struct od_str etag)
{
    struct od_str rest = list, one;
    while (od_str_cut(&rest, ',', &one)) {
        one = od_str_trim(one);
        if (od_str_starts(one, OD_STR("W/")))
            one = od_str_sub(one, 2, one.len);
        if (one.len >= 2 && one.ptr[0] == '"' && one.ptr[one.len - 1] == '"')
            one = od_str_sub(one, 1, one.len - 2);
        if (od_str_eq_c(one, "*") || od_str_eq(one, etag))
            return true;
    }
    return false;
}

/* "Wed, 31 Jan 2024 23:59:59 GMT"; a date of another form is no condition (RFC 9110
 * section 13.1.3).
 */
static bool read_date(struct od_str text, int64_t *out_s)
{
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    struct od_civil civil = {0};
    int64_t year, day, hour, minute, second;
    if (text.len != 29 || text.ptr[3] != ',' || !od_str_ends(text, OD_STR(" GMT")))
        return false;
    for (int m = 0; m < 12 && !civil.month; m++)
        if (memcmp(text.ptr + 8, months + (size_t)m * 3, 3) == 0)
            civil.month = m + 1;
    if (!civil.month || !od_str_to_i64(od_str_sub(text, 5, 2), &day) ||
        !od_str_to_i64(od_str_sub(text, 12, 4), &year) ||
        !od_str_to_i64(od_str_sub(text, 17, 2), &hour) ||
        !od_str_to_i64(od_str_sub(text, 20, 2), &minute) ||
        !od_str_to_i64(od_str_sub(text, 23, 2), &second))
        return false;
    civil.year = year;
    civil.day = (int)day;
    civil.hour = (int)hour;
    civil.minute = (int)minute;
    civil.second = (int)second;
    *out_s = od_time_unix(&civil);
    return true;
}

static struct od_str condition(struct od_s3_call *call, const char *prefix, const char *name)
{
    struct od_str header = od_arena_printf(call->arena, "%s%s", prefix, name);
    return header.ptr ? od_s3_request_header(call, header.ptr) : OD_STR_NONE;
}

enum od_status od_s3_check_read(struct od_s3_call *call, const struct od_s3_meta *meta,
                                const char *prefix, bool *out_not_modified)
{
    struct od_str match = condition(call, prefix, "if-match");
    struct od_str none = condition(call, prefix, "if-none-match");
    struct od_str since = condition(call, prefix, "if-modified-since");
    struct od_str unless = condition(call, prefix, "if-unmodified-since");
    int64_t modified_s = meta->modified_ns / 1000000000, s;
    *out_not_modified = false;
    if (match.ptr && !od_s3_etag_matches(match, meta->etag))
        return od_s3_fail(call, OD_S3_PRECONDITION, NULL);
    if (!match.ptr && unless.ptr && read_date(unless, &s) && modified_s > s)
        return od_s3_fail(call, OD_S3_PRECONDITION, NULL);
    if (none.ptr)
        *out_not_modified = od_s3_etag_matches(none, meta->etag);
    else if (since.ptr && read_date(since, &s))
        *out_not_modified = modified_s <= s;
    return OD_OK;
}

enum od_s3_range od_s3_parse_range(struct od_str text, uint64_t size, uint64_t *out_from,
                                   uint64_t *out_len)
{
    uint64_t from = 0, to = UINT64_MAX;
    *out_from = 0;
    *out_len = size;
    if (!od_str_starts(text, OD_STR("bytes=")) || od_str_find(text, ',', 0) != SIZE_MAX)
        return OD_S3_WHOLE;
    struct od_str last = od_str_sub(text, 6, text.len), first;
    od_str_cut(&last, '-', &first);
    if (!last.ptr || (!first.len && !last.len) || (first.len && !od_str_to_u64(first, &from)) ||
        (last.len && !od_str_to_u64(last, &to)))
        return OD_S3_WHOLE;
    if (!first.len) {
        if (!to || !size)
            return OD_S3_OUTSIDE;
        *out_len = to < size ? to : size;
        *out_from = size - *out_len;
        return OD_S3_PART;
    }
    if (last.len && to < from)
        return OD_S3_WHOLE;
    if (from >= size)
        return OD_S3_OUTSIDE;
    *out_from = from;
    *out_len = (to < size - 1 ? to : size - 1) - from + 1;
    return OD_S3_PART;
}

/* ---- reading ---- */

/* The headers an object was put with; a signed request may ask for others in their place. */
static void put_object_headers(struct od_s3_call *call, const struct od_s3_meta *meta)
{
    static const char *const overrides[][2] = {
        {"response-content-type", "Content-Type"},
        {"response-content-language", "Content-Language"},
        {"response-expires", "Expires"},
        {"response-cache-control", "Cache-Control"},
        {"response-content-disposition", "Content-Disposition"},
        {"response-content-encoding", "Content-Encoding"},
    };
    size_t count = sizeof overrides / sizeof *overrides;
    bool typed = false;
    for (size_t i = 0; i < meta->header_count; i++) {
        bool overridden = false;
        for (size_t o = 0; o < count; o++)
            overridden |= od_str_eq_nocase(meta->headers[i].name, od_str_c(overrides[o][1])) &&
                          od_s3_param(call, overrides[o][0]).ptr;
        typed |= od_str_eq_nocase(meta->headers[i].name, OD_STR("content-type"));
        if (!overridden)
            od_s3_header(call, meta->headers[i].name.ptr, meta->headers[i].value);
    }
    for (size_t o = 0; o < count; o++)
        od_s3_header(call, overrides[o][1], od_s3_param(call, overrides[o][0]));
    if (!typed && !od_s3_param(call, "response-content-type").ptr)
        od_s3_header(call, "Content-Type", OD_STR("binary/octet-stream"));
}

static void put_read_headers(struct od_s3_call *call, const struct od_s3_meta *meta)
{
    char text[OD_TIME_TEXT];
    od_time_format_http(meta->modified_ns / 1000000000, text);
    od_s3_header(call, "Last-Modified", od_str_c(text));
    od_s3_header(call, "Accept-Ranges", OD_STR("bytes"));
    od_s3_etag_header(call, meta->etag);
    put_object_headers(call, meta);
}

static enum od_status open_object(struct od_s3_call *call, const struct od_s3_object *object,
                                  int *out_fd)
{
    struct od_error err;
    struct od_io_stat stat;
    if (call->io->open(call->io, object->path.ptr, OD_OPEN_READ, out_fd, &err) != OD_OK)
        return call->io->stat(call->io, object->path.ptr, &stat, NULL) == OD_NOT_FOUND
                   ? od_s3_fail(call, OD_S3_NO_SUCH_KEY, NULL) /* deleted just now */
                   : od_s3_internal(call, &err);
    return OD_OK;
}

enum od_status od_s3_open(struct od_s3_call *call, struct od_str bucket, struct od_str key,
                          struct od_s3_object *object, int *out_fd)
{
    struct od_s3_object again = *object;
    enum od_status s;
    do {
        *object = again;
        s = open_object(call, object, out_fd);
        if (s != OD_OK)
            return s;
        s = od_s3_find(call, bucket, key, &again);
        bool same = again.meta.inode == object->meta.inode &&
                    again.meta.modified_ns == object->meta.modified_ns;
        if (s == OD_OK && same)
            return OD_OK;
        call->io->close(call->io, *out_fd);
    } while (s == OD_OK);
    return s;
}

static enum od_status answer_body(struct od_s3_call *call, int fd, const struct od_s3_meta *meta)
{
    uint64_t from, len;
    struct od_str range = od_s3_request_header(call, "range");
    struct od_str if_range = od_s3_request_header(call, "if-range");
    if (if_range.ptr && !od_s3_etag_matches(if_range, meta->etag))
        range = OD_STR_NONE;
    enum od_s3_range kind = od_s3_parse_range(range, meta->bytes, &from, &len);
    if (kind == OD_S3_OUTSIDE) {
        if (fd >= 0)
            call->io->close(call->io, fd);
        od_s3_header(call, "Content-Range",
                     od_arena_printf(call->arena, "bytes */%llu", (unsigned long long)meta->bytes));
        return od_s3_fail(call, OD_S3_INVALID_RANGE, NULL);
    }
    put_read_headers(call, meta);
    if (kind == OD_S3_PART) {
        call->response->status = 206;
        od_s3_header(call, "Content-Range",
                     od_arena_printf(call->arena, "bytes %llu-%llu/%llu", (unsigned long long)from,
                                     (unsigned long long)(from + len - 1),
                                     (unsigned long long)meta->bytes));
    } else if (od_str_eq_nocase(od_s3_request_header(call, "x-amz-checksum-mode"),
                                OD_STR("ENABLED"))) {
        od_s3_sum_header(call, meta);
    }
    return set_source(call, fd, from, len);
}

static enum od_status read_object(struct od_s3_call *call, bool head)
{
    struct od_s3_object object;
    bool not_modified;
    int fd = -1;
    enum od_status s = od_s3_find(call, call->bucket, call->key, &object);
    if (s == OD_OK && !head && !object.is_marker)
        s = od_s3_open(call, call->bucket, call->key, &object, &fd);
    if (s != OD_OK)
        return s;
    s = od_s3_check_read(call, &object.meta, "", &not_modified);
    if (s == OD_OK && !not_modified)
        return answer_body(call, fd, &object.meta);
    if (fd >= 0)
        call->io->close(call->io, fd);
    if (s == OD_OK) {
        put_read_headers(call, &object.meta);
        call->response->status = 304;
    }
    return s;
}

enum od_status od_s3_get_object(struct od_s3_call *call)
{
    return read_object(call, false);
}

enum od_status od_s3_head_object(struct od_s3_call *call)
{
    return read_object(call, true);
}

/* ---- writing ---- */

enum od_status od_s3_put_object(struct od_s3_call *call)
{
    struct od_s3_intake *in = &call->intake;
    struct od_s3_meta meta;
    enum od_status s = od_s3_meta_of_request(call, &meta);
    if (s == OD_OK && od_str_ends(call->key, OD_STR("/")) && in->bytes)
        s = od_s3_fail(call, OD_S3_INVALID_ARGUMENT, OD_S3_FOLDER_KEY);
    if (s != OD_OK)
        return s;
    meta.etag = od_str_c(in->md5_hex);
    meta.sum_kind = in->sum.kind;
    meta.sum = od_str_c(in->sum_text);
    s = od_s3_put(call, in->temporary, &meta);
    if (s != OD_OK)
        return s;
    if (!od_str_ends(call->key, OD_STR("/")))
        in->temporary = OD_STR_NONE; /* it is the object now */
    od_s3_etag_header(call, meta.etag);
    od_s3_sum_header(call, &meta);
    return OD_OK;
}

enum od_status od_s3_delete_object(struct od_s3_call *call)
{
    enum od_status s = od_s3_need_bucket(call, call->bucket);
    if (s == OD_OK && od_s3_request_header(call, "if-match").ptr)
        s = od_s3_fail(call, OD_S3_NOT_IMPLEMENTED, "If-Match of a delete is not implemented.");
    if (s == OD_OK)
        s = od_s3_delete(call, call->bucket, call->key);
    call->response->status = 204;
    return s;
}
