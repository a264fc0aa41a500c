/* ListParts and ListMultipartUploads. */
#include "s3/upload.h"

#include <string.h>

static void put_owner(struct od_s3_call *call, struct od_buf *out)
{
    static const char *const roles[] = {"Initiator", "Owner"};
    for (size_t i = 0; i < 2; i++)
        od_buf_printf(out, "<%s><ID>%s</ID><DisplayName>ondol</DisplayName></%s>", roles[i],
                      call->s3->config.account, roles[i]);
    od_buf_puts(out, "<StorageClass>STANDARD</StorageClass>");
}

/* A number parameter from 0 to most; absent gives most. */
static enum od_status read_most(struct od_s3_call *call, const char *name, uint64_t most,
                                uint64_t *out)
{
    struct od_str text = od_s3_param(call, name);
    *out = most;
    if (text.len && !od_str_to_u64(text, out))
        return od_s3_fail(call, OD_S3_INVALID_ARGUMENT, "%s must be a number that is not negative.",
                          name);
    if (*out > most)
        *out = most;
    return OD_OK;
}

static void put_part(struct od_buf *out, const struct od_s3_upload *upload,
                     const struct od_s3_part *part)
{
    od_buf_printf(out, "<Part><PartNumber>%u</PartNumber>", part->number);
    od_s3_put_time(out, "LastModified", part->modified_ms * 1000000);
    od_buf_printf(out, "<ETag>&quot;%.*s&quot;</ETag><Size>%llu</Size>", OD_STR_ARG(part->etag),
                  (unsigned long long)part->bytes);
    if (upload->meta.sum_kind)
        od_xml_put(out, od_checksum_element(upload->meta.sum_kind), part->sum);
    od_buf_puts(out, "</Part>");
}

static void put_parts(struct od_s3_call *call, const struct od_s3_upload *upload,
                      const struct od_s3_part *parts, size_t count, uint64_t after, uint64_t max)
{
    struct od_buf *out = od_s3_xml(call, "ListPartsResult");
    size_t first = 0;
    while (first < count && parts[first].number <= after)
        first++;
    size_t end = count - first > max ? first + (size_t)max : count;
    od_xml_put(out, "Bucket", call->bucket);
    od_xml_put(out, "Key", call->key);
    od_xml_put(out, "UploadId", upload->id);
    od_buf_printf(out,
                  "<PartNumberMarker>%llu</PartNumberMarker><NextPartNumberMarker>%u"
                  "</NextPartNumberMarker><MaxParts>%llu</MaxParts><IsTruncated>%s</IsTruncated>",
                  (unsigned long long)after, end > first ? parts[end - 1].number : 0,
                  (unsigned long long)max, end < count ? "true" : "false");
    if (upload->meta.sum_kind) {
        od_xml_put(out, "ChecksumAlgorithm", od_str_c(od_checksum_name(upload->meta.sum_kind)));
        od_xml_put(out, "ChecksumType",
                   upload->full_sum ? OD_STR("FULL_OBJECT") : OD_STR("COMPOSITE"));
    }
    put_owner(call, out);
    for (size_t i = first; i < end; i++)
        put_part(out, upload, &parts[i]);
    od_s3_xml_end(call, "ListPartsResult");
}

enum od_status od_s3_list_parts(struct od_s3_call *call)
{
    struct od_s3_upload upload;
    struct od_s3_part *parts;
    size_t count;
    uint64_t after = 0, max;
    struct od_str marker = od_s3_param(call, "part-number-marker");
    enum od_status s = od_s3_upload_find(call, &upload);
    if (s == OD_OK)
        s = read_most(call, "max-parts", OD_MAX_LISTED_KEYS, &max);
    if (s == OD_OK && marker.len && !od_str_to_u64(marker, &after))
        s = od_s3_fail(call, OD_S3_INVALID_ARGUMENT, "part-number-marker must be a number.");
    if (s == OD_OK)
        s = od_s3_upload_parts(call, &upload, &parts, &count);
    if (s == OD_OK)
        put_parts(call, &upload, parts, count, after, max);
    return s;
}

struct uploads_page {
    struct od_str prefix, delimiter, key_marker, id_marker;
    bool encoded;
};

static void put_key(const struct uploads_page *page, struct od_buf *out, const char *element,
                    struct od_str key)
{
    od_buf_printf(out, "<%s>", element);
    if (page->encoded)
        od_percent_encode(out, key, "/");
    else
        od_xml_escape(out, key);
    od_buf_printf(out, "</%s>", element);
}

