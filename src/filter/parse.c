/* The parser: recursive descent over the grammar of serving.md section 6, one function a rule. It
 * knows words and order, not schemas: names are checked in check.c. Brackets around a scalar are a
 * counted loop; brackets around conditions recurse, to a bounded depth.
 *
 * What is not in AWS's language (docs/filters.md, Beyond AWS) is parsed only when asked for, so
 * that otherwise the message is that of a language without it. */
#include "filter/ast.h"

#include "base/limits.h"

struct parser {
    struct od_lexer lexer;
    struct od_arena *arena;
    struct od_error *err;
    size_t end;                         /* of the last token taken */
    struct od_ast_condition **cond_end; /* of the WHERE being parsed: where the next goes */
    struct od_ast_step **step_end;
};

static const struct od_token *current(const struct parser *p)
{
    return &p->lexer.token;
}

static enum od_status next(struct parser *p)
{
    p->end = current(p)->span.at + current(p)->span.len;
    return od_lexer_next(&p->lexer, p->err);
}

static bool at_word(const struct parser *p, const char *word)
{
    return current(p)->kind == OD_TOKEN_WORD && od_str_eq_nocase(current(p)->text, od_str_c(word));
}

static enum od_status expected(const struct parser *p, const char *what)
{
    bool end = current(p)->kind == OD_TOKEN_END;
    return od_filter_fault(p->lexer.source, current(p)->span, p->err,
                           OD_BAD_EXPRESSION "%s is expected%s.", what,
                           end ? ", but the expression ends" : " here");
}

/* Takes the current token, which must be of the kind. */
static enum od_status take(struct parser *p, enum od_token_kind kind, const char *what,
                           struct od_token *out)
{
    if (current(p)->kind != kind)
        return expected(p, what);
    if (out)
        *out = *current(p);
    return next(p);
}

/* --- operands --- */

static enum od_status new_operand(struct parser *p, enum od_operand_kind kind,
                                  struct od_ast_operand **out)
{
    struct od_ast_operand *operand = OD_NEW(p->arena, struct od_ast_operand);
    if (!operand)
        return od_fail(p->err, OD_NO_MEMORY, NULL);
    *operand =
        (struct od_ast_operand){.kind = kind, .text = current(p)->text, .span = current(p)->span};
    *out = operand;
    return next(p);
}

/* --- spans of time --- */

/* The unit that the current token names, in seconds; 0: it names none. */
static int64_t unit_of(const struct parser *p)
{
    static const struct {
        const char *one, *many;
        int64_t seconds;
    } units[] = {{"SECOND", "SECONDS", 1},
                 {"MINUTE", "MINUTES", 60},
                 {"HOUR", "HOURS", 3600},
                 {"DAY", "DAYS", 86400},
                 {"WEEK", "WEEKS", 604800}};
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (at_word(p, units[i].one) || at_word(p, units[i].many))
            return units[i].seconds;
    }
    return 0;
}

/* 30 DAYS, the current token being the number, which may have a sign. */
static enum od_status parse_duration(struct parser *p, int64_t *out)
{
    int64_t count;
    if (current(p)->kind != OD_TOKEN_NUMBER || !od_str_to_i64(current(p)->text, &count) ||
        count < -OD_MAX_FILTER_SPAN || count > OD_MAX_FILTER_SPAN)
        return expected(p, "a whole number up to 1000000000, such as 30 in 30 DAYS,");
    enum od_status status = next(p);
    if (status != OD_OK)
        return status;
    int64_t unit = unit_of(p);
    if (!unit)
        return expected(p, "SECONDS, MINUTES, HOURS, DAYS or WEEKS");
    *out = count * unit;
    return next(p);
}

/* What follows $NOW, if it is the clock: + or - and a duration. Alone, $NOW is a parameter of that
 * name, as on AWS. */
