/* The guard: what a request's head must be before a byte of its body is believed.
 *
 * Why it exists. Request smuggling lives where two HTTP parsers read one byte stream differently: a
 * proxy in front sees one request, the server behind it two. libmicrohttpd 0.9.75, even in its
 * strict mode, takes the first of two Content-Lengths, prefers Transfer-Encoding to Content-Length
 * without a word, glues a folded line to the header's *name*, takes a bare line feed for a line
 * end, stops at a NUL byte, and lets "Content-Length :" through as another header. None of these is
 * sent by an honest client, so each is refused here, and the connection is closed after the answer:
 * its byte stream cannot be trusted any more. Its strict mode is left off: it adds two checks, a
 * missing Host and a space in the target, both done here with a proper answer, while its own
 * answers to them are a doubled head and a silent close.
 *
 * How it sees what the parser forgave. The parser tells how many bytes the header block had. The
 * method, target, version and header lines, each ended by CRLF and each with the white space found
 * after its colon, must add up to exactly that number. A folded line, a bare line feed, a NUL and a
 * doubled space in the request line all make the sums differ, whatever the parser made of them.
 *
 * Rules, in the order they are checked:
 *   1. the block has at most OD_MAX_HEADER_BYTES and OD_MAX_HEADER_COUNT lines (431)
 *   2. bytes received = bytes explained (400)
 *   3. version is HTTP/1.1 or HTTP/1.0 (505); method is a token; target is visible ASCII and has
 *      origin form, "*", or absolute form whose authority is the Host header (400)
 *   4. header names are tokens, values hold no control character but the tab (400)
 *   5. Host: exactly one in HTTP/1.1, at most one in 1.0, visible ASCII (400)
 *   6. Content-Length: at most one, 1-19 digits and nothing else; never beside Transfer-Encoding
 *   7. Transfer-Encoding: at most one, the one word "chunked", HTTP/1.1 only (400)
 *   8. Expect: only 100-continue (417)
 *
 * What is out of sight here: line ends inside a chunked body, where the parser takes a bare line
 * feed after a chunk's size. A proxy that re-frames chunked bodies (all common ones do) closes it.
 *
 * No state, no allocation; any thread. */
#include "wire/http_guard.h"

#include <string.h>

#include "base/limits.h"

#define MAX_METHOD_CHARS  32
#define MAX_LENGTH_DIGITS 19
#define SHOWN(s)          (int)((s).len > 64 ? 64 : (s).len), (s).ptr ? (s).ptr : ""
#define BAD(err, ...)     (od_fail((err), OD_INVALID_INPUT, __VA_ARGS__), 400)

/* RFC 9110 section 5.6.2: tchar. */
static const bool token_char[256] = {
    ['!'] = true,         ['#'] = true,         ['$'] = true,         ['%'] = true, ['&'] = true,
    ['\''] = true,        ['*'] = true,         ['+'] = true,         ['-'] = true, ['.'] = true,
    ['^'] = true,         ['_'] = true,         ['`'] = true,         ['|'] = true, ['~'] = true,
    ['0' ... '9'] = true, ['a' ... 'z'] = true, ['A' ... 'Z'] = true,
};

static bool is_token(struct od_str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (!token_char[(unsigned char)s.ptr[i]])
            return false;
    return s.len > 0;
}

static bool is_visible(struct od_str s)
{
    for (size_t i = 0; i < s.len; i++)
        if ((unsigned char)s.ptr[i] <= 0x20 || (unsigned char)s.ptr[i] >= 0x7f)
            return false;
    return true;
}

/* Everything but control characters; the tab is white space (RFC 9110 section 5.5). */
static bool is_field_value(struct od_str s)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f)
            return false;
    }
    return true;
}

/* The headers that frame a request, found in one pass. */
struct framing {
    struct od_str host, length, encoding, expect;
    unsigned hosts, lengths, encodings, expects;
};

