/* What a metric of a metric attribution adds up (serving.md section 15):
 *
 *     SAMPLECOUNT()   1 for every event
 *     SUM(Items.COL)  a number of the event's item
 *     SUM(Interactions.COL)  a number of the event itself
 *
 * Words are read in any case, with blanks between any two of them. */
#ifndef OD_DATA_METRIC_EXPRESSION_H
#define OD_DATA_METRIC_EXPRESSION_H

#include "data/schema.h"

enum od_metric_function { OD_METRIC_SAMPLECOUNT, OD_METRIC_SUM };

struct od_metric_expression {
    enum od_metric_function function;
    enum od_dataset_type type; /* OD_METRIC_SUM: OD_ITEMS or OD_INTERACTIONS */
    struct od_str column;      /* OD_METRIC_SUM: as written, a view of the text */
};

/* OD_INVALID_INPUT names the expression and what is wrong with it. */
enum od_status od_metric_expression_parse(struct od_str text, struct od_metric_expression *out,
                                          struct od_error *err) OD_MUST_USE;

/* "samplecount" or "sum": as reports spell it. Static storage. */
struct od_str od_metric_function_name(enum od_metric_function function);

/* Can the field be added up? */
bool od_metric_field_is_number(const struct od_field *field);

#endif