static bool is_after(const struct uploads_page *page, const struct od_s3_upload *upload)
{
    int order = page->key_marker.len ? od_str_cmp(upload->key, page->key_marker) : 1;
    if (order || !page->id_marker.len)
        return order > 0;
    return od_str_cmp(upload->id, page->id_marker) > 0;
}

/* The part of the key up to the first delimiter behind the prefix; absent when there is none. */
static struct od_str group_of(const struct uploads_page *page, struct od_str key)
{
    for (size_t i = page->prefix.len; page->delimiter.len && i + page->delimiter.len <= key.len;
         i++)
        if (memcmp(key.ptr + i, page->delimiter.ptr, page->delimiter.len) == 0)
            return od_str_sub(key, 0, i + page->delimiter.len);
    return OD_STR_NONE;
}

static void put_upload(struct od_s3_call *call, const struct uploads_page *page, struct od_buf *out,
                       const struct od_s3_upload *upload)
{
    od_buf_puts(out, "<Upload>");
    put_key(page, out, "Key", upload->key);
    od_xml_put(out, "UploadId", upload->id);
    put_owner(call, out);
    od_s3_put_time(out, "Initiated", upload->created_ms * 1000000);
    if (upload->meta.sum_kind)
        od_xml_put(out, "ChecksumAlgorithm", od_str_c(od_checksum_name(upload->meta.sum_kind)));
    od_buf_puts(out, "</Upload>");
}

static void put_uploads(struct od_s3_call *call, const struct uploads_page *page,
                        const struct od_s3_upload *uploads, size_t count, uint64_t max)
{
    struct od_buf *out = od_s3_xml(call, "ListMultipartUploadsResult");
    struct od_str group = OD_STR_NONE;
    const struct od_s3_upload *last = NULL;
    uint64_t given = 0;
    bool more = false;
    od_xml_put(out, "Bucket", call->bucket);
    put_key(page, out, "Prefix", page->prefix);
    put_key(page, out, "KeyMarker", page->key_marker);
    od_xml_put(out, "UploadIdMarker", page->id_marker);
    if (page->delimiter.len)
        put_key(page, out, "Delimiter", page->delimiter);
    if (page->encoded)
        od_buf_puts(out, "<EncodingType>url</EncodingType>");
    for (size_t i = 0; i < count; i++) {
        struct od_str of = group_of(page, uploads[i].key);
        if (!od_str_starts(uploads[i].key, page->prefix) || !is_after(page, &uploads[i]) ||
            (of.ptr && od_str_eq(of, group)))
            continue;
        more = given == max;
        if (more)
            break;
        given++;
        last = &uploads[i];
        group = of;
        if (!of.ptr) {
            put_upload(call, page, out, &uploads[i]);
            continue;
        }
        od_buf_puts(out, "<CommonPrefixes>");
        put_key(page, out, "Prefix", of);
        od_buf_puts(out, "</CommonPrefixes>");
    }
    if (more && last) {
        put_key(page, out, "NextKeyMarker", last->key);
        od_xml_put(out, "NextUploadIdMarker", last->id);
    }
    od_buf_printf(out, "<MaxUploads>%llu</MaxUploads><IsTruncated>%s</IsTruncated>",
                  (unsigned long long)max, more && max ? "true" : "false");
    od_s3_xml_end(call, "ListMultipartUploadsResult");
}

enum od_status od_s3_list_uploads(struct od_s3_call *call)
{
    struct od_s3_upload *uploads;
    size_t count;
    uint64_t max;
    struct uploads_page page = {.prefix = od_s3_param(call, "prefix"),
                                .delimiter = od_s3_param(call, "delimiter"),
                                .key_marker = od_s3_param(call, "key-marker"),
                                .id_marker = od_s3_param(call, "upload-id-marker"),
                                .encoded = od_s3_param(call, "encoding-type").len > 0};
    if (!page.prefix.ptr)
        page.prefix = OD_STR("");
    if (!page.key_marker.ptr)
        page.key_marker = OD_STR("");
    if (!page.id_marker.ptr)
        page.id_marker = OD_STR("");
    enum od_status s = od_s3_need_bucket(call, call->bucket);
    if (s == OD_OK)
        s = read_most(call, "max-uploads", OD_MAX_LISTED_KEYS, &max);
    if (s == OD_OK)
        s = od_s3_upload_list(call, &uploads, &count);
    if (s == OD_OK)
        put_uploads(call, &page, uploads, count, max);
    return s;
}
