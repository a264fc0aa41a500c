/* A compiled filter: flat arrays in one arena, immutable. Inner header of compile.c, bind.c,
 * eval.c, test.c and events.c. */
#ifndef OD_FILTER_COMPILED_H
#define OD_FILTER_COMPILED_H

#include "filter/ast.h"
#include "filter/filter.h"
#include "filter/number.h"

/* The values on the right side of a condition. */
struct od_filter_set {
    size_t count;
    const struct od_str *texts;             /* string fields */
    const struct od_filter_number *numbers; /* numeric fields */
    bool any;                               /* *: any event type */
    /* A parameter written as one quoted "a, b": texts[0] is the whole, the rest its parts. On items
     * the parts count only when no item has the whole; on the user and on events all count. */
    bool whole_or_parts;
};

enum od_filter_source { OD_FROM_LITERALS, OD_FROM_PARAM, OD_FROM_CURRENT_ITEM, OD_FROM_NOW };

struct od_filter_test {
    bool current_user; /* tested on the requesting user's row */
    enum od_dataset_type dataset;
    size_t column; /* place in the dataset's schema */
    enum od_field_type type;
    struct od_str text;   /* as written */
    struct od_str name;   /* of the field, as in the schema */
    enum od_filter_op op; /* positive: NE is EQ negated, NOT IN is IN negated */
    bool negated;
    enum od_filter_source source;
    struct od_filter_set literals;
    size_t param;                 /* OD_FROM_PARAM: place among the filter's parameters */
    size_t item_column;           /* OD_FROM_CURRENT_ITEM: place in the Items schema */
    int64_t offset_s;             /* OD_FROM_NOW: added to the time of the request */
    enum od_filter_window window; /* on events */
    int64_t window_s;             /* OD_WINDOW_SPAN */
};

/* One INCLUDE or EXCLUDE. */
struct od_filter_part {
    bool include;
    struct od_str text;        /* as written */
    size_t where, where_count; /* tests[where] ... */
    size_t steps, step_count;  /* steps[steps] ...: OD_STEP_TEST stands for each test in turn */
    size_t only_if, only_if_count;
};

struct od_filter {
    struct od_arena arena;
    enum od_filter_target target;
    struct od_str *params;
    size_t param_count;
    struct od_filter_part *parts;
    size_t part_count;
    struct od_filter_test *tests;
    size_t test_count;
    enum od_filter_step_kind *steps;
    size_t step_count;
    size_t depth; /* results that wait at once, at most, in any part */
};

struct od_filter_values {
    const bool *skipped;              /* a part: EXCLUDE with a parameter that has no value */
    const struct od_filter_set *sets; /* a test */
};

/* A parameter's value text as a list. */
struct od_filter_list {
    struct od_str *texts;
    size_t count;
    bool one_quoted; /* exactly one value, written in quotes */
};
/* OD_INVALID_INPUT: a quote that does not close, a missing comma, an empty value. */
enum od_status od_filter_split(struct od_str name, struct od_str text, struct od_arena *arena,
                               struct od_filter_list *out, struct od_error *err) OD_MUST_USE;

/* --- evaluation --- */

/* The right side of a test in this request: the bound values or the current item's. */
enum od_status od_filter_right_side(const struct od_filter_test *test,
                                    const struct od_filter_set *bound,
                                    const struct od_filter_context *context,
                                    struct od_arena *scratch, struct od_filter_set *out,
                                    struct od_error *err) OD_MUST_USE;
/* Sets out's bits to the rows of table where the test holds. */
enum od_status od_filter_test_rows(const struct od_filter_test *test,
                                   const struct od_filter_set *set, const struct od_table *table,
                                   struct od_arena *scratch, uint64_t *out,
                                   struct od_error *err) OD_MUST_USE;
/* Whether it holds on one row; a null never does, not even for != and NOT IN. */
enum od_status od_filter_test_row(const struct od_filter_test *test,
                                  const struct od_filter_set *set, const struct od_table *table,
                                  uint32_t row, bool *out, struct od_error *err) OD_MUST_USE;
/* The same for EVENT_TYPE of interactions and action interactions. visible: bitmap over events that
 * conditions without WITHIN see, NULL when all are. */
void od_filter_test_events(const struct od_filter_test *test, const struct od_filter_set *set,
                           const struct od_filter_context *context, const uint64_t *visible,
                           uint64_t *out);
enum od_status od_filter_test_people(const struct od_filter_test *test,
                                     const struct od_filter_set *set,
                                     const struct od_filter_people *people,
                                     struct od_arena *scratch, uint64_t *out,
                                     struct od_error *err) OD_MUST_USE;
/* The events among the newest `most` of their type; NULL when all are. */
enum od_status od_filter_visible(const struct od_filter_context *context, uint32_t most,
                                 struct od_arena *scratch, const uint64_t **out,
                                 struct od_error *err) OD_MUST_USE;

/* Kernels (scan.c): out gets a bit a value, bits past the end are 0. Nulls are not looked at. */
void od_scan_integers(const int64_t *values, size_t count, int64_t low, int64_t high,
                      uint64_t *out);
/* as_float: each value is rounded to float first. */
void od_scan_reals(const double *values, size_t count, bool as_float, double low, double high,
                   uint64_t *out);
/* Whether the value is one of members, which rise. */
void od_scan_integer_set(const int64_t *values, size_t count, const int64_t *members,
                         size_t member_count, uint64_t *out);
void od_scan_real_set(const double *values, size_t count, bool as_float, const double *members,
                      size_t member_count, uint64_t *out);
/* Whether any code of the row's list is in the set, a bitmap over codes. */
void od_scan_lists(const struct od_table_column *column, size_t count, const uint64_t *set,
                   uint64_t *out);
/* Whether the row's only code is this one (a column of single values). */
void od_scan_code(const struct od_table_column *column, size_t count, uint32_t code, uint64_t *out);

#endif
