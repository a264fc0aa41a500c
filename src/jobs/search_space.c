/* Drawing values from ranges: a Latin hypercube, each parameter's range cut into as many strata as
 * there are values to draw and one value taken from each, in an order of its own.
 *
 * Ranges that span a factor of four or more above zero are cut on a logarithmic scale: what matters
 * of a size or a rate is its order. Values are made as text and parsed like a user's, so a trial
 * can hold nothing that a solution could not. */
#include <math.h>
#include <string.h>

#include "base/random.h"
#include "jobs/search.h"

#define LOG_FROM 4.0 /* max / min */

static bool is_choice(const struct od_param_spec *spec)
{
    return spec->type == OD_PARAM_BOOLEAN || spec->type == OD_PARAM_CATEGORICAL;
}

enum od_status od_search_range_of(const struct od_recipe_spec *spec, size_t param,
                                  struct od_arena *arena, struct od_search_range *out)
{
    const struct od_param_spec *p = &spec->params[param];
    *out = (struct od_search_range){.param = param, .min = p->min, .max = p->max};
    if (!is_choice(p))
        return OD_OK;
    size_t count = 2;
    if (p->type == OD_PARAM_CATEGORICAL)
        for (count = 0; p->choices[count];)
            count++;
    struct od_str *choices = OD_NEW_ARRAY(arena, struct od_str, count);
    if (!choices)
        return OD_NO_MEMORY;
    for (size_t i = 0; i < count; i++)
        choices[i] = p->type == OD_PARAM_BOOLEAN ? (i ? OD_STR("false") : OD_STR("true"))
                                                 : od_str_c(p->choices[i]);
    out->choices = choices;
    out->choice_count = count;
    return OD_OK;
}

/* The value at u in [0, 1) of a range, as text. */
static struct od_str value_at(const struct od_param_spec *spec, const struct od_search_range *range,
                              double u, struct od_arena *arena)
{
    if (range->choice_count) {
        size_t at = (size_t)(u * (double)range->choice_count);
        return range->choices[at < range->choice_count ? at : range->choice_count - 1];
    }
    double low = range->min, high = range->max;
    bool whole = spec->type == OD_PARAM_INTEGER;
    if (whole) { /* every integer gets its share, the ends too */
        low -= 0.5;
        high += 0.5;
    }
    double value =
        low > 0 && high >= LOG_FROM * low ? low * pow(high / low, u) : low + (high - low) * u;
    if (whole)
        value = round(value);
    value = value < range->min ? range->min : value > range->max ? range->max : value;
    if (whole)
        return od_arena_printf(arena, "%lld", (long long)value);
    struct od_str text = od_arena_printf(arena, "%.6g", value);
    double rounded;
    if (od_str_to_double(text, &rounded) && rounded >= range->min && rounded <= range->max)
        return text;
    char exact[OD_DOUBLE_TEXT];
    size_t len = od_double_text(value, exact);
    return od_arena_str(arena, (struct od_str){exact, len});
}

static void shuffle(struct od_random *rng, size_t *order, size_t count)
{
    for (size_t i = 0; i < count; i++)
        order[i] = i;
    for (size_t i = count; i > 1; i--) {
        size_t j = od_random_below(rng, i), swap = order[i - 1];
        order[i - 1] = order[j];
        order[j] = swap;
    }
}

/* The value given, or the nearest of the range. */
static struct od_str start_of(const struct od_search_entry *entry,
                              const struct od_search_range *range, struct od_arena *arena)
{
    const struct od_param_value *fixed = &entry->fixed[range->param];
    for (size_t i = 0; i < range->choice_count; i++)
        if (od_str_eq_nocase(range->choices[i], fixed->text))
            return range->choices[i];
    if (range->choice_count)
        return range->choices[0];
    double value = fixed->number < range->min   ? range->min
                   : fixed->number > range->max ? range->max
                                                : fixed->number;
    return od_arena_printf(arena, "%.9g", value);
}

static bool seen(struct od_param_value *const *drawn, size_t count,
                 const struct od_param_value *new, const struct od_search_entry *entry)
{
    for (size_t i = 0; i < count; i++) {
        bool same = true;
        for (size_t r = 0; same && r < entry->range_count; r++)
            same = drawn[i][entry->ranges[r].param].number == new[entry->ranges[r].param].number;
        if (same)
            return true;
    }
    return false;
}

struct hypercube {
    const struct od_search_entry *entry;
    struct od_random rng;
    size_t *order; /* [ranges][strata] */
    size_t strata;
    struct od_arena *arena;
};

/* Values number at; at 0: the start. */
static enum od_status make_values(struct hypercube *cube, size_t at, struct od_param_value **out,
                                  struct od_error *err)
{
    const struct od_search_entry *entry = cube->entry;
    const struct od_recipe_spec *spec = entry->spec;
    struct od_param_value *values =
        OD_NEW_ARRAY(cube->arena, struct od_param_value, spec->param_count);
    if (!values)
        return od_fail(err, OD_NO_MEMORY, NULL);
    if (spec->param_count)
        memcpy(values, entry->fixed, spec->param_count * sizeof *values);
    enum od_status s = OD_OK;
    for (size_t r = 0; s == OD_OK && r < entry->range_count; r++) {
        const struct od_search_range *range = &entry->ranges[r];
        const struct od_param_spec *param = &spec->params[range->param];
        struct od_str text;
        if (at == 0) {
            text = start_of(entry, range, cube->arena);
        } else {
            double u =
                (double)cube->order[r * cube->strata + at - 1] + od_random_double(&cube->rng);
            text = value_at(param, range, u / (double)cube->strata, cube->arena);
        }
        s = text.ptr ? od_recipe_param_parse(param, text, &values[range->param], err)
                     : od_fail(err, OD_NO_MEMORY, NULL);
    }
    *out = values;
    return s;
}

enum od_status od_search_draw(const struct od_search_entry *entry, size_t count, uint64_t seed,
                              struct od_arena *arena, struct od_param_value ***out,
                              size_t *out_count, struct od_error *err)
{
    struct hypercube cube = {.entry = entry, .strata = count > 1 ? count - 1 : 1, .arena = arena};
    struct od_param_value **drawn = OD_NEW_ARRAY(arena, struct od_param_value *, count);
    cube.order = OD_NEW_ARRAY(arena, size_t, entry->range_count * cube.strata);
    if (!drawn || !cube.order)
        return od_fail(err, OD_NO_MEMORY, NULL);
    od_random_init2(&cube.rng, seed, 0x736561726368); /* "search" */
    for (size_t r = 0; r < entry->range_count; r++)
        shuffle(&cube.rng, cube.order + r * cube.strata, cube.strata);
    size_t kept = 0;
    for (size_t i = 0; i < count && (i == 0 || entry->range_count); i++) {
        struct od_param_value *values = NULL;
        enum od_status s = make_values(&cube, i, &values, err);
        if (s != OD_OK)
            return s;
        if (!seen(drawn, kept, values, entry))
            drawn[kept++] = values;
    }
    *out = drawn;
    *out_count = kept;
    return OD_OK;
}
