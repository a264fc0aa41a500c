/* Cells: text or JSON to a checked value. See value.h.
 *
 * An import checks every cell of every file here, so the usual cases come first and cheap: a whole
 * number of up to 18 digits, a decimal whose digits fit a double exactly, a short ASCII text. What
 * falls through is checked at length.
 *
 * A decimal of at most 15 significant digits and a power of ten up to 22 is computed with one
 * rounding (both are exact doubles), so it equals strtod's result (Clinger, "How to read floating
 * point numbers accurately", 1990, section 2). */
#include "data/value.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "base/limits.h"

#define EXACT_DIGITS 15
#define EXACT_POWER  22
#define SAFE_WHOLE   9007199254740992.0 /* 2^53: beyond, a double no longer names one integer */

size_t od_value_max_chars(const struct od_field *field)
{
    static const char *const ids[] = {"USER_ID", "ITEM_ID", "ACTION_ID"};
    if (field->textual)
        return OD_MAX_TEXTUAL_CHARS;
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++)
        if (od_str_eq_c(field->name, ids[i]))
            return OD_MAX_ID_CHARS;
    if (field->categorical || od_str_eq_c(field->name, "IMPRESSION"))
        return OD_MAX_CATEGORICAL_CHARS;
    if (od_str_eq_c(field->name, "EVENT_ATTRIBUTION_SOURCE"))
        return OD_MAX_SOURCE_CHARS; /* PutEvents takes that many, and a training reads them back */
    return OD_MAX_STRING_CHARS;
}

struct od_str od_value_excerpt(struct od_str text, size_t max_bytes)
{
    if (text.len <= max_bytes)
        return text;
    size_t len = max_bytes;
    while (len > 0 && ((unsigned char)text.ptr[len] & 0xC0) == 0x80)
        len--;
    return (struct od_str){text.ptr, len};
}

/* --- text --- */

/* The first max_chars characters of well-formed text. */
static struct od_str cut(struct od_str text, size_t max_chars)
{
    size_t chars = 0;
    for (size_t i = 0; i < text.len; i++) {
        chars += ((unsigned char)text.ptr[i] & 0xC0) != 0x80;
        if (chars > max_chars)
            return (struct od_str){text.ptr, i};
    }
    return text;
}

static enum od_status check_text(const struct od_field *field, struct od_str cell,
                                 struct od_value *out, struct od_error *err)
{
    size_t most = od_value_max_chars(field);
    if (od_utf8_check(cell) != cell.len)
        return od_fail(err, OD_INVALID_INPUT, "The text is not well-formed UTF-8");
    if (memchr(cell.ptr, '\0', cell.len))
        return od_fail(err, OD_INVALID_INPUT, "The text holds a NUL character");
    if (cell.len > most && field->textual)
        cell = cut(cell, most);
    else if (cell.len > most && od_utf8_count(cell) > most)
        return od_fail(err, OD_INVALID_INPUT, "Length cannot be more than %zu characters for %.*s",
                       most, OD_STR_ARG(field->name));
    *out = (struct od_value){.kind = OD_VALUE_TEXT, .text = cell};
    return OD_OK;
}

/* 1 to 16 bytes, all of them ASCII and none NUL; false says nothing. */
static bool is_short_ascii(struct od_str s)
{
    const uint64_t high = 0x8080808080808080ULL, ones = 0x0101010101010101ULL;
    uint64_t a, b;
    if (s.len >= 8 && s.len <= 16) {
        memcpy(&a, s.ptr, 8);
        memcpy(&b, s.ptr + s.len - 8, 8);
    } else if (s.len >= 4 && s.len < 8) {
        uint32_t lo, hi;
        memcpy(&lo, s.ptr, 4);
        memcpy(&hi, s.ptr + s.len - 4, 4);
        a = b = (uint64_t)hi << 32 | lo;
    } else if (s.len >= 1 && s.len < 4) {
        a = b = (uint64_t)(unsigned char)s.ptr[0] | (uint64_t)(unsigned char)s.ptr[s.len / 2] << 8 |
                (uint64_t)(unsigned char)s.ptr[s.len - 1] << 16 | ones << 24;
    } else {
        return false;
    }
    return ((a | (a - ones) | b | (b - ones)) & high) == 0;
}

