/* The canonical request: the one text both sides hash.
 *
 *     METHOD \n path \n query \n name:value\n ... \n names \n payload-hash
 *
 * path   dot segments and empty segments removed, then percent-encoded once more, as all services
 *        but S3 do (there each byte is encoded once, and nothing removed): "%2F" becomes "%252F",
 * plain paths stay. (RFC 3986 section 5.2.4; SigV4 documentation, "Create a canonical request".)
 * query  each name and value decoded and encoded again in one way (unreserved characters plain, the
 *        rest as %XX with capitals), sorted by encoded name, then value; without X-Amz-Signature. A
 *        name without "=" gets one.
 * header each signed header's values, trimmed, inner white space collapsed to one space, those of
 *        repeated headers joined by commas in order of arrival.
 *
 * Text of the client is only copied here, never trusted: a line end cannot come in (the HTTP guard
 * refuses it in headers, encoding hides it elsewhere), so no client text can pose as another line
 * of the canonical request. */
#include "wire/sigv4_inner.h"

#include <stdlib.h>
#include <string.h>

static bool is_unreserved(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.' || c == '~';
}

void od_sigv4_put_encoded(struct od_buf *out, unsigned char c)
{
    static const char digits[] = "0123456789ABCDEF";
    char text[3] = {'%', digits[c >> 4], digits[c & 15]};
    if (is_unreserved(c))
        od_buf_char(out, (char)c);
    else
        od_buf_put(out, text, 3);
}

static void put_path(struct od_buf *out, struct od_str path)
{
    /* Where each kept segment begins, so that ".." can take the last one back. */
    size_t start = out->len;
    struct od_str rest = path, segment;
    while (od_str_cut(&rest, '/', &segment)) {
        if (!segment.len || od_str_eq(segment, OD_STR(".")))
            continue;
        if (od_str_eq(segment, OD_STR(".."))) {
            while (out->len > start && out->ptr[out->len - 1] != '/')
                out->len--;
            if (out->len > start)
                out->len--;
            continue;
        }
        od_buf_char(out, '/');
        for (size_t i = 0; i < segment.len; i++)
            od_sigv4_put_encoded(out, (unsigned char)segment.ptr[i]);
    }
    if (out->len == start || od_str_ends(path, OD_STR("/")))
        od_buf_char(out, '/');
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* text decoded and encoded again; the slice of encoded. A "%" without two digits is itself. */
static struct od_str recode(struct od_buf *encoded, struct od_str text)
{
    size_t start = encoded->len;
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (c == '%' && text.len - i >= 3 && hex_value(text.ptr[i + 1]) >= 0 &&
            hex_value(text.ptr[i + 2]) >= 0) {
            c = (unsigned char)(hex_value(text.ptr[i + 1]) * 16 + hex_value(text.ptr[i + 2]));
            i += 2;
        }
        od_sigv4_put_encoded(encoded, c);
    }
    return (struct od_str){encoded->ptr + start, encoded->len - start};
}

/* S3's path: each part decoded and encoded again in one way, nothing else done to it. */
static void put_plain_path(struct od_buf *out, struct od_str path)
{
    for (size_t i = 0; i < path.len; i++) {
        unsigned char c = (unsigned char)path.ptr[i];
        if (c == '%' && path.len - i >= 3 && hex_value(path.ptr[i + 1]) >= 0 &&
            hex_value(path.ptr[i + 2]) >= 0) {
            c = (unsigned char)(hex_value(path.ptr[i + 1]) * 16 + hex_value(path.ptr[i + 2]));
            i += 2;
            od_sigv4_put_encoded(out, c);
        } else if (c == '/') {
            od_buf_char(out, '/');
        } else {
            od_sigv4_put_encoded(out, c);
        }
    }
}

struct param {
    struct od_str name, value;
};

static int by_name_then_value(const void *a, const void *b)
{
    const struct param *p = a, *q = b;
    int order = od_str_cmp(p->name, q->name);
    return order ? order : od_str_cmp(p->value, q->value);
}

static enum od_status put_query(struct od_buf *out, struct od_str query, bool presigned,
                                struct od_error *err)
{
    struct param params[OD_MAX_QUERY_PARAMS];
    size_t count = 0;
    struct od_buf encoded;
    struct od_str rest = query, piece;
    enum od_status status = OD_OK;
    if (!query.len)
        return OD_OK;
    od_buf_init(&encoded, 3 * query.len);
    if (!od_buf_reserve(&encoded, 3 * query.len)) /* slices of it must not move */
        return od_fail(err, OD_NO_MEMORY, NULL);
    while (status == OD_OK && od_str_cut(&rest, '&', &piece)) {
        size_t mark = od_str_find(piece, '=', 0);
        struct od_str name = od_str_sub(piece, 0, mark);
        struct od_str value =
            mark == SIZE_MAX ? OD_STR("") : od_str_sub(piece, mark + 1, piece.len);
        if (presigned && od_str_eq(name, OD_STR("X-Amz-Signature")))
            continue;
        if (count == OD_MAX_QUERY_PARAMS)
            status = od_fail(err, OD_AUTH_INCOMPLETE,
                             "A signed request may have at most %d query parameters.",
                             OD_MAX_QUERY_PARAMS);
        else
            params[count++] = (struct param){recode(&encoded, name), recode(&encoded, value)};
    }
    if (status == OD_OK) {
        qsort(params, count, sizeof *params, by_name_then_value);
        for (size_t i = 0; i < count; i++) {
            if (i)
                od_buf_char(out, '&');
            od_buf_str(out, params[i].name);
            od_buf_char(out, '=');
            od_buf_str(out, params[i].value);
        }
    }
    od_buf_done(&encoded);
    return status;
}

