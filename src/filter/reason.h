/* Why a filter drops a row: its clauses, and their conditions, asked apart. */
#ifndef OD_FILTER_REASON_H
#define OD_FILTER_REASON_H

#include "filter/filter.h"

/* A clause that keeps a row out. INCLUDE: the conditions are those that fail; EXCLUDE: those of
 * the alternatives that hold. */
struct od_filter_drop {
    struct od_str text; /* as written: "EXCLUDE ItemID WHERE ..." */
    const struct od_str *conditions;
    size_t condition_count;
};
struct od_filter_reason {
    const struct od_filter_drop *clauses;
    size_t clause_count;
};

/* out[i]: why row rows[i] of the context's table is dropped; no clauses: it passes. The expression
 * is one that od_filter_new took with these schemas, values those of a request that was answered.
 * All output and all work is in arena. */
enum od_status od_filter_reasons(struct od_str expression, const struct od_filter_schemas *schemas,
                                 const struct od_filter_value *values, size_t value_count,
                                 const struct od_filter_context *context, const uint32_t *rows,
                                 size_t row_count, struct od_arena *arena,
                                 struct od_filter_reason *out, struct od_error *err) OD_MUST_USE;

#endif
