/* One line of a batch job's input. Thread-safe: everything lives in the arena given. */
#ifndef OD_BATCH_LINE_H
#define OD_BATCH_LINE_H

#include "recipes/recipe.h"
#include "serve/serve.h"

struct od_batch_line {
    struct od_str user, item, attributes; /* absent: not given */
    const struct od_str *list;
    size_t list_count;
    const struct od_name_value *context;
    size_t context_count;
    const struct od_filter_value *values;
    size_t value_count;
};

/* text: the line without its end, not empty. Failures, all for the line's error: OD_INVALID_INPUT
 * names the member, its value and the rule, or says that this is no JSON object; OD_TOO_LARGE. And
 * OD_NO_MEMORY. */
enum od_status od_batch_line_read(struct od_str text, const struct od_recipe_spec *spec,
                                  struct od_arena *arena, struct od_batch_line *out,
                                  struct od_error *err) OD_MUST_USE;

#endif
