/* What /metrics shows of the API: requests and their times by operation, and what is held. */
#include <stdlib.h>
#include <string.h>

#include "api/door.h"
#include "api/runner.h"
#include "wire/metrics.h"

struct od_door_metrics {
    struct od_registry_counter *requests;
    struct od_registry_series *seconds[OD_OP_COUNT];
};

static double read_counts(void *context, size_t offset)
{
    struct od_app *app = context;
    struct od_serve_counts counts;
    uint64_t value;
    od_serve_counts(app->serve, &counts);
    memcpy(&value, (char *)&counts + offset, sizeof value);
    return (double)value;
}

#define GAUGE(name)                                                                                \
    static double read_##name(void *context)                                                       \
    {                                                                                              \
        return read_counts(context, offsetof(struct od_serve_counts, name));                       \
    }
GAUGE(groups)
GAUGE(campaigns)
GAUGE(asleep)
GAUGE(filters)
GAUGE(users)
GAUGE(items)
GAUGE(history_events)
GAUGE(history_bytes)
GAUGE(shown_bytes)
GAUGE(histories_evicted)

static double read_queued_puts(void *context)
{
    return atomic_load(&((struct od_app *)context)->queued_puts);
}

static double read_queued_put_bytes(void *context)
{
    return (double)atomic_load(&((struct od_app *)context)->queued_put_bytes);
}

static double read_connections(void *context)
{
    struct od_app *app = context;
    return atomic_load(&app->ready) ? od_http_connections(app->http) : 0;
}

static double read_jobs_waiting(void *context)
{
    struct od_app *app = context;
    unsigned running;
    return atomic_load(&app->ready) ? od_jobs_waiting(app->jobs, &running) : 0;
}

static double read_jobs_running(void *context)
{
    struct od_app *app = context;
    unsigned running = 0;
    if (atomic_load(&app->ready))
        (void)od_jobs_waiting(app->jobs, &running);
    return running;
}

static double read_disk_failing(void *context)
{
    return od_store_health(((struct od_app *)context)->store).failing;
}

static double read_disk_failures(void *context)
{
    return (double)od_store_health(((struct od_app *)context)->store).failures;
}

static double read_store_bytes(void *context)
{
    return (double)od_store_health(((struct od_app *)context)->store).memory_bytes;
}

static const struct {
    const char *name, *help;
    double (*read)(void *context);
} gauges[] = {
    {"ondol_dataset_groups", "Dataset groups.", read_groups},
    {"ondol_campaigns", "Campaigns and recommenders being served.", read_campaigns},
    {"ondol_campaigns_asleep", "Of them, those that hold no memory for want of requests.",
     read_asleep},
    {"ondol_filters", "Filters.", read_filters},
    {"ondol_users", "Users and sessions with a live history.", read_users},
    {"ondol_items", "Items in the catalogues.", read_items},
    {"ondol_history_events", "Interactions held in live histories.", read_history_events},
    {"ondol_history_bytes", "Memory of the live histories.", read_history_bytes},
    {"ondol_shown_bytes", "Memory of the lists shown, by recommendation id; 64 MiB at most.",
     read_shown_bytes},
    {"ondol_histories_evicted", "Users and sessions whose history is in a file alone.",
     read_histories_evicted},
    {"ondol_queued_puts", "Put calls waiting for their commit.", read_queued_puts},
    {"ondol_queued_put_bytes", "Memory of the Put calls waiting.", read_queued_put_bytes},
    {"ondol_http_connections", "Open connections.", read_connections},
    {"ondol_jobs_waiting", "Imports and trainings waiting for a worker.", read_jobs_waiting},
    {"ondol_disk_failing", "1 while the disk refuses what is to be stored, else 0.",
     read_disk_failing},
    {"ondol_disk_failures",
     "Attempts to store something that failed for the disk, since the start.", read_disk_failures},
    {"ondol_store_bytes", "Memory of the database's code: pages kept, 72 MiB and a little at most.",
     read_store_bytes},
    {"ondol_jobs_running", "Imports and trainings running.", read_jobs_running},
};

enum od_status od_door_metrics_init(struct od_app *app, struct od_error *err)
{
    struct od_door_metrics *m = calloc(1, sizeof *m);
    app->registry = od_registry_new();
    app->door_metrics = m;
    bool ok = m && app->registry;
    for (size_t i = 0; ok && i < sizeof gauges / sizeof *gauges; i++)
        ok = od_registry_gauge(app->registry, gauges[i].name, gauges[i].help, gauges[i].read, app);
    struct od_registry_histogram *seconds = NULL;
    if (ok) {
        m->requests = od_registry_counter_new(app->registry, "ondol_requests_total",
                                              "Answered API requests.", "operation,status");
        seconds = od_registry_histogram_new(app->registry, "ondol_request_seconds",
                                            "From the last byte of a request to its answer.",
                                            "operation", NULL, 0);
        ok = m->requests && seconds;
    }
    for (size_t i = 0; ok && i < OD_OP_COUNT; i++) {
        struct od_str name = od_str_c(od_operations[i].name);
        m->seconds[i] = od_registry_histogram_of(seconds, &name);
    }
    return ok ? OD_OK : od_fail(err, OD_NO_MEMORY, NULL);
}

void od_door_count(struct od_app *app, const struct od_operation *op, int http_status, int64_t ns)
{
    struct od_door_metrics *m = app->door_metrics;
    char status[8] = {(char)('0' + http_status / 100), (char)('0' + http_status / 10 % 10),
                      (char)('0' + http_status % 10)};
    struct od_str labels[2] = {op ? od_str_c(op->name) : OD_STR("none"), od_str_c(status)};
    od_registry_add(od_registry_counter_of(m->requests, labels), 1);
    if (op)
        od_registry_observe_ns(m->seconds[op - od_operations], ns);
}
