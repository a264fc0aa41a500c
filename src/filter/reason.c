/* Why a filter drops a row. There is one meaning of filters, that of od_filter_eval: a clause, and
 * each condition of it, is cut out of the text at the words that join them, compiled as a filter of
 * its own and evaluated by the same code. Brackets are not looked into: what stands in them is one
 * condition here.
 *
 * A row passes when some INCLUDE admits it (or none counts) and no EXCLUDE holds. So it is dropped
 * by each EXCLUDE that drops it alone, and, when all INCLUDE together drop it, by each of them that
 * does so alone. A clause whose IF is false drops nothing. */
#include "filter/reason.h"

#include "base/bitmap.h"
#include "filter/ast.h"

struct condition {
    struct od_str text;
    const uint64_t *holds; /* rows */
};

struct clause {
    struct od_str text;
    bool include;
    struct od_str head; /* "ItemID WHERE" */
    struct od_str body; /* from WHERE to IF or the end */
    const uint64_t *keep;
    struct condition *conditions; /* found when first asked for */
    size_t condition_count;
};

struct search {
    const struct od_filter_schemas *schemas;
    const struct od_filter_value *values;
    size_t value_count;
    const struct od_filter_context *context;
    struct od_arena *arena;
    struct clause *clauses;
    size_t clause_count;
    struct od_error *err;
};

static bool is_word(const struct od_lexer *lexer, const char *word)
{
    return lexer->token.kind == OD_TOKEN_WORD &&
           od_str_eq_nocase(lexer->token.text, od_str_c(word));
}

/* Goes on to the next token outside brackets and lists that ends a piece. */
static enum od_status skip_to(struct od_lexer *lexer, const char *word, const char *other,
                              struct od_error *err)
{
    size_t depth = 0;
    for (;;) {
        enum od_token_kind kind = lexer->token.kind;
        if (kind == OD_TOKEN_END ||
            (depth == 0 && (kind == OD_TOKEN_BAR || is_word(lexer, word) || is_word(lexer, other))))
            return OD_OK;
        depth += kind == OD_TOKEN_OPEN;
        depth -= kind == OD_TOKEN_CLOSE && depth > 0;
        enum od_status status = od_lexer_next(lexer, err);
        if (status != OD_OK)
            return status;
    }
}

static struct od_str piece(const struct od_lexer *lexer, size_t from)
{
    size_t to = lexer->token.kind == OD_TOKEN_END ? lexer->source.len : lexer->token.span.at;
    return od_str_trim(od_str_sub(lexer->source, from, to - from));
}

/* INCLUDE | EXCLUDE, target, WHERE, conditions, IF and conditions; then a bar or the end. */
static enum od_status next_clause(struct od_lexer *lexer, struct clause *out, struct od_error *err)
{
    size_t start = lexer->token.span.at;
    out->include = is_word(lexer, "INCLUDE");
    enum od_status status = od_lexer_next(lexer, err);
    size_t head = lexer->token.span.at;
    if (status == OD_OK)
        status = skip_to(lexer, "WHERE", "WHERE", err);
    size_t body = lexer->token.span.at + lexer->token.span.len;
    out->head = od_str_sub(lexer->source, head, body - head);
    if (status == OD_OK)
        status = skip_to(lexer, "IF", "IF", err);
    if (status != OD_OK)
        return status;
    out->body = piece(lexer, body);
    status = skip_to(lexer, "|", "|", err); /* no word is a bar */
    out->text = piece(lexer, start);
    if (status == OD_OK && lexer->token.kind == OD_TOKEN_BAR)
        status = od_lexer_next(lexer, err);
    return status;
}

static enum od_status split_clauses(struct search *s, struct od_str expression)
{
    struct od_lexer lexer = {
        .source = expression, .arena = s->arena, .extended = s->schemas->extended};
    size_t most = 1;
    for (size_t i = 0; i < expression.len; i++)
        most += expression.ptr[i] == '|';
    s->clauses = OD_NEW_ARRAY(s->arena, struct clause, most);
    if (!s->clauses)
        return od_fail(s->err, OD_NO_MEMORY, NULL);
    enum od_status status = od_lexer_next(&lexer, s->err);
    while (status == OD_OK && lexer.token.kind != OD_TOKEN_END && s->clause_count < most)
        status = next_clause(&lexer, &s->clauses[s->clause_count++], s->err);
    return status;
}

static bool uses(const struct od_filter *filter, struct od_str name)
{
    for (size_t i = 0; i < od_filter_param_count(filter); i++)
        if (od_str_eq(od_filter_param_name(filter, i), name))
            return true;
    return false;
}

static enum od_status evaluate(const struct search *s, const struct od_filter *filter,
                               uint64_t *keep)
{
    const struct od_filter_values *bound;
    struct od_filter_value *values = OD_NEW_ARRAY(s->arena, struct od_filter_value, s->value_count);
    size_t count = 0;
    if (!values)
        return od_fail(s->err, OD_NO_MEMORY, NULL);
    for (size_t i = 0; i < s->value_count; i++)
        if (uses(filter, s->values[i].name))
            values[count++] = s->values[i];
    enum od_status status = od_filter_bind(filter, values, count, s->arena, &bound, s->err);
    return status == OD_OK ? od_filter_eval(filter, bound, s->context, s->arena, keep, s->err)
                           : status;
}

