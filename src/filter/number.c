/* Comparisons as closed ranges: see number.h. A strict comparison becomes a range that ends at the
 * neighbouring value of the column's type, so that one loop a type serves all operators. */
#include "filter/number.h"

#include <math.h>

#define TWO_TO_63 9223372036854775808.0

bool od_filter_number(struct od_str text, struct od_filter_number *out)
{
    text = od_str_trim(text);
    struct od_filter_number number = {.is_integer = od_str_to_i64(text, &number.integer)};
    if (!od_str_to_double(text, &number.real))
        return false;
    if (!number.is_integer)
        number.integer = 0;
    *out = number;
    return true;
}

bool od_filter_is_number(enum od_field_type type)
{
    return type == OD_FIELD_INT || type == OD_FIELD_LONG || type == OD_FIELD_FLOAT ||
           type == OD_FIELD_DOUBLE;
}

bool od_filter_is_kept_as_number(enum od_field_type type)
{
    return od_filter_is_number(type) || type == OD_FIELD_BOOLEAN;
}

bool od_filter_comparable(enum od_field_type a, enum od_field_type b)
{
    return od_filter_is_number(a) == od_filter_is_number(b) &&
           (a == OD_FIELD_BOOLEAN) == (b == OD_FIELD_BOOLEAN);
}

bool od_filter_read(enum od_field_type type, struct od_str text, struct od_filter_number *out)
{
    if (type != OD_FIELD_BOOLEAN)
        return od_filter_number(text, out);
    text = od_str_trim(text);
    bool yes = od_str_eq_nocase(text, OD_STR("true"));
    if (!yes && !od_str_eq_nocase(text, OD_STR("false")))
        return false;
    *out = (struct od_filter_number){.is_integer = true, .integer = yes, .real = yes};
    return true;
}

static const struct od_filter_range nothing = {.empty = true};

/* The integers below value (strict) or up to it. From 2^53 on a double minus 1 may round back, so
 * the step to the neighbour is taken among integers. */
static struct od_filter_range up_to(double value, bool strict)
{
    if (value < -TWO_TO_63 || (strict && value <= -TWO_TO_63))
        return nothing;
    struct od_filter_range range = {.low = INT64_MIN, .high = INT64_MAX};
    if (value < TWO_TO_63)
        range.high = strict ? (int64_t)ceil(value) - 1 : (int64_t)floor(value);
    return range;
}

/* The integers above value (strict) or from it on. */
static struct od_filter_range from(double value, bool strict)
{
    if (value >= TWO_TO_63)
        return nothing;
    struct od_filter_range range = {.low = INT64_MIN, .high = INT64_MAX};
    if (value >= -TWO_TO_63)
        range.low = strict ? (int64_t)floor(value) + 1 : (int64_t)ceil(value);
    return range;
}

static struct od_filter_range integers_by_real(enum od_filter_op op, double value)
{
    switch (op) {
    case OD_OP_LT:
        return up_to(value, true);
    case OD_OP_LE:
        return up_to(value, false);
    case OD_OP_GT:
        return from(value, true);
    case OD_OP_GE:
        return from(value, false);
    default:
        break;
    }
    if (value != floor(value) || value < -TWO_TO_63 || value >= TWO_TO_63)
        return nothing;
    return (struct od_filter_range){.low = (int64_t)value, .high = (int64_t)value};
}

static struct od_filter_range integers_by_integer(enum od_filter_op op, int64_t value)
{
    struct od_filter_range range = {.low = INT64_MIN, .high = INT64_MAX};
    switch (op) {
    case OD_OP_LT:
        if (value == INT64_MIN)
            return nothing;
        range.high = value - 1;
        return range;
    case OD_OP_LE:
        range.high = value;
        return range;
    case OD_OP_GT:
        if (value == INT64_MAX)
            return nothing;
        range.low = value + 1;
        return range;
    case OD_OP_GE:
        range.low = value;
        return range;
    default:
        return (struct od_filter_range){.low = value, .high = value};
    }
}

static double neighbour(bool is_float, double value, double towards)
{
    return is_float ? (double)nextafterf((float)value, (float)towards) : nextafter(value, towards);
}

static struct od_filter_range reals(bool is_float, enum od_filter_op op, double value)
{
    if (is_float)
        value = (double)(float)value;
    struct od_filter_range range = {.real_low = -INFINITY, .real_high = INFINITY};
    switch (op) {
    case OD_OP_LT:
        range.empty = value == -INFINITY;
        range.real_high = neighbour(is_float, value, -INFINITY);
        break;
    case OD_OP_LE:
        range.real_high = value;
        break;
    case OD_OP_GT:
        range.empty = value == INFINITY;
        range.real_low = neighbour(is_float, value, INFINITY);
        break;
    case OD_OP_GE:
        range.real_low = value;
        break;
    default:
        range.real_low = range.real_high = value;
        break;
    }
    return range;
}

struct od_filter_range od_filter_range(enum od_field_type type, enum od_filter_op op,
                                       const struct od_filter_number *number)
{
    if (type == OD_FIELD_FLOAT || type == OD_FIELD_DOUBLE)
        return reals(type == OD_FIELD_FLOAT, op, number->real);
    return number->is_integer ? integers_by_integer(op, number->integer)
                              : integers_by_real(op, number->real);
}