/* The value without white space around it and with single spaces inside. */
static void put_value(struct od_buf *out, struct od_str value)
{
    value = od_str_trim(value);
    for (size_t i = 0; i < value.len;) {
        size_t run = i;
        while (run < value.len && value.ptr[run] != ' ' && value.ptr[run] != '\t')
            run++;
        od_buf_put(out, value.ptr + i, run - i);
        for (i = run; i < value.len && (value.ptr[i] == ' ' || value.ptr[i] == '\t'); i++)
            ;
        if (i < value.len)
            od_buf_char(out, ' ');
    }
}

static enum od_status put_header(struct od_buf *out, const struct od_http_request *request,
                                 struct od_str name, struct od_error *err)
{
    bool found = false;
    od_buf_str(out, name);
    for (size_t i = 0; i < request->header_count; i++) {
        if (!od_str_eq_nocase(request->headers[i].name, name))
            continue;
        od_buf_char(out, found ? ',' : ':');
        put_value(out, request->headers[i].value);
        found = true;
    }
    od_buf_char(out, '\n');
    if (!found)
        return od_fail(err, OD_AUTH_SIGNATURE, "The signed header '%.*s' is not in the request.",
                       OD_STR_ARG(name));
    return OD_OK;
}

static enum od_status must_be_signed(const char *name, struct od_error *err)
{
    return od_fail(err, OD_AUTH_SIGNATURE, "'%s' must be a 'SignedHeader' in the AWS Credential.",
                   name);
}

static bool is_signed(const struct od_sigv4_words *words, struct od_str name)
{
    struct od_str rest = words->signed_headers, one;
    while (od_sigv4_next_name(&rest, &one))
        if (od_str_eq_nocase(one, name))
            return true;
    return false;
}

/* What an x-amz- header says of an object must be the signer's word. */
static enum od_status check_amz_signed(const struct od_http_request *request,
                                       const struct od_sigv4_words *words, struct od_error *err)
{
    for (size_t i = 0; i < request->header_count; i++) {
        struct od_str name = request->headers[i].name;
        if (name.len > 6 && od_str_eq_nocase(od_str_sub(name, 0, 6), OD_STR("x-amz-")) &&
            !is_signed(words, name))
            return od_fail(err, OD_AUTH_SIGNATURE,
                           "There were headers present in the request which were not signed: %.*s.",
                           OD_STR_ARG(name));
    }
    return OD_OK;
}

static enum od_status put_headers(struct od_buf *out, const struct od_http_request *request,
                                  const struct od_sigv4_words *words, struct od_error *err)
{
    bool host = false, date = false, target = false;
    struct od_str rest = words->signed_headers, name;
    while (od_sigv4_next_name(&rest, &name)) {
        enum od_status status = put_header(out, request, name, err);
        if (status != OD_OK)
            return status;
        host |= od_str_eq(name, OD_STR("host"));
        date |= od_str_eq(name, OD_STR("x-amz-date"));
        target |= od_str_eq(name, OD_STR("x-amz-target"));
    }
    if (!host)
        return must_be_signed("Host", err);
    if (!date && !words->presigned)
        return must_be_signed("X-Amz-Date", err);
    if (!target && od_http_header(request, "x-amz-target").ptr)
        return must_be_signed("X-Amz-Target", err);
    od_buf_char(out, '\n');
    rest = words->signed_headers;
    for (bool first = true; od_sigv4_next_name(&rest, &name); first = false) {
        if (!first)
            od_buf_char(out, ';');
        od_buf_str(out, name);
    }
    od_buf_char(out, '\n');
    return OD_OK;
}

enum od_status od_sigv4_canonical(const struct od_http_request *request,
                                  const struct od_sigv4_words *words, struct od_buf *out,
                                  struct od_error *err)
{
    od_buf_str(out, request->method);
    od_buf_char(out, '\n');
    if (words->s3)
        put_plain_path(out, request->path);
    else
        put_path(out, request->path);
    od_buf_char(out, '\n');
    enum od_status status = put_query(out, request->query, words->presigned, err);
    od_buf_char(out, '\n');
    if (status == OD_OK)
        status = put_headers(out, request, words, err);
    if (status == OD_OK && words->s3)
        status = check_amz_signed(request, words, err);
    if (status == OD_OK && od_buf_status(out) != OD_OK)
        status = od_fail(err, od_buf_status(out), NULL);
    return status;
}