static enum od_status parse_now(struct parser *p, struct od_ast_operand *operand)
{
    struct od_filter_span span = current(p)->span;
    bool sign = current(p)->kind == OD_TOKEN_SIGN;
    char first = span.len ? p->lexer.source.ptr[span.at] : '\0';
    bool number = current(p)->kind == OD_TOKEN_NUMBER && (first == '+' || first == '-');
    if (!sign && !number)
        return OD_OK;
    enum od_status status = sign ? next(p) : OD_OK;
    char second = current(p)->span.len ? p->lexer.source.ptr[current(p)->span.at] : '\0';
    if (status == OD_OK && sign && (second == '+' || second == '-'))
        return expected(p, "a whole number without a sign");
    if (status == OD_OK)
        status = parse_duration(p, &operand->offset_s);
    if (status != OD_OK)
        return status;
    operand->kind = OD_OPERAND_NOW;
    if (sign && first == '-')
        operand->offset_s = -operand->offset_s;
    return OD_OK;
}

/* WITHIN 30 DAYS or WITHIN ALL, the current token being WITHIN. */
static enum od_status parse_window(struct parser *p, struct od_ast_condition *cond)
{
    cond->window_span = current(p)->span;
    enum od_status status = next(p);
    if (status != OD_OK)
        return status;
    if (at_word(p, "ALL")) {
        cond->window = OD_WINDOW_ALL;
        return next(p);
    }
    struct od_filter_span number = current(p)->span;
    cond->window = OD_WINDOW_SPAN;
    status = parse_duration(p, &cond->window_s);
    if (status == OD_OK && cond->window_s <= 0)
        return od_filter_fault(p->lexer.source, number, p->err,
                               OD_BAD_EXPRESSION "the time after WITHIN is more than 0.");
    return status;
}

/* CurrentItem.name, the current token being CurrentItem. */
static enum od_status parse_current_item(struct parser *p, struct od_ast_operand **out)
{
    struct od_ast_operand *operand;
    struct od_token name;
    enum od_status status = new_operand(p, OD_OPERAND_ITEM, &operand);
    if (status == OD_OK)
        status = take(p, OD_TOKEN_DOT, "'.' and a field of Items", NULL);
    if (status == OD_OK)
        status = take(p, OD_TOKEN_WORD, "a field of Items", &name);
    if (status != OD_OK)
        return status;
    operand->text = name.text;
    operand->span.len = name.span.at + name.span.len - operand->span.at;
    *out = operand;
    return OD_OK;
}

static enum od_status parse_param(struct parser *p, struct od_ast_operand **out)
{
    bool now = p->lexer.extended && od_str_eq_c(current(p)->text, "NOW");
    enum od_status status = new_operand(p, OD_OPERAND_PARAM, out);
    return status == OD_OK && now ? parse_now(p, *out) : status;
}

static enum od_status parse_operand(struct parser *p, const char *what, struct od_ast_operand **out)
{
    switch (current(p)->kind) {
    case OD_TOKEN_TEXT:
        return new_operand(p, OD_OPERAND_TEXT, out);
    case OD_TOKEN_NUMBER:
        return new_operand(p, OD_OPERAND_NUMBER, out);
    case OD_TOKEN_PARAM:
        return parse_param(p, out);
    case OD_TOKEN_STAR:
        return new_operand(p, OD_OPERAND_STAR, out);
    case OD_TOKEN_WORD:
        return at_word(p, "CurrentItem") ? parse_current_item(p, out)
                                         : new_operand(p, OD_OPERAND_WORD, out);
    default:
        return expected(p, what);
    }
}

static enum od_status parse_scalar(struct parser *p, struct od_ast_operand **out)
{
    size_t depth = 0;
    enum od_status status = OD_OK;
    for (; current(p)->kind == OD_TOKEN_OPEN && status == OD_OK; depth++) {
        if (depth == OD_MAX_FILTER_DEPTH)
            return od_filter_fault(p->lexer.source, current(p)->span, p->err,
                                   OD_BAD_EXPRESSION "brackets nest at most %u deep.",
                                   OD_MAX_FILTER_DEPTH);
        status = next(p);
    }
    if (status == OD_OK)
        status = parse_operand(p, "a value, a $PARAMETER or CurrentItem.FIELD", out);
    for (; depth > 0 && status == OD_OK; depth--)
        status = take(p, OD_TOKEN_CLOSE, "')'", NULL);
    return status;
}

