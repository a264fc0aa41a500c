/* Recipes as data: finding their specs, and checking hyperparameters against them.
 *
 * All tables are generated, sorted by name and constant; every function here is thread-safe. A
 * message follows errors.md section 6: "Invalid value <v> for hyperparameter <p>; expected
 * <range>.", with long values cut. */
#include <assert.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "recipes/gen/recipes_tables.h"

#define SHOWN_BYTES 100 /* of a value in a message */

/* --- finding --- */

static const char *recipe_name(size_t index)
{
    return od_recipe_specs[index].name;
}

static const char *feature_name(size_t index)
{
    return od_feature_specs[index].name;
}

static size_t find_sorted(size_t count, const char *(*name_at)(size_t), struct od_str name)
{
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = od_str_cmp(od_str_c(name_at(middle)), name);
        if (order == 0)
            return middle;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return SIZE_MAX;
}

const struct od_recipe_spec *od_recipe_spec_find(struct od_str name)
{
    size_t at = find_sorted(od_recipe_spec_count, recipe_name, name);
    return at == SIZE_MAX ? NULL : &od_recipe_specs[at];
}

const struct od_recipe_spec *od_recipe_spec_at(size_t index)
{
    return index < od_recipe_spec_count ? &od_recipe_specs[index] : NULL;
}

const struct od_recipe_spec *od_recipe_spec_by_algorithm(struct od_str algorithm)
{
    for (size_t i = 0; i < od_recipe_spec_count; i++)
        if (od_str_eq_c(algorithm, od_recipe_specs[i].algorithm))
            return &od_recipe_specs[i];
    return NULL;
}

const struct od_feature_spec *od_feature_spec_find(struct od_str name)
{
    size_t at = find_sorted(od_feature_spec_count, feature_name, name);
    return at == SIZE_MAX ? NULL : &od_feature_specs[at];
}

static struct od_str without_prefix(struct od_str name)
{
    static const struct od_str prefixes[] = {OD_STR("training."), OD_STR("data.")};
    for (size_t i = 0; i < 2; i++)
        if (od_str_starts(name, prefixes[i]))
            return od_str_sub(name, prefixes[i].len, name.len);
    return name;
}

size_t od_recipe_param_find(const struct od_recipe_spec *spec, enum od_param_place place,
                            struct od_str name)
{
    struct od_str plain = without_prefix(name);
    for (size_t i = 0; i < spec->param_count; i++) {
        const struct od_param_spec *param = &spec->params[i];
        if (param->place == place &&
            (od_str_eq_c(plain, param->name) || (param->alias && od_str_eq_c(plain, param->alias))))
            return i;
    }
    return SIZE_MAX;
}

const struct od_param_value *od_recipe_param(const struct od_recipe_spec *spec,
                                             const struct od_param_value *values, const char *name)
{
    size_t at = 0;
    while (at < spec->param_count && strcmp(spec->params[at].name, name) != 0)
        at++;
    assert(at < spec->param_count); /* a recipe asks for its own parameters alone */
    return &values[at];
}

/* --- checking --- */

/* The start of a value, cut between characters. */
static struct od_str shown(struct od_str value)
{
    if (value.len <= SHOWN_BYTES)
        return value;
    size_t len = SHOWN_BYTES;
    while (len > 0 && ((unsigned char)value.ptr[len] & 0xC0) == 0x80)
        len--;
    return od_str_sub(value, 0, len);
}

static void put_bounds(const struct od_param_spec *spec, struct od_buf *out)
{
    od_buf_puts(out, spec->type == OD_PARAM_INTEGER ? "an integer " : "a number ");
    if (isinf(spec->max)) {
        od_buf_puts(out, spec->min_open ? "greater than " : "of at least ");
        od_buf_double(out, spec->min);
        return;
    }
    od_buf_puts(out, spec->min_open ? "in (" : "in [");
    od_buf_double(out, spec->min);
    od_buf_puts(out, ", ");
    od_buf_double(out, spec->max);
    od_buf_char(out, ']');
}

void od_recipe_param_range(const struct od_param_spec *spec, struct od_buf *out)
{
    switch (spec->type) {
    case OD_PARAM_INTEGER:
    case OD_PARAM_CONTINUOUS:
        put_bounds(spec, out);
        break;
    case OD_PARAM_BOOLEAN:
        od_buf_puts(out, "true or false");
        break;
    case OD_PARAM_TEXT:
        od_buf_printf(out, "a text of at most %d bytes", OD_PARAM_TEXT_BYTES);
        break;
    case OD_PARAM_CATEGORICAL:
        od_buf_puts(out, "one of ");
        for (size_t i = 0; spec->choices[i]; i++) {
            od_buf_puts(out, i ? ", " : "");
            od_buf_puts(out, spec->choices[i]);
        }
        break;
    }
}

static enum od_status refuse(struct od_error *err, struct od_str value, struct od_str name,
                             const struct od_buf *expected)
{
    struct od_str v = shown(value), n = shown(name), e = od_buf_view(expected);
    return od_fail(err, OD_INVALID_INPUT,
                   "Invalid value %.*s for hyperparameter %.*s; expected %.*s.", OD_STR_ARG(v),
                   OD_STR_ARG(n), OD_STR_ARG(e));
}

