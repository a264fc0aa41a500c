/* From an Authorization header or a presigned query to the words of a claim.
 *
 *     Authorization: AWS4-HMAC-SHA256 Credential=ID/yyyymmdd/region/service/aws4_request,
 *                    SignedHeaders=a;b;c, Signature=64 hex digits          (one line)
 *     ?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=ID%2Fyyyymmdd%2F...&X-Amz-Date=...
 *      &X-Amz-Expires=900&X-Amz-SignedHeaders=a%3Bb&X-Amz-Signature=...
 *
 * Every word is checked to be made of the few characters it may have, none of which a query needs
 * to encode. So the words of a query can be slices of it as sent, with "%2F" and "%3B" taken as the
 * separators they encode, and nothing has to be decoded into memory of its own.
 *
 * Each part may come once. A request that authenticates in both ways is refused: which of the two
 * counts would be a guess. */
#include "wire/sigv4_inner.h"

#include <string.h>

#include "base/time.h"

#define MAX_SCOPE_PART  64
#define SHOWN(s)        (int)((s).len > 64 ? 64 : (s).len), (s).ptr ? (s).ptr : ""
#define INCOMPLETE(...) od_fail(err, OD_AUTH_INCOMPLETE, __VA_ARGS__)

/* Sets of characters a word may be made of. */
enum {
    LOWER = 1,      /* a-z 0-9 */
    UPPER = 2,      /* A-Z */
    DASH = 4,       /* - */
    UNDERSCORE = 8, /* _ */
    TOKEN = 16      /* what else a header's name may hold; "%" would look encoded in a query */
};
static const unsigned char sets[256] = {
    ['a' ... 'z'] = LOWER, ['0' ... '9'] = LOWER, ['A' ... 'Z'] = UPPER, ['-'] = DASH,
    ['_'] = UNDERSCORE,    ['.'] = TOKEN,         ['!'] = TOKEN,         ['#'] = TOKEN,
    ['$'] = TOKEN,         ['&'] = TOKEN,         ['\''] = TOKEN,        ['*'] = TOKEN,
    ['+'] = TOKEN,         ['^'] = TOKEN,         ['`'] = TOKEN,         ['|'] = TOKEN,
    ['~'] = TOKEN,
};

static bool is_word(struct od_str s, size_t max, unsigned allowed)
{
    for (size_t i = 0; i < s.len; i++)
        if (!(sets[(unsigned char)s.ptr[i]] & allowed))
            return false;
    return s.len >= 1 && s.len <= max;
}

/* Splits at the first separator, or at its percent-encoded form. Like od_str_cut. */
static bool cut_encoded(struct od_str *rest, char separator, const char encoded[3],
                        struct od_str *head)
{
    if (!rest->ptr)
        return false;
    for (size_t i = 0; i < rest->len; i++) {
        size_t width = rest->ptr[i] == separator ? 1 : 0;
        if (rest->ptr[i] == '%' &&
            od_str_eq_nocase(od_str_sub(*rest, i, 3), (struct od_str){encoded, 3}))
            width = 3;
        if (width) {
            *head = od_str_sub(*rest, 0, i);
            *rest = od_str_sub(*rest, i + width, rest->len);
            return true;
        }
    }
    *head = *rest;
    *rest = OD_STR_NONE;
    return true;
}

bool od_sigv4_next_name(struct od_str *rest, struct od_str *out_name)
{
    return cut_encoded(rest, ';', "%3B", out_name);
}

static enum od_status parse_credential(struct od_str credential, struct od_sigv4_words *out,
                                       struct od_error *err)
{
    struct od_str *const parts[] = {&out->key_id, &out->date, &out->region, &out->service,
                                    &out->terminator};
    struct od_str rest = credential;
    size_t count = 0;
    for (struct od_str part; cut_encoded(&rest, '/', "%2F", &part); count++)
        if (count < 5)
            *parts[count] = part;
    if (count != 5)
        return INCOMPLETE("Credential must have exactly 5 slash-delimited elements, e.g. "
                          "keyid/date/region/service/term, got '%.*s'.",
                          SHOWN(credential));
    if (!is_word(out->key_id, OD_MAX_KEY_ID_CHARS, LOWER | UPPER | UNDERSCORE))
        return INCOMPLETE("The key id '%.*s' of the Credential must be 1-%d letters and digits.",
                          SHOWN(out->key_id), OD_MAX_KEY_ID_CHARS);
    uint64_t day;
    if (out->date.len != 8 || !od_str_to_u64(out->date, &day) || out->date.ptr[0] == '+')
        return INCOMPLETE("The date '%.*s' of the Credential must have the form yyyymmdd.",
                          SHOWN(out->date));
    if (!is_word(out->region, MAX_SCOPE_PART, LOWER | DASH))
        return INCOMPLETE("The region '%.*s' of the Credential is not a region's name.",
                          SHOWN(out->region));
    if (!is_word(out->service, MAX_SCOPE_PART, LOWER | DASH))
        return INCOMPLETE("The service '%.*s' of the Credential is not a service's name.",
                          SHOWN(out->service));
    if (!is_word(out->terminator, MAX_SCOPE_PART, LOWER | UNDERSCORE))
        return INCOMPLETE("The terminator '%.*s' of the Credential must be 'aws4_request'.",
                          SHOWN(out->terminator));
    return OD_OK;
}

