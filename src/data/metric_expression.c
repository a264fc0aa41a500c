/* Parsing metric expressions: see metric_expression.h. Five words at most, read from left to right
 * by one function a kind of word; nothing is allocated. */
#include "data/metric_expression.h"

#include <string.h>

#include "base/limits.h"

struct scan {
    struct od_str text;
    size_t at;
};

static void skip_blanks(struct scan *scan)
{
    while (scan->at < scan->text.len && strchr(" \t\r\n", scan->text.ptr[scan->at]) &&
           scan->text.ptr[scan->at])
        scan->at++;
}

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* Letters, digits and "_"; empty when something else comes. */
static struct od_str take_word(struct scan *scan)
{
    skip_blanks(scan);
    size_t from = scan->at;
    while (scan->at < scan->text.len && is_word(scan->text.ptr[scan->at]))
        scan->at++;
    return od_str_sub(scan->text, from, scan->at - from);
}

static bool take(struct scan *scan, char c)
{
    skip_blanks(scan);
    if (scan->at == scan->text.len || scan->text.ptr[scan->at] != c)
        return false;
    scan->at++;
    return true;
}

static bool at_end(struct scan *scan)
{
    skip_blanks(scan);
    return scan->at == scan->text.len;
}

static enum od_status refuse(struct od_str text, const char *why, struct od_error *err)
{
    return od_fail(err, OD_INVALID_INPUT,
                   "Invalid metric expression '%.*s': %s. An expression is SAMPLECOUNT(), "
                   "SUM(Items.COLUMN) or SUM(Interactions.COLUMN).",
                   OD_STR_ARG(text), why);
}

/* What stands between the brackets of SUM. NULL: fine. */
static const char *take_column(struct scan *scan, struct od_metric_expression *out)
{
    struct od_str dataset = take_word(scan);
    if (od_str_eq_nocase(dataset, OD_STR("Items")))
        out->type = OD_ITEMS;
    else if (od_str_eq_nocase(dataset, OD_STR("Interactions")))
        out->type = OD_INTERACTIONS;
    else
        return "SUM takes a column of Items or of Interactions";
    if (!take(scan, '.'))
        return "a '.' must follow the dataset's name";
    out->column = take_word(scan);
    return out->column.len ? NULL : "a column's name must follow the '.'";
}

static const char *take_all(struct scan *scan, struct od_metric_expression *out)
{
    struct od_str function = take_word(scan);
    const char *wrong = NULL;
    if (od_str_eq_nocase(function, OD_STR("SAMPLECOUNT")))
        out->function = OD_METRIC_SAMPLECOUNT;
    else if (od_str_eq_nocase(function, OD_STR("SUM")))
        out->function = OD_METRIC_SUM;
    else
        return "it must begin with SAMPLECOUNT or SUM";
    if (!take(scan, '('))
        return "a '(' must follow the function";
    if (out->function == OD_METRIC_SUM)
        wrong = take_column(scan, out);
    if (!wrong && !take(scan, ')'))
        wrong = "a ')' is missing";
    if (!wrong && !at_end(scan))
        wrong = "nothing may follow the ')'";
    return wrong;
}

enum od_status od_metric_expression_parse(struct od_str text, struct od_metric_expression *out,
                                          struct od_error *err)
{
    struct scan scan = {.text = text};
    struct od_metric_expression expression = {.type = OD_INTERACTIONS};
    if (od_utf8_check(text) != text.len || od_utf8_count(text) > OD_MAX_ATTRIBUTION_EXPRESSION)
        return od_fail(err, OD_INVALID_INPUT,
                       "A metric expression is a text of at most %d characters.",
                       OD_MAX_ATTRIBUTION_EXPRESSION);
    const char *wrong = take_all(&scan, &expression);
    if (wrong)
        return refuse(text, wrong, err);
    *out = expression;
    return OD_OK;
}

struct od_str od_metric_function_name(enum od_metric_function function)
{
    return function == OD_METRIC_SUM ? OD_STR("sum") : OD_STR("samplecount");
}

bool od_metric_field_is_number(const struct od_field *field)
{
    return field->type == OD_FIELD_INT || field->type == OD_FIELD_LONG ||
           field->type == OD_FIELD_FLOAT || field->type == OD_FIELD_DOUBLE;
}