/* The rows that a text alone keeps. */
static enum od_status kept_by(const struct search *s, struct od_str text, const uint64_t **out)
{
    struct od_filter *filter;
    uint64_t *keep =
        OD_NEW_ARRAY(s->arena, uint64_t, od_bitmap_words(od_table_row_count(s->context->items)));
    if (!text.ptr || !keep)
        return od_fail(s->err, OD_NO_MEMORY, NULL);
    enum od_status status = od_filter_new(text, s->schemas, 0, &filter, s->err);
    if (status != OD_OK)
        return status;
    status = evaluate(s, filter, keep);
    od_filter_free(filter);
    *out = keep;
    return status;
}

/* The rows that all INCLUDE together keep; NULL: there is none. */
static enum od_status kept_by_includes(const struct search *s, const uint64_t **out)
{
    struct od_buf text;
    od_buf_init(&text, 1u << 20);
    for (size_t i = 0; i < s->clause_count; i++)
        if (s->clauses[i].include) {
            od_buf_puts(&text, text.len ? "|" : "");
            od_buf_str(&text, s->clauses[i].text);
        }
    enum od_status status = od_buf_status(&text);
    *out = NULL;
    if (status == OD_OK && text.len)
        status = kept_by(s, od_buf_view(&text), out);
    else if (status != OD_OK)
        (void)od_fail(s->err, status, NULL);
    od_buf_done(&text);
    return status;
}

/* Of an INCLUDE every condition, of an EXCLUDE every alternative. */
static enum od_status split_conditions(const struct search *s, struct clause *clause)
{
    struct od_lexer lexer = {
        .source = clause->body, .arena = s->arena, .extended = s->schemas->extended};
    size_t most = clause->body.len / 4 + 1; /* a condition takes more */
    if (clause->conditions)
        return OD_OK;
    clause->conditions = OD_NEW_ARRAY(s->arena, struct condition, most);
    if (!clause->conditions)
        return od_fail(s->err, OD_NO_MEMORY, NULL);
    enum od_status status = od_lexer_next(&lexer, s->err);
    while (status == OD_OK && lexer.token.kind != OD_TOKEN_END && clause->condition_count < most) {
        struct condition *one = &clause->conditions[clause->condition_count++];
        size_t from = lexer.token.span.at;
        status = skip_to(&lexer, "OR", clause->include ? "AND" : "OR", s->err);
        one->text = piece(&lexer, from);
        if (status == OD_OK)
            status = kept_by(s,
                             od_arena_printf(s->arena, "INCLUDE %.*s %.*s",
                                             OD_STR_ARG(clause->head), OD_STR_ARG(one->text)),
                             &one->holds);
        if (status == OD_OK && lexer.token.kind != OD_TOKEN_END)
            status = od_lexer_next(&lexer, s->err);
    }
    return status;
}

/* The conditions of an INCLUDE that the row fails; of an EXCLUDE, the alternatives it meets. */
static enum od_status find_conditions(const struct search *s, struct clause *clause, uint32_t row,
                                      struct od_filter_drop *out)
{
    enum od_status status = split_conditions(s, clause);
    if (status != OD_OK)
        return status;
    struct od_str *list = OD_NEW_ARRAY(s->arena, struct od_str, clause->condition_count);
    if (!list)
        return od_fail(s->err, OD_NO_MEMORY, NULL);
    for (size_t i = 0; i < clause->condition_count; i++)
        if (od_bitmap_get(clause->conditions[i].holds, row) != clause->include)
            list[out->condition_count++] = clause->conditions[i].text;
    out->conditions = list;
    return OD_OK;
}

static enum od_status explain_row(const struct search *s, const uint64_t *included, uint32_t row,
                                  struct od_filter_reason *out)
{
    struct od_filter_drop *list = OD_NEW_ARRAY(s->arena, struct od_filter_drop, s->clause_count);
    enum od_status status = list ? OD_OK : od_fail(s->err, OD_NO_MEMORY, NULL);
    size_t count = 0;
    for (size_t i = 0; status == OD_OK && i < s->clause_count; i++) {
        struct clause *clause = &s->clauses[i];
        if (od_bitmap_get(clause->keep, row) ||
            (clause->include && included && od_bitmap_get(included, row)))
            continue;
        list[count].text = clause->text;
        status = find_conditions(s, clause, row, &list[count++]);
    }
    *out = (struct od_filter_reason){list, count};
    return status;
}

enum od_status od_filter_reasons(struct od_str expression, const struct od_filter_schemas *schemas,
                                 const struct od_filter_value *values, size_t value_count,
                                 const struct od_filter_context *context, const uint32_t *rows,
                                 size_t row_count, struct od_arena *arena,
                                 struct od_filter_reason *out, struct od_error *err)
{
    struct search s = {.schemas = schemas,
                       .values = values,
                       .value_count = value_count,
                       .context = context,
                       .arena = arena,
                       .err = err};
    struct od_str text = od_arena_str(arena, expression);
    const uint64_t *included = NULL;
    if (!text.ptr)
        return od_fail(err, OD_NO_MEMORY, NULL);
    enum od_status status = split_clauses(&s, text);
    for (size_t i = 0; status == OD_OK && i < s.clause_count; i++)
        status = kept_by(&s, s.clauses[i].text, &s.clauses[i].keep);
    if (status == OD_OK)
        status = kept_by_includes(&s, &included);
    for (size_t i = 0; status == OD_OK && i < row_count; i++)
        status = explain_row(&s, included, rows[i], &out[i]);
    return status;
}
