/* The patterns of the model as hand-written matchers.
 *
 * Each function says which pattern it is; the whole text must match, as the services do it. All run
 * in time linear in the text, whatever it holds: no backtracking. Texts are valid UTF-8 (the JSON
 * parser saw to that). A dot in a pattern is any character but a line terminator (\n, \r, U+0085,
 * U+2028, U+2029), and \d is an ASCII digit: the rules of Java's engine, which the service runs. */
#include "wire/api_internal.h"

#include <string.h>

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_word(char c)
{
    return is_letter(c) || is_digit(c) || c == '_';
}

static bool is_name(char c)
{
    return is_word(c) || c == '-';
}

static bool is_partition(char c)
{
    return (c >= 'a' && c <= 'z') || is_digit(c) || c == '-';
}

static bool is_role_path(char c)
{
    return is_word(c) || (c && strchr("+=,.@-/", c));
}

/* Takes the longest run of class from the front of *rest; its length. */
static size_t take(struct od_str *rest, bool (*class)(char))
{
    size_t n = 0;
    while (n < rest->len && class(rest->ptr[n]))
        n++;
    *rest = od_str_sub(*rest, n, SIZE_MAX);
    return n;
}

static bool take_text(struct od_str *rest, struct od_str text)
{
    if (!od_str_starts(*rest, text))
        return false;
    *rest = od_str_sub(*rest, text.len, SIZE_MAX);
    return true;
}

static bool all(struct od_str text, bool (*class)(char))
{
    return take(&text, class) > 0 && text.len == 0;
}

/* True when every character is one a dot matches. */
static bool one_line(struct od_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        const unsigned char *p = (const unsigned char *)text.ptr + i;
        if (*p == '\n' || *p == '\r')
            return false;
        if (*p == 0xC2 && i + 1 < text.len && p[1] == 0x85)
            return false;
        if (*p == 0xE2 && i + 2 < text.len && p[1] == 0x80 && (p[2] == 0xA8 || p[2] == 0xA9))
            return false;
    }
    return true;
}

/* arn:([a-z\d-]+):personalize:.*:.*:.+
 * The first two colons after the service serve as well as any later ones. */
bool od_match_arn(struct od_str text)
{
    struct od_str part;
    if (!take_text(&text, OD_STR("arn:")) || take(&text, is_partition) == 0 ||
        !take_text(&text, OD_STR(":personalize:")) || !one_line(text))
        return false;
    return od_str_cut(&text, ':', &part) && text.ptr && od_str_cut(&text, ':', &part) && text.ptr &&
           text.len > 0;
}

/* arn:([a-z\d-]+):iam::\d{12}:role/?[a-zA-Z_0-9+=,.@\-_/]+
 * The optional slash is in the class too, so "role" and one or more of the class is the same. */
bool od_match_role_arn(struct od_str text)
{
    return take_text(&text, OD_STR("arn:")) && take(&text, is_partition) > 0 &&
           take_text(&text, OD_STR(":iam::")) && take(&text, is_digit) == 12 &&
           take_text(&text, OD_STR(":role")) && all(text, is_role_path);
}

static size_t find_text(struct od_str text, struct od_str wanted)
{
    const char *at = text.len ? memmem(text.ptr, text.len, wanted.ptr, wanted.len) : NULL;
    return at ? (size_t)(at - text.ptr) : SIZE_MAX;
}

/* arn:aws.*:kms:.*:[0-9]{12}:key/.*
 * The earliest ":kms:" leaves the most for the rest, so it decides. */
bool od_match_kms_key_arn(struct od_str text)
{
    if (!take_text(&text, OD_STR("arn:aws")) || !one_line(text))
        return false;
    size_t kms = find_text(text, OD_STR(":kms:"));
    if (kms == SIZE_MAX)
        return false;
    text = od_str_sub(text, kms + 5, SIZE_MAX);
    size_t colon = od_str_find(text, ':', 0);
    while (colon != SIZE_MAX) {
        struct od_str account = od_str_sub(text, colon + 1, SIZE_MAX);
        if (account.len >= 17 && all(od_str_sub(account, 0, 12), is_digit) &&
            od_str_starts(od_str_sub(account, 12, SIZE_MAX), OD_STR(":key/")))
            return true;
        colon = od_str_find(text, ':', colon + 1);
    }
    return false;
}

