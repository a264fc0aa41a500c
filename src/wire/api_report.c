/* Violations of constraints, gathered into one message (errors.md section 3).
 *
 * All violations of a request are counted; their texts are kept in order of arrival while they fit
 * struct od_error, whole ones only. The end of the message is kept for those that come later: only
 * their places are told, so that a client learns of every bad member. Everything that comes from
 * the client is cut and cleaned before it goes in: a path piece to 40 characters, a value to 64,
 * control characters become "?". */
#include "wire/api_internal.h"

#include <stdio.h>
#include <string.h>

#define PIECE_CHARS 40 /* of a map key in a path */
#define VALUE_CHARS 64

/* Text with a fixed end; what does not fit is dropped character by character. */
struct line {
    char *bytes;
    size_t cap, len;
};

static void put(struct line *line, struct od_str s, size_t max_chars)
{
    size_t chars = 0;
    for (size_t at = 0; at < s.len; chars++) {
        size_t n = 1;
        while (at + n < s.len && ((unsigned char)s.ptr[at + n] & 0xC0) == 0x80)
            n++;
        if (chars == max_chars) {
            put(line, OD_STR("..."), SIZE_MAX);
            return;
        }
        if (line->len + n >= line->cap)
            return;
        unsigned char c = (unsigned char)s.ptr[at];
        if (c < 0x20 || c == 0x7F)
            line->bytes[line->len] = '?';
        else
            memcpy(line->bytes + line->len, s.ptr + at, n);
        line->len += n;
        line->bytes[line->len] = '\0';
        at += n;
    }
}

static void puts_line(struct line *line, const char *text)
{
    put(line, od_str_c(text), SIZE_MAX);
}

static void put_path(struct line *line, const struct od_api_place *place)
{
    if (!place || !place->up)
        return;
    put_path(line, place->up);
    if (line->len > 0)
        puts_line(line, ".");
    if (place->step == OD_API_ELEMENT) {
        char number[24];
        snprintf(number, sizeof number, "%zu", place->index + 1);
        puts_line(line, number);
    } else {
        put(line, place->name, PIECE_CHARS);
    }
    if (place->step != OD_API_MEMBER)
        puts_line(line, ".member");
}

void od_api_path(const struct od_api_place *place, char out[OD_API_PATH_TEXT])
{
    struct line line = {out, OD_API_PATH_TEXT, 0};
    out[0] = '\0';
    put_path(&line, place);
}

static void put_value(struct line *line, struct od_str value)
{
    if (!value.ptr) {
        puts_line(line, "Value null");
        return;
    }
    puts_line(line, "Value '");
    put(line, value, VALUE_CHARS);
    puts_line(line, "'");
}

static void add(struct od_api_report *report, struct od_str text)
{
    memcpy(report->text + report->len, text.ptr, text.len);
    report->len += text.len;
    report->text[report->len] = '\0';
}

/* "; also at 'a', 'b'". A place that is told already is not told again. */
static void add_place(struct od_api_report *report, const char *path)
{
    char bytes[OD_API_PATH_TEXT + 16];
    struct line line = {bytes, sizeof bytes, 0};
    puts_line(&line, report->places ? ", '" : "; also at '");
    size_t quote = line.len - 1;
    puts_line(&line, path);
    puts_line(&line, "'");
    if (strstr(report->text, bytes + quote) || line.len >= sizeof report->text - report->len)
        return;
    add(report, (struct od_str){bytes, line.len});
    report->places = true;
}

void od_api_violation(struct od_api_report *report, const struct od_api_place *place,
                      struct od_str value, const char *constraint, ...)
{
    char bytes[OD_API_REPORT_TEXT];
    char path[OD_API_PATH_TEXT];
    char rule[256];
    struct line line = {bytes, sizeof bytes, 0};
    report->count++;
    od_api_path(place, path);
    if (report->places) {
        add_place(report, path);
        return;
    }
    va_list ap;
    va_start(ap, constraint);
    vsnprintf(rule, sizeof rule, constraint, ap);
    va_end(ap);
    if (report->len > 0)
        puts_line(&line, "; ");
    if (place->sensitive)
        puts_line(&line, "Value");
    else
        put_value(&line, value);
    puts_line(&line, " at '");
    puts_line(&line, path);
    puts_line(&line, "' failed to satisfy constraint: ");
    puts_line(&line, rule);
    if (report->len + line.len <= OD_API_WHOLE_TEXT)
        add(report, (struct od_str){bytes, line.len});
    else
        add_place(report, path);
}

enum od_status od_api_report_end(const struct od_api_report *report, struct od_error *err)
{
    if (report->count == 0)
        return OD_OK;
    return od_fail(err, OD_INVALID_INPUT, "%s%zu validation error%s detected: %s",
                   report->bad_json ? "Invalid properties JSON. " : "", report->count,
                   report->count == 1 ? "" : "s", report->text);
}
