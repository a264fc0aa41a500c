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
    const uint64_t *asked;       /* explaining: the rows to count */
    struct od_filter_clause *clauses; /* explaining: of the part that runs; else NULL */
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

static size_t count_asked(const struct evaluation *e, const uint64_t *bits)
{
    size_t count = 0;
    for (size_t i = 0, words = od_bitmap_words(e->row_count); i < words; i++)
        count += (size_t)__builtin_popcountll(bits[i] & e->asked[i]);
    return count;
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
            status = run_test(e, test, e->stack[waiting]);
            if (e->clauses && status == OD_OK)
                e->clauses[test - part->where] = (struct od_filter_clause){
                    e->filter->tests[test].text, count_asked(e, e->stack[waiting])};
            test++;
            waiting++;
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

static enum od_status begin(const struct od_filter *filter, const struct od_filter_values *values,
                            const struct od_filter_context *context, struct od_arena *scratch,
                            struct evaluation *out, struct od_error *err)
{
    static const char *const ids[] = {"ItemID", "UserID", "ActionID"};
    static const char *const rows[] = {"items", "users", "actions"};
    if (filter->target != context->target)
        return od_fail(err, OD_INVALID_INPUT, "The filter is over %s and cannot be used for %s.",
                       ids[filter->target], rows[context->target]);
    *out = (struct evaluation){.filter = filter,
                               .values = values,
                               .context = context,
                               .table = context->items,
                               .scratch = scratch,
                               .err = err};
    enum od_status status = make_bitmaps(out);
    if (status == OD_OK && od_filter_uses_interactions(filter))
        status = od_filter_visible(context, events_per_type(filter), scratch, &out->visible, err);
    return status;
}

enum od_status od_filter_eval(const struct od_filter *filter, const struct od_filter_values *values,
                              const struct od_filter_context *context, struct od_arena *scratch,
                              uint64_t *keep, struct od_error *err)
{
    struct evaluation e;
    enum od_status status = begin(filter, values, context, scratch, &e, err);
    return status == OD_OK ? run_parts(&e, keep) : status;
}

/* ---- explaining ---- */

/* ORs the rows of one expression into to and tells of them. */
static enum od_status explain_part(struct evaluation *e, size_t index, uint64_t *to,
                                   struct od_filter_step_report *out)
{
    const struct od_filter_part *part = &e->filter->parts[index];
    bool counts = false;
    *out = (struct od_filter_step_report){
        .text = part->text, .include = part->include, .effect = OD_EFFECT_NO_VALUE};
    if (e->values->skipped[index])
        return OD_OK;
    enum od_status status = run_only_if(e, part, &counts);
    out->effect = counts ? OD_EFFECT_COUNTS : OD_EFFECT_IF_FALSE;
    if (status != OD_OK || !counts)
        return status;
    e->clauses = OD_NEW_ARRAY(e->scratch, struct od_filter_clause, part->where_count);
    if (!e->clauses)
        return od_fail(e->err, OD_NO_MEMORY, NULL);
    status = run_where(e, part, to);
    out->conditions = e->clauses;
    out->condition_count = part->where_count;
    return status;
}

/* INCLUDE expressions first, then what each EXCLUDE drops of the rest. */
static enum od_status explain_parts(struct evaluation *e, uint64_t *kept,
                                    struct od_filter_report *report)
{
    bool any_include = false;
    enum od_status status = OD_OK;
    uint64_t *matched = e->excluded;
    od_bitmap_fill(kept, e->row_count, false);
    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < report->step_count && status == OD_OK; i++) {
            struct od_filter_step_report *step = &report->steps[i];
            if (e->filter->parts[i].include != (pass == 0))
                continue;
            od_bitmap_fill(matched, e->row_count, false);
            status = explain_part(e, i, matched, step);
            step->matches = count_asked(e, matched);
            any_include |= step->include && step->effect == OD_EFFECT_COUNTS;
            size_t before = count_asked(e, kept);
            if (step->include)
                od_bitmap_or(kept, matched, e->row_count);
            else
                od_bitmap_andnot(kept, matched, e->row_count);
            step->drops = step->include ? 0 : before - count_asked(e, kept);
        }
        if (pass == 0 && !any_include)
            od_bitmap_fill(kept, e->row_count, true);
        if (pass == 0)
            report->outside = report->rows - count_asked(e, kept);
    }
    report->kept = count_asked(e, kept);
    return status;
}

enum od_status od_filter_explain(const struct od_filter *filter,
                                 const struct od_filter_values *values,
                                 const struct od_filter_context *context, const uint64_t *rows,
                                 struct od_arena *scratch, struct od_filter_report *out,
                                 struct od_error *err)
{
    struct evaluation e;
    struct od_filter_report report = {.step_count = filter->part_count};
    enum od_status status = begin(filter, values, context, scratch, &e, err);
    if (status != OD_OK)
        return status;
    uint64_t *kept = OD_NEW_ARRAY(scratch, uint64_t, od_bitmap_words(e.row_count));
    report.steps = OD_NEW_ARRAY(scratch, struct od_filter_step_report, filter->part_count);
    if (!kept || !report.steps)
        return od_fail(err, OD_NO_MEMORY, NULL);
    e.asked = rows;
    report.rows = od_bitmap_count(rows, e.row_count);
    status = explain_parts(&e, kept, &report);
    if (status == OD_OK)
        *out = report;
    return status;
}

/* ---- users ---- */

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
