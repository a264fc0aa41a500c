/* From a checked tree to flat arrays, and the filter as others see it.
 *
 * A filter is parts (INCLUDE or EXCLUDE expressions), a part is a run of tests and a run of steps
 * that join them, in postfix order: no tree, a stack whose depth is known. Literals are unescaped
 * and converted here, once; parameters wait for bind.c. The arena holds the expression's copy, its
 * tree and the arrays: a few tens of kilobytes at most. */
#include <stdlib.h>

#include "base/limits.h"
#include "filter/compiled.h"

/* The longest expression's tree takes about 100 bytes a character, most of it in operands. */
#define MAX_FILTER_BYTES (1u << 20)

struct compiler {
    struct od_filter *filter;
    const struct od_filter_schemas *schemas;
    struct od_str source; /* lives as long as the filter */
};

static size_t count_conditions(const struct od_ast_condition *cond)
{
    size_t count = 0;
    for (; cond; cond = cond->next)
        count++;
    return count;
}

static bool make_room(struct od_filter *filter, const struct od_ast_part *parts)
{
    size_t part_count = 0, test_count = 0, step_count = 0;
    for (const struct od_ast_part *part = parts; part; part = part->next) {
        part_count++;
        test_count += count_conditions(part->where) + count_conditions(part->only_if);
        for (const struct od_ast_step *step = part->steps; step; step = step->next)
            step_count++;
    }
    filter->steps = OD_NEW_ARRAY(&filter->arena, enum od_filter_step_kind, step_count);
    filter->parts = OD_NEW_ARRAY(&filter->arena, struct od_filter_part, part_count);
    filter->tests = OD_NEW_ARRAY(&filter->arena, struct od_filter_test, test_count);
    filter->params = OD_NEW_ARRAY(&filter->arena, struct od_str, OD_MAX_FILTER_VALUES);
    return filter->parts && filter->tests && filter->steps && filter->params;
}

static size_t param_place(struct od_filter *filter, struct od_str name)
{
    for (size_t i = 0; i < filter->param_count; i++) {
        if (od_str_eq(filter->params[i], name))
            return i;
    }
    filter->params[filter->param_count] = name;
    return filter->param_count++;
}

static bool add_literals(struct od_filter *filter, const struct od_ast_operand *operands,
                         struct od_filter_test *test)
{
    size_t count = 0;
    for (const struct od_ast_operand *o = operands; o; o = o->next)
        count++;
    struct od_filter_set set = {.count = count};
    struct od_filter_number *numbers = NULL;
    struct od_str *texts = NULL;
    if (od_filter_is_kept_as_number(test->type))
        set.numbers = numbers = OD_NEW_ARRAY(&filter->arena, struct od_filter_number, count);
    else
        set.texts = texts = OD_NEW_ARRAY(&filter->arena, struct od_str, count);
    if (!numbers && !texts)
        return false;
    count = 0;
    for (const struct od_ast_operand *o = operands; o; o = o->next, count++) {
        set.any |= o->kind == OD_OPERAND_STAR || (texts && od_str_eq_c(o->text, "*"));
        if (texts)
            texts[count] = o->text;
        else if (!od_filter_read(test->type, o->text, &numbers[count]))
            return false; /* the checker has read it before */
    }
    test->literals = set;
    return true;
}

static bool add_test(struct compiler *c, const struct od_ast_condition *cond)
{
    struct od_filter *filter = c->filter;
    struct od_filter_test *test = &filter->tests[filter->test_count++];
    const struct od_field *field = &c->schemas->by_type[cond->dataset]->fields[cond->field];
    *test = (struct od_filter_test){
        .current_user = cond->current_user,
        .text = od_str_sub(c->source, cond->span.at, cond->span.len),
        .dataset = cond->dataset,
        .column = cond->field,
        .type = field->type,
        .name = od_arena_str(&filter->arena, field->name),
        .op = cond->op == OD_OP_NE       ? OD_OP_EQ
              : cond->op == OD_OP_NOT_IN ? OD_OP_IN
                                         : cond->op,
        .negated = cond->op == OD_OP_NE || cond->op == OD_OP_NOT_IN,
        .window = cond->window,
        .window_s = cond->window_s,
    };
    if (!test->name.ptr)
        return false;
    const struct od_ast_operand *first = cond->operands;
    if (first->kind == OD_OPERAND_PARAM) {
        test->source = OD_FROM_PARAM;
        test->param = param_place(filter, first->text);
        return true;
    }
    if (first->kind == OD_OPERAND_ITEM) {
        test->source = OD_FROM_CURRENT_ITEM;
        test->item_column = first->item_field;
        return true;
    }
    if (first->kind == OD_OPERAND_NOW) {
        test->source = OD_FROM_NOW;
        test->offset_s = first->offset_s;
        return true;
    }
    return add_literals(filter, first, test);
}

static void add_steps(struct od_filter *filter, const struct od_ast_step *step,
                      struct od_filter_part *part)
{
    size_t waiting = 0;
    part->steps = filter->step_count;
    for (; step; step = step->next) {
        filter->steps[filter->step_count++] = step->kind;
        if (step->kind == OD_STEP_TEST)
            waiting++;
        else if (step->kind != OD_STEP_NOT)
            waiting--;
        filter->depth = waiting > filter->depth ? waiting : filter->depth;
    }
    part->step_count = filter->step_count - part->steps;
}

static bool add_tests(struct compiler *c, const struct od_ast_condition *cond, size_t *out_at,
                      size_t *out_count)
{
    *out_at = c->filter->test_count;
    for (; cond; cond = cond->next) {
        if (!add_test(c, cond))
            return false;
    }
    *out_count = c->filter->test_count - *out_at;
    return true;
}