/* ^[a-zA-Z0-9][a-zA-Z0-9\-_]* */
bool od_match_name(struct od_str text)
{
    return text.len > 0 && (is_letter(text.ptr[0]) || is_digit(text.ptr[0])) && all(text, is_name);
}

/* [A-Za-z_][A-Za-z\d_]* */
bool od_match_column_name(struct od_str text)
{
    return text.len > 0 && !is_digit(text.ptr[0]) && all(text, is_word);
}

static bool is_letter_or_underscore(char c)
{
    return is_letter(c) || c == '_';
}

/* ^[A-Za-z_]+$ */
bool od_match_dataset_type(struct od_str text)
{
    return all(text, is_letter_or_underscore);
}

/* [A-Za-z\d_]+ and [A-Za-z0-9_]+ */
bool od_match_word(struct od_str text)
{
    return all(text, is_word);
}

/* \p{ASCII}{0,1500} */
bool od_match_ascii_1500(struct od_str text)
{
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.ptr[i] > 0x7F)
            return false;
    return text.len <= 1500;
}

/* (s3|http|https)://.+ and, an extension, file:// : whether a location is served here is decided
 * where objects are (store/objects.h), which refuses file:// outside the operator's folders. */
bool od_match_location(struct od_str text)
{
    if (!take_text(&text, OD_STR("s3://")) && !take_text(&text, OD_STR("http://")) &&
        !take_text(&text, OD_STR("https://")) && !take_text(&text, OD_STR("file://")))
        return false;
    return text.len > 0 && one_line(text);
}

/* rate\(\d+ days?\) */
bool od_match_rate(struct od_str text)
{
    if (!take_text(&text, OD_STR("rate(")) || take(&text, is_digit) == 0 ||
        !take_text(&text, OD_STR(" day")))
        return false;
    take_text(&text, OD_STR("s"));
    return od_str_eq_c(text, ")");
}

static bool is_letter_code(uint32_t code)
{
    size_t low = 0, high = od_letters_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (code > od_letters[middle].last)
            low = middle + 1;
        else if (code < od_letters[middle].first)
            high = middle;
        else
            return true;
    }
    return false;
}

/* The code point at text[*at], valid UTF-8, moving *at past it. */
static uint32_t next_code(struct od_str text, size_t *at)
{
    const unsigned char *p = (const unsigned char *)text.ptr + *at;
    size_t len = *p < 0x80 ? 1 : *p < 0xE0 ? 2 : *p < 0xF0 ? 3 : 4;
    uint32_t code = len == 1 ? *p : *p & (0x7Fu >> len);
    if (len > text.len - *at)
        len = text.len - *at;
    for (size_t i = 1; i < len; i++)
        code = code << 6 | (p[i] & 0x3Fu);
    *at += len;
    return code;
}

/* ^([\p{L}\p{Z}\p{N}_.:/=+\-@]*)$ */
bool od_match_tag(struct od_str text)
{
    for (size_t at = 0; at < text.len;) {
        uint32_t code = next_code(text, &at);
        bool sign = code != 0 && code < 0x80 && strchr("_.:/=+-@", (int)code);
        if (!sign && !is_letter_code(code))
            return false;
    }
    return true;
}

/* ^[\x20-\x7E]*[\x21-\x7E]+[\x20-\x7E]*$: printable, and not spaces alone */
bool od_match_printable(struct od_str text)
{
    bool ink = false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < 0x20 || text.ptr[i] > 0x7E)
            return false;
        ink = ink || text.ptr[i] != ' ';
    }
    return ink;
}