/* Names one after the other, lower-case, each once. */
static enum od_status check_names(struct od_str names, struct od_error *err)
{
    struct od_str rest = names, name, previous = OD_STR_NONE;
    size_t count = 0;
    while (od_sigv4_next_name(&rest, &name)) {
        if (++count > OD_MAX_SIGNED_HEADERS)
            return INCOMPLETE("SignedHeaders has more than %d names.", OD_MAX_SIGNED_HEADERS);
        if (!is_word(name, 256, LOWER | DASH | UNDERSCORE | TOKEN))
            return INCOMPLETE("SignedHeaders holds '%.*s', which is not a lower-case header name.",
                              SHOWN(name));
        if (previous.ptr && od_str_cmp(previous, name) >= 0)
            return INCOMPLETE("SignedHeaders must be sorted without repetition: '%.*s' must not "
                              "follow '%.*s'.",
                              SHOWN(name), SHOWN(previous));
        previous = name;
    }
    return OD_OK;
}

static enum od_status check_algorithm(struct od_str algorithm, struct od_error *err)
{
    if (od_str_eq(algorithm, OD_STR("AWS4-HMAC-SHA256")))
        return OD_OK;
    return INCOMPLETE("Unsupported AWS 'algorithm': '%.*s', only AWS4-HMAC-SHA256 is supported.",
                      SHOWN(algorithm));
}

/* What both forms have in common once their parts are found. */
static enum od_status check_parts(struct od_str credential, struct od_sigv4_words *out,
                                  struct od_error *err)
{
    enum od_status status = parse_credential(credential, out, err);
    if (status == OD_OK)
        status = check_names(out->signed_headers, err);
    if (status != OD_OK)
        return status;
    if (out->signature.len != OD_SHA256_HEX - 1 || !is_word(out->signature, OD_SHA256_HEX, LOWER))
        return INCOMPLETE("The Signature must be 64 lower-case hexadecimal digits.");
    if (!od_time_parse_basic(out->time, &out->time_s))
        return INCOMPLETE("Date must be in ISO-8601 'basic format'. Got '%.*s'. See "
                          "http://en.wikipedia.org/wiki/ISO_8601",
                          SHOWN(out->time));
    return OD_OK;
}

/* The header of that name; false when there are two. */
static bool only_header(const struct od_http_request *request, struct od_str name,
                        struct od_str *out)
{
    *out = OD_STR_NONE;
    for (size_t i = 0; i < request->header_count; i++) {
        if (!od_str_eq_nocase(request->headers[i].name, name))
            continue;
        if (out->ptr)
            return false;
        *out = od_str_trim(request->headers[i].value);
    }
    return true;
}

/* A part of the header or query: where its value goes, under which name. */
struct part {
    const char *name;
    struct od_str *value;
};

static enum od_status fill(struct part *parts, size_t count, struct od_str name,
                           struct od_str value, struct od_error *err)
{
    for (size_t i = 0; i < count; i++) {
        if (!od_str_eq_c(name, parts[i].name))
            continue;
        if (parts[i].value->ptr)
            return INCOMPLETE("'%s' is given twice.", parts[i].name);
        *parts[i].value = value;
    }
    return OD_OK;
}

static enum od_status parse_header(const struct od_http_request *request,
                                   struct od_str authorization, struct od_sigv4_words *out,
                                   struct od_error *err)
{
    struct od_str rest = authorization, algorithm, piece, credential = OD_STR_NONE;
    struct part parts[] = {{"Credential", &credential},
                           {"SignedHeaders", &out->signed_headers},
                           {"Signature", &out->signature}};
    size_t count = sizeof parts / sizeof *parts;
    od_str_cut(&rest, ' ', &algorithm);
    enum od_status status = check_algorithm(algorithm, err);
    while (status == OD_OK && od_str_cut(&rest, ',', &piece)) {
        piece = od_str_trim(piece);
        size_t mark = od_str_find(piece, '=', 0);
        if (mark == SIZE_MAX)
            return INCOMPLETE("'%.*s' not a valid key=value pair (missing equal-sign) in "
                              "Authorization header.",
                              SHOWN(piece));
        status = fill(parts, count, od_str_sub(piece, 0, mark),
                      od_str_sub(piece, mark + 1, piece.len), err);
    }
    if (status != OD_OK)
        return status;
    for (size_t i = 0; i < count; i++)
        if (!parts[i].value->ptr)
            return INCOMPLETE("Authorization header requires '%s' parameter.", parts[i].name);
    if (!only_header(request, OD_STR("x-amz-date"), &out->time))
        return INCOMPLETE("There are two X-Amz-Date headers.");
    if (!out->time.ptr)
        return INCOMPLETE("Authorization header requires existence of a 'X-Amz-Date' header.");
    return check_parts(credential, out, err);
}

