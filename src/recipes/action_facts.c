/* See action_facts.h. EXPIRATION_TIMESTAMP has two names; a table has one of them. */
#include "recipes/action_facts.h"

#include <math.h>

#include "base/bitmap.h"

static void find_column(const struct od_table *table, const char *name, struct od_table_column *out)
{
    const struct od_schema *schema = table ? od_table_schema(table) : NULL;
    size_t field = schema ? od_schema_find(schema, od_str_c(name)) : SIZE_MAX;
    *out = (struct od_table_column){.field = NULL};
    if (field == SIZE_MAX)
        return;
    od_table_column(table, field, out);
    if (!out->integers && !out->reals)
        out->field = NULL;
}

void od_action_columns(const struct od_table *table, struct od_action_columns *out)
{
    out->table = table;
    find_column(table, "EXPIRATION_TIMESTAMP", &out->expires);
    if (!out->expires.field)
        find_column(table, "ACTION_EXPIRATION_TIMESTAMP", &out->expires);
    find_column(table, "VALUE", &out->value);
    find_column(table, "REPEAT_FREQUENCY", &out->repeat);
}

/* False: null. */
static bool number_at(const struct od_table_column *column, uint32_t row, double *out)
{
    if (!column->field || od_bitmap_get(column->nulls, row))
        return false;
    *out = column->integers ? (double)column->integers[row] : column->reals[row];
    return isfinite(*out);
}

static int64_t to_time(double seconds)
{
    return seconds > -9e18 && seconds < 9e18 ? (int64_t)seconds : INT64_MAX;
}

void od_action_fact(const struct od_action_columns *columns, uint32_t row,
                    struct od_action_fact *out)
{
    double x;
    *out = (struct od_action_fact){.expires_s = INT64_MAX};
    if (row == OD_NO_ROW || !od_table_has_record(columns->table, row))
        return;
    out->known = true;
    if (number_at(&columns->expires, row, &x))
        out->expires_s = to_time(x);
    if (number_at(&columns->value, row, &x))
        out->value = (float)x;
    if (number_at(&columns->repeat, row, &x) && x > 0)
        out->repeat_days = (float)x;
}