static enum od_status parse_list(struct parser *p, struct od_ast_operand **out)
{
    enum od_status status = take(p, OD_TOKEN_OPEN, "'(' or CurrentItem.FIELD", NULL);
    for (bool more = true; more && status == OD_OK;) {
        status = parse_operand(p, "a value or a $PARAMETER", out);
        more = status == OD_OK && current(p)->kind == OD_TOKEN_COMMA;
        if (more) {
            out = &(*out)->next;
            status = next(p);
        }
    }
    return status == OD_OK ? take(p, OD_TOKEN_CLOSE, "',' or ')'", NULL) : status;
}

/* --- conditions --- */

static enum od_status parse_dataset(struct parser *p, bool only_if, struct od_ast_condition *cond)
{
    static const struct {
        const char *name;
        enum od_dataset_type type;
    } datasets[] = {{"Interactions", OD_INTERACTIONS},
                    {"Items", OD_ITEMS},
                    {"Users", OD_USERS},
                    {"Actions", OD_ACTIONS},
                    {"Action_Interactions", OD_ACTION_INTERACTIONS},
                    {"ActionInteractions", OD_ACTION_INTERACTIONS}};
    const struct od_token token = *current(p);
    cond->dataset_span = token.span;
    cond->current_user = at_word(p, "CurrentUser");
    cond->dataset = OD_USERS;
    bool known = (only_if || p->lexer.extended) && cond->current_user;
    for (size_t i = 0; i < sizeof datasets / sizeof datasets[0] && !only_if; i++) {
        if (!at_word(p, datasets[i].name))
            continue;
        cond->dataset = datasets[i].type;
        known = true;
    }
    if (known)
        return next(p);
    if (token.kind != OD_TOKEN_WORD || only_if)
        return expected(p,
                        only_if ? "a condition on CurrentUser" : "a condition, such as Items.X,");
    return od_filter_fault(p->lexer.source, token.span, p->err,
                           cond->current_user ? OD_BAD_EXPRESSION
                               "conditions on CurrentUser come after IF."
                                              : OD_BAD_EXPRESSION
                               "%.*s is no dataset; Interactions, Items, Users, Actions and "
                               "Action_Interactions are.",
                           OD_STR_ARG(token.text));
}

static enum od_status parse_op(struct parser *p, struct od_ast_condition *cond)
{
    cond->op_span = current(p)->span;
    if (current(p)->kind == OD_TOKEN_OP) {
        cond->op = current(p)->op;
        return next(p);
    }
    bool negated = at_word(p, "NOT");
    enum od_status status = negated ? next(p) : OD_OK;
    if (status != OD_OK)
        return status;
    if (!at_word(p, "IN"))
        return expected(p, negated ? "IN" : "IN, NOT IN, =, !=, <, <=, > or >=");
    cond->op = negated ? OD_OP_NOT_IN : OD_OP_IN;
    cond->op_span.len = current(p)->span.at + current(p)->span.len - cond->op_span.at;
    return next(p);
}

