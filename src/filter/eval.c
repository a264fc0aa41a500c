/* Evaluation: a filter with values, on a catalogue and for a user, to the bitmap of items that
 * pass; or on all users, to the bitmap of those that pass.
 *
 *   kept = (union of the INCLUDE expressions, or everything when none counts)
 *          minus the union of the EXCLUDE expressions
 *
 * An expression does not count when its IF is false or when it is an EXCLUDE whose parameter has no
 * value; its order among the others does not matter (serving.md section 7). All work is done in
 * three bitmaps beside the caller's. Runs on any number of threads at once. */
#include <string.h>

#include "base/bitmap.h"
#include "filter/compiled.h"

struct evaluation {
    const struct od_filter *filter;
    const struct od_filter_values *values;
    const struct od_filter_context *context;
    const struct od_filter_people *people; /* a filter over UserID; NULL: over ItemID */
    const struct od_table *table;          /* the items or users it is over */
    struct od_arena *scratch;
    struct od_error *err;
    size_t row_count;
    uint64_t *test, *term, *excluded; /* bitmaps over the table's rows */
    const uint64_t *visible;          /* bitmap over events; NULL: all */
};

static enum od_status run_test(struct evaluation *e, size_t index)
{
    const struct od_filter_test *test = &e->filter->tests[index];
    struct od_filter_set set;
    enum od_status status =
        od_filter_right_side(test, &e->values->sets[index], e->context, e->scratch, &set, e->err);
    if (status != OD_OK)
        return status;
    if (test->dataset == OD_INTERACTIONS && e->people)
        return od_filter_test_people(test, &set, e->people, e->scratch, e->test, e->err);
    if (test->dataset == OD_INTERACTIONS) {
        od_filter_test_events(test, &set, e->context, e->visible, e->test);
        return OD_OK;
    }
    return od_filter_test_rows(test, &set, e->table, e->scratch, e->test, e->err);
}

/* ORs the rows of the part's WHERE into to. */
static enum od_status run_where(struct evaluation *e, const struct od_filter_part *part,
                                uint64_t *to)
{
    for (size_t i = part->where; i < part->where + part->where_count; i++) {
        bool starts = e->filter->tests[i].starts_term;
        if (starts && i > part->where)
            od_bitmap_or(to, e->term, e->row_count);
        enum od_status status = run_test(e, i);
        if (status != OD_OK)
            return status;
        if (starts)
            memcpy(e->term, e->test, od_bitmap_words(e->row_count) * sizeof *e->term);
        else
            od_bitmap_and(e->term, e->test, e->row_count);
    }
    od_bitmap_or(to, e->term, e->row_count);
    return OD_OK;
}

/* An unknown user satisfies no condition. */
static enum od_status run_only_if(struct evaluation *e, const struct od_filter_part *part,
                                  bool *out)
{
    const struct od_table *users = e->context->users;
    bool known = users && e->context->user_row < od_table_row_count(users);
    *out = part->only_if_count == 0 || known;
    for (size_t i = part->only_if; *out && i < part->only_if + part->only_if_count; i++) {
        enum od_status status = od_filter_test_row(&e->filter->tests[i], &e->values->sets[i], users,
                                                   e->context->user_row, out, e->err);
        if (status != OD_OK)
            return status;
    }
    return OD_OK;
}

static enum od_status run_parts(struct evaluation *e, uint64_t *keep)
{
    bool any_include = false;
    od_bitmap_fill(keep, e->row_count, false);
    for (size_t i = 0; i < e->filter->part_count; i++) {
        const struct od_filter_part *part = &e->filter->parts[i];
        bool counts = false;
        enum od_status status = OD_OK;
        if (!e->values->skipped[i])
            status = run_only_if(e, part, &counts);
        if (status == OD_OK && counts)
            status = run_where(e, part, part->include ? keep : e->excluded);
        if (status != OD_OK)
            return status;
        any_include |= counts && part->include;
    }
    if (!any_include)
        od_bitmap_fill(keep, e->row_count, true);
    od_bitmap_andnot(keep, e->excluded, e->row_count);
    return OD_OK;
}

static enum od_status make_bitmaps(struct evaluation *e)
{
    e->row_count = od_table_row_count(e->table);
    size_t words = od_bitmap_words(e->row_count);
    e->test = OD_NEW_ARRAY(e->scratch, uint64_t, words);
    e->term = OD_NEW_ARRAY(e->scratch, uint64_t, words);
    e->excluded = OD_NEW_ARRAY(e->scratch, uint64_t, words);
    if (!e->test || !e->term || !e->excluded)
        return od_fail(e->err, OD_NO_MEMORY, NULL);
    return OD_OK;
}

enum od_status od_filter_eval(const struct od_filter *filter, const struct od_filter_values *values,
                              const struct od_filter_context *context, struct od_arena *scratch,
                              uint64_t *keep, struct od_error *err)
{
    if (filter->target != OD_TARGET_ITEM)
        return od_fail(err, OD_INVALID_INPUT, "The filter is over %s and cannot be used for items.",
                       filter->target == OD_TARGET_USER ? "UserID" : "ActionID");
    struct evaluation e = {.filter = filter,
                           .values = values,
                           .context = context,
                           .table = context->items,
                           .scratch = scratch,
                           .err = err};
    enum od_status status = make_bitmaps(&e);
    if (status == OD_OK && od_filter_uses_interactions(filter))
        status = od_filter_visible(context, scratch, &e.visible, err);
    return status == OD_OK ? run_parts(&e, keep) : status;
}

enum od_status od_filter_eval_users(const struct od_filter *filter,
                                    const struct od_filter_values *values,
                                    const struct od_filter_people *people, struct od_arena *scratch,
                                    uint64_t *keep, struct od_error *err)
{
    if (filter->target != OD_TARGET_USER)
        return od_fail(err, OD_INVALID_INPUT, "The filter is over %s and cannot be used for users.",
                       filter->target == OD_TARGET_ITEM ? "ItemID" : "ActionID");
    const struct od_filter_context nobody = {.user_row = OD_NO_ROW, .current_item_row = OD_NO_ROW};
    struct evaluation e = {.filter = filter,
                           .values = values,
                           .context = &nobody,
                           .people = people,
                           .table = people->users,
                           .scratch = scratch,
                           .err = err};
    enum od_status status = make_bitmaps(&e);
    return status == OD_OK ? run_parts(&e, keep) : status;
}
