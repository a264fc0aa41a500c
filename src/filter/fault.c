/* Messages about an expression: what is wrong and at which byte; then on a line of its own the text
 * around it, and below that a caret under each column of the fault:
 *
 *   Could not create filter. Invalid Expression: the schema of Items has no field GENER. At byte
 * 22: INCLUDE ItemID WHERE Items.GENER IN ("a")
 *                        ^^^^^^^^^^^
 *
 * The first line tells all by itself, for logs and programs that keep no more. Line ends and other
 * control characters of the expression are shown as blanks. A column is what a terminal gives a
 * character: two for those of East Asia and most pictures, else one. */
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

/* Whether a terminal gives the character two columns (the blocks of Unicode's East Asian Width W
 * and F, roughly). */
static bool is_wide(uint32_t c)
{
    static const uint32_t blocks[][2] = {
        {0x1100, 0x115F}, {0x2E80, 0x303E},   {0x3041, 0xA4CF},   {0xA960, 0xA97F},
        {0xAC00, 0xD7A3}, {0xF900, 0xFAFF},   {0xFE30, 0xFE6F},   {0xFF00, 0xFF60},
        {0xFFE0, 0xFFE6}, {0x1F300, 0x1F64F}, {0x1F900, 0x1F9FF}, {0x20000, 0x3FFFD}};
    for (size_t i = 0; i < sizeof blocks / sizeof blocks[0]; i++) {
        if (c >= blocks[i][0] && c <= blocks[i][1])
            return true;
    }
    return false;
}

/* Of valid UTF-8. */
static size_t columns(struct od_str s)
{
    size_t count = 0;
    for (size_t i = 0; i < s.len;) {
        unsigned char first = (unsigned char)s.ptr[i];
        size_t len = first < 0x80 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
        uint32_t c = len == 1 ? first : first & (0x7Fu >> len);
        for (size_t k = 1; k < len && i + k < s.len; k++)
            c = c << 6 | ((unsigned char)s.ptr[i + k] & 0x3Fu);
        count += is_wide(c) ? 2 : 1;
        i += len;
    }
    return count;
}

static void repeat(struct excerpt *e, char c, size_t count)
{
    for (size_t i = 0; i < count; i++)
        put(e, (struct od_str){&c, 1});
}

/* The text around the fault, then the line of carets. */
static void show(struct od_str source, struct od_filter_span span, struct excerpt *text,
                 struct excerpt *carets)
{
    size_t from = span.at > BEFORE + DOTS ? span.at - BEFORE : 0;
    size_t end = span.at + span.len;
    size_t shown_end = span.len > FAULT + DOTS ? span.at + FAULT : end;
    size_t to = source.len - end > AFTER + DOTS ? end + AFTER : source.len;
    struct od_str fault = cut(source, span.at, shown_end);
    put(text, from ? OD_STR("...") : OD_STR(""));
    put(text, cut(source, from, span.at));
    repeat(carets, ' ', columns((struct od_str){text->text, text->len}));
    put(text, fault);
    repeat(carets, '^', fault.len ? columns(fault) : 1);
    put(text, shown_end < end ? OD_STR("...") : OD_STR(""));
    put(text, cut(source, end, to));
    put(text, to < source.len ? OD_STR("...") : OD_STR(""));
}

enum od_status od_filter_fault(struct od_str source, struct od_filter_span span,
                               struct od_error *err, const char *fmt, ...)
{
    char what[512];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    struct excerpt text = {.len = 0}, carets = {.len = 0};
    show(source, span, &text, &carets);
    enum od_status status =
        od_fail(err, OD_INVALID_INPUT, "Could not create filter. %s At byte %zu:\n%s\n%s", what,
                span.at + 1, text.text, carets.text);
    if (err)
        err->column = (uint32_t)(span.at + 1);
    return status;
}
