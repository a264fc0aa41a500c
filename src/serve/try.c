/* Trying a filter: how many items, or actions, it keeps for a user, and which of its clauses
 * dropped the others. It is asked by people (`ondol filter try`), so nothing is cached; it looks at
 * the group as a query does, in one hold of its lock for reading, and sees the same history.
 * Counted are all ids that the group has met, with or without a record; campaigns recommend those
 * of them that their model knows. */
#include "base/bitmap.h"
#include "base/limits.h"
#include "serve/ask.h"

struct
try {
    const struct od_filter_try *query;
    const struct od_live *live;
    const struct od_filter *filter;
    struct od_arena *arena;
    struct od_error *err;
    struct od_filter_context context;
    bool user_has_record;
};

static enum od_status check_use(const struct try *t)
{
    if (od_filter_target(t->filter) == OD_TARGET_USER)
        return od_fail(
            t->err, OD_INVALID_INPUT,
            "A filter over UserID selects the users of a segment and cannot be tried for "
            "one.");
    if (od_filter_uses_current_item(t->filter) && !t->query->item.ptr)
        return od_fail(t->err, OD_INVALID_INPUT,
                       "An item is required: the filter uses CurrentItem.");
    if (!t->query->user.ptr &&
        (od_filter_uses_interactions(t->filter) || od_filter_uses_current_user(t->filter)))
        return od_fail(t->err, OD_INVALID_INPUT,
                       "A user is required: the filter uses Interactions or CurrentUser.");
    return OD_OK;
}

static enum od_status look_up_events(struct try *t, const struct od_histories *histories,
                                     uint32_t name)
{
    struct od_history_event past[OD_HISTORY_EVENTS];
    uint32_t count = name == OD_NO_CODE ? 0 : od_histories_length(histories, name);
    struct od_filter_event *events = OD_NEW_ARRAY(t->arena, struct od_filter_event, count);
    if (!events)
        return od_fail(t->err, OD_NO_MEMORY, NULL);
    if (count)
        od_histories_copy(histories, name, count, past);
    for (uint32_t i = 0; i < count; i++)
        events[count - 1 - i] = (struct od_filter_event){
            past[i].item_row, t->live->types.texts[past[i].type], past[i].time};
    t->context.events = events;
    t->context.event_count = count;
    return OD_OK;
}

static enum od_status look_up_user(struct try *t)
{
    const struct od_live *live = t->live;
    struct od_str user = t->query->user;
    if (!user.ptr)
        return OD_OK;
    const struct od_histories *histories = live->activity->histories;
    uint32_t name = od_activity_name(live->activity, user);
    t->context.user_row = od_ask_user_row(live, user, name);
    if (t->context.target == OD_TARGET_ACTION) {
        histories = live->action_activity->histories;
        name = od_actions_name(live, user, name);
        if (t->context.user_row == OD_NO_ROW)
            t->context.user_row = od_actions_user_row(live, name);
    }
    t->user_has_record = live->users && t->context.user_row != OD_NO_ROW &&
                         od_table_has_record(live->users, t->context.user_row);
    return look_up_events(t, histories, name);
}

/* ---- the report as JSON ---- */

static void write_conditions(struct od_buf *out, const struct od_filter_step_report *step)
{
    od_buf_puts(out, ",\"conditions\":[");
    for (size_t i = 0; i < step->condition_count; i++) {
        od_buf_puts(out, i ? ",{\"text\":" : "{\"text\":");
        od_buf_json(out, step->conditions[i].text);
        od_buf_printf(out, ",\"holds\":%zu}", step->conditions[i].holds);
    }
    od_buf_char(out, ']');
}

static void write_report(const struct try *t, const struct od_filter_report *report,
                         struct od_buf *out)
{
    static const char *const effects[] = {[OD_EFFECT_COUNTS] = "counts",
                                          [OD_EFFECT_NO_VALUE] = "a parameter has no value",
                                          [OD_EFFECT_IF_FALSE] = "its IF does not hold"};
    od_buf_printf(out, "{\"of\":\"%s\",\"known\":%zu,\"kept\":%zu,\"inNoInclude\":%zu",
                  t->context.target == OD_TARGET_ACTION ? "actions" : "items", report->rows,
                  report->kept, report->outside);
    if (t->query->user.ptr)
        od_buf_printf(out, ",\"userHasRecord\":%s,\"events\":%zu",
                      t->user_has_record ? "true" : "false", t->context.event_count);
    od_buf_puts(out, ",\"expressions\":[");
    for (size_t i = 0; i < report->step_count; i++) {
        const struct od_filter_step_report *step = &report->steps[i];
        od_buf_puts(out, i ? ",{\"text\":" : "{\"text\":");
        od_buf_json(out, step->text);
        od_buf_printf(out, ",\"include\":%s,\"effect\":\"%s\",\"matches\":%zu,\"drops\":%zu",
                      step->include ? "true" : "false", effects[step->effect], step->matches,
                      step->drops);
        write_conditions(out, step);
        od_buf_char(out, '}');
    }
    od_buf_puts(out, "]}");
}

