/* Any text as a metric expression: it is refused with a reason, or what was understood, written
 * plainly, is understood the same way. */
#include <stdio.h>
#include <stdlib.h>

#include "data/metric_expression.h"

static void same_again(const struct od_metric_expression *e)
{
    char text[512];
    struct od_metric_expression again;
    if (e->function == OD_METRIC_SAMPLECOUNT)
        snprintf(text, sizeof text, "SAMPLECOUNT()");
    else
        snprintf(text, sizeof text, "SUM(%s.%.*s)", e->type == OD_ITEMS ? "Items" : "Interactions",
                 OD_STR_ARG(e->column));
    if (od_metric_expression_parse(od_str_c(text), &again, NULL) != OD_OK ||
        again.function != e->function || again.type != e->type ||
        !od_str_eq(again.column, e->column))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct od_metric_expression e;
    struct od_error err = {0};
    enum od_status s =
        od_metric_expression_parse((struct od_str){(const char *)data, size}, &e, &err);
    if (s == OD_OK)
        same_again(&e);
    else if (s != OD_INVALID_INPUT || !err.message[0])
        abort();
    return 0;
}