static enum od_status text_value(const struct od_field *field, struct od_str cell,
                                 struct od_value *out, struct od_error *err)
{
    if (!is_short_ascii(cell))
        return check_text(field, cell, out, err);
    out->kind = OD_VALUE_TEXT;
    out->text = cell;
    return OD_OK;
}

/* --- numbers --- */

/* A plain whole number of at most 18 digits; false says nothing. */
static bool quick_whole(struct od_str s, int64_t *out)
{
    bool negative = s.len && s.ptr[0] == '-';
    size_t i = negative;
    if (s.len - i == 0 || s.len - i > 18)
        return false;
    int64_t v = 0;
    for (; i < s.len; i++) {
        unsigned d = (unsigned)(unsigned char)s.ptr[i] - '0';
        if (d > 9)
            return false;
        v = v * 10 + d;
    }
    *out = negative ? -v : v;
    return true;
}

static enum od_status check_whole_range(const struct od_field *field, int64_t v,
                                        struct od_value *out, struct od_error *err)
{
    if (field->type == OD_FIELD_INT && (v < INT32_MIN || v > INT32_MAX))
        return od_fail(err, OD_INVALID_INPUT,
                       "The number must lie between -2147483648 and 2147483647 (type int)");
    out->kind = OD_VALUE_INTEGER;
    out->integer = v;
    return OD_OK;
}

static enum od_status whole_value(const struct od_field *field, struct od_str cell,
                                  struct od_value *out, struct od_error *err)
{
    int64_t v;
    if (!quick_whole(cell, &v) && !od_str_to_i64(cell, &v))
        return od_fail(err, OD_INVALID_INPUT,
                       "The value must be a whole number without fraction, blanks or separators, "
                       "in 64 bits (type %s)",
                       field->type == OD_FIELD_INT ? "int" : "long");
    return check_whole_range(field, v, out, err);
}

/* digits[.digits] of at most 15 significant digits; false says nothing. */
static bool quick_decimal(struct od_str s, double *out)
{
    static const double powers[EXACT_POWER + 1] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                                   1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                                   1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    bool negative = s.len && s.ptr[0] == '-';
    size_t i = negative, digits = 0, after_point = 0;
    bool point = false;
    int64_t v = 0;
    if (s.len - i > EXACT_DIGITS + 1)
        return false;
    for (; i < s.len; i++) {
        unsigned d = (unsigned)(unsigned char)s.ptr[i] - '0';
        if (s.ptr[i] == '.' && !point && digits) {
            point = true;
            continue;
        }
        if (d > 9)
            return false;
        v = v * 10 + d;
        digits++;
        after_point += point;
    }
    if (digits == 0 || digits > EXACT_DIGITS || (point && after_point == 0))
        return false;
    double magnitude = (double)v / powers[after_point];
    *out = negative ? -magnitude : magnitude;
    return true;
}

static enum od_status check_real_range(const struct od_field *field, double v, struct od_value *out,
                                       struct od_error *err)
{
    if (field->type == OD_FIELD_FLOAT && fabs(v) > FLT_MAX)
        return od_fail(err, OD_INVALID_INPUT,
                       "The number must lie between -3.4028235e38 and 3.4028235e38 (type float)");
    out->kind = OD_VALUE_REAL;
    out->real = v;
    return OD_OK;
}

static enum od_status real_value(const struct od_field *field, struct od_str cell,
                                 struct od_value *out, struct od_error *err)
{
    double v;
    if (!quick_decimal(cell, &v) && !od_str_to_double(cell, &v))
        return od_fail(err, OD_INVALID_INPUT,
                       "The value must be a finite decimal number without blanks or separators "
                       "(type %s)",
                       field->type == OD_FIELD_FLOAT ? "float" : "double");
    return check_real_range(field, v, out, err);
}

/* --- one value --- */

static void boolean_value(bool value, struct od_value *out)
{
    *out = (struct od_value){.kind = OD_VALUE_BOOLEAN, .integer = value};
}

static enum od_status null_value(const struct od_field *field, struct od_value *out,
                                 struct od_error *err)
{
    if (!field->nullable)
        return od_fail(err, OD_INVALID_INPUT, "The value is empty and the field may not be null");
    *out = (struct od_value){.kind = OD_VALUE_NULL};
    return OD_OK;
}

