/* Messages about an expression: what is wrong, at which byte, and the text around it with the fault
 * between >>> and <<<. One line of plain characters, so that it survives JSON, logs and consoles;
 * a caret on a line of its own would not. */
#include "filter/ast.h"

#include <stdio.h>

#define BEFORE 40u /* bytes of the expression shown before the fault */
#define AFTER  20u
#define FAULT  60u
#define DOTS   3u /* what "..." would take: fewer bytes than that are shown instead */

struct excerpt {
    char text[512];
    size_t len;
};

static void put(struct excerpt *e, struct od_str s)
{
    for (size_t i = 0; i < s.len && e->len + 1 < sizeof e->text; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        e->text[e->len++] = c < 0x20 || c == 0x7F ? ' ' : (char)c;
    }
    e->text[e->len] = '\0';
}

static bool inside_character(struct od_str s, size_t at)
{
    return at < s.len && ((unsigned char)s.ptr[at] & 0xC0) == 0x80;
}

/* source[from, to), the ends moved inwards to whole characters. */
static struct od_str cut(struct od_str source, size_t from, size_t to)
{
    while (from < to && inside_character(source, from))
        from++;
    while (to > from && inside_character(source, to))
        to--;
    return od_str_sub(source, from, to - from);
}

static void show(struct od_str source, struct od_filter_span span, struct excerpt *e)
{
    size_t from = span.at > BEFORE + DOTS ? span.at - BEFORE : 0;
    size_t end = span.at + span.len;
    size_t shown_end = span.len > FAULT + DOTS ? span.at + FAULT : end;
    size_t to = source.len - end > AFTER + DOTS ? end + AFTER : source.len;
    put(e, from ? OD_STR("...") : OD_STR(""));
    put(e, cut(source, from, span.at));
    put(e, OD_STR(">>>"));
    put(e, cut(source, span.at, shown_end));
    put(e, shown_end < end ? OD_STR("...<<<") : OD_STR("<<<"));
    put(e, cut(source, end, to));
    put(e, to < source.len ? OD_STR("...") : OD_STR(""));
}

enum od_status od_filter_fault(struct od_str source, struct od_filter_span span,
                               struct od_error *err, const char *fmt, ...)
{
    char what[512];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    struct excerpt e = {.len = 0};
    show(source, span, &e);
    enum od_status status =
        od_fail(err, OD_INVALID_INPUT, "Could not create filter. %s At byte %zu: %s", what,
                span.at + 1, e.text);
    if (err)
        err->column = (uint32_t)(span.at + 1);
    return status;
}
