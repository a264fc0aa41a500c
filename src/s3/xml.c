/* Reading XML: a recursive descent over the bytes, bounded in depth. See xml.h.
 *
 * What is taken: a declaration, comments, elements with attributes, character data, CDATA,
 * character references. What is refused: processing instructions, DOCTYPE, entities of one's own.
 */
#include "s3/xml.h"

#include <string.h>

#include "base/limits.h"

struct reader {
    struct od_str text;
    size_t at;
    struct od_arena *arena;
    struct od_error *err;
};

static enum od_status bad(struct reader *r, const char *what)
{
    return od_fail(r->err, OD_INVALID_INPUT, "The XML is not well-formed: %s at byte %zu.", what,
                   r->at + 1);
}

static char peek(const struct reader *r)
{
    return r->at < r->text.len ? r->text.ptr[r->at] : '\0';
}

static bool skip(struct reader *r, const char *word)
{
    size_t len = strlen(word);
    if (r->text.len - r->at < len || memcmp(r->text.ptr + r->at, word, len) != 0)
        return false;
    r->at += len;
    return true;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool skip_space(struct reader *r)
{
    size_t from = r->at;
    while (is_space(peek(r)))
        r->at++;
    return r->at > from;
}

/* Moves behind the next word; false when there is none. */
static bool skip_past(struct reader *r, const char *word)
{
    for (; r->at < r->text.len; r->at++)
        if (skip(r, word))
            return true;
    return false;
}

static bool is_name_char(char c)
{
    unsigned char u = (unsigned char)c;
    return (u >= 'a' && u <= 'z') || (u >= 'A' && u <= 'Z') || (u >= '0' && u <= '9') || u == '_' ||
           u == ':' || u == '-' || u == '.' || u >= 0x80;
}

static struct od_str read_name(struct reader *r)
{
    size_t from = r->at;
    while (is_name_char(peek(r)))
        r->at++;
    return od_str_sub(r->text, from, r->at - from);
}

/* Comments and white space around the root. */
static enum od_status skip_misc(struct reader *r)
{
    for (;;) {
        skip_space(r);
        if (!skip(r, "<!--"))
            return OD_OK;
        if (!skip_past(r, "-->"))
            return bad(r, "a comment has no end");
    }
}

static enum od_status put_code_point(struct reader *r, struct od_buf *out, uint32_t c)
{
    bool allowed = c == '\t' || c == '\n' || c == '\r' || (c >= 0x20 && c < 0xD800) ||
                   (c >= 0xE000 && c <= 0x10FFFF && c != 0xFFFE && c != 0xFFFF);
    if (!allowed)
        return bad(r, "a reference names no character of XML");
    if (c < 0x80) {
        od_buf_char(out, (char)c);
    } else if (c < 0x800) {
        od_buf_char(out, (char)(0xC0 | c >> 6));
        od_buf_char(out, (char)(0x80 | (c & 0x3F)));
    } else if (c < 0x10000) {
        od_buf_char(out, (char)(0xE0 | c >> 12));
        od_buf_char(out, (char)(0x80 | (c >> 6 & 0x3F)));
        od_buf_char(out, (char)(0x80 | (c & 0x3F)));
    } else {
        od_buf_char(out, (char)(0xF0 | c >> 18));
        od_buf_char(out, (char)(0x80 | (c >> 12 & 0x3F)));
        od_buf_char(out, (char)(0x80 | (c >> 6 & 0x3F)));
        od_buf_char(out, (char)(0x80 | (c & 0x3F)));
    }
    return OD_OK;
}

static enum od_status read_reference(struct reader *r, struct od_buf *out)
{
    static const struct {
        const char *name;
        char means;
    } entities[] = {
        {"&lt;", '<'}, {"&gt;", '>'}, {"&amp;", '&'}, {"&quot;", '"'}, {"&apos;", '\''}};
    for (size_t i = 0; i < sizeof entities / sizeof *entities; i++)
        if (skip(r, entities[i].name)) {
            od_buf_char(out, entities[i].means);
            return OD_OK;
        }
    if (!skip(r, "&#"))
        return bad(r, "an unknown entity");
    bool hex = skip(r, "x");
    uint32_t c = 0;
    size_t digits = 0;
    for (; digits < 8; digits++, r->at++) {
        char d = peek(r), low = (char)(d | 0x20);
        if (d >= '0' && d <= '9')
            c = c * (hex ? 16 : 10) + (uint32_t)(d - '0');
        else if (hex && low >= 'a' && low <= 'f')
            c = c * 16 + (uint32_t)(low - 'a' + 10);
        else
            break;
    }
    if (!digits || !skip(r, ";"))
        return bad(r, "a malformed character reference");
    return put_code_point(r, out, c);
}

static enum od_status read_attributes(struct reader *r)
{
    while (skip_space(r) && is_name_char(peek(r))) {
        read_name(r);
        skip_space(r);
        if (!skip(r, "="))
            return bad(r, "an attribute has no value");
        skip_space(r);
        char quote = peek(r);
        if (quote != '"' && quote != '\'')
            return bad(r, "an attribute's value has no quotes");
        for (r->at++; r->at < r->text.len && peek(r) != quote; r->at++)
            if (peek(r) == '<')
                return bad(r, "'<' in an attribute");
        if (!skip(r, quote == '"' ? "\"" : "'"))
            return bad(r, "an attribute has no end");
    }
    return OD_OK;
}

static enum od_status read_cdata(struct reader *r, struct od_buf *text)
{
    size_t from = r->at;
    if (!skip_past(r, "]]>"))
        return bad(r, "a CDATA section has no end");
    for (size_t i = from; i < r->at - 3; i++)
        if ((unsigned char)r->text.ptr[i] < 0x20 && !is_space(r->text.ptr[i]))
            return bad(r, "a control character in the CDATA section that ends");
    od_buf_put(text, r->text.ptr + from, r->at - from - 3);
    return OD_OK;
}

static enum od_status read_element(struct reader *r, unsigned depth, struct od_xml **out);

/* What lies between an element's tags. */
static enum od_status read_content(struct reader *r, unsigned depth, struct od_xml *element,
                                   struct od_buf *text)
{
    struct od_xml **tail = &element->first;
    enum od_status s = OD_OK;
    while (s == OD_OK && r->at < r->text.len) {
        char c = peek(r);
        if (r->text.len - r->at >= 2 && c == '<' && r->text.ptr[r->at + 1] == '/')
            return OD_OK;
        if (skip(r, "<!--")) {
            s = skip_past(r, "-->") ? OD_OK : bad(r, "a comment has no end");
        } else if (skip(r, "<![CDATA[")) {
            s = read_cdata(r, text);
        } else if (c == '<') {
            s = read_element(r, depth + 1, tail);
            if (s == OD_OK)
                tail = &(*tail)->next;
        } else if (c == '&') {
            s = read_reference(r, text);
        } else if ((unsigned char)c < 0x20 && !is_space(c)) {
            s = bad(r, "a control character");
        } else {
            od_buf_char(text, c);
            r->at++;
        }
    }
    return s == OD_OK ? bad(r, "an element has no end") : s;
}

static enum od_status read_end(struct reader *r, struct od_xml *element)
{
    r->at += 2;
    if (!od_str_eq(read_name(r), element->name))
        return bad(r, "an end tag of another name");
    skip_space(r);
    return skip(r, ">") ? OD_OK : bad(r, "an end tag without '>'");
}

static enum od_status read_element(struct reader *r, unsigned depth, struct od_xml **out)
{
    if (depth > OD_MAX_XML_DEPTH)
        return bad(r, "elements are nested too deep");
    struct od_xml *element = OD_NEW(r->arena, struct od_xml);
    if (!element)
        return od_fail(r->err, OD_NO_MEMORY, NULL);
    if (!skip(r, "<"))
        return bad(r, "no element");
    element->name = read_name(r);
    element->text = OD_STR("");
    if (!element->name.len)
        return bad(r, "an element without a name");
    enum od_status s = read_attributes(r);
    if (s != OD_OK)
        return s;
    if (skip(r, "/>")) {
        *out = element;
        return OD_OK;
    }
    if (!skip(r, ">"))
        return bad(r, "a tag without '>'");
    struct od_buf text;
    od_buf_init(&text, r->text.len);
    s = read_content(r, depth, element, &text);
    if (s == OD_OK && text.len)
        element->text = od_arena_str(r->arena, od_buf_view(&text));
    if (s == OD_OK && (od_buf_status(&text) != OD_OK || !element->text.ptr))
        s = od_fail(r->err, OD_NO_MEMORY, NULL);
    od_buf_done(&text);
    if (s == OD_OK)
        s = read_end(r, element);
    if (s == OD_OK)
        *out = element;
    return s;
}

enum od_status od_xml_parse(struct od_arena *arena, struct od_str text, struct od_xml **out,
                            struct od_error *err)
{
    struct reader r = {text, 0, arena, err};
    struct od_xml *root = NULL;
    if (od_utf8_check(text) != text.len)
        return od_fail(err, OD_INVALID_INPUT, "The XML is not valid UTF-8.");
    (void)skip(&r, "\xEF\xBB\xBF");
    if (skip(&r, "<?xml") && !skip_past(&r, "?>"))
        return bad(&r, "a declaration has no end");
    enum od_status s = skip_misc(&r);
    if (s == OD_OK)
        s = read_element(&r, 1, &root);
    if (s == OD_OK)
        s = skip_misc(&r);
    if (s == OD_OK && r.at < text.len)
        s = bad(&r, "something follows the document");
    if (s == OD_OK)
        *out = root;
    return s;
}

const struct od_xml *od_xml_child(const struct od_xml *element, const char *name)
{
    for (const struct od_xml *c = element ? element->first : NULL; c; c = c->next)
        if (od_str_eq_c(c->name, name))
            return c;
    return NULL;
}

struct od_str od_xml_text(const struct od_xml *element, const char *name)
{
    const struct od_xml *child = od_xml_child(element, name);
    return child ? od_str_trim(child->text) : OD_STR_NONE;
}

void od_xml_escape(struct od_buf *out, struct od_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '<')
            od_buf_puts(out, "&lt;");
        else if (c == '>')
            od_buf_puts(out, "&gt;");
        else if (c == '&')
            od_buf_puts(out, "&amp;");
        else if (c == '"')
            od_buf_puts(out, "&quot;");
        else if (c == '\r' || c == '\n' || c == '\t')
            od_buf_printf(out, "&#%d;", c); /* readers would change them otherwise */
        else if ((unsigned char)c < 0x20)
            od_buf_puts(out, "\xEF\xBF\xBD");
        else
            od_buf_char(out, c);
    }
}

void od_xml_put(struct od_buf *out, const char *name, struct od_str text)
{
    if (!text.ptr)
        return;
    od_buf_printf(out, "<%s>", name);
    od_xml_escape(out, text);
    od_buf_printf(out, "</%s>", name);
}
