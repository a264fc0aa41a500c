/* The lexer: one token at a time, white space free between them. The source is valid UTF-8, which
 * od_filter_new has checked; outside of quotes only ASCII is part of the language. */
#include "filter/ast.h"

#include <string.h>

#include "base/limits.h"

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_word(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

/* The byte at an offset, '\0' past the end. */
static char peek(const struct od_lexer *lexer, size_t at)
{
    return at < lexer->source.len ? lexer->source.ptr[at] : '\0';
}

static size_t word_end(const struct od_lexer *lexer, size_t at)
{
    while (is_word(peek(lexer, at)))
        at++;
    return at;
}

static enum od_status take(struct od_lexer *lexer, enum od_token_kind kind, size_t from, size_t to)
{
    lexer->token = (struct od_token){.kind = kind,
                                     .text = od_str_sub(lexer->source, from, to - from),
                                     .span = {from, to - from}};
    lexer->at = to;
    return OD_OK;
}

/* A backslash takes a quote or a backslash as it is; before anything else it stands for itself, so
 * that "C:\dir" needs no thought. */
static bool escapes(const struct od_lexer *lexer, size_t at)
{
    char next = peek(lexer, at + 1);
    return peek(lexer, at) == '\\' && (next == '"' || next == '\'' || next == '\\');
}

/* "..." or '...' */
static enum od_status take_text(struct od_lexer *lexer, size_t from, struct od_error *err)
{
    char quote = lexer->source.ptr[from];
    size_t end = from + 1, len = 0;
    while (end < lexer->source.len && lexer->source.ptr[end] != quote)
        end += escapes(lexer, end) ? 2 : 1;
    if (end >= lexer->source.len)
        return od_filter_fault(lexer->source, (struct od_filter_span){from, 1}, err,
                               OD_BAD_EXPRESSION "this quote is never closed.");
    char *text = od_arena_alloc(lexer->arena, end - from);
    if (!text)
        return od_fail(err, OD_NO_MEMORY, NULL);
    for (size_t at = from + 1; at < end; at++) {
        at += escapes(lexer, at) ? 1 : 0;
        text[len++] = lexer->source.ptr[at];
    }
    enum od_status status = take(lexer, OD_TOKEN_TEXT, from, end + 1);
    lexer->token.text = (struct od_str){text, len};
    return status;
}

static enum od_status take_number(struct od_lexer *lexer, size_t from, struct od_error *err)
{
    size_t at = from;
    if (peek(lexer, at) == '-' || peek(lexer, at) == '+')
        at++;
    while (is_word(peek(lexer, at)) || peek(lexer, at) == '.') {
        bool exponent = peek(lexer, at) == 'e' || peek(lexer, at) == 'E';
        at++;
        if (exponent && (peek(lexer, at) == '-' || peek(lexer, at) == '+'))
            at++;
    }
    double number;
    struct od_str text = od_str_sub(lexer->source, from, at - from);
    if (!od_str_to_double(text, &number))
        return od_filter_fault(lexer->source, (struct od_filter_span){from, at - from}, err,
                               OD_BAD_EXPRESSION "this is not a number that can be compared with.");
    return take(lexer, OD_TOKEN_NUMBER, from, at);
}

static enum od_status take_param(struct od_lexer *lexer, size_t from, struct od_error *err)
{
    size_t to = word_end(lexer, from + 1);
    struct od_filter_span span = {from, to - from};
    if (to == from + 1)
        return od_filter_fault(lexer->source, span, err,
                               OD_BAD_EXPRESSION
                               "after $ a parameter name of letters, digits and _ is expected.");
    if (to - from - 1 > OD_MAX_FILTER_PARAM)
        return od_filter_fault(lexer->source, span, err,
                               OD_BAD_EXPRESSION
                               "a parameter name has at most %u characters; this one has %zu.",
                               OD_MAX_FILTER_PARAM, to - from - 1);
    enum od_status status = take(lexer, OD_TOKEN_PARAM, from, to);
    lexer->token.text = od_str_sub(lexer->source, from + 1, to - from - 1);
    return status;
}

static enum od_status take_op(struct od_lexer *lexer, size_t from, struct od_error *err)
{
    static const struct {
        char text[3];
        enum od_filter_op op;
        bool known;
    } ops[] = {{"!=", OD_OP_NE, true},  {"<=", OD_OP_LE, true},  {">=", OD_OP_GE, true},
               {"<>", OD_OP_NE, false}, {"==", OD_OP_EQ, false}, {"=", OD_OP_EQ, true},
               {"<", OD_OP_LT, true},   {">", OD_OP_GT, true}};
    for (size_t i = 0; i < sizeof ops / sizeof ops[0]; i++) {
        size_t len = strlen(ops[i].text);
        if (peek(lexer, from) != ops[i].text[0] ||
            (len == 2 && peek(lexer, from + 1) != ops[i].text[1]))
            continue;
        if (!ops[i].known)
            return od_filter_fault(lexer->source, (struct od_filter_span){from, len}, err,
                                   OD_BAD_EXPRESSION "%s is no operator; write %s.", ops[i].text,
                                   ops[i].op == OD_OP_EQ ? "=" : "!=");
        enum od_status status = take(lexer, OD_TOKEN_OP, from, from + len);
        lexer->token.op = ops[i].op;
        return status;
    }
    return od_filter_fault(lexer->source, (struct od_filter_span){from, 1}, err,
                           OD_BAD_EXPRESSION "after ! an = is expected.");
}

static enum od_status unexpected(const struct od_lexer *lexer, size_t at, struct od_error *err)
{
    size_t to = at + 1;
    while (((unsigned char)peek(lexer, to) & 0xC0) == 0x80)
        to++;
    struct od_str c = od_str_sub(lexer->source, at, to - at);
    bool curly = od_str_eq_c(c, "\u201C") || od_str_eq_c(c, "\u201D") || od_str_eq_c(c, "\u2018") ||
                 od_str_eq_c(c, "\u2019");
    return od_filter_fault(lexer->source, (struct od_filter_span){at, to - at}, err,
                           OD_BAD_EXPRESSION "%s",
                           curly ? "use straight quotes, \" or '."
                                 : "this character has no meaning outside of quotes.");
}

enum od_status od_lexer_next(struct od_lexer *lexer, struct od_error *err)
{
    static const char marks[] = ".,()|*";
    static const enum od_token_kind kinds[] = {OD_TOKEN_DOT,   OD_TOKEN_COMMA, OD_TOKEN_OPEN,
                                               OD_TOKEN_CLOSE, OD_TOKEN_BAR,   OD_TOKEN_STAR};
    size_t at = lexer->at;
    while (is_space(peek(lexer, at)))
        at++;
    char c = peek(lexer, at);
    if (at >= lexer->source.len)
        return take(lexer, OD_TOKEN_END, at, at);
    if (c == '"' || c == '\'')
        return take_text(lexer, at, err);
    if (c == '$')
        return take_param(lexer, at, err);
    if (lexer->extended && (c == '-' || c == '+') && is_space(peek(lexer, at + 1)))
        return take(lexer, OD_TOKEN_SIGN, at, at + 1);
    if (is_digit(c) || c == '-' || c == '+' || (c == '.' && is_digit(peek(lexer, at + 1))))
        return take_number(lexer, at, err);
    if (is_word(c))
        return take(lexer, OD_TOKEN_WORD, at, word_end(lexer, at));
    if (c == '=' || c == '!' || c == '<' || c == '>')
        return take_op(lexer, at, err);
    const char *mark = c ? strchr(marks, c) : NULL;
    if (mark)
        return take(lexer, kinds[mark - marks], at, at + 1);
    return unexpected(lexer, at, err);
}
