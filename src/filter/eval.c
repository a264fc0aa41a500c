/* Evaluation: a filter with values, on a catalogue and for a user, to the bitmap of items that
 * pass; or on all users, to the bitmap of those that pass.
 *
 *   kept = (union of the INCLUDE expressions, or everything when none counts)
 *          minus the union of the EXCLUDE expressions
 *
 * An expression does not count when its IF is false or when it is an EXCLUDE whose parameter has no
 * value; its order among the others does not matter (serving.md section 7). A WHERE runs its steps
 * over a stack of bitmaps: two for conditions joined by AND, three with OR, more by brackets. Runs
 * on any number of threads at once. */
#include "base/bitmap.h"
#include "base/limits.h"
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
    uint64_t **stack, *excluded; /* bitmaps over the table's rows; filter->depth of them wait */
    const uint64_t *visible;     /* bitmap over events; NULL: all */
};

/* Whether a condition holds on the requesting user. An unknown one satisfies none. */
static enum od_status test_user(const struct evaluation *e, size_t index, bool *out)
{
    const struct od_filter_test *test = &e->filter->tests[index];
    const struct od_table *users = e->context->users;
    struct od_filter_set set;
    *out = false;
    if (!users || e->context->user_row >= od_table_row_count(users))
        return OD_OK;
    enum od_status status =
        od_filter_right_side(test, &e->values->sets[index], e->context, e->scratch, &set, e->err);
    return status == OD_OK
               ? od_filter_test_row(test, &set, users, e->context->user_row, out, e->err)
               : status;
}

static enum od_status run_test(const struct evaluation *e, size_t index, uint64_t *out)
{
    const struct od_filter_test *test = &e->filter->tests[index];
    struct od_filter_set set;
    if (test->current_user) {
        bool holds;
        enum od_status status = test_user(e, index, &holds);
        if (status == OD_OK)
            od_bitmap_fill(out, e->row_count, holds);
        return status;
    }
    enum od_status status =
        od_filter_right_side(test, &e->values->sets[index], e->context, e->scratch, &set, e->err);
    if (status != OD_OK)
        return status;
    if (test->dataset == OD_INTERACTIONS && e->people)
        return od_filter_test_people(test, &set, e->people, e->scratch, out, e->err);
    if (od_dataset_of_events(test->dataset)) {
        od_filter_test_events(test, &set, e->context, e->visible, out);
        return OD_OK;
    }
    return od_filter_test_rows(test, &set, e->table, e->scratch, out, e->err);
}

/* ORs the rows of the part's WHERE into to. */
static enum od_status run_where(struct evaluation *e, const struct od_filter_part *part,
                                uint64_t *to)
{
    size_t waiting = 0, test = part->where;
    enum od_status status = OD_OK;
    for (size_t i = part->steps; i < part->steps + part->step_count && status == OD_OK; i++) {
        uint64_t *last = waiting ? e->stack[waiting - 1] : NULL;
        switch (e->filter->steps[i]) {
        case OD_STEP_TEST:
            status = run_test(e, test++, e->stack[waiting++]);
            break;
        case OD_STEP_AND:
            od_bitmap_and(e->stack[--waiting - 1], last, e->row_count);
            break;
        case OD_STEP_OR:
            od_bitmap_or(e->stack[--waiting - 1], last, e->row_count);
            break;
        case OD_STEP_NOT:
            od_bitmap_not(last, e->row_count);
            break;
        }
    }
    if (status == OD_OK)
        od_bitmap_or(to, e->stack[0], e->row_count);
    return status;
}

static enum od_status run_only_if(struct evaluation *e, const struct od_filter_part *part,
                                  bool *out)
{
    *out = true;
    for (size_t i = part->only_if; *out && i < part->only_if + part->only_if_count; i++) {
        enum od_status status = test_user(e, i, out);
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
    bool made = true;
    e->stack = OD_NEW_ARRAY(e->scratch, uint64_t *, e->filter->depth);
    e->excluded = OD_NEW_ARRAY(e->scratch, uint64_t, words);
    for (size_t i = 0; e->stack && made && i < e->filter->depth; i++)
        made = (e->stack[i] = OD_NEW_ARRAY(e->scratch, uint64_t, words)) != NULL;
    return e->stack && e->excluded && made ? OD_OK : od_fail(e->err, OD_NO_MEMORY, NULL);
}

static uint32_t events_per_type(const struct od_filter *filter)
{
    return filter->target == OD_TARGET_ACTION ? OD_FILTER_ACTION_EVENTS : OD_FILTER_EVENTS_PER_TYPE;
}

enum od_status od_filter_eval(const struct od_filter *filter, const struct od_filter_values *values,
                              const struct od_filter_context *context, struct od_arena *scratch,
                              uint64_t *keep, struct od_error *err)
{
    static const char *const ids[] = {"ItemID", "UserID", "ActionID"};
    static const char *const rows[] = {"items", "users", "actions"};
    if (filter->target != context->target)
        return od_fail(err, OD_INVALID_INPUT, "The filter is over %s and cannot be used for %s.",
                       ids[filter->target], rows[context->target]);
    struct evaluation e = {.filter = filter,
                           .values = values,
                           .context = context,
                           .table = context->items,
                           .scratch = scratch,
                           .err = err};
    enum od_status status = make_bitmaps(&e);
    if (status == OD_OK && od_filter_uses_interactions(filter))
        status = od_filter_visible(context, events_per_type(filter), scratch, &e.visible, err);
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
    const struct od_filter_context nobody = {
        .user_row = OD_NO_ROW, .current_item_row = OD_NO_ROW, .now_s = people->now_s};
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
