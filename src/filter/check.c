/* The checker: what an expression may say about the datasets it is for (serving.md sections 6 and
 * 10). It reads the tree in the order of the text and reports the first fault; for each condition
 * first the field (does it exist, may it be filtered by), then the values against its type. */
#include "filter/ast.h"

#include <assert.h>

#include "base/limits.h"
#include "filter/number.h"

/* A distinct field takes at least the 11 characters of Items.X="" with a joining word. */
#define MAX_FIELDS (OD_MAX_FILTER_CHARS / 8)

struct checker {
    struct od_str source;
    const struct od_filter_schemas *schemas;
    size_t max_fields;
    struct od_error *err;
    struct {
        enum od_dataset_type dataset;
        size_t field;
    } fields[MAX_FIELDS];
    size_t field_count;
    struct od_str params[OD_MAX_FILTER_VALUES];
    size_t param_count;
};

#define FAULT(c, span, ...)                                                                        \
    od_filter_fault((c)->source, (span), (c)->err, OD_BAD_EXPRESSION __VA_ARGS__)

static const char *shown_name(enum od_dataset_type type)
{
    static const char *const names[OD_DATASET_TYPES] = {"Interactions", "Items", "Users", "Actions",
                                                        "Action_Interactions"};
    return names[type];
}

/* --- fields --- */

static enum od_status count_field(struct checker *c, struct od_filter_span span,
                                  enum od_dataset_type dataset, size_t field)
{
    for (size_t i = 0; i < c->field_count; i++) {
        if (c->fields[i].dataset == dataset && c->fields[i].field == field)
            return OD_OK;
    }
    if (c->max_fields && c->field_count == c->max_fields)
        return FAULT(c, span, "a filter names at most %zu different fields.", c->max_fields);
    assert(c->field_count < MAX_FIELDS);
    c->fields[c->field_count].dataset = dataset;
    c->fields[c->field_count++].field = field;
    return OD_OK;
}

static bool never_filterable(enum od_dataset_type dataset, struct od_str name)
{
    return dataset == OD_ACTIONS &&
           (od_str_eq_nocase(name, OD_STR("EXPIRATION_TIMESTAMP")) ||
            od_str_eq_nocase(name, OD_STR("ACTION_EXPIRATION_TIMESTAMP")) ||
            od_str_eq_nocase(name, OD_STR("REPEAT_FREQUENCY")));
}

static enum od_status check_field(struct checker *c, struct od_filter_span span,
                                  enum od_dataset_type dataset, struct od_str name,
                                  size_t *out_field)
{
    const struct od_schema *schema = c->schemas->by_type[dataset];
    bool events = dataset == OD_INTERACTIONS || dataset == OD_ACTION_INTERACTIONS;
    if (events && !od_str_eq_nocase(name, OD_STR("EVENT_TYPE")))
        return FAULT(c, span, "of %s only EVENT_TYPE can be filtered by, not %.*s%s.",
                     shown_name(dataset), OD_STR_ARG(name),
                     !c->schemas->extended ? ""
                     : od_str_eq_nocase(name, OD_STR("TIMESTAMP"))
                         ? "; put WITHIN 30 DAYS after the condition on EVENT_TYPE"
                         : "; live histories keep no other column");
    if (!schema)
        return FAULT(c, span, "the dataset group has no %s dataset.", shown_name(dataset));
    size_t field = od_schema_find(schema, name);
    if (field == SIZE_MAX)
        field = od_schema_find_nocase(schema, name);
    if (field == SIZE_MAX)
        return FAULT(c, span, "the schema of %s has no field %.*s.", shown_name(dataset),
                     OD_STR_ARG(name));
    const struct od_field *found = &schema->fields[field];
    if (found->type == OD_FIELD_BOOLEAN && !c->schemas->extended)
        return FAULT(c, span, "%s.%.*s is boolean; boolean fields cannot be filtered by.",
                     shown_name(dataset), OD_STR_ARG(found->name));
    if (found->textual)
        return FAULT(c, span, "%s.%.*s is textual; textual fields cannot be filtered by.",
                     shown_name(dataset), OD_STR_ARG(found->name));
    if (events && found->type != OD_FIELD_STRING)
        return FAULT(c, span, "%s.EVENT_TYPE must be a string.", shown_name(dataset));
    if (never_filterable(dataset, found->name))
        return FAULT(c, span, "Actions.%.*s cannot be filtered by.", OD_STR_ARG(found->name));
    *out_field = field;
    return count_field(c, span, dataset, field);
}

/* --- values --- */

static const struct od_field *field_of(const struct checker *c, const struct od_ast_condition *cond)
{
    return &c->schemas->by_type[cond->dataset]->fields[cond->field];
}

