/* ListObjects in both versions.
 *
 * A page ends after max-keys keys and common prefixes. Where the next one begins is told by what
 * the last entry was: version 1 names it (NextMarker), version 2 gives a token, which is "k" and
 * the key, or "p" and the common prefix, in hexadecimal digits: it survives inserts and deletes,
 * and needs nothing kept here. */
#include <string.h>

#include "s3/walk.h"

struct page {
    struct od_str prefix, delimiter, after, skip;
    uint64_t max;
    bool encoded; /* encoding-type=url */
    bool owner;
    size_t count;
    bool truncated;
    struct od_str last; /* of the entries, a key or a common prefix */
    bool last_is_prefix;
    struct od_buf contents, prefixes; /* prefixes come behind all keys */
};

static void put_key(const struct page *page, struct od_buf *out, const char *element,
                    struct od_str key)
{
    od_buf_printf(out, "<%s>", element);
    if (page->encoded)
        od_percent_encode(out, key, "/");
    else
        od_xml_escape(out, key);
    od_buf_printf(out, "</%s>", element);
}

static enum od_status add_key(struct od_s3_call *call, struct page *page, struct od_str key)
{
    struct od_s3_object *object;
    enum od_status s = od_s3_look(call, call->bucket, key, &object);
    if (s != OD_OK || !object)
        return s; /* deleted since its folder was read, or a link */
    struct od_buf *out = &page->contents;
    od_buf_puts(out, "<Contents>");
    put_key(page, out, "Key", key);
    od_s3_put_time(out, "LastModified", object->meta.modified_ns);
    od_buf_puts(out, "<ETag>&quot;");
    od_xml_escape(out, object->meta.etag);
    od_buf_puts(out, "&quot;</ETag>");
    if (object->meta.sum.len) {
        od_xml_put(out, "ChecksumAlgorithm", od_str_c(od_checksum_name(object->meta.sum_kind)));
        od_xml_put(out, "ChecksumType",
                   object->meta.sum_of_parts ? OD_STR("COMPOSITE") : OD_STR("FULL_OBJECT"));
    }
    od_buf_printf(out, "<Size>%llu</Size><StorageClass>STANDARD</StorageClass>",
                  (unsigned long long)object->meta.bytes);
    if (page->owner)
        od_buf_printf(out, "<Owner><ID>%s</ID><DisplayName>ondol</DisplayName></Owner>",
                      call->s3->config.account);
    od_buf_puts(out, "</Contents>");
    page->count++;
    return OD_OK;
}

/* The common prefix that the key belongs to; absent when it stands for itself. */
static struct od_str common_prefix(const struct page *page, struct od_str key)
{
    if (!page->delimiter.len)
        return OD_STR_NONE;
    for (size_t i = page->prefix.len; i + page->delimiter.len <= key.len; i++)
        if (memcmp(key.ptr + i, page->delimiter.ptr, page->delimiter.len) == 0)
            return od_str_sub(key, 0, i + page->delimiter.len);
    return OD_STR_NONE;
}

static enum od_status add(struct od_s3_call *call, struct page *page, struct od_s3_walk *walk,
                          struct od_str key)
{
    struct od_str common = common_prefix(page, key);
    page->last = od_arena_str(call->arena, common.ptr ? common : key);
    page->last_is_prefix = common.ptr != NULL;
    if (!page->last.ptr)
        return od_s3_no_memory(call);
    if (!common.ptr)
        return add_key(call, page, page->last);
    od_buf_puts(&page->prefixes, "<CommonPrefixes>");
    put_key(page, &page->prefixes, "Prefix", page->last);
    od_buf_puts(&page->prefixes, "</CommonPrefixes>");
    page->count++;
    od_s3_walk_skip(walk, page->last);
    return OD_OK;
}

static enum od_status fill(struct od_s3_call *call, struct page *page)
{
    struct od_s3_walk walk;
    struct od_str key;
    enum od_status s =
        od_s3_walk_init(&walk, call, call->bucket, page->prefix, page->after, page->skip);
    while (s == OD_OK) {
        s = od_s3_walk_next(&walk, &key);
        if (s != OD_OK || !key.ptr)
            break;
        /* One more key than fits says that there are more. */
        page->truncated = page->count == page->max;
        if (page->truncated)
            break;
        s = add(call, page, &walk, key);
    }
    if (page->max == 0)
        page->truncated = false;
    od_s3_walk_done(&walk);
    if (s == OD_OK &&
        (od_buf_status(&page->contents) != OD_OK || od_buf_status(&page->prefixes) != OD_OK))
        s = od_s3_no_memory(call);
    return s;
}

/* What both versions are asked. */
static enum od_status read_page(struct od_s3_call *call, struct page *page)
{
    struct od_str max = od_s3_param(call, "max-keys");
    struct od_str encoding = od_s3_param(call, "encoding-type");
    *page = (struct page){.prefix = od_s3_param(call, "prefix"),
                          .delimiter = od_s3_param(call, "delimiter"),
                          .max = OD_MAX_LISTED_KEYS,
                          .encoded = encoding.len > 0};
    if (!page->prefix.ptr)
        page->prefix = OD_STR("");
    od_buf_init(&page->contents, OD_MAX_RESPONSE_BYTES);
    od_buf_init(&page->prefixes, OD_MAX_RESPONSE_BYTES);
    if (max.len && !od_str_to_u64(max, &page->max))
        return od_s3_fail(call, OD_S3_INVALID_ARGUMENT,
                          "max-keys must be a number that is not negative.");
    if (page->max > OD_MAX_LISTED_KEYS)
        page->max = OD_MAX_LISTED_KEYS;
    if (encoding.len && !od_str_eq(encoding, OD_STR("url")))
        return od_s3_fail(call, OD_S3_INVALID_ARGUMENT,
                          "Invalid Encoding Method specified in Request");
    return od_s3_need_bucket(call, call->bucket);
}