static enum od_status parse_condition(struct parser *p, bool only_if, struct od_ast_condition **out)
{
    struct od_ast_condition *cond = OD_NEW(p->arena, struct od_ast_condition);
    struct od_token name;
    if (!cond)
        return od_fail(p->err, OD_NO_MEMORY, NULL);
    enum od_status status = parse_dataset(p, only_if, cond);
    if (status == OD_OK)
        status = take(p, OD_TOKEN_DOT, "'.' and a field", NULL);
    if (status == OD_OK)
        status = take(p, OD_TOKEN_WORD, "a field", &name);
    if (status != OD_OK)
        return status;
    cond->field_name = name.text;
    cond->field_span = (struct od_filter_span){cond->dataset_span.at, name.span.at + name.span.len -
                                                                          cond->dataset_span.at};
    status = parse_op(p, cond);
    if (status != OD_OK)
        return status;
    bool list = cond->op == OD_OP_IN || cond->op == OD_OP_NOT_IN;
    *out = cond;
    status = list && !at_word(p, "CurrentItem") ? parse_list(p, &cond->operands)
                                                : parse_scalar(p, &cond->operands);
    if (status == OD_OK && p->lexer.extended && at_word(p, "WITHIN"))
        status = parse_window(p, cond);
    cond->span = (struct od_filter_span){cond->dataset_span.at, p->end - cond->dataset_span.at};
    return status;
}

/* --- how conditions are joined --- */

static enum od_status add_step(struct parser *p, enum od_filter_step_kind kind,
                               struct od_filter_span span)
{
    struct od_ast_step *step = OD_NEW(p->arena, struct od_ast_step);
    if (!step)
        return od_fail(p->err, OD_NO_MEMORY, NULL);
    *step = (struct od_ast_step){.kind = kind, .span = span};
    *p->step_end = step;
    p->step_end = &step->next;
    return OD_OK;
}

static enum od_status parse_any(struct parser *p, unsigned depth);

/* A condition or conditions in brackets, NOT any number of times before it. */
static enum od_status parse_one(struct parser *p, unsigned depth)
{
    struct od_filter_span not_span = {0, 0};
    bool negated = false;
    enum od_status status = OD_OK;
    while (status == OD_OK && p->lexer.extended && at_word(p, "NOT")) {
        not_span = current(p)->span;
        negated = !negated;
        status = next(p);
    }
    if (status != OD_OK)
        return status;
    if (p->lexer.extended && current(p)->kind == OD_TOKEN_OPEN) {
        if (depth == OD_MAX_FILTER_BRACKETS)
            return od_filter_fault(p->lexer.source, current(p)->span, p->err,
                                   OD_BAD_EXPRESSION
                                   "brackets around conditions nest at most %u deep.",
                                   OD_MAX_FILTER_BRACKETS);
        status = next(p);
        if (status == OD_OK)
            status = parse_any(p, depth + 1);
        if (status == OD_OK)
            status = take(p, OD_TOKEN_CLOSE, "AND, OR or ')'", NULL);
    } else {
        status = parse_condition(p, false, p->cond_end);
        if (status == OD_OK) {
            p->cond_end = &(*p->cond_end)->next;
            status = add_step(p, OD_STEP_TEST, not_span);
        }
    }
    return status == OD_OK && negated ? add_step(p, OD_STEP_NOT, not_span) : status;
}

static enum od_status parse_all(struct parser *p, unsigned depth)
{
    enum od_status status = parse_one(p, depth);
    while (status == OD_OK && at_word(p, "AND")) {
        struct od_filter_span span = current(p)->span;
        status = next(p);
        if (status == OD_OK)
            status = parse_one(p, depth);
        if (status == OD_OK)
            status = add_step(p, OD_STEP_AND, span);
    }
    return status;
}

static enum od_status parse_any(struct parser *p, unsigned depth)
{
    enum od_status status = parse_all(p, depth);
    while (status == OD_OK && at_word(p, "OR")) {
        struct od_filter_span span = current(p)->span;
        status = next(p);
        if (status == OD_OK)
            status = parse_all(p, depth);
        if (status == OD_OK)
            status = add_step(p, OD_STEP_OR, span);
    }
    return status;
}

static enum od_status parse_where(struct parser *p, struct od_ast_part *part)
{
    p->cond_end = &part->where;
    p->step_end = &part->steps;
    return parse_any(p, 0);
}