static enum od_status check_param(struct checker *c, const struct od_ast_condition *cond,
                                  const struct od_ast_operand *operand)
{
    if (cond->op == OD_OP_NOT_IN && !c->schemas->extended)
        return od_filter_fault(c->source, operand->span, c->err,
                               "Invalid input symbol: $%.*s. Placeholders are not allowed with "
                               "NOT_IN operator.",
                               OD_STR_ARG(operand->text));
    if (operand != cond->operands || operand->next)
        return FAULT(c, operand->span,
                     "a list is either one $PARAMETER or values; give the parameter several values "
                     "instead.");
    for (size_t i = 0; i < c->param_count; i++) {
        if (od_str_eq(c->params[i], operand->text))
            return OD_OK;
    }
    if (c->param_count == OD_MAX_FILTER_VALUES)
        return FAULT(c, operand->span, "a filter has at most %u parameters.", OD_MAX_FILTER_VALUES);
    c->params[c->param_count++] = operand->text;
    return OD_OK;
}

static enum od_status check_star(const struct checker *c, const struct od_ast_condition *cond,
                                 const struct od_ast_operand *operand)
{
    bool events = cond->dataset == OD_INTERACTIONS || cond->dataset == OD_ACTION_INTERACTIONS;
    if (!events)
        return FAULT(c, operand->span, "* stands for any event type, not for values of a field.");
    if ((cond->op != OD_OP_IN && cond->op != OD_OP_NOT_IN) || cond->operands->next)
        return FAULT(c, operand->span, "* stands alone in the list of IN or NOT IN.");
    return OD_OK;
}

static enum od_status check_current_item(struct checker *c, const struct od_ast_condition *cond,
                                         struct od_ast_operand *operand)
{
    if (cond->dataset != OD_ITEMS)
        return FAULT(c, operand->span, "CurrentItem can only be compared with fields of Items.");
    if (operand != cond->operands || operand->next)
        return FAULT(c, operand->span, "CurrentItem.FIELD takes the place of the whole list.");
    enum od_status status =
        check_field(c, operand->span, OD_ITEMS, operand->text, &operand->item_field);
    if (status != OD_OK)
        return status;
    const struct od_field *field = field_of(c, cond);
    const struct od_field *other = &c->schemas->by_type[OD_ITEMS]->fields[operand->item_field];
    if (!od_filter_comparable(field->type, other->type) &&
        (field->type == OD_FIELD_BOOLEAN || other->type == OD_FIELD_BOOLEAN))
        return FAULT(c, operand->span, "%.*s and %.*s cannot be compared: only one is boolean.",
                     OD_STR_ARG(field->name), OD_STR_ARG(other->name));
    if (!od_filter_comparable(field->type, other->type))
        return FAULT(c, operand->span,
                     "%.*s and %.*s cannot be compared: one is text, one numeric.",
                     OD_STR_ARG(field->name), OD_STR_ARG(other->name));
    return OD_OK;
}

static enum od_status check_now(const struct checker *c, const struct od_ast_condition *cond,
                                const struct od_ast_operand *operand)
{
    const struct od_field *field = field_of(c, cond);
    if (!od_filter_is_number(field->type))
        return FAULT(c, operand->span,
                     "%.*s is not numeric and cannot be compared with a time; $NOW stands for "
                     "seconds since 1970.",
                     OD_STR_ARG(field->name));
    if (cond->op == OD_OP_IN || cond->op == OD_OP_NOT_IN)
        return FAULT(c, operand->span, "$NOW is compared by =, !=, <, <=, > or >=, not by a list.");
    return OD_OK;
}

static enum od_status check_literal(const struct checker *c, const struct od_ast_condition *cond,
                                    const struct od_ast_operand *operand)
{
    const struct od_field *field = field_of(c, cond);
    struct od_filter_number number;
    if (field->type == OD_FIELD_BOOLEAN)
        return od_filter_read(field->type, operand->text, &number)
                   ? OD_OK
                   : FAULT(c, operand->span, "%.*s is boolean; write true or false.",
                           OD_STR_ARG(field->name));
    bool numeric = od_filter_is_number(field->type);
    if (operand->kind == OD_OPERAND_WORD)
        return FAULT(
            c, operand->span, "%.*s is no value; write \"%.*s\", or $%.*s for a parameter.",
            OD_STR_ARG(operand->text), OD_STR_ARG(operand->text), OD_STR_ARG(operand->text));
    if (operand->kind == OD_OPERAND_TEXT && od_str_eq_c(operand->text, "*"))
        return check_star(c, cond, operand);
    if (numeric && !od_filter_number(operand->text, &number))
        return FAULT(c, operand->span, "%.*s is numeric and cannot be compared with text.",
                     OD_STR_ARG(field->name));
    if (!numeric && operand->kind == OD_OPERAND_NUMBER)
        return FAULT(c, operand->span,
                     "%.*s is text and cannot be compared with a number; write "
                     "\"%.*s\" for the text.",
                     OD_STR_ARG(field->name), OD_STR_ARG(operand->text));
    return OD_OK;
}

