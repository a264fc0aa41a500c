/* The constraints of the model on one value: length, pattern, enum, range, count.
 *
 * Lengths are in characters (code points). A map key's violations are told at the map, in the words
 * the services use: "Map keys must satisfy constraint: [...]". */
#include "wire/api_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Bytes bound characters from above, so most texts need no counting. */
static bool too_long(const struct od_shape *shape, struct od_str text)
{
    return shape->has_max && (int64_t)text.len > shape->max &&
           (int64_t)od_utf8_count(text) > shape->max;
}

static bool too_short(const struct od_shape *shape, struct od_str text)
{
    return shape->has_min && shape->min > 0 && (int64_t)od_utf8_count(text) < shape->min;
}

static bool in_enum(const struct od_shape *shape, struct od_str text)
{
    for (size_t i = 0; i < shape->value_count; i++)
        if (od_str_eq(shape->values[i], text))
            return true;
    return shape->value_count == 0;
}

static void enum_text(const struct od_shape *shape, char *out, size_t size)
{
    size_t len = 0;
    for (size_t i = 0; i < shape->value_count && len < size; i++) {
        int n =
            snprintf(out + len, size - len, "%s%.*s", i ? ", " : "", OD_STR_ARG(shape->values[i]));
        len += n > 0 ? (size_t)n : 0;
    }
}

/* Each rule the text breaks, reported through before + rule + after. */
static void check_text(struct od_api_report *report, const struct od_shape *shape,
                       const struct od_api_place *place, struct od_str text, bool is_key)
{
    const char *before = is_key ? "Map keys must satisfy constraint: [" : "";
    const char *after = is_key ? "]" : "";
    if (too_long(shape, text))
        od_api_violation(report, place, text,
                         "%sMember must have length less than or equal to %" PRId64 "%s", before,
                         shape->max, after);
    if (too_short(shape, text))
        od_api_violation(report, place, text,
                         "%sMember must have length greater than or equal to %" PRId64 "%s", before,
                         shape->min, after);
    if (shape->matches && !shape->matches(text))
        od_api_violation(report, place, text,
                         "%sMember must satisfy regular expression pattern: %s%s", before,
                         shape->pattern, after);
    if (!in_enum(shape, text)) {
        char values[128] = "";
        enum_text(shape, values, sizeof values);
        od_api_violation(report, place, text, "%sMember must satisfy enum value set: [%s]%s",
                         before, values, after);
    }
}

void od_api_check_string(struct od_api_report *report, const struct od_shape *shape,
                         const struct od_api_place *place, struct od_str text)
{
    check_text(report, shape, place, text, false);
}

void od_api_check_key(struct od_api_report *report, const struct od_shape *shape,
                      const struct od_api_place *map, struct od_str key)
{
    /* The key itself is shown even where the map's values are secret, unless the key is too. */
    struct od_api_place place = *map;
    place.sensitive = shape->sensitive || (map->up && map->up->sensitive);
    check_text(report, shape, &place, key, true);
}

void od_api_check_number(struct od_api_report *report, const struct od_shape *shape,
                         const struct od_api_place *place, double number)
{
    bool high = shape->has_max && number > (double)shape->max;
    bool low = shape->has_min && number < (double)shape->min;
    if (!high && !low)
        return;
    char shown[40];
    snprintf(shown, sizeof shown, "%.15g", number);
    od_api_violation(report, place, od_str_c(shown),
                     "Member must have value %s than or equal to %" PRId64,
                     high ? "less" : "greater", high ? shape->max : shape->min);
}

bool od_api_check_count(struct od_api_report *report, const struct od_shape *shape,
                        const struct od_api_place *place, size_t count)
{
    bool high = shape->has_max && (int64_t)count > shape->max;
    bool low = shape->has_min && (int64_t)count < shape->min;
    if (high || low) {
        char shown[48];
        snprintf(shown, sizeof shown, "[%zu elements]", count);
        od_api_violation(report, place, od_str_c(shown),
                         "Member must have length %s than or equal to %" PRId64,
                         high ? "less" : "greater", high ? shape->max : shape->min);
    }
    return !high;
}