static enum od_status refuse_value(const struct od_param_spec *spec, struct od_str value,
                                   struct od_error *err)
{
    struct od_buf range;
    od_buf_init(&range, 512);
    od_recipe_param_range(spec, &range);
    enum od_status s = refuse(err, value, od_str_c(spec->name), &range);
    od_buf_done(&range);
    return s;
}

static bool in_range(const struct od_param_spec *spec, double value)
{
    return (spec->min_open ? value > spec->min : value >= spec->min) && value <= spec->max;
}

static bool parse(const struct od_param_spec *spec, struct od_str value, double *out)
{
    int64_t integer;
    switch (spec->type) {
    case OD_PARAM_INTEGER:
        if (!od_str_to_i64(value, &integer))
            return false;
        *out = (double)integer;
        return in_range(spec, *out);
    case OD_PARAM_CONTINUOUS:
        return od_str_to_double(value, out) && in_range(spec, *out);
    case OD_PARAM_BOOLEAN:
        *out = od_str_eq_nocase(value, OD_STR("true"));
        return *out != 0 || od_str_eq_nocase(value, OD_STR("false"));
    case OD_PARAM_CATEGORICAL:
        for (size_t i = 0; spec->choices[i]; i++) {
            *out = (double)i;
            if (od_str_eq_c(value, spec->choices[i]))
                return true;
        }
        return false;
    case OD_PARAM_TEXT:
        *out = 0;
        return value.len <= OD_PARAM_TEXT_BYTES;
    }
    return false;
}

enum od_status od_recipe_param_parse(const struct od_param_spec *spec, struct od_str value,
                                     struct od_param_value *out, struct od_error *err)
{
    double number;
    if (!parse(spec, value, &number))
        return refuse_value(spec, value, err);
    *out = (struct od_param_value){.number = number, .text = value};
    if (spec->type == OD_PARAM_CATEGORICAL)
        out->text = od_str_c(spec->choices[(size_t)number]); /* lives longer than the request */
    return OD_OK;
}

enum od_status od_recipe_params_default(const struct od_recipe_spec *spec,
                                        struct od_param_value *out)
{
    for (size_t i = 0; i < spec->param_count; i++) {
        enum od_status s = od_recipe_param_parse(
            &spec->params[i], od_str_c(spec->params[i].default_value), &out[i], NULL);
        if (s != OD_OK)
            return s;
    }
    return OD_OK;
}

static enum od_status refuse_name(const struct od_recipe_spec *spec, enum od_param_place place,
                                  struct od_str name, struct od_str value, struct od_error *err)
{
    struct od_buf known;
    od_buf_init(&known, 512);
    bool any = false;
    for (size_t i = 0; i < spec->param_count; i++) {
        if (spec->params[i].place != place || spec->params[i].only_tunable)
            continue;
        od_buf_puts(&known, any ? ", " : "one of the names ");
        od_buf_puts(&known, spec->params[i].name);
        any = true;
    }
    if (!any)
        od_buf_printf(&known, "none of this kind for recipe %s", spec->name);
    enum od_status s = refuse(err, value, name, &known);
    od_buf_done(&known);
    return s;
}

enum od_status od_recipe_params_set(const struct od_recipe_spec *spec, enum od_param_place place,
                                    struct od_str name, struct od_str value,
                                    struct od_param_value *out, struct od_error *err)
{
    size_t at = od_recipe_param_find(spec, place, name);
    if (at == SIZE_MAX)
        return refuse_name(spec, place, name, value, err);
    if (spec->params[at].only_tunable)
        return od_fail(err, OD_INVALID_INPUT,
                       "Invalid value %.*s for hyperparameter %s; expected a range in hpoConfig, "
                       "its value cannot be fixed.",
                       OD_STR_ARG(shown(value)), spec->params[at].name);
    return od_recipe_param_parse(&spec->params[at], value, &out[at], err);
}

/* The place of "max_x" for "min_x". */
static size_t partner(const struct od_recipe_spec *spec, size_t min_at)
{
    const char *name = spec->params[min_at].name;
    if (strncmp(name, "min_", 4) != 0)
        return SIZE_MAX;
    for (size_t i = 0; i < spec->param_count; i++)
        if (strncmp(spec->params[i].name, "max_", 4) == 0 &&
            strcmp(spec->params[i].name + 4, name + 4) == 0)
            return i;
    return SIZE_MAX;
}

enum od_status od_recipe_params_check(const struct od_recipe_spec *spec,
                                      const struct od_param_value *values, struct od_error *err)
{
    for (size_t i = 0; i < spec->param_count; i++) {
        size_t max_at = partner(spec, i);
        if (max_at != SIZE_MAX && values[i].number > values[max_at].number)
            return od_fail(err, OD_INVALID_INPUT,
                           "Invalid value %.*s for hyperparameter %s; expected at most %s, which "
                           "is %.*s.",
                           OD_STR_ARG(shown(values[i].text)), spec->params[i].name,
                           spec->params[max_at].name, OD_STR_ARG(shown(values[max_at].text)));
    }
    return OD_OK;
}
