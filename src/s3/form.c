/* Query strings and forms: see form.h. Any thread. */
#include "s3/form.h"

#include <string.h>

#include "base/limits.h"

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

enum od_status od_percent_decode(struct od_str text, bool plus, struct od_arena *arena,
                                 struct od_str *out, struct od_error *err)
{
    char *to = od_arena_alloc(arena, text.len + 1);
    size_t n = 0;
    if (!to)
        return od_fail(err, OD_NO_MEMORY, NULL);
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '%') {
            int high = i + 2 < text.len ? hex_value(text.ptr[i + 1]) : -1;
            int low = i + 2 < text.len ? hex_value(text.ptr[i + 2]) : -1;
            if (high < 0 || low < 0)
                return od_fail(err, OD_INVALID_INPUT,
                               "There is a '%%' that two hexadecimal digits do not follow.");
            c = (char)(high << 4 | low);
            i += 2;
        } else if (c == '+' && plus) {
            c = ' ';
        }
        if (c == '\0')
            return od_fail(err, OD_INVALID_INPUT, "There is a NUL character.");
        to[n++] = c;
    }
    *out = (struct od_str){to, n};
    if (od_utf8_check(*out) != n)
        return od_fail(err, OD_INVALID_INPUT, "The text is not valid UTF-8.");
    return OD_OK;
}

enum od_status od_form_parse(struct od_str text, struct od_arena *arena, struct od_form *out,
                             struct od_error *err)
{
    struct od_str rest = text, piece, name;
    size_t most = 0;
    while (od_str_cut(&rest, '&', &piece))
        most += piece.len > 0;
    if (most > OD_MAX_FORM_FIELDS)
        return od_fail(err, OD_INVALID_INPUT, "There are %zu fields; at most %d are allowed.", most,
                       OD_MAX_FORM_FIELDS);
    *out = (struct od_form){OD_NEW_ARRAY(arena, struct od_form_field, most), 0};
    if (!out->fields)
        return od_fail(err, OD_NO_MEMORY, NULL);
    rest = text;
    enum od_status s = OD_OK;
    while (s == OD_OK && od_str_cut(&rest, '&', &piece)) {
        if (!piece.len)
            continue;
        struct od_form_field *field = &out->fields[out->count++];
        struct od_str value = piece;
        od_str_cut(&value, '=', &name);
        s = od_percent_decode(name, true, arena, &field->name, err);
        if (s == OD_OK)
            s = od_percent_decode(value.ptr ? value : OD_STR(""), true, arena, &field->value, err);
    }
    return s;
}

struct od_str od_form_get(const struct od_form *form, const char *name)
{
    for (size_t i = 0; i < form->count; i++)
        if (od_str_eq_c(form->fields[i].name, name))
            return form->fields[i].value;
    return OD_STR_NONE;
}

static bool is_plain(unsigned char c, const char *keep)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c && strchr("-_.~", c)) || (c && strchr(keep, c));
}

void od_percent_encode(struct od_buf *out, struct od_str text, const char *keep)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (is_plain(c, keep))
            od_buf_char(out, (char)c);
        else
            od_buf_printf(out, "%%%02X", c);
    }
}