static void note(struct framing *f, const struct od_http_header *h)
{
    switch (h->name.len) { /* most headers are told apart by length alone */
    case 4:
        if (od_str_eq_nocase(h->name, OD_STR("host"))) {
            f->host = h->value;
            f->hosts++;
        }
        return;
    case 6:
        if (od_str_eq_nocase(h->name, OD_STR("expect"))) {
            f->expect = od_str_trim(h->value);
            f->expects++;
        }
        return;
    case 14:
        if (od_str_eq_nocase(h->name, OD_STR("content-length"))) {
            f->length = h->value;
            f->lengths++;
        }
        return;
    case 17:
        if (od_str_eq_nocase(h->name, OD_STR("transfer-encoding"))) {
            f->encoding = h->value;
            f->encodings++;
        }
        return;
    default:
        return;
    }
}

static int check_lines(const struct od_http_head *head, struct framing *f, struct od_error *err)
{
    for (size_t i = 0; i < head->header_count; i++) {
        const struct od_http_header *h = &head->headers[i];
        if (!is_token(h->name))
            return BAD(err, "Header name '%.*s' is not a token.", SHOWN(h->name));
        if (!is_field_value(h->value))
            return BAD(err, "Header '%.*s' holds a control character.", SHOWN(h->name));
        note(f, h);
    }
    return 0;
}

static int check_host(const struct framing *f, bool is_11, struct od_error *err)
{
    if (f->hosts > 1)
        return BAD(err, "There are %u Host headers; there must be one.", f->hosts);
    if (is_11 && !f->hosts)
        return BAD(err, "The Host header is missing; HTTP/1.1 needs one.");
    struct od_str host = od_str_trim(f->host);
    if (f->hosts && !is_visible(host))
        return BAD(err, "The Host header must be visible ASCII without spaces.");
    return 0;
}

static int check_body(const struct framing *f, bool is_11, struct od_http_checked *out,
                      struct od_error *err)
{
    if (f->lengths > 1)
        return BAD(err, "There are %u Content-Length headers; one at most is allowed.", f->lengths);
    if (f->encodings > 1)
        return BAD(err, "There are %u Transfer-Encoding headers; one at most is allowed.",
                   f->encodings);
    if (f->lengths && f->encodings)
        return BAD(err, "Content-Length and Transfer-Encoding must not be sent together.");
    if (f->encodings) {
        /* Not trimmed: the parser compares the whole value, and so must we. */
        if (!is_11 || !od_str_eq_nocase(f->encoding, OD_STR("chunked")))
            return BAD(err, "Transfer-Encoding '%.*s' is not supported; only chunked in HTTP/1.1.",
                       SHOWN(f->encoding));
        out->chunked = true;
    }
    if (f->lengths) {
        bool digits = f->length.len >= 1 && f->length.len <= MAX_LENGTH_DIGITS;
        for (size_t i = 0; digits && i < f->length.len; i++)
            digits = f->length.ptr[i] >= '0' && f->length.ptr[i] <= '9';
        if (!digits || !od_str_to_u64(f->length, &out->content_length))
            return BAD(err, "Content-Length '%.*s' is not a plain number.", SHOWN(f->length));
    }
    return 0;
}

/* "http://authority/path?query" to "/path?query"; RFC 9112 section 3.2.2 wants it understood. */
static int strip_authority(struct od_str *target, const struct framing *f, struct od_error *err)
{
    struct od_str rest = *target;
    bool plain = rest.len >= 7 && od_str_eq_nocase(od_str_sub(rest, 0, 7), OD_STR("http://"));
    bool tls = rest.len >= 8 && od_str_eq_nocase(od_str_sub(rest, 0, 8), OD_STR("https://"));
    if (!plain && !tls)
        return BAD(err, "Request target '%.*s' must begin with '/'.", SHOWN(*target));
    rest = od_str_sub(rest, plain ? 7 : 8, rest.len);
    size_t slash = 0;
    while (slash < rest.len && rest.ptr[slash] != '/' && rest.ptr[slash] != '?')
        slash++;
    if (!od_str_eq_nocase(od_str_sub(rest, 0, slash), od_str_trim(f->host)))
        return BAD(err, "Request target '%.*s' names another host than the Host header.",
                   SHOWN(*target));
    if (slash == rest.len || rest.ptr[slash] != '/')
        return BAD(err, "Request target '%.*s' has no path.", SHOWN(*target));
    *target = od_str_sub(rest, slash, rest.len);
    return 0;
}