static enum od_status parse_query(const struct od_http_request *request, struct od_sigv4_words *out,
                                  struct od_error *err)
{
    struct od_str algorithm = OD_STR_NONE, credential = OD_STR_NONE, expires = OD_STR_NONE;
    struct part parts[] = {
        {"X-Amz-Algorithm", &algorithm}, {"X-Amz-Credential", &credential},
        {"X-Amz-Date", &out->time},      {"X-Amz-SignedHeaders", &out->signed_headers},
        {"X-Amz-Expires", &expires},     {"X-Amz-Signature", &out->signature}};
    size_t count = sizeof parts / sizeof *parts;
    struct od_str rest = request->query, piece;
    while (od_str_cut(&rest, '&', &piece)) {
        size_t mark = od_str_find(piece, '=', 0);
        enum od_status status =
            fill(parts, count, od_str_sub(piece, 0, mark),
                 mark == SIZE_MAX ? OD_STR("") : od_str_sub(piece, mark + 1, piece.len), err);
        if (status != OD_OK)
            return status;
    }
    for (size_t i = 0; i < count; i++)
        if (!parts[i].value->ptr)
            return INCOMPLETE("AWS query-string parameters must include '%s'.", parts[i].name);
    enum od_status status = check_algorithm(algorithm, err);
    if (status != OD_OK)
        return status;
    uint64_t seconds;
    if (!od_str_to_u64(expires, &seconds) || seconds < 1 || seconds > OD_MAX_PRESIGNED_S)
        return INCOMPLETE("X-Amz-Expires is '%.*s'; it must be 1 to %d seconds.", SHOWN(expires),
                          OD_MAX_PRESIGNED_S);
    out->expires_s = (int64_t)seconds;
    out->presigned = true;
    return check_parts(credential, out, err);
}

static bool query_authenticates(struct od_str query)
{
    struct od_str rest = query, piece;
    while (od_str_cut(&rest, '&', &piece)) {
        struct od_str name = od_str_sub(piece, 0, od_str_find(piece, '=', 0));
        if (od_str_eq(name, OD_STR("X-Amz-Algorithm")) ||
            od_str_eq(name, OD_STR("X-Amz-Credential")) ||
            od_str_eq(name, OD_STR("X-Amz-Signature")))
            return true;
    }
    return false;
}

enum od_status od_sigv4_parse(const struct od_http_request *request, struct od_sigv4_words *out,
                              struct od_error *err)
{
    struct od_str authorization;
    if (!only_header(request, OD_STR("authorization"), &authorization))
        return INCOMPLETE("There are two Authorization headers.");
    bool by_query = query_authenticates(request->query);
    *out = (struct od_sigv4_words){0};
    if (!authorization.len && !by_query)
        return od_fail(err, OD_AUTH_MISSING, NULL);
    if (authorization.len && by_query)
        return INCOMPLETE("Only one of the Authorization header and the X-Amz- query parameters "
                          "may authenticate a request.");
    return by_query ? parse_query(request, out, err)
                    : parse_header(request, authorization, out, err);
}

/* The fourth part of a credential "id/date/region/service/aws4_request". */
static struct od_str service_of(struct od_str credential)
{
    struct od_str rest = credential, part = OD_STR_NONE;
    for (int i = 0; i < 4; i++)
        if (!cut_encoded(&rest, '/', "%2F", &part))
            return OD_STR_NONE;
    return part;
}

struct od_str od_sigv4_service(const struct od_http_request *request)
{
    static const char named[] = "Credential=";
    struct od_str text = od_http_header(request, "authorization");
    for (size_t i = 0; text.len > sizeof named && i < text.len - sizeof named; i++)
        if (memcmp(text.ptr + i, named, sizeof named - 1) == 0)
            return service_of(od_str_sub(text, i + sizeof named - 1, text.len));
    struct od_str rest = request->query, piece;
    while (od_str_cut(&rest, '&', &piece))
        if (od_str_starts(piece, OD_STR("X-Amz-Credential=")))
            return service_of(od_str_sub(piece, 17, piece.len));
    return OD_STR_NONE;
}