static void put_asked(struct od_s3_call *call, const struct page *page, struct od_buf *out)
{
    od_xml_put(out, "Name", call->bucket);
    put_key(page, out, "Prefix", page->prefix);
    if (page->delimiter.len)
        put_key(page, out, "Delimiter", page->delimiter);
    if (page->encoded)
        od_buf_puts(out, "<EncodingType>url</EncodingType>");
    od_buf_printf(out, "<MaxKeys>%llu</MaxKeys><IsTruncated>%s</IsTruncated>",
                  (unsigned long long)page->max, page->truncated ? "true" : "false");
}

static void put_entries(const struct page *page, struct od_buf *out)
{
    od_buf_str(out, od_buf_view(&page->contents));
    od_buf_str(out, od_buf_view(&page->prefixes));
}

static void page_done(struct page *page)
{
    od_buf_done(&page->contents);
    od_buf_done(&page->prefixes);
}

/* ---- version 1 ---- */

static enum od_status list_v1(struct od_s3_call *call, struct page *page)
{
    struct od_str marker = od_s3_param(call, "marker");
    page->after = marker;
    page->owner = true;
    /* A marker that is a common prefix stands for all keys below it. */
    if (marker.len && page->delimiter.len && od_str_starts(marker, page->prefix) &&
        od_str_eq(common_prefix(page, marker), marker))
        page->skip = marker;
    enum od_status s = fill(call, page);
    if (s != OD_OK)
        return s;
    struct od_buf *out = od_s3_xml(call, "ListBucketResult");
    put_asked(call, page, out);
    put_key(page, out, "Marker", marker.ptr ? marker : OD_STR(""));
    if (page->truncated && page->delimiter.len)
        put_key(page, out, "NextMarker", page->last);
    put_entries(page, out);
    od_s3_xml_end(call, "ListBucketResult");
    return OD_OK;
}

enum od_status od_s3_list_objects(struct od_s3_call *call)
{
    struct page page;
    enum od_status s = read_page(call, &page);
    if (s == OD_OK)
        s = list_v1(call, &page);
    page_done(&page);
    return s;
}

/* ---- version 2 ---- */

static void put_token(struct od_buf *out, const struct page *page)
{
    static const char digits[] = "0123456789abcdef";
    od_buf_char(out, page->last_is_prefix ? 'p' : 'k');
    for (size_t i = 0; i < page->last.len; i++) {
        od_buf_char(out, digits[(unsigned char)page->last.ptr[i] >> 4]);
        od_buf_char(out, digits[(unsigned char)page->last.ptr[i] & 15]);
    }
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static enum od_status read_token(struct od_s3_call *call, struct od_str token, struct page *page)
{
    bool good = token.len % 2 == 1 && token.len <= 2 * OD_MAX_KEY_BYTES + 1 &&
                (token.ptr[0] == 'k' || token.ptr[0] == 'p');
    char *text = good ? od_arena_alloc(call->arena, token.len) : NULL;
    if (good && !text)
        return od_s3_no_memory(call);
    for (size_t i = 1; good && i + 1 < token.len; i += 2) {
        int high = hex_value(token.ptr[i]), low = hex_value(token.ptr[i + 1]);
        good = high >= 0 && low >= 0;
        text[i / 2] = (char)(high << 4 | low);
    }
    if (!good)
        return od_s3_fail(call, OD_S3_INVALID_ARGUMENT,
                          "The continuation token provided is incorrect");
    page->after = (struct od_str){text, token.len / 2};
    if (token.ptr[0] == 'p')
        page->skip = page->after;
    return OD_OK;
}

static enum od_status list_v2(struct od_s3_call *call, struct page *page)
{
    struct od_str token = od_s3_param(call, "continuation-token");
    struct od_str start = od_s3_param(call, "start-after");
    struct od_str owner = od_s3_param(call, "fetch-owner");
    page->owner = od_str_eq(owner, OD_STR("true"));
    page->after = start;
    enum od_status s = token.ptr ? read_token(call, token, page) : OD_OK;
    if (s == OD_OK)
        s = fill(call, page);
    if (s != OD_OK)
        return s;
    struct od_buf *out = od_s3_xml(call, "ListBucketResult");
    put_asked(call, page, out);
    od_buf_printf(out, "<KeyCount>%zu</KeyCount>", page->count);
    od_xml_put(out, "ContinuationToken", token);
    if (start.len)
        put_key(page, out, "StartAfter", start);
    if (page->truncated) {
        od_buf_puts(out, "<NextContinuationToken>");
        put_token(out, page);
        od_buf_puts(out, "</NextContinuationToken>");
    }
    put_entries(page, out);
    od_s3_xml_end(call, "ListBucketResult");
    return OD_OK;
}

enum od_status od_s3_list_objects_v2(struct od_s3_call *call)
{
    struct page page;
    enum od_status s = read_page(call, &page);
    if (s == OD_OK && !od_str_eq(od_s3_param(call, "list-type"), OD_STR("2")))
        s = od_s3_fail(call, OD_S3_INVALID_ARGUMENT, "list-type must be 2.");
    if (s == OD_OK)
        s = list_v2(call, &page);
    page_done(&page);
    return s;
}
