/* Counting events of PutEvents: see attribution.h, invariants 1 and 2.
 *
 * An event counts for each metric of its type (in any case, as event types are compared
 * everywhere), in the quarter of an hour in which it happened. Where a metric adds up a column, an
 * event without a number there adds nothing. Events of 14 days ago or older are not counted, as on
 * AWS, whose monitoring takes no older ones; an event from the future counts as of its arrival, or
 * a client could open periods without end. */
#include <math.h>

#include "api/attribution_inner.h"

int64_t od_attribution_period(int64_t time_s)
{
    int64_t rest = time_s % OD_ATTRIBUTION_PERIOD_S;
    return time_s - (rest < 0 ? rest + OD_ATTRIBUTION_PERIOD_S : rest);
}

/* One event on its way through the metrics; what several of them may need is found once. */
struct counting {
    struct od_call *call;
    struct od_attribution *attribution;
    const struct od_event *event;
    const struct od_events_event *in;
    struct od_json body; /* of the event, when is_parsed */
    bool is_parsed, has_source;
    uint32_t source;
};

static uint32_t source_of(struct counting *c)
{
    struct od_str text = OD_STR_NONE;
    if (c->has_source)
        return c->source;
    if (c->in->metric_attribution)
        text = c->in->metric_attribution->event_attribution_source;
    else if (c->in->recommendation_id.ptr)
        text = od_serve_source(c->call->app->serve, c->attribution->config.group,
                               c->in->recommendation_id, c->call->arena);
    c->source =
        text.ptr ? od_source_names_number(&c->attribution->sources, text) : OD_SOURCE_UNDEFINED;
    c->has_source = true;
    return c->source;
}

static const struct od_json *own_column(struct counting *c, struct od_str column)
{
    struct od_error err;
    if (!c->is_parsed) {
        c->is_parsed = true;
        if (!c->event->body.len || od_json_parse(c->call->arena, c->event->body, &c->body, &err))
            c->body = (struct od_json){0};
    }
    for (size_t i = 0; c->body.kind == OD_JSON_OBJECT && i < c->body.count; i++)
        if (od_str_eq_nocase(c->body.members[i].key, column))
            return &c->body.members[i].value;
    return NULL;
}

/* A number of the event itself. */
static bool own_number(struct counting *c, struct od_str column, double *out)
{
    if (od_str_eq_nocase(column, OD_STR("EVENT_VALUE"))) {
        *out = c->event->value;
        return c->event->has_value;
    }
    if (od_str_eq_nocase(column, OD_STR("TIMESTAMP"))) {
        *out = (double)c->event->time_s;
        return true;
    }
    const struct od_json *value = own_column(c, column);
    if (!value || value->kind != OD_JSON_NUMBER)
        return false;
    *out = value->number;
    return true;
}

static bool number_of(struct counting *c, const struct od_metric_expression *expression,
                      double *out)
{
    bool found = true;
    if (expression->function == OD_METRIC_SAMPLECOUNT)
        *out = 1;
    else if (expression->type == OD_ITEMS)
        found = od_serve_item_number(c->call->app->serve, c->attribution->config.group,
                                     c->event->item, expression->column, out);
    else
        found = own_number(c, expression->column, out);
    return found && isfinite(*out);
}

static enum od_status count_one(struct counting *c, int64_t now_s)
{
    const struct od_attribution_config *config = &c->attribution->config;
    int64_t time_s = c->event->time_s;
    if (time_s <= now_s - OD_ATTRIBUTION_AGE_S)
        return OD_OK;
    int64_t period_s = od_attribution_period(time_s < now_s ? time_s : now_s);
    for (size_t i = 0; i < config->metric_count; i++) {
        const struct od_attribution_metric *metric = &config->metrics[i];
        double value;
        if (!od_str_eq_nocase(metric->event_type, c->event->type) ||
            !number_of(c, &metric->parsed, &value))
            continue;
        enum od_status s =
            od_tally_add(&c->attribution->tally, period_s, (uint32_t)i, source_of(c), value);
        if (s != OD_OK)
            return od_fail(&c->call->err, s == OD_LIMIT ? OD_THROTTLED : s, NULL);
    }
    return OD_OK;
}

enum od_status od_attribution_count(struct od_call *call, struct od_str group,
                                    const struct od_event *events, const bool *is_new, size_t count)
{
    const struct od_events_put_events_request *in = call->in;
    struct od_attribution *attribution = od_attribution_live(call->app, group);
    enum od_status s = OD_OK;
    for (size_t i = 0; attribution && s == OD_OK && i < count; i++) {
        struct counting c = {.call = call,
                             .attribution = attribution,
                             .event = &events[i],
                             .in = &in->event_list.items[i]};
        if (is_new[i])
            s = count_one(&c, events[i].arrived_ms / 1000);
    }
    return s;
}

static enum od_status store_one(struct od_app *app, struct od_attribution *attribution,
                                struct od_error *err)
{
    const struct od_attribution_config *config = &attribution->config;
    const struct od_tally_cell *cells = od_tally_sort(&attribution->tally);
    enum od_status s = OD_OK;
    for (size_t i = 0; s == OD_OK && i < attribution->tally.count; i++) {
        const struct od_attribution_metric *metric = &config->metrics[cells[i].metric];
        const struct od_attribution_cell cell = {
            .period_s = cells[i].period_s,
            .metric = metric->name,
            .source = attribution->sources.list[cells[i].source],
            .event_type = metric->event_type,
            .math_function = od_metric_function_name(metric->parsed.function),
            .value = cells[i].value,
        };
        s = od_attribution_add(app->store, config->id, &cell, config->location.ptr != NULL, err);
    }
    return s;
}

enum od_status od_attributions_store(struct od_app *app, struct od_error *err)
{
    enum od_status s = OD_OK;
    for (struct od_attribution *a = app->attributions->first; s == OD_OK && a; a = a->next)
        if (a->tally.count)
            s = store_one(app, a, err);
    return s;
}

static void show(struct od_attribution *a)
{
    for (size_t i = 0; i < a->tally.count; i++) { /* store_one sorted them to the front */
        const struct od_tally_cell *cell = &a->tally.slots[i];
        double *total = &a->totals[cell->metric][cell->source];
        *total = od_tally_sum(*total, cell->value);
        a->counted[cell->metric][cell->source] = true;
    }
    a->settled = a->sources.count;
}

void od_attributions_settle(struct od_app *app, bool committed)
{
    struct od_attributions *attributions = app->attributions;
    pthread_mutex_lock(&attributions->lock);
    for (struct od_attribution *a = attributions->first; a; a = a->next) {
        if (committed && a->tally.count)
            show(a);
        od_source_names_cut(&a->sources, a->settled);
        if (a->tally.count)
            od_tally_clear(&a->tally);
    }
    pthread_mutex_unlock(&attributions->lock);
}
