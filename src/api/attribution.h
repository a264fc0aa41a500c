/* Metric attributions: what events of which source are worth (docs/attribution.md).
 *
 * The catalogue holds an attribution's configuration, the store what it counted. Here is the live
 * side: one struct od_attribution an active attribution, by dataset group.
 *
 * 1. Events are counted in the transaction that stores them (attribution_count.c). So a counted
 *    event is in the log, an acknowledged one is counted, and a repeated one is counted once.
 * 2. What is shown at /metrics follows after the commit.
 * 3. Reports are files of what was counted since the last (attribution_report.c); the order to
 *    write one is committed before, and forgotten after the file is in its place.
 *
 * All functions: store thread, except where said. */
#ifndef OD_API_ATTRIBUTION_H
#define OD_API_ATTRIBUTION_H

#include "api/attribution_tally.h"
#include "api/resource.h"
#include "base/limits.h"
#include "data/metric_expression.h"

struct od_attribution_metric {
    int64_t number; /* order of adding, never used again: pages of ListMetricAttributionMetrics */
    struct od_str name, event_type, expression; /* as the client wrote them */
    struct od_metric_expression parsed;         /* of the expression */
};

/* What the catalogue says of an attribution. */
struct od_attribution_config {
    int64_t id; /* the resource's seq */
    struct od_str arn, group;
    struct od_str location; /* folder of reports; absent: none are written */
    int64_t last_number;    /* given to a metric so far */
    struct od_attribution_metric metrics[OD_MAX_ATTRIBUTION_METRICS];
    size_t metric_count;
};
/* The place of a metric by its name in any case; SIZE_MAX: none. Any thread. */
size_t od_attribution_metric(const struct od_attribution_config *config, struct od_str name);
/* Strings in the call's arena. */
enum od_status od_attribution_read(struct od_call *call, const struct od_resource *resource,
                                   struct od_attribution_config *out) OD_MUST_USE;
/* The metrics as the resource's extra. */
enum od_status od_attribution_pack(struct od_call *call, const struct od_attribution_config *config,
                                   struct od_resource *resource) OD_MUST_USE;
/* The group's attribution; out->arn absent when it has none. */
enum od_status od_attribution_of(struct od_call *call, struct od_str group,
                                 struct od_attribution_config *out) OD_MUST_USE;

/* ---- sources ---- */

/* Names of sources by number. The first two are always there; texts are owned. */
#define OD_SOURCE_UNDEFINED 0
#define OD_SOURCE_OTHER     1
#define OD_SOURCE_PLACES    (OD_MAX_ATTRIBUTION_SOURCES + 2)
struct od_source_names {
    struct od_str list[OD_SOURCE_PLACES];
    uint32_t count;
};
void od_source_names_init(struct od_source_names *sources);
void od_source_names_cut(struct od_source_names *sources, uint32_t count); /* forgets the rest */
/* The number of a source, added when new; OD_SOURCE_OTHER when there is no room or memory. */
uint32_t od_source_names_number(struct od_source_names *sources, struct od_str text);

/* ---- live ---- */

struct od_attribution {
    struct od_attribution *next;
    struct od_arena arena;
    struct od_attribution_config config; /* strings in arena; immutable */
    struct od_source_names sources;
    uint32_t settled; /* sources that are in the store: the others came since the last commit */
    double totals[OD_MAX_ATTRIBUTION_METRICS][OD_SOURCE_PLACES];
    bool counted[OD_MAX_ATTRIBUTION_METRICS][OD_SOURCE_PLACES]; /* a total is there */
    struct od_tally tally;                                      /* of the commit under way */
};

struct od_attributions;
struct od_attributions *od_attributions_new(void); /* NULL when out of memory */
void od_attributions_free(struct od_attributions *attributions);

/* Begins to count for an attribution of the catalogue, or goes on with its new configuration. */
enum od_status od_attach_attribution(struct od_call *call,
                                     const struct od_resource *resource) OD_MUST_USE;
void od_detach_attribution(struct od_app *app, struct od_str arn);
/* NULL when the group has none. */
struct od_attribution *od_attribution_live(struct od_app *app, struct od_str group);

/* Inside the transaction that stores events: counts those of is_new; call is their PutEvents. */
enum od_status od_attribution_count(struct od_call *call, struct od_str group,
                                    const struct od_event *events, const bool *is_new,
                                    size_t count) OD_MUST_USE;
/* Before that transaction's commit: writes what was counted. */
enum od_status od_attributions_store(struct od_app *app, struct od_error *err) OD_MUST_USE;
/* After it: shows what was counted, or forgets it. */
void od_attributions_settle(struct od_app *app, bool committed);

/* Every attribution's metrics in Prometheus's text format. Any thread. */
void od_attributions_write(struct od_app *app, struct od_buf *out);

/* Begins the period that an event of this time falls into. */
int64_t od_attribution_period(int64_t time_s);

/* ---- reports ---- */

/* Every report period: makes reports of what was counted since the last, and has them written. */
void od_attribution_tick(struct od_app *app);
/* Has reports that wait written by the loader thread, soon. */
void od_attribution_write_soon(struct od_app *app);

/* ---- imports ---- */

/* What an import added to the totals of its group's attribution; NULL: nothing. */
struct od_attribution_import;
/* Counts the rows of an import's segment and writes its report where one was asked for. path:
 * relative to the data folder. *out lives in arena. Loader thread. */
enum od_status od_attribution_import(struct od_app *app, struct od_str job, struct od_str path,
                                     struct od_arena *arena, struct od_attribution_import **out,
                                     struct od_error *err) OD_MUST_USE;
/* Inside the transaction that makes the import's rows visible, and after it. NULL is fine. */
enum od_status od_attribution_import_store(struct od_app *app, struct od_attribution_import *import,
                                           struct od_error *err) OD_MUST_USE;
void od_attribution_import_settle(struct od_app *app, const struct od_attribution_import *import,
                                  bool committed);

#endif
