/* itemAttributes of a batch segment job (serving.md section 14): the part of the filter language
 * that such a line may use. Everything else about it (names, types, values) is the checker's. */
#include "filter/ast.h"

static enum od_status check_condition(struct od_str source, const struct od_ast_condition *cond,
                                      struct od_error *err)
{
    if (cond->dataset != OD_ITEMS)
        return od_filter_fault(source, cond->dataset_span, err,
                               OD_BAD_EXPRESSION "attributes are fields of Items.");
    if (cond->op != OD_OP_EQ)
        return od_filter_fault(source, cond->op_span, err,
                               OD_BAD_EXPRESSION "attributes are compared by = only.");
    const struct od_ast_operand *value = cond->operands;
    if (value->kind == OD_OPERAND_PARAM || value->kind == OD_OPERAND_ITEM)
        return od_filter_fault(source, value->span, err,
                               OD_BAD_EXPRESSION "an attribute is compared with a \"text\" or a "
                                                 "number.");
    return OD_OK;
}

enum od_status od_filter_check_attributes(struct od_str source, const struct od_ast_part *part,
                                          struct od_error *err)
{
    enum od_status status = OD_OK;
    for (const struct od_ast_condition *cond = part->where; cond && status == OD_OK;
         cond = cond->next)
        status = check_condition(source, cond, err);
    for (const struct od_ast_step *step = part->steps; step && status == OD_OK; step = step->next)
        if (step->kind == OD_STEP_OR)
            status = od_filter_fault(source, step->span, err,
                                     OD_BAD_EXPRESSION "attributes are joined by AND only.");
    return status;
}