static enum od_status parse_only_if(struct parser *p, struct od_ast_condition **out)
{
    for (;;) {
        enum od_status status = next(p); /* IF or AND */
        if (status == OD_OK)
            status = parse_condition(p, true, out);
        if (status != OD_OK)
            return status;
        if (at_word(p, "OR"))
            return od_filter_fault(p->lexer.source, current(p)->span, p->err,
                                   OD_BAD_EXPRESSION "conditions after IF are joined by AND only.");
        if (at_word(p, "IF"))
            return od_filter_fault(p->lexer.source, current(p)->span, p->err,
                                   OD_BAD_EXPRESSION
                                   "IF stands once, at the end; join its conditions by AND.");
        if (!at_word(p, "AND"))
            return OD_OK;
        out = &(*out)->next;
    }
}

/* --- expressions --- */

static enum od_status parse_head(struct parser *p, struct od_ast_part *part)
{
    static const struct {
        const char *name;
        enum od_filter_target target;
    } targets[] = {
        {"ItemID", OD_TARGET_ITEM}, {"UserID", OD_TARGET_USER}, {"ActionID", OD_TARGET_ACTION}};
    part->include = at_word(p, "INCLUDE");
    if (!part->include && !at_word(p, "EXCLUDE"))
        return expected(p, "INCLUDE or EXCLUDE");
    enum od_status status = next(p);
    if (status != OD_OK)
        return status;
    bool known = false;
    part->target_span = current(p)->span;
    for (size_t i = 0; i < sizeof targets / sizeof targets[0]; i++) {
        if (at_word(p, targets[i].name)) {
            part->target = targets[i].target;
            known = true;
        }
    }
    if (!known)
        return expected(p, "ItemID, UserID or ActionID");
    status = next(p);
    if (status != OD_OK)
        return status;
    return at_word(p, "WHERE") ? next(p) : expected(p, "WHERE");
}

static enum od_status parse_part(struct parser *p, struct od_ast_part **out)
{
    struct od_ast_part *part = OD_NEW(p->arena, struct od_ast_part);
    if (!part)
        return od_fail(p->err, OD_NO_MEMORY, NULL);
    *out = part;
    size_t at = current(p)->span.at;
    enum od_status status = parse_head(p, part);
    if (status == OD_OK)
        status = parse_where(p, part);
    if (status == OD_OK && at_word(p, "IF"))
        status = parse_only_if(p, &part->only_if);
    part->span = (struct od_filter_span){at, p->end - at};
    return status;
}

enum od_status od_filter_parse(struct od_str source, bool extended, struct od_arena *arena,
                               struct od_ast_part **out, struct od_error *err)
{
    struct parser p = {.lexer = {.source = source, .arena = arena, .extended = extended},
                       .arena = arena,
                       .err = err};
    struct od_ast_part *first = NULL, **at = &first;
    enum od_status status;
    do {
        status = next(&p);
        if (status == OD_OK)
            status = parse_part(&p, at);
        if (status != OD_OK)
            return status;
        at = &(*at)->next;
    } while (current(&p)->kind == OD_TOKEN_BAR);
    if (current(&p)->kind != OD_TOKEN_END)
        return expected(&p, "AND, OR, IF, '|' or the end of the expression");
    *out = first;
    return OD_OK;
}

enum od_status od_filter_parse_conditions(struct od_str source, struct od_arena *arena,
                                          struct od_ast_part **out, struct od_error *err)
{
    struct parser p = {.lexer = {.source = source, .arena = arena}, .arena = arena, .err = err};
    struct od_ast_part *part = OD_NEW(arena, struct od_ast_part);
    if (!part)
        return od_fail(err, OD_NO_MEMORY, NULL);
    *part = (struct od_ast_part){.include = true, .target = OD_TARGET_ITEM};
    enum od_status status = next(&p);
    if (status == OD_OK)
        status = parse_where(&p, part);
    if (status != OD_OK)
        return status;
    if (current(&p)->kind != OD_TOKEN_END)
        return expected(&p, "AND or the end of the expression");
    *out = part;
    return OD_OK;
}
