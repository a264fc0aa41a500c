/* What became of the events of each tracking id, as /metrics shows it: see targets.h.
 *
 * A label value is a tracking id of this server or one of two words, never what a client sent, so a
 * stranger cannot make lines. */
#include "api/targets_inner.h"
#include "base/limits.h"
#include "wire/metrics.h"

void od_target_count(const struct od_target *target, enum od_event_outcome outcome, size_t events)
{
    if (target->counts)
        atomic_fetch_add_explicit(&target->counts->of[outcome], events, memory_order_relaxed);
}

void od_targets_count_unknown(struct od_targets *targets, size_t events)
{
    atomic_fetch_add_explicit(&targets->unknown, events, memory_order_relaxed);
}

static uint64_t count_of(const struct od_target *target, size_t outcome)
{
    return atomic_load_explicit(&target->counts->of[outcome], memory_order_relaxed);
}

static void write_line(struct od_buf *out, const char *name, struct od_str tracker,
                       struct od_str group, const char *reason, uint64_t value)
{
    od_buf_printf(out, "%s{", name);
    od_registry_write_label(out, OD_STR("tracker"), tracker);
    od_buf_char(out, ',');
    od_registry_write_label(out, OD_STR("dataset_group"), group);
    if (reason) {
        od_buf_char(out, ',');
        od_registry_write_label(out, OD_STR("reason"), od_str_c(reason));
    }
    od_buf_printf(out, "} %llu\n", (unsigned long long)value);
}

/* One outcome of all trackers; the lock is held. */
static void write_outcome(struct od_buf *out, const struct od_targets *targets, const char *name,
                          size_t outcome, const char *reason, size_t *room)
{
    uint64_t rest = 0;
    for (const struct od_target *t = targets->first; t; t = t->next) {
        if (!t->counts)
            continue;
        if (*room == 0) {
            rest += count_of(t, outcome);
            continue;
        }
        write_line(out, name, t->name, t->group, reason, count_of(t, outcome));
        --*room;
    }
    if (rest)
        write_line(out, name, OD_STR("other"), OD_STR("other"), reason, rest);
}

static void write_head(struct od_buf *out, const char *name, const char *help)
{
    od_buf_printf(out, "# HELP %s %s\n# TYPE %s counter\n", name, help, name);
}

void od_targets_write(struct od_targets *targets, struct od_buf *out)
{
    static const struct {
        enum od_event_outcome outcome;
        const char *name;
    } reasons[] = {{OD_EVENT_DUPLICATE, "duplicate"},
                   {OD_EVENT_INVALID, "invalid"},
                   {OD_EVENT_THROTTLED, "throttled"},
                   {OD_EVENT_FAILED, "failed"}};
    static const char accepted[] = "ondol_events_accepted_total",
                      joined[] = "ondol_events_joined_total",
                      ignored[] = "ondol_events_ignored_total";
    size_t room = OD_MAX_METRIC_SERIES;
    pthread_rwlock_rdlock(&targets->lock);
    write_head(out, accepted, "Events stored.");
    write_outcome(out, targets, accepted, OD_EVENT_ACCEPTED, NULL, &room);
    write_head(out, joined, "Events stored that brought a session to its user.");
    room = OD_MAX_METRIC_SERIES;
    write_outcome(out, targets, joined, OD_EVENT_JOINED, NULL, &room);
    write_head(out, ignored, "Events not stored, and why.");
    room = OD_MAX_METRIC_SERIES;
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++)
        write_outcome(out, targets, ignored, reasons[i].outcome, reasons[i].name, &room);
    write_line(out, ignored, OD_STR("unknown"), OD_STR("unknown"), "unknown_tracker",
               atomic_load_explicit(&targets->unknown, memory_order_relaxed));
    pthread_rwlock_unlock(&targets->lock);
}
