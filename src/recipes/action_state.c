/* x(user, action, time), the columns a propensity depends on. See action.h.
 *
 * Training and serving both come through here with a query, so they cannot differ. Order of the
 * columns: constant; activity; tastes; record; past with actions; past with this action. */
#include <math.h>
#include <string.h>

#include "recipes/action.h"

#define DAY      86400.0
#define DECAY    0.95 /* of tastes, an event: the last twenty or so count */
#define TAKEN_A  1.0  /* prior of a user's share of taken actions: 1 in 4 */
#define TAKEN_B  4.0
#define FAR      4.0F /* deviations: nobody was seen beyond, so nothing is extrapolated to */
#define ACTIVITY 5
#define PAST     5

static double days_between(int64_t later, int64_t earlier)
{
    return fmax(((double)later - (double)earlier) / DAY, 0);
}

static void fill_activity(const struct od_query *q, float *x)
{
    double in7 = 0, in30 = 0;
    for (size_t i = 0; i < q->event_count; i++) {
        double age = days_between(q->now_s, q->events[i].time);
        in7 += age < 7;
        in30 += age < 30;
    }
    x[0] = q->event_count > 0;
    x[1] = (float)log1p(in7);
    x[2] = (float)log1p(in30);
    x[3] = (float)log1p((double)q->event_count);
    x[4] = q->event_count ? (float)log1p(days_between(q->now_s, q->events[q->event_count - 1].time))
                          : 0;
}

static void fill_tastes(const struct od_action_view *view, const struct od_query *q, float *x)
{
    double weight = 1, mass = 0;
    for (size_t i = q->event_count; i-- > 0;) {
        if (q->events[i].item >= view->item_count)
            continue;
        const float *p = view->projection + (size_t)q->events[i].item * view->tastes;
        for (uint32_t d = 0; d < view->tastes; d++)
            x[d] += (float)weight * p[d];
        mass += weight;
        weight *= DECAY;
    }
    for (uint32_t d = 0; d < view->tastes && mass > 0; d++)
        x[d] /= (float)sqrt(mass);
}

/* 1 when the |-separated text has the value. */
static float has_value(struct od_str text, struct od_str value)
{
    struct od_str one;
    while (od_str_cut(&text, '|', &one))
        if (od_str_eq(one, value))
            return 1;
    return 0;
}

static void fill_record(const struct od_action_view *view, const struct od_query *q, float *x)
{
    for (uint32_t c = 0; c < view->record_count; c++) {
        struct od_str name = view->record_name(view->record_names, c);
        size_t eq = od_str_find(name, '=', 0);
        bool number = eq == SIZE_MAX;
        struct od_str field = od_str_sub(name, 0, number ? name.len - 1 : eq);
        for (size_t i = 0; i < q->user_value_count; i++) {
            double value;
            if (!od_str_eq(q->user[i].name, field))
                continue;
            if (!number)
                x[c] = has_value(q->user[i].value, od_str_sub(name, eq + 1, name.len));
            else if (od_str_to_double(q->user[i].value, &value))
                x[c] = (float)(value < 0 ? -log1p(-value) : log1p(value));
        }
    }
}

/* Where the action's open offer begins; the number of events when there is none. */
static size_t open_offer(const struct od_query *q, uint32_t action, int64_t period_s)
{
    size_t begin = q->action_event_count;
    int64_t since = 0;
    for (size_t i = 0; i < q->action_event_count; i++) {
        const struct od_past_event *e = &q->action_events[i];
        if (e->item != action || e->type > OD_ACTION_VIEWED)
            continue;
        if (begin == q->action_event_count || (double)e->time - (double)since > (double)period_s) {
            begin = i;
            since = e->time;
        }
        if (e->type != OD_ACTION_VIEWED)
            begin = q->action_event_count;
    }
    bool over = (double)q->now_s - (double)since > (double)period_s;
    return over ? q->action_event_count : begin;
}

/* Of all actions, or of one. */
static void fill_past(const struct od_query *q, uint32_t action, size_t events, float *x)
{
    double count[3] = {0};
    int64_t last = 0;
    bool any = false;
    for (size_t i = 0; i < events; i++) {
        const struct od_past_event *e = &q->action_events[i];
        if ((action != OD_NO_CODE && e->item != action) || e->type > OD_ACTION_VIEWED)
            continue;
        count[e->type]++;
        last = e->time;
        any = true;
    }
    double taken = count[OD_ACTION_TAKEN], not_taken = count[OD_ACTION_NOT_TAKEN];
    x[0] = (float)log1p(taken);
    x[1] = (float)log1p(not_taken);
    x[2] = (float)log1p(count[OD_ACTION_VIEWED]);
    x[3] = (float)((taken + TAKEN_A) / (taken + not_taken + TAKEN_B));
    x[4] = any ? (float)exp(-days_between(q->now_s, last) / 7) : 0;
}

/* The newest events alone: serving keeps no more, and training must not see more. */
static struct od_query newest(const struct od_query *query)
{
    struct od_query q = *query;
    if (q.event_count > OD_ACTION_EVENTS) {
        q.events += q.event_count - OD_ACTION_EVENTS;
        q.event_count = OD_ACTION_EVENTS;
    }
    if (q.action_event_count > OD_ACTION_EVENTS) {
        q.action_events += q.action_event_count - OD_ACTION_EVENTS;
        q.action_event_count = OD_ACTION_EVENTS;
    }
    return q;
}

void od_action_state_make(const struct od_action_view *view, const struct od_query *query,
                          struct od_action_state *out)
{
    struct od_query q = newest(query);
    memset(out, 0, sizeof *out);
    out->query = q;
    float *x = out->common;
    *x++ = 1;
    fill_activity(&q, x);
    x += ACTIVITY;
    fill_tastes(view, &q, x);
    x += view->tastes;
    fill_record(view, &q, x);
    x += view->record_count;
    fill_past(&q, OD_NO_CODE, q.action_event_count, x);
}

float od_action_standard(float x, float mean, float scale)
{
    return fminf(fmaxf((x - mean) * scale, -FAR), FAR);
}

void od_action_x(const struct od_action_view *view, const struct od_action_state *state,
                 uint32_t action, float *x)
{
    memcpy(x, state->common, view->width * sizeof *x);
    const struct od_query *q = &state->query;
    size_t events = view->period_s ? open_offer(q, action, view->period_s) : q->action_event_count;
    fill_past(q, action, events, x + view->width - PAST);
    for (uint32_t j = 1; view->mean && j < view->width; j++)
        x[j] = od_action_standard(x[j], view->mean[j], view->scale[j]);
}