static enum od_status check_operand(struct checker *c, const struct od_ast_condition *cond,
                                    struct od_ast_operand *operand)
{
    switch (operand->kind) {
    case OD_OPERAND_PARAM:
        return check_param(c, cond, operand);
    case OD_OPERAND_STAR:
        return check_star(c, cond, operand);
    case OD_OPERAND_ITEM:
        return check_current_item(c, cond, operand);
    case OD_OPERAND_NOW:
        return check_now(c, cond, operand);
    case OD_OPERAND_TEXT:
    case OD_OPERAND_NUMBER:
    case OD_OPERAND_WORD:
        break;
    }
    return check_literal(c, cond, operand);
}

static enum od_status check_condition(struct checker *c, struct od_ast_condition *cond)
{
    enum od_status status =
        check_field(c, cond->field_span, cond->dataset, cond->field_name, &cond->field);
    if (status != OD_OK)
        return status;
    bool ordered = cond->op == OD_OP_LT || cond->op == OD_OP_LE || cond->op == OD_OP_GT ||
                   cond->op == OD_OP_GE;
    const struct od_field *field = field_of(c, cond);
    if (ordered && !od_filter_is_number(field->type))
        return FAULT(c, cond->op_span, "%.*s is %s; <, <=, > and >= need a numeric field.",
                     OD_STR_ARG(field->name), field->type == OD_FIELD_BOOLEAN ? "boolean" : "text");
    if (cond->window != OD_WINDOW_NEWEST && !od_dataset_of_events(cond->dataset))
        return FAULT(c, cond->window_span, "WITHIN stands after conditions on events, not on %s.",
                     cond->current_user ? "CurrentUser" : shown_name(cond->dataset));
    for (struct od_ast_operand *operand = cond->operands; operand; operand = operand->next) {
        status = check_operand(c, cond, operand);
        if (status != OD_OK)
            return status;
    }
    return OD_OK;
}

/* --- expressions --- */

static enum od_status check_dataset(const struct checker *c, const struct od_ast_part *part,
                                    const struct od_ast_condition *cond)
{
    static const struct {
        const char *target;
        const char *allowed;
        bool datasets[OD_DATASET_TYPES];
    } targets[] = {
        [OD_TARGET_ITEM] = {"ItemID",
                            "Items and Interactions",
                            {[OD_ITEMS] = true, [OD_INTERACTIONS] = true}},
        [OD_TARGET_USER] = {"UserID",
                            "Users and Interactions",
                            {[OD_USERS] = true, [OD_INTERACTIONS] = true}},
        [OD_TARGET_ACTION] = {"ActionID",
                              "Actions and Action_Interactions",
                              {[OD_ACTIONS] = true, [OD_ACTION_INTERACTIONS] = true}},
    };
    if (cond->current_user && part->target == OD_TARGET_USER)
        return FAULT(c, cond->dataset_span,
                     "a filter over UserID has no current user; write Users.%.*s.",
                     OD_STR_ARG(cond->field_name));
    if (cond->current_user)
        return OD_OK;
    if (!targets[part->target].datasets[cond->dataset])
        return FAULT(c, cond->dataset_span, "%s is filtered by %s, not by %s%s.",
                     targets[part->target].target, targets[part->target].allowed,
                     shown_name(cond->dataset),
                     c->schemas->extended && cond->dataset == OD_USERS
                         ? "; CurrentUser is the user of the request"
                         : "");
    if (cond->dataset != part->where->dataset && !c->schemas->extended)
        return FAULT(
            c, cond->dataset_span,
            "conditions joined by AND or OR are all on one dataset, here %s; put the other "
            "condition into an expression of its own, joined by |.",
            shown_name(part->where->dataset));
    return OD_OK;
}

static enum od_status check_part(struct checker *c, const struct od_ast_part *part)
{
    enum od_status status = OD_OK;
    struct od_ast_condition *cond = part->where;
    for (; cond && status == OD_OK; cond = cond->next) {
        status = check_dataset(c, part, cond);
        if (status == OD_OK)
            status = check_condition(c, cond);
    }
    cond = part->only_if;
    if (status == OD_OK && cond && part->target == OD_TARGET_USER)
        return FAULT(c, cond->dataset_span,
                     "a filter over UserID has no current user, so it takes no IF.");
    for (; cond && status == OD_OK; cond = cond->next)
        status = check_condition(c, cond);
    return status;
}

enum od_status od_filter_check(struct od_str source, struct od_ast_part *parts,
                               const struct od_filter_schemas *schemas, size_t max_fields,
                               struct od_error *err)
{
    struct checker c = {.source = source, .schemas = schemas, .max_fields = max_fields, .err = err};
    enum od_status status = OD_OK;
    for (struct od_ast_part *part = parts; part && status == OD_OK; part = part->next) {
        status = check_part(&c, part);
        if (status == OD_OK && part->target != parts->target)
            status =
                FAULT(&c, part->target_span, "all expressions of a filter have the same target.");
    }
    return status;
}