static bool compile(struct od_filter *filter, struct od_str source, const struct od_ast_part *ast,
                    const struct od_filter_schemas *schemas)
{
    struct compiler c = {filter, schemas, source};
    if (!make_room(filter, ast))
        return false;
    filter->target = ast->target;
    for (; ast; ast = ast->next) {
        struct od_filter_part *part = &filter->parts[filter->part_count++];
        part->include = ast->include;
        part->text = od_str_sub(source, ast->span.at, ast->span.len);
        add_steps(filter, ast->steps, part);
        if (!add_tests(&c, ast->where, &part->where, &part->where_count) ||
            !add_tests(&c, ast->only_if, &part->only_if, &part->only_if_count))
            return false;
    }
    return true;
}

static enum od_status build(struct od_filter *filter, struct od_str expression, bool attributes,
                            const struct od_filter_schemas *schemas, size_t max_fields,
                            struct od_error *err)
{
    struct od_str source = od_arena_str(&filter->arena, expression);
    struct od_ast_part *ast = NULL;
    if (!source.ptr)
        return od_fail(err, OD_NO_MEMORY, NULL);
    enum od_status status =
        attributes ? od_filter_parse_conditions(source, &filter->arena, &ast, err)
                   : od_filter_parse(source, schemas->extended, &filter->arena, &ast, err);
    if (status == OD_OK && attributes)
        status = od_filter_check_attributes(source, ast, err);
    if (status == OD_OK)
        status = od_filter_check(source, ast, schemas, max_fields, err);
    if (status == OD_OK && !compile(filter, source, ast, schemas))
        status = od_fail(err, OD_NO_MEMORY, NULL);
    return status;
}

static enum od_status new_filter(struct od_str expression, bool attributes,
                                 const struct od_filter_schemas *schemas, size_t max_fields,
                                 struct od_filter **out, struct od_error *err)
{
    size_t bad = expression.ptr ? od_utf8_check(expression) : 0;
    size_t chars = expression.ptr ? od_utf8_count(expression) : 0;
    if (expression.ptr && bad < expression.len) {
        enum od_status status = od_fail(
            err, OD_INVALID_INPUT,
            "Could not create filter. The expression is not valid UTF-8 at byte %zu.", bad + 1);
        if (err)
            err->column = bad < UINT32_MAX ? (uint32_t)bad + 1 : UINT32_MAX;
        return status;
    }
    if (chars == 0 || chars > OD_MAX_FILTER_CHARS)
        return od_fail(err, OD_INVALID_INPUT,
                       "Could not create filter. The expression has %zu characters; 1 to %u are "
                       "allowed.",
                       chars, OD_MAX_FILTER_CHARS);
    struct od_filter *filter = calloc(1, sizeof *filter);
    if (!filter)
        return od_fail(err, OD_NO_MEMORY, NULL);
    od_arena_init(&filter->arena, MAX_FILTER_BYTES);
    enum od_status status = build(filter, expression, attributes, schemas, max_fields, err);
    if (status == OD_OK)
        *out = filter;
    else
        od_filter_free(filter);
    return status;
}

enum od_status od_filter_new(struct od_str expression, const struct od_filter_schemas *schemas,
                             size_t max_fields, struct od_filter **out, struct od_error *err)
{
    return new_filter(expression, false, schemas, max_fields, out, err);
}

enum od_status od_filter_new_attributes(struct od_str text, const struct od_filter_schemas *schemas,
                                        size_t max_fields, struct od_filter **out,
                                        struct od_error *err)
{
    static const char said[] = "Could not create filter. ";
    struct od_error why;
    enum od_status status = new_filter(text, true, schemas, max_fields, out, &why);
    if (status != OD_INVALID_INPUT)
        return status == OD_OK ? OD_OK : od_error_copy(err, &why);
    struct od_str reason = od_str_c(why.message);
    if (od_str_starts(reason, od_str_c(said)))
        reason = od_str_sub(reason, sizeof said - 1, reason.len);
    return od_fail(err, OD_INVALID_INPUT, "Invalid itemAttributes. %.*s", OD_STR_ARG(reason));
}

void od_filter_free(struct od_filter *filter)
{
    if (!filter)
        return;
    od_arena_done(&filter->arena);
    free(filter);
}

/* --- what a filter asks for --- */

enum od_filter_target od_filter_target(const struct od_filter *filter)
{
    return filter->target;
}

bool od_filter_uses_current_item(const struct od_filter *filter)
{
    for (size_t i = 0; i < filter->test_count; i++) {
        if (filter->tests[i].source == OD_FROM_CURRENT_ITEM)
            return true;
    }
    return false;
}

bool od_filter_uses_current_user(const struct od_filter *filter)
{
    for (size_t i = 0; i < filter->test_count; i++) {
        if (filter->tests[i].current_user)
            return true;
    }
    return false;
}

bool od_filter_uses_interactions(const struct od_filter *filter)
{
    for (size_t i = 0; i < filter->test_count; i++) {
        enum od_dataset_type dataset = filter->tests[i].dataset;
        if (dataset == OD_INTERACTIONS || dataset == OD_ACTION_INTERACTIONS)
            return true;
    }
    return false;
}

bool od_filter_uses_now(const struct od_filter *filter)
{
    for (size_t i = 0; i < filter->test_count; i++) {
        if (filter->tests[i].source == OD_FROM_NOW || filter->tests[i].window == OD_WINDOW_SPAN)
            return true;
    }
    return false;
}

size_t od_filter_param_count(const struct od_filter *filter)
{
    return filter->param_count;
}

struct od_str od_filter_param_name(const struct od_filter *filter, size_t index)
{
    return filter->params[index];
}
