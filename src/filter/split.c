/* A parameter's value as clients write it, to a list of values (serving.md section 9).
 *
 * The documented form is values in double quotes separated by commas: "comedy","drama". Seen and
 * accepted too: single quotes, bare values (comedy, drama; 10) split at commas and trimmed, and any
 * mix of these. A backslash inside quotes takes a quote or a backslash as it is, as in expressions.
 * A bare value may not hold a quote: that is a list somebody built wrongly, and guessing what was
 * meant would filter by something else. */
#include "filter/compiled.h"

struct splitter {
    struct od_str name, text;
    size_t at;
    struct od_error *err;
};

static enum od_status malformed(const struct splitter *s, const char *rule)
{
    return od_fail(s->err, OD_INVALID_INPUT, "The value of filter parameter %.*s %s.",
                   OD_STR_ARG(s->name), rule);
}

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static void skip_space(struct splitter *s)
{
    while (s->at < s->text.len && is_space(s->text.ptr[s->at]))
        s->at++;
}

static bool is_quote(char c)
{
    return c == '"' || c == '\'';
}

static bool escapes(const struct splitter *s, size_t at)
{
    char next = at + 1 < s->text.len ? s->text.ptr[at + 1] : '\0';
    return s->text.ptr[at] == '\\' && (is_quote(next) || next == '\\');
}

static enum od_status take_quoted(struct splitter *s, struct od_arena *arena, struct od_str *out)
{
    char quote = s->text.ptr[s->at];
    size_t from = s->at + 1, end = from, len = 0;
    while (end < s->text.len && s->text.ptr[end] != quote)
        end += escapes(s, end) ? 2 : 1;
    if (end >= s->text.len)
        return malformed(s, "has a quote that is never closed");
    char *bytes = od_arena_alloc(arena, end - from);
    if (!bytes)
        return od_fail(s->err, OD_NO_MEMORY, NULL);
    for (size_t at = from; at < end; at++) {
        at += escapes(s, at) ? 1 : 0;
        bytes[len++] = s->text.ptr[at];
    }
    s->at = end + 1;
    *out = (struct od_str){bytes, len};
    return OD_OK;
}

static enum od_status take_bare(struct splitter *s, struct od_str *out)
{
    size_t end = od_str_find(s->text, ',', s->at);
    end = end == SIZE_MAX ? s->text.len : end;
    struct od_str value = od_str_trim(od_str_sub(s->text, s->at, end - s->at));
    s->at = end;
    if (value.len == 0)
        return malformed(s, "has an empty value; write values as \"a\",\"b\"");
    if (od_str_find(value, '"', 0) != SIZE_MAX)
        return malformed(s, "has a quote inside a value that does not begin with one; write values "
                            "as \"a\",\"b\"");
    *out = value;
    return OD_OK;
}

enum od_status od_filter_split(struct od_str name, struct od_str text, struct od_arena *arena,
                               struct od_filter_list *out, struct od_error *err)
{
    struct splitter s = {.name = name, .text = text, .err = err};
    size_t most = 1;
    for (size_t at = 0; (at = od_str_find(text, ',', at)) != SIZE_MAX; at++)
        most++;
    struct od_filter_list list = {.texts = OD_NEW_ARRAY(arena, struct od_str, most)};
    if (!list.texts)
        return od_fail(err, OD_NO_MEMORY, NULL);
    for (bool more = true; more;) {
        skip_space(&s);
        bool quoted = s.at < text.len && is_quote(text.ptr[s.at]);
        struct od_str *value = &list.texts[list.count++];
        enum od_status status = quoted ? take_quoted(&s, arena, value) : take_bare(&s, value);
        if (status != OD_OK)
            return status;
        skip_space(&s);
        more = s.at < text.len;
        if (more && text.ptr[s.at] != ',')
            return malformed(&s, "lacks a comma after a quoted value; write values as \"a\",\"b\"");
        list.one_quoted = quoted && list.count == 1 && !more;
        s.at += more;
    }
    *out = list;
    return OD_OK;
}
