/* The growable buffer: see str.h. */
#include "base/str.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void od_buf_init(struct od_buf *buf, size_t max)
{
    *buf = (struct od_buf){.max = max};
}

void od_buf_done(struct od_buf *buf)
{
    free(buf->ptr);
    *buf = (struct od_buf){.max = buf->max};
}

void od_buf_clear(struct od_buf *buf)
{
    buf->len = 0;
    buf->status = OD_OK;
    if (buf->ptr)
        buf->ptr[0] = '\0';
}

char *od_buf_reserve(struct od_buf *buf, size_t len)
{
    if (buf->status != OD_OK)
        return NULL;
    if (len > buf->max || buf->len > buf->max - len) {
        buf->status = OD_TOO_LARGE;
        return NULL;
    }
    size_t need = buf->len + len + 1;
    if (need > buf->cap) {
        size_t cap = buf->cap ? buf->cap : 64;
        while (cap < need)
            cap = cap > SIZE_MAX / 2 ? need : cap * 2;
        char *grown = realloc(buf->ptr, cap);
        if (!grown) {
            buf->status = OD_NO_MEMORY;
            return NULL;
        }
        buf->ptr = grown;
        buf->cap = cap;
    }
    return buf->ptr + buf->len;
}

void od_buf_commit(struct od_buf *buf, size_t len)
{
    buf->len += len;
    buf->ptr[buf->len] = '\0';
}

void od_buf_put(struct od_buf *buf, const void *bytes, size_t len)
{
    char *room = od_buf_reserve(buf, len);
    if (!room)
        return;
    if (len)
        memcpy(room, bytes, len);
    od_buf_commit(buf, len);
}

void od_buf_puts(struct od_buf *buf, const char *text)
{
    od_buf_put(buf, text, strlen(text));
}

void od_buf_str(struct od_buf *buf, struct od_str s)
{
    od_buf_put(buf, s.ptr, s.len);
}

void od_buf_char(struct od_buf *buf, char c)
{
    od_buf_put(buf, &c, 1);
}

void od_buf_printf(struct od_buf *buf, const char *fmt, ...)
{
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    char *room = n >= 0 ? od_buf_reserve(buf, (size_t)n) : NULL;
    if (room) {
        vsnprintf(room, (size_t)n + 1, fmt, again);
        od_buf_commit(buf, (size_t)n);
    }
    va_end(again);
}

static void put_escaped(struct od_buf *buf, unsigned char c)
{
    switch (c) {
    case '"':
        od_buf_put(buf, "\\\"", 2);
        return;
    case '\\':
        od_buf_put(buf, "\\\\", 2);
        return;
    case '\n':
        od_buf_put(buf, "\\n", 2);
        return;
    case '\r':
        od_buf_put(buf, "\\r", 2);
        return;
    case '\t':
        od_buf_put(buf, "\\t", 2);
        return;
    default:
        od_buf_printf(buf, "\\u%04x", c);
    }
}

/* The part of s before its first byte that needs care: an escape or ill-formed UTF-8. */
static size_t plain_run(struct od_str s)
{
    size_t i = 0;
    while (i < s.len && (unsigned char)s.ptr[i] >= 0x20 && s.ptr[i] != '"' && s.ptr[i] != '\\')
        i++;
    return od_utf8_check(od_str_sub(s, 0, i));
}

void od_buf_json(struct od_buf *buf, struct od_str s)
{
    od_buf_char(buf, '"');
    while (s.len && buf->status == OD_OK) {
        size_t run = plain_run(s);
        od_buf_put(buf, s.ptr, run);
        s = od_str_sub(s, run, s.len);
        if (!s.len)
            break;
        unsigned char c = (unsigned char)s.ptr[0];
        if (c >= 0x80)
            od_buf_puts(buf, "\xEF\xBF\xBD");
        else
            put_escaped(buf, c);
        s = od_str_sub(s, 1, s.len);
    }
    od_buf_char(buf, '"');
}

void od_buf_double(struct od_buf *buf, double value)
{
    if (!isfinite(value)) {
        od_buf_puts(buf, "null");
        return;
    }
    char text[OD_DOUBLE_TEXT];
    od_buf_put(buf, text, od_double_text(value, text));
}

enum od_status od_buf_status(const struct od_buf *buf)
{
    return buf->status;
}

struct od_str od_buf_view(const struct od_buf *buf)
{
    return (struct od_str){buf->ptr ? buf->ptr : "", buf->len};
}