/* ---- trying ---- */

static enum od_status evaluate(struct try *t, struct od_filter_report *out)
{
    const struct od_filter_values *values;
    const struct od_live *live = t->live;
    enum od_filter_target target = od_filter_target(t->filter);
    t->context = (struct od_filter_context){.items = target == OD_TARGET_ACTION ? live->actions
                                                                                : live->items,
                                            .users = live->users,
                                            .user_row = OD_NO_ROW,
                                            .current_item_row = OD_NO_ROW,
                                            .target = target,
                                            .now_s = t->query->now_ms / 1000};
    enum od_status status = check_use(t);
    if (status == OD_OK)
        status = look_up_user(t);
    if (status == OD_OK)
        status = od_filter_bind(t->filter, t->query->values, t->query->value_count, t->arena,
                                &values, t->err);
    if (status != OD_OK)
        return status;
    if (t->query->item.ptr)
        t->context.current_item_row = od_table_find(live->items, t->query->item);
    uint32_t row_count = od_table_row_count(t->context.items);
    uint64_t *rows = OD_NEW_ARRAY(t->arena, uint64_t, od_bitmap_words(row_count));
    if (!rows)
        return od_fail(t->err, OD_NO_MEMORY, NULL);
    od_bitmap_fill(rows, row_count, true);
    od_bitmap_clear(rows, OD_NAMELESS_ROW);
    return od_filter_explain(t->filter, values, &t->context, rows, t->arena, out, t->err);
}

/* With the group's lock held: what the report points to may go with it. */
static enum od_status try_locked(const struct od_live *live, const struct od_filter *filter,
                                 const struct od_filter_try *query, struct od_arena *arena,
                                 struct od_buf *out, struct od_error *err)
{
    struct try t = {.query = query, .live = live, .filter = filter, .arena = arena, .err = err};
    struct od_filter_report report;
    enum od_status status = evaluate(&t, &report);
    if (status == OD_OK)
        write_report(&t, &report, out);
    return status;
}

static enum od_status try_expression(struct od_serve *serve, const struct od_filter_try *query,
                                     struct od_arena *arena, struct od_buf *out,
                                     struct od_error *err)
{
    struct od_filter *filter = NULL;
    struct od_live *live = od_serve_live(serve, query->group_arn);
    if (!live)
        return od_fail(err, OD_NOT_FOUND, "Resource Arn %.*s does not exist.",
                       OD_STR_ARG(query->group_arn));
    struct od_filter_schemas schemas = {.extended = true};
    pthread_rwlock_rdlock(&live->lock);
    for (int type = 0; type < OD_DATASET_TYPES; type++)
        schemas.by_type[type] = live->datasets[type] ? &live->datasets[type]->schema : NULL;
    enum od_status status =
        od_filter_new(query->expression, &schemas, OD_MAX_FILTER_FIELDS, &filter, err);
    if (status == OD_OK)
        status = try_locked(live, filter, query, arena, out, err);
    pthread_rwlock_unlock(&live->lock);
    od_filter_free(filter);
    od_live_unref(live);
    return status;
}

enum od_status od_serve_filter_try(struct od_serve *serve, const struct od_filter_try *query,
                                   struct od_arena *arena, struct od_buf *out, struct od_error *err)
{
    if (!query->filter_arn.ptr)
        return try_expression(serve, query, arena, out, err);
    struct od_serve_filter *filter = od_serve_filter(serve, query->filter_arn);
    if (!filter)
        return od_fail(err, OD_NOT_FOUND, "Resource Arn %.*s does not exist.",
                       OD_STR_ARG(query->filter_arn));
    pthread_rwlock_rdlock(&filter->group->lock);
    enum od_status status =
        filter->compiled ? try_locked(filter->group, filter->compiled, query, arena, out, err)
                         : od_error_copy(err, &filter->broken);
    pthread_rwlock_unlock(&filter->group->lock);
    od_filters_unref(filter);
    return status;
}

bool od_serve_filter_count(struct od_serve *serve, struct od_str filter_arn, int64_t now_ms,
                           size_t *out_known, size_t *out_kept)
{
    struct od_serve_filter *filter = od_serve_filter(serve, filter_arn);
    struct od_arena arena;
    struct od_error err;
    struct od_filter_report report;
    enum od_status status = OD_NOT_FOUND;
    if (!filter)
        return false;
    const struct od_filter_try query = {.filter_arn = filter_arn, .now_ms = now_ms};
    od_arena_init(&arena, OD_MAX_REQUEST_MEMORY);
    pthread_rwlock_rdlock(&filter->group->lock);
    if (filter->compiled) {
        struct try t = {.query = &query,
                        .live = filter->group,
                        .filter = filter->compiled,
                        .arena = &arena,
                        .err = &err};
        status = evaluate(&t, &report);
    }
    pthread_rwlock_unlock(&filter->group->lock);
    od_arena_done(&arena);
    od_filters_unref(filter);
    if (status != OD_OK)
        return false;
    *out_known = report.rows;
    *out_kept = report.kept;
    return true;
}