enum od_status od_value_from_text(const struct od_field *field, struct od_str cell,
                                  struct od_value *out, struct od_error *err)
{
    if (cell.len == 0)
        return null_value(field, out, err);
    switch (field->type) {
    case OD_FIELD_STRING:
        return text_value(field, cell, out, err);
    case OD_FIELD_INT:
    case OD_FIELD_LONG:
        return whole_value(field, cell, out, err);
    case OD_FIELD_FLOAT:
    case OD_FIELD_DOUBLE:
        return real_value(field, cell, out, err);
    case OD_FIELD_BOOLEAN:
        break;
    }
    if (!od_str_eq_c(cell, "true") && !od_str_eq_c(cell, "false"))
        return od_fail(err, OD_INVALID_INPUT, "The value must be true or false (type boolean)");
    boolean_value(cell.len == 4, out);
    return OD_OK;
}

/* --- JSON --- */

/* A number for a text field, as decimal text: {"zip":1234} is the text 1234. */
static enum od_status number_as_text(const struct od_field *field, const struct od_json *json,
                                     struct od_arena *arena, struct od_value *out,
                                     struct od_error *err)
{
    struct od_buf text;
    od_buf_init(&text, 64);
    if (json->is_integer)
        od_buf_printf(&text, "%lld", (long long)json->integer);
    else
        od_buf_double(&text, json->number);
    struct od_str copy =
        od_buf_status(&text) == OD_OK ? od_arena_str(arena, od_buf_view(&text)) : OD_STR_NONE;
    od_buf_done(&text);
    if (!copy.ptr)
        return od_fail(err, OD_NO_MEMORY, NULL);
    return text_value(field, copy, out, err);
}

static enum od_status whole_from_number(const struct od_field *field, const struct od_json *json,
                                        struct od_value *out, struct od_error *err)
{
    if (json->is_integer)
        return check_whole_range(field, json->integer, out, err);
    double v = json->number;
    if (v != floor(v) || fabs(v) > SAFE_WHOLE)
        return od_fail(err, OD_INVALID_INPUT,
                       "The number must be whole and fit the field's type (type %s)",
                       field->type == OD_FIELD_INT ? "int" : "long");
    return check_whole_range(field, (int64_t)v, out, err);
}

static enum od_status from_number(const struct od_field *field, const struct od_json *json,
                                  struct od_arena *arena, struct od_value *out,
                                  struct od_error *err)
{
    switch (field->type) {
    case OD_FIELD_STRING:
        return number_as_text(field, json, arena, out, err);
    case OD_FIELD_INT:
    case OD_FIELD_LONG:
        return whole_from_number(field, json, out, err);
    case OD_FIELD_FLOAT:
    case OD_FIELD_DOUBLE:
        return check_real_range(field, json->number, out, err);
    case OD_FIELD_BOOLEAN:
        break;
    }
    return od_fail(err, OD_INVALID_INPUT, "The value must be true or false (type boolean)");
}

enum od_status od_value_from_json(const struct od_field *field, const struct od_json *json,
                                  struct od_arena *arena, struct od_value *out,
                                  struct od_error *err)
{
    if (!json)
        return null_value(field, out, err);
    switch (json->kind) {
    case OD_JSON_NULL:
        return null_value(field, out, err);
    case OD_JSON_STRING:
        return od_value_from_text(field, json->text, out, err);
    case OD_JSON_NUMBER:
        return from_number(field, json, arena, out, err);
    case OD_JSON_BOOL:
        if (field->type == OD_FIELD_STRING)
            return text_value(field, json->boolean ? OD_STR("true") : OD_STR("false"), out, err);
        if (field->type != OD_FIELD_BOOLEAN)
            return od_fail(err, OD_INVALID_INPUT, "The value must be a number or a string");
        boolean_value(json->boolean, out);
        return OD_OK;
    case OD_JSON_ARRAY:
    case OD_JSON_OBJECT:
        break;
    }
    return od_fail(err, OD_INVALID_INPUT,
                   "The value must be a string, a number, a boolean or null, not a list or object");
}
