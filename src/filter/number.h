/* Numbers of the filter language and what a comparison with one means for a column. */
#ifndef OD_FILTER_NUMBER_H
#define OD_FILTER_NUMBER_H

#include "data/schema.h"
#include "filter/ast.h"

/* A number as written: exact when it is an integer of 64 bits, else the nearest double. */
struct od_filter_number {
    bool is_integer;
    int64_t integer; /* when is_integer */
    double real;     /* always */
};

/* White space around is allowed. False when text is no finite decimal number. */
bool od_filter_number(struct od_str text, struct od_filter_number *out);
/* Text as a value of a field that is kept as a number: true and false, in any case, of booleans (1
 * and 0); numbers of all others. */
bool od_filter_read(enum od_field_type type, struct od_str text, struct od_filter_number *out);

/* The values of a column for which "value op number" holds: all from low to high, both included.
 * Comparisons are exact: an int column is compared with 10.5 as numbers are, not after rounding;
 * a float column is compared after both sides are rounded to float (a cell "0.1" equals 0.1). */
struct od_filter_range {
    bool empty;
    int64_t low, high;          /* int, long */
    double real_low, real_high; /* float, double; infinite where open */
};
/* op is none of NE and NOT_IN; IN means =. */
struct od_filter_range od_filter_range(enum od_field_type type, enum od_filter_op op,
                                       const struct od_filter_number *number);

bool od_filter_is_number(enum od_field_type type);         /* int, long, float, double */
bool od_filter_is_kept_as_number(enum od_field_type type); /* those and boolean */
/* Whether fields of these types can be compared with each other. */
bool od_filter_comparable(enum od_field_type a, enum od_field_type b);

#endif