static int check_target(const struct od_http_head *head, const struct framing *f,
                        struct od_http_checked *out, struct od_error *err)
{
    struct od_str target = head->target;
    if (!target.len || !is_visible(target))
        return BAD(err, "The request target must be visible ASCII; encode other bytes as %%XX.");
    bool star = od_str_eq(target, OD_STR("*")) && od_str_eq(head->method, OD_STR("OPTIONS"));
    if (target.ptr[0] != '/' && !star) {
        int status = strip_authority(&target, f, err);
        if (status)
            return status;
    }
    size_t mark = od_str_find(target, '?', 0);
    out->path = od_str_sub(target, 0, mark);
    out->query = mark == SIZE_MAX ? OD_STR("") : od_str_sub(target, mark + 1, target.len);
    return 0;
}

static int check_block(const struct od_http_head *head, struct od_error *err)
{
    if (head->bytes_received > OD_MAX_HEADER_BYTES) {
        od_fail(err, OD_TOO_LARGE, "The header block has %zu bytes; at most %u are allowed.",
                head->bytes_received, OD_MAX_HEADER_BYTES);
        return 431;
    }
    if (head->header_count > OD_MAX_HEADER_COUNT) {
        od_fail(err, OD_TOO_LARGE, "The request has %zu headers; at most %u are allowed.",
                head->header_count, OD_MAX_HEADER_COUNT);
        return 431;
    }
    if (head->bytes_received != head->bytes_explained)
        return BAD(err,
                   "The header block holds a folded line, a bare line feed, a NUL or a doubled "
                   "space in the request line.");
    return 0;
}

static int check_first_line(const struct od_http_head *head, struct od_error *err)
{
    if (!od_str_eq(head->version, OD_STR("HTTP/1.1")) &&
        !od_str_eq(head->version, OD_STR("HTTP/1.0"))) {
        od_fail(err, OD_INVALID_INPUT, "Version '%.*s' is not supported; HTTP/1.1 and 1.0 are.",
                SHOWN(head->version));
        return 505;
    }
    if (head->method.len > MAX_METHOD_CHARS || !is_token(head->method))
        return BAD(err, "Method '%.*s' is not a token of at most %d characters.",
                   SHOWN(head->method), MAX_METHOD_CHARS);
    return 0;
}

int od_http_guard(const struct od_http_head *head, struct od_http_checked *out,
                  struct od_error *err)
{
    struct framing f = {0};
    struct od_http_checked checked = {0};
    bool is_11 = od_str_eq(head->version, OD_STR("HTTP/1.1"));
    int status = check_block(head, err);
    if (!status)
        status = check_first_line(head, err);
    if (!status)
        status = check_lines(head, &f, err);
    if (!status)
        status = check_host(&f, is_11, err);
    if (!status)
        status = check_target(head, &f, &checked, err);
    if (!status)
        status = check_body(&f, is_11, &checked, err);
    if (status)
        return status;
    if (f.expects && (f.expects > 1 || !od_str_eq_nocase(f.expect, OD_STR("100-continue")))) {
        od_fail(err, OD_INVALID_INPUT, "Expect '%.*s' is not supported; only 100-continue is.",
                SHOWN(f.expect));
        return 417;
    }
    checked.expects_continue = f.expects && is_11;
    *out = checked;
    return 0;
}
